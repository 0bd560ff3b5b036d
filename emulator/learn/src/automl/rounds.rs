//! Trials that run at the same time.

use super::plan::Candidate;
use super::prepare::{Fold, Prepared};
use super::report::{Event, TrialReport, TrialResult, TrialStart};
use super::workers;
use crate::estimators::{FitError, Training};
use crate::matrix::Matrix;
use crate::metrics::Metrics;
use crate::model::Pipeline;
use crate::rng::Rng;
use crate::watch::{Stopped, Watch};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Stream of a fit's random state, by its trial and fold; the first thousand are for other draws.
pub(crate) fn stream(trial: usize, fold: usize) -> u64 {
    1000 + trial as u64 * 1_000_000 + fold as u64
}

/// A candidate with its number.
pub(crate) struct Attempt {
    pub(crate) trial: TrialStart,
    pub(crate) candidate: Candidate,
}

/// A trial that ended, with what it predicted for each fold's validation rows if it completed.
pub(crate) struct Ended {
    pub(crate) report: TrialReport,
    pub(crate) predictions: Vec<Matrix>,
}

/// Everything a round of trials shares.
pub(crate) struct Round<'a> {
    pub(crate) prepared: &'a Prepared,
    pub(crate) random_state: u64,
    pub(crate) threads: usize,
    pub(crate) trial_timeout: Option<Duration>,
    pub(crate) watch: &'a Watch,
    pub(crate) on_event: &'a (dyn Fn(Event) + Sync),
}

/// A trial while its folds run.
struct Progress {
    began: Option<Instant>,
    folds: Vec<Option<Result<(Matrix, Metrics), FitError>>>,
    ended: Option<Ended>,
}

impl Round<'_> {
    /// Runs these trials to their end; telling of each as it begins and ends. Those that an end of time or a cancel kept
    /// from beginning are left out.
    pub(crate) fn run(&self, attempts: &[Attempt]) -> Vec<Ended> {
        let folds = self.prepared.folds.len();
        let progress: Vec<Mutex<Progress>> = attempts
            .iter()
            .map(|_| Mutex::new(Progress { began: None, folds: (0..folds).map(|_| None).collect(), ended: None }))
            .collect();
        let work: Vec<(usize, usize)> =
            (0..attempts.len()).flat_map(|attempt| (0..folds).map(move |fold| (attempt, fold))).collect();
        workers::map(self.threads, &work, |_, &(attempt, fold)| {
            if let (Some(attempt), Some(progress)) = (attempts.get(attempt), progress.get(attempt)) {
                self.fold(attempt, progress, fold);
            }
        });
        let ended = progress.into_iter().map(|p| p.into_inner().unwrap_or_else(PoisonError::into_inner).ended);
        ended.flatten().collect()
    }

    fn fold(&self, attempt: &Attempt, progress: &Mutex<Progress>, number: usize) {
        let lock = || progress.lock().unwrap_or_else(PoisonError::into_inner);
        let (began, hopeless) = {
            let mut progress = lock();
            if progress.began.is_none() {
                if self.watch.check().is_err() {
                    return;
                }
                progress.began = Some(Instant::now());
                (self.on_event)(Event::TrialStarted(attempt.trial.clone()));
            }
            let hopeless = progress.folds.iter().flatten().find_map(|fold| fold.as_ref().err().cloned());
            (progress.began.unwrap_or_else(Instant::now), hopeless)
        };
        let done = match (hopeless, self.prepared.folds.get(number)) {
            (Some(error), _) => Err(error),
            (None, Some(fold)) => self.fit(attempt, fold, number, began),
            (None, None) => return,
        };
        let mut progress = lock();
        if let Some(place) = progress.folds.get_mut(number) {
            *place = Some(done);
        }
        if progress.folds.iter().all(Option::is_some) {
            let folds = std::mem::take(&mut progress.folds).into_iter().flatten().collect();
            let ended = self.end(attempt, folds, began.elapsed());
            (self.on_event)(Event::TrialFinished(ended.report.clone()));
            progress.ended = Some(ended);
        }
    }

    fn fit(
        &self,
        attempt: &Attempt,
        fold: &Fold,
        number: usize,
        began: Instant,
    ) -> Result<(Matrix, Metrics), FitError> {
        let own = self.trial_timeout.and_then(|timeout| began.checked_add(timeout));
        let deadline = [own, self.watch.deadline].into_iter().flatten().min();
        let watch = Watch { cancel: self.watch.cancel.clone(), deadline };
        watch.check()?;
        let mut rng = Rng::new(self.random_state, stream(attempt.trial.number, number));
        let training = Training { x: &fold.x, target: &fold.target, weights: fold.weights.as_deref() };
        let Candidate { scaling, spec, .. } = attempt.candidate;
        let pipeline = Pipeline::fit(scaling, spec, &training, &mut rng, &watch)?;
        let predicted = fold.unseen.predict(&pipeline, &watch)?;
        if predicted.data.iter().any(|value| !value.is_finite()) {
            return Err(FitError::Failed("it predicted values that are not finite".to_owned()));
        }
        let metrics = self.prepared.judge.metrics(&fold.valid, &predicted);
        Ok((predicted, metrics))
    }

    fn end(&self, attempt: &Attempt, folds: Vec<Result<(Matrix, Metrics), FitError>>, duration: Duration) -> Ended {
        let trial = attempt.trial.clone();
        let all: Result<Vec<(Matrix, Metrics)>, FitError> = folds.into_iter().collect();
        let (result, predictions) = match all {
            Ok(folds) => {
                let (predictions, metrics): (Vec<Matrix>, Vec<Metrics>) = folds.into_iter().unzip();
                (TrialResult::Completed(Metrics::mean(&metrics)), predictions)
            }
            Err(FitError::Stopped(Stopped::Cancelled)) => (TrialResult::Cancelled, Vec::new()),
            Err(FitError::Stopped(Stopped::TimedOut)) => (TrialResult::Failed(out_of_time(duration)), Vec::new()),
            Err(FitError::Failed(message)) => (TrialResult::Failed(message), Vec::new()),
        };
        Ended { report: TrialReport { trial, result, duration }, predictions }
    }
}

fn out_of_time(after: Duration) -> String {
    format!(
        "it was stopped after {:.1} s, when its time or the experiment's was over: raise `trial_timeout` or `timeout`",
        after.as_secs_f64()
    )
}
