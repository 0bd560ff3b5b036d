//! Metrics of predicted numbers.

use super::Metrics;
use super::ranking::ranks;
use std::collections::BTreeMap;

/// Errors that are told normalised too.
const NORMALIZED: [&str; 4] =
    ["mean_absolute_error", "root_mean_squared_error", "median_absolute_error", "root_mean_squared_log_error"];

/// All regression metrics. `range` is the target's largest minus smallest value over all the data of the experiment;
/// the normalised errors are shares of it.
pub(crate) fn regression(truth: &[f64], predicted: &[f64], range: f64) -> Metrics {
    let mut metrics = Metrics::default();
    if truth.is_empty() {
        return metrics;
    }
    let n = truth.len() as f64;
    let errors: Vec<f64> = truth.iter().zip(predicted).map(|(t, p)| t - p).collect();
    let absolute: Vec<f64> = errors.iter().map(|e| e.abs()).collect();
    let squares: f64 = errors.iter().map(|e| e * e).sum();
    let spread = squared_deviations(truth);
    metrics.put("r2_score", share_explained(squares, spread));
    metrics.put("explained_variance", share_explained(squared_deviations(&errors), spread));
    metrics.put("spearman_correlation", pearson(&ranks(truth), &ranks(predicted)));
    metrics.put("mean_absolute_percentage_error", percentage_error(truth, &absolute));
    let errors =
        [absolute.iter().sum::<f64>() / n, (squares / n).sqrt(), median(absolute), log_error(truth, predicted)];
    for (name, value) in NORMALIZED.into_iter().zip(errors) {
        metrics.put(name, value);
        metrics.put(&format!("normalized_{name}"), value / range);
    }
    metrics
}

/// All metrics of forecasts. They are those of regression over all rows, but the normalised errors, which are each
/// series' share of its own range, averaged over the series: a small series counts as much as a large one. `series` is
/// the series of each row, `ranges` the range of each.
pub(crate) fn forecasting(truth: &[f64], predicted: &[f64], series: &[usize], ranges: &[f64]) -> Metrics {
    let mut metrics = regression(truth, predicted, f64::NAN);
    let mut shares: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (number, range) in ranges.iter().enumerate() {
        let of = |values: &[f64]| -> Vec<f64> {
            values.iter().zip(series).filter(|(_, s)| **s == number).map(|(value, _)| *value).collect()
        };
        let own = regression(&of(truth), &of(predicted), *range);
        for name in NORMALIZED {
            shares.entry(name).or_default().extend(own.get(&format!("normalized_{name}")));
        }
    }
    shares.into_iter().for_each(|(name, shares)| metrics.put(&format!("normalized_{name}"), mean(&shares)));
    metrics
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn squared_deviations(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|v| (v - mean).powi(2)).sum()
}

/// 1 less the share left; a constant target is explained wholly or not at all.
fn share_explained(left: f64, whole: f64) -> f64 {
    match (left == 0.0, whole == 0.0) {
        (true, _) => 1.0,
        (false, true) => 0.0,
        _ => 1.0 - left / whole,
    }
}

fn pearson(a: &[f64], b: &[f64]) -> f64 {
    let (mean_a, mean_b) = (mean(a), mean(b));
    let covariance: f64 = a.iter().zip(b).map(|(x, y)| (x - mean_a) * (y - mean_b)).sum();
    covariance / (squared_deviations(a) * squared_deviations(b)).sqrt()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

/// In percent, over the rows whose true value isn't 0, as AutoML does.
fn percentage_error(truth: &[f64], absolute: &[f64]) -> f64 {
    let shares: Vec<f64> = truth.iter().zip(absolute).filter(|(t, _)| **t != 0.0).map(|(t, a)| a / t.abs()).collect();
    100.0 * mean(&shares)
}

/// NaN where a logarithm isn't defined.
fn log_error(truth: &[f64], predicted: &[f64]) -> f64 {
    let squares = truth.iter().zip(predicted).map(|(t, p)| (t.ln_1p() - p.ln_1p()).powi(2));
    (squares.sum::<f64>() / truth.len() as f64).sqrt()
}
