//! How an endpoint moves from one revision to the next.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Analysis, Benchmark};
use crate::duration::Duration;
use crate::references::ConfigMapKeyRef;

/// How an endpoint moves from one revision to the next: a new deployment is made beside the old one, proved, given
/// traffic step by step, and the old one is removed.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.steps) || self.steps.filter(s, !has(s.approval)).map(s, has(s.mirror) ? 0 : 1).isSorted()").message("mirror steps come before any weight: Azure ML mirrors to a deployment only while it takes no live traffic"))]
#[x_kube(validation = Rule::new("!has(self.steps) || (self.steps.filter(s, has(s.weight)).map(s, s.weight).isSorted() && self.steps.filter(s, has(s.weight)).all(s, self.steps.exists_one(t, has(t.weight) && t.weight == s.weight)))").message("weights must rise from step to step, e.g. 10, 50, 100"))]
#[x_kube(validation = Rule::new("!has(self.steps) || self.steps.all(s, !has(s.analysis) || (has(self.analysis) && s.analysis.all(name, self.analysis.exists(a, a.name == name))))").message("a step names an analysis that is not in rollout.analysis: add it there, or correct the name"))]
pub struct Rollout {
    /// The steps from the first request to all traffic; absent: one step to 100. The first revision of an endpoint
    /// skips them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 20))]
    pub steps: Vec<RolloutStep>,
    /// The request that proves a revision before it takes traffic; absent: a revision counts as proved when Azure says
    /// it is healthy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smoke_test: Option<SmokeTest>,
    /// Labelled rows that are scored by candidate and stable before the first step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub benchmark: Option<Benchmark>,
    /// What is measured while a step holds, by the names that steps use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]), length(max = 20))]
    pub analysis: Vec<Analysis>,
    /// What happens when a step fails: RollBack (all traffic back to the stable revision) or Pause (wait for a
    /// person). Absent: RollBack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
    /// How long Azure and the deployment's health may take in all; holds, approvals and pauses don't count. Absent: 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress_deadline: Option<Duration>,
    /// How long the previous revision stays at 0 % after promotion while analysis goes on; a breach falls back to it.
    /// Absent: 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bake: Option<Duration>,
    /// How many past revisions status.history names; absent: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10))]
    pub revision_history: Option<i32>,
}

/// One step of a rollout.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.mirror) ? 1 : 0) + (has(self.weight) ? 1 : 0) + (has(self.approval) ? 1 : 0) == 1").message("write exactly one of mirror, weight and approval in a step"))]
#[x_kube(validation = Rule::new("!has(self.approval) || (!has(self.hold) && !has(self.analysis))").message("an approval step waits for a person: hold and analysis belong to mirror and weight steps"))]
pub struct RolloutStep {
    /// A copy of this share of the live requests goes to the candidate, in percent from 1 to 50; its answers go to
    /// nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 50))]
    pub mirror: Option<i32>,
    /// The candidate's share of the live traffic, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub weight: Option<i32>,
    /// True waits until a person approves the candidate with the annotation `azureml.dev/approve`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self").message("write approval: true, or leave the step out"))]
    pub approval: Option<bool>,
    /// How long the step lasts, e.g. `10m`; absent: until its analyses have one result each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Duration>,
    /// Names of the analyses that judge the step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"), length(max = 20), inner(length(min = 1, max = 63)))]
    pub analysis: Vec<String>,
}

/// What happens when a step fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum OnFailure {
    /// All traffic goes back to the stable revision.
    #[default]
    RollBack,
    /// A person decides.
    Pause,
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
    /// A key of a ConfigMap of this namespace.
    pub config_map_ref: ConfigMapKeyRef,
}

/// What must come back.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.value) || has(self.jsonPath)").message("value is what jsonPath must find: write jsonPath too"))]
pub struct Expectation {
    /// The HTTP status; absent: 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 599))]
    pub status: Option<i32>,
    /// The number of predictions in the answer, where it is a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100000))]
    pub predictions: Option<i32>,
    /// A path that must find something in the answer, e.g. `$[0]` or `$.predictions[0].label`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^\$[^ ]*$"), length(min = 1, max = 256))]
    pub json_path: Option<String>,
    /// What jsonPath must find, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub value: Option<String>,
}
