//! The template of every revision of an endpoint.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Autoscale, EnvironmentVariable};
use crate::duration::Duration;
use crate::identity::PublicNetworkAccess;
use crate::references::LocalRef;
use crate::rules;

/// The template of every revision.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::at_most_one(&["instanceCount", "autoscale"], "write instanceCount or autoscale, not both"))]
#[x_kube(validation = Rule::new("!has(self.code) || has(self.environment)").message("scoring code needs the environment it runs in: write environment: azureml:<name>:<version>"))]
pub struct DeploymentTemplate {
    /// The VM size of its machines, e.g. `Standard_DS3_v2`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]+$"), length(min = 1, max = 64))]
    pub instance_type: String,
    /// How many machines; absent: 1. It changes in place, without a new deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 50))]
    pub instance_count: Option<i32>,
    /// The number of machines follows the load. It changes in place, without a new deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscale: Option<Autoscale>,
    /// Whether requests and console lines go to Application Insights; absent: Azure's own (false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_insights_enabled: Option<bool>,
    /// What of requests and answers is kept in the workspace's blob store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_collector: Option<DataCollector>,
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
    /// The environment that scores: `azureml:<name>:<version>`, `azureml:<name>@latest`, or a registry's. An MLflow
    /// model needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::ENVIRONMENT), length(max = 1024))]
    pub environment: Option<String>,
    /// The code that scores. An MLflow model needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ScoringCode>,
    /// Whether the deployment may reach the internet; absent: Azure's own (Enabled).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress_public_network_access: Option<PublicNetworkAccess>,
}

/// The code that scores.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(&["configMapRef", "url"], "write one of configMapRef and url"))]
pub struct ScoringCode {
    /// A ConfigMap of this namespace, each key a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<LocalRef>,
    /// A zip file on the web, under the same rules as a dataset's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://[^ @]+$"), length(max = 2048))]
    pub url: Option<String>,
    /// The file with `init()` and `run()`, e.g. `score.py`.
    #[schemars(length(min = 1, max = 255))]
    pub scoring_script: String,
}

/// What of requests and answers is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataCollector {
    /// What is kept, e.g. `model_inputs` and `model_outputs`.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]), length(min = 1, max = 10))]
    pub collections: Vec<Collection>,
    /// How the files are cut: Minute, Hour, Day, Month or Year; absent: Azure's own (Hour).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolling_rate: Option<RollingRate>,
    /// HTTP headers that are kept with each request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"), length(max = 20), inner(length(min = 1, max = 256)))]
    pub capture_headers: Vec<String>,
}

/// One of the things that are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Collection {
    /// Its name: model_inputs, model_outputs, request, response, or one that the scoring code writes.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]+$"), length(min = 1, max = 64))]
    pub name: String,
    /// The share that is kept, above 0 and up to 1, e.g. `"0.1"`; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(1(\.0+)?|0\.[0-9]*[1-9][0-9]*)$"), length(max = 16))]
    pub sampling_rate: Option<String>,
}

/// How files are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum RollingRate {
    /// By the minute.
    Minute,
    /// By the hour.
    Hour,
    /// By the day.
    Day,
    /// By the month.
    Month,
    /// By the year.
    Year,
}

/// Limits on requests.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestSettings {
    /// How long a request may take, e.g. `30s`; absent: Azure's own (5s). Azure's limit is 180s.
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
    /// How long before the first probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_delay: Option<Duration>,
    /// How long between two probes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Duration>,
    /// How long a probe may take.
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
