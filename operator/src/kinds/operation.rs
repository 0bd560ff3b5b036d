//! Long-running operations that a status remembers, the same for all kinds.

use std::time::Duration;

use azureml::{Client, Operation, OperationState};
use azureml_crds::status::OperationStatus;
use azureml_crds::{AmlResource, conditions, reasons};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::error::Error;

/// An operation that was just started, as the status remembers it.
#[must_use]
pub fn remember(operation: &Operation, kind: &str, target: &str, now: Timestamp) -> OperationStatus {
    OperationStatus {
        kind: kind.to_owned(),
        target: target.to_owned(),
        url: operation.url.clone(),
        style: operation.style.as_str().to_owned(),
        started_at: Time(now),
    }
}

/// How a remembered operation stands.
///
/// # Errors
/// When no answer comes.
pub async fn poll(client: &Client, operation: Option<&OperationStatus>) -> Result<Option<OperationState>, Error> {
    let Some(known) = operation else { return Ok(None) };
    Ok(Some(client.poll(&Operation::resume(&known.url, &known.style)).await?))
}

/// Whether something that failed may be tried again: the spec has changed since, or it has been told for long enough.
pub fn may_retry<K: AmlResource>(object: &K, every: Duration, now: Timestamp) -> bool {
    let Some(stalled) = object.condition(conditions::STALLED) else { return false };
    if stalled.reason != reasons::OPERATION_FAILED {
        return false;
    }
    let told = now.duration_since(stalled.last_transition_time.0).try_into().unwrap_or(Duration::ZERO);
    stalled.observed_generation != object.meta().generation || told >= every.mul_f64(0.9)
}
