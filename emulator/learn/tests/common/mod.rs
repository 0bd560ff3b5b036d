//! The data sets of the repository, and settings that suit them.

#![allow(dead_code, reason = "each test file uses a part of it")]

use azureml_emulator_learn::{
    AutoMlSettings, CrossValidation, Data, Forecasting, PrimaryMetric, ReadOptions, Table, Task,
};
use std::io::Read;

/// The bank marketing file as text.
pub fn bank_text() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/bankmarketing_train.csv.gz");
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    text
}

pub fn table(text: &str) -> Table {
    Table::from_csv("rows.csv", text.as_bytes(), &ReadOptions::default()).unwrap()
}

pub fn penguins() -> Table {
    table(&std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/penguins.csv")).unwrap())
}

pub fn training(training: Table) -> Data {
    Data { training, validation: None, test: None }
}

/// Three folds, the best by AUC.
pub fn classification(target: &str, max_trials: usize) -> AutoMlSettings {
    let mut settings = AutoMlSettings::new(Task::Classification, target);
    settings.primary_metric = PrimaryMetric::AucWeighted;
    settings.cross_validation = CrossValidation::Folds(3);
    settings.limits.max_trials = max_trials;
    settings
}

/// Three folds, the best by R².
pub fn regression(target: &str, max_trials: usize) -> AutoMlSettings {
    let mut settings = AutoMlSettings::new(Task::Regression, target);
    settings.primary_metric = PrimaryMetric::R2Score;
    settings.cross_validation = CrossValidation::Folds(3);
    settings.limits.max_trials = max_trials;
    settings
}

/// A file of the data folder.
pub fn data(name: &str) -> Table {
    let path = format!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/{}"), name);
    table(&std::fs::read_to_string(path).unwrap())
}

/// Three rolling origins, the best by the normalised root mean squared error.
pub fn forecasting(target: &str, settings: Forecasting, max_trials: usize) -> AutoMlSettings {
    let mut all = AutoMlSettings::new(Task::Forecasting, target);
    all.forecasting = Some(settings);
    all.cross_validation = CrossValidation::Folds(3);
    all.limits.max_trials = max_trials;
    all
}
