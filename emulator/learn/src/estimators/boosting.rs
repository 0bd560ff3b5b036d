//! Gradient boosting by the perpetual library: it chooses the size of its trees and when to stop by itself, within a
//! budget. Its trees are kept in our own form, which is smaller and always written in the same order.

use super::FitError;
use super::tree::Tree;
use crate::linear::{normalise, sigmoid};
use crate::matrix::Matrix;
use crate::target::Target;
use crate::watch::Watch;
use perpetual::PerpetualBooster;
use perpetual::objective::Objective;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Log-odds of what never varied in training.
const CERTAIN: f64 = 10.0;

/// Boosted trees of one output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sum {
    base: f64,
    trees: Vec<Tree>,
}

impl Sum {
    fn predict(&self, row: &[f64]) -> f64 {
        self.base + self.trees.iter().flat_map(|tree| tree.predict(row).first()).map(|v| f64::from(*v)).sum::<f64>()
    }
}

/// One sum for numbers or two classes; one a class against the rest for more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Boosted {
    /// Number of classes; 0 for numbers.
    classes: usize,
    sums: Vec<Sum>,
}

impl Boosted {
    pub(crate) fn fit(
        budget: f32,
        x: &Matrix,
        target: &Target,
        weights: Option<&[f64]>,
        watch: &Watch,
    ) -> Result<Self, FitError> {
        let columns = x.column_major();
        let data = perpetual::Matrix::new(&columns, x.rows, x.cols);
        let one = |y: &[f64], objective: Objective| -> Result<Sum, FitError> {
            watch.check()?;
            if let Some(base) = constant(y, &objective) {
                return Ok(Sum { base, trees: Vec::new() });
            }
            let mut booster = PerpetualBooster::default()
                .set_objective(objective)
                .set_budget(budget)
                .set_max_bin(bins_for(x.rows))
                .set_num_threads(Some(1))
                .set_timeout(watch.left())
                .set_iteration_limit(Some(500));
            booster.fit(&data, y, weights, None).map_err(|e| FitError::Failed(e.to_string()))?;
            watch.check()?;
            sum_of(&booster)
        };
        let (classes, sums) = match target {
            Target::Numbers(values) => (0, vec![one(values, Objective::SquaredLoss)?]),
            Target::Classes { codes, count: 2 } => {
                let y: Vec<f64> = codes.iter().map(|&code| code as f64).collect();
                (2, vec![one(&y, Objective::LogLoss)?])
            }
            Target::Classes { codes, count } => {
                let of_class = |class| codes.iter().map(|&code| f64::from(u8::from(code == class))).collect::<Vec<_>>();
                let sums =
                    (0..*count).map(|class| one(&of_class(class), Objective::LogLoss)).collect::<Result<_, _>>()?;
                (*count, sums)
            }
        };
        Ok(Self { classes, sums })
    }

    /// Probabilities (a column a class) or numbers (one column).
    pub(crate) fn predict(&self, x: &Matrix) -> Matrix {
        let mut out = Matrix::zeros(x.rows, self.classes.max(1));
        for row in 0..x.rows {
            let values = x.row(row);
            match out.row_mut(row) {
                [number] => *number = self.sums.iter().map(|sum| sum.predict(values)).sum(),
                [no, yes] => {
                    let p = sigmoid(self.sums.iter().map(|sum| sum.predict(values)).sum());
                    (*no, *yes) = (1.0 - p, p);
                }
                cells => {
                    cells.iter_mut().zip(&self.sums).for_each(|(cell, sum)| *cell = sigmoid(sum.predict(values)));
                    normalise(cells);
                }
            }
        }
        out
    }
}

/// A target without two values needs no tree; a class without a row, or with all of them, is as good as certain.
fn constant(y: &[f64], objective: &Objective) -> Option<f64> {
    let first = *y.first()?;
    if y.iter().any(|v| *v != first) {
        return None;
    }
    Some(match objective {
        Objective::LogLoss => CERTAIN * (2.0 * first - 1.0),
        _ => first,
    })
}

/// Histograms cost their size for every fit; few rows don't fill many bins.
fn bins_for(rows: usize) -> u16 {
    if rows < 1000 { 31 } else { 63 }
}

fn sum_of(booster: &PerpetualBooster) -> Result<Sum, FitError> {
    if !booster.base_score.is_finite() {
        return Err(FitError::Failed("boosting found no finite starting score".to_owned()));
    }
    let trees = booster.get_prediction_trees().iter().map(|tree| compact(&tree.nodes)).collect::<Result<_, _>>()?;
    Ok(Sum { base: booster.base_score, trees })
}

fn compact(nodes: &HashMap<usize, perpetual::node::Node>) -> Result<Tree, FitError> {
    let mut tree = Tree::new(1);
    let mut open = vec![(0, None)];
    while let Some((number, parent)) = open.pop() {
        let node = nodes.get(&number).ok_or_else(|| FitError::Failed(format!("a boosted tree lacks node {number}")))?;
        let place = if node.is_leaf {
            tree.leaf([f64::from(node.weight_value)])
        } else {
            let place = tree.split(node.split_feature, node.split_value);
            open.push((node.right_child, Some((place, false))));
            open.push((node.left_child, Some((place, true))));
            place
        };
        if let Some((above, goes_left)) = parent {
            tree.link(above, goes_left, place);
        }
    }
    Ok(tree)
}
