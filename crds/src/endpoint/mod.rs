//! AmlEndpoint: an online endpoint serving one approved model version, and how it moves to the next.

mod analysis;
mod autoscale;
mod deployment;
mod outputs;
mod rollout;
mod status;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::analysis::{
    Analysis, AppInsightsQuery, AzureMonitorMetric, Benchmark, BenchmarkMetric, ErrorClass, PrometheusQuery,
};
pub use self::autoscale::{Autoscale, AutoscaleRule, Comparison};
pub use self::deployment::{
    Collection, DataCollector, DeploymentTemplate, Probe, RequestSettings, RollingRate, ScoringCode,
};
pub use self::outputs::{Outputs, SecretOutput, SwaggerOutput};
pub use self::rollout::{Expectation, OnFailure, RequestFrom, Rollout, RolloutStep, SmokeTest};
pub use self::status::{
    AmlEndpointStatus, AnalysisResult, KeyRotation, PastRevision, Revision, RolloutPhase, RolloutStatus,
};
pub use crate::identity::{EnvironmentVariable, Identity, PublicNetworkAccess};
use crate::policies::{AdoptionPolicy, DeletionPolicy};
use crate::references::LocalRef;
use crate::resource::aml_resource;
use crate::rules;

/// A managed online endpoint that serves one approved model version, and how it moves to the next one.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "azureml.dev",
    version = "v1alpha1",
    kind = "AmlEndpoint",
    namespaced,
    doc = "A managed online endpoint that serves one approved model version, and how it moves to the next one.",
    status = "AmlEndpointStatus",
    shortname = "amlep",
    category = "azureml",
    selectable = ".spec.workspaceRef.name",
    selectable = ".spec.model.ref",
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "AVAILABLE", type_ = "string", json_path = r#".status.conditions[?(@.type=="Available")].status"#),
    printcolumn(name = "MODEL", type_ = "string", json_path = ".status.stable.modelVersion"),
    printcolumn(name = "TRAFFIC", type_ = "string", json_path = ".status.trafficSummary"),
    printcolumn(name = "STEP", type_ = "string", json_path = ".status.rollout.phase"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = rules::endpoint_metadata_name()
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::immutable("azureName", "make a new AmlEndpoint for another endpoint"))]
#[x_kube(validation = rules::immutable("workspaceRef", "make a new AmlEndpoint in the other workspace"))]
#[x_kube(validation = Rule::new("!has(self.outputs) || !has(self.outputs.secret) || !has(self.authMode) || self.authMode == 'Key'").message("outputs.secret holds keys, which only authMode: Key has: remove it, or write authMode: Key"))]
pub struct AmlEndpointSpec {
    /// The AmlWorkspace it belongs to. Immutable.
    pub workspace_ref: LocalRef,
    /// The endpoint's name in Azure, unique in its region; absent: this object's name. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::endpoint_name())]
    pub azure_name: Option<String>,
    /// How callers prove who they are: Key (one of two keys), AADToken (a token of Entra ID) or AMLToken (a token of
    /// Azure ML). Absent: Key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_mode: Option<AuthMode>,
    /// Whether the endpoint can be reached from the internet; absent: Azure's own (Enabled).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_network_access: Option<PublicNetworkAccess>,
    /// The endpoint's own identity, by which it reads model and image; absent: SystemAssigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// What it serves.
    pub model: ServedModel,
    /// The template of every revision: a change of it is a new deployment beside the old one.
    pub deployment: DeploymentTemplate,
    /// How it moves from one revision to the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// What is written into the cluster for its users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Outputs>,
    /// What happens to the endpoint in Azure when this object is deleted; absent: Delete when the operator made it,
    /// Retain when it was adopted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self != 'Archive'").message("an endpoint can't be archived: write Delete or Retain"))]
    pub deletion_policy: Option<DeletionPolicy>,
    /// What happens when an endpoint of this name exists and is not ours: Never touches nothing and says so, Adopt
    /// takes it over with its live deployment as the first stable revision. Absent: Never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption_policy: Option<AdoptionPolicy>,
}

/// How callers prove who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum AuthMode {
    /// By one of two keys.
    #[default]
    Key,
    /// By a token of Azure ML.
    AMLToken,
    /// By a token of Entra ID.
    AADToken,
}

impl AuthMode {
    /// As ARM spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "Key",
            Self::AMLToken => "AMLToken",
            Self::AADToken => "AADToken",
        }
    }
}

/// What an endpoint serves.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(&["ref", "id"], "write one of ref (an AmlModel) and id (azureml:<name>:<version>)"))]
pub struct ServedModel {
    /// An AmlModel of this namespace, by name: its approved version is served.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub ref_: Option<String>,
    /// A version that exists in the workspace, `azureml:<name>:<version>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 520))]
    #[x_kube(validation = Rule::new(format!("self.matches('{}')", rules::ASSET_VERSION)).message("write the model's version as azureml:<name>:<version>, e.g. azureml:bank:3"))]
    pub id: Option<String>,
}

aml_resource!(AmlEndpoint, AmlEndpointStatus, workspace: |spec| Some(&spec.workspace_ref.name));
