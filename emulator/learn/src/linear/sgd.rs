//! Linear models by stochastic gradient descent: logistic loss for classes, squared loss for numbers.

use super::descent::{Pace, descend};
use super::{Linear, Link, sigmoid};
use crate::matrix::Matrix;
use crate::rng::Rng;
use crate::watch::{Stopped, Watch};

const PACE: Pace = Pace { passes: 8, rate: 2.0, penalty: 1e-4 };

/// One output a class against the rest; one alone for two classes.
pub(crate) fn sgd_classifier(
    x: &Matrix,
    codes: &[usize],
    classes: usize,
    weights: &[f64],
    rng: &mut Rng,
    watch: &Watch,
) -> Result<Linear, Stopped> {
    let against_rest: Vec<usize> = if classes == 2 { vec![1] } else { (0..classes).collect() };
    let mut params = Vec::with_capacity(against_rest.len() * (x.cols + 1));
    for &class in &against_rest {
        let slope = |row: usize, z: f64| weights[row] * (sigmoid(z) - f64::from(u8::from(codes[row] == class)));
        params.extend(descend(x, PACE, rng, watch, slope)?);
    }
    Ok(Linear::from_params(&params, x.cols, Link::Platt(vec![(1.0, 0.0); against_rest.len()])))
}

/// Fits to numbers, in units of their standard deviation so that the pace suits any target.
pub(crate) fn sgd_regressor(
    x: &Matrix,
    y: &[f64],
    weights: &[f64],
    rng: &mut Rng,
    watch: &Watch,
) -> Result<Linear, Stopped> {
    let n = y.len().max(1) as f64;
    let mean = y.iter().sum::<f64>() / n;
    let deviation = (y.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
    let unit = if deviation > 0.0 { deviation } else { 1.0 };
    let pace = Pace { rate: 0.5, ..PACE };
    let slope = |row: usize, z: f64| weights[row] * (z - (y[row] - mean) / unit);
    let mut params = descend(x, pace, rng, watch, slope)?;
    params.iter_mut().for_each(|w| *w *= unit);
    if let Some(intercept) = params.last_mut() {
        *intercept += mean;
    }
    Ok(Linear::from_params(&params, x.cols, Link::Identity))
}
