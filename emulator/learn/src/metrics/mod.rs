//! The metrics AutoML reports, by its names, computed as scikit-learn does.

mod classification;
mod ranking;
mod regression;

pub(crate) use classification::{classification, most_likely, primary};
pub(crate) use regression::regression;

pub use ranking::{average_precision, roc_auc};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How often each true class was predicted as each class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfusionMatrix {
    /// Class labels, in the order of rows and columns.
    pub class_labels: Vec<String>,
    /// `matrix[t][p]`: rows of true class `t` predicted as `p`.
    pub matrix: Vec<Vec<u64>>,
}

/// Metrics of one evaluation. A metric that is not defined for the data (a correlation with a constant) is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Finite values by AutoML's names, such as `AUC_weighted`.
    pub scalars: BTreeMap<String, f64>,
    /// For classification.
    pub confusion_matrix: Option<ConfusionMatrix>,
}

impl Metrics {
    /// One metric by its name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.scalars.get(name).copied()
    }

    fn put(&mut self, name: &str, value: f64) {
        if value.is_finite() {
            self.scalars.insert(name.to_owned(), value);
        }
    }

    /// What AutoML reports for folds: the mean of each metric, over the folds that have it, and the sum of the
    /// confusion matrices.
    pub(crate) fn mean(folds: &[Self]) -> Self {
        let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
        for (name, value) in folds.iter().flat_map(|fold| &fold.scalars) {
            let (sum, count) = sums.entry(name.clone()).or_default();
            *sum += value;
            *count += 1.0;
        }
        let scalars = sums.into_iter().map(|(name, (sum, count))| (name, sum / count)).collect();
        let matrices: Vec<_> = folds.iter().filter_map(|fold| fold.confusion_matrix.as_ref()).collect();
        let confusion_matrix = matrices.split_first().map(|(first, rest)| {
            let mut total = (*first).clone();
            for other in rest {
                for (row, more) in total.matrix.iter_mut().zip(&other.matrix) {
                    row.iter_mut().zip(more).for_each(|(cell, count)| *cell += count);
                }
            }
            total
        });
        Self { scalars, confusion_matrix }
    }
}
