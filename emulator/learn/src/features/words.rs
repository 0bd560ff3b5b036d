//! Free text as a bag of words: single words and pairs, hashed into buckets, weighted by how rare they are.

use crate::matrix::Matrix;
use crate::table::Categories;
use serde::{Deserialize, Serialize};

/// Buckets of a text column.
const BUCKETS: usize = 128;

/// Inverse document frequencies of the buckets, of the training rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Words {
    rarity: Vec<f64>,
}

impl Words {
    pub(crate) fn fit(column: &Categories, rows: &[usize]) -> Self {
        let mut documents = vec![0.0_f64; BUCKETS];
        for text in rows.iter().filter_map(|&row| column.get(row)) {
            let mut buckets: Vec<usize> = terms(text).map(|term| term % BUCKETS).collect();
            buckets.sort_unstable();
            buckets.dedup();
            buckets.into_iter().for_each(|bucket| documents[bucket] += 1.0);
        }
        let n = rows.len() as f64;
        let rarity = documents.iter().map(|d| ((1.0 + n) / (1.0 + d)).ln() + 1.0).collect();
        Self { rarity }
    }

    pub(crate) fn width(&self) -> usize {
        self.rarity.len()
    }

    pub(crate) fn write(&self, column: &Categories, rows: &[usize], out: &mut Matrix, offset: usize) {
        let width = self.rarity.len().max(1);
        for (to, &row) in rows.iter().enumerate() {
            let Some(text) = column.get(row) else { continue };
            let cells = &mut out.row_mut(to)[offset..offset + self.rarity.len()];
            terms(text).for_each(|term| cells[term % width] += 1.0);
            cells.iter_mut().zip(&self.rarity).for_each(|(cell, rarity)| *cell *= rarity);
            let length = cells.iter().map(|c| c * c).sum::<f64>().sqrt();
            if length > 0.0 {
                cells.iter_mut().for_each(|cell| *cell /= length);
            }
        }
    }
}

/// Hashes of the words and of neighbouring pairs, in lower case, without what is neither letter nor digit.
fn terms(text: &str) -> impl Iterator<Item = usize> {
    let words: Vec<String> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    let pairs: Vec<usize> = words.windows(2).map(|pair| hash(&pair.join(" "))).collect();
    words.into_iter().map(|word| hash(&word)).chain(pairs)
}

/// FNV-1a: the same on every machine and for ever, as a stored model needs.
pub(crate) fn hash(text: &str) -> usize {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    // The low bits of FNV mix little.
    ((hash >> 32) ^ hash) as u32 as usize
}
