//! One pass over one object.

use std::sync::Arc;
use std::time::{Duration, Instant};

use azureml_crds::{AmlResource, FINALIZER, StatusCore, annotations, conditions, reasons};
use jiff::Timestamp;
use kube::Resource as _;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::runtime::controller::Action as Requeue;
use serde_json::json;

use super::standing::{self, Extra, Standing};
use super::{After, Cleanup, Kind, Next, Plan};
use crate::context::Context;
use crate::error::{Error, Halt, Remedy};
use crate::events::{self, Note};
use crate::inventory::rest::{self, is_at_rest};

/// The shortest wait: long enough for the object's newer version to arrive by the watch.
const BLINK: Duration = Duration::from_millis(20);

/// Reconciles one object: never fails, for what went wrong is in the object's conditions.
pub async fn reconcile<K: Kind>(context: Arc<Context>, object: Arc<K::Resource>) -> Requeue {
    let started = Instant::now();
    // An object that another one names may not have been seen yet right after the start.
    context.filled.wait().await;
    if context.fresh.is_stale(object.uid(), object.meta().resource_version.as_deref()) {
        return Requeue::requeue(BLINK);
    }
    let limit = context.settings.reconcile_timeout;
    let result = match tokio::time::timeout(limit, pass::<K>(&context, &object)).await {
        Ok(result) => result,
        Err(_) => Err(Error::TimedOut(limit)),
    };
    let (requeue, label) = match result {
        Ok(requeue) => (requeue, "success"),
        Err(error) if error.is_conflict() => (Requeue::requeue(BLINK), "conflict"),
        Err(error) => {
            let label = error.category();
            tracing::warn!(kind = K::Resource::KIND, namespace = object.namespace(), name = object.name(), %error, "reconcile");
            (failed::<K>(&context, &object, &error).await, label)
        }
    };
    context.metrics.reconciled(K::Resource::KIND, label, started.elapsed());
    requeue
}

async fn pass<K: Kind>(context: &Context, object: &K::Resource) -> Result<Requeue, Error> {
    let has_finalizer = object.meta().finalizers.as_ref().is_some_and(|all| all.iter().any(|name| name == FINALIZER));
    if object.is_deleting() {
        return if has_finalizer { delete::<K>(context, object).await } else { Ok(Requeue::await_change()) };
    }
    if let Some(by) = context.paused_by(object) {
        return pause::<K>(context, object, &by).await;
    }
    if !has_finalizer {
        set_finalizer::<K>(context, object, true).await?;
        return Ok(Requeue::requeue(BLINK));
    }
    if object.condition(conditions::READY).is_none() {
        // The first touch: seen, and nothing known yet.
        let standing = Standing::progressing(reasons::PROGRESSING, "Seen; it is looked at now.");
        let status = object.status().cloned().unwrap_or_default();
        write_status::<K>(context, object, status, &standing, &[], context.now(), &[]).await?;
        return Ok(Requeue::requeue(BLINK));
    }
    if is_at_rest(object)
        && let Some(requeue) = glance::<K>(context, object).await
    {
        return Ok(requeue);
    }
    let mut observed = match K::observe(context, object).await {
        Ok(observed) => observed,
        Err(error) => return Ok(failed::<K>(context, object, &error).await),
    };
    let now = context.now();
    let plan = K::plan(object, &observed, now);
    let first = K::status(object, &observed, now);
    let recorded = object.status().and_then(StatusCore::azure).map(|azure| azure.id.as_str());
    // A kind that has nothing in Azure of its own (a pipeline's definition) has nothing to record.
    let must_record = first.azure().is_some_and(|azure| recorded != Some(azure.id.as_str()));
    let (next, standing, mut extras) = (plan.next, plan.standing, plan.extras);
    extras.push(unpaused());
    match next {
        Next::Act(action) if must_record => {
            // What is about to be made is recorded first, so that deletion finds it whatever happens in between.
            tracing::debug!(kind = K::Resource::KIND, name = object.name(), ?action, "recorded before it is done");
            write_status::<K>(context, object, first, &standing, &extras, now, &[]).await?;
            Ok(Requeue::requeue(BLINK))
        }
        Next::Act(action) => act::<K>(context, object, &mut observed, action, (standing, extras)).await,
        Next::Record => {
            write_status::<K>(context, object, first, &standing, &extras, now, &[]).await?;
            Ok(Requeue::requeue(BLINK))
        }
        Next::Wait(after) => {
            context.tries.forget(object.uid());
            write_status::<K>(context, object, first, &standing, &extras, now, &[]).await?;
            Ok(Requeue::requeue(wait(context, after, now)))
        }
        Next::Rest => {
            let stalled = matches!(standing, Standing::Stalled { .. });
            context.tries.forget(object.uid());
            write_status::<K>(context, object, first, &standing, &extras, now, &[]).await?;
            let after = if stalled { context.settings.stalled_retry } else { resync::<K>(context, object) };
            Ok(Requeue::requeue(after))
        }
    }
}

