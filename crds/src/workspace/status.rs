//! What is known of a workspace.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resource::status_core;
use crate::status::{AzureObject, OperationStatus};

/// What is known of the workspace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AmlWorkspaceStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What is true of the object now, by kstatus: Ready, Reconciling, Stalled and the kind's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]), length(max = 20))]
    pub conditions: Vec<Condition>,
    /// The commands by annotation that were carried out, each with the value it had, so that none is repeated; at most 20.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 20))]
    pub handled: BTreeMap<String, String>,
    /// The object in Azure that this resource stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureObject>,
    /// The workspace's name in Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure_name: Option<String>,
    /// The workspace's GUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<String>,
    /// The region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Where the region's other services are found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovery_url: Option<String>,
    /// What MLflow needs in `MLFLOW_TRACKING_URI` to show the workspace's runs and models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mlflow_tracking_uri: Option<String>,
    /// ARM id of the Application Insights component that endpoints log to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_insights_id: Option<String>,
    /// ARM id of the storage account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
    /// The role assignments of `spec.access`; at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub access: Vec<AccessStatus>,
    /// How many objects of the namespace refer to this workspace, by kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 10))]
    pub objects: BTreeMap<String, i32>,
    /// The operation in flight, of a managed workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationStatus>,
}

/// A role assignment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessStatus {
    /// The principal's object id.
    pub principal_id: String,
    /// The role, as the spec names it.
    pub role: String,
    /// The assignment's ARM id.
    pub id: String,
    /// False where others made the assignment: it counts, and it is never deleted.
    pub owned: bool,
}

status_core!(AmlWorkspaceStatus);
