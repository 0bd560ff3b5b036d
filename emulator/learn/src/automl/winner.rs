//! The winner's model: fitted again, to all training rows.

use super::ensemble::Stacking;
use super::error::AutoMlError;
use super::plan::Candidate;
use super::prepare::Prepared;
use super::rounds::stream;
use super::search::{Recipe, Search};
use super::workers;
use crate::estimators::{FitError, Training};
use crate::matrix::Matrix;
use crate::model::{Model, Parts, Pipeline, Predictor, Weighted};
use crate::rng::Rng;
use crate::settings::AutoMlSettings;
use crate::target::Target;
use crate::watch::{Stopped, Watch};

/// Stands for the fold of the fit to all rows.
const WHOLE: usize = 999_999;

/// Trains the model of a trial on all training rows.
pub(crate) fn train(
    settings: &AutoMlSettings,
    prepared: &Prepared,
    search: &Search<'_>,
    number: usize,
    watch: &Watch,
) -> Result<Model, AutoMlError> {
    let Some((report, recipe)) = search.trial(number) else {
        return Err(AutoMlError::Winner(format!("there is no trial {number}")));
    };
    let (featurizer, x, target) = prepared.whole(settings.featurization);
    let whole = Whole { settings, prepared, search, x, target, watch };
    let predictor = whole.predictor(recipe, number).map_err(|error| match error {
        FitError::Stopped(Stopped::Cancelled) => AutoMlError::Cancelled,
        FitError::Stopped(Stopped::TimedOut) => AutoMlError::TimedOut,
        FitError::Failed(message) => AutoMlError::Winner(message),
    })?;
    Ok(Model::from(Parts {
        task: settings.task,
        algorithm: report.trial.algorithm.clone(),
        target: settings.target_column.clone(),
        inputs: prepared.table.schema(),
        labels: prepared.labels.clone(),
        featurizer,
        predictor,
        forecaster: prepared.in_time.as_ref().map(|in_time| in_time.forecaster.clone()),
    }))
}

/// All training rows, and the search that chose.
struct Whole<'a> {
    settings: &'a AutoMlSettings,
    prepared: &'a Prepared,
    search: &'a Search<'a>,
    x: Matrix,
    target: Target,
    watch: &'a Watch,
}

impl Whole<'_> {
    fn predictor(&self, recipe: &Recipe, number: usize) -> Result<Predictor, FitError> {
        match recipe {
            Recipe::One(candidate) => Ok(Predictor::One(self.fit(number, *candidate)?)),
            Recipe::Vote(shares) => {
                let members = self.members(&shares.iter().map(|(trial, _)| *trial).collect::<Vec<_>>())?;
                let voters = shares.iter().zip(members);
                Ok(Predictor::Vote(voters.map(|((_, share), pipeline)| Weighted { share: *share, pipeline }).collect()))
            }
            Recipe::Stack(trials) => {
                let voters = self.search.voters(trials);
                let stacking = Stacking::new(self.prepared, &voters, self.settings.random_state, number);
                Ok(Predictor::Stack { members: self.members(&stacking.members)?, over: stacking.whole(self.watch)? })
            }
        }
    }

    /// The models of these trials, in their order.
    fn members(&self, trials: &[usize]) -> Result<Vec<Pipeline>, FitError> {
        workers::map(self.settings.threads.max(1), trials, |_, &trial| match self.search.trial(trial) {
            Some((_, Recipe::One(candidate))) => self.fit(trial, *candidate),
            _ => Err(FitError::Failed(format!("trial {trial} is no single algorithm"))),
        })
        .into_iter()
        .collect()
    }

    fn fit(&self, trial: usize, candidate: Candidate) -> Result<Pipeline, FitError> {
        let weights = self.prepared.weights.as_deref();
        let training = Training { x: &self.x, target: &self.target, weights };
        let mut rng = Rng::new(self.settings.random_state, stream(trial, WHOLE));
        Pipeline::fit(candidate.scaling, candidate.spec, &training, &mut rng, self.watch)
    }
}
