//! The penguins: three classes, missing values, columns of every kind; and their mass as a number to predict.

#![allow(clippy::unwrap_used, reason = "a test ends by panicking")]

mod common;

use azureml_emulator_learn::{
    Algorithm, AutoMl, AutoMlSettings, Cancel, ColumnType, Data, Featurization, Model, Outcome, Table, Task,
};
use common::{classification, penguins, regression, training};
use serde_json::{Map, Value, json};

fn run(settings: AutoMlSettings, data: &Data) -> Outcome {
    AutoMl::new(settings).run(data, &Cancel::new(), |_| {}).unwrap()
}

fn records(rows: &[Value]) -> Vec<Map<String, Value>> {
    rows.iter().map(|row| row.as_object().unwrap().clone()).collect()
}

#[test]
fn three_classes_with_missing_values_are_told_apart() {
    let outcome = run(classification("species", 8), &training(penguins()));
    let best = outcome.best_trial().unwrap().metrics().unwrap();
    assert!(best.get("AUC_weighted").unwrap() > 0.99);
    assert!(best.get("accuracy").unwrap() > 0.97);
    assert_eq!(best.confusion_matrix.as_ref().unwrap().class_labels, ["Adelie", "Chinstrap", "Gentoo"]);
    let model = &outcome.model;
    assert_eq!((model.task(), model.target_column()), (Task::Classification, "species"));
    let kinds: Vec<(String, ColumnType)> = model.input_columns().into_iter().map(|c| (c.name, c.kind)).collect();
    assert_eq!(kinds[0], ("island".to_owned(), ColumnType::String));
    assert_eq!(kinds[1], ("bill_length_mm".to_owned(), ColumnType::Number));
    assert_eq!(kinds[4], ("body_mass_g".to_owned(), ColumnType::Integer));

    // An island that no training row has, a null, a number as text, a field that is no column.
    let rows = records(&[
        json!({"island": "Torgersen", "bill_length_mm": 39.1, "bill_depth_mm": 18.7, "flipper_length_mm": 181, "body_mass_g": 3750, "sex": "male", "year": 2007}),
        json!({"island": "Elephant", "bill_length_mm": "47.5", "bill_depth_mm": 14.2, "flipper_length_mm": 215, "body_mass_g": 5000, "sex": null, "year": 2008, "colour": "black"}),
    ]);
    let rows = Table::from_records(&model.input_columns(), &rows).unwrap();
    assert_eq!(model.predict(&rows).unwrap(), [json!("Adelie"), json!("Gentoo")]);
    assert_eq!(model.classes(), [json!("Adelie"), json!("Chinstrap"), json!("Gentoo")]);
    for row in model.predict_proba(&rows).unwrap() {
        assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-9 && row.iter().all(|p| (0.0..=1.0).contains(p)), "{row:?}");
    }
    let without = rows.without(&["island"]);
    assert!(model.predict(&without).unwrap_err().to_string().contains("island"));
}

#[test]
fn every_algorithm_of_classification_learns_them() {
    for algorithm in Algorithm::ALL.into_iter().filter(|a| a.fits(Task::Classification)) {
        let mut settings = classification("species", 1);
        settings.allowed_algorithms = vec![algorithm];
        let outcome = run(settings, &training(penguins()));
        let trial = outcome.best_trial().unwrap();
        assert_eq!(trial.trial.algorithm, algorithm.runs_as().azure_name());
        assert_eq!(trial.trial.stands_for, (algorithm.runs_as() != algorithm).then_some(algorithm));
        let auc = trial.metrics().unwrap().get("AUC_weighted").unwrap();
        assert!(auc > 0.95, "{algorithm}: {auc}");
    }
}

#[test]
fn every_algorithm_of_regression_learns_their_mass() {
    for algorithm in Algorithm::ALL.into_iter().filter(|a| a.fits(Task::Regression)) {
        let mut settings = regression("body_mass_g", 1);
        settings.allowed_algorithms = vec![algorithm];
        let outcome = run(settings, &training(penguins()));
        let r2 = outcome.best_trial().unwrap().metrics().unwrap().get("r2_score").unwrap();
        assert!(r2 > 0.7, "{algorithm}: {r2}");
    }
}

