//! When a pipeline runs, and which of its runs are kept. Pure.

use azureml_crds::pipeline::{CauseKey, ConcurrencyPolicy, Trigger};
use azureml_crds::pipeline_run::Phase;
use azureml_crds::{AmlPipeline, AmlResource, annotations, conditions, reasons};
use jiff::{SignedDuration, Timestamp};

use super::cause::{self, causes, run_name};
use super::{Action, Observed, RunSummary, upkeep};
use crate::shell::{After, Extra, Next, Plan, Standing};

/// Finished runs that are removed at a time.
const AT_ONCE: usize = 20;
/// Under which the annotation's value is remembered as carried out.
pub const RUN_COMMAND: &str = "run";

/// A run that is due.
struct Due {
    cause: &'static str,
    key: CauseKey,
    token: Option<String>,
}

pub fn plan(object: &AmlPipeline, observed: &Observed, now: Timestamp) -> Plan<Action> {
    let mut plan = decide(object, observed, now);
    plan.extras.extend(last_run_succeeded(observed));
    plan
}

fn decide(object: &AmlPipeline, observed: &Observed, now: Timestamp) -> Plan<Action> {
    let resolved = observed.resolved.as_ref();
    let upkeep = observed
        .footprint
        .as_ref()
        .map(|footprint| upkeep::plan(object, footprint, resolved, &observed.runs, now))
        .unwrap_or_else(|| Plan::ready(""));
    let resolved = match resolved {
        Ok(resolved) => resolved,
        Err(halt) => return Plan { next: upkeep.next, standing: Standing::from(halt), extras: Vec::new() },
    };
    let standing = match upkeep.standing {
        Standing::Ready { .. } => ready(observed),
        other => other,
    };
    let key = cause::key(&observed.spec_hash, &resolved.inputs);
    if let Some(due) = due(object, observed, &key) {
        let name = run_name(object.name(), &observed.owner, &due.key, due.token.as_deref());
        if let Some(action) = start(object, observed, due, name) {
            return Plan { next: Next::Act(action), standing, extras: Vec::new() };
        }
    }
    let next = match (upkeep.next, expired(object, &observed.runs, now)) {
        (next @ (Next::Act(_) | Next::Record), _) => next,
        (_, Expired::Now(names)) => Next::Act(Action::DeleteRuns(names)),
        (Next::Wait(After::Until(one)), Expired::At(other)) => Next::Wait(After::Until(one.min(other))),
        (Next::Rest, Expired::At(at)) => Next::Wait(After::Until(at)),
        (next, _) => next,
    };
    Plan { next, standing, extras: Vec::new() }
}

fn ready(observed: &Observed) -> Standing {
    let active: Vec<&str> = observed.runs.iter().filter(|run| run.is_active()).map(|run| run.name.as_str()).collect();
    Standing::ready(if active.is_empty() {
        "The definition is in place.".to_owned()
    } else {
        format!("The definition is in place; {} runs.", active.join(", "))
    })
}

/// The run that triggers or a person ask for and that was not dealt with yet.
fn due(object: &AmlPipeline, observed: &Observed, key: &CauseKey) -> Option<Due> {
    if let Some(token) = object.annotation(annotations::RUN)
        && observed.handled.get(RUN_COMMAND).map(String::as_str) != Some(token)
    {
        return Some(Due { cause: causes::MANUAL, key: key.clone(), token: Some(token.to_owned()) });
    }
    let triggers = object.spec.run.as_ref().map(|run| run.triggers.as_slice()).unwrap_or_default();
    let last = observed.last_cause.as_ref();
    let spec_differs = last.is_none_or(|last| last.spec_hash != key.spec_hash);
    let data_differs = last.is_none_or(|last| last.inputs != key.inputs);
    let cause = if triggers.contains(&Trigger::SpecChange) && spec_differs {
        causes::SPEC_CHANGE
    } else if triggers.contains(&Trigger::DatasetChange) && data_differs {
        causes::DATASET_CHANGE
    } else {
        return None;
    };
    Some(Due { cause, key: key.clone(), token: None })
}

