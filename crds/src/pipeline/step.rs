//! What a pipeline's steps read, what they are, and where they run.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AutoMl, Command, Component};
use crate::rules;

/// Where steps run.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(&["ref", "azureName", "serverless"], "write one of ref (an AmlCompute), azureName (a cluster that exists in the workspace) and serverless"))]
pub struct ComputeTarget {
    /// An AmlCompute of this namespace, by name.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub ref_: Option<String>,
    /// A cluster that exists in the workspace, by its name in Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 24))]
    pub azure_name: Option<String>,
    /// Machines that Azure ML lends for each step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serverless: Option<ServerlessCompute>,
}

/// Machines that Azure ML lends for a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServerlessCompute {
    /// The VM size, e.g. `Standard_DS3_v2`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]+$"), length(min = 1, max = 64))]
    pub instance_type: String,
    /// How many machines; absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub instance_count: Option<i32>,
}

/// A literal value that steps use and that a run may set otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameter {
    /// Its name.
    #[schemars(regex(pattern = rules::PIPELINE_NAME), length(min = 1, max = 63))]
    pub name: String,
    /// Its value, as text. No secrets: Azure shows it with the job.
    #[schemars(length(max = 1024))]
    pub value: String,
}

/// Something that steps read.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// The name that steps use for it.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::pipeline_name())]
    pub name: String,
    /// An AmlDataset of this namespace.
    #[schemars(length(min = 1, max = 253))]
    pub dataset: String,
    /// A fixed version of it; absent: the dataset's current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::ASSET_NAME), length(max = 255))]
    pub version: Option<String>,
}

/// One step.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(&["automl", "command", "component"], "write exactly one of automl, command and component in a step"))]
pub struct Step {
    /// The step's name.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::pipeline_name())]
    pub name: String,
    /// Automated machine learning on a table. Its output is `best_model`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automl: Option<AutoMl>,
    /// A command in a container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Command>,
    /// A component that is registered in the workspace or a registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Component>,
}
