//! The evidence by which a revision is judged while it takes traffic, and before.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;
use crate::model::Direction;
use crate::rules;

/// Something that is measured of candidate and stable while a step holds. No data is neither a pass nor a failure: it
/// pauses the rollout.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(&["azureMonitor", "appInsights", "prometheus"], "write exactly one of azureMonitor, appInsights and prometheus in an analysis"))]
#[x_kube(validation = Rule::new("has(self.min) || has(self.max) || has(self.maxRegression) || has(self.maxRegressionPercent)").message("write at least one of min, max, maxRegression and maxRegressionPercent"))]
pub struct Analysis {
    /// The name that steps use for it.
    #[schemars(regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"), length(min = 1, max = 63))]
    pub name: String,
    /// A metric of Azure Monitor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure_monitor: Option<AzureMonitorMetric>,
    /// A query over Application Insights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_insights: Option<AppInsightsQuery>,
    /// A query of Prometheus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<PrometheusQuery>,
    /// At least this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::DECIMAL), length(max = 32))]
    pub min: Option<String>,
    /// At most this, e.g. `"0.01"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::DECIMAL), length(max = 32))]
    pub max: Option<String>,
    /// Worse than the stable revision by this at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::POSITIVE_DECIMAL), length(max = 32))]
    pub max_regression: Option<String>,
    /// Worse than the stable revision by this share of its value at most, in percent, e.g. `"20"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::POSITIVE_DECIMAL), length(max = 32))]
    pub max_regression_percent: Option<String>,
    /// Which way is better: HigherIsBetter or LowerIsBetter; absent: LowerIsBetter, as for errors and latency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// The time over which it is measured, and how often; absent: 1m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Duration>,
    /// Requests in the window that it takes to judge; fewer are no data. Absent: 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000000))]
    pub min_requests: Option<i32>,
    /// How long after the step began it is first measured: metrics lag by minutes. Absent: 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_delay: Option<Duration>,
    /// How many windows in a row may breach before the step fails; absent: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub failure_limit: Option<i32>,
}

/// A metric of Azure Monitor.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one(&["metric", "errorRatio"], "write one of metric and errorRatio"))]
pub struct AzureMonitorMetric {
    /// A metric of the deployment, e.g. `RequestLatency_P95`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_]+$"), length(min = 1, max = 64))]
    pub metric: Option<String>,
    /// The share of the deployment's requests that are answered with a status of this class: 5xx, 4xx or 4xx5xx.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_ratio: Option<ErrorClass>,
}

/// Classes of HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum ErrorClass {
    /// The server's errors.
    #[serde(rename = "5xx")]
    Server,
    /// The client's errors.
    #[serde(rename = "4xx")]
    Client,
    /// Both.
    #[serde(rename = "4xx5xx")]
    Both,
}

/// A query over Application Insights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppInsightsQuery {
    /// The query, in Kusto's language; it gives one number. `{{deployment}}`, `{{start}}` and `{{end}}` are filled in.
    #[schemars(length(min = 1, max = 4096))]
    pub query: String,
}

/// A query of Prometheus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrometheusQuery {
    /// The server's address. The operator's configuration lists those that are allowed.
    #[schemars(regex(pattern = r"^https?://[^ @]+$"), length(max = 2048))]
    pub address: String,
    /// The query; it gives one number. `{{deployment}}` and `{{window}}` are filled in.
    #[schemars(length(min = 1, max = 4096))]
    pub query: String,
}

/// Labelled rows that are scored by candidate and stable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Benchmark {
    /// An AmlDataset of this namespace with rows that no model has seen.
    #[schemars(length(min = 1, max = 253))]
    pub dataset: String,
    /// The column with the truth.
    #[schemars(length(min = 1, max = 256))]
    pub target_column: String,
    /// How many rows are scored; absent: 500.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100000))]
    pub sample: Option<i32>,
    /// What must hold.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]), length(min = 1, max = 20))]
    pub metrics: Vec<BenchmarkMetric>,
}

/// A bound on a metric of a benchmark.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.min) || has(self.max) || has(self.maxRegression) || has(self.maxRegressionPercent)").message("write at least one of min, max, maxRegression and maxRegressionPercent"))]
pub struct BenchmarkMetric {
    /// accuracy, AUC_weighted, f1_score_macro, log_loss, mean_absolute_error, root_mean_squared_error, latency_p50,
    /// latency_p95 or latency_p99 (milliseconds).
    #[schemars(regex(pattern = r"^[A-Za-z][A-Za-z0-9_]*$"), length(min = 1, max = 64))]
    pub name: String,
    /// At least this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::DECIMAL), length(max = 32))]
    pub min: Option<String>,
    /// At most this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::DECIMAL), length(max = 32))]
    pub max: Option<String>,
    /// Worse than the stable revision by this at most, e.g. `"0.01"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::POSITIVE_DECIMAL), length(max = 32))]
    pub max_regression: Option<String>,
    /// Worse than the stable revision by this share of its value at most, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::POSITIVE_DECIMAL), length(max = 32))]
    pub max_regression_percent: Option<String>,
}
