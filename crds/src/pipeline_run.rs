//! AmlPipelineRun: one execution of a pipeline.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pipeline::AmlPipelineSpec;
use crate::policies::{AdoptionPolicy, DeletionPolicy};
use crate::references::LocalRef;
use crate::resource::aml_resource;
use crate::status::AzureObject;

/// One execution of an AmlPipeline. Its spec is immutable, but for `state`, which may be set to Cancelled once.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "azureml.dev",
    version = "v1alpha1",
    kind = "AmlPipelineRun",
    namespaced,
    status = "AmlPipelineRunStatus",
    shortname = "amlrun",
    category = "azureml",
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "PHASE", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "BEST", type_ = "string", json_path = ".status.bestSummary"),
    printcolumn(name = "DURATION", type_ = "string", json_path = ".status.duration"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.spec.pipelineRef == oldSelf.spec.pipelineRef && has(self.spec.pipelineSpec) == has(oldSelf.spec.pipelineSpec) && (!has(self.spec.pipelineSpec) || self.spec.pipelineSpec == oldSelf.spec.pipelineSpec) && has(self.spec.inputs) == has(oldSelf.spec.inputs) && (!has(self.spec.inputs) || self.spec.inputs == oldSelf.spec.inputs) && has(self.spec.deletionPolicy) == has(oldSelf.spec.deletionPolicy)").message("a run's spec is immutable: make a new AmlPipelineRun (spec.state: Cancelled stops this one)"),
    validation = Rule::new("!has(oldSelf.spec.state) || (has(self.spec.state) && self.spec.state == oldSelf.spec.state)").message("a cancelled run stays cancelled: make a new AmlPipelineRun")
)]
#[serde(rename_all = "camelCase")]
pub struct AmlPipelineRunSpec {
    /// The AmlPipeline that is run.
    pub pipeline_ref: LocalRef,
    /// Versions of inputs that differ from the pipeline's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]), length(max = 50))]
    pub inputs: Vec<RunInput>,
    /// The definition as it was when the operator made this run; absent on a person's run, which takes the pipeline's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline_spec: Option<AmlPipelineSpec>,
    /// Cancelled stops the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<DesiredState>,
    /// Delete (absent: this) cancels an unfinished job when this object is deleted; Retain lets it run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
}

/// What a person may ask of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DesiredState {
    /// Stop it.
    Cancelled,
}

/// An input's version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunInput {
    /// The input's name.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// The data asset's version.
    #[schemars(regex(pattern = r"^[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}$"), length(max = 255))]
    pub version: String,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Not submitted yet.
    #[default]
    Pending,
    /// Azure has the job.
    Submitted,
    /// The job runs.
    Running,
    /// It ended well.
    Succeeded,
    /// It did not.
    Failed,
    /// It was stopped.
    Cancelled,
}

impl Phase {
    /// It has ended.
    #[must_use]
    pub fn is_finished(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// As the API spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Submitted => "Submitted",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Cancelled => "Cancelled",
        }
    }
}

/// What is known of the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AmlPipelineRunStatus {
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
    /// Where the run stands.
    pub phase: Phase,
    /// Why it was made: SpecChange, DatasetChange or Manual.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub cause: Option<String>,
    /// The job in Azure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<JobRef>,
    /// What the run reads.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub inputs: Vec<ResolvedInput>,
    /// The steps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub steps: Vec<StepStatus>,
    /// The models that were tried, best first; at most 20.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub trials: Vec<Trial>,
    /// The best model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best: Option<Best>,
    /// Algorithm and score of the best, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_summary: Option<String>,
    /// The job's outputs, `<step>_<output>`, as azureml:// addresses.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 50))]
    pub outputs: BTreeMap<String, String>,
    /// When the job started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When the job ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// How long the job took, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
}

/// The job in Azure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct JobRef {
    /// The job's name.
    pub name: String,
    /// Its ARM id.
    pub id: String,
    /// Its page in the studio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub studio_url: Option<String>,
}

/// What the run reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ResolvedInput {
    /// The input's name.
    pub name: String,
    /// The AmlDataset.
    pub dataset: String,
    /// The data asset's version.
    pub version: String,
    /// The version's ARM id.
    pub asset_id: String,
}

/// A step's state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StepStatus {
    /// The step's name.
    pub name: String,
    /// Azure's state of it.
    pub status: String,
    /// The child job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_name: Option<String>,
    /// When it started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub error: Option<String>,
}

/// A model that was tried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Trial {
    /// The child run.
    pub id: String,
    /// The algorithm.
    pub algorithm: String,
    /// The primary metric, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<String>,
    /// Azure's state of it.
    pub status: String,
}

/// The best model of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Best {
    /// The child run.
    pub run_id: String,
    /// The algorithm.
    pub algorithm: String,
    /// The primary metric, as text.
    pub score: String,
    /// All its metrics.
    pub metrics: Metrics,
}

/// A model's metrics, as text, by MLflow's names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Metrics {
    /// Measured while training.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 50))]
    pub validation: BTreeMap<String, String>,
    /// Measured on test data that no model had seen.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 50))]
    pub test: BTreeMap<String, String>,
}

crate::resource::status_core!(AmlPipelineRunStatus);
aml_resource!(@impl AmlPipelineRun, AmlPipelineRunStatus, |spec| spec.pipeline_spec.as_ref().map(|pipeline| pipeline.workspace_ref.name.as_str()),
    azure_name: |_spec, name| name,
    deletion: |spec| spec.deletion_policy,
    adoption: |_spec| AdoptionPolicy::Never);