/// A look at an object at rest in lists that others share. `None` where anything asks for more than rest: then it is
/// looked at itself before anything is done or said.
async fn glance<K: Kind>(context: &Context, object: &K::Resource) -> Option<Requeue> {
    let observed = match K::glance(context, object).await {
        Ok(observed) => observed?,
        // A role may let an object be read and not the list that it is in.
        Err(error)
            if [reasons::ROLE_PROPAGATING, reasons::WAITING_FOR_ROLE_ASSIGNMENT].contains(&error.halt().reason) =>
        {
            return None;
        }
        Err(error) => return Some(failed::<K>(context, object, &error).await),
    };
    let now = context.now();
    let Plan { next, standing, mut extras } = K::plan(object, &observed, now);
    extras.push(unpaused());
    let mut status = K::status(object, &observed, now);
    say::<K>(object, &mut status, &standing, &extras, now);
    if object.status() != Some(&status) {
        return None;
    }
    match next {
        Next::Act(_) | Next::Record => None,
        Next::Wait(after) => Some(Requeue::requeue(wait(context, after, now))),
        Next::Rest => Some(Requeue::requeue(resync::<K>(context, object))),
    }
}

/// Does one thing, and says how the object stands meanwhile.
async fn act<K: Kind>(
    context: &Context,
    object: &K::Resource,
    observed: &mut K::Observed,
    action: K::Action,
    (standing, extras): (Standing, Vec<Extra>),
) -> Result<Requeue, Error> {
    context.check_leads()?;
    tracing::info!(kind = K::Resource::KIND, namespace = object.namespace(), name = object.name(), ?action, "acts");
    let done = K::apply(context, object, observed, action).await;
    let now = context.now();
    let status = K::status(object, observed, now);
    match done {
        Ok(notes) => {
            context.tries.forget(object.uid());
            write_status::<K>(context, object, status, &standing, &extras, now, &notes).await?;
            Ok(Requeue::requeue(BLINK))
        }
        Err(error) => Ok(failed_with::<K>(context, object, status, &error).await),
    }
}

/// The condition that takes a pause back, once there was one.
fn unpaused() -> Extra {
    Extra::new(conditions::PAUSED, false, reasons::SUCCEEDED, "Not paused.")
}

async fn pause<K: Kind>(context: &Context, object: &K::Resource, by: &str) -> Result<Requeue, Error> {
    let now = context.now();
    let status = object.status().cloned().unwrap_or_default();
    let message = format!("Paused by {by}; nothing is done in Azure until {} is removed.", annotations::PAUSED);
    let extra = Extra::new(conditions::PAUSED, true, reasons::PAUSED, message.clone());
    let standing = match object.condition(conditions::READY) {
        Some(ready) if ready.status == "True" => Standing::ready(ready.message.clone()),
        _ => Standing::progressing(reasons::PAUSED, message),
    };
    write_status::<K>(context, object, status, &standing, &[extra], now, &[]).await?;
    Ok(Requeue::await_change())
}

async fn delete<K: Kind>(context: &Context, object: &K::Resource) -> Result<Requeue, Error> {
    if object.annotation(annotations::FORCE_ABANDON) == Some("true") {
        let note = Note::warning(
            reasons::ABANDONED,
            format!("Released by {}; what is left in Azure is left.", annotations::FORCE_ABANDON),
        );
        return release::<K>(context, object, Some(note)).await;
    }
    if object.status().and_then(StatusCore::azure).is_none() {
        // It never got to Azure.
        return release::<K>(context, object, None).await;
    }
    if object.annotation(annotations::PROTECT) == Some("true") {
        let message =
            format!("The annotation {} refuses deletion; remove it to let the deletion go on.", annotations::PROTECT);
        return blocked::<K>(context, object, reasons::PROTECTED, message).await;
    }
    if let Some(by) = context.paused_by(object) {
        let message = format!("Paused by {by}: the deletion waits until {} is removed.", annotations::PAUSED);
        return blocked::<K>(context, object, reasons::PAUSED, message).await;
    }
    match K::cleanup(context, object).await {
        Ok(Cleanup::Done(note)) => release::<K>(context, object, note).await,
        Ok(Cleanup::Waiting { message, after }) => {
            let now = context.now();
            let standing = Standing::progressing(reasons::DELETING, message);
            let extra = Extra::new(conditions::DELETION_BLOCKED, false, reasons::DELETING, "The deletion goes on.");
            let extras =
                if object.condition(conditions::DELETION_BLOCKED).is_some() { vec![extra] } else { Vec::new() };
            let status = object.status().cloned().unwrap_or_default();
            write_status::<K>(context, object, status, &standing, &extras, now, &[]).await?;
            Ok(Requeue::requeue(wait(context, after, now)))
        }
        Ok(Cleanup::Blocked { reason, message }) => blocked::<K>(context, object, reason, message).await,
        Err(error) => {
            let halt = understood(context, object, &error);
            if matches!(halt.remedy, Remedy::Retry(_) | Remedy::Turn(_)) {
                tracing::info!(kind = K::Resource::KIND, name = object.name(), %error, "the deletion is tried again");
                let again = again(context, object, halt.remedy);
                // What Azure began and could not do it may never do.
                let message = if halt.reason == reasons::OPERATION_FAILED { or_let_go(&halt) } else { halt.message };
                let standing = Standing::progressing(halt.reason, message);
                let status = object.status().cloned().unwrap_or_default();
                write_status::<K>(context, object, status, &standing, &[], context.now(), &[]).await?;
                return Ok(Requeue::requeue(again));
            }
            blocked::<K>(context, object, halt.reason, or_let_go(&halt)).await
        }
    }
}

