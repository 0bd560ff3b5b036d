//! Columns of every kind: what can be learnt from each, and what from none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends by panicking")]

mod common;

use azureml_emulator_learn::{AutoMl, AutoMlError, Cancel, ColumnType, Table};
use common::{classification, table, training};
use serde_json::json;

const ROWS: usize = 300;

/// A column `c` of these cells beside the label they decide.
fn rows(cell: impl Fn(usize) -> (String, bool)) -> Table {
    let lines = (0..ROWS).map(|row| {
        let (cell, yes) = cell(row);
        format!("{cell},{}\n", if yes { "yes" } else { "no" })
    });
    table(&format!("c,y\n{}", lines.collect::<String>()))
}

fn auc(rows: Table) -> Result<f64, AutoMlError> {
    let mut settings = classification("y", 2);
    settings.vote_ensemble = false;
    settings.stack_ensemble = false;
    let outcome = AutoMl::new(settings).run(&training(rows), &Cancel::new(), |_| {})?;
    Ok(outcome.best_trial().unwrap().metrics().unwrap().get("AUC_weighted").unwrap())
}

#[test]
fn every_kind_of_column_is_learnt_from() {
    let words = ["the parcel came late again", "all went well with this one", "nobody answered the phone for days"];
    let cases: Vec<(&str, ColumnType, Table)> = vec![
        ("numbers", ColumnType::Number, rows(|i| (format!("{}.5", i * 37 % 100), i * 37 % 100 > 40))),
        ("flags", ColumnType::Boolean, rows(|i| ((i % 3 == 0).to_string(), i % 3 == 0))),
        ("a missing value that says something", ColumnType::Integer, {
            rows(|i| (if i % 4 == 0 { String::new() } else { (i % 7).to_string() }, i % 4 == 0))
        }),
        ("categories", ColumnType::String, rows(|i| (["red", "green", "blue"][i % 3].to_owned(), i % 3 == 1))),
        ("many categories", ColumnType::String, rows(|i| (format!("town{}", i % 101), i % 101 < 50))),
        ("dates", ColumnType::DateTime, rows(|i| (format!("2024-{:02}-{:02}", i % 12 + 1, i % 28 + 1), i % 12 < 5))),
        ("text", ColumnType::String, rows(|i| (format!("{} no {i}", words[i % 3]), i % 3 == 1))),
    ];
    for (name, kind, rows) in cases {
        assert_eq!(rows.schema()[0].kind, kind, "{name}");
        let auc = auc(rows).unwrap();
        // Too many categories share their features with others.
        assert!(auc > if name == "many categories" { 0.7 } else { 0.9 }, "{name}: {auc}");
    }
}

#[test]
fn a_column_that_names_its_row_is_no_feature() {
    let named = auc(rows(|i| (format!("customer-{i}"), i % 2 == 0)));
    assert!(matches!(named, Err(AutoMlError::NoFeatures)), "{named:?}");
}

#[test]
fn labels_keep_their_type() {
    for (yes, no, kind) in [("1", "0", json!(1)), ("true", "false", json!(true)), ("2.5", "0.5", json!(2.5))] {
        let lines = (0..40).map(|i| format!("{i},{}\n", if i >= 20 { yes } else { no })).collect::<String>();
        let data = training(table(&format!("x,y\n{lines}")));
        let outcome = AutoMl::new(classification("y", 1)).run(&data, &Cancel::new(), |_| {}).unwrap();
        let predicted = outcome.model.predict(&data.training).unwrap();
        assert_eq!(predicted.last(), Some(&kind), "{yes}");
    }
}
