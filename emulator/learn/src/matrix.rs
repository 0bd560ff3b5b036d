//! A dense matrix of doubles, row after row.

use serde::{Deserialize, Serialize};

/// Row-major: linear models and distances read whole rows. Trees make their own columns of bins from it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Matrix {
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) data: Vec<f64>,
}

impl Matrix {
    pub(crate) fn zeros(rows: usize, cols: usize) -> Self {
        Self { rows, cols, data: vec![0.0; rows * cols] }
    }

    pub(crate) fn row(&self, row: usize) -> &[f64] {
        &self.data[row * self.cols..(row + 1) * self.cols]
    }

    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [f64] {
        &mut self.data[row * self.cols..(row + 1) * self.cols]
    }

    /// Rows as slices; none for a matrix without columns.
    pub(crate) fn rows_iter(&self) -> impl Iterator<Item = &[f64]> {
        self.data.chunks_exact(self.cols.max(1))
    }

    pub(crate) fn column(&self, col: usize) -> Vec<f64> {
        (0..self.rows).map(|row| self.data[row * self.cols + col]).collect()
    }

    /// All columns one after the other.
    pub(crate) fn column_major(&self) -> Vec<f64> {
        (0..self.cols).flat_map(|col| (0..self.rows).map(move |row| self.data[row * self.cols + col])).collect()
    }

    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        let data = rows.iter().flat_map(|&row| self.row(row).iter().copied()).collect();
        Self { rows: rows.len(), cols: self.cols, data }
    }
}
