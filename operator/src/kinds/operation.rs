//! Long-running operations that a status remembers, the same for all kinds.

use std::time::Duration;

use azureml::error::names_quota;
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

/// The reason of an operation that failed with this code.
#[must_use]
pub fn failed_for(code: &str) -> &'static str {
    if names_quota(code) { reasons::QUOTA_EXCEEDED } else { reasons::OPERATION_FAILED }
}

/// What was told of an operation that failed, as long as the object is stalled for it: its reason and message.
pub fn told<K: AmlResource>(object: &K) -> Option<(&'static str, String)> {
    let stalled = object.condition(conditions::STALLED)?;
    let known = [reasons::OPERATION_FAILED, reasons::QUOTA_EXCEEDED];
    let reason = known.into_iter().find(|known| *known == stalled.reason)?;
    Some((reason, stalled.message.clone()))
}

/// Whether something that failed may be tried again: the spec has changed since, or it has been told for long enough.
pub fn may_retry<K: AmlResource>(object: &K, every: Duration, now: Timestamp) -> bool {
    let Some(stalled) = object.condition(conditions::STALLED) else { return false };
    if told(object).is_none() {
        return false;
    }
    let since = now.duration_since(stalled.last_transition_time.0).try_into().unwrap_or(Duration::ZERO);
    stalled.observed_generation != object.meta().generation || since >= every.mul_f64(0.9)
}
