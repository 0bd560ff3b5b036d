//! Steps that run a command or a registered component.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;
use crate::identity::EnvironmentVariable;
use crate::references::{ConfigMapKeyRef, LocalRef};
use crate::rules;

/// A command in a container.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(&["environment", "inlineEnvironment"], "write one of environment (azureml:<name>:<version>) and inlineEnvironment (an image, and conda packages)"))]
pub struct Command {
    /// The command line. `${{inputs.<name>}}` and `${{outputs.<name>}}` stand for paths and values.
    #[schemars(length(min = 1, max = 8192))]
    pub command: String,
    /// Files that lie in the command's working folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<CodeFiles>,
    /// The environment it runs in: `azureml:<name>:<version>`, `azureml:<name>@latest`, or a registry's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::ENVIRONMENT), length(max = 1024))]
    pub environment: Option<String>,
    /// An environment that is described here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inline_environment: Option<InlineEnvironment>,
    /// What the command reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]), length(max = 50))]
    pub inputs: Vec<StepInput>,
    /// What the command writes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]), length(max = 20))]
    pub outputs: Vec<StepOutput>,
    /// Environment variables of the command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]), length(max = 50))]
    pub environment_variables: Vec<EnvironmentVariable>,
    /// How long it may take; absent: no limit of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// The machines of this step, where it needs others than the pipeline's compute gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<StepResources>,
    /// How the command is started on several machines or processes; absent: once, on one machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Distribution>,
}

/// The machines of a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepResources {
    /// How many machines of the compute; absent: 1, or what `compute.serverless` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub instance_count: Option<i32>,
    /// The VM size, for serverless compute; absent: what `compute.serverless` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]+$"), length(min = 1, max = 64))]
    pub instance_type: Option<String>,
    /// Shared memory of the container, e.g. `2g`; absent: Azure's own (2g).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]+[bkmg]$"), length(max = 16))]
    pub shm_size: Option<String>,
}

/// How a command is started on several machines or processes.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.type == 'TensorFlow' ? !has(self.processCountPerInstance) : !has(self.workerCount) && !has(self.parameterServerCount)").message("processCountPerInstance belongs to PyTorch and Mpi, workerCount and parameterServerCount to TensorFlow"))]
pub struct Distribution {
    /// PyTorch, Mpi or TensorFlow.
    #[serde(rename = "type")]
    pub type_: DistributionType,
    /// Processes on each machine, for PyTorch and Mpi; absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub process_count_per_instance: Option<i32>,
    /// Workers, for TensorFlow; absent: as many as machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub worker_count: Option<i32>,
    /// Parameter servers, for TensorFlow; absent: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub parameter_server_count: Option<i32>,
}

/// By what a command's processes find each other, as ARM spells it (`DistributionType`, api-version 2025-12-01).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum DistributionType {
    /// torch.distributed.
    PyTorch,
    /// MPI.
    Mpi,
    /// TF_CONFIG.
    TensorFlow,
}

impl DistributionType {
    /// As ARM spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PyTorch => "PyTorch",
            Self::Mpi => "Mpi",
            Self::TensorFlow => "TensorFlow",
        }
    }
}

/// Files for a command.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(&["configMapRef", "url"], "write one of configMapRef and url"))]
pub struct CodeFiles {
    /// A ConfigMap of this namespace, each key a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<LocalRef>,
    /// A file on the web, under the same rules as a dataset's: a zip file is unpacked, any other lies there under its own
    /// name. It is fetched when a run begins; what changes behind the address starts no run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://[^ @]+$"), length(max = 2048))]
    pub url: Option<String>,
}

/// An environment that is described in place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InlineEnvironment {
    /// The container image, with its registry and tag.
    #[schemars(length(min = 1, max = 512))]
    pub image: String,
    /// A conda file, as a key of a ConfigMap, whose packages are put on the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conda: Option<ConfigMapKeyRef>,
}

/// What a step reads.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(&["from", "parameter", "value"], "write one of from (an input of the pipeline, or <step>.<output>), parameter and value"))]
pub struct StepInput {
    /// The name that the step uses for it.
    #[schemars(regex(pattern = rules::PIPELINE_NAME), length(min = 1, max = 63))]
    pub name: String,
    /// Data: an input of the pipeline, or `<step>.<output>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::PIPELINE_DATA), length(max = 127))]
    pub from: Option<String>,
    /// The value of a parameter of the pipeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::PIPELINE_NAME), length(max = 63))]
    pub parameter: Option<String>,
    /// A literal value, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub value: Option<String>,
}

/// What a step writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepOutput {
    /// Its name. The pipeline's job shows it as `<step>_<output>`.
    #[schemars(regex(pattern = rules::PIPELINE_NAME), length(min = 1, max = 63))]
    pub name: String,
    /// What it is: uri_file, uri_folder, mltable, mlflow_model or custom_model.
    #[serde(rename = "type")]
    pub type_: OutputType,
}

/// What an output is, in Azure ML's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
#[serde(rename_all = "snake_case")]
pub enum OutputType {
    /// A file.
    UriFile,
    /// A folder.
    UriFolder,
    /// A table.
    #[serde(rename = "mltable")]
    MlTable,
    /// A model that MLflow can load.
    MlflowModel,
    /// A model of another kind.
    CustomModel,
}

impl OutputType {
    /// Azure ML's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UriFile => "uri_file",
            Self::UriFolder => "uri_folder",
            Self::MlTable => "mltable",
            Self::MlflowModel => "mlflow_model",
            Self::CustomModel => "custom_model",
        }
    }
}

/// A component that is registered in the workspace or a registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// The component's version: `azureml:<name>:<version>`, `azureml:<name>@latest`, or `azureml://registries/...`.
    #[schemars(regex(pattern = rules::ENVIRONMENT), length(max = 1024))]
    pub id: String,
    /// What a registry's component is, Command or Pipeline; absent: Command. What the workspace's own are is looked up.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub type_: Option<ComponentType>,
    /// What the component reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]), length(max = 50))]
    pub inputs: Vec<StepInput>,
    /// Those of the component's outputs that other steps or an AmlModel use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]), length(max = 20))]
    pub outputs: Vec<StepOutput>,
}

/// What a component is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum ComponentType {
    /// A command.
    #[default]
    Command,
    /// A pipeline of its own.
    Pipeline,
}
