//! Forests, and a single tree as the smallest of them. A forest's probability is the mean over its trees of the share
//! of each class in the leaf.

use super::bins::Bins;
use super::grow::{Fitted, Growth, grow};
use super::tree::Tree;
use crate::linear::normalise;
use crate::matrix::Matrix;
use crate::rng::Rng;
use crate::target::Target;
use crate::watch::{Stopped, Watch};
use serde::{Deserialize, Serialize};

/// How a forest grows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct ForestSpec {
    pub(crate) trees: usize,
    pub(crate) max_depth: usize,
    pub(crate) min_leaf: usize,
    /// Share of the features looked at for each split; 0 stands for the square root of their number.
    pub(crate) feature_share: f64,
    /// Each tree sees rows drawn with replacement.
    pub(crate) bootstrap: bool,
    pub(crate) random_cuts: bool,
}

impl std::fmt::Display for ForestSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { trees, max_depth, min_leaf, .. } = self;
        write!(f, "n_estimators={trees}, max_depth={max_depth}, min_samples_leaf={min_leaf}, max_features=")?;
        match self.feature_share {
            share if share > 0.0 => write!(f, "{share}"),
            _ => f.write_str("sqrt"),
        }
    }
}

/// Trees and what their leaves mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Forest {
    /// Number of classes; 0 for numbers.
    classes: usize,
    trees: Vec<Tree>,
}

impl Forest {
    pub(crate) fn fit(
        spec: ForestSpec,
        bins: &Bins,
        target: &Target,
        weights: &[f64],
        rng: &mut Rng,
        watch: &Watch,
    ) -> Result<Self, Stopped> {
        let (y, outputs, classes) = outputs(target);
        let features = bins.features();
        let looked_at = if spec.feature_share > 0.0 {
            (features as f64 * spec.feature_share).ceil() as usize
        } else {
            (features as f64).sqrt().ceil() as usize
        };
        let growth = Growth {
            max_depth: spec.max_depth,
            min_leaf: spec.min_leaf as f64,
            features: looked_at.clamp(1, features.max(1)),
            random_cuts: spec.random_cuts,
        };
        let mut trees = Vec::with_capacity(spec.trees);
        for _ in 0..spec.trees {
            watch.check()?;
            let (mut rows, drawn) = rows_of_tree(spec, weights, rng);
            let fitted = Fitted { y: &y, outputs, weights: drawn.as_deref().unwrap_or(weights) };
            trees.push(grow(bins, &fitted, &mut rows, growth, rng));
        }
        Ok(Self { classes, trees })
    }

    /// Probabilities (a column a class) or numbers (one column).
    pub(crate) fn predict(&self, x: &Matrix) -> Matrix {
        let cols = self.classes.max(1);
        let outputs = if self.classes == 2 { 1 } else { cols };
        let mut out = Matrix::zeros(x.rows, cols);
        let mut sums = vec![0.0; outputs];
        for row in 0..x.rows {
            sums.fill(0.0);
            for tree in &self.trees {
                sums.iter_mut().zip(tree.predict(x.row(row))).for_each(|(sum, v)| *sum += f64::from(*v));
            }
            sums.iter_mut().for_each(|sum| *sum /= self.trees.len() as f64);
            match out.row_mut(row) {
                [no, yes] if self.classes == 2 => (*no, *yes) = (1.0 - sums[0], sums[0]),
                cells => {
                    cells.copy_from_slice(&sums);
                    // Leaves are in single precision: their shares sum to 1 only nearly.
                    if self.classes > 0 {
                        normalise(cells);
                    }
                }
            }
        }
        out
    }
}

/// The numbers a tree is fitted to: for two classes whether it is the second, for more one a class.
fn outputs(target: &Target) -> (Vec<f64>, usize, usize) {
    match target {
        Target::Numbers(values) => (values.clone(), 1, 0),
        Target::Classes { codes, count: 2 } => (codes.iter().map(|&code| code as f64).collect(), 1, 2),
        Target::Classes { codes, count } => {
            let of_class = |&code: &usize| (0..*count).map(move |class| f64::from(u8::from(class == code)));
            (codes.iter().flat_map(of_class).collect(), *count, *count)
        }
    }
}

/// The rows a tree sees and, when they were drawn, their weights times how often.
fn rows_of_tree(spec: ForestSpec, weights: &[f64], rng: &mut Rng) -> (Vec<u32>, Option<Vec<f64>>) {
    let n = weights.len();
    if !spec.bootstrap {
        return ((0..n as u32).filter(|&row| weights[row as usize] > 0.0).collect(), None);
    }
    let mut drawn = vec![0.0; n];
    for _ in 0..n {
        let row = rng.below(n);
        drawn[row] += weights[row];
    }
    ((0..n as u32).filter(|&row| drawn[row as usize] > 0.0).collect(), Some(drawn))
}
