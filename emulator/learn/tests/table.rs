//! Reading delimited text as MLTable's `read_delimited` does, and rows of JSON.

#![allow(clippy::unwrap_used, reason = "a test ends by panicking")]

use azureml_emulator_learn::{ColumnSchema, ColumnType, Encoding, Header, ReadOptions, SourceFile, Table, TableError};
use serde_json::{Value, json};

fn read(files: &[(&str, &str)], options: &ReadOptions) -> Result<Table, TableError> {
    let files: Vec<SourceFile<'_>> =
        files.iter().map(|(name, text)| SourceFile { name, bytes: text.as_bytes() }).collect();
    Table::read(&files, options)
}

fn names(table: &Table) -> Vec<String> {
    table.schema().into_iter().map(|column| column.name).collect()
}

fn with(header: Header) -> ReadOptions {
    ReadOptions { header, ..ReadOptions::default() }
}

#[test]
fn headers_are_read_as_the_mode_says() {
    let same = [("a.csv", "x,y\n1,2\n"), ("b.csv", "y,x\n3,4\n")];
    let table = read(&same, &ReadOptions::default()).unwrap();
    assert_eq!((names(&table), table.rows()), (vec!["x".to_owned(), "y".to_owned()], 2));
    assert_eq!(table, read(&[("c.csv", "x,y\n1,2\n4,3\n")], &ReadOptions::default()).unwrap());

    let table = read(&[("a.csv", "x,y\n1,2\n"), ("b.csv", "3,4\n")], &with(Header::FromFirstFile)).unwrap();
    assert_eq!(table.rows(), 2);

    let table = read(&[("a.csv", "1,2\n3,4\n")], &with(Header::NoHeader)).unwrap();
    assert_eq!((names(&table), table.rows()), (vec!["Column1".to_owned(), "Column2".to_owned()], 2));

    let joined = read(&[("a.csv", "x\n1\n"), ("b.csv", "z\nq\n")], &with(Header::AllFilesDifferentHeaders)).unwrap();
    assert_eq!((names(&joined), joined.rows()), (vec!["x".to_owned(), "z".to_owned()], 2));
}

#[test]
fn delimiters_quotes_and_encodings_are_kept_to() {
    let options = ReadOptions { delimiter: ';', encoding: Encoding::Latin1, ..ReadOptions::default() };
    let table = Table::from_csv("a.csv", b"name;n\n\"M\xfcller; Hans\";1,5\n", &options).unwrap();
    assert_eq!(names(&table), ["name", "n"]);
    let schema = table.schema();
    assert_eq!((schema[0].kind, schema[1].kind), (ColumnType::String, ColumnType::String));
}

#[test]
fn missing_values_do_not_change_a_type() {
    for missing in ["", "NA", "NaN", "null", "N/A", "None"] {
        let table = read(&[("a.csv", &format!("x,y\n1,a\n{missing},b\n"))], &ReadOptions::default()).unwrap();
        assert_eq!(table.schema()[0].kind, ColumnType::Integer, "{missing}");
    }
    let kept = ReadOptions { empty_as_string: true, ..ReadOptions::default() };
    assert_eq!(read(&[("a.csv", "x,y\n1,a\n,b\n")], &kept).unwrap().schema()[0].kind, ColumnType::String);
}

#[test]
fn what_cannot_be_read_is_told_with_file_and_line() {
    let cases = [
        (read(&[], &ReadOptions::default()), "no files"),
        (read(&[("a.csv", "")], &ReadOptions::default()), "a.csv holds no data"),
        (read(&[("a.csv", "x,y\n")], &ReadOptions::default()), "at least one row"),
        (read(&[("a.csv", "x,y\n1,2\n1,2,3\n")], &ReadOptions::default()), "a.csv line 3 has 3 fields where 2"),
        (read(&[("a.csv", "x,x\n1,2\n")], &ReadOptions::default()), "column x twice"),
        (read(&[("a.csv", "x\n1\n"), ("b.csv", "z\n1\n")], &ReadOptions::default()), "b.csv has other columns"),
        (read(&[("a.csv", "x\n\0\n")], &ReadOptions::default()), "NUL byte at byte 2"),
        (Table::from_csv("a.csv", b"x\n\xff\n", &ReadOptions::default()), "byte 2 can't be decoded"),
    ];
    for (found, message) in cases {
        let found = found.unwrap_err().to_string();
        assert!(found.contains(message), "{found}");
    }
}

#[test]
fn json_cells_are_converted_where_nothing_is_lost() {
    let column = |kind| vec![ColumnSchema { name: "c".into(), kind }];
    let cells = |kind, cell: &Value| Table::from_split(&column(kind), &["c".into()], &[vec![cell.clone()]]);
    let good = [
        (ColumnType::Integer, json!(3), json!("3")),
        (ColumnType::Number, json!(2.5), json!(" 2.5 ")),
        (ColumnType::Boolean, json!(true), json!(1)),
        (ColumnType::Boolean, json!(false), json!("False")),
        (ColumnType::String, json!("7"), json!(7)),
        (ColumnType::DateTime, json!("2024-02-29"), json!("2024-02-29T00:00:00Z")),
    ];
    for (kind, a, b) in good {
        assert_eq!(cells(kind, &a).unwrap(), cells(kind, &b).unwrap(), "{a} {b}");
    }
    for missing in [json!(null), json!(" ")] {
        assert_eq!(cells(ColumnType::Number, &missing).unwrap().rows(), 1, "{missing}");
    }
    let bad = [
        (ColumnType::Integer, json!("three")),
        (ColumnType::Number, json!([1])),
        (ColumnType::Boolean, json!(2)),
        (ColumnType::String, json!({})),
        (ColumnType::DateTime, json!(5)),
    ];
    for (kind, cell) in bad {
        let message = cells(kind, &cell).unwrap_err().to_string();
        assert!(message.contains("row 0, column c"), "{message}");
    }
}

#[test]
fn another_files_columns_are_brought_to_the_types_of_the_first() {
    let first = read(&[("a.csv", "n,s,b\n1.5,7a,true\n")], &ReadOptions::default()).unwrap();
    let other = read(&[("b.csv", "s,n,more,b\n7,2,x,false\n8,,y,\n")], &ReadOptions::default()).unwrap();
    let conformed = other.conform(&first.schema()).unwrap();
    assert_eq!(conformed.schema(), first.schema());
    assert_eq!(conformed.rows(), 2);
    assert!(first.without(&["s"]).conform(&first.schema()).unwrap_err().to_string().contains("lack the columns s"));
    let text = read(&[("c.csv", "n,s,b\nmany,a,true\n")], &ReadOptions::default()).unwrap();
    assert!(text.conform(&first.schema()).unwrap_err().to_string().contains("column n"));
}
