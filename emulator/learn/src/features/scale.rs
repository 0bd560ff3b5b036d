//! Scaling of features, by the names of AutoML's preprocessors.

use crate::matrix::Matrix;
use serde::{Deserialize, Serialize};

/// Which scaling a trial uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Scaling {
    /// Mean 0, standard deviation 1.
    Standard,
    /// Largest absolute value 1.
    MaxAbs,
    /// From 0 to 1.
    MinMax,
    /// As they are.
    None,
}

impl Scaling {
    /// AutoML's name of the preprocessor.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Standard => "StandardScalerWrapper",
            Self::MaxAbs => "MaxAbsScaler",
            Self::MinMax => "MinMaxScaler",
            Self::None => "",
        }
    }
}

/// `(value - shift) * factor` for each feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scaler {
    shift: Vec<f64>,
    factor: Vec<f64>,
}

impl Scaler {
    pub(crate) fn fit(scaling: Scaling, x: &Matrix) -> Self {
        let n = x.rows.max(1) as f64;
        let mut low = vec![f64::INFINITY; x.cols];
        let mut high = vec![f64::NEG_INFINITY; x.cols];
        let mut mean = vec![0.0; x.cols];
        for row in x.rows_iter() {
            for (col, &value) in row.iter().enumerate() {
                low[col] = low[col].min(value);
                high[col] = high[col].max(value);
                mean[col] += value / n;
            }
        }
        let mut variance = vec![0.0; x.cols];
        if scaling == Scaling::Standard {
            for row in x.rows_iter() {
                for (col, &value) in row.iter().enumerate() {
                    variance[col] += (value - mean[col]).powi(2) / n;
                }
            }
        }
        let (shift, width): (Vec<f64>, Vec<f64>) = (0..x.cols)
            .map(|col| match scaling {
                Scaling::Standard => (mean[col], variance[col].sqrt()),
                Scaling::MaxAbs => (0.0, low[col].abs().max(high[col].abs())),
                Scaling::MinMax => (low[col], high[col] - low[col]),
                Scaling::None => (0.0, 1.0),
            })
            .unzip();
        // A constant feature stays as it is.
        let factor = width.into_iter().map(|w| if w > 0.0 && w.is_finite() { 1.0 / w } else { 1.0 }).collect();
        Self { shift, factor }
    }

    pub(crate) fn apply(&self, x: &mut Matrix) {
        for row in x.data.chunks_exact_mut(x.cols.max(1)) {
            for ((value, shift), factor) in row.iter_mut().zip(&self.shift).zip(&self.factor) {
                *value = (*value - shift) * factor;
            }
        }
    }
}
