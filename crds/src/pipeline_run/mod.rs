//! AmlPipelineRun: one execution of a pipeline.

mod status;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::status::{AmlPipelineRunStatus, Best, JobRef, Metrics, Phase, ResolvedInput, StepStatus, Trial};
use crate::annotations;
use crate::pipeline::{AmlPipelineSpec, Parameter};
use crate::policies::{AdoptionPolicy, DeletionPolicy};
use crate::references::LocalRef;
use crate::resource::{AmlResource, aml_resource};
use crate::rules;

/// One execution of an AmlPipeline. Its spec is immutable, but for `state`, which may be set to Cancelled once.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "azureml.dev",
    version = "v1alpha1",
    kind = "AmlPipelineRun",
    namespaced,
    doc = "One execution of an AmlPipeline. Its spec is immutable, but for `state`, which may be set to Cancelled once.",
    status = "AmlPipelineRunStatus",
    shortname = "amlrun",
    category = "azureml",
    selectable = ".spec.pipelineRef.name",
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "PHASE", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "BEST", type_ = "string", json_path = ".status.bestSummary"),
    printcolumn(name = "DURATION", type_ = "string", json_path = ".status.duration"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[allow(
    clippy::duplicated_attributes,
    reason = "each is a rule of its own; the lint compares only the words of the message"
)]
#[x_kube(validation = rules::immutable("pipelineRef", "make a new AmlPipelineRun"))]
#[x_kube(validation = rules::immutable("parameters", "make a new AmlPipelineRun (spec.state: Cancelled stops this one)"))]
#[x_kube(validation = rules::immutable("inputs", "make a new AmlPipelineRun (spec.state: Cancelled stops this one)"))]
#[x_kube(validation = rules::immutable("pipelineSpec", "make a new AmlPipelineRun (spec.state: Cancelled stops this one)"))]
#[x_kube(validation = rules::immutable("importJob", "make a new AmlPipelineRun"))]
#[x_kube(validation = rules::immutable("deletionPolicy", "make a new AmlPipelineRun"))]
#[x_kube(validation = Rule::new("!has(oldSelf.state) || has(self.state)").message("a cancelled run stays cancelled: make a new AmlPipelineRun"))]
#[x_kube(validation = Rule::new("!has(self.importJob) || (!has(self.parameters) && !has(self.inputs) && !has(self.pipelineSpec) && !has(self.state))").message("importJob only shows a job that exists in Azure: remove parameters, inputs, pipelineSpec and state (az ml job cancel stops it)"))]
pub struct AmlPipelineRunSpec {
    /// The AmlPipeline that is run.
    pub pipeline_ref: LocalRef,
    /// Parameters that differ from the pipeline's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]), length(max = 50))]
    pub parameters: Vec<Parameter>,
    /// Versions of inputs that differ from the pipeline's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]), length(max = 50))]
    pub inputs: Vec<RunInput>,
    /// The definition as it was when the operator made this run; absent on a person's run, which takes the pipeline's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline_spec: Option<AmlPipelineSpec>,
    /// The name of a job that was started in Azure and is shown here; such a run never submits and never cancels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::ASSET_NAME), length(max = 255))]
    pub import_job: Option<String>,
    /// Cancelled stops the run; it may be set once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<DesiredState>,
    /// What happens to an unfinished job when this object is deleted: Delete cancels it, Retain lets it run. A finished
    /// job always stays. Absent: Delete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self != 'Archive'").message("a run can't be archived: write Delete or Retain"))]
    pub deletion_policy: Option<DeletionPolicy>,
}

/// What a person may ask of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum DesiredState {
    /// Stop it.
    Cancelled,
}

/// An input's version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunInput {
    /// The input's name.
    #[schemars(regex(pattern = rules::PIPELINE_NAME), length(min = 1, max = 63))]
    pub name: String,
    /// The data asset's version.
    #[schemars(regex(pattern = rules::ASSET_NAME), length(max = 255))]
    pub version: String,
}

aml_resource!(@impl AmlPipelineRun, AmlPipelineRunStatus, |spec| spec.pipeline_spec.as_ref().map(|pipeline| pipeline.workspace_ref.name.as_str()),
    azure_name: |_spec, name| name,
    deletion: |spec| spec.deletion_policy,
    adoption: |_spec| AdoptionPolicy::Never);

impl AmlPipelineRun {
    /// The definition that this run took and that can't change any more: the operator's own snapshot, or what was
    /// written down of the pipeline when a person's run began. Absent before that.
    ///
    /// # Errors
    /// When what was written down can't be read.
    pub fn recorded_spec(&self) -> Result<Option<AmlPipelineSpec>, serde_json::Error> {
        match &self.spec.pipeline_spec {
            Some(spec) => Ok(Some(spec.clone())),
            None => self.annotation(annotations::PIPELINE_SPEC).map(serde_json::from_str).transpose(),
        }
    }
}
