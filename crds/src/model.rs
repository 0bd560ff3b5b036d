//! AmlModel: a registered model's versions, their metrics, and which one is approved.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policies::{AdoptionPolicy, DeletionPolicy};
use crate::references::LocalRef;
use crate::resource::aml_resource;
use crate::status::AzureObject;

/// A registered model: its versions, their metrics, the gate they must pass, and which one is approved to serve.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "azureml.dev",
    version = "v1alpha1",
    kind = "AmlModel",
    namespaced,
    status = "AmlModelStatus",
    shortname = "amlm",
    category = "azureml",
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "APPROVED", type_ = "string", json_path = ".status.approved.version"),
    printcolumn(name = "LATEST", type_ = "string", json_path = ".status.latest"),
    printcolumn(name = "VERDICT", type_ = "string", json_path = ".status.latestVerdict"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("has(self.spec.azureName) || self.metadata.name.matches('^[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}$')").message("metadata.name is no valid asset name (1 to 255 letters, digits, - and _, no dot): write the name in Azure in spec.azureName"),
    validation = Rule::new("has(self.spec.azureName) == has(oldSelf.spec.azureName) && (!has(self.spec.azureName) || self.spec.azureName == oldSelf.spec.azureName)").message("spec.azureName is immutable: make a new AmlModel"),
    validation = Rule::new("self.spec.workspaceRef.name == oldSelf.spec.workspaceRef.name").message("spec.workspaceRef is immutable: make a new AmlModel in the other workspace")
)]
#[serde(rename_all = "camelCase")]
pub struct AmlModelSpec {
    /// The AmlWorkspace it is registered in.
    pub workspace_ref: LocalRef,
    /// The model's name in Azure; absent: this object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}$"), length(max = 255))]
    pub azure_name: Option<String>,
    /// Where versions come from.
    #[schemars(length(min = 1, max = 10))]
    pub sources: Vec<ModelSource>,
    /// What a version must reach; one that does not is registered, marked, and never served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// Serve exactly this version: the approval when `gate.approval` is Manual, the way back by Git in both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}$"), length(max = 255))]
    pub approved_version: Option<String>,
    /// What happens in Azure on deletion; absent: Archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// What happens when a model of this name exists and is not ours; absent: Never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption_policy: Option<AdoptionPolicy>,
}

/// An output of a pipeline's runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelSource {
    /// The AmlPipeline.
    #[schemars(length(min = 1, max = 253))]
    pub pipeline: String,
    /// The output, `<step>_best_model`.
    #[schemars(length(min = 1, max = 127))]
    pub output: String,
}

/// What a version must reach.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gate {
    /// Bounds on metrics; all must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]), length(max = 20))]
    pub metrics: Vec<MetricBound>,
    /// Whether a version that passes is approved by itself; absent: Automatic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
}

/// Whether a version that passes is approved by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Approval {
    /// It is.
    #[default]
    Automatic,
    /// A person names it in `spec.approvedVersion`.
    Manual,
}

/// Bounds on one metric.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.min) || has(self.max)").message("write min, max, or both"))]
pub struct MetricBound {
    /// The metric, in ARM's spelling (AUCWeighted) or MLflow's (AUC_weighted).
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// Where it was measured; absent: validation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<MeasuredOn>,
    /// At least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^-?[0-9]+(\.[0-9]+)?$"), length(max = 32))]
    pub min: Option<String>,
    /// At most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^-?[0-9]+(\.[0-9]+)?$"), length(max = 32))]
    pub max: Option<String>,
}

/// On what a metric was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MeasuredOn {
    /// While training.
    #[default]
    Validation,
    /// On test data that no model had seen.
    Test,
}

/// What the gate says of a version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Verdict {
    /// May serve.
    Approved,
    /// Did not reach what it must.
    Rejected,
    /// Waits for a person.
    #[default]
    Pending,
    /// Could not be judged.
    Inconclusive,
}

impl Verdict {
    /// As the API and the tag spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "Approved",
            Self::Rejected => "Rejected",
            Self::Pending => "Pending",
            Self::Inconclusive => "Inconclusive",
        }
    }
}

/// What is known of the model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AmlModelStatus {
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
    /// The object in Azure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureObject>,
    /// The version that is approved to serve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved: Option<ApprovedVersion>,
    /// The newest version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest: Option<String>,
    /// What the gate says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_verdict: Option<Verdict>,
    /// Versions that this object registered, newest first; at most 20.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub versions: Vec<ModelVersion>,
}

/// The version that is approved to serve.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ApprovedVersion {
    /// The version.
    pub version: String,
    /// Its ARM id.
    pub id: String,
    /// The AmlPipelineRun it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

/// A version that was registered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ModelVersion {
    /// The version.
    pub version: String,
    /// `<job>/<output>` it came from.
    pub source: String,
    /// The AmlPipelineRun it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The metrics that the gate names and the run's primary one, as text; at most 20.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 20))]
    pub metrics: BTreeMap<String, String>,
    /// What the gate says.
    pub verdict: Verdict,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub reason: Option<String>,
    /// When it was registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
}

aml_resource!(AmlModel, AmlModelStatus, workspace: |spec| Some(&spec.workspace_ref.name));
