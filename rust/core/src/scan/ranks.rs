//! Ranks of each column, ties averaged, missing cells apart.

use crate::columns::Column;
use crate::error::{Error, Result};
use crate::parallel::{Cancel, map_blocks_into};
use crate::scan::numbers::{Places, check_rows, common_rows};
use crate::scan::radix::{MISSING, Sorter, Stretch, read_keys};

/// The most rows that are ranked: up to here every rank, and every mean of two, is exact in `f32`.
pub const MOST_ROWS: usize = 1 << ROW_BITS;

const ROW_BITS: u32 = 22;
/// Columns of a task, which share buffers.
const WIDTH: usize = 4;

/// The ranks of some rows of each column, a column after the other: 1 for the least cell, the mean rank for equal ones,
/// NaN for NaN. Each column ranks its known cells among themselves; −0.0 equals 0.0, infinities are extremes.
///
/// `out` has `columns.len()` times as many values as rows are ranked.
///
/// # Panics
/// When `out` has not that length.
pub fn ranks(columns: &[Column<'_>], rows: Option<&[i64]>, out: &mut [f32], cancel: &Cancel) -> Result<()> {
    let all = common_rows(columns)?;
    let len = rows.map_or(all, <[i64]>::len);
    if let Some(rows) = rows {
        check_rows(rows, all)?;
    }
    if len > MOST_ROWS {
        return Err(Error::Parameter {
            name: "rows".into(),
            value: len.to_string(),
            hint: format!("rank a sample of at most {MOST_ROWS} rows"),
        });
    }
    assert_eq!(out.len(), len * columns.len(), "a rank per row and column");
    if len == 0 {
        return Ok(());
    }
    map_blocks_into(out, len * WIDTH, cancel, |cells, out| {
        let mut ranker = Ranker::default();
        for (column, out) in columns[cells.start / len..].iter().zip(out.chunks_mut(len)) {
            cancel.check()?;
            read_keys(column, Places::of(rows), len, &mut ranker.keys);
            ranker.rank(out);
        }
        Ok(())
    })?;
    Ok(())
}

/// Ranks numbers; its buffers are kept from one column to the next.
#[derive(Default)]
struct Ranker {
    sorter: Sorter,
    /// The key of each row, [`MISSING`] for NaN.
    keys: Vec<u64>,
    /// The leading bits of a known row's key, stretched, and the row below them.
    packed: Vec<u64>,
}

impl Ranker {
    /// Ranks the numbers whose keys have been read.
    fn rank(&mut self, out: &mut [f32]) {
        let known = || self.keys.iter().copied().filter(|&key| key != MISSING);
        let least = known().min().unwrap_or(0);
        let stretch = Stretch::over(least, known().max().unwrap_or(least));
        self.packed.clear();
        for (row, (&key, out)) in self.keys.iter().zip(out.iter_mut()).enumerate() {
            if key == MISSING {
                *out = f32::NAN;
            } else {
                self.packed.push(stretch.stretched(key) >> ROW_BITS << ROW_BITS | row as u64);
            }
        }
        self.sorter.sort(&mut self.packed);
        let (keys, key) = (&self.keys, |packed: u64| self.keys[row_of(packed)]);
        let mut start = 0;
        for alike in self.packed.chunk_by_mut(|a, b| a >> ROW_BITS == b >> ROW_BITS) {
            if alike.len() > 1 && !stretch.leaves(ROW_BITS) && alike.iter().any(|&row| key(row) != key(alike[0])) {
                alike.sort_unstable_by_key(|&row| keys[row_of(row)]);
                for tied in alike.chunk_by(|&a, &b| key(a) == key(b)) {
                    start = write(tied, start, out);
                }
            } else {
                start = write(alike, start, out);
            }
        }
    }
}

fn row_of(packed: u64) -> usize {
    (packed & ((1 << ROW_BITS) - 1)) as usize
}

/// Gives equal numbers their mean rank, behind the `start` that are less; says how many are then ranked.
fn write(tied: &[u64], start: usize, out: &mut [f32]) -> usize {
    let stop = start + tied.len();
    let mean = (start + stop + 1) as f32 * 0.5;
    for &packed in tied {
        out[row_of(packed)] = mean;
    }
    stop
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::columns::Strided;

    /// One and how many are less, and half of how many others are equal.
    fn twin(values: &[f64]) -> Vec<f32> {
        let count = |test: &dyn Fn(f64) -> bool| values.iter().filter(|&&v| test(v)).count() as f32;
        values
            .iter()
            .map(|&v| if v.is_nan() { f32::NAN } else { count(&|o| o < v) + (count(&|o| o == v) + 1.0) * 0.5 })
            .collect()
    }

    fn cell() -> impl Strategy<Value = f64> {
        prop_oneof![
            (-3i32..3).prop_map(f64::from),
            any::<f64>(),
            // What sorts alike by its leading bits next to what is far away.
            (0i32..5).prop_map(|steps| 1.0 + f64::from(steps) * f64::EPSILON),
            prop::sample::select(vec![f64::NAN, -0.0, f64::INFINITY, f64::NEG_INFINITY]),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn equals_counting(values in prop::collection::vec(cell(), 0..80), copies in prop::sample::select(vec![1, 30])) {
            let values = values.repeat(copies);
            let mut out = vec![0.0; values.len()];
            ranks(&[Column::F64(Strided::from_slice(&values))], None, &mut out, &Cancel::new()).unwrap();
            let bits = |ranks: &[f32]| ranks.iter().map(|r| r.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&out), bits(&twin(&values)));
        }
    }

    #[test]
    fn ranks_chosen_rows_of_every_column() {
        let (floats, flags) = ([5.0f32, 1.0, 9.0, 1.0], [true, false, false, true]);
        let columns = [Column::F32(Strided::from_slice(&floats)), Column::Bool(Strided::from_slice(&flags))];
        let mut out = [0.0; 6];
        ranks(&columns, Some(&[3, 0, 1]), &mut out, &Cancel::new()).unwrap();
        assert_eq!(out, [1.5, 3.0, 1.5, 2.5, 2.5, 1.0]);
        assert!(ranks(&columns, Some(&[4]), &mut out[..2], &Cancel::new()).is_err());
    }
}
