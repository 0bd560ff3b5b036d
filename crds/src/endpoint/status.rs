//! What is known of an endpoint.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resource::status_core;
use crate::status::{AzureObject, OperationStatus};

/// What is known of the endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AmlEndpointStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What is true of the object now, by kstatus: Ready, Reconciling, Stalled and the kind's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]), length(max = 20))]
    pub conditions: Vec<Condition>,
    /// The commands by annotation that were carried out, each with the value it had, so that none is repeated; at most 20.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 20))]
    pub handled: BTreeMap<String, String>,
    /// The object in Azure that this resource stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureObject>,
    /// Where requests go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scoring_uri: Option<String>,
    /// Where the endpoint describes itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swagger_uri: Option<String>,
    /// SHA-256 of the swagger document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swagger_digest: Option<String>,
    /// Deployments and their share of the traffic, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic_summary: Option<String>,
    /// The revision that was proved and serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<Revision>,
    /// The revision that is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Revision>,
    /// The revision before, kept at 0 % while the stable one bakes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Revision>,
    /// How the rollout stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutStatus>,
    /// Hashes of revisions that failed and are not tried again until they change; at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub rejected: Vec<String>,
    /// Past revisions, newest first; at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub history: Vec<PastRevision>,
    /// The operation in flight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationStatus>,
    /// What the written outputs hold, as a hash: they are written again when it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs_hash: Option<String>,
    /// How a rotation of the keys stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_rotation: Option<KeyRotation>,
}

/// A revision: a deployment of one model version by one template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// The step of spec.rollout.steps, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<i32>,
    /// When the candidate appeared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When the step began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_started_at: Option<Time>,
    /// The time spent waiting for Azure and for health, in seconds, which counts towards progressDeadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_seconds: Option<i64>,
    /// What the analyses of the step said last; at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub analyses: Vec<AnalysisResult>,
    /// What the last proof said; at most 1024 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}

/// What an analysis said last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AnalysisResult {
    /// The analysis.
    pub name: String,
    /// `Pass`, `Fail`, `Inconclusive` or `Error`.
    pub verdict: String,
    /// What was measured of the candidate, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What was measured of the stable revision, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<String>,
    /// Breaches in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaches: Option<i32>,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
}

/// Where a rollout stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum RolloutPhase {
    /// Nothing is under way.
    #[default]
    Idle,
    /// The candidate's deployment is being made.
    Deploying,
    /// The candidate is being proved without traffic.
    Proving,
    /// A step holds while analyses are made.
    Stepping,
    /// A person must approve, or evidence is missing.
    Paused,
    /// Traffic is being moved to the candidate.
    Switching,
    /// The candidate is being proved with traffic.
    Confirming,
    /// All traffic is on the new revision, the previous one is kept.
    Baking,
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
    /// Why; at most 512 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub reason: Option<String>,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
}

/// How a rotation of the keys stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct KeyRotation {
    /// The value of the annotation that asked for it.
    pub token: String,
    /// `RegenerateInactive`, `Grace`, `RegenerateOld` or `Done`.
    pub step: String,
    /// When the step began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
}

status_core!(AmlEndpointStatus);
