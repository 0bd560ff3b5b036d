//! The `MLTable` file of an mltable data asset: which files, read how.

use azureml_emulator_learn::{Encoding, Header, ReadOptions};
use serde_json::Value;

/// What an `MLTable` file says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MlTable {
    /// `file:`, `folder:` and `pattern:` entries; relative to the folder of the `MLTable` file unless they are URIs.
    pub(crate) paths: Vec<String>,
    /// Options of `read_delimited`.
    pub(crate) options: ReadOptions,
    /// Columns that `keep_columns` leaves; `None` for all.
    pub(crate) keep: Option<Vec<String>>,
    /// Columns that `drop_columns` takes away.
    pub(crate) drop: Vec<String>,
}

/// Why an `MLTable` file could not be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MlTableError {
    #[error("the MLTable file is not YAML: {0}")]
    Yaml(String),
    #[error("the MLTable file names no paths: give `paths` with a `file`, `folder` or `pattern` each")]
    NoPaths,
    #[error("the MLTable file has the transformation {0}, which is not supported here: use read_delimited")]
    Transformation(String),
    #[error("the MLTable file sets {option} of read_delimited to {value}: {expected}")]
    Option { option: &'static str, value: String, expected: &'static str },
}

impl MlTable {
    /// Reads the document.
    pub(crate) fn parse(text: &str) -> Result<Self, MlTableError> {
        let document: Value = serde_saphyr::from_str(text).map_err(|error| MlTableError::Yaml(error.to_string()))?;
        let entries = document.get("paths").and_then(Value::as_array).into_iter().flatten();
        let paths: Vec<String> = entries
            .filter_map(|entry| ["file", "folder", "pattern"].iter().find_map(|kind| entry.get(kind)?.as_str()))
            .map(str::to_owned)
            .collect();
        if paths.is_empty() {
            return Err(MlTableError::NoPaths);
        }
        let mut table = Self { paths, options: ReadOptions::default(), keep: None, drop: Vec::new() };
        for step in document.get("transformations").and_then(Value::as_array).into_iter().flatten() {
            table.apply(step)?;
        }
        Ok(table)
    }

    fn apply(&mut self, step: &Value) -> Result<(), MlTableError> {
        let (name, arguments) = match step {
            Value::String(name) => (name.as_str(), &Value::Null),
            Value::Object(map) => match map.iter().next() {
                Some((name, arguments)) => (name.as_str(), arguments),
                None => return Ok(()),
            },
            _ => return Err(MlTableError::Transformation(step.to_string())),
        };
        match name {
            "read_delimited" => self.options = read_options(arguments)?,
            "keep_columns" => self.keep = Some(names(arguments)),
            "drop_columns" => self.drop.extend(names(arguments)),
            // Types are found from the values: what a conversion would only confirm.
            "convert_column_types" => {}
            other => return Err(MlTableError::Transformation(other.to_owned())),
        }
        Ok(())
    }
}

fn names(arguments: &Value) -> Vec<String> {
    match arguments {
        Value::String(name) => vec![name.clone()],
        Value::Array(items) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn read_options(arguments: &Value) -> Result<ReadOptions, MlTableError> {
    let mut options = ReadOptions::default();
    if let Some(text) = arguments.get("delimiter").and_then(Value::as_str) {
        let text = if text == "\\t" { "\t" } else { text };
        let mut characters = text.chars();
        options.delimiter = match (characters.next(), characters.next()) {
            (Some(one), None) if one.is_ascii() => one,
            _ => {
                let expected = "it must be one ASCII character";
                return Err(MlTableError::Option { option: "delimiter", value: text.to_owned(), expected });
            }
        };
    }
    if let Some(text) = arguments.get("encoding").and_then(Value::as_str) {
        let expected = "known are utf8, iso88591, latin1, ascii, utf16, utf32, utf8bom and windows1252";
        options.encoding = serde_json::from_value::<Encoding>(Value::from(text.to_ascii_lowercase()))
            .map_err(|_| MlTableError::Option { option: "encoding", value: text.to_owned(), expected })?;
    }
    match arguments.get("header") {
        Some(Value::Bool(true)) | None => {}
        Some(Value::Bool(false)) => options.header = Header::NoHeader,
        Some(value) => {
            let expected =
                "known are no_header, from_first_file, all_files_different_headers and all_files_same_headers";
            options.header = serde_json::from_value(value.clone()).map_err(|_| MlTableError::Option {
                option: "header",
                value: value.to_string(),
                expected,
            })?;
        }
    }
    if let Some(flag) = arguments.get("empty_as_string").and_then(Value::as_bool) {
        options.empty_as_string = flag;
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_reading_options_are_read() {
        let table = MlTable::parse(
            "type: mltable\npaths:\n  - file: ./bank.csv\ntransformations:\n  - read_delimited:\n      delimiter: ';'\n      encoding: ascii\n      header: from_first_file\n  - drop_columns: [a]\n",
        )
        .unwrap();
        assert_eq!(table.paths, ["./bank.csv"]);
        assert_eq!(table.options.delimiter, ';');
        assert_eq!(table.options.encoding, Encoding::Ascii);
        assert_eq!(table.options.header, Header::FromFirstFile);
        assert_eq!(table.drop, ["a"]);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        assert_eq!(MlTable::parse("type: mltable\n"), Err(MlTableError::NoPaths));
        let parquet = MlTable::parse("paths: [{file: a}]\ntransformations: [read_parquet]\n");
        assert_eq!(parquet, Err(MlTableError::Transformation("read_parquet".into())));
        let wide = MlTable::parse("paths: [{file: a}]\ntransformations: [{read_delimited: {delimiter: '::'}}]\n");
        assert!(wide.unwrap_err().to_string().contains("delimiter"));
    }
}
