//! When a pipeline runs, what is kept of its runs, and where it is published.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;
use crate::rules;

/// When the pipeline runs, and what is kept of its runs.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunPolicy {
    /// What starts a run by itself: SpecChange (a new or changed definition), DatasetChange (a new version of a dataset
    /// it reads). Absent: only the schedule, the published address, or a run that somebody creates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"), length(max = 2))]
    pub triggers: Vec<Trigger>,
    /// Runs at fixed times, started by Azure ML also while the cluster is down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// What happens when a run is due while another is unfinished: Forbid (skip it), Queue (start it after), Replace
    /// (cancel the other). It holds for runs that the operator submits; scheduled ones start in Azure. Absent: Forbid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency_policy: Option<ConcurrencyPolicy>,
    /// How long a run may take from when its job was submitted, after which the job is cancelled, e.g. `2h`; absent: no
    /// limit. A run waits as long for what it needs before it can begin, absent: 1h; then it has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Whether a failed run is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// How many finished runs are kept in the cluster, and for how long. Their jobs stay in Azure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
}

/// What starts a run by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum Trigger {
    /// A new or changed definition.
    SpecChange,
    /// A new version of a dataset that the pipeline reads.
    DatasetChange,
}

/// What happens when a run is due while another is unfinished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum ConcurrencyPolicy {
    /// The new one is skipped.
    #[default]
    Forbid,
    /// The new one waits.
    Queue,
    /// The other one is cancelled.
    Replace,
}

/// Runs at fixed times.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// Minute, hour, `*`, `*` and day of the week (0 is Sunday), e.g. `0 3 * * 1`: Azure ML ignores a cron's day of the
    /// month and month.
    #[schemars(length(min = 9, max = 100))]
    #[x_kube(validation = Rule::new(r"self.matches('^(\\*|[1-5]?[0-9](-[1-5]?[0-9])?)(/[1-9][0-9]?)?(,(\\*|[1-5]?[0-9](-[1-5]?[0-9])?)(/[1-9][0-9]?)?)* (\\*|(1?[0-9]|2[0-3])(-(1?[0-9]|2[0-3]))?)(/[1-9][0-9]?)?(,(\\*|(1?[0-9]|2[0-3])(-(1?[0-9]|2[0-3]))?)(/[1-9][0-9]?)?)* \\* \\* (\\*|[0-7](-[0-7])?)(/[1-9][0-9]?)?(,(\\*|[0-7](-[0-7])?)(/[1-9][0-9]?)?)*$')").message("write five fields of numbers (minute 0-59, hour 0-23, *, *, day of the week 0-7), e.g. 0 3 * * 1 (Mondays at three): Azure ML ignores a cron's day of the month and month, and knows no seconds"))]
    pub cron: String,
    /// The time zone, by its IANA name, e.g. `Europe/Berlin`; absent: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = Rule::new(r"self.matches('^[A-Za-z_]+(/[A-Za-z0-9_+-]+){0,2}$')").message("write the time zone's IANA name, e.g. Europe/Berlin or UTC"))]
    pub time_zone: Option<String>,
    /// True starts no runs until it is false again; absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// Whether a failed run is tried again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// How many times, after the first.
    #[schemars(range(min = 0, max = 10))]
    pub limit: i32,
}

/// How many finished runs are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// Runs that succeeded; absent: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub succeeded: Option<i32>,
    /// Runs that did not; absent: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub failed: Option<i32>,
    /// How long a finished run is kept, e.g. `720h`; absent: as long as the numbers allow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Duration>,
}

/// A stable address by which the pipeline is started over HTTP.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Publish {
    /// The batch endpoint's name, unique in the region.
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::endpoint_name())]
    pub endpoint_name: String,
}
