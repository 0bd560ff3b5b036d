//! AmlCompute: a training cluster.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;
use crate::policies::{AdoptionPolicy, DeletionPolicy};
use crate::references::LocalRef;
use crate::resource::aml_resource;
use crate::status::{AzureObject, OperationStatus};

/// A training cluster of an Azure ML workspace (`az ml compute`, type amlcompute).
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "azureml.dev",
    version = "v1alpha1",
    kind = "AmlCompute",
    plural = "amlcomputes",
    namespaced,
    status = "AmlComputeStatus",
    shortname = "amlcc",
    category = "azureml",
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "NODES", type_ = "string", json_path = ".status.nodeSummary"),
    printcolumn(name = "SIZE", type_ = "string", json_path = ".spec.size"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("has(self.spec.azureName) || (self.metadata.name.matches('^[a-zA-Z][a-zA-Z0-9-]{2,23}$') && !self.metadata.name.matches('-[0-9]+$'))").message("metadata.name is no valid compute name (3 to 24 letters, digits and -, a letter first, not ending in - and digits): write the cluster's name in spec.azureName"),
    validation = Rule::new("has(self.spec.azureName) == has(oldSelf.spec.azureName) && (!has(self.spec.azureName) || self.spec.azureName == oldSelf.spec.azureName)").message("spec.azureName is immutable: make a new AmlCompute for another cluster"),
    validation = Rule::new("self.spec.workspaceRef.name == oldSelf.spec.workspaceRef.name").message("spec.workspaceRef is immutable: make a new AmlCompute in the other workspace"),
    validation = Rule::new("self.spec.size == oldSelf.spec.size").message("spec.size is immutable: Azure can't change the VM size of a cluster; make a new AmlCompute"),
    validation = Rule::new("has(self.spec.tier) == has(oldSelf.spec.tier) && (!has(self.spec.tier) || self.spec.tier == oldSelf.spec.tier)").message("spec.tier is immutable: Azure can't change the tier of a cluster; make a new AmlCompute")
)]
#[serde(rename_all = "camelCase")]
pub struct AmlComputeSpec {
    /// The AmlWorkspace it belongs to.
    pub workspace_ref: LocalRef,
    /// The cluster's name in Azure; absent: this object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-zA-Z][a-zA-Z0-9-]{2,23}$"), length(max = 24))]
    pub azure_name: Option<String>,
    /// The size of its machines, e.g. `Standard_DS12_v2`.
    #[schemars(length(min = 1, max = 64))]
    pub size: String,
    /// Dedicated or LowPriority machines; absent: Dedicated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// How many machines, and for how long.
    pub scale: Scale,
    /// What happens in Azure on deletion; absent: Delete when the operator made it, Retain when it was adopted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// What happens when a cluster of this name exists and is not ours; absent: Never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption_policy: Option<AdoptionPolicy>,
}

/// The price and the guarantee of machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Tier {
    /// Kept until they are given back.
    #[default]
    Dedicated,
    /// Cheaper, and taken away when Azure needs them.
    LowPriority,
}

/// How many machines a cluster has.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.minNodes) || self.minNodes <= self.maxNodes").message("minNodes must not be above maxNodes"))]
pub struct Scale {
    /// Kept even when idle; absent: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub min_nodes: Option<i32>,
    /// At most.
    #[schemars(range(min = 1, max = 1000))]
    pub max_nodes: i32,
    /// How long an idle machine is kept; absent: 2m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_time_before_scale_down: Option<Duration>,
}

/// What is known of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AmlComputeStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, Reconciling, Stalled and others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]), length(max = 20))]
    pub conditions: Vec<Condition>,
    /// Commands by annotation that were carried out.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 20))]
    pub handled: BTreeMap<String, String>,
    /// The cluster in Azure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureObject>,
    /// The cluster's ARM id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compute_id: Option<String>,
    /// Azure's state of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioning_state: Option<String>,
    /// The nodes by state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Nodes>,
    /// Nodes now and at most, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_summary: Option<String>,
    /// Errors that Azure reports of the cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5))]
    pub errors: Vec<String>,
    /// The operation in flight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationStatus>,
}

/// Nodes by state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Nodes {
    /// Waiting for work.
    pub idle: i32,
    /// At work.
    pub running: i32,
    /// Starting.
    pub preparing: i32,
}

aml_resource!(AmlCompute, AmlComputeStatus, workspace: |spec| Some(&spec.workspace_ref.name));
