//! The target: classes with their labels, or numbers.

use crate::table::{Column, ColumnType, Values};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Class labels in their order, typed as the target column was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Labels {
    /// Type of the target column.
    pub(crate) kind: ColumnType,
    /// Labels as JSON values, sorted: numbers by size, text by its bytes, false before true.
    pub(crate) values: Vec<Value>,
}

impl Labels {
    /// The distinct labels of a column.
    pub(crate) fn of(column: &Column) -> Self {
        let mut distinct: BTreeMap<String, Value> = BTreeMap::new();
        for row in 0..column.values.len() {
            let value = column.values.json(row);
            if !value.is_null() {
                distinct.entry(text(&value)).or_insert(value);
            }
        }
        let mut values: Vec<Value> = distinct.into_values().collect();
        values.sort_by(in_order);
        Self { kind: column.values.kind(), values }
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// Labels as text, for a confusion matrix.
    pub(crate) fn names(&self) -> Vec<String> {
        self.values.iter().map(text).collect()
    }

    /// The class of a label written as text, such as a `positiveLabel`.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.values.iter().position(|value| text(value) == name)
    }

    /// Each row's class; `None` where the label is missing or unknown.
    pub(crate) fn encode(&self, column: &Column) -> Vec<Option<usize>> {
        let index: BTreeMap<String, usize> = self.names().into_iter().enumerate().map(|(i, name)| (name, i)).collect();
        if let Values::Text(categories) = &column.values {
            let classes: Vec<Option<usize>> =
                categories.dictionary.iter().map(|label| index.get(label).copied()).collect();
            return categories.codes.iter().map(|&code| classes.get(code as usize).copied().flatten()).collect();
        }
        // 1 and 1.0 are one label, whichever of two files has the fraction.
        let whole = self.kind == ColumnType::Integer;
        let label = |row: usize| match &column.values {
            Values::Number { values, .. } if whole => {
                text(&crate::table::number_json(values[row], values[row].fract() == 0.0))
            }
            values => text(&values.json(row)),
        };
        (0..column.values.len()).map(|row| index.get(&label(row)).copied()).collect()
    }
}

/// A label as text: strings without their quotes.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn in_order(a: &Value, b: &Value) -> Ordering {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => text(a).cmp(&text(b)),
    }
}

/// What an estimator is fitted to, one entry a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Target {
    Classes { codes: Vec<usize>, count: usize },
    Numbers(Vec<f64>),
}

impl Target {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Classes { codes, .. } => codes.len(),
            Self::Numbers(values) => values.len(),
        }
    }

    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        match self {
            Self::Classes { codes, count } => {
                Self::Classes { codes: rows.iter().map(|&r| codes[r]).collect(), count: *count }
            }
            Self::Numbers(values) => Self::Numbers(rows.iter().map(|&r| values[r]).collect()),
        }
    }
}
