//! A cheap look at the first rows of a table: what is no table is said before anything is registered.

use std::io::Read;

use azureml_crds::dataset::{Encoding, Header, TableOptions};

/// How much is looked at.
const LOOK: u64 = 1024 * 1024;
/// How many rows are looked at.
const ROWS: usize = 1000;
/// How many columns a status names.
const COLUMNS: usize = 100;

/// The columns' names of a delimited file.
///
/// # Errors
/// What is wrong with it, as the end of a sentence.
pub fn columns(file: impl Read, options: Option<&TableOptions>) -> Result<Vec<String>, String> {
    let mut start = Vec::new();
    file.take(LOOK).read_to_end(&mut start).map_err(|error| format!("can't be read back: {error}"))?;
    if start.is_empty() {
        return Err("is empty".to_owned());
    }
    if options.and_then(|options| options.encoding) == Some(Encoding::Utf16) {
        return Ok(Vec::new());
    }
    let whole = (start.len() as u64) < LOOK;
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start);
    let first = text.trim_ascii_start();
    if first.is_empty() {
        return Err("is empty".to_owned());
    }
    if text.contains(&0) {
        return Err("is not text: it holds zero bytes".to_owned());
    }
    if first.starts_with(b"<") {
        return Err("is not a table but a web page or XML".to_owned());
    }
    if first.starts_with(b"{") || first.starts_with(b"[{") {
        return Err("is not a table but JSON".to_owned());
    }
    rows(text, whole, options)
}

fn rows(text: &[u8], whole: bool, options: Option<&TableOptions>) -> Result<Vec<String>, String> {
    let delimiter = options.and_then(|options| options.delimiter.as_deref()).unwrap_or(",");
    let delimiter = if delimiter == "\\t" { "\t" } else { delimiter };
    let &[byte] = delimiter.as_bytes() else { return Ok(Vec::new()) };
    let mut reader = csv::ReaderBuilder::new().delimiter(byte).has_headers(false).flexible(true).from_reader(text);
    let mut names: Option<csv::ByteRecord> = None;
    let mut last = None;
    for (at, row) in reader.byte_records().take(ROWS).enumerate() {
        let row = row.map_err(|error| format!("is not a table: {error}"))?;
        let Some(names) = &names else {
            names = Some(row);
            continue;
        };
        // The last row of what was looked at may be cut off.
        if let Some((number, columns)) = last.replace((at + 1, row.len()))
            && columns != names.len()
        {
            return Err(uneven(number, columns, names.len()));
        }
    }
    let Some(names) = names else { return Err("is empty".to_owned()) };
    let has_names = options.and_then(|options| options.header) != Some(Header::NoHeader);
    match last {
        None if has_names => return Err("has the columns' names and no row".to_owned()),
        Some((number, columns)) if (whole || number == ROWS) && columns != names.len() => {
            return Err(uneven(number, columns, names.len()));
        }
        _ => {}
    }
    if names.len() == 1 {
        return Err(format!(
            "has a single column when columns are told apart by {delimiter:?}. If something else stands between its columns, write it in spec.table.delimiter"
        ));
    }
    if !has_names {
        return Ok((1..=names.len().min(COLUMNS)).map(|number| format!("Column{number}")).collect());
    }
    Ok(names
        .iter()
        .take(COLUMNS)
        .map(|name| String::from_utf8_lossy(name).trim().chars().take(256).collect())
        .collect())
}

fn uneven(row: usize, columns: usize, expected: usize) -> String {
    format!("is not an even table: row {row} has {columns} columns, the first row has {expected}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(text: &str, delimiter: &str) -> Result<Vec<String>, String> {
        let options = TableOptions { delimiter: Some(delimiter.into()), ..TableOptions::default() };
        columns(text.as_bytes(), Some(&options))
    }

    #[test]
    fn a_table_tells_its_columns() {
        assert_eq!(look("a,\"b,c\",y\n1,2,3\n4,\"5\n6\",7\n", ",").unwrap(), ["a", "b,c", "y"]);
        assert_eq!(look("\u{feff}a;b\n1;2", ";").unwrap(), ["a", "b"]);
        let headless = TableOptions { header: Some(Header::NoHeader), ..TableOptions::default() };
        assert_eq!(columns("1,2\n".as_bytes(), Some(&headless)).unwrap(), ["Column1", "Column2"]);
    }

    #[test]
    fn what_is_no_table_is_said() {
        for (text, part) in [
            ("", "empty"),
            ("  \n", "empty"),
            ("a,b\n", "no row"),
            ("<!DOCTYPE html><p>a,b</p>", "web page"),
            ("{\"a\": 1}", "JSON"),
            ("a,b\n1,2\n1,2,3\n4,5\n", "row 3 has 3 columns, the first row has 2"),
            ("a,b\n1,2\n1", "row 3 has 1 columns"),
            ("a;b\n1;2\n", "spec.table.delimiter"),
            ("a,b\n\0\0,1\n", "not text"),
        ] {
            let error = look(text, ",").unwrap_err();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }

    #[test]
    fn only_the_start_of_a_long_file_is_looked_at() {
        let mut text = String::from("a,b\n");
        while (text.len() as u64) < LOOK + 100 {
            text.push_str("1,2222222222222222222222222222222222222222222222222222222222222222222222222222222222222\n");
        }
        assert_eq!(look(&text, ",").unwrap(), ["a", "b"]);
    }
}
