//! How predictions of an experiment are measured.

use crate::matrix::Matrix;
use crate::metrics::{Metrics, classification, primary, regression};
use crate::settings::PrimaryMetric;
use crate::target::Target;

/// What measuring needs to know beside truth and prediction.
#[derive(Debug, Clone)]
pub(crate) struct Judge {
    pub(crate) metric: PrimaryMetric,
    /// Class labels as text; none for regression.
    pub(crate) labels: Vec<String>,
    /// The class that counts as positive.
    pub(crate) positive: Option<usize>,
    /// Largest less smallest value of the target.
    pub(crate) range: f64,
}

impl Judge {
    pub(crate) fn metrics(&self, truth: &Target, predicted: &Matrix) -> Metrics {
        match truth {
            Target::Classes { codes, .. } => classification(codes, predicted, &self.labels, self.positive),
            Target::Numbers(values) => regression(values, &predicted.data, self.range),
        }
    }

    /// The primary metric alone; NaN where it is not defined.
    pub(crate) fn primary(&self, truth: &Target, predicted: &Matrix) -> f64 {
        match truth {
            Target::Classes { codes, .. } => primary(self.metric, codes, predicted),
            Target::Numbers(_) => self.score(&self.metrics(truth, predicted)),
        }
    }

    /// The primary metric among all; NaN where it is not defined.
    pub(crate) fn score(&self, metrics: &Metrics) -> f64 {
        metrics.get(self.metric.metric_name()).unwrap_or(f64::NAN)
    }

    pub(crate) fn better(&self, a: f64, b: f64) -> bool {
        self.metric.direction().better(a, b)
    }
}
