//! What is known of a model.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resource::status_core;
use crate::status::AzureObject;

/// What the gate says of a version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum Verdict {
    /// May serve.
    Approved,
    /// Did not reach what it must.
    Rejected,
    /// Waits for a person.
    #[default]
    Pending,
    /// Could not be judged.
    Inconclusive,
    /// Registered by somebody else; never served but by `existing`.
    Foreign,
}

impl Verdict {
    /// As the API and the tag spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "Approved",
            Self::Rejected => "Rejected",
            Self::Pending => "Pending",
            Self::Inconclusive => "Inconclusive",
            Self::Foreign => "Foreign",
        }
    }
}

/// What is known of the model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AmlModelStatus {
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
    /// The version that is approved to serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<ApprovedVersion>,
    /// The newest version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest: Option<String>,
    /// What the gate says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_verdict: Option<Verdict>,
    /// The versions, newest first, the approved one always among them; at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub versions: Vec<ModelVersion>,
}

/// The version that is approved to serve.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ApprovedVersion {
    /// The version.
    pub version: String,
    /// Its ARM id.
    pub id: String,
    /// The AmlPipelineRun it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The metrics that the gate names and the run's primary one, as text; at most 20.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 20))]
    pub metrics: BTreeMap<String, String>,
}

/// A version that was registered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ModelVersion {
    /// The version.
    pub version: String,
    /// `<job>/<output>` it came from.
    pub source: String,
    /// The AmlPipelineRun it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The metrics that the gate names and the run's primary one, as text; at most 20.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 20))]
    pub metrics: BTreeMap<String, String>,
    /// What the gate says: Approved, Rejected, Pending, Inconclusive or Foreign.
    pub verdict: Verdict,
    /// Why; at most 512 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub reason: Option<String>,
    /// When it was registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
}

/// Versions that are named even in a status that is too long.
const ALWAYS: usize = 5;

/// First the metrics of the oldest versions go, then their reasons, then the versions themselves, the approved one last.
fn shorten(status: &mut AmlModelStatus) -> bool {
    if let Some(version) = status.versions.iter_mut().skip(1).rev().find(|version| !version.metrics.is_empty()) {
        version.metrics.clear();
        return true;
    }
    if let Some(version) = status.versions.iter_mut().skip(1).rev().find(|version| version.reason.is_some()) {
        version.reason = None;
        return true;
    }
    let approved = status.approved.as_ref().map(|approved| approved.version.as_str());
    let oldest = status.versions.iter().rposition(|version| Some(version.version.as_str()) != approved);
    match oldest {
        Some(index) if status.versions.len() > ALWAYS => {
            status.versions.remove(index);
            true
        }
        _ => false,
    }
}

status_core!(AmlModelStatus, shorten: shorten);
