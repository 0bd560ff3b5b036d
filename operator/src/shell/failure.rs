//! What becomes of an error: a condition, and a time to look again.

use std::time::Instant;

use azureml_crds::AmlResource;
use kube::runtime::controller::Action as Requeue;

use super::Kind;
use super::pace::{BLINK, again};
use super::record::write_status;
use super::standing::Standing;
use crate::context::Context;
use crate::error::{Error, Halt, Remedy};

/// Puts an error into the conditions and says when to look again.
pub(super) async fn failed<K: Kind>(context: &Context, object: &K::Resource, error: &Error) -> Requeue {
    let status = object.status().cloned().unwrap_or_default();
    failed_with::<K>(context, object, status, error).await
}

pub(super) async fn failed_with<K: Kind>(
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
pub(super) fn understood<K: AmlResource>(context: &Context, object: &K, error: &Error) -> Halt {
    let halt = error.halt();
    if matches!(halt.remedy, Remedy::Turn(_)) {
        return halt;
    }
    let time = context.tries.failed(object.uid(), halt.reason, Instant::now());
    halt.lasting(time, context.settings.role_propagation)
}
