//! What a client may send to an MLflow model's scoring route.

use azureml_emulator_learn::{ColumnSchema, Table};
use serde_json::{Map, Value};

/// Why a request can't be scored: the model's server answers 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("The request body is not JSON: {0}")]
    NotJson(String),
    #[error(
        "The request has no input_data: send {{\"input_data\": {{\"columns\": [...], \"index\": [...], \"data\": [[...]]}}}}"
    )]
    NoInput,
    #[error("input_data.{0}")]
    Shape(&'static str),
    #[error("{0}")]
    Values(String),
}

/// The rows of a request: `input_data` in split orientation, as a list of records, or as bare rows.
pub(crate) fn rows(body: &[u8], columns: &[ColumnSchema]) -> Result<Table, RequestError> {
    let body: Value = serde_json::from_slice(body).map_err(|error| RequestError::NotJson(error.to_string()))?;
    let input = ["input_data", "dataframe_split", "dataframe_records", "Inputs", "data"]
        .iter()
        .find_map(|key| body.get(key))
        .ok_or(RequestError::NoInput)?;
    // AutoML's own scoring scripts take {"Inputs": {"data": [...]}} with records.
    let input = match input {
        Value::Object(map) if !map.contains_key("columns") && map.len() == 1 => map.get("data").unwrap_or(input),
        _ => input,
    };
    let table = match input {
        Value::Object(map) => split(map, columns)?,
        Value::Array(items) => list(items, columns)?,
        _ => return Err(RequestError::Shape("must be an object with columns and data, or a list of rows")),
    };
    if table.rows() == 0 {
        return Err(RequestError::Shape("data holds no rows"));
    }
    Ok(table)
}

fn split(map: &Map<String, Value>, columns: &[ColumnSchema]) -> Result<Table, RequestError> {
    let data = map.get("data").and_then(Value::as_array).ok_or(RequestError::Shape("data must be a list of rows"))?;
    let names = match map.get("columns") {
        None | Some(Value::Null) => Vec::new(),
        Some(value) => {
            let list = value.as_array().ok_or(RequestError::Shape("columns must be a list of names"))?;
            list.iter()
                .map(|name| name.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>()
                .ok_or(RequestError::Shape("columns must be a list of names"))?
        }
    };
    if let Some(index) = map.get("index").and_then(Value::as_array)
        && index.len() != data.len()
    {
        return Err(RequestError::Shape("index and data are of different lengths"));
    }
    arrays(&names, data, columns)
}

fn arrays(names: &[String], data: &[Value], columns: &[ColumnSchema]) -> Result<Table, RequestError> {
    let rows: Vec<Vec<Value>> = data
        .iter()
        .map(|row| row.as_array().cloned())
        .collect::<Option<_>>()
        .ok_or(RequestError::Shape("data must be a list of rows, each a list of values"))?;
    Table::from_split(columns, names, &rows).map_err(|error| RequestError::Values(error.to_string()))
}

fn list(items: &[Value], columns: &[ColumnSchema]) -> Result<Table, RequestError> {
    if items.first().is_some_and(Value::is_array) {
        return arrays(&[], items, columns);
    }
    let records: Vec<Map<String, Value>> = items
        .iter()
        .map(|item| item.as_object().cloned())
        .collect::<Option<_>>()
        .ok_or(RequestError::Shape("must be a list of records, or of rows"))?;
    Table::from_records(columns, &records).map_err(|error| RequestError::Values(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use azureml_emulator_learn::ColumnType;
    use serde_json::json;

    fn columns() -> Vec<ColumnSchema> {
        vec![
            ColumnSchema { name: "age".into(), kind: ColumnType::Integer },
            ColumnSchema { name: "job".into(), kind: ColumnType::String },
        ]
    }

    fn read(body: &Value) -> Result<Table, RequestError> {
        rows(body.to_string().as_bytes(), &columns())
    }

    #[test]
    fn every_form_gives_the_same_rows() {
        let split =
            read(&json!({"input_data": {"columns": ["job", "age"], "index": [0], "data": [["admin", 31]]}})).unwrap();
        assert_eq!(read(&json!({"input_data": [{"age": 31, "job": "admin"}]})), Ok(split.clone()));
        assert_eq!(read(&json!({"input_data": [[31, "admin"]]})), Ok(split.clone()));
        assert_eq!(read(&json!({"Inputs": {"data": [{"age": 31, "job": "admin"}]}})), Ok(split));
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(matches!(rows(b"{", &columns()), Err(RequestError::NotJson(_))));
        assert_eq!(read(&json!({})), Err(RequestError::NoInput));
        let index = json!({"input_data": {"columns": ["age", "job"], "index": [0, 1], "data": [[1, "a"]]}});
        assert_eq!(read(&index), Err(RequestError::Shape("index and data are of different lengths")));
        let column = read(&json!({"input_data": {"columns": ["age"], "index": [0], "data": [[1]]}}));
        assert!(column.unwrap_err().to_string().contains("job"));
        assert!(read(&json!({"input_data": []})).is_err());
    }
}
