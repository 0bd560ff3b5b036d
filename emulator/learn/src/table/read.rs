//! Reading delimited text into a [`Table`], with the options of MLTable's `read_delimited` transformation.

use super::encoding::decode;
use super::infer::typed;
use super::{CategoriesBuilder, Column, Table};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Why delimited text could not be read. Every message says where and what to change.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableError {
    /// Nothing to read.
    #[error("the data has no files: give at least one path")]
    NoFiles,
    /// A file without a byte, or with a header alone when rows are needed.
    #[error("{file} holds no data: it needs {needs}")]
    Empty {
        /// Name of the file.
        file: String,
        /// What was expected of it.
        needs: &'static str,
    },
    /// Binary data, most likely another format.
    #[error(
        "{file} is not delimited text: it has a NUL byte at byte {offset}; check that it is CSV and not compressed"
    )]
    Binary {
        /// Name of the file.
        file: String,
        /// Position of the first NUL.
        offset: usize,
    },
    /// Bytes that the encoding does not know.
    #[error("{file} is not {encoding} text: byte {offset} can't be decoded; set `encoding` to the file's own")]
    Encoding {
        /// Name of the file.
        file: String,
        /// The encoding that was asked for.
        encoding: Encoding,
        /// Position of the first byte that does not fit.
        offset: usize,
    },
    /// A row with more or fewer fields than the header.
    #[error("{file} line {line} has {found} fields where {expected} are expected; check the delimiter and quotes")]
    Ragged {
        /// Name of the file.
        file: String,
        /// Line of the row, from 1.
        line: u64,
        /// Fields of the header.
        expected: usize,
        /// Fields of the row.
        found: usize,
    },
    /// Two columns of one name.
    #[error("{file} has the column {column} twice: rename one of them")]
    DuplicateColumn {
        /// Name of the file.
        file: String,
        /// The name that occurs twice.
        column: String,
    },
    /// Files that should have the same header, and don't.
    #[error("{file} has other columns than the first file ({detail}): align them, or read with different headers")]
    HeadersDiffer {
        /// Name of the file.
        file: String,
        /// What differs.
        detail: String,
    },
    /// JSON rows that are not records of the expected columns.
    #[error("{0}")]
    Json(String),
}

/// Character encodings, by the names of MLTable's `encoding`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    #[default]
    #[serde(alias = "utf-8", alias = "utf8bom", alias = "utf8-bom")]
    Utf8,
    /// ISO-8859-1.
    #[serde(rename = "iso88591", alias = "latin1")]
    Latin1,
    /// Seven bits.
    Ascii,
    /// UTF-16, byte order by its mark, little-endian without one.
    #[serde(alias = "utf-16")]
    Utf16,
    /// UTF-32, byte order by its mark, little-endian without one.
    #[serde(alias = "utf-32")]
    Utf32,
    /// Windows code page 1252.
    #[serde(alias = "cp1252")]
    Windows1252,
}

impl std::fmt::Display for Encoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Utf8 => "UTF-8",
            Self::Latin1 => "ISO-8859-1",
            Self::Ascii => "ASCII",
            Self::Utf16 => "UTF-16",
            Self::Utf32 => "UTF-32",
            Self::Windows1252 => "Windows-1252",
        })
    }
}

/// How the first line of each file is meant, by the names of MLTable's `header`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Header {
    /// Every file begins with the same header.
    #[default]
    AllFilesSameHeaders,
    /// Only the first file has a header.
    FromFirstFile,
    /// No file has one: columns are named Column1, Column2, and so on.
    NoHeader,
    /// Every file has its own header: columns are joined by name, and missing where a file lacks them.
    AllFilesDifferentHeaders,
}

/// Options of MLTable's `read_delimited`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReadOptions {
    /// Field separator; one byte of ASCII.
    pub delimiter: char,
    /// Character encoding of every file.
    pub encoding: Encoding,
    /// Where column names come from.
    pub header: Header,
    /// Keep an empty field as empty text rather than as a missing value.
    pub empty_as_string: bool,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { delimiter: ',', encoding: Encoding::Utf8, header: Header::AllFilesSameHeaders, empty_as_string: false }
    }
}

/// One file: its name (for messages) and its bytes.
#[derive(Debug, Clone, Copy)]
pub struct SourceFile<'a> {
    /// Name shown in messages.
    pub name: &'a str,
    /// The whole content.
    pub bytes: &'a [u8],
}

