//! What a model version must reach before it may serve.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules;

/// What a version must reach.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gate {
    /// Bounds on metrics; all must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]), length(max = 20))]
    pub metrics: Vec<MetricBound>,
    /// Automatic approves a version that passes; Manual waits until a person names it in `approvedVersion`. Absent:
    /// Automatic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
}

/// Whether a version that passes is approved by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum Approval {
    /// It is.
    #[default]
    Automatic,
    /// A person names it in `spec.approvedVersion`.
    Manual,
}

/// Bounds on one metric.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.min) || has(self.max) || has(self.maxRegression) || has(self.maxRegressionPercent)").message("write at least one of min, max, maxRegression and maxRegressionPercent"))]
#[x_kube(validation = Rule::new("!has(self.min) || !has(self.max) || double(self.min) <= double(self.max)").message("min must not be above max"))]
pub struct MetricBound {
    /// The metric, in ARM's spelling (AUCWeighted) or MLflow's (AUC_weighted).
    #[schemars(regex(pattern = r"^[A-Za-z][A-Za-z0-9_.-]*$"), length(min = 1, max = 64))]
    pub name: String,
    /// Where it was measured: validation (while training) or test (the step's testData, rows that no model has seen).
    /// Absent: validation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<MeasuredOn>,
    /// At least this, e.g. `"0.90"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::DECIMAL), length(max = 32))]
    pub min: Option<String>,
    /// At most this, e.g. `"0.12"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::DECIMAL), length(max = 32))]
    pub max: Option<String>,
    /// Worse than the approved version by this at most, e.g. `"0.005"`; judged only where both were measured on the
    /// same data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::POSITIVE_DECIMAL), length(max = 32))]
    pub max_regression: Option<String>,
    /// Worse than the approved version by this share of its value at most, in percent, e.g. `"5"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = rules::POSITIVE_DECIMAL), length(max = 32))]
    pub max_regression_percent: Option<String>,
    /// Which way is better: HigherIsBetter or LowerIsBetter. Known for AutoML's metrics; a regression of another one
    /// can't be judged without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
}

/// On what a metric was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
#[serde(rename_all = "lowercase")]
pub enum MeasuredOn {
    /// While training.
    #[default]
    Validation,
    /// On test data that no model had seen.
    Test,
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = crate::schema::described_by_field)]
pub enum Direction {
    /// A larger value is better.
    HigherIsBetter,
    /// A smaller value is better.
    LowerIsBetter,
}

/// Metrics of AutoML in MLflow's spelling, of which a smaller value is better.
const LOWER: &[&str] = &[
    "log_loss",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "median_absolute_error",
    "normalized_mean_absolute_error",
    "normalized_median_absolute_error",
    "normalized_root_mean_squared_error",
    "normalized_root_mean_squared_log_error",
    "root_mean_squared_error",
    "root_mean_squared_log_error",
];

/// Metrics of AutoML in MLflow's spelling, of which a larger value is better.
const HIGHER: &[&str] = &[
    "accuracy",
    "auc_macro",
    "auc_micro",
    "auc_weighted",
    "average_precision_score_macro",
    "average_precision_score_micro",
    "average_precision_score_weighted",
    "balanced_accuracy",
    "explained_variance",
    "f1_score_macro",
    "f1_score_micro",
    "f1_score_weighted",
    "matthews_correlation",
    "norm_macro_recall",
    "precision_score_macro",
    "precision_score_micro",
    "precision_score_weighted",
    "r2_score",
    "recall_score_macro",
    "recall_score_micro",
    "recall_score_weighted",
    "spearman_correlation",
    "weighted_accuracy",
];

/// Which way is better for one of AutoML's metrics, in ARM's spelling or MLflow's; `None` for any other.
#[must_use]
pub fn direction(metric: &str) -> Option<Direction> {
    let plain: String =
        metric.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect();
    let names = |list: &[&str]| list.iter().any(|name| name.replace('_', "") == plain);
    if names(LOWER) {
        return Some(Direction::LowerIsBetter);
    }
    names(HIGHER).then_some(Direction::HigherIsBetter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_direction_of_automl_s_metrics_in_both_spellings() {
        for (metric, expected) in [
            ("AUC_weighted", Some(Direction::HigherIsBetter)),
            ("AUCWeighted", Some(Direction::HigherIsBetter)),
            ("NormalizedRootMeanSquaredError", Some(Direction::LowerIsBetter)),
            ("normalized_root_mean_squared_error", Some(Direction::LowerIsBetter)),
            ("R2Score", Some(Direction::HigherIsBetter)),
            ("log_loss", Some(Direction::LowerIsBetter)),
            ("profit", None),
        ] {
            assert_eq!(direction(metric), expected, "{metric}");
        }
    }
}
