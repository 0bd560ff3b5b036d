//! What a run tells while it goes, and at its end.

use crate::metrics::Metrics;
use crate::model::Model;
use crate::settings::Algorithm;
use std::time::Duration;

/// A trial before it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialStart {
    /// From 0, in the order of starting: the `n` of a child run's name.
    pub number: usize,
    /// Name of the algorithm that runs: Azure's, `VotingEnsemble` or `StackEnsemble`.
    pub algorithm: String,
    /// Azure's name it stands for, where that is another: a gradient boosting machine of ours stands for LightGBM.
    pub stands_for: Option<Algorithm>,
    /// AutoML's name of the scaling; empty for ensembles.
    pub preprocessor: String,
    /// Parameters of the algorithm, in a readable form.
    pub parameters: String,
}

/// How a trial ended.
#[derive(Debug, Clone, PartialEq)]
pub enum TrialResult {
    /// With these validation metrics: means over the folds.
    Completed(Metrics),
    /// Without; the message says why.
    Failed(String),
    /// Without, because the experiment was cancelled.
    Cancelled,
}

/// A trial after it ran.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialReport {
    /// What it was.
    pub trial: TrialStart,
    /// How it ended.
    pub result: TrialResult,
    /// Time it took.
    pub duration: Duration,
}

impl TrialReport {
    /// The validation metrics, if it completed.
    pub fn metrics(&self) -> Option<&Metrics> {
        match &self.result {
            TrialResult::Completed(metrics) => Some(metrics),
            TrialResult::Failed(_) | TrialResult::Cancelled => None,
        }
    }
}

/// Told while a run goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The data is checked and featurised; this many folds will be used (1 for a single split).
    Featurized {
        /// Splits each trial is validated on.
        folds: usize,
        /// Features of the first fold.
        features: usize,
    },
    /// A trial begins.
    TrialStarted(TrialStart),
    /// A trial ended.
    TrialFinished(TrialReport),
    /// The trial that is best so far changed.
    BestChanged {
        /// Its number.
        number: usize,
        /// Its primary metric.
        score: f64,
    },
}

/// Why no more trials ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The bound on trials was reached.
    MaxTrials,
    /// Every configuration there is was tried.
    Exhausted,
    /// The experiment's time was over.
    Timeout,
    /// A trial reached the exit score.
    ExitScore,
    /// Trials no longer improved.
    EarlyTermination,
}

/// What a run leaves.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// All trials by their number.
    pub trials: Vec<TrialReport>,
    /// Number of the best one.
    pub best: usize,
    /// The best one's model.
    pub model: Model,
    /// The model's metrics on the test table.
    pub test_metrics: Option<Metrics>,
    /// Why the search ended.
    pub end: EndReason,
}

impl Outcome {
    /// The best trial.
    pub fn best_trial(&self) -> Option<&TrialReport> {
        self.trials.iter().find(|report| report.trial.number == self.best)
    }
}