#[test]
fn a_number_is_predicted_within_its_range() {
    let outcome = run(regression("body_mass_g", 6), &training(penguins()));
    let best = outcome.best_trial().unwrap().metrics().unwrap();
    assert!(best.get("r2_score").unwrap() > 0.85, "{:?}", best.get("r2_score"));
    let (error, share) = (best.get("root_mean_squared_error"), best.get("normalized_root_mean_squared_error"));
    // From 2700 to 6300 grams.
    assert!((error.unwrap() / 3600.0 - share.unwrap()).abs() < 1e-9);
    let predicted = outcome.model.predict(&penguins()).unwrap();
    assert!(predicted.iter().all(|mass| (2000.0..7000.0).contains(&mass.as_f64().unwrap())));
    assert!(outcome.model.classes().is_empty());
}

#[test]
fn given_rows_validate_and_test_in_place_of_folds() {
    let all = penguins();
    let part = |of: usize| all.select(&(0..all.rows()).filter(|row| row % 5 == of).collect::<Vec<_>>());
    let most: Vec<usize> = (0..all.rows()).filter(|row| row % 5 > 1).collect();
    let data = Data { training: all.select(&most), validation: Some(part(0)), test: Some(part(1)) };
    let outcome = run(classification("species", 5), &data);
    let validated = outcome.best_trial().unwrap().metrics().unwrap().confusion_matrix.clone().unwrap();
    assert_eq!(validated.matrix.concat().iter().sum::<u64>() as usize, part(0).rows());
    let tested = outcome.test_metrics.unwrap();
    assert_eq!(tested.confusion_matrix.unwrap().matrix.concat().iter().sum::<u64>() as usize, part(1).rows());
    assert!(tested.scalars["AUC_weighted"] > 0.98);
}

#[test]
fn rows_without_weight_teach_nothing() {
    // Only one island's rows have weight; the model can't tell who lives elsewhere.
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/penguins.csv")).unwrap();
    let weighted: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(line, row)| match line {
            0 => format!("{row},w"),
            _ => format!("{row},{}", if row.starts_with("Gentoo") { 0 } else { 1 }),
        })
        .collect();
    let mut settings = classification("species", 2);
    settings.weight_column = Some("w".to_owned());
    settings.allowed_algorithms = vec![Algorithm::LogisticRegression];
    let outcome = run(settings, &training(common::table(&weighted.join("\n"))));
    assert!(outcome.model.input_columns().iter().all(|column| column.name != "w"));
    let predicted = outcome.model.predict(&penguins()).unwrap();
    assert!(predicted.iter().filter(|label| **label == json!("Gentoo")).count() == 0);
}

#[test]
fn without_featurization_numbers_alone_are_features() {
    let mut settings = classification("species", 1);
    settings.featurization = Featurization::Off;
    let seen = std::sync::Mutex::new(0);
    let outcome = AutoMl::new(settings)
        .run(&training(penguins()), &Cancel::new(), |event| {
            if let azureml_emulator_learn::Event::Featurized { features, .. } = event {
                *seen.lock().unwrap() = features;
            }
        })
        .unwrap();
    // Four measures, each with a mark where it is missing, and the year.
    assert_eq!(*seen.lock().unwrap(), 9);
    assert!(outcome.best_trial().unwrap().metrics().unwrap().get("AUC_weighted").unwrap() > 0.98);
}

#[test]
fn what_is_no_model_is_not_loaded() {
    let text = run(classification("species", 1), &training(penguins())).model.to_json().unwrap();
    let (half, _) = text.split_at(text.len() / 2);
    let other = text.replacen("\"format\":1", "\"format\":9", 1);
    for (text, message) in [(half, "could not be read"), ("{}", "could not be read"), (other.as_str(), "format 9")] {
        let found = Model::from_json(text).unwrap_err().to_string();
        assert!(found.contains(message), "{found}");
    }
}
