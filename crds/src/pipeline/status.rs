//! What is known of a pipeline.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resource::status_core;
use crate::status::{AzureObject, OperationStatus};

/// What is known of the pipeline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AmlPipelineStatus {
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
    /// Hash of the definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec_hash: Option<String>,
    /// The newest run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<LastRun>,
    /// What the last run by a trigger was made for: spec hash and input versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_cause: Option<CauseKey>,
    /// Names of unfinished runs; at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub active_runs: Vec<String>,
    /// Algorithm and score of the best model of the newest run that succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<String>,
    /// What was chosen for fields that the spec leaves out, where one would wonder, by field; at most 10.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 10))]
    pub effective: BTreeMap<String, String>,
    /// The schedule in Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleStatus>,
    /// The published address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<PublishedStatus>,
    /// How far the search for runs that started in Azure has come, so that runs that were pruned here don't come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovery: Option<Discovery>,
    /// The operation in flight, of schedule or published address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationStatus>,
}

/// The newest run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LastRun {
    /// The AmlPipelineRun.
    pub name: String,
    /// Its phase.
    pub phase: String,
}

/// What a run was made for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CauseKey {
    /// Hash of the definition.
    pub spec_hash: String,
    /// The input versions, `name=version`, sorted; at most 50.
    #[schemars(length(max = 50))]
    pub inputs: Vec<String>,
}

/// The schedule in Azure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ScheduleStatus {
    /// Its name.
    pub name: String,
    /// The time zone as Azure names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub windows_time_zone: Option<String>,
    /// Hash of the job that it was put with: it is put again when definition or input versions change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_hash: Option<String>,
    /// When it starts the next run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Time>,
    /// It starts no runs at present.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
    /// The last time at which it should have started a run and none was found in Azure; absent once it has started one
    /// again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<Time>,
    /// The schedule's resource. Recorded before it is first written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureObject>,
}

/// The published address.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PublishedStatus {
    /// Where a POST starts the pipeline.
    pub invoke_uri: String,
    /// Names of the literal inputs that the POST may set; at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub inputs: Vec<String>,
    /// The version of the pipeline component behind it.
    pub version: String,
    /// The deployment that is the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// The endpoint's resource. Recorded before it is first written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureObject>,
}

/// How far the search for runs that started in Azure has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Discovery {
    /// Jobs created before this were dealt with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Time>,
    /// Jobs created since that were dealt with: Azure's lists may show a job later than one that was made after it; at
    /// most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub jobs: Vec<String>,
}

status_core!(AmlPipelineStatus);
