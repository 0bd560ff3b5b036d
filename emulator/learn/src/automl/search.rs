//! The search: round after round of candidates, then ensembles of the best.

use super::ensemble::{Stacking, Voter, elect, voted};
use super::error::AutoMlError;
use super::plan::{Candidate, candidates};
use super::prepare::Prepared;
use super::report::{EndReason, Event, TrialReport, TrialResult, TrialStart};
use super::rounds::{Attempt, Ended, Round};
use crate::estimators::FitError;
use crate::matrix::Matrix;
use crate::metrics::Metrics;
use crate::settings::{AutoMlSettings, Task};
use crate::watch::{Stopped, Watch};
use std::time::Instant;

/// Early termination looks at trials from this one on, and at this many without a better score.
const TRIALS_BEFORE_EARLY_END: usize = 20;
const TRIALS_WITHOUT_GAIN: usize = 10;

/// How a trial's model is made.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Recipe {
    One(Candidate),
    /// Trials and their shares of the votes.
    Vote(Vec<(usize, f64)>),
    /// Trials under a linear model.
    Stack(Vec<usize>),
}

/// A trial that ended.
struct Entry {
    report: TrialReport,
    recipe: Recipe,
    predictions: Vec<Matrix>,
}

/// An experiment while it searches.
pub(crate) struct Search<'a> {
    settings: &'a AutoMlSettings,
    prepared: &'a Prepared,
    watch: &'a Watch,
    on_event: &'a (dyn Fn(Event) + Sync),
    entries: Vec<Entry>,
    best: Option<(usize, f64)>,
}

impl<'a> Search<'a> {
    pub(crate) fn new(
        settings: &'a AutoMlSettings,
        prepared: &'a Prepared,
        watch: &'a Watch,
        on_event: &'a (dyn Fn(Event) + Sync),
    ) -> Self {
        Self { settings, prepared, watch, on_event, entries: Vec::new(), best: None }
    }

    /// Runs every trial there will be.
    pub(crate) fn run(&mut self) -> Result<EndReason, AutoMlError> {
        let candidates = candidates(self.settings);
        if candidates.is_empty() {
            let message = format!("no algorithm that is allowed and not blocked is one of {:?}", self.settings.task);
            return Err(AutoMlError::Setting { setting: "allowed_training_algorithms", message });
        }
        let ensembles = self.ensembles();
        let bound = self.settings.limits.max_trials - ensembles.len();
        let end = self.singles(&candidates, bound);
        self.not_cancelled()?;
        if matches!(end, EndReason::MaxTrials | EndReason::Exhausted | EndReason::EarlyTermination) {
            for kind in ensembles {
                self.ensemble(kind);
                self.not_cancelled()?;
            }
        }
        Ok(end)
    }

    fn singles(&mut self, candidates: &[Candidate], bound: usize) -> EndReason {
        let size = self.settings.limits.max_concurrent_trials.max(1);
        let tried = candidates.get(..bound).unwrap_or(candidates);
        for round in tried.chunks(size) {
            let first = self.entries.len();
            let attempts: Vec<Attempt> = round
                .iter()
                .enumerate()
                .map(|(place, &candidate)| Attempt { trial: start(first + place, candidate), candidate })
                .collect();
            let ended = self.round().run(&attempts);
            let all = ended.len() == attempts.len();
            for (Ended { report, predictions }, attempt) in ended.into_iter().zip(attempts) {
                self.enter(report, Recipe::One(attempt.candidate), predictions);
            }
            if !all || self.watch.check().is_err() {
                return EndReason::Timeout;
            }
            if let Some(reason) = self.enough() {
                return reason;
            }
        }
        if tried.len() == bound { EndReason::MaxTrials } else { EndReason::Exhausted }
    }

