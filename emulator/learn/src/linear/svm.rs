//! Linear support vectors: squared hinge loss, one output a class against the rest, and Platt's curve over the margin
//! for probabilities.

use super::lbfgs::minimise;
use super::logistic::logistic_of;
use super::{Linear, Link, add_scaled, dot};
use crate::matrix::Matrix;
use crate::watch::{Stopped, Watch};

/// Fits to classes; `c` is the inverse penalty.
pub(crate) fn linear_svm(
    x: &Matrix,
    codes: &[usize],
    classes: usize,
    weights: &[f64],
    c: f64,
    watch: &Watch,
) -> Result<Linear, Stopped> {
    let against_rest: Vec<usize> = if classes == 2 { vec![1] } else { (0..classes).collect() };
    let mut params = Vec::with_capacity(against_rest.len() * (x.cols + 1));
    let mut curves = Vec::with_capacity(against_rest.len());
    for class in against_rest {
        let positive: Vec<f64> = codes.iter().map(|&code| f64::from(u8::from(code == class))).collect();
        let found = hinge(x, &positive, weights, c, watch)?;
        curves.push(platt(x, &found, &positive, weights, watch)?);
        params.extend(found);
    }
    Ok(Linear::from_params(&params, x.cols, Link::Platt(curves)))
}

fn hinge(x: &Matrix, positive: &[f64], weights: &[f64], c: f64, watch: &Watch) -> Result<Vec<f64>, Stopped> {
    let p = x.cols;
    let total: f64 = weights.iter().sum();
    let penalty = 1.0 / (c * total);
    minimise(vec![0.0; p + 1], 200, 1e-6, watch, |params: &[f64], gradient: &mut [f64]| {
        gradient.fill(0.0);
        let (w, b) = (&params[..p], params[p]);
        let mut value = 0.0;
        for ((row, &yes), &weight) in x.rows_iter().zip(positive).zip(weights) {
            let sign = 2.0 * yes - 1.0;
            let short = 1.0 - sign * (dot(w, row) + b);
            if short > 0.0 {
                value += weight * short * short;
                let slope = -2.0 * weight * sign * short;
                add_scaled(&mut gradient[..p], slope, row);
                gradient[p] += slope;
            }
        }
        gradient.iter_mut().for_each(|g| *g /= total);
        add_scaled(&mut gradient[..p], penalty, w);
        value / total + 0.5 * penalty * dot(w, w)
    })
}

/// The logistic curve from margin to probability, with Platt's softened targets.
fn platt(x: &Matrix, params: &[f64], positive: &[f64], weights: &[f64], watch: &Watch) -> Result<(f64, f64), Stopped> {
    let p = x.cols;
    let margins: Vec<f64> = x.rows_iter().map(|row| dot(&params[..p], row) + params[p]).collect();
    let hits: f64 = positive.iter().sum();
    let misses = positive.len() as f64 - hits;
    let (high, low) = ((hits + 1.0) / (hits + 2.0), 1.0 / (misses + 2.0));
    let softened: Vec<f64> = positive.iter().map(|&yes| if yes > 0.5 { high } else { low }).collect();
    let margins = Matrix { rows: margins.len(), cols: 1, data: margins };
    let curve = logistic_of(&margins, &softened, weights, 1e6, watch)?;
    Ok((curve.weights[0][0], curve.intercepts[0]))
}
