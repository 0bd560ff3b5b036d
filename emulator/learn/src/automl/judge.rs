//! How predictions of an experiment are measured.

use crate::matrix::Matrix;
use crate::metrics::{Metrics, classification, forecasting, primary, regression};
use crate::settings::PrimaryMetric;
use crate::target::Target;

/// What was to be predicted.
#[derive(Debug, Clone)]
pub(crate) struct Truth {
    pub(crate) target: Target,
    /// For forecasting, the series of each row.
    pub(crate) series: Vec<usize>,
}

impl From<Target> for Truth {
    fn from(target: Target) -> Self {
        Self { target, series: Vec::new() }
    }
}

/// What measuring needs to know beside truth and prediction.
#[derive(Debug, Clone)]
pub(crate) struct Judge {
    pub(crate) metric: PrimaryMetric,
    /// Class labels as text; none for regression.
    pub(crate) labels: Vec<String>,
    /// The class that counts as positive.
    pub(crate) positive: Option<usize>,
    /// Largest less smallest value of the target: one, or for forecasting one a series.
    pub(crate) ranges: Vec<f64>,
}

impl Judge {
    /// All metrics of a fold's validation rows.
    pub(crate) fn metrics(&self, truth: &Truth, predicted: &Matrix) -> Metrics {
        match &truth.target {
            Target::Classes { codes, .. } => classification(codes, predicted, &self.labels, self.positive),
            Target::Numbers(values) => match self.ranges[..] {
                [range] => regression(values, &predicted.data, range),
                _ => forecasting(values, &predicted.data, &truth.series, &self.ranges),
            },
        }
    }

    /// The primary metric alone; NaN where it is not defined.
    pub(crate) fn primary(&self, truth: &Truth, predicted: &Matrix) -> f64 {
        match &truth.target {
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
