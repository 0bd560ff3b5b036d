//! Primary metrics of the tasks on tables.

use super::{Task, UnknownName};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Whether more or less of a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// Higher is better.
    Maximize,
    /// Lower is better.
    Minimize,
}

impl Direction {
    /// Whether `a` is strictly better than `b`; NaN is worse than anything.
    pub fn better(self, a: f64, b: f64) -> bool {
        match self {
            _ if a.is_nan() => false,
            _ if b.is_nan() => true,
            Self::Maximize => a > b,
            Self::Minimize => a < b,
        }
    }
}

/// Primary metrics by Azure's enum names (`ClassificationPrimaryMetrics`, `RegressionPrimaryMetrics`; those of
/// `ForecastingPrimaryMetrics` are the latter).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PrimaryMetric {
    /// Area under the ROC curve, classes weighted by their number of rows.
    #[serde(rename = "AUCWeighted")]
    AucWeighted,
    /// Share of rows predicted right.
    Accuracy,
    /// Mean recall of the classes, with chance at 0 and perfection at 1.
    NormMacroRecall,
    /// Average precision, classes weighted by their number of rows.
    AveragePrecisionScoreWeighted,
    /// Precision, classes weighted by their number of rows.
    PrecisionScoreWeighted,
    /// Spearman's rank correlation.
    SpearmanCorrelation,
    /// Root mean squared error over the range of the target.
    NormalizedRootMeanSquaredError,
    /// Coefficient of determination.
    R2Score,
    /// Mean absolute error over the range of the target.
    NormalizedMeanAbsoluteError,
}

impl PrimaryMetric {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::AucWeighted,
        Self::Accuracy,
        Self::NormMacroRecall,
        Self::AveragePrecisionScoreWeighted,
        Self::PrecisionScoreWeighted,
        Self::SpearmanCorrelation,
        Self::NormalizedRootMeanSquaredError,
        Self::R2Score,
        Self::NormalizedMeanAbsoluteError,
    ];

    /// Azure's enum name, as in an ARM body.
    pub fn azure_name(self) -> &'static str {
        match self {
            Self::AucWeighted => "AUCWeighted",
            Self::Accuracy => "Accuracy",
            Self::NormMacroRecall => "NormMacroRecall",
            Self::AveragePrecisionScoreWeighted => "AveragePrecisionScoreWeighted",
            Self::PrecisionScoreWeighted => "PrecisionScoreWeighted",
            Self::SpearmanCorrelation => "SpearmanCorrelation",
            Self::NormalizedRootMeanSquaredError => "NormalizedRootMeanSquaredError",
            Self::R2Score => "R2Score",
            Self::NormalizedMeanAbsoluteError => "NormalizedMeanAbsoluteError",
        }
    }

    /// Name among a run's metrics, which is also the one of the pipeline YAML.
    pub fn metric_name(self) -> &'static str {
        match self {
            Self::AucWeighted => "AUC_weighted",
            Self::Accuracy => "accuracy",
            Self::NormMacroRecall => "norm_macro_recall",
            Self::AveragePrecisionScoreWeighted => "average_precision_score_weighted",
            Self::PrecisionScoreWeighted => "precision_score_weighted",
            Self::SpearmanCorrelation => "spearman_correlation",
            Self::NormalizedRootMeanSquaredError => "normalized_root_mean_squared_error",
            Self::R2Score => "r2_score",
            Self::NormalizedMeanAbsoluteError => "normalized_mean_absolute_error",
        }
    }

    /// Whether higher or lower is better.
    pub fn direction(self) -> Direction {
        match self {
            Self::NormalizedRootMeanSquaredError | Self::NormalizedMeanAbsoluteError => Direction::Minimize,
            _ => Direction::Maximize,
        }
    }

    /// Whether the metric is one of this task's.
    pub fn fits(self, task: Task) -> bool {
        let regression = matches!(
            self,
            Self::SpearmanCorrelation
                | Self::NormalizedRootMeanSquaredError
                | Self::R2Score
                | Self::NormalizedMeanAbsoluteError
        );
        regression != (task == Task::Classification)
    }
}

impl FromStr for PrimaryMetric {
    type Err = UnknownName;

    /// Takes the ARM name and the YAML name, in any case.
    fn from_str(given: &str) -> Result<Self, UnknownName> {
        let found = Self::ALL.into_iter().find(|metric| {
            given.eq_ignore_ascii_case(metric.azure_name()) || given.eq_ignore_ascii_case(metric.metric_name())
        });
        found.ok_or_else(|| UnknownName {
            given: given.to_owned(),
            what: "a primary metric",
            known: Self::ALL.map(Self::azure_name).join(", "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_read() {
        for metric in PrimaryMetric::ALL {
            assert_eq!(metric.azure_name().parse(), Ok(metric));
            assert_eq!(metric.metric_name().parse(), Ok(metric));
            assert_eq!(serde_json::to_value(metric).unwrap(), metric.azure_name());
        }
        assert!("Recall".parse::<PrimaryMetric>().unwrap_err().to_string().contains("AUCWeighted"));
    }

    #[test]
    fn a_number_is_better_than_none_in_either_direction() {
        for direction in [Direction::Maximize, Direction::Minimize] {
            assert!(direction.better(0.0, f64::NAN));
            assert!(!direction.better(f64::NAN, 0.0));
        }
    }
}
