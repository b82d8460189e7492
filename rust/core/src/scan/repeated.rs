//! Rows that say the same as the row before them.

use super::cell::Cell;
use crate::columns::Column;
use crate::error::{Error, Result};
use crate::parallel::{Cancel, map_blocks};
use crate::with_column;

/// Rows of a block: the unit of work of a thread.
const BLOCK: usize = 16_384;

/// The rows that equal another given row in every column: row `i` is held against row `previous[i]`, and is left out
/// where that is no row (`u32::MAX`, say).
///
/// NaN equals NaN and −0.0 equals 0.0. Columns are looked at one after the other, and only where all earlier ones
/// agreed: on continuous data that is one column. Memory is 8 bytes for each row of a block.
pub fn repeated_rows(columns: &[Column<'_>], previous: &[u32], cancel: &Cancel) -> Result<Vec<u32>> {
    let rows = previous.len();
    if let Some(column) = columns.iter().find(|column| column.len() != rows) {
        return Err(Error::LengthMismatch { name: "a column".into(), got: column.len(), expected: rows });
    }
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let found = map_blocks(rows, BLOCK, columns.len(), cancel, |block| {
        let mut pairs: Vec<(u32, u32)> =
            block.map(|row| (row as u32, previous[row])).filter(|&(_, before)| (before as usize) < rows).collect();
        for column in columns {
            if pairs.is_empty() {
                break;
            }
            with_column!(column, view => {
                pairs.retain(|&(row, before)| view.get(row as usize).same(view.get(before as usize)));
            });
        }
        Ok(pairs)
    })?;
    Ok(found.into_iter().flatten().map(|(row, _)| row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Strided;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn equals_every_row_by_itself(
            codes in prop::collection::vec((0usize..4, 0usize..3), 0..60), lag in 1usize..5,
        ) {
            let floats: Vec<f64> = codes.iter().map(|&(code, _)| [0.0, -0.0, f64::NAN, 1.0][code]).collect();
            let flags: Vec<u8> = codes.iter().map(|&(_, code)| code as u8).collect();
            let previous: Vec<u32> =
                (0..codes.len()).map(|row| row.checked_sub(lag).map_or(u32::MAX, |before| before as u32)).collect();
            let columns = [Column::F64(Strided::from_slice(&floats)), Column::U8(Strided::from_slice(&flags))];
            let same = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan());
            let expected: Vec<u32> = (lag..codes.len())
                .filter(|&row| same(floats[row], floats[row - lag]) && flags[row] == flags[row - lag])
                .map(|row| row as u32)
                .collect();
            prop_assert_eq!(repeated_rows(&columns, &previous, &Cancel::new()).unwrap(), expected);
        }
    }

    #[test]
    fn lengths_must_agree() {
        let columns = [Column::U8(Strided::from_slice(&[1, 2]))];
        assert_eq!(repeated_rows(&columns, &[0], &Cancel::new()).unwrap_err().code(), "data.length_mismatch");
        assert_eq!(repeated_rows(&[], &[0], &Cancel::new()).unwrap(), Vec::<u32>::new());
    }
}
