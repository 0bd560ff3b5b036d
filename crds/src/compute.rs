//! AmlCompute: a training cluster.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;
use crate::policies::{AdoptionPolicy, DeletionPolicy};
use crate::references::LocalRef;
use crate::resource::{aml_resource, status_core};
use crate::rules;
use crate::status::{AzureObject, OperationStatus};

/// A training cluster of an Azure ML workspace (`az ml compute`, type amlcompute).
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "azureml.dev",
    version = "v1alpha1",
    kind = "AmlCompute",
    plural = "amlcomputes",
    namespaced,
    doc = "A training cluster of an Azure ML workspace (`az ml compute`, type amlcompute).",
    status = "AmlComputeStatus",
    shortname = "amlcc",
    category = "azureml",
    selectable = ".spec.workspaceRef.name",
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "NODES", type_ = "string", json_path = ".status.nodeSummary"),
    printcolumn(name = "SIZE", type_ = "string", json_path = ".spec.size"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = rules::compute_metadata_name()
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::immutable("azureName", "make a new AmlCompute for another cluster"))]
#[x_kube(validation = rules::immutable("workspaceRef", "make a new AmlCompute in the other workspace"))]
#[x_kube(validation = rules::immutable("size", "Azure can't change the VM size of a cluster; make a new AmlCompute"))]
#[x_kube(validation = rules::immutable("tier", "Azure can't change the tier of a cluster; make a new AmlCompute"))]
pub struct AmlComputeSpec {
    /// The AmlWorkspace it belongs to. Immutable.
    pub workspace_ref: LocalRef,
    /// The cluster's name in Azure; absent: this object's name. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 24))]
    #[x_kube(validation = rules::compute_name())]
    pub azure_name: Option<String>,
    /// The VM size of its nodes, e.g. `Standard_DS12_v2` (`az ml compute list-sizes`). Immutable.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]+$"), length(min = 1, max = 64))]
    pub size: String,
    /// Dedicated nodes, or LowPriority ones, which are cheaper and taken away when Azure needs them; absent:
    /// Dedicated. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// How many nodes it has, and how long idle ones stay.
    pub scale: Scale,
    /// What happens to the cluster in Azure when this object is deleted; absent: Delete when the operator made it,
    /// Retain when it was adopted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self != 'Archive'").message("a cluster can't be archived: write Delete or Retain"))]
    pub deletion_policy: Option<DeletionPolicy>,
    /// What happens when a cluster of this name exists and is not ours: Never touches nothing and says so, Adopt takes
    /// it over. Absent: Never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption_policy: Option<AdoptionPolicy>,
}

/// The price and the guarantee of nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum Tier {
    /// Kept until they are given back.
    #[default]
    Dedicated,
    /// Cheaper, and taken away when Azure needs them.
    LowPriority,
}

impl Tier {
    /// As ARM spells it (`vmPriority`).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dedicated => "Dedicated",
            Self::LowPriority => "LowPriority",
        }
    }
}

/// How many nodes a cluster has.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.minNodes) || self.minNodes <= self.maxNodes").message("minNodes must not be above maxNodes"))]
pub struct Scale {
    /// Nodes that are kept, and paid for, even when idle; absent: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub min_nodes: Option<i32>,
    /// Nodes at most.
    #[schemars(range(min = 0, max = 1000))]
    pub max_nodes: i32,
    /// How long an idle node is kept above minNodes, e.g. `2m`; absent: 2m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_time_before_scale_down: Option<Duration>,
}

/// What is known of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AmlComputeStatus {
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
    /// The cluster's ARM id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute_id: Option<String>,
    /// Azure's state of it: Creating, Updating, Deleting, Succeeded, Failed or Canceled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioning_state: Option<String>,
    /// Steady, or Resizing while nodes come or go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocation_state: Option<String>,
    /// The nodes by state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Nodes>,
    /// Nodes now and at most, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_summary: Option<String>,
    /// Errors that Azure reports of the cluster; at most 5.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub errors: Vec<String>,
    /// The operation in flight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationStatus>,
}

/// Nodes by state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Nodes {
    /// Waiting for a job.
    pub idle: i32,
    /// At work on a job.
    pub running: i32,
    /// Starting up.
    pub preparing: i32,
    /// On their way out; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaving: Option<i32>,
    /// Broken; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unusable: Option<i32>,
    /// Taken away by Azure, of a cluster of tier LowPriority; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preempted: Option<i32>,
}

status_core!(AmlComputeStatus);
aml_resource!(AmlCompute, AmlComputeStatus, workspace: |spec| Some(&spec.workspace_ref.name));
