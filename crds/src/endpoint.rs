//! AmlEndpoint: an online endpoint serving one approved model version, and how it moves to the next.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;
use crate::policies::{AdoptionPolicy, DeletionPolicy};
use crate::references::{ConfigMapKeyRef, LocalRef};
use crate::resource::aml_resource;
use crate::status::{AzureObject, OperationStatus};

/// A managed online endpoint that serves one approved model version, and how it moves to the next one.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "azureml.dev",
    version = "v1alpha1",
    kind = "AmlEndpoint",
    namespaced,
    status = "AmlEndpointStatus",
    shortname = "amlep",
    category = "azureml",
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "AVAILABLE", type_ = "string", json_path = r#".status.conditions[?(@.type=="Available")].status"#),
    printcolumn(name = "MODEL", type_ = "string", json_path = ".status.stable.modelVersion"),
    printcolumn(name = "TRAFFIC", type_ = "string", json_path = ".status.trafficSummary"),
    printcolumn(name = "STEP", type_ = "string", json_path = ".status.rollout.phase"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("has(self.spec.azureName) || self.metadata.name.matches('^[a-zA-Z][-a-zA-Z0-9]{1,30}[a-zA-Z0-9]$')").message("metadata.name is no valid endpoint name (3 to 32 letters, digits and -, a letter first, no - last): write the name in Azure in spec.azureName"),
    validation = Rule::new("has(self.spec.azureName) == has(oldSelf.spec.azureName) && (!has(self.spec.azureName) || self.spec.azureName == oldSelf.spec.azureName)").message("spec.azureName is immutable: make a new AmlEndpoint"),
    validation = Rule::new("self.spec.workspaceRef.name == oldSelf.spec.workspaceRef.name").message("spec.workspaceRef is immutable: make a new AmlEndpoint in the other workspace")
)]
#[serde(rename_all = "camelCase")]
pub struct AmlEndpointSpec {
    /// The AmlWorkspace it belongs to.
    pub workspace_ref: LocalRef,
    /// The endpoint's name in Azure, unique in its region; absent: this object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-zA-Z][-a-zA-Z0-9]{1,30}[a-zA-Z0-9]$"), length(max = 32))]
    pub azure_name: Option<String>,
    /// How callers prove who they are; absent: Key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_mode: Option<AuthMode>,
    /// Whether the endpoint can be reached from the internet; absent: Azure's own (Enabled).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_network_access: Option<PublicNetworkAccess>,
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
    /// What happens in Azure on deletion; absent: Delete when the operator made it, Retain when it was adopted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// What happens when an endpoint of this name exists and is not ours; absent: Never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption_policy: Option<AdoptionPolicy>,
}

/// How callers prove who they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// Whether something can be reached from the internet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PublicNetworkAccess {
    /// It can.
    Enabled,
    /// It can't.
    Disabled,
}

/// What an endpoint serves: exactly one.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.ref) != has(self.id)").message("write one of ref (an AmlModel) and id (azureml:<name>:<version>)"))]
pub struct ServedModel {
    /// An AmlModel of this namespace: its approved version is served.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub ref_: Option<String>,
    /// A version that exists in the workspace, `azureml:<name>:<version>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^azureml:[a-zA-Z0-9][a-zA-Z0-9_-]*:[a-zA-Z0-9][a-zA-Z0-9_-]*$"), length(max = 520))]
    pub id: Option<String>,
}

/// The template of every revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentTemplate {
    /// The size of its machines, e.g. `Standard_DS3_v2`.
    #[schemars(length(min = 1, max = 64))]
    pub instance_type: String,
    /// How many machines; absent: 1. Changes in place, without a new deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 50))]
    pub instance_count: Option<i32>,
    /// Whether requests and console lines go to Application Insights; absent: Azure's own (false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_insights_enabled: Option<bool>,
    /// Limits on requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_settings: Option<RequestSettings>,
    /// When a machine counts as alive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness_probe: Option<Probe>,
    /// When a machine counts as ready for requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness_probe: Option<Probe>,
    /// Environment variables of the scoring container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]), length(max = 50))]
    pub environment_variables: Vec<EnvironmentVariable>,
}

