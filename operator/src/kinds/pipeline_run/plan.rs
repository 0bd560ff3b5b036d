//! What is next for a run. Pure.

use azureml::resources::jobs::JobState;
use azureml_crds::pipeline_run::Phase;
use azureml_crds::{AmlPipelineRun, AmlResource, conditions, reasons};
use jiff::{SignedDuration, Timestamp};

use super::{Action, Known, Observed, words};
use crate::ownership::{Ownership, foreign};
use crate::shell::{After, Extra, Next, Plan, Standing};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Well.
    Succeeded,
    /// The job failed.
    Failed,
    /// It was stopped.
    Cancelled,
    /// It took too long and was stopped.
    TimedOut,
    /// The job is gone.
    Lost,
}

impl End {
    /// The phase that this is.
    #[must_use]
    pub fn phase(self) -> Phase {
        match self {
            Self::Succeeded => Phase::Succeeded,
            Self::Failed | Self::TimedOut | Self::Lost => Phase::Failed,
            Self::Cancelled => Phase::Cancelled,
        }
    }
}

/// Whether and how a run has ended.
#[must_use]
pub fn end(object: &AmlPipelineRun, known: &Known, now: Timestamp) -> Option<End> {
    let wants_cancel = object.spec.state.is_some();
    let Some(state) = known.state() else {
        return match (known.held, wants_cancel) {
            (true, _) => Some(End::Lost),
            (false, true) => Some(End::Cancelled),
            (false, false) => None,
        };
    };
    match state {
        JobState::Completed => Some(End::Succeeded),
        JobState::Failed => Some(End::Failed),
        JobState::Canceled => {
            let late = deadline(known).is_some_and(|deadline| known.progress.ended.unwrap_or(now) >= deadline);
            Some(if !wants_cancel && late { End::TimedOut } else { End::Cancelled })
        }
        JobState::Waiting | JobState::Running => None,
    }
}

/// When the run has taken too long.
fn deadline(known: &Known) -> Option<Timestamp> {
    let limit = known.spec.run.as_ref()?.timeout.as_ref()?;
    known.submitted?.checked_add(SignedDuration::try_from(limit.std()).ok()?).ok()
}

pub fn plan(object: &AmlPipelineRun, observed: &Observed, now: Timestamp) -> Plan<Action> {
    match observed {
        Observed::Finished => finished_before(object),
        Observed::Under(known) => under(object, known, now),
    }
}

fn under(object: &AmlPipelineRun, known: &Known, now: Timestamp) -> Plan<Action> {
    if object.spec.import_job.is_some() {
        return imported(object, known, now);
    }
    match known.ownership() {
        Some(Ownership::Foreign { owner }) => {
            let help = "Delete it, or make a new AmlPipelineRun.";
            return unfinished(Next::Rest, Standing::from(&foreign(&what(known), owner.as_deref(), help)));
        }
        Some(Ownership::Taken { uid }) => {
            return unfinished(Next::Rest, Standing::from(&known.owner.taken(&what(known), &uid)));
        }
        Some(Ownership::Reattach(_)) => {
            return unfinished(
                Next::Act(Action::Reattach),
                Standing::progressing(reasons::REATTACHED, format!("The job {:?} was found again.", known.job_name)),
            );
        }
        Some(Ownership::Ours(_)) | None => {}
    }
    match end(object, known, now) {
        Some(End::Failed) if known.attempt <= retries(known) => unfinished(
            Next::Act(Action::NextAttempt),
            Standing::progressing(
                reasons::RUN_FAILED,
                format!(
                    "Attempt {} of {} failed and is tried again. {}",
                    known.attempt,
                    retries(known) + 1,
                    words::failure(known)
                ),
            ),
        ),
        Some(end) => finished(end, known),
        None if known.job.is_none() => submit(known),
        None => running(object, known, now),
    }
}

fn what(known: &Known) -> String {
    format!("Job {:?}", known.job_name)
}

fn retries(known: &Known) -> i32 {
    known.spec.run.as_ref().and_then(|run| run.retry.as_ref()).map_or(0, |retry| retry.limit)
}

fn submit(known: &Known) -> Plan<Action> {
    if let Err(halt) = &known.resolved {
        return unfinished(Next::Rest, Standing::from(halt));
    }
    let action = if known.remembered { Action::Submit } else { Action::Remember };
    unfinished(
        Next::Act(action),
        Standing::progressing(reasons::PROGRESSING, format!("The job {:?} is being submitted.", known.job_name)),
    )
}

