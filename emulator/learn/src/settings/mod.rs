//! What an AutoML job asks for, in the terms of its `taskDetails`.

mod algorithm;
mod forecast;
mod metric;

pub use algorithm::Algorithm;
pub use forecast::{Forecasting, RollingWindow, TargetAggregation, TargetLags};
pub use metric::{Direction, PrimaryMetric};

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A name that is none of an enum's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given} is not {what}; known are {known}")]
pub struct UnknownName {
    /// What was given.
    pub given: String,
    /// What it should have been.
    pub what: &'static str,
    /// All names that would do.
    pub known: String,
}

/// `taskType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// Predicts one of two or more classes.
    Classification,
    /// Predicts a number.
    Regression,
    /// Predicts a number in time, from those before it.
    Forecasting,
}

/// `nCrossValidations`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum CrossValidation {
    /// By the number of rows, see [`crate::automl`].
    #[default]
    Auto,
    /// This many folds, at least two.
    Folds(usize),
}

/// `featurizationSettings.mode`; `Custom` counts as `Auto` here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Featurization {
    /// Imputes, encodes categories, dates and text, drops what carries nothing.
    #[default]
    Auto,
    /// Numbers as they are, with missing values imputed; every other column that isn't a number is dropped.
    Off,
}

/// `limitSettings`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Upper bound of trials, ensembles included. Azure's default is 1000.
    pub max_trials: usize,
    /// Trials that run at the same time.
    pub max_concurrent_trials: usize,
    /// Bound of the whole experiment: no trial starts after it. Azure's default is six hours.
    pub timeout: Option<Duration>,
    /// Bound of one trial. Azure's default is thirty minutes.
    pub trial_timeout: Option<Duration>,
    /// Ends the search when trials no longer improve the score: the last 10 after the first 20.
    pub enable_early_termination: bool,
    /// Ends the search when a trial reaches this primary metric.
    pub exit_score: Option<f64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_trials: 1000,
            max_concurrent_trials: 1,
            timeout: Some(Duration::from_secs(6 * 3600)),
            trial_timeout: Some(Duration::from_secs(30 * 60)),
            enable_early_termination: true,
            exit_score: None,
        }
    }
}

/// Everything an AutoML experiment is told but its data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AutoMlSettings {
    /// What is predicted.
    pub task: Task,
    /// What the best trial is best in.
    pub primary_metric: PrimaryMetric,
    /// Column to predict.
    pub target_column: String,
    /// Class that counts as positive for the binary metrics.
    pub positive_label: Option<String>,
    /// Algorithms to choose from; empty means all.
    pub allowed_algorithms: Vec<Algorithm>,
    /// Algorithms never to run.
    pub blocked_algorithms: Vec<Algorithm>,
    /// Bounds on trials and time.
    pub limits: Limits,
    /// Folds, when neither validation data nor a validation size is given.
    pub cross_validation: CrossValidation,
    /// Share of the training rows held out for validation, between 0 and 1. With folds, each fold is such a split.
    pub validation_size: Option<f64>,
    /// Column of row weights; it is no feature.
    pub weight_column: Option<String>,
    /// How columns become features.
    pub featurization: Featurization,
    /// For forecasting, which needs it.
    pub forecasting: Option<Forecasting>,
    /// Adds an average of the best trials.
    pub vote_ensemble: bool,
    /// Adds a linear model over the best trials.
    pub stack_ensemble: bool,
    /// Threads for the whole run, at least one.
    pub threads: usize,
    /// State the random choices start from.
    pub random_state: u64,
}

impl AutoMlSettings {
    /// Azure's defaults for a task: accuracy or normalised root mean squared error, both ensembles.
    pub fn new(task: Task, target_column: impl Into<String>) -> Self {
        let primary_metric = match task {
            Task::Classification => PrimaryMetric::Accuracy,
            Task::Regression | Task::Forecasting => PrimaryMetric::NormalizedRootMeanSquaredError,
        };
        Self {
            task,
            primary_metric,
            target_column: target_column.into(),
            positive_label: None,
            allowed_algorithms: Vec::new(),
            blocked_algorithms: Vec::new(),
            limits: Limits::default(),
            cross_validation: CrossValidation::Auto,
            validation_size: None,
            weight_column: None,
            featurization: Featurization::Auto,
            forecasting: None,
            vote_ensemble: true,
            stack_ensemble: true,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            random_state: 42,
        }
    }
}
