//! Computes: training clusters (AmlCompute).

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Extra, Map, nullable};
use crate::error::Error;
use crate::lro::Started;
use crate::workspace::Workspace;

/// A compute.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Compute {
    /// The ARM id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The region.
    pub location: String,
    /// Its tags.
    #[serde(deserialize_with = "nullable")]
    pub tags: Map,
    /// Its properties.
    pub properties: ComputeProperties,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What all computes have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ComputeProperties {
    /// `AmlCompute`.
    pub compute_type: String,
    /// Unknown, Updating, Creating, Deleting, Succeeded, Failed or Canceled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioning_state: Option<String>,
    /// Errors of provisioning.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub provisioning_errors: Vec<Value>,
    /// What training clusters have.
    pub properties: AmlComputeProperties,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What training clusters have.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AmlComputeProperties {
    /// The size of the machines.
    pub vm_size: String,
    /// Dedicated or LowPriority.
    pub vm_priority: String,
    /// How many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale_settings: Option<ScaleSettings>,
    /// Nodes by state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_state_counts: Option<NodeStateCounts>,
    /// `Steady`, or `Resizing` while nodes come or go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation_state: Option<String>,
    /// Errors of the nodes: a quota that is used up, a subnet without addresses.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub errors: Vec<Value>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How many nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ScaleSettings {
    /// At least.
    pub min_node_count: i32,
    /// At most.
    pub max_node_count: i32,
    /// ISO 8601.
    pub node_idle_time_before_scale_down: String,
}

/// Nodes by state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeStateCounts {
    /// Waiting.
    pub idle_node_count: i32,
    /// At work.
    pub running_node_count: i32,
    /// Starting.
    pub preparing_node_count: i32,
    /// Broken.
    pub unusable_node_count: i32,
    /// On their way out.
    pub leaving_node_count: i32,
    /// Taken away by Azure (low priority).
    pub preempted_node_count: i32,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Node {
    /// Its id.
    pub node_id: String,
    /// `idle`, `running`, `preparing`, `unusable`, `leaving` or `preempted`.
    pub node_state: String,
    /// The run that it works on.
    pub run_id: Option<String>,
}

/// `nodes`, as the service answers; `value`, as its description has it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Nodes {
    #[serde(alias = "value", default)]
    nodes: Vec<Node>,
}

impl Workspace {
    /// A compute.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn compute(&self, name: &str) -> Result<Option<Compute>, Error> {
        self.read("computes", &format!("computes/{name}"), &[]).await
    }

    /// All computes.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn computes(&self) -> Result<Vec<Compute>, Error> {
        self.read_list("computes", "computes", &[]).await
    }

    /// Makes or replaces a compute.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn put_compute(&self, name: &str, compute: &Compute) -> Result<Started<Compute>, Error> {
        self.put("computes", &format!("computes/{name}"), compute, Vec::new()).await
    }

    /// Changes how many nodes a cluster has.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn scale_compute(&self, name: &str, scale: &ScaleSettings) -> Result<Started<Compute>, Error> {
        let url = self.client.arm_url(&self.id_of(&format!("computes/{name}")), self.client.api_version(), &[])?;
        let body = json!({"properties": {"properties": {"scaleSettings": scale}}});
        self.client.write("computes", Method::PATCH, url, Some(body), Vec::new()).await
    }

    /// The first page of a cluster's nodes: those that Azure lists first are enough to tell what they work on.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn compute_nodes(&self, name: &str) -> Result<Vec<Node>, Error> {
        let answer = self.post("computes", &format!("computes/{name}/listNodes"), None, true).await?;
        let nodes: Nodes = answer.json()?;
        Ok(nodes.nodes)
    }

    /// Deletes a compute and its machines.
    ///
    /// # Errors
    /// Azure's answer.
    pub async fn delete_compute(&self, name: &str) -> Result<Started<Value>, Error> {
        self.delete("computes", &format!("computes/{name}"), &[("underlyingResourceAction", "Delete")]).await
    }
}