/// What is done about a run that is due; `None` while it waits in the queue.
fn start(object: &AmlPipeline, observed: &Observed, due: Due, name: String) -> Option<Action> {
    let policy = object.spec.run.as_ref().and_then(|run| run.concurrency_policy).unwrap_or_default();
    if observed.runs.iter().any(|run| run.name == name) {
        return Some(Action::Settle { key: due.key, token: due.token, skipped_for: None });
    }
    // What Azure starts by itself asks nobody for leave.
    let counts = |run: &&RunSummary| run.ours && run.is_active() && run.imports.is_none();
    let active: Vec<&RunSummary> = observed.runs.iter().filter(counts).collect();
    let Some(first) = active.first() else {
        return Some(Action::CreateRun { name, cause: due.cause, key: due.key, token: due.token });
    };
    match policy {
        ConcurrencyPolicy::Forbid => {
            Some(Action::Settle { key: due.key, token: due.token, skipped_for: Some(first.name.clone()) })
        }
        ConcurrencyPolicy::Queue => None,
        ConcurrencyPolicy::Replace => {
            active.iter().find(|run| !run.leaving).map(|run| Action::CancelRun(run.name.clone()))
        }
    }
}

/// Finished runs that are kept no longer.
enum Expired {
    Now(Vec<String>),
    At(Timestamp),
    Nothing,
}

fn expired(object: &AmlPipeline, runs: &[RunSummary], now: Timestamp) -> Expired {
    let history = object.spec.run.as_ref().and_then(|run| run.history.clone()).unwrap_or_default();
    let keep = upkeep::keep(&history);
    let finished = |good: bool| {
        runs.iter()
            .filter(move |run| run.ours && !run.leaving_now() && run.phase.is_finished())
            .filter(move |run| (run.phase == Phase::Succeeded) == good)
    };
    let beyond = finished(true).skip(keep.succeeded).chain(finished(false).skip(keep.failed));
    let beyond: Vec<String> = beyond.map(|run| run.name.clone()).take(AT_ONCE).collect();
    if !beyond.is_empty() {
        return Expired::Now(beyond);
    }
    let Some(ttl) = history.ttl else { return Expired::Nothing };
    let ttl = SignedDuration::try_from(ttl.std()).unwrap_or(SignedDuration::MAX);
    let ends = finished(true)
        .chain(finished(false))
        .filter_map(|run| Some((run.completed?.checked_add(ttl).ok()?, run.name.clone())))
        .min();
    match ends {
        Some((at, name)) if at <= now => Expired::Now(vec![name]),
        Some((at, _)) => Expired::At(at),
        None => Expired::Nothing,
    }
}

impl RunSummary {
    /// Finished and being deleted; a finished run that was cancelled is kept like any other.
    fn leaving_now(&self) -> bool {
        self.leaving && self.phase != Phase::Cancelled
    }
}

fn last_run_succeeded(observed: &Observed) -> Option<Extra> {
    let finished = observed.runs.iter().find(|run| run.phase.is_finished());
    let extra = |status: Option<bool>, reason, message| {
        Some(Extra::new(conditions::LAST_RUN_SUCCEEDED, status, reason, message))
    };
    match finished {
        Some(run) if run.phase == Phase::Succeeded => {
            extra(Some(true), reasons::RUN_SUCCEEDED, format!("AmlPipelineRun {} succeeded.", run.name))
        }
        Some(run) => {
            let reason = if run.phase == Phase::Cancelled { reasons::RUN_CANCELLED } else { reasons::RUN_FAILED };
            let message = format!(
                "AmlPipelineRun {} did not succeed ({}): kubectl describe amlrun {} says why.",
                run.name,
                run.phase.as_str(),
                run.name
            );
            extra(Some(false), reason, message)
        }
        None => {
            let run = observed.runs.first()?;
            extra(None, reasons::RUNNING, format!("AmlPipelineRun {} has not finished yet.", run.name))
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
