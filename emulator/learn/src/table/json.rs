//! Tables from and to JSON: the rows of a scoring request.

use super::infer::{boolean, date_time, number};
use super::read::TableError;
use super::{CategoriesBuilder, Column, ColumnSchema, ColumnType, Table, Values};
use serde_json::{Map, Value};

impl Table {
    /// A table of these columns from records (`[{"age": 31, ...}, ...]`), as AutoML's scoring script takes them.
    /// A value of another JSON type is converted where nothing is lost; a null is missing; unknown fields are ignored.
    ///
    /// # Errors
    /// [`TableError::Json`] when a column is in no record or a value can't be of the column's type, with row and column.
    pub fn from_records(schema: &[ColumnSchema], records: &[Map<String, Value>]) -> Result<Self, TableError> {
        let absent: Vec<&str> = schema
            .iter()
            .filter(|c| !records.is_empty() && !records.iter().any(|r| r.contains_key(&c.name)))
            .map(|c| c.name.as_str())
            .collect();
        if !absent.is_empty() {
            return Err(TableError::Json(format!(
                "the rows lack the columns {}: send a value or null",
                absent.join(", ")
            )));
        }
        let columns = schema
            .iter()
            .map(|column| column_of(column, records.iter().map(|r| r.get(&column.name).unwrap_or(&Value::Null))))
            .collect::<Result<_, _>>()?;
        Ok(Self::from_columns(columns))
    }

    /// These columns of the table, with these types: what another file holds may have been read as another type.
    ///
    /// # Errors
    /// [`TableError::Json`] when a column is absent or a value can't be of the column's type.
    pub fn conform(&self, schema: &[ColumnSchema]) -> Result<Self, TableError> {
        let absent: Vec<&str> =
            schema.iter().filter(|c| self.column(&c.name).is_none()).map(|c| c.name.as_str()).collect();
        if !absent.is_empty() {
            return Err(TableError::Json(format!("the rows lack the columns {}: add them", absent.join(", "))));
        }
        let columns = schema.iter().filter_map(|wanted| Some((wanted, self.column(&wanted.name)?)));
        let conformed = columns.map(|(wanted, found)| match (&found.values, wanted.kind) {
            (values, kind) if values.kind() == kind => Ok(found.clone()),
            (Values::Number { values, .. }, ColumnType::Integer | ColumnType::Number) => {
                let values = Values::Number { values: values.clone(), integer: wanted.kind == ColumnType::Integer };
                Ok(Column { name: wanted.name.clone(), values })
            }
            (values, _) => {
                let cells: Vec<Value> = (0..values.len()).map(|row| values.json(row)).collect();
                column_of(wanted, cells.iter())
            }
        });
        Ok(Self::from_columns(conformed.collect::<Result<_, _>>()?))
    }

