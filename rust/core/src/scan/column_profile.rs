//! What each column holds, counted in one pass: missing values so far.

use crate::columns::{Column, Strided};
use crate::error::{Error, Result};
use crate::parallel::{Cancel, map_blocks};

/// Rows of a block, the unit of work of a thread; and of a tile, which stays in the cache for the next column.
const BLOCK: usize = 65_536;
const TILE: usize = 512;

/// How many NaN each column holds; integers and booleans hold none and are not read.
pub fn nan_counts(columns: &[Column<'_>], cancel: &Cancel) -> Result<Vec<usize>> {
    let Some(first) = columns.first() else { return Ok(Vec::new()) };
    let rows = first.len();
    if let Some(column) = columns.iter().find(|column| column.len() != rows) {
        return Err(Error::LengthMismatch { name: "a column".into(), got: column.len(), expected: rows });
    }
    let parts = map_blocks(rows, BLOCK, columns.len(), cancel, |block| {
        let mut counts = vec![0usize; columns.len()];
        for start in block.clone().step_by(TILE) {
            let stop = (start + TILE).min(block.end);
            for (count, column) in counts.iter_mut().zip(columns) {
                *count += match column {
                    Column::F32(view) => count_nan(&view.slice(start, stop), f32::is_nan),
                    Column::F64(view) => count_nan(&view.slice(start, stop), f64::is_nan),
                    _ => 0,
                };
            }
        }
        Ok(counts)
    })?;
    let mut totals = vec![0; columns.len()];
    for part in parts {
        for (total, count) in totals.iter_mut().zip(part) {
            *total += count;
        }
    }
    Ok(totals)
}

#[inline]
fn count_nan<T: Copy>(view: &Strided<'_, T>, is_nan: impl Fn(T) -> bool) -> usize {
    match view.as_slice() {
        Some(slice) => slice.iter().filter(|&&value| is_nan(value)).count(),
        None => view.iter().filter(|&value| is_nan(value)).count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_column_in_both_layouts() {
        let (rows, width) = (2 * BLOCK + 5, 3);
        let matrix: Vec<f64> =
            (0..rows * width).map(|i| if i % 3 == 1 && i % 7 == 0 { f64::NAN } else { i as f64 }).collect();
        let by_row: Vec<Column<'_>> =
            (0..width).map(|j| Column::F64(Strided::new(&matrix[j..], width, rows))).collect();
        let expected = (0..rows * width).filter(|i| i % 3 == 1 && i % 7 == 0).count();
        assert_eq!(nan_counts(&by_row, &Cancel::new()).unwrap(), [0, expected, 0]);
        let singles = [f32::NAN, 1.0, -f32::NAN];
        let columns = [Column::F32(Strided::from_slice(&singles)), Column::I8(Strided::from_slice(&[0, 1, 2]))];
        assert_eq!(nan_counts(&columns, &Cancel::new()).unwrap(), [2, 0]);
        assert_eq!(nan_counts(&[], &Cancel::new()).unwrap(), Vec::<usize>::new());
    }

    #[test]
    fn ragged_columns_are_refused() {
        let columns = [Column::I8(Strided::from_slice(&[0])), Column::I8(Strided::from_slice(&[0, 1]))];
        assert_eq!(nan_counts(&columns, &Cancel::new()).unwrap_err().code(), "data.length_mismatch");
    }
}
