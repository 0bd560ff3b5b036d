//! Nearest neighbours by looking at all of them.

use crate::matrix::Matrix;
use crate::rng::Rng;
use crate::target::Target;
use crate::watch::{Stopped, Watch};
use serde::{Deserialize, Serialize};

/// Rows kept at most. Every prediction looks at each, so with more of them a random sample stands for all.
const MOST_ROWS: usize = 4000;

/// The kept rows in single precision, half the memory to read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Neighbours {
    k: usize,
    features: usize,
    rows: Vec<f32>,
    /// Class or number of each row.
    values: Vec<f64>,
    weights: Vec<f64>,
    /// Number of classes; 0 for numbers.
    classes: usize,
}

impl Neighbours {
    pub(crate) fn fit(k: usize, x: &Matrix, target: &Target, weights: &[f64], rng: &mut Rng) -> Self {
        let mut kept: Vec<usize> = (0..x.rows).collect();
        if kept.len() > MOST_ROWS {
            rng.shuffle(&mut kept);
            kept.truncate(MOST_ROWS);
            kept.sort_unstable();
        }
        let (values, classes) = match target {
            Target::Numbers(values) => (kept.iter().map(|&row| values[row]).collect(), 0),
            Target::Classes { codes, count } => (kept.iter().map(|&row| codes[row] as f64).collect(), *count),
        };
        let rows = kept.iter().flat_map(|&row| x.row(row).iter().map(|v| *v as f32)).collect();
        let weights = kept.iter().map(|&row| weights[row]).collect();
        Self { k: k.clamp(1, kept.len().max(1)), features: x.cols, rows, values, weights, classes }
    }

    /// Probabilities (a column a class) or numbers (one column): the mean of the neighbours, nearer ones weighing more.
    pub(crate) fn predict(&self, x: &Matrix, watch: &Watch) -> Result<Matrix, Stopped> {
        let mut out = Matrix::zeros(x.rows, self.classes.max(1));
        let mut distances: Vec<(f32, usize)> = Vec::with_capacity(self.values.len());
        for row in 0..x.rows {
            if row % 256 == 0 {
                watch.check()?;
            }
            let query: Vec<f32> = x.row(row).iter().map(|v| *v as f32).collect();
            distances.clear();
            let kept = self.rows.chunks_exact(self.features.max(1));
            distances.extend(kept.map(|other| distance(&query, other)).zip(0..));
            let k = self.k.min(distances.len());
            if k == 0 {
                continue;
            }
            if k < distances.len() {
                // The number breaks ties, so the same neighbours are chosen everywhere.
                distances.select_nth_unstable_by(k - 1, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            }
            self.mean(&mut distances[..k], out.row_mut(row));
        }
        Ok(out)
    }

    fn mean(&self, nearest: &mut [(f32, usize)], cells: &mut [f64]) {
        nearest.sort_unstable_by_key(|(_, row)| *row);
        let mut total = 0.0;
        for &(distance, row) in &*nearest {
            let weight = self.weights[row] / (f64::from(distance).sqrt() + 1e-6);
            total += weight;
            match self.classes {
                0 => cells[0] += weight * self.values[row],
                _ => cells[self.values[row] as usize] += weight,
            }
        }
        if total > 0.0 {
            cells.iter_mut().for_each(|cell| *cell /= total);
        }
    }
}

/// Squared distance, sixteen sums side by side for vector instructions.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    let (mut a16, mut b16) = (a.chunks_exact(16), b.chunks_exact(16));
    let mut sums = [0.0_f32; 16];
    for (x, y) in (&mut a16).zip(&mut b16) {
        for lane in 0..16 {
            let d = x[lane] - y[lane];
            sums[lane] += d * d;
        }
    }
    let rest: f32 = a16.remainder().iter().zip(b16.remainder()).map(|(x, y)| (x - y) * (x - y)).sum();
    sums.iter().sum::<f32>() + rest
}
