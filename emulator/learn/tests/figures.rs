//! What the models reach, beside scikit-learn's and statsmodels' on the same rows and folds: `fixtures/models.py` wrote
//! down theirs.

#![allow(clippy::unwrap_used, reason = "a test ends by panicking")]

mod common;

use azureml_emulator_learn::{
    Algorithm, AutoMl, AutoMlSettings, Cancel, Data, Forecasting, PrimaryMetric, Table, Task,
};
use common::{bank_text, data, forecasting, table};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Figures {
    folds: usize,
    tables: Vec<Tabular>,
    forecasts: Vec<Forecast>,
}

#[derive(Deserialize)]
struct Tabular {
    file: String,
    target: String,
    task: Task,
    every: usize,
    without: Vec<String>,
    metric: String,
    models: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct Forecast {
    file: String,
    time: String,
    target: String,
    horizon: usize,
    folds: usize,
    metric: String,
    models: BTreeMap<String, f64>,
}

fn figures() -> Figures {
    serde_json::from_str(include_str!("../fixtures/models.json")).unwrap()
}

impl Tabular {
    fn rows(&self) -> Table {
        let all = if self.file.ends_with(".gz") { table(&bank_text()) } else { data(&self.file) };
        let kept: Vec<usize> = (0..all.rows()).step_by(self.every).collect();
        all.select(&kept).without(&self.without.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// One algorithm's mean metric over the folds.
    fn score(&self, rows: &Table, folds: usize, algorithm: Algorithm) -> f64 {
        let part = |fold: usize, held: bool| {
            rows.select(&(0..rows.rows()).filter(|row| (row % folds == fold) == held).collect::<Vec<_>>())
        };
        let mut sum = 0.0;
        for fold in 0..folds {
            let mut settings = AutoMlSettings::new(self.task, &self.target);
            settings.primary_metric = self.metric.parse::<PrimaryMetric>().unwrap();
            settings.allowed_algorithms = vec![algorithm];
            settings.limits.max_trials = 1;
            let data = Data { training: part(fold, false), validation: Some(part(fold, true)), test: None };
            let outcome = AutoMl::new(settings).run(&data, &Cancel::new(), |_| {}).unwrap();
            sum += outcome.best_trial().unwrap().metrics().unwrap().get(&self.metric).unwrap();
        }
        sum / folds as f64
    }
}

#[test]
fn models_come_near_those_of_scikit_learn_on_the_same_folds() {
    let Figures { folds, tables, .. } = figures();
    let mut far = Vec::new();
    for case in tables {
        let rows = case.rows();
        for (name, theirs) in &case.models {
            let algorithm: Algorithm = name.parse().unwrap();
            let ours = case.score(&rows, folds, algorithm);
            let linear = matches!(algorithm, Algorithm::LogisticRegression | Algorithm::ElasticNet);
            let tolerance = if linear { 0.01 } else { 0.02 };
            println!("{} {name}: {ours:.4}, scikit-learn {theirs:.4}", case.file);
            if (ours - theirs).abs() > tolerance {
                far.push(format!("{} {name}: {ours:.4}, scikit-learn {theirs:.4}", case.file));
            }
        }
    }
    assert!(far.is_empty(), "{far:#?}");
}

#[test]
fn forecasts_that_need_no_learning_are_the_same_and_the_best_beats_smoothing() {
    for case in figures().forecasts {
        let of = |trials: usize, allowed: &[Algorithm]| {
            let mut settings = forecasting(&case.target, Forecasting::new(&case.time, case.horizon), trials);
            settings.cross_validation = azureml_emulator_learn::CrossValidation::Folds(case.folds);
            settings.allowed_algorithms = allowed.to_vec();
            let data = common::training(data(&case.file));
            let outcome = AutoMl::new(settings).run(&data, &Cancel::new(), |_| {}).unwrap();
            outcome.best_trial().unwrap().metrics().unwrap().get(&case.metric).unwrap()
        };
        let mut smoothing = f64::NAN;
        for (name, &theirs) in &case.models {
            match name.parse::<Algorithm>() {
                Ok(algorithm) => {
                    let ours = of(1, &[algorithm]);
                    // A mean over seasons takes in one more of them while it goes on.
                    let tolerance = if algorithm == Algorithm::SeasonalAverage { 0.02 * theirs } else { 1e-9 };
                    assert!((ours - theirs).abs() <= tolerance, "{name}: {ours}, by hand {theirs}");
                }
                Err(_) => smoothing = theirs,
            }
        }
        let best = of(4, &[]);
        assert!(best < smoothing, "{best}, smoothing {smoothing}");
    }
}
