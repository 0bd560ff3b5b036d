//! Linear models: one weight a feature and an intercept, for each output.

mod descent;
mod elastic_net;
mod kernel;
mod lbfgs;
mod logistic;
mod sgd;
mod svm;

pub(crate) use elastic_net::elastic_net;
pub(crate) use kernel::KernelSvm;
pub(crate) use logistic::logistic;
pub(crate) use sgd::{sgd_classifier, sgd_regressor};
pub(crate) use svm::linear_svm;

use crate::matrix::Matrix;
use serde::{Deserialize, Serialize};

/// How a linear model's outputs become a prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Link {
    /// The output itself.
    Identity,
    /// One output: the logistic function of it is the probability of the second class. Several: softmax.
    Logit,
    /// Each output's probability is the logistic function of `a * output + b`; they are scaled to sum to 1.
    Platt(Vec<(f64, f64)>),
}

/// Weights and intercepts, a row of both for each output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Linear {
    pub(crate) weights: Vec<Vec<f64>>,
    pub(crate) intercepts: Vec<f64>,
    pub(crate) link: Link,
}

impl Linear {
    /// From parameters that hold, for each output, the weights and then the intercept.
    pub(crate) fn from_params(params: &[f64], features: usize, link: Link) -> Self {
        let (weights, intercepts) =
            params.chunks_exact(features + 1).map(|output| (output[..features].to_vec(), output[features])).unzip();
        Self { weights, intercepts, link }
    }

    fn outputs<'a>(&'a self, row: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        self.weights.iter().zip(&self.intercepts).map(|(w, b)| dot(w, row) + b)
    }

    /// Probabilities (a column a class) or numbers (one column).
    pub(crate) fn predict(&self, x: &Matrix) -> Matrix {
        let binary = self.weights.len() == 1 && self.link != Link::Identity;
        let cols = if binary { 2 } else { self.weights.len() };
        let mut out = Matrix::zeros(x.rows, cols);
        for row in 0..x.rows {
            let cells = out.row_mut(row);
            match &self.link {
                Link::Identity => self.outputs(x.row(row)).zip(cells).for_each(|(z, cell)| *cell = z),
                Link::Logit if binary => self.outputs(x.row(row)).for_each(|z| two_classes(sigmoid(z), cells)),
                Link::Logit => {
                    self.outputs(x.row(row)).zip(&mut *cells).for_each(|(z, cell)| *cell = z);
                    softmax(cells);
                }
                Link::Platt(curves) if binary => {
                    let scores = self.outputs(x.row(row)).zip(curves);
                    scores.for_each(|(z, (a, b))| two_classes(sigmoid(a * z + b), cells));
                }
                Link::Platt(curves) => {
                    let scores = self.outputs(x.row(row)).zip(curves);
                    scores.zip(&mut *cells).for_each(|((z, (a, b)), cell)| *cell = sigmoid(a * z + b));
                    normalise(cells);
                }
            }
        }
        out
    }
}

fn two_classes(p: f64, cells: &mut [f64]) {
    cells[0] = 1.0 - p;
    cells[1] = p;
}

/// Scales to a sum of 1; all equal where there is nothing to scale.
pub(crate) fn normalise(cells: &mut [f64]) {
    let sum: f64 = cells.iter().sum();
    let even = 1.0 / cells.len() as f64;
    cells.iter_mut().for_each(|cell| *cell = if sum > 0.0 { *cell / sum } else { even });
}

pub(crate) fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

pub(crate) fn softmax(cells: &mut [f64]) {
    let top = cells.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    cells.iter_mut().for_each(|cell| *cell = (*cell - top).exp());
    normalise(cells);
}

/// Eight sums side by side, so that the compiler can use vector instructions; the order is the same everywhere.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (mut a8, mut b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let mut sums = [0.0; 8];
    for (x, y) in (&mut a8).zip(&mut b8) {
        for lane in 0..8 {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let rest: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f64>() + rest
}

/// `to += factor * from`.
pub(crate) fn add_scaled(to: &mut [f64], factor: f64, from: &[f64]) {
    to.iter_mut().zip(from).for_each(|(t, f)| *t += factor * f);
}