/// Limits on requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestSettings {
    /// How long a request may take; absent: Azure's own (5s). Azure's limit is 180s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_timeout: Option<Duration>,
    /// Requests at the same time on one machine; absent: Azure's own (1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_concurrent_requests_per_instance: Option<i32>,
}

/// A probe; absent fields are Azure's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// Before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_delay: Option<Duration>,
    /// Between two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Duration>,
    /// How long one may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Failures in a row that count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub failure_threshold: Option<i32>,
    /// Successes in a row that count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub success_threshold: Option<i32>,
}

/// An environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentVariable {
    /// Its name.
    #[schemars(regex(pattern = r"^[a-zA-Z_][a-zA-Z0-9_]*$"), length(max = 128))]
    pub name: String,
    /// Its value. No secrets: Azure shows it to everybody who may read the deployment.
    #[schemars(length(max = 4096))]
    pub value: String,
}

/// How an endpoint moves from one revision to the next: a new deployment is made beside the old one, proved, given
/// all traffic, proved again, and the old one is removed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// The request that proves a revision; absent: a revision counts as proved when Azure says it is healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smoke_test: Option<SmokeTest>,
}

/// A request that proves a revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SmokeTest {
    /// Where the request's JSON body stands.
    pub request_from: RequestFrom,
    /// What must come back; absent: status 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expectation>,
}

/// Where a request's body stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestFrom {
    /// A key of a ConfigMap.
    pub config_map_ref: ConfigMapKeyRef,
}

/// What must come back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Expectation {
    /// The HTTP status; absent: 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 599))]
    pub status: Option<i32>,
    /// The number of predictions in the answer, where it is a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100000))]
    pub predictions: Option<i32>,
}

/// What is written into the cluster for the endpoint's users.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outputs {
    /// A Secret with scoringUri, primaryKey, secondaryKey, key (the one to use) and activeKey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<LocalRef>,
    /// The endpoint's swagger.json.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swagger: Option<SwaggerOutput>,
}

/// Where the swagger document is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SwaggerOutput {
    /// The ConfigMap, key `swagger.json`.
    pub config_map: LocalRef,
}

/// What is known of the endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AmlEndpointStatus {
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
    /// Where requests go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scoring_uri: Option<String>,
    /// Where the endpoint describes itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swagger_uri: Option<String>,
    /// SHA-256 of the swagger document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swagger_digest: Option<String>,
    /// Deployments and their share of the traffic, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic_summary: Option<String>,
    /// The revision that was proved and serves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stable: Option<Revision>,
    /// The revision that is on its way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Revision>,
    /// How the rollout stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutStatus>,
    /// Hashes of revisions that failed and are not tried again until they change; at most 10.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub rejected: Vec<String>,
    /// Past revisions, newest first; at most 10.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub history: Vec<PastRevision>,
    /// The operation in flight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationStatus>,
    /// What the written outputs hold, as a hash: they are written again when it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs_hash: Option<String>,
}

/// A revision: a deployment of one model version by one template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Revision {
    /// The deployment's name.
    pub deployment: String,
    /// The model version's ARM id.
    pub model_id: String,
    /// The model's version.
    pub model_version: String,
    /// Hash of model version and template.
    pub spec_hash: String,
}

/// How the rollout stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RolloutStatus {
    /// Where it stands.
    pub phase: RolloutPhase,
    /// When the candidate appeared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// What the last proof said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}

/// Where a rollout stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RolloutPhase {
    /// Nothing is under way.
    #[default]
    Idle,
    /// The candidate's deployment is being made.
    Deploying,
    /// The candidate is being proved without traffic.
    Proving,
    /// Traffic is being moved to the candidate.
    Switching,
    /// The candidate is being proved with traffic.
    Confirming,
    /// What is no longer needed is being removed.
    CleaningUp,
    /// Traffic is being moved back to the stable revision.
    RollingBack,
    /// The desired revision serves.
    Done,
    /// The candidate was given up.
    RolledBack,
}

/// A past revision.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PastRevision {
    /// Hash of model version and template.
    pub revision: String,
    /// The model's version.
    pub model_version: String,
    /// `Promoted`, `RolledBack` or `Superseded`.
    pub result: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub reason: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
}

aml_resource!(AmlEndpoint, AmlEndpointStatus, workspace: |spec| Some(&spec.workspace_ref.name));
