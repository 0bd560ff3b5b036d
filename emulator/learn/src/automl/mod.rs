//! An AutoML experiment: checks the data, splits it, tries one configuration after the other, puts the best together,
//! and trains the winner on all rows.
//!
//! Trials run in rounds of `max_concurrent_trials`; every fold of a round is a piece of work that any thread takes.
//! What a trial draws depends on its number and fold alone, and decisions (early end, best trial, ensembles) fall
//! between rounds: so the outcome is the same for any number of threads. Only a time-out depends on the machine.

mod ensemble;
mod error;
mod in_time;
mod judge;
mod plan;
mod prepare;
mod report;
mod rounds;
mod search;
mod splits;
mod winner;
mod workers;

pub use error::AutoMlError;
pub use prepare::Data;
pub use report::{EndReason, Event, Outcome, TrialReport, TrialResult, TrialStart};

use crate::settings::AutoMlSettings;
use crate::watch::{Cancel, Watch};
use prepare::Prepared;
use search::Search;
use std::time::Instant;

/// An experiment, ready to run.
#[derive(Debug, Clone)]
pub struct AutoMl {
    settings: AutoMlSettings,
}

impl AutoMl {
    /// An experiment with these settings.
    pub fn new(settings: AutoMlSettings) -> Self {
        Self { settings }
    }

    /// Runs the experiment and returns when it is over. `on_event` is called from the threads that train, one call at
    /// a time for each trial.
    ///
    /// # Errors
    /// [`AutoMlError`] when the settings don't suit the data, when it was cancelled, or when no trial completed.
    pub fn run(&self, data: &Data, cancel: &Cancel, on_event: impl Fn(Event) + Sync) -> Result<Outcome, AutoMlError> {
        let settings = &self.settings;
        let deadline = settings.limits.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let watch = Watch { cancel: cancel.clone(), deadline };
        let prepared = Prepared::new(settings, data)?;
        let features = prepared.folds.first().map_or(0, |fold| fold.x.cols);
        on_event(Event::Featurized { folds: prepared.folds.len(), features });
        let mut search = Search::new(settings, &prepared, &watch, &on_event);
        let end = search.run()?;
        let best = search.best()?;
        // The winner is trained whatever time is left: without a model all was for nothing.
        let watch = Watch { cancel: cancel.clone(), deadline: None };
        let model = winner::train(settings, &prepared, &search, best, &watch)?;
        let test_metrics = match &data.test {
            Some(test) => Some(prepared.test(&model, test)?),
            None => None,
        };
        Ok(Outcome { trials: search.into_reports(), best, model, test_metrics, end })
    }
}
