//! What is next for a run. Pure.

use azureml::resources::jobs::JobState;
use azureml_crds::pipeline_run::Phase;
use azureml_crds::{AmlPipelineRun, AmlResource, conditions, reasons};
use jiff::{SignedDuration, Timestamp};

use super::{Action, Halted, Known, Observed, words};
use crate::error::{Halt, Remedy};
use crate::ownership::{Ownership, foreign};
use crate::shell::{After, Extra, Next, Plan, Standing};

/// How often it is looked in Azure for what a run waits for.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(60);

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
    /// It can't be made: what the definition says can't work, and a run's definition does not change.
    Unable,
    /// It waited too long for what it needs, or for news of its job.
    Waited,
}

impl End {
    /// The phase that this is.
    #[must_use]
    pub fn phase(self) -> Phase {
        match self {
            Self::Succeeded => Phase::Succeeded,
            Self::Failed | Self::TimedOut | Self::Lost | Self::Unable | Self::Waited => Phase::Failed,
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
            (false, false) => impossible(object, known, now),
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

/// Whether a job that is not there will never be.
fn impossible(object: &AmlPipelineRun, known: &Known, now: Timestamp) -> Option<End> {
    if object.spec.import_job.is_some() {
        return Some(End::Unable);
    }
    let halt = known.resolved.as_ref().err()?;
    let late = known.until.is_some_and(|until| until <= now);
    match halt.remedy {
        Remedy::Person => Some(End::Unable),
        Remedy::Await | Remedy::Retry(_) | Remedy::Turn(_) => late.then_some(End::Waited),
    }
}

/// Whether and how a run has ended about whose job nothing can be found out.
#[must_use]
pub fn halted_end(object: &AmlPipelineRun, halted: &Halted, now: Timestamp) -> Option<End> {
    let late = halted.until.is_some_and(|until| until <= now);
    match halted {
        Halted { held: true, workspace_gone: true, .. } => Some(End::Lost),
        Halted { held: false, .. } if object.spec.state.is_some() => Some(End::Cancelled),
        Halted { held: false, hopeless: true, .. } => Some(End::Unable),
        _ if late => Some(End::Waited),
        _ => None,
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
        Observed::Halted(halted) => match halted_end(object, halted, now) {
            Some(end) => ended(end, verdict_without_job(end, halted)),
            None => unfinished(waits(&halted.halt, halted.until, now), Standing::from(&halted.halt)),
        },
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
        Some(end) => finished(object, end, known),
        None if known.job.is_none() => submit(known, now),
        None => running(object, known, now),
    }
}

fn what(known: &Known) -> String {
    format!("Job {:?}", known.job_name)
}

fn retries(known: &Known) -> i32 {
    known.spec.run.as_ref().and_then(|run| run.retry.as_ref()).map_or(0, |retry| retry.limit)
}

fn submit(known: &Known, now: Timestamp) -> Plan<Action> {
    if let Err(halt) = &known.resolved {
        return unfinished(waits(halt, known.until, now), Standing::from(halt));
    }
    let action = match &known.unregistered {
        _ if !known.remembered => Action::Remember,
        Some(step) => Action::Register(step.clone()),
        None => Action::Submit,
    };
    unfinished(
        Next::Act(action),
        Standing::progressing(reasons::PROGRESSING, format!("The job {:?} is being submitted.", known.job_name)),
    )
}

/// When to look again at a run that waits: a change of what it waits for wakes it, but not of what lies in Azure.
fn waits(halt: &Halt, until: Option<Timestamp>, now: Timestamp) -> Next<Action> {
    if matches!(halt.remedy, Remedy::Retry(_) | Remedy::Turn(_)) {
        return Next::Wait(After::Poll);
    }
    let in_azure = [reasons::ENVIRONMENT_NOT_FOUND, reasons::COMPONENT_NOT_FOUND].contains(&halt.reason);
    let soon = in_azure.then(|| now + LOOK_AGAIN);
    let next = [until, soon].into_iter().flatten().filter(|at| *at > now).min();
    next.map_or(Next::Rest, |at| Next::Wait(After::Until(at)))
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
    match end(object, known, now) {
        Some(end) => finished(object, end, known),
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
fn finished(object: &AmlPipelineRun, end: End, known: &Known) -> Plan<Action> {
    let imports = object.spec.import_job.is_some();
    let standing = match end {
        End::Succeeded => {
            let best = known.progress.best.as_ref();
            let best = best
                .map_or_else(String::new, |best| format!(" The best model is {} with {}.", best.algorithm, best.score));
            Standing::ready(format!("The job {:?} completed.{best}", known.job_name))
        }
        End::Failed => Standing::stalled(reasons::RUN_FAILED, words::failure(known)),
        End::Cancelled => Standing::stalled(
            reasons::RUN_CANCELLED,
            format!("The job {:?} was cancelled. A new AmlPipelineRun starts another one.", known.job_name),
        ),
        End::TimedOut => Standing::stalled(
            reasons::RUN_TIMED_OUT,
            format!(
                "The job {:?} took longer than spec.run.timeout of the pipeline and was cancelled. Give it more time, or less to do.",
                known.job_name
            ),
        ),
        End::Lost => Standing::stalled(
            reasons::JOB_LOST,
            format!(
                "The job {:?} is gone from Azure: it was deleted there. A new AmlPipelineRun starts another one.",
                known.job_name
            ),
        ),
        End::Unable | End::Waited => match &known.resolved {
            Err(halt) if !imports => without_job(end, halt),
            _ => Standing::stalled(
                reasons::AZURE_NOT_FOUND,
                format!(
                    "spec.importJob names the job {:?}, which does not exist in the workspace. Make an AmlPipelineRun with the right name.",
                    known.job_name
                ),
            ),
        },
    };
    ended(end, standing)
}

/// The verdict on a run whose job was never made or can't be looked at.
fn verdict_without_job(end: End, halted: &Halted) -> Standing {
    match end {
        End::Lost => Standing::stalled(
            reasons::JOB_LOST,
            format!("The workspace is gone from Azure, and the job with it. {}", halted.halt.message),
        ),
        End::Cancelled => Standing::stalled(reasons::RUN_CANCELLED, "The run was cancelled before it had a job."),
        _ => without_job(end, &halted.halt),
    }
}

/// Why a run will have no job.
fn without_job(end: End, halt: &Halt) -> Standing {
    let why = halt.message.trim_end_matches('.');
    match end {
        End::Waited => Standing::stalled(
            reasons::RUN_TIMED_OUT,
            format!(
                "{why}. The run waited for it as long as it may (spec.run.timeout of the pipeline, absent: 1h). Make a new AmlPipelineRun when it is there."
            ),
        ),
        _ => Standing::stalled(
            halt.reason,
            format!("{why}. A run's definition does not change: make a new AmlPipelineRun then."),
        ),
    }
}

/// The conditions of a run that has ended so.
fn ended(end: End, standing: Standing) -> Plan<Action> {
    let word = match end {
        End::Succeeded => "Succeeded",
        End::Failed | End::Lost | End::Unable => "Failed",
        End::Cancelled => "Cancelled",
        End::TimedOut | End::Waited => "TimedOut",
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
        return ended(End::Succeeded, Standing::ready(message));
    }
    let before = object.condition(conditions::READY).map(|ready| ready.reason.as_str()).unwrap_or_default();
    let otherwise = if phase == Phase::Cancelled { reasons::RUN_CANCELLED } else { reasons::RUN_FAILED };
    let reason = reasons::ALL.iter().map(|(reason, _)| *reason).find(|reason| *reason == before).unwrap_or(otherwise);
    let end = match (phase, reason) {
        (Phase::Cancelled, _) => End::Cancelled,
        (_, reasons::RUN_TIMED_OUT) => End::TimedOut,
        _ => End::Failed,
    };
    ended(end, Standing::stalled(reason, message))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