    /// A table from MLflow's `split` orientation: column names, and rows as arrays. Without names the order is the
    /// schema's own.
    ///
    /// # Errors
    /// As [`Table::from_records`], and when a row has another length than the names.
    pub fn from_split(schema: &[ColumnSchema], names: &[String], rows: &[Vec<Value>]) -> Result<Self, TableError> {
        let names: Vec<&str> = if names.is_empty() {
            schema.iter().map(|c| c.name.as_str()).collect()
        } else {
            names.iter().map(String::as_str).collect()
        };
        if let Some((row, wrong)) = rows.iter().enumerate().find(|(_, r)| r.len() != names.len()) {
            let message = format!("row {row} has {} values where {} are expected", wrong.len(), names.len());
            return Err(TableError::Json(message));
        }
        let places: Vec<Option<usize>> = schema.iter().map(|c| names.iter().position(|n| *n == c.name)).collect();
        let absent: Vec<&str> =
            schema.iter().zip(&places).filter(|(_, p)| p.is_none()).map(|(c, _)| c.name.as_str()).collect();
        if !absent.is_empty() {
            return Err(TableError::Json(format!(
                "the rows lack the columns {}: send a value or null",
                absent.join(", ")
            )));
        }
        let columns = schema
            .iter()
            .zip(&places)
            .map(|(column, place)| {
                column_of(column, rows.iter().map(|r| place.and_then(|p| r.get(p)).unwrap_or(&Value::Null)))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self::from_columns(columns))
    }

    /// The rows as records; numbers as numbers, missing values as null. What `from_records` reads back.
    pub fn to_records(&self) -> Vec<Map<String, Value>> {
        (0..self.rows())
            .map(|row| self.columns().iter().map(|c| (c.name.clone(), c.values.json(row))).collect())
            .collect()
    }
}

impl Values {
    /// The value of one row as JSON.
    pub(crate) fn json(&self, row: usize) -> Value {
        match self {
            Self::Number { values, integer } => number_json(values.get(row).copied().unwrap_or(f64::NAN), *integer),
            Self::Boolean(values) => values.get(row).copied().flatten().map_or(Value::Null, Value::Bool),
            Self::Text(categories) => categories.get(row).map_or(Value::Null, |text| Value::String(text.to_owned())),
            Self::DateTime(values) => {
                let seconds = values.get(row).copied().filter(|v| v.is_finite());
                let instant = seconds.and_then(|s| jiff::Timestamp::from_second(s as i64).ok());
                instant.map_or(Value::Null, |t| Value::String(t.to_string()))
            }
        }
    }
}

/// A number as JSON: whole where the column is, null where it is missing.
pub(crate) fn number_json(value: f64, integer: bool) -> Value {
    if integer && value.is_finite() { Value::from(value as i64) } else { Value::from(value) }
}

fn column_of<'a>(column: &ColumnSchema, cells: impl Iterator<Item = &'a Value>) -> Result<Column, TableError> {
    let wrong = |row: usize, cell: &Value| {
        TableError::Json(format!("row {row}, column {}: {cell} is not a {}", column.name, column.kind))
    };
    let numbers = |cells: &mut dyn Iterator<Item = &'a Value>, of: fn(&Value) -> Option<f64>| {
        cells.enumerate().map(|(row, cell)| of(cell).ok_or_else(|| wrong(row, cell))).collect::<Result<Vec<_>, _>>()
    };
    let mut cells = cells;
    let values = match column.kind {
        ColumnType::Integer | ColumnType::Number => {
            Values::Number { values: numbers(&mut cells, as_number)?, integer: column.kind == ColumnType::Integer }
        }
        ColumnType::DateTime => Values::DateTime(numbers(&mut cells, as_seconds)?),
        ColumnType::Boolean => {
            let flag = |(row, cell): (usize, &Value)| as_flag(cell).ok_or_else(|| wrong(row, cell));
            Values::Boolean(cells.enumerate().map(flag).collect::<Result<_, _>>()?)
        }
        ColumnType::String => {
            let mut builder = CategoriesBuilder::default();
            for (row, cell) in cells.enumerate() {
                match cell {
                    Value::Null => builder.push(None),
                    Value::String(text) => builder.push(Some(text)),
                    Value::Number(_) | Value::Bool(_) => builder.push(Some(&cell.to_string())),
                    Value::Array(_) | Value::Object(_) => return Err(wrong(row, cell)),
                }
            }
            Values::Text(builder.finish())
        }
    };
    Ok(Column { name: column.name.clone(), values })
}

fn as_number(cell: &Value) -> Option<f64> {
    match cell {
        Value::Null => Some(f64::NAN),
        Value::Number(n) => n.as_f64(),
        Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
        Value::String(text) if text.trim().is_empty() => Some(f64::NAN),
        Value::String(text) => number(text.trim()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn as_seconds(cell: &Value) -> Option<f64> {
    match cell {
        Value::Null => Some(f64::NAN),
        Value::String(text) => date_time(text.trim()),
        _ => None,
    }
}

fn as_flag(cell: &Value) -> Option<Option<bool>> {
    match cell {
        Value::Null => Some(None),
        Value::Bool(flag) => Some(Some(*flag)),
        Value::String(text) => boolean(text.trim()).map(Some),
        Value::Number(n) if n.as_f64() == Some(0.0) => Some(Some(false)),
        Value::Number(n) if n.as_f64() == Some(1.0) => Some(Some(true)),
        _ => None,
    }
}
