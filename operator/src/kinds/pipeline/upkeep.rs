//! What is next for all that a pipeline has in Azure by itself. Pure.

use azureml::OperationState;
use azureml_crds::pipeline::History;
use azureml_crds::{AmlPipeline, AmlResource, reasons};
use jiff::{SignedDuration, Timestamp};

use super::discovery::{self, Keep, Step};
use super::footprint::Footprint;
use super::resolve::Resolved;
use super::{Action, RunSummary, publication, schedule};
use crate::error::Halt;
use crate::kinds::operation::failed_for;
use crate::shell::{After, Next, Plan, Standing};

/// Runs that are kept where the spec does not say.
const KEEP_SUCCEEDED: usize = 5;
const KEEP_FAILED: usize = 3;

/// How many finished runs are kept.
#[must_use]
pub fn keep(history: &History) -> Keep {
    let count = |own: Option<i32>, otherwise| own.and_then(|count| usize::try_from(count).ok()).unwrap_or(otherwise);
    Keep { succeeded: count(history.succeeded, KEEP_SUCCEEDED), failed: count(history.failed, KEEP_FAILED) }
}

/// What is next: the things themselves first, then the runs that they started.
#[must_use]
pub fn plan(
    object: &AmlPipeline,
    footprint: &Footprint,
    resolved: Result<&Resolved, &Halt>,
    runs: &[RunSummary],
    now: Timestamp,
) -> Plan<Action> {
    let mut plan = things(object, footprint, resolved, now);
    if object.is_ready()
        && let Standing::Progressing { reason, message } = plan.standing
    {
        // It serves as it did; the spec that Ready speaks of is the same.
        plan.standing = Standing::Holding { reason, message };
    }
    if matches!(plan.next, Next::Act(_) | Next::Record) {
        return plan;
    }
    if let Some(action) = runs_of_azure(object, footprint, runs, now) {
        plan.next = Next::Act(action);
        return plan;
    }
    if matches!(plan.next, Next::Rest)
        && !matches!(plan.standing, Standing::Stalled { .. })
        && footprint.listed
        && let Some(at) =
            SignedDuration::try_from(footprint.discover).ok().and_then(|every| now.checked_add(every).ok())
    {
        plan.next = Next::Wait(After::Until(at));
    }
    plan
}

fn things(
    object: &AmlPipeline,
    footprint: &Footprint,
    resolved: Result<&Resolved, &Halt>,
    now: Timestamp,
) -> Plan<Action> {
    match &footprint.operation {
        Some(OperationState::Running { retry_after }) => {
            let after = retry_after.map_or(After::Poll, After::Asked);
            return Plan::wait(
                after,
                reasons::PROGRESSING,
                "Azure is at work on the schedule or the published address.",
            );
        }
        Some(OperationState::Failed { code, message }) => {
            let what = object.status.as_ref().and_then(|status| status.operation.as_ref());
            let what = what.map(|operation| format!("{} {:?}", operation.kind, operation.target)).unwrap_or_default();
            let message = format!(
                "Azure could not do {what}: {code}: {}. Correct what it names; it is tried again by and by.",
                message.trim_end_matches('.')
            );
            return Plan::stalled(failed_for(code), message);
        }
        Some(OperationState::Succeeded | OperationState::Lost) | None => {}
    }
    let first = schedule::plan(object, footprint, resolved, now);
    if !is_done(&first) && !is_stuck(&first) {
        return first;
    }
    // One that only a person can help does not hold up the other.
    let second = publication::plan(object, footprint, resolved, now);
    if is_done(&first) || !(is_done(&second) || is_stuck(&second)) { second } else { first }
}

fn is_done(plan: &Plan<Action>) -> bool {
    matches!((&plan.next, &plan.standing), (Next::Rest, Standing::Ready { .. }))
}

fn is_stuck(plan: &Plan<Action>) -> bool {
    matches!((&plan.next, &plan.standing), (Next::Rest, _))
}

/// A run to be shown, or something to be remembered or told of runs that Azure started.
fn runs_of_azure(object: &AmlPipeline, footprint: &Footprint, runs: &[RunSummary], now: Timestamp) -> Option<Action> {
    if !footprint.listed {
        return None;
    }
    let history = object.spec.run.as_ref().and_then(|run| run.history.clone()).unwrap_or_default();
    let is_shown = |job: &str| runs.iter().any(|run| run.imports.as_deref() == Some(job));
    match discovery::next(footprint.mark.as_ref(), &footprint.jobs, is_shown, keep(&history)) {
        Step::Show(found) => return Some(Action::ShowRuns(found)),
        Step::Remember(mark) => return Some(Action::Remember(mark)),
        Step::Nothing => {}
    }
    let missed = schedule::missed(object, footprint, now).filter(|at| footprint.missed != Some(*at))?;
    Some(Action::TellMissed(missed))
}