fn running(object: &AmlPipelineRun, known: &Known, now: Timestamp) -> Plan<Action> {
    let asked = known.job.as_ref().and_then(|job| job.properties.status.as_deref()) == Some("CancelRequested");
    let late = deadline(known).filter(|deadline| *deadline <= now);
    if object.spec.state.is_some() || late.is_some() {
        let (reason, why) = match late {
            Some(_) if object.spec.state.is_none() => (reasons::RUN_TIMED_OUT, "it takes longer than spec.run.timeout"),
            _ => (reasons::RUN_CANCELLED, "spec.state is Cancelled"),
        };
        let next = if asked { Next::Wait(After::Poll) } else { Next::Act(Action::Cancel) };
        return unfinished(
            next,
            Standing::progressing(reason, format!("The job {:?} is being stopped, for {why}.", known.job_name)),
        );
    }
    unfinished(Next::Wait(After::Poll), Standing::progressing(reasons::RUNNING, doing(known)))
}

/// What the job does at the moment.
fn doing(known: &Known) -> String {
    let status = known.job.as_ref().and_then(|job| job.properties.status.as_deref()).unwrap_or("Unknown");
    let tried = known.progress.trials.iter().filter(|trial| trial.score.is_some()).count();
    let best = match &known.progress.best {
        Some(best) => format!("; {tried} models tried, best so far {} {}", best.algorithm, best.score),
        None => String::new(),
    };
    format!("The job {:?} is {status}{best}.", known.job_name)
}

fn imported(object: &AmlPipelineRun, known: &Known, now: Timestamp) -> Plan<Action> {
    if known.job.is_none() {
        return unfinished(
            Next::Rest,
            Standing::stalled(
                reasons::AZURE_NOT_FOUND,
                format!(
                    "spec.importJob names the job {:?}, which does not exist in the workspace. Make an AmlPipelineRun with the right name.",
                    known.job_name
                ),
            ),
        );
    }
    match end(object, known, now) {
        Some(end) => finished(end, known),
        None => unfinished(Next::Wait(After::Poll), Standing::progressing(reasons::RUNNING, doing(known))),
    }
}

/// A plan for a run that has not ended.
fn unfinished(next: Next<Action>, standing: Standing) -> Plan<Action> {
    let message = "The run has not ended.";
    Plan { next, standing, extras: Vec::new() }
        .with(Extra::new(conditions::FINISHED, false, reasons::RUNNING, message))
        .with(Extra::new(conditions::SUCCEEDED, None, reasons::RUNNING, message))
}

/// The plan for a run that has ended: its verdict, and nothing more to do.
fn finished(end: End, known: &Known) -> Plan<Action> {
    let (word, standing) = match end {
        End::Succeeded => {
            let best = known.progress.best.as_ref();
            let best = best
                .map_or_else(String::new, |best| format!(" The best model is {} with {}.", best.algorithm, best.score));
            ("Succeeded", Standing::ready(format!("The job {:?} completed.{best}", known.job_name)))
        }
        End::Failed => ("Failed", Standing::stalled(reasons::RUN_FAILED, words::failure(known))),
        End::Cancelled => (
            "Cancelled",
            Standing::stalled(
                reasons::RUN_CANCELLED,
                format!("The job {:?} was cancelled. A new AmlPipelineRun starts another one.", known.job_name),
            ),
        ),
        End::TimedOut => (
            "TimedOut",
            Standing::stalled(
                reasons::RUN_TIMED_OUT,
                format!(
                    "The job {:?} took longer than spec.run.timeout of the pipeline and was cancelled. Give it more time, or less to do.",
                    known.job_name
                ),
            ),
        ),
        End::Lost => (
            "Failed",
            Standing::stalled(
                reasons::JOB_LOST,
                format!(
                    "The job {:?} is gone from Azure: it was deleted there. A new AmlPipelineRun starts another one.",
                    known.job_name
                ),
            ),
        ),
    };
    let (reason, message) = match &standing {
        Standing::Ready { reason, message } | Standing::Stalled { reason, message } => (*reason, message.clone()),
        Standing::Progressing { reason, message } | Standing::Holding { reason, message } => (*reason, message.clone()),
    };
    Plan { next: Next::Rest, standing, extras: Vec::new() }
        .with(Extra::new(conditions::FINISHED, true, word, message.clone()))
        .with(Extra::new(conditions::SUCCEEDED, end == End::Succeeded, reason, message))
}

/// What was said when the run ended is said still.
fn finished_before(object: &AmlPipelineRun) -> Plan<Action> {
    let phase = object.status.as_ref().map(|status| status.phase).unwrap_or_default();
    let message = object.condition(conditions::READY).map(|ready| ready.message.clone()).unwrap_or_default();
    if phase == Phase::Succeeded {
        return Plan { next: Next::Rest, standing: Standing::ready(message), extras: Vec::new() };
    }
    let before = object.condition(conditions::READY).map(|ready| ready.reason.as_str()).unwrap_or_default();
    let known = [reasons::RUN_FAILED, reasons::RUN_CANCELLED, reasons::RUN_TIMED_OUT, reasons::JOB_LOST];
    let otherwise = if phase == Phase::Cancelled { reasons::RUN_CANCELLED } else { reasons::RUN_FAILED };
    let reason = known.into_iter().find(|reason| *reason == before).unwrap_or(otherwise);
    Plan { next: Next::Rest, standing: Standing::stalled(reason, message), extras: Vec::new() }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