/// Why a deletion does not go on, and what a person can do about it.
fn or_let_go(halt: &Halt) -> String {
    format!(
        "{}. To let the object go and leave what is in Azure, set the annotation {}: \"true\".",
        halt.message.trim_end_matches('.'),
        annotations::FORCE_ABANDON
    )
}

async fn blocked<K: Kind>(
    context: &Context,
    object: &K::Resource,
    reason: &'static str,
    message: String,
) -> Result<Requeue, Error> {
    let now = context.now();
    let status = object.status().cloned().unwrap_or_default();
    let standing = Standing::stalled(reason, message.clone());
    let extra = Extra::new(conditions::DELETION_BLOCKED, true, reason, message);
    write_status::<K>(context, object, status, &standing, &[extra], now, &[]).await?;
    Ok(Requeue::requeue(context.settings.stalled_retry))
}

async fn release<K: Kind>(context: &Context, object: &K::Resource, note: Option<Note>) -> Result<Requeue, Error> {
    K::release(context, object).await?;
    if let Some(note) = note {
        events::publish(&context.recorder, &object.object_ref(&()), &[note]).await;
    }
    set_finalizer::<K>(context, object, false).await?;
    context.fresh.forget(object.uid());
    context.inventory.forget(object.uid());
    context.deletions.forget(object.uid());
    context.tries.forget(object.uid());
    Ok(Requeue::await_change())
}

