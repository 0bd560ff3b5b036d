//! AmlPipeline: the definition of a training pipeline.

mod automl;
mod command;
mod forecasting;
mod policy;
mod status;
mod step;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use self::automl::{
    Algorithm, AutoMl, ColumnTransformer, Featurization, FeaturizationMode, Limits, MetaLearner, PrimaryMetric,
    StackEnsemble, Task, Training, Transformer, Validation,
};
pub use self::command::{
    CodeFiles, Command, Component, ComponentType, Distribution, DistributionType, InlineEnvironment, OutputType,
    StepInput, StepOutput, StepResources,
};
pub use self::forecasting::{FeatureLags, Forecasting, ShortSeriesHandling, TargetAggregation, UseStl};
pub use self::policy::{ConcurrencyPolicy, History, Publish, Retry, RunPolicy, Schedule, Trigger};
pub use self::status::{AmlPipelineStatus, CauseKey, Discovery, LastRun, PublishedStatus, ScheduleStatus};
pub use self::step::{ComputeTarget, Input, Parameter, ServerlessCompute, Step};
use crate::policies::{AdoptionPolicy, DeletionPolicy};
use crate::references::LocalRef;
use crate::resource::aml_resource;
use crate::rules;

/// The definition of a training pipeline: its inputs, its steps, where they run and when.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "azureml.dev",
    version = "v1alpha1",
    kind = "AmlPipeline",
    namespaced,
    doc = "The definition of a training pipeline: its inputs, its steps, where they run and when.",
    status = "AmlPipelineStatus",
    shortname = "amlpl",
    category = "azureml",
    selectable = ".spec.workspaceRef.name",
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "LASTRUN", type_ = "string", json_path = ".status.lastRun.phase"),
    printcolumn(name = "NEXT", type_ = "string", json_path = ".status.schedule.next"),
    printcolumn(name = "BEST", type_ = "string", json_path = ".status.best", priority = 1),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$')").message("metadata.name may have 40 characters at most, small letters, digits and -, with no dot: the names of jobs in Azure are made from it")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::immutable("workspaceRef", "make a new AmlPipeline in the other workspace"))]
pub struct AmlPipelineSpec {
    /// The AmlWorkspace it runs in. Immutable.
    pub workspace_ref: LocalRef,
    /// The experiment under which Azure ML shows the runs; absent: this object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::ASSET_NAME), length(max = 255))]
    pub experiment: Option<String>,
    /// Where the steps run.
    pub compute: ComputeTarget,
    /// Literal values that steps use and that a run may set otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]), length(max = 50))]
    pub parameters: Vec<Parameter>,
    /// What the steps read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]), length(max = 50))]
    pub inputs: Vec<Input>,
    /// What is done. The order in which steps run follows from what they read of each other.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]), length(min = 1, max = 50))]
    pub steps: Vec<Step>,
    /// When it runs, how long it may take, and what is kept of its runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunPolicy>,
    /// A stable address by which other CI/CD can start the pipeline over HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<Publish>,
    /// What happens in Azure when this object is deleted: Delete cancels unfinished jobs and removes schedule and
    /// published address, Retain leaves them. Finished jobs always stay. Absent: Delete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self != 'Archive'").message("a pipeline can't be archived: write Delete or Retain"))]
    pub deletion_policy: Option<DeletionPolicy>,
    /// What happens when the published endpoint's name exists in Azure and is not ours: Never touches nothing and says
    /// so, Adopt takes it over. Absent: Never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption_policy: Option<AdoptionPolicy>,
}

aml_resource!(@impl AmlPipeline, AmlPipelineStatus, |spec| Some(&spec.workspace_ref.name),
    azure_name: |_spec, name| name,
    deletion: |spec| spec.deletion_policy,
    adoption: |spec| spec.adoption_policy.unwrap_or_default());
