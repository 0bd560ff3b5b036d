//! What is known of a run.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resource::status_core;
use crate::status::AzureObject;

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
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
    /// Where the run stands: Pending, Submitted, Running, Succeeded, Failed or Cancelled.
    pub phase: Phase,
    /// Why it was made: SpecChange, DatasetChange, Schedule, Manual or Published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub cause: Option<String>,
    /// What it was made for, as a hash of the definition and the input versions: the job's name is made from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub cause_key: Option<String>,
    /// How many times it was tried, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<i32>,
    /// The job in Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobRef>,
    /// What the run reads; at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub inputs: Vec<ResolvedInput>,
    /// The steps; at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub steps: Vec<StepStatus>,
    /// The models that were tried, best first; at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub trials: Vec<Trial>,
    /// The best model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<Best>,
    /// Algorithm and score of the best, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_summary: Option<String>,
    /// The job's outputs, `<step>_<output>`, as azureml:// addresses; at most 50.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 50))]
    pub outputs: BTreeMap<String, String>,
    /// When the job was submitted; a time-out counts from here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submitted_at: Option<Time>,
    /// When the job started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When the job ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// How long the job took, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
}

/// The job in Azure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct JobRef {
    /// The job's name.
    pub name: String,
    /// Its ARM id.
    pub id: String,
    /// Its page in the studio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub studio_url: Option<String>,
}

/// What the run reads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_name: Option<String>,
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
    /// Why it failed; at most 2048 characters, and only of the first steps that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub error: Option<String>,
    /// The end of what a step that failed wrote (`user_logs/std_log.txt`); at most 2048 characters, and only of the
    /// first steps that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub log: Option<String>,
}

/// A model that was tried.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Trial {
    /// The child run.
    pub id: String,
    /// The algorithm.
    pub algorithm: String,
    /// The primary metric, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<String>,
    /// Azure's state of it.
    pub status: String,
}

/// The best model of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// The model that AutoML registered for it by itself, as Azure ML's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub model: Option<String>,
}

/// A model's metrics, as text, by MLflow's names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Metrics {
    /// Measured while training; at most 50.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 50))]
    pub validation: BTreeMap<String, String>,
    /// Measured on test data that no model had seen; at most 50.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 50))]
    pub test: BTreeMap<String, String>,
}

/// Trials and metrics that are named even in a status that is too long.
const ALWAYS: usize = 5;

/// First the worst trials go, then the errors of all steps but the first three, then the metrics by name, then the
/// steps' jobs, then the addresses of outputs.
fn shorten(status: &mut AmlPipelineRunStatus) -> bool {
    if status.trials.len() > ALWAYS {
        status.trials.pop();
        return true;
    }
    if let Some(step) = status.steps.iter_mut().filter(|step| step.error.is_some() || step.log.is_some()).nth(3) {
        (step.error, step.log) = (None, None);
        return true;
    }
    if let Some(best) = &mut status.best {
        for metrics in [&mut best.metrics.validation, &mut best.metrics.test] {
            if metrics.len() > ALWAYS {
                return metrics.pop_last().is_some();
            }
        }
    }
    if let Some(step) = status.steps.iter_mut().rev().find(|step| step.job_name.is_some()) {
        step.job_name = None;
        return true;
    }
    if status.outputs.len() > ALWAYS {
        return status.outputs.pop_last().is_some();
    }
    false
}

status_core!(AmlPipelineRunStatus, shorten: shorten);