    fn round(&self) -> Round<'a> {
        Round {
            prepared: self.prepared,
            random_state: self.settings.random_state,
            threads: self.settings.threads.max(1),
            trial_timeout: self.settings.limits.trial_timeout,
            watch: self.watch,
            on_event: self.on_event,
        }
    }

    fn enter(&mut self, report: TrialReport, recipe: Recipe, predictions: Vec<Matrix>) {
        let number = report.trial.number;
        let judge = &self.prepared.judge;
        let score = report.metrics().map(|metrics| judge.score(metrics)).filter(|score| score.is_finite());
        self.entries.push(Entry { report, recipe, predictions });
        if let Some(score) = score
            && self.best.is_none_or(|(_, best)| judge.better(score, best))
        {
            self.best = Some((number, score));
            (self.on_event)(Event::BestChanged { number, score });
        }
    }

    /// Why no further candidate is needed, if so.
    fn enough(&self) -> Option<EndReason> {
        let (number, score) = self.best?;
        let limits = &self.settings.limits;
        if limits.exit_score.is_some_and(|exit| !self.prepared.judge.better(exit, score)) {
            return Some(EndReason::ExitScore);
        }
        let trials = self.entries.len();
        let stale = trials >= TRIALS_BEFORE_EARLY_END && trials - number > TRIALS_WITHOUT_GAIN;
        (limits.enable_early_termination && stale).then_some(EndReason::EarlyTermination)
    }

    /// The ensembles that will run: they count as trials, and are left out where they would leave fewer than two.
    fn ensembles(&self) -> Vec<Ensemble> {
        let wanted = [(self.settings.vote_ensemble, Ensemble::Vote), (self.settings.stack_ensemble, Ensemble::Stack)];
        let room = self.settings.limits.max_trials.saturating_sub(2);
        // A linear model over others learns from all folds at once, and so from what comes after what it forecasts.
        let stacks = self.settings.task != Task::Forecasting;
        wanted
            .into_iter()
            .filter(|(on, kind)| *on && (stacks || matches!(kind, Ensemble::Vote)))
            .map(|(_, kind)| kind)
            .take(room)
            .collect()
    }

    fn ensemble(&mut self, kind: Ensemble) {
        let judge = &self.prepared.judge;
        let mut voters: Vec<Voter<'_>> = self.entries.iter().filter_map(|entry| entry.voter(judge)).collect();
        // Stable: of equal scores the earlier trial is first.
        voters.sort_by(|a, b| match (judge.better(a.score, b.score), judge.better(b.score, a.score)) {
            (true, _) => std::cmp::Ordering::Less,
            (_, true) => std::cmp::Ordering::Greater,
            _ => std::cmp::Ordering::Equal,
        });
        if voters.len() < 2 {
            return;
        }
        let began = Instant::now();
        let mut trial = TrialStart {
            number: self.entries.len(),
            algorithm: kind.name().to_owned(),
            stands_for: None,
            preprocessor: String::new(),
            parameters: format!("of={} trials", voters.len()),
        };
        (self.on_event)(Event::TrialStarted(trial.clone()));
        let made = match kind {
            Ensemble::Vote => self.vote(&voters),
            Ensemble::Stack => self.stack(&voters, trial.number),
        };
        let (recipe, result, predictions) = match made {
            Ok((recipe, predictions)) => {
                trial.parameters = recipe.members();
                let metrics = self.metrics(&predictions);
                (recipe, TrialResult::Completed(metrics), predictions)
            }
            Err(error) => (Recipe::Stack(Vec::new()), failed(error), Vec::new()),
        };
        let report = TrialReport { trial, result, duration: began.elapsed() };
        (self.on_event)(Event::TrialFinished(report.clone()));
        self.enter(report, recipe, predictions);
    }

    fn vote(&self, voters: &[Voter<'_>]) -> Result<(Recipe, Vec<Matrix>), FitError> {
        let shares = elect(self.prepared, voters, self.settings.threads, self.watch)?;
        let predictions = voted(self.prepared.folds.len(), voters, &shares);
        Ok((Recipe::Vote(shares), predictions))
    }

    fn stack(&self, voters: &[Voter<'_>], number: usize) -> Result<(Recipe, Vec<Matrix>), FitError> {
        let stacking = Stacking::new(self.prepared, voters, self.settings.random_state, number);
        let predictions = stacking.validated(self.watch)?;
        Ok((Recipe::Stack(stacking.members), predictions))
    }

    fn metrics(&self, predictions: &[Matrix]) -> Metrics {
        let folds = self.prepared.folds.iter().zip(predictions);
        Metrics::mean(&folds.map(|(fold, p)| self.prepared.judge.metrics(&fold.valid, p)).collect::<Vec<_>>())
    }

    fn not_cancelled(&self) -> Result<(), AutoMlError> {
        if self.watch.cancel.is_cancelled() { Err(AutoMlError::Cancelled) } else { Ok(()) }
    }

    /// Number of the best trial.
    pub(crate) fn best(&self) -> Result<usize, AutoMlError> {
        if let Some((number, _)) = self.best {
            return Ok(number);
        }
        if self.watch.check() == Err(Stopped::TimedOut) {
            return Err(AutoMlError::TimedOut);
        }
        let why = self.entries.iter().find_map(|entry| match &entry.report.result {
            TrialResult::Failed(message) => Some(message.clone()),
            _ => None,
        });
        Err(AutoMlError::NoTrialCompleted(
            why.unwrap_or_else(|| format!("{} is not defined for this data", self.prepared.judge.metric.metric_name())),
        ))
    }

    /// The report of a trial and how its model is made.
    pub(crate) fn trial(&self, number: usize) -> Option<(&TrialReport, &Recipe)> {
        let entry = self.entries.iter().find(|entry| entry.report.trial.number == number)?;
        Some((&entry.report, &entry.recipe))
    }

    /// What these trials predicted for the validation rows.
    pub(crate) fn voters(&self, numbers: &[usize]) -> Vec<Voter<'_>> {
        let entries = self.entries.iter().filter(|entry| numbers.contains(&entry.report.trial.number));
        entries.filter_map(|entry| entry.voter(&self.prepared.judge)).collect()
    }

    pub(crate) fn into_reports(self) -> Vec<TrialReport> {
        self.entries.into_iter().map(|entry| entry.report).collect()
    }
}

