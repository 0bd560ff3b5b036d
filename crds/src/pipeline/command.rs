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
}

/// Files for a command.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(&["configMapRef", "url"], "write one of configMapRef and url"))]
pub struct CodeFiles {
    /// A ConfigMap of this namespace, each key a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<LocalRef>,
    /// A zip file on the web, under the same rules as a dataset's.
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
    /// The component's version: `azureml:<name>:<version>`, or `azureml://registries/...`.
    #[schemars(regex(pattern = rules::ENVIRONMENT), length(max = 1024))]
    pub id: String,
    /// What the component reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]), length(max = 50))]
    pub inputs: Vec<StepInput>,
    /// Those of the component's outputs that other steps or an AmlModel use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]), length(max = 20))]
    pub outputs: Vec<StepOutput>,
}
