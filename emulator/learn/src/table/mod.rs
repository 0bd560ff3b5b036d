//! Tables: named columns of numbers, booleans, dates or text, any of them with missing values.

mod encoding;
mod infer;
mod json;

mod read;

pub(crate) use infer::date_time;
pub(crate) use json::number_json;
pub use read::{Encoding, Header, ReadOptions, SourceFile, TableError};

use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Code of a missing value in [`Categories::codes`].
pub(crate) const MISSING: u32 = u32::MAX;

/// What a column holds, as a swagger document would say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// Whole numbers.
    Integer,
    /// Numbers with a fraction.
    Number,
    /// `true` or `false`.
    Boolean,
    /// Text, of few or many distinct values.
    String,
    /// A date, or a date and time.
    DateTime,
}

impl std::fmt::Display for ColumnType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::DateTime => "datetime",
        })
    }
}

/// A column's name and type: one entry of a model's input schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnSchema {
    /// Name as it stands in the header.
    pub name: String,
    /// Type found when the training data was read.
    #[serde(rename = "type")]
    pub kind: ColumnType,
}

/// Text values, each distinct one stored once.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Categories {
    pub(crate) dictionary: Vec<String>,
    pub(crate) codes: Vec<u32>,
}

impl Categories {
    pub(crate) fn get(&self, row: usize) -> Option<&str> {
        let code = *self.codes.get(row)?;
        self.dictionary.get(code as usize).map(String::as_str)
    }
}

/// Collects text values into [`Categories`].
#[derive(Debug, Default)]
pub(crate) struct CategoriesBuilder {
    index: HashMap<String, u32>,
    built: Categories,
}

impl CategoriesBuilder {
    pub(crate) fn push(&mut self, value: Option<&str>) {
        let Some(value) = value else {
            self.built.codes.push(MISSING);
            return;
        };
        let code = match self.index.get(value) {
            Some(code) => *code,
            None => {
                let code = self.built.dictionary.len() as u32;
                self.index.insert(value.to_owned(), code);
                self.built.dictionary.push(value.to_owned());
                code
            }
        };
        self.built.codes.push(code);
    }

    pub(crate) fn len(&self) -> usize {
        self.built.codes.len()
    }

    pub(crate) fn finish(self) -> Categories {
        self.built
    }
}

/// The values of a column. A missing number or date is NaN.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Values {
    Number {
        values: Vec<f64>,
        integer: bool,
    },
    Boolean(Vec<Option<bool>>),
    Text(Categories),
    /// Seconds since 1970-01-01T00:00:00 UTC.
    DateTime(Vec<f64>),
}

impl Values {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Number { values, .. } | Self::DateTime(values) => values.len(),
            Self::Boolean(values) => values.len(),
            Self::Text(categories) => categories.codes.len(),
        }
    }

    pub(crate) fn kind(&self) -> ColumnType {
        match self {
            Self::Number { integer: true, .. } => ColumnType::Integer,
            Self::Number { .. } => ColumnType::Number,
            Self::Boolean(_) => ColumnType::Boolean,
            Self::Text(_) => ColumnType::String,
            Self::DateTime(_) => ColumnType::DateTime,
        }
    }

    pub(crate) fn is_missing(&self, row: usize) -> bool {
        match self {
            Self::Number { values, .. } | Self::DateTime(values) => values.get(row).is_none_or(|v| v.is_nan()),
            Self::Boolean(values) => values.get(row).is_none_or(Option::is_none),
            Self::Text(categories) => categories.get(row).is_none(),
        }
    }

    fn select(&self, rows: &[usize]) -> Self {
        match self {
            Self::Number { values, integer } => {
                Self::Number { values: rows.iter().map(|&r| values[r]).collect(), integer: *integer }
            }
            Self::DateTime(values) => Self::DateTime(rows.iter().map(|&r| values[r]).collect()),
            Self::Boolean(values) => Self::Boolean(rows.iter().map(|&r| values[r]).collect()),
            Self::Text(c) => Self::Text(Categories {
                dictionary: c.dictionary.clone(),
                codes: rows.iter().map(|&r| c.codes[r]).collect(),
            }),
        }
    }
}

/// One named column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) values: Values,
}

/// A table in memory: columns of equal length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    columns: Vec<Column>,
    rows: usize,
}

impl Table {
    /// Columns must be of equal length; shorter ones would make rows that are only half there.
    pub(crate) fn from_columns(columns: Vec<Column>) -> Self {
        let rows = columns.iter().map(|c| c.values.len()).min().unwrap_or(0);
        Self { columns, rows }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Names and types, in the order of the file.
    pub fn schema(&self) -> Vec<ColumnSchema> {
        self.columns.iter().map(|c| ColumnSchema { name: c.name.clone(), kind: c.values.kind() }).collect()
    }

    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// The rows at these positions, in this order; positions beyond the end are left out.
    pub fn select(&self, rows: &[usize]) -> Self {
        let rows: Vec<usize> = rows.iter().copied().filter(|&r| r < self.rows).collect();
        let columns =
            self.columns.iter().map(|c| Column { name: c.name.clone(), values: c.values.select(&rows) }).collect();
        Self { columns, rows: rows.len() }
    }

    /// The same table with another column, of as many rows.
    pub(crate) fn with(mut self, column: Option<Column>) -> Self {
        self.columns.extend(column);
        self
    }

    /// The same table without some columns.
    pub fn without(&self, names: &[&str]) -> Self {
        let columns = self.columns.iter().filter(|c| !names.contains(&c.name.as_str())).cloned().collect();
        Self { columns, rows: self.rows }
    }
}
