//! AmlModel: a registered model's versions, their metrics, and which one is approved.

mod gate;
mod status;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::gate::{Approval, Direction, Gate, MeasuredOn, MetricBound, direction};
pub use self::status::{AmlModelStatus, ApprovedVersion, ModelVersion, Verdict};
use crate::policies::{AdoptionPolicy, DeletionPolicy, VersionHistory};
use crate::references::LocalRef;
use crate::resource::aml_resource;
use crate::rules;

/// A registered model: its versions, their metrics, the gate they must pass, and which one is approved to serve.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "azureml.dev",
    version = "v1alpha1",
    kind = "AmlModel",
    namespaced,
    doc = "A registered model: its versions, their metrics, the gate they must pass, and which one is approved to serve.",
    status = "AmlModelStatus",
    shortname = "amlm",
    category = "azureml",
    selectable = ".spec.workspaceRef.name",
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "APPROVED", type_ = "string", json_path = ".status.approved.version"),
    printcolumn(name = "LATEST", type_ = "string", json_path = ".status.latest"),
    printcolumn(name = "VERDICT", type_ = "string", json_path = ".status.latestVerdict"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = rules::asset_metadata_name("model")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::immutable("azureName", "make a new AmlModel for another model"))]
#[x_kube(validation = rules::immutable("workspaceRef", "make a new AmlModel in the other workspace"))]
pub struct AmlModelSpec {
    /// The AmlWorkspace it is registered in. Immutable.
    pub workspace_ref: LocalRef,
    /// The model's name in Azure; absent: this object's name. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    #[x_kube(validation = rules::asset_name("model"))]
    pub azure_name: Option<String>,
    /// Where versions come from.
    #[schemars(length(min = 1, max = 10))]
    pub sources: Vec<ModelSource>,
    /// What a version must reach; one that does not is registered, marked, and never served. Absent: every version is
    /// approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// Serve exactly this version: the approval when `gate.approval` is Manual, the way back by Git in both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    #[x_kube(validation = rules::version())]
    pub approved_version: Option<String>,
    /// What is kept of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_history: Option<VersionHistory>,
    /// What happens to the versions in Azure when this object is deleted; absent: Archive (hidden from lists, still
    /// usable by what refers to them).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// What happens when a model of this name exists and is not ours: Never touches nothing and says so, Adopt adds
    /// versions to it. Absent: Never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption_policy: Option<AdoptionPolicy>,
}

/// Where versions come from: an output of a pipeline's runs, a path, or a version that exists.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(&["pipeline", "path", "existing"], "write exactly one of pipeline (with output), path (with type) and existing in a source"))]
#[x_kube(validation = Rule::new("has(self.pipeline) == has(self.output)").message("pipeline and output belong together: write the AmlPipeline and its output, e.g. train_best_model"))]
#[x_kube(validation = Rule::new("has(self.path) == has(self.type)").message("path and type belong together: write what the path holds, e.g. type: mlflow_model"))]
pub struct ModelSource {
    /// The AmlPipeline, each of whose runs that succeeds gives a version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub pipeline: Option<String>,
    /// The output of its runs, `<step>_<output>`; of an AutoML step `<step>_best_model`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::PIPELINE_NAME), length(min = 1, max = 127))]
    pub output: Option<String>,
    /// A path to a model's files, `azureml://...`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^azureml://[^ ]+$"), length(max = 2048))]
    pub path: Option<String>,
    /// What the path holds: mlflow_model, custom_model or triton_model.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub type_: Option<ModelType>,
    /// A version of this model that exists in Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub existing: Option<ExistingVersion>,
}

/// What a model's files are, in Azure ML's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
#[serde(rename_all = "snake_case")]
pub enum ModelType {
    /// What MLflow can load.
    MlflowModel,
    /// Anything else.
    CustomModel,
    /// What Triton can load.
    TritonModel,
}

impl ModelType {
    /// Azure ML's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MlflowModel => "mlflow_model",
            Self::CustomModel => "custom_model",
            Self::TritonModel => "triton_model",
        }
    }
}

/// A version that exists in Azure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExistingVersion {
    /// The version.
    #[schemars(regex(pattern = rules::ASSET_NAME), length(max = 255))]
    pub version: String,
}

aml_resource!(AmlModel, AmlModelStatus, workspace: |spec| Some(&spec.workspace_ref.name));