impl Entry {
    /// A completed trial of one algorithm.
    fn voter(&self, judge: &super::judge::Judge) -> Option<Voter<'_>> {
        let score = judge.score(self.report.metrics()?);
        let single = matches!(self.recipe, Recipe::One(_)) && score.is_finite();
        single.then_some(Voter { trial: self.report.trial.number, score, predictions: &self.predictions })
    }
}

impl Recipe {
    fn members(&self) -> String {
        match self {
            Self::One(candidate) => candidate.spec.to_string(),
            Self::Vote(shares) => {
                shares.iter().map(|(trial, share)| format!("{trial}={share:.2}")).collect::<Vec<_>>().join(", ")
            }
            Self::Stack(members) => {
                format!("members={}", members.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
            }
        }
    }
}

/// Kinds of ensembles.
#[derive(Debug, Clone, Copy)]
enum Ensemble {
    Vote,
    Stack,
}

impl Ensemble {
    fn name(self) -> &'static str {
        match self {
            Self::Vote => "VotingEnsemble",
            Self::Stack => "StackEnsemble",
        }
    }
}

fn failed(error: FitError) -> TrialResult {
    match error {
        FitError::Stopped(Stopped::Cancelled) => TrialResult::Cancelled,
        FitError::Stopped(Stopped::TimedOut) => {
            TrialResult::Failed("the experiment's time was over: raise `timeout`".to_owned())
        }
        FitError::Failed(message) => TrialResult::Failed(message),
    }
}

fn start(number: usize, candidate: Candidate) -> TrialStart {
    let runs = candidate.asked.runs_as();
    TrialStart {
        number,
        algorithm: runs.azure_name().to_owned(),
        stands_for: (runs != candidate.asked).then_some(candidate.asked),
        preprocessor: candidate.scaling.name().to_owned(),
        parameters: candidate.spec.to_string(),
    }
}
