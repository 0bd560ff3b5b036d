//! Pieces that several statuses share.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resource::StatusCore;

/// The object in Azure that this resource stands for. Recorded before it is first written, so that deletion finds it
/// whatever became of the spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AzureObject {
    /// Its ARM id.
    #[schemars(length(max = 1024))]
    pub id: String,
    /// `created` or `adopted`; absent until it was first seen to be ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub origin: Option<String>,
}

/// A long-running operation in flight. It is resumed after a restart, by this or another replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationStatus {
    /// What it does, e.g. `CreateDeployment`.
    #[schemars(length(max = 64))]
    pub kind: String,
    /// What it works on, by name.
    #[schemars(length(max = 256))]
    pub target: String,
    /// Where Azure tells how it stands.
    #[schemars(length(max = 4096))]
    pub url: String,
    /// `AsyncOperation` or `Location`: how the answer of `url` is read.
    #[schemars(length(max = 16))]
    pub style: String,
    /// When it was started.
    pub started_at: Time,
}

/// The size that a status keeps below, as JSON: 32 kB, whatever the history.
pub const SIZE_LIMIT: usize = 32_000;

/// Drops what is missed least until the status keeps below [`SIZE_LIMIT`]. False where it could not.
pub fn fit<S: StatusCore>(status: &mut S) -> bool {
    loop {
        let size = serde_json::to_string(status).map_or(usize::MAX, |text| text.len());
        if size < SIZE_LIMIT {
            return true;
        }
        if !status.shorten() {
            return false;
        }
    }
}

/// Cuts a text to `limit` characters, the last one `…` where something was cut.
#[must_use]
pub fn clip(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit.saturating_sub(1)).chain(['…']).collect()
}
