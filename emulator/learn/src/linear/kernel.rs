//! Support vectors with a radial kernel, by random Fourier features: a linear machine over random waves of the
//! features, whose inner products approach the kernel. The cost grows with the rows, not with their square.

use super::{Linear, dot, linear_svm};
use crate::matrix::Matrix;
use crate::rng::Rng;
use crate::watch::{Stopped, Watch};
use serde::{Deserialize, Serialize};

/// Waves; more of them come closer to the kernel.
const WAVES: usize = 200;

/// The waves and the linear machine over them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct KernelSvm {
    frequencies: Vec<Vec<f64>>,
    phases: Vec<f64>,
    machine: Linear,
}

impl KernelSvm {
    /// Fits to classes, with the kernel `exp(-|a - b|^2 / features)`. Features should be scaled.
    pub(crate) fn fit(
        x: &Matrix,
        codes: &[usize],
        classes: usize,
        weights: &[f64],
        c: f64,
        rng: &mut Rng,
        watch: &Watch,
    ) -> Result<Self, Stopped> {
        let spread = (2.0 / x.cols.max(1) as f64).sqrt();
        let frequencies: Vec<Vec<f64>> =
            (0..WAVES).map(|_| (0..x.cols).map(|_| spread * normal(rng)).collect()).collect();
        let phases: Vec<f64> = (0..WAVES).map(|_| std::f64::consts::TAU * uniform(rng)).collect();
        let waves = waves(x, &frequencies, &phases);
        let machine = linear_svm(&waves, codes, classes, weights, c, watch)?;
        Ok(Self { frequencies, phases, machine })
    }

    /// Probabilities, a column a class.
    pub(crate) fn predict(&self, x: &Matrix) -> Matrix {
        self.machine.predict(&waves(x, &self.frequencies, &self.phases))
    }
}

fn waves(x: &Matrix, frequencies: &[Vec<f64>], phases: &[f64]) -> Matrix {
    let mut out = Matrix::zeros(x.rows, frequencies.len());
    let height = (2.0 / frequencies.len().max(1) as f64).sqrt();
    for row in 0..x.rows {
        let values = x.row(row);
        let cells = out.row_mut(row).iter_mut();
        for (cell, (frequency, phase)) in cells.zip(frequencies.iter().zip(phases)) {
            *cell = height * (dot(frequency, values) + phase).cos();
        }
    }
    out
}

/// Above 0, up to 1.
fn uniform(rng: &mut Rng) -> f64 {
    ((rng.next() >> 11) as f64 + 1.0) / (1_u64 << 53) as f64
}

/// Box and Muller's way to a normal number.
fn normal(rng: &mut Rng) -> f64 {
    (-2.0 * uniform(rng).ln()).sqrt() * (std::f64::consts::TAU * uniform(rng)).cos()
}
