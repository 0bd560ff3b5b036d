//! One pass over one object.

use std::sync::Arc;
use std::time::Instant;

use azureml_crds::{AmlResource, FINALIZER, StatusCore, annotations, conditions, reasons};
use kube::Resource as _;
use kube::runtime::controller::Action as Requeue;

use super::deletion::delete;
use super::failure::{failed, failed_with};
use super::pace::{BLINK, resync, wait};
use super::record::{say, set_finalizer, write_status};
use super::standing::{Extra, Standing};
use super::{Kind, Next, Plan};
use crate::context::Context;
use crate::error::Error;
use crate::inventory::rest::is_at_rest;

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
            let after = if stalled { context.settings.stalled_retry } else { resync(context, object) };
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
        Next::Rest => Some(Requeue::requeue(resync(context, object))),
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