async fn set_finalizer<K: Kind>(context: &Context, object: &K::Resource, present: bool) -> Result<(), Error> {
    context.check_leads()?;
    let mut all: Vec<String> = object.meta().finalizers.clone().unwrap_or_default();
    all.retain(|name| name != FINALIZER);
    if present {
        all.push(FINALIZER.to_owned());
    }
    let patch = json!({"metadata": {"finalizers": all, "resourceVersion": object.meta().resource_version}});
    let api: Api<K::Resource> = Api::namespaced(context.client.clone(), object.namespace());
    match api.patch(object.name(), &PatchParams::default(), &Patch::Merge(patch)).await {
        Ok(written) => {
            if present {
                context.fresh.wrote(written.uid(), written.meta().resource_version.as_deref());
            }
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Puts an error into the conditions and says when to look again.
async fn failed<K: Kind>(context: &Context, object: &K::Resource, error: &Error) -> Requeue {
    let status = object.status().cloned().unwrap_or_default();
    failed_with::<K>(context, object, status, error).await
}

async fn failed_with<K: Kind>(
    context: &Context,
    object: &K::Resource,
    status: <K::Resource as AmlResource>::Status,
    error: &Error,
) -> Requeue {
    if error.is_conflict() {
        return Requeue::requeue(BLINK);
    }
    let halt = understood(context, object, error);
    if matches!(halt.remedy, Remedy::Turn(_)) && object.is_ready() {
        // Nobody waits for it and nothing went wrong: there is nothing to tell.
        return Requeue::requeue(again(context, object, halt.remedy));
    }
    let standing = Standing::from(&halt);
    let now = context.now();
    if let Err(error) = write_status::<K>(context, object, status, &standing, &[], now, &[]).await
        && !error.is_conflict()
    {
        tracing::warn!(kind = K::Resource::KIND, name = object.name(), %error, "the status could not be written");
    }
    Requeue::requeue(again(context, object, halt.remedy))
}

/// What an error means for this object, which may have met it for long.
fn understood<K: AmlResource>(context: &Context, object: &K, error: &Error) -> Halt {
    let halt = error.halt();
    if matches!(halt.remedy, Remedy::Turn(_)) {
        return halt;
    }
    let time = context.tries.failed(object.uid(), halt.reason, Instant::now());
    halt.lasting(time, context.settings.role_propagation)
}

/// When it is tried again: twice as long each time, from the poll interval to the maximum, and never before Azure says.
fn again<K: AmlResource>(context: &Context, object: &K, remedy: Remedy) -> Duration {
    let settings = &context.settings;
    match remedy {
        Remedy::Retry(asked) => {
            let pause = context.tries.pause(object.uid(), settings.poll, settings.max_backoff);
            pause.max(asked.unwrap_or_default())
        }
        // Those who keep watch come back apart from each other.
        Remedy::Turn(after) if object.is_ready() => after.max(rest::spread(settings.poll, object.uid())),
        Remedy::Turn(after) => after.max(BLINK),
        Remedy::Await | Remedy::Person => settings.stalled_retry,
    }
}

fn wait(context: &Context, after: After, now: Timestamp) -> Duration {
    match after {
        After::Poll => context.settings.poll,
        // A service that says "at once" each time is not asked as fast as it answers.
        After::Asked(asked) => asked.max(context.settings.poll / 4),
        After::Until(until) => until.duration_since(now).try_into().unwrap_or(Duration::ZERO),
    }
    .max(BLINK)
}

/// The time to the next look at an object at rest: by its own interval or the operator's.
fn resync<K: Kind>(context: &Context, object: &K::Resource) -> Duration {
    rest::spread(rest::own_interval(object).unwrap_or(context.settings.resync), object.uid())
}

/// Writes the status when it differs, and tells of transitions.
async fn write_status<K: Kind>(
    context: &Context,
    object: &K::Resource,
    mut status: <K::Resource as AmlResource>::Status,
    standing: &Standing,
    extras: &[Extra],
    now: Timestamp,
    notes: &[Note],
) -> Result<(), Error> {
    let transition = say::<K>(object, &mut status, standing, extras, now);
    if object.status() != Some(&status) {
        context.check_leads()?;
        let mut wanted = object.clone();
        wanted.set_status(status);
        let api: Api<K::Resource> = Api::namespaced(context.client.clone(), object.namespace());
        let written = api.replace_status(object.name(), &PostParams::default(), &wanted).await?;
        context.fresh.wrote(written.uid(), written.meta().resource_version.as_deref());
    }
    let all: Vec<Note> = notes.iter().cloned().chain(transition).collect();
    if !all.is_empty() {
        events::publish(&context.recorder, &object.object_ref(&()), &all).await;
    }
    Ok(())
}

/// Puts into the status how the object stands; the transition to be told of.
fn say<K: Kind>(
    object: &K::Resource,
    status: &mut <K::Resource as AmlResource>::Status,
    standing: &Standing,
    extras: &[Extra],
    now: Timestamp,
) -> Option<Note> {
    let before = object.status().map(|status| status.conditions().to_vec()).unwrap_or_default();
    // A pause is taken back only where there was one.
    let extras: Vec<Extra> = extras
        .iter()
        .filter(|extra| {
            extra.kind != conditions::PAUSED
                || extra.status == Some(true)
                || before.iter().any(|old| old.type_ == conditions::PAUSED)
        })
        .cloned()
        .collect();
    let merged = standing::merge(&before, standing, &extras, object.generation(), now);
    let transition = transition_note(&before, &merged);
    status.set_conditions(merged);
    status.set_observed_generation(object.meta().generation);
    if let Some(value) = object.annotation(annotations::RECONCILE_AT)
        && status.handled().get("reconcile-at").map(String::as_str) != Some(value)
    {
        status.handled_mut().insert("reconcile-at".to_owned(), value.to_owned());
    }
    if !azureml_crds::status::fit(status) {
        tracing::warn!(kind = K::Resource::KIND, name = object.name(), "the status is longer than it may be");
    }
    transition
}

/// An event when Ready changes its status, or its reason for not being True.
fn transition_note(
    before: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition],
    after: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition],
) -> Option<Note> {
    let find = |all: &'_ [k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition], kind: &str| {
        all.iter().find(|condition| condition.type_ == kind).cloned()
    };
    let new = find(after, conditions::READY)?;
    let old = find(before, conditions::READY);
    if old.as_ref().is_some_and(|old| old.status == new.status && old.reason == new.reason) {
        return None;
    }
    if old.is_none() && new.status == "Unknown" {
        return None;
    }
    let stalled = find(after, conditions::STALLED).is_some();
    Some(Note { warning: stalled, reason: new.reason, message: new.message })
}
