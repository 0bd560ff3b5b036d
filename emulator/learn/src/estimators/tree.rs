//! A decision tree as it predicts: arrays, so that it is small as JSON.

use serde::{Deserialize, Serialize};

const LEAF: i32 = -1;

/// Node `i` asks whether `feature[i]` is below `threshold[i]`: then on to `left[i]`, else to `right[i]`. For a leaf
/// the feature is -1 and `left[i]` is the number of its value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tree {
    feature: Vec<i32>,
    threshold: Vec<f64>,
    left: Vec<u32>,
    right: Vec<u32>,
    /// Values of the leaves, `outputs` for each.
    values: Vec<f32>,
    outputs: usize,
}

impl Tree {
    pub(crate) fn new(outputs: usize) -> Self {
        Self { outputs, ..Self::default() }
    }

    /// Adds a leaf; its place is for [`Tree::split`].
    pub(crate) fn leaf(&mut self, values: impl IntoIterator<Item = f64>) -> usize {
        let number = self.values.len() / self.outputs.max(1);
        self.values.extend(values.into_iter().map(|v| v as f32));
        self.push(LEAF, 0.0, number as u32)
    }

    /// Adds a node whose children are set by [`Tree::link`].
    pub(crate) fn split(&mut self, feature: usize, threshold: f64) -> usize {
        self.push(feature as i32, threshold, 0)
    }

    fn push(&mut self, feature: i32, threshold: f64, left: u32) -> usize {
        self.feature.push(feature);
        self.threshold.push(threshold);
        self.left.push(left);
        self.right.push(0);
        self.feature.len() - 1
    }

    /// Sets one child of a split.
    pub(crate) fn link(&mut self, parent: usize, goes_left: bool, child: usize) {
        let children = if goes_left { &mut self.left } else { &mut self.right };
        children[parent] = child as u32;
    }

    /// The value of the leaf this row falls into.
    pub(crate) fn predict(&self, row: &[f64]) -> &[f32] {
        let mut node = 0;
        // A path is never longer than the tree; a stored one that goes in circles ends here too.
        for _ in 0..self.feature.len() {
            let feature = self.feature[node];
            if feature == LEAF {
                let start = self.left[node] as usize * self.outputs;
                return self.values.get(start..start + self.outputs).unwrap_or(&[]);
            }
            let below = row.get(feature as usize).is_some_and(|v| *v < self.threshold[node]);
            node = (if below { self.left[node] } else { self.right[node] }) as usize;
            if node >= self.feature.len() {
                break;
            }
        }
        &[]
    }
}
