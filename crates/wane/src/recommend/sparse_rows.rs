//! A sparse matrix in compressed rows: what item-to-item models count from, and what they learn.

use crate::error::{Error, Result};

/// Rows of `(column, value)`, columns ascending within a row.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct SparseRows {
    /// Row `r` is `offsets[r]..offsets[r + 1]` of the other two.
    offsets: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl SparseRows {
    /// A matrix from its rows, each with ascending columns.
    pub(crate) fn from_rows(rows: impl IntoIterator<Item = Vec<(u32, f32)>>) -> Self {
        let mut matrix = Self { offsets: vec![0], ..Self::default() };
        for row in rows {
            matrix.columns.extend(row.iter().map(|cell| cell.0));
            matrix.values.extend(row.iter().map(|cell| cell.1));
            matrix.offsets.push(matrix.columns.len());
        }
        matrix
    }

    /// A matrix from saved arrays.
    ///
    /// # Errors
    /// [`Error::Setting`] when the arrays are not those of `n_rows` rows with columns below `n_columns`.
    pub(crate) fn from_arrays(
        (n_rows, n_columns): (usize, usize),
        offsets: &[u64],
        columns: Vec<u32>,
        values: Vec<f32>,
    ) -> Result<Self> {
        let offsets: Vec<usize> = offsets.iter().filter_map(|&o| usize::try_from(o).ok()).collect();
        let is_sound = offsets.len() == n_rows + 1
            && offsets.first() == Some(&0)
            && offsets.last() == Some(&columns.len())
            && offsets.is_sorted()
            && columns.len() == values.len()
            && columns.iter().all(|&column| (column as usize) < n_columns)
            && offsets.windows(2).all(|row| columns[row[0]..row[1]].is_sorted_by(|a, b| a < b));
        if !is_sound {
            let expected = format!("{n_rows} sparse rows with ascending columns below {n_columns}");
            return Err(Error::setting("weights", expected, "arrays of another form"));
        }
        Ok(Self { offsets, columns, values })
    }

    /// The arrays to save: offsets, columns, values.
    pub(crate) fn to_arrays(&self) -> (Vec<u64>, Vec<u32>, Vec<f32>) {
        (self.offsets.iter().map(|&o| o as u64).collect(), self.columns.clone(), self.values.clone())
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Columns and values of a row; empty for a row that is not there.
    pub(crate) fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let bound = |place: usize| self.offsets.get(place).copied().unwrap_or(self.columns.len());
        let range = bound(row)..bound(row + 1);
        (&self.columns[range.clone()], &self.values[range])
    }

    /// Cells of a row.
    pub(crate) fn cells(&self, row: usize) -> impl Iterator<Item = (u32, f32)> + '_ {
        let (columns, values) = self.row(row);
        columns.iter().copied().zip(values.iter().copied())
    }

    /// One cell; 0 where there is none.
    pub(crate) fn get(&self, row: usize, column: u32) -> f32 {
        let (columns, values) = self.row(row);
        columns.binary_search(&column).map_or(0.0, |place| values[place])
    }

    /// Rows and columns exchanged; the matrix has `n_columns` columns.
    pub(crate) fn transposed(&self, n_columns: usize) -> Self {
        let mut offsets = vec![0; n_columns + 1];
        for &column in &self.columns {
            offsets[column as usize + 1] += 1;
        }
        for column in 0..n_columns {
            offsets[column + 1] += offsets[column];
        }
        let mut next = offsets.clone();
        let (mut columns, mut values) = (vec![0; self.columns.len()], vec![0.0; self.values.len()]);
        for row in 0..self.n_rows() {
            for (column, value) in self.cells(row) {
                let place = next[column as usize];
                next[column as usize] += 1;
                (columns[place], values[place]) = (row as u32, value);
            }
        }
        Self { offsets, columns, values }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matrix() -> impl Strategy<Value = SparseRows> {
        let row = proptest::collection::btree_map(0u32..9, -2.0f32..2.0, 0..6);
        proptest::collection::vec(row, 0..8)
            .prop_map(|rows| SparseRows::from_rows(rows.into_iter().map(|row| row.into_iter().collect())))
    }

    proptest! {
        #[test]
        fn transposing_exchanges_rows_and_columns(matrix in matrix()) {
            let turned = matrix.transposed(9);
            for row in 0..matrix.n_rows() {
                for column in 0..9 {
                    prop_assert_eq!(matrix.get(row, column), turned.get(column as usize, row as u32));
                }
            }
            prop_assert_eq!(turned.transposed(matrix.n_rows()), matrix);
        }

        #[test]
        fn arrays_come_back_and_foreign_ones_are_refused(matrix in matrix()) {
            let (offsets, columns, values) = matrix.to_arrays();
            let shape = (matrix.n_rows(), 9);
            let back = SparseRows::from_arrays(shape, &offsets, columns.clone(), values.clone()).unwrap();
            prop_assert_eq!(&back, &matrix);
            prop_assert!(SparseRows::from_arrays((99, 9), &offsets, columns.clone(), values.clone()).is_err());
            if !columns.is_empty() {
                prop_assert!(SparseRows::from_arrays((shape.0, 0), &offsets, columns, values).is_err());
            }
        }
    }
}
