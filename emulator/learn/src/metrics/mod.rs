//! The metrics AutoML reports, by its names, computed as scikit-learn does.

mod classification;
mod ranking;
mod regression;

pub(crate) use classification::{classification, most_likely, primary};
pub(crate) use regression::{forecasting, regression};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;
    use proptest::prelude::*;

    #[derive(Deserialize)]
    struct Figures {
        classification: Vec<Classes>,
        regression: Vec<Numbers>,
        forecasting: Vec<Forecasts>,
    }

    #[derive(Deserialize)]
    struct Forecasts {
        series: Vec<usize>,
        ranges: Vec<f64>,
        #[serde(flatten)]
        numbers: Numbers,
    }

    #[derive(Deserialize)]
    struct Classes {
        name: String,
        truth: Vec<usize>,
        proba: Vec<Vec<f64>>,
        expected: BTreeMap<String, f64>,
        confusion_matrix: Vec<Vec<u64>>,
    }

    #[derive(Deserialize)]
    struct Numbers {
        name: String,
        truth: Vec<f64>,
        predicted: Vec<f64>,
        expected: BTreeMap<String, f64>,
    }

    fn figures() -> Figures {
        serde_json::from_str(include_str!("../../fixtures/metrics.json")).unwrap()
    }

    fn matrix(rows: &[Vec<f64>]) -> Matrix {
        Matrix { rows: rows.len(), cols: rows[0].len(), data: rows.concat() }
    }

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|class| format!("c{class}")).collect()
    }

    /// Both ways: no metric of scikit-learn's is absent, none of ours is unchecked.
    fn assert_same(name: &str, found: &Metrics, expected: &BTreeMap<String, f64>) {
        assert!(found.scalars.keys().eq(expected.keys()), "{name}: {:?}", found.scalars.keys());
        for (metric, value) in expected {
            let ours = found.get(metric).unwrap();
            assert!((ours - value).abs() < 1e-9, "{name}: {metric} is {ours}, scikit-learn says {value}");
        }
    }

    #[test]
    fn class_metrics_are_those_of_scikit_learn() {
        for case in figures().classification {
            let proba = matrix(&case.proba);
            let positive = (proba.cols == 2).then_some(1);
            let found = classification(&case.truth, &proba, &names(proba.cols), positive);
            assert_same(&case.name, &found, &case.expected);
            assert_eq!(found.confusion_matrix.unwrap().matrix, case.confusion_matrix, "{}", case.name);
        }
    }

    #[test]
    fn number_metrics_are_those_of_scikit_learn() {
        for case in figures().regression {
            let high = case.truth.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let low = case.truth.iter().copied().fold(f64::INFINITY, f64::min);
            assert_same(&case.name, &regression(&case.truth, &case.predicted, high - low), &case.expected);
        }
    }

    #[test]
    fn forecast_metrics_are_those_of_scikit_learn_over_all_and_by_series() {
        for Forecasts { series, ranges, numbers } in figures().forecasting {
            let found = forecasting(&numbers.truth, &numbers.predicted, &series, &ranges);
            assert_same(&numbers.name, &found, &numbers.expected);
        }
    }

    #[test]
    fn the_auc_of_a_model_is_of_its_scores_not_of_the_labels_it_would_give() {
        for case in figures().classification {
            let proba = matrix(&case.proba);
            let mut labels = Matrix::zeros(proba.rows, proba.cols);
            for row in 0..proba.rows {
                labels.row_mut(row)[most_likely(proba.row(row))] = 1.0;
            }
            let of_scores = classification(&case.truth, &proba, &names(proba.cols), None);
            let of_labels = classification(&case.truth, &labels, &names(proba.cols), None);
            assert_eq!(of_scores.get("accuracy"), of_labels.get("accuracy"));
            let (scores, labels) = (of_scores.get("AUC_weighted").unwrap(), of_labels.get("AUC_weighted").unwrap());
            assert!((scores - labels).abs() > 0.01, "{}: {scores} and {labels}", case.name);
        }
    }

    #[test]
    fn the_primary_metric_alone_is_the_one_among_all() {
        use crate::settings::{PrimaryMetric, Task};
        for case in figures().classification {
            let proba = matrix(&case.proba);
            let all = classification(&case.truth, &proba, &names(proba.cols), None);
            for metric in PrimaryMetric::ALL.into_iter().filter(|m| m.fits(Task::Classification)) {
                assert_eq!(Some(primary(metric, &case.truth, &proba)), all.get(metric.metric_name()), "{metric:?}");
            }
        }
    }

    #[test]
    fn a_metric_that_is_not_defined_is_absent() {
        let constant = regression(&[1.0, 2.0, 3.0], &[2.0, 2.0, 2.0], 2.0);
        assert_eq!(constant.get("spearman_correlation"), None);
        assert_eq!(constant.get("r2_score"), Some(0.0));
        let one_class = classification(&[0, 0], &matrix(&[vec![0.9, 0.1], vec![0.6, 0.4]]), &names(2), None);
        assert_eq!(one_class.get("AUC_weighted"), None);
        assert_eq!(one_class.get("accuracy"), Some(1.0));
    }

    #[test]
    fn folds_are_averaged_and_their_confusions_added() {
        let fold = |truth: &[usize]| classification(truth, &matrix(&[vec![0.9, 0.1], vec![0.2, 0.8]]), &names(2), None);
        let mean = Metrics::mean(&[fold(&[0, 1]), fold(&[0, 0])]);
        assert_eq!(mean.get("accuracy"), Some(0.75));
        assert_eq!(mean.confusion_matrix.unwrap().matrix, [[2, 1], [0, 1]]);
    }

    proptest! {
        #[test]
        fn a_monotone_transform_of_the_scores_changes_no_auc(rows in prop::collection::vec((0_usize..3, prop::array::uniform3(1_u32..100)), 6..80)) {
            let truth: Vec<usize> = rows.iter().map(|row| row.0).collect();
            let plain: Vec<Vec<f64>> = rows.iter().map(|row| row.1.map(|v| f64::from(v) / 100.0).to_vec()).collect();
            let bent: Vec<Vec<f64>> = plain.iter().map(|row| row.iter().map(|v| v.powi(3)).collect()).collect();
            let (plain, bent) = (classification(&truth, &matrix(&plain), &names(3), None), classification(&truth, &matrix(&bent), &names(3), None));
            for metric in ["AUC_weighted", "AUC_macro", "AUC_micro", "average_precision_score_weighted"] {
                prop_assert_eq!(plain.get(metric), bent.get(metric), "{}", metric);
            }
        }
    }
}
