//! Features as small whole numbers, so that a split is found by counting instead of sorting.

use crate::matrix::Matrix;

/// Cuts of a feature, at most; bins are one more and fit a byte.
const MOST_CUTS: usize = 63;

/// Every feature's bin for every row, a column after the other, and where the cuts between bins are.
#[derive(Debug)]
pub(crate) struct Bins {
    pub(crate) rows: usize,
    pub(crate) codes: Vec<u8>,
    /// Ascending; a value below `cuts[i]` and not below `cuts[i - 1]` is in bin `i`.
    pub(crate) cuts: Vec<Vec<f64>>,
}

impl Bins {
    pub(crate) fn new(x: &Matrix) -> Self {
        let mut codes = Vec::with_capacity(x.rows * x.cols);
        let mut cuts = Vec::with_capacity(x.cols);
        for col in 0..x.cols {
            let values = x.column(col);
            let found = cuts_of(&values);
            codes.extend(values.iter().map(|v| found.partition_point(|cut| cut <= v) as u8));
            cuts.push(found);
        }
        Self { rows: x.rows, codes, cuts }
    }

    pub(crate) fn features(&self) -> usize {
        self.cuts.len()
    }

    pub(crate) fn column(&self, feature: usize) -> &[u8] {
        &self.codes[feature * self.rows..(feature + 1) * self.rows]
    }
}

/// Half-way between neighbouring values; where those are too many, at even steps through the sorted rows.
fn cuts_of(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut distinct = sorted.clone();
    distinct.dedup();
    if distinct.len() <= MOST_CUTS + 1 {
        return distinct.windows(2).map(|pair| between(pair[0], pair[1])).collect();
    }
    let mut cuts: Vec<f64> = (1..=MOST_CUTS)
        .filter_map(|step| {
            let value = sorted[step * sorted.len() / (MOST_CUTS + 1)];
            let below = distinct.partition_point(|d| *d < value).checked_sub(1)?;
            Some(between(distinct[below], value))
        })
        .collect();
    cuts.dedup();
    cuts
}

/// A cut that separates the two even where rounding would put the middle on the lower.
fn between(low: f64, high: f64) -> f64 {
    let middle = low + (high - low) / 2.0;
    if middle > low { middle } else { high }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_keep_the_order_and_separate_what_the_cuts_separate() {
        let values: Vec<f64> = (0..500).map(|i| f64::from((i * 37) % 201) / 3.0).collect();
        let bins = Bins::new(&Matrix { rows: values.len(), cols: 1, data: values.clone() });
        assert!(bins.cuts[0].len() <= MOST_CUTS && bins.cuts[0].len() > 40);
        assert!(bins.cuts[0].windows(2).all(|pair| pair[0] < pair[1]));
        for (value, &code) in values.iter().zip(bins.column(0)) {
            let code = usize::from(code);
            assert!(code == bins.cuts[0].len() || *value < bins.cuts[0][code]);
            assert!(code == 0 || *value >= bins.cuts[0][code - 1]);
        }
    }

    #[test]
    fn few_values_are_all_told_apart() {
        let bins = Bins::new(&Matrix { rows: 4, cols: 1, data: vec![2.0, 0.0, 1.0, 0.0] });
        assert_eq!(bins.codes, [2, 0, 1, 0]);
        assert_eq!(bins.cuts[0], [0.5, 1.5]);
    }
}
