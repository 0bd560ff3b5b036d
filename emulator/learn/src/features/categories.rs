//! Categories as indicators: one a category, or one a hash bucket where there are too many.

use super::words::hash;
use crate::matrix::Matrix;
use crate::table::{Categories, MISSING};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Buckets of a hashed column.
const BUCKETS: usize = 64;

/// One indicator a category that was seen, one more for missing values when there were any. A category that was never
/// seen sets none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OneHot {
    categories: Vec<String>,
    marked: bool,
}

impl OneHot {
    pub(crate) fn fit(column: &Categories, rows: &[usize]) -> Self {
        let codes: BTreeSet<u32> = rows.iter().map(|&row| column.codes[row]).collect();
        let mut categories: Vec<String> =
            codes.iter().filter_map(|&code| column.dictionary.get(code as usize).cloned()).collect();
        // The order of the alphabet, not that of the file: a file with its rows shuffled has the same features.
        categories.sort_unstable();
        Self { categories, marked: codes.contains(&MISSING) }
    }

    pub(crate) fn width(&self) -> usize {
        self.categories.len() + usize::from(self.marked)
    }

    pub(crate) fn write(&self, column: &Categories, rows: &[usize], out: &mut Matrix, offset: usize) {
        let index: BTreeMap<&str, usize> = self.categories.iter().enumerate().map(|(i, c)| (c.as_str(), i)).collect();
        let places: Vec<Option<usize>> = column.dictionary.iter().map(|c| index.get(c.as_str()).copied()).collect();
        for (to, &row) in rows.iter().enumerate() {
            let place = match column.codes[row] {
                MISSING => self.marked.then_some(self.categories.len()),
                code => places.get(code as usize).copied().flatten(),
            };
            if let Some(place) = place {
                out.row_mut(to)[offset + place] = 1.0;
            }
        }
    }
}

/// One indicator a bucket; missing values set none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hashed {
    buckets: usize,
}

impl Default for Hashed {
    fn default() -> Self {
        Self { buckets: BUCKETS }
    }
}

impl Hashed {
    pub(crate) fn width(&self) -> usize {
        self.buckets
    }

    pub(crate) fn write(&self, column: &Categories, rows: &[usize], out: &mut Matrix, offset: usize) {
        let places: Vec<usize> = column.dictionary.iter().map(|text| hash(text) % self.buckets.max(1)).collect();
        for (to, &row) in rows.iter().enumerate() {
            if let Some(place) = places.get(column.codes[row] as usize) {
                out.row_mut(to)[offset + place] = 1.0;
            }
        }
    }
}
