//! Naive Bayes: features counted apart from each other, given the class.

use crate::linear::softmax;
use crate::matrix::Matrix;
use serde::{Deserialize, Serialize};

/// Laplace's smoothing.
const SMOOTHING: f64 = 1.0;

/// Logarithms of what was counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct NaiveBayes {
    priors: Vec<f64>,
    /// For each class: the logarithm of each feature's probability.
    present: Vec<Vec<f64>>,
    /// For presence and absence only: the logarithm of its absence.
    absent: Option<Vec<Vec<f64>>>,
}

impl NaiveBayes {
    /// Presence is a value above 0. Features should be centred.
    pub(crate) fn bernoulli(x: &Matrix, codes: &[usize], classes: usize, weights: &[f64]) -> Self {
        let (totals, counts) = counted(x, codes, classes, weights, |v| f64::from(u8::from(v > 0.0)));
        let share = |class: usize, count: &f64| (count + SMOOTHING) / (totals[class] + 2.0 * SMOOTHING);
        let log = |of: &dyn Fn(f64) -> f64| {
            counts.iter().enumerate().map(|(c, row)| row.iter().map(|n| of(share(c, n)).ln()).collect()).collect()
        };
        Self { priors: priors(&totals), present: log(&|p| p), absent: Some(log(&|p| 1.0 - p)) }
    }

    /// Values are taken as counts; they must not be negative.
    pub(crate) fn multinomial(x: &Matrix, codes: &[usize], classes: usize, weights: &[f64]) -> Self {
        let (totals, counts) = counted(x, codes, classes, weights, |v| v.max(0.0));
        let present = counts
            .iter()
            .map(|row| {
                let whole = row.iter().sum::<f64>() + SMOOTHING * row.len() as f64;
                row.iter().map(|n| ((n + SMOOTHING) / whole).ln()).collect()
            })
            .collect();
        Self { priors: priors(&totals), present, absent: None }
    }

    /// Probabilities, a column a class.
    pub(crate) fn predict(&self, x: &Matrix) -> Matrix {
        let mut out = Matrix::zeros(x.rows, self.priors.len());
        for row in 0..x.rows {
            let values = x.row(row);
            let cells = out.row_mut(row);
            for (class, cell) in cells.iter_mut().enumerate() {
                let present = &self.present[class];
                *cell = self.priors[class]
                    + match &self.absent {
                        Some(absent) => values
                            .iter()
                            .zip(present.iter().zip(&absent[class]))
                            .map(|(v, (yes, no))| if *v > 0.0 { *yes } else { *no })
                            .sum::<f64>(),
                        None => values.iter().zip(present).map(|(v, log)| v.max(0.0) * log).sum::<f64>(),
                    };
            }
            softmax(cells);
        }
        out
    }
}

fn counted(
    x: &Matrix,
    codes: &[usize],
    classes: usize,
    weights: &[f64],
    of: impl Fn(f64) -> f64,
) -> (Vec<f64>, Vec<Vec<f64>>) {
    let mut totals = vec![0.0; classes];
    let mut counts = vec![vec![0.0; x.cols]; classes];
    for ((row, &code), &weight) in x.rows_iter().zip(codes).zip(weights) {
        totals[code] += weight;
        counts[code].iter_mut().zip(row).for_each(|(count, v)| *count += weight * of(*v));
    }
    (totals, counts)
}

/// A class without a row in the fold keeps a little probability.
fn priors(totals: &[f64]) -> Vec<f64> {
    let whole: f64 = totals.iter().sum::<f64>() + totals.len() as f64 * 1e-9;
    totals.iter().map(|n| ((n + 1e-9) / whole).ln()).collect()
}
