//! The deletion of an object: what stands against it, one step of it a pass, and what is let go of in the end.

use azureml_crds::{AmlResource, StatusCore, annotations, conditions, reasons};
use kube::Resource as _;
use kube::runtime::controller::Action as Requeue;

use super::failure::understood;
use super::pace::{again, wait};
use super::record::{set_finalizer, write_status};
use super::standing::{Extra, Standing};
use super::{Cleanup, Kind};
use crate::context::Context;
use crate::error::{Error, Halt, Remedy};
use crate::events::{self, Note};

pub(super) async fn delete<K: Kind>(context: &Context, object: &K::Resource) -> Result<Requeue, Error> {
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
