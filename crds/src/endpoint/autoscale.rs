//! How the number of a deployment's machines follows the load (Azure Monitor autoscale).

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::Duration;
use crate::rules;

/// The number of machines follows the load.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.minInstances <= self.maxInstances && (!has(self.defaultInstances) || (self.minInstances <= self.defaultInstances && self.defaultInstances <= self.maxInstances))").message("minInstances, defaultInstances and maxInstances must be in this order"))]
pub struct Autoscale {
    /// Machines at least.
    #[schemars(range(min = 1, max = 50))]
    pub min_instances: i32,
    /// Machines at most.
    #[schemars(range(min = 1, max = 50))]
    pub max_instances: i32,
    /// Machines when there are no metrics; absent: minInstances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 50))]
    pub default_instances: Option<i32>,
    /// When machines are added or removed.
    #[schemars(length(min = 1, max = 10))]
    pub rules: Vec<AutoscaleRule>,
}

/// When machines are added or removed.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AutoscaleRule {
    /// A metric of the deployment in Azure Monitor, e.g. `CpuUtilizationPercentage`.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_]+$"), length(min = 1, max = 64))]
    pub metric: String,
    /// How it is compared: GreaterThan, GreaterThanOrEqual, LessThan or LessThanOrEqual.
    pub operator: Comparison,
    /// With what it is compared, e.g. `"70"`.
    #[schemars(regex(pattern = rules::DECIMAL), length(max = 32))]
    pub threshold: String,
    /// The time over which the metric is averaged, e.g. `5m`.
    pub window: Duration,
    /// Machines that are added (1) or removed (-1).
    #[schemars(range(min = -50, max = 50))]
    #[x_kube(validation = Rule::new("self != 0").message("change is the number of machines that are added (1) or removed (-1)"))]
    pub change: i32,
    /// How long nothing is changed after; absent: 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown: Option<Duration>,
}

/// How a metric is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum Comparison {
    /// Above.
    GreaterThan,
    /// Above or equal.
    GreaterThanOrEqual,
    /// Below.
    LessThan,
    /// Below or equal.
    LessThanOrEqual,
}
