//! The swagger document of an endpoint: what its model takes and gives.

use azureml_emulator_learn::{ColumnSchema, ColumnType};
use serde_json::{Map, Value, json};

/// The document for a model with these columns.
pub(crate) fn document(endpoint: &str, host: &str, base_path: &str, columns: &[ColumnSchema], output: &Value) -> Value {
    let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
    let record: Map<String, Value> = columns.iter().map(|c| (c.name.clone(), schema(c.kind))).collect();
    let row: Vec<Value> = columns.iter().map(|c| example(c.kind)).collect();
    json!({
        "swagger": "2.0",
        "info": {"title": endpoint, "description": format!("Scores rows with the model behind {endpoint}."), "version": "1.0"},
        "host": host,
        "basePath": base_path,
        "schemes": ["https"],
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "securityDefinitions": {"Bearer": {"type": "apiKey", "name": "Authorization", "in": "header", "description": "Bearer and the key"}},
        "security": [{"Bearer": []}],
        "paths": {
            "/": {"get": {
                "operationId": "ServiceHealthCheck",
                "description": "Whether the endpoint is alive.",
                "responses": {"200": {"description": "It is.", "schema": {"type": "string"}}}
            }},
            "/score": {"post": {
                "operationId": "RunMLService",
                "description": "Predicts for each row.",
                "parameters": [{"name": "serviceInputPayload", "in": "body", "required": true, "schema": {"$ref": "#/definitions/ServiceInput"}}],
                "responses": {
                    "200": {"description": "One prediction a row.", "schema": {"$ref": "#/definitions/ServiceOutput"}},
                    "default": {"description": "What went wrong.", "schema": {"$ref": "#/definitions/ErrorResponse"}}
                }
            }}
        },
        "definitions": {
            "ServiceInput": {
                "type": "object",
                "required": ["input_data"],
                "properties": {"input_data": {
                    "type": "object",
                    "required": ["columns", "data"],
                    "properties": {
                        "columns": {"type": "array", "items": {"type": "string", "enum": names.clone()}},
                        "index": {"type": "array", "items": {"type": "integer"}},
                        "data": {"type": "array", "items": {"type": "array", "items": {}}}
                    }
                }},
                "example": {"input_data": {"columns": names.clone(), "index": [0], "data": [row]}}
            },
            "Row": {"type": "object", "required": names, "properties": record},
            "ServiceOutput": {"type": "array", "items": output},
            "ErrorResponse": {"type": "object", "properties": {"error": {"type": "object", "properties": {
                "code": {"type": "string"}, "message": {"type": "string"}
            }}}}
        }
    })
}

fn schema(kind: ColumnType) -> Value {
    match kind {
        ColumnType::Integer => json!({"type": "integer", "format": "int64"}),
        ColumnType::Number => json!({"type": "number", "format": "double"}),
        ColumnType::Boolean => json!({"type": "boolean"}),
        ColumnType::String => json!({"type": "string"}),
        ColumnType::DateTime => json!({"type": "string", "format": "date-time"}),
    }
}

fn example(kind: ColumnType) -> Value {
    match kind {
        ColumnType::Integer => json!(0),
        ColumnType::Number => json!(0.0),
        ColumnType::Boolean => json!(false),
        ColumnType::String => json!("example_value"),
        ColumnType::DateTime => json!("2000-01-01T00:00:00Z"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_stands_with_its_type() {
        let columns = [
            ColumnSchema { name: "age".into(), kind: ColumnType::Integer },
            ColumnSchema { name: "job".into(), kind: ColumnType::String },
        ];
        let document = document("bank", "127.0.0.1:1", "/", &columns, &json!({"type": "string"}));
        let row = document.pointer("/definitions/Row").unwrap();
        assert_eq!(row["required"], json!(["age", "job"]));
        assert_eq!(row["properties"]["age"]["type"], "integer");
        assert_eq!(row["properties"]["job"]["type"], "string");
        let example = document.pointer("/definitions/ServiceInput/example/input_data/columns").unwrap();
        assert_eq!(example, &json!(["age", "job"]));
    }
}
