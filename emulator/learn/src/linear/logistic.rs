//! Logistic regression with an L2 penalty, softmax for three classes or more.
//!
//! Ours rather than a library's: smartcore's takes 5 s for one fit of 22,000 rows and 63 features, knows neither row
//! weights nor probabilities.

use super::lbfgs::minimise;
use super::{Linear, Link, add_scaled, dot, sigmoid, softmax};
use crate::matrix::Matrix;
use crate::watch::{Stopped, Watch};

/// Fits to classes. `c` is the inverse penalty, as scikit-learn's: loss of all rows times `c`, plus half the squared
/// weights; the intercept is free.
pub(crate) fn logistic(
    x: &Matrix,
    codes: &[usize],
    classes: usize,
    weights: &[f64],
    c: f64,
    watch: &Watch,
) -> Result<Linear, Stopped> {
    if classes > 2 {
        return several(x, codes, classes, weights, c, watch);
    }
    let truth: Vec<f64> = codes.iter().map(|&code| code as f64).collect();
    logistic_of(x, &truth, weights, c, watch)
}

/// Two classes, or shares of the second one between 0 and 1.
pub(crate) fn logistic_of(
    x: &Matrix,
    truth: &[f64],
    weights: &[f64],
    c: f64,
    watch: &Watch,
) -> Result<Linear, Stopped> {
    let p = x.cols;
    let total: f64 = weights.iter().sum();
    let penalty = 1.0 / (c * total);
    let loss = |params: &[f64], gradient: &mut [f64]| {
        gradient.fill(0.0);
        let (w, b) = (&params[..p], params[p]);
        let mut value = 0.0;
        for ((row, &y), &weight) in x.rows_iter().zip(truth).zip(weights) {
            let z = dot(w, row) + b;
            // ln(1 + e^z) - y z, without overflow.
            value += weight * (z.max(0.0) + (-z.abs()).exp().ln_1p() - y * z);
            let slope = weight * (sigmoid(z) - y);
            add_scaled(&mut gradient[..p], slope, row);
            gradient[p] += slope;
        }
        gradient.iter_mut().for_each(|g| *g /= total);
        add_scaled(&mut gradient[..p], penalty, w);
        value / total + 0.5 * penalty * dot(w, w)
    };
    let params = minimise(vec![0.0; p + 1], 300, 1e-6, watch, loss)?;
    Ok(Linear::from_params(&params, p, Link::Logit))
}

fn several(
    x: &Matrix,
    codes: &[usize],
    classes: usize,
    weights: &[f64],
    c: f64,
    watch: &Watch,
) -> Result<Linear, Stopped> {
    let p = x.cols;
    let total: f64 = weights.iter().sum();
    let penalty = 1.0 / (c * total);
    let mut scores = vec![0.0; classes];
    let loss = |params: &[f64], gradient: &mut [f64]| {
        gradient.fill(0.0);
        let mut value = 0.0;
        for ((row, &code), &weight) in x.rows_iter().zip(codes).zip(weights) {
            for (score, output) in scores.iter_mut().zip(params.chunks_exact(p + 1)) {
                *score = dot(&output[..p], row) + output[p];
            }
            softmax(&mut scores);
            value -= weight * scores[code].max(f64::MIN_POSITIVE).ln();
            for (class, output) in gradient.chunks_exact_mut(p + 1).enumerate() {
                let slope = weight * (scores[class] - f64::from(u8::from(class == code)));
                add_scaled(&mut output[..p], slope, row);
                output[p] += slope;
            }
        }
        gradient.iter_mut().for_each(|g| *g /= total);
        let mut squares = 0.0;
        for (output, slopes) in params.chunks_exact(p + 1).zip(gradient.chunks_exact_mut(p + 1)) {
            add_scaled(&mut slopes[..p], penalty, &output[..p]);
            squares += dot(&output[..p], &output[..p]);
        }
        value / total + 0.5 * penalty * squares
    };
    let params = minimise(vec![0.0; classes * (p + 1)], 300, 1e-6, watch, loss)?;
    Ok(Linear::from_params(&params, p, Link::Logit))
}
