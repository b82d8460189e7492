//! Whether cells are missing more often in one class of rows than in another.

use crate::columns::{Column, Strided};
use crate::error::{Error, Result};
use crate::parallel::{Cancel, map_blocks};
use crate::scan::numbers::common_rows;

/// Rows of a block; whole words of 64.
const BLOCK: usize = 65_536;

/// The number of missing cells of each column in each class, a column after the other.
///
/// `classes` has a number below `count` for each row, or any other for rows that are not counted. Cells are looked at 64
/// at a time as bits; integers and booleans are never missing.
pub fn missing_by_class(columns: &[Column<'_>], classes: &[u8], count: usize, cancel: &Cancel) -> Result<Vec<usize>> {
    let rows = common_rows(columns)?;
    if !columns.is_empty() && classes.len() != rows {
        return Err(Error::LengthMismatch { name: "classes".into(), got: classes.len(), expected: rows });
    }
    let parts = map_blocks(rows, BLOCK, columns.len(), cancel, |block| {
        let members = (0..count).map(|class| bits(&classes[block.clone()], |&c| usize::from(c) == class));
        let members: Vec<Vec<u64>> = members.collect();
        let mut counts = Vec::with_capacity(columns.len() * count);
        for column in columns {
            let missing = match column {
                Column::F32(view) => missing_bits(&view.slice(block.start, block.end), f32::is_nan),
                Column::F64(view) => missing_bits(&view.slice(block.start, block.end), f64::is_nan),
                _ => Vec::new(),
            };
            counts.extend(members.iter().map(|class| common_bits(&missing, class)));
        }
        Ok(counts)
    })?;
    let mut totals = vec![0; columns.len() * count];
    for part in parts {
        for (total, count) in totals.iter_mut().zip(part) {
            *total += count;
        }
    }
    Ok(totals)
}

fn missing_bits<T: Copy>(view: &Strided<'_, T>, is_nan: impl Fn(T) -> bool) -> Vec<u64> {
    match view.as_slice() {
        Some(values) => bits(values, |&value| is_nan(value)),
        None => bits(&view.iter().collect::<Vec<_>>(), |&value| is_nan(value)),
    }
}

/// A bit per value, 64 to a word.
pub(crate) fn bits<T>(values: &[T], test: impl Fn(&T) -> bool) -> Vec<u64> {
    let word = |values: &[T]| values.iter().enumerate().fold(0, |word, (i, value)| word | u64::from(test(value)) << i);
    values.chunks(64).map(word).collect()
}

fn common_bits(a: &[u64], b: &[u64]) -> usize {
    a.iter().zip(b).map(|(a, b)| (a & b).count_ones() as usize).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn equals_counting(rows in prop::collection::vec((any::<bool>(), 0u8..4), 0..200), wide in any::<bool>()) {
            let values: Vec<f64> = rows.iter().map(|row| if row.0 { f64::NAN } else { 1.0 }).collect();
            let doubled: Vec<f32> = rows.iter().flat_map(|row| [if row.0 { f32::NAN } else { 1.0 }, 0.0]).collect();
            let classes: Vec<u8> = rows.iter().map(|row| row.1).collect();
            let column = if wide {
                Column::F64(Strided::from_slice(&values))
            } else {
                Column::F32(Strided::new(&doubled, 2, rows.len()))
            };
            let whole = vec![7i64; rows.len()];
            let columns = [column, Column::I64(Strided::from_slice(&whole))];
            let found = missing_by_class(&columns, &classes, 3, &Cancel::new()).unwrap();
            let count = |class| rows.iter().filter(|row| row.0 && row.1 == class).count();
            prop_assert_eq!(found, [count(0), count(1), count(2), 0, 0, 0]);
        }
    }
}
