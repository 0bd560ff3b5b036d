//! Pieces that several statuses share.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