impl Table {
    /// Reads one or several files into one table, then finds each column's type over all rows.
    ///
    /// # Errors
    /// [`TableError`] with the file and line, when a file is empty, not delimited text, of another encoding, or ragged.
    pub fn read(files: &[SourceFile<'_>], options: &ReadOptions) -> Result<Self, TableError> {
        let mut gathered = Gathered::default();
        for (position, file) in files.iter().enumerate() {
            gathered.add(position, file, options)?;
        }
        if files.is_empty() {
            return Err(TableError::NoFiles);
        }
        if gathered.rows == 0 {
            let file = files.first().map_or("", |f| f.name).to_owned();
            return Err(TableError::Empty { file, needs: "at least one row" });
        }
        Ok(gathered.finish())
    }

    /// Reads one file.
    ///
    /// # Errors
    /// As [`Table::read`].
    pub fn from_csv(name: &str, bytes: &[u8], options: &ReadOptions) -> Result<Self, TableError> {
        Self::read(&[SourceFile { name, bytes }], options)
    }
}

/// Columns as they fill up, file after file.
#[derive(Default)]
struct Gathered {
    names: Vec<String>,
    columns: Vec<CategoriesBuilder>,
    rows: usize,
}

impl Gathered {
    fn add(&mut self, position: usize, file: &SourceFile<'_>, options: &ReadOptions) -> Result<(), TableError> {
        if file.bytes.is_empty() {
            return Err(TableError::Empty { file: file.name.to_owned(), needs: "a header line and at least one row" });
        }
        let wide = matches!(options.encoding, Encoding::Utf16 | Encoding::Utf32);
        if !wide && let Some(offset) = file.bytes.iter().position(|&b| b == 0) {
            return Err(TableError::Binary { file: file.name.to_owned(), offset });
        }
        let text = decode(file.name, file.bytes, options.encoding)?;
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(u8::try_from(options.delimiter).unwrap_or(b','))
            .from_reader(text.as_bytes());
        let mut record = csv::StringRecord::new();
        let mut places: Vec<usize> = Vec::new();
        let mut first = true;
        loop {
            let more = reader.read_record(&mut record).map_err(|_| TableError::Encoding {
                file: file.name.to_owned(),
                encoding: options.encoding,
                offset: 0,
            })?;
            if !more {
                break;
            }
            if first {
                first = false;
                let (header, is_row) = self.header(position, &record, options);
                places = self.place(position, file.name, header, options.header)?;
                if !is_row {
                    continue;
                }
            }
            self.row(file.name, &record, &places, options)?;
        }
        Ok(())
    }

    /// The names of this file's columns, and whether its first line is a row already.
    fn header(&self, position: usize, first: &csv::StringRecord, options: &ReadOptions) -> (Vec<String>, bool) {
        match options.header {
            Header::NoHeader => ((1..=first.len()).map(|n| format!("Column{n}")).collect(), true),
            Header::FromFirstFile if position > 0 => (self.names.clone(), true),
            _ => (first.iter().map(|name| name.trim().to_owned()).collect(), false),
        }
    }

    /// Where each field of this file goes among the columns gathered so far; adds columns where that is allowed.
    fn place(
        &mut self,
        position: usize,
        file: &str,
        header: Vec<String>,
        mode: Header,
    ) -> Result<Vec<usize>, TableError> {
        let mut known: HashMap<&str, usize> = HashMap::new();
        for (index, name) in header.iter().enumerate() {
            if known.insert(name, index).is_some() {
                return Err(TableError::DuplicateColumn { file: file.to_owned(), column: name.clone() });
            }
        }
        let may_add = position == 0 || mode == Header::AllFilesDifferentHeaders;
        if !may_add {
            if header.len() != self.names.len() {
                let detail = format!("{} columns instead of {}", header.len(), self.names.len());
                return Err(TableError::HeadersDiffer { file: file.to_owned(), detail });
            }
            if let Some(other) = header.iter().find(|name| !self.names.contains(name)) {
                let detail = format!("column {other} is not in the first");
                return Err(TableError::HeadersDiffer { file: file.to_owned(), detail });
            }
        }
        let mut places = Vec::with_capacity(header.len());
        for name in header {
            let place = match self.names.iter().position(|known| *known == name) {
                Some(place) => place,
                None => {
                    self.names.push(name);
                    let mut column = CategoriesBuilder::default();
                    (0..self.rows).for_each(|_| column.push(None));
                    self.columns.push(column);
                    self.columns.len() - 1
                }
            };
            places.push(place);
        }
        Ok(places)
    }

    fn row(
        &mut self,
        file: &str,
        record: &csv::StringRecord,
        places: &[usize],
        options: &ReadOptions,
    ) -> Result<(), TableError> {
        if record.len() != places.len() {
            // A line of blanks at the end is no row.
            if record.len() == 1 && record.get(0).is_none_or(|field| field.trim().is_empty()) {
                return Ok(());
            }
            return Err(TableError::Ragged {
                file: file.to_owned(),
                line: record.position().map_or(0, csv::Position::line),
                expected: places.len(),
                found: record.len(),
            });
        }
        for (field, &place) in record.iter().zip(places) {
            let value = if is_missing(field, options.empty_as_string) { None } else { Some(field) };
            if let Some(column) = self.columns.get_mut(place) {
                column.push(value);
            }
        }
        self.rows += 1;
        let rows = self.rows;
        self.columns.iter_mut().filter(|c| c.len() < rows).for_each(|c| c.push(None));
        Ok(())
    }

    fn finish(self) -> Table {
        let columns = self.names.into_iter().zip(self.columns);
        Table::from_columns(columns.map(|(name, raw)| Column { name, values: typed(raw.finish()) }).collect())
    }
}

/// The spellings of a missing value that pandas' reader, and with it AutoML, knows.
fn is_missing(field: &str, empty_as_string: bool) -> bool {
    match field.trim() {
        "" => !empty_as_string,
        "NA" | "N/A" | "n/a" | "#N/A" | "<NA>" | "NULL" | "null" | "NaN" | "nan" | "-NaN" | "-nan" | "None" => true,
        _ => false,
    }
}
