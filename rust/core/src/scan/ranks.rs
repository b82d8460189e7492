//! Ranks of each column, ties averaged, missing cells apart.

use crate::columns::Column;
use crate::error::{Error, Result};
use crate::parallel::{Cancel, map_blocks_into};
use crate::scan::numbers::{Places, check_rows, common_rows, read};

/// The most rows that are ranked: up to here every rank, and every mean of two, is exact in `f32`.
pub const MOST_ROWS: usize = 1 << 22;

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
    map_blocks_into(out, len, cancel, |place, out| {
        let mut values = vec![0.0; len];
        read(&columns[place.start / len], Places::of(rows), &mut values);
        rank(&values, out);
        Ok(())
    })?;
    Ok(())
}

/// A key that sorts as the number does.
pub(crate) fn sort_key(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    bits ^ (((bits as i64 >> 63) as u64) | 1 << 63)
}

/// The number a key is of; 0.0 for that of −0.0.
pub(crate) fn number_of_key(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key ^ (1 << 63) } else { !key })
}

fn rank(values: &[f64], out: &mut [f32]) {
    let mut keys: Vec<(u64, u32)> = Vec::with_capacity(values.len());
    for (row, &value) in values.iter().enumerate() {
        if value.is_nan() {
            out[row] = f32::NAN;
        } else {
            keys.push((sort_key(value), row as u32));
        }
    }
    keys.sort_unstable();
    let mut start = 0;
    for tied in keys.chunk_by(|a, b| a.0 == b.0) {
        let stop = start + tied.len();
        let mean = (start + stop + 1) as f32 * 0.5;
        for &(_, row) in tied {
            out[row as usize] = mean;
        }
        start = stop;
    }
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
            prop::sample::select(vec![f64::NAN, -0.0, f64::INFINITY, f64::NEG_INFINITY]),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn equals_counting(values in prop::collection::vec(cell(), 0..80)) {
            let mut out = vec![0.0; values.len()];
            ranks(&[Column::F64(Strided::from_slice(&values))], None, &mut out, &Cancel::new()).unwrap();
            let bits = |ranks: &[f32]| ranks.iter().map(|r| r.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&out), bits(&twin(&values)));
        }
    }

    #[test]
    fn keys_sort_as_numbers_do_and_give_them_back() {
        let numbers = [f64::NEG_INFINITY, -2.5, -1e-300, 0.0, 1e-300, 7.0, f64::INFINITY];
        assert!(numbers.windows(2).all(|pair| sort_key(pair[0]) < sort_key(pair[1])));
        assert!(numbers.iter().all(|&number| number_of_key(sort_key(number)).to_bits() == number.to_bits()));
        assert_eq!(sort_key(-0.0), sort_key(0.0));
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
