//! Linear regression with L1 and L2 penalties by coordinate descent.

use super::{Linear, Link, add_scaled, dot};
use crate::matrix::Matrix;
use crate::watch::{Stopped, Watch};

const PASSES: usize = 500;

/// Minimises half the mean squared error plus `alpha * l1_ratio * |w| + alpha * (1 - l1_ratio) / 2 * w^2`, as
/// scikit-learn's ElasticNet; a ratio of 1 is the lasso. `alpha` is in units of the target's standard deviation, so
/// that one value suits any target.
pub(crate) fn elastic_net(
    x: &Matrix,
    y: &[f64],
    weights: &[f64],
    alpha: f64,
    l1_ratio: f64,
    watch: &Watch,
) -> Result<Linear, Stopped> {
    let total: f64 = weights.iter().sum();
    let average = |values: &[f64]| dot(values, weights) / total;
    let y_mean = average(y);
    let mut columns: Vec<Vec<f64>> = (0..x.cols).map(|col| x.column(col)).collect();
    let means: Vec<f64> = columns.iter().map(|column| average(column)).collect();
    for (column, mean) in columns.iter_mut().zip(&means) {
        column.iter_mut().for_each(|v| *v -= mean);
    }
    let mut residual: Vec<f64> = y.iter().map(|v| v - y_mean).collect();
    let weighted = |column: &[f64], other: &[f64]| -> f64 {
        column.iter().zip(other).zip(weights).map(|((a, b), w)| a * b * w).sum::<f64>() / total
    };
    let deviation = weighted(&residual, &residual).sqrt();
    let (l1, l2) = (alpha * l1_ratio * deviation, alpha * (1.0 - l1_ratio));
    let norms: Vec<f64> = columns.iter().map(|column| weighted(column, column)).collect();
    let mut found = vec![0.0; x.cols];
    for _ in 0..PASSES {
        watch.check()?;
        let (mut moved, mut largest) = (0.0_f64, 0.0_f64);
        for (col, column) in columns.iter().enumerate() {
            if norms[col] <= 1e-12 {
                continue;
            }
            let pull = weighted(column, &residual) + norms[col] * found[col];
            let next = pull.signum() * (pull.abs() - l1).max(0.0) / (norms[col] + l2);
            let change = next - found[col];
            if change != 0.0 {
                add_scaled(&mut residual, -change, column);
                found[col] = next;
            }
            moved = moved.max(change.abs() * norms[col].sqrt());
            largest = largest.max(next.abs() * norms[col].sqrt());
        }
        if moved <= 1e-5 * largest.max(1e-12) {
            break;
        }
    }
    let intercept = y_mean - dot(&found, &means);
    Ok(Linear { weights: vec![found], intercepts: vec![intercept], link: Link::Identity })
}
