//! Growing a tree over binned features.
//!
//! One way for classes and numbers: a class is a number that is 1 for its rows and 0 for others, and the decrease of
//! squared error then is the decrease of Gini's impurity. Ours rather than smartcore's, whose forests answer with
//! labels alone, know no row weights, and take minutes for the rows that take seconds here.

use super::bins::Bins;
use super::tree::Tree;
use crate::rng::Rng;

/// How a tree grows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Growth {
    pub(crate) max_depth: usize,
    /// Least weight of a leaf.
    pub(crate) min_leaf: f64,
    /// Features looked at for each split.
    pub(crate) features: usize,
    /// Takes one random cut a feature instead of the best.
    pub(crate) random_cuts: bool,
}

/// What a tree is fitted to: `outputs` numbers a row, and the rows' weights.
pub(crate) struct Fitted<'a> {
    pub(crate) y: &'a [f64],
    pub(crate) outputs: usize,
    pub(crate) weights: &'a [f64],
}

/// Grows a tree over these rows; their order changes.
pub(crate) fn grow(bins: &Bins, fitted: &Fitted<'_>, rows: &mut [u32], growth: Growth, rng: &mut Rng) -> Tree {
    let mut grower = Grower {
        bins,
        fitted,
        growth,
        rng,
        order: (0..bins.features()).collect(),
        histogram: Vec::new(),
        tree: Tree::new(fitted.outputs),
    };
    // Ranges of rows still to place, and where their node hangs.
    let mut open = vec![(0, rows.len(), 0, None)];
    while let Some((start, end, depth, parent)) = open.pop() {
        let node_rows = &mut rows[start..end];
        let sums = grower.sums(node_rows);
        let split = if depth < growth.max_depth { grower.best_split(node_rows, &sums) } else { None };
        let node = match split {
            None => grower.tree.leaf(sums.y.iter().map(|s| s / sums.weight)),
            Some(Split { feature, bin, .. }) => {
                let middle = start + partition(node_rows, bins.column(feature), bin);
                let node = grower.tree.split(feature, bins.cuts[feature][usize::from(bin)]);
                open.push((middle, end, depth + 1, Some((node, false))));
                open.push((start, middle, depth + 1, Some((node, true))));
                node
            }
        };
        if let Some((above, goes_left)) = parent {
            grower.tree.link(above, goes_left, node);
        }
    }
    grower.tree
}

/// Moves the rows of `bin` and below to the front; how many those are.
fn partition(rows: &mut [u32], codes: &[u8], bin: u8) -> usize {
    let mut left = 0;
    for next in 0..rows.len() {
        if codes[rows[next] as usize] <= bin {
            rows.swap(left, next);
            left += 1;
        }
    }
    left
}

struct Sums {
    weight: f64,
    y: Vec<f64>,
    pure: bool,
}

#[derive(Debug, Clone, Copy)]
struct Split {
    feature: usize,
    /// Rows of this bin and below go left.
    bin: u8,
    score: f64,
}

struct Grower<'a> {
    bins: &'a Bins,
    fitted: &'a Fitted<'a>,
    growth: Growth,
    rng: &'a mut Rng,
    order: Vec<usize>,
    /// For each bin: weight, then weighted sums of the outputs.
    histogram: Vec<f64>,
    tree: Tree,
}

impl Grower<'_> {
    fn sums(&self, rows: &[u32]) -> Sums {
        let k = self.fitted.outputs;
        let mut sums = Sums { weight: 0.0, y: vec![0.0; k], pure: true };
        let first = rows.first().map_or(0, |&row| row as usize * k);
        for &row in rows {
            let row = row as usize;
            let weight = self.fitted.weights[row];
            sums.weight += weight;
            for output in 0..k {
                let y = self.fitted.y[row * k + output];
                sums.y[output] += weight * y;
                sums.pure &= y == self.fitted.y[first + output];
            }
        }
        sums
    }

    fn best_split(&mut self, rows: &[u32], sums: &Sums) -> Option<Split> {
        if sums.pure || sums.weight < 2.0 * self.growth.min_leaf {
            return None;
        }
        let mut best: Option<Split> = None;
        let mut looked_at = 0;
        for place in 0..self.order.len() {
            if looked_at >= self.growth.features {
                break;
            }
            let other = place + self.rng.below(self.order.len() - place);
            self.order.swap(place, other);
            let feature = self.order[place];
            let Some((low, high)) = self.fill_histogram(feature, rows) else { continue };
            looked_at += 1;
            let found = if self.growth.random_cuts {
                let cut = low + self.rng.below(high - low);
                self.scan(feature, sums, cut..cut + 1)
            } else {
                self.scan(feature, sums, low..high)
            };
            if let Some(split) = found
                && best.is_none_or(|b| split.score > b.score)
            {
                best = Some(split);
            }
        }
        let whole: f64 = sums.y.iter().map(|s| s * s).sum::<f64>() / sums.weight;
        best.filter(|split| split.score > whole + 1e-9 * whole.abs().max(1e-9))
    }

    /// Sums the rows of each bin; the lowest and highest bin in use, unless they are one.
    fn fill_histogram(&mut self, feature: usize, rows: &[u32]) -> Option<(usize, usize)> {
        let codes = self.bins.column(feature);
        let k = self.fitted.outputs;
        let cells = k + 1;
        self.histogram.clear();
        self.histogram.resize((self.bins.cuts[feature].len() + 1) * cells, 0.0);
        let (mut low, mut high) = (usize::MAX, 0);
        for &row in rows {
            let row = row as usize;
            let code = usize::from(codes[row]);
            low = low.min(code);
            high = high.max(code);
            let weight = self.fitted.weights[row];
            let bin = &mut self.histogram[code * cells..(code + 1) * cells];
            bin[0] += weight;
            for (sum, y) in bin[1..].iter_mut().zip(&self.fitted.y[row * k..(row + 1) * k]) {
                *sum += weight * y;
            }
        }
        (low < high).then_some((low, high))
    }

    /// The best of the cuts above these bins.
    fn scan(&self, feature: usize, sums: &Sums, cuts: std::ops::Range<usize>) -> Option<Split> {
        let cells = self.fitted.outputs + 1;
        let mut left = vec![0.0; cells];
        let mut best: Option<Split> = None;
        for (bin, sums_of_bin) in self.histogram.chunks_exact(cells).enumerate().take(cuts.end) {
            left.iter_mut().zip(sums_of_bin).for_each(|(l, s)| *l += s);
            let (weight_left, weight_right) = (left[0], sums.weight - left[0]);
            // A bin without rows offers the same split as the one before it.
            if bin < cuts.start
                || (sums_of_bin[0] == 0.0 && !self.growth.random_cuts)
                || weight_left < self.growth.min_leaf
                || weight_right < self.growth.min_leaf
            {
                continue;
            }
            let score: f64 = left[1..]
                .iter()
                .zip(&sums.y)
                .map(|(l, whole)| l * l / weight_left + (whole - l).powi(2) / weight_right)
                .sum();
            if best.is_none_or(|b| score > b.score) {
                best = Some(Split { feature, bin: bin as u8, score });
            }
        }
        best
    }
}
