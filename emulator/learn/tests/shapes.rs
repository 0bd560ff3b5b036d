//! The data of every shape: each beats what knows only the target.

#![allow(clippy::unwrap_used, reason = "a test ends by panicking")]

mod common;

use azureml_emulator_learn::{AutoMl, Cancel, ColumnType, Outcome};
use common::{classification, data, regression, training};

fn best(outcome: &Outcome, metric: &str) -> f64 {
    outcome.best_trial().unwrap().metrics().unwrap().get(metric).unwrap()
}

#[test]
fn cars_go_so_far_as_their_weight_and_age_say() {
    let rows = data("autompg.csv");
    assert_eq!((rows.rows(), rows.schema().len()), (392, 9));
    let outcome = AutoMl::new(regression("mpg", 6)).run(&training(rows), &Cancel::new(), |_| {}).unwrap();
    // The mean of all cars explains nothing.
    assert!(best(&outcome, "r2_score") > 0.82, "{}", best(&outcome, "r2_score"));
    assert!(best(&outcome, "mean_absolute_percentage_error") < 13.0);
}

#[test]
fn a_wide_table_with_text_dates_and_what_is_missing_tells_the_sex_of_penguins() {
    let rows = data("penguins_raw.csv");
    let schema = rows.schema();
    assert_eq!((rows.rows(), schema.len()), (344, 17));
    let kind = |name: &str| schema.iter().find(|column| column.name == name).unwrap().kind;
    assert_eq!(kind("Date Egg"), ColumnType::DateTime);
    assert_eq!(kind("Comments"), ColumnType::String);
    assert_eq!(kind("Delta 15 N (o/oo)"), ColumnType::Number);
    let outcome = AutoMl::new(classification("Sex", 5)).run(&training(rows), &Cancel::new(), |_| {}).unwrap();
    // Half of them are of either sex; of 11 it is not known, and they teach nothing.
    assert!(best(&outcome, "AUC_weighted") > 0.94, "{}", best(&outcome, "AUC_weighted"));
    let confusion = outcome.best_trial().unwrap().metrics().unwrap().confusion_matrix.clone().unwrap();
    assert_eq!(confusion.class_labels, ["FEMALE", "MALE"]);
    assert_eq!(confusion.matrix.concat().iter().sum::<u64>(), 333);
}
