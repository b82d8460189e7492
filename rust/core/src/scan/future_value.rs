//! Columns that hold, row for row, what another column holds only later.
// Equal to the bit is what is asked for.
#![allow(clippy::float_cmp)]

use crate::columns::Column;
use crate::error::Result;
use crate::parallel::{Cancel, map_blocks};
use crate::scan::autocorrelation::check;
use crate::scan::numbers::read;
use crate::scan::series::Series;

/// Rows of a block.
const BLOCK: usize = 65_536;
/// Rows that are looked at first; a pair of columns that differs in more than a tenth of them is looked at no further.
const SAMPLE: usize = 1_024;

/// A column that equals a later value of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FutureValue {
    /// The column that knows too much.
    pub column: usize,
    /// The column whose later value it holds.
    pub source: usize,
    /// How many rows later.
    pub lag: i64,
    /// Rows in which both are known.
    pub known: usize,
    /// Rows of those in which they are equal.
    pub equal: usize,
    /// Rows in which the later value is news: unlike the source's value in the row before it, and now.
    pub news: usize,
    /// Rows of those in which they are equal.
    pub equal_news: usize,
}

/// What each column has in common with each source at each lag, where that is nine rows of ten or more.
///
/// A row counts where it and the later row, of the same asset, are both known. −0.0 equals 0.0; where either column is
/// of single precision both are compared in it.
pub fn future_values(
    columns: &[Column<'_>],
    sources: &[Column<'_>],
    series: &Series<'_>,
    lags: &[i64],
    cancel: &Cancel,
) -> Result<Vec<FutureValue>> {
    check(columns, series)?;
    check(sources, series)?;
    let sample = sample(series.len());
    let mut found = Vec::new();
    for (source_number, source) in sources.iter().enumerate() {
        for &lag in lags {
            let (here, there) = pairs(series, &sample, lag);
            for (column_number, column) in columns.iter().enumerate() {
                cancel.check()?;
                let known_equal = count(&Pair { column, source }, &here, &there);
                if known_equal.1 * 10 < known_equal.0 * 9 || known_equal.0 == 0 {
                    continue;
                }
                let pair = Pair { column, source };
                let parts = map_blocks(series.len(), BLOCK, 4, cancel, |block| {
                    Ok(count_block(&pair, series, block.start, block.end, lag))
                })?;
                let sum = |of: fn(&[usize; 4]) -> usize| parts.iter().map(of).sum();
                found.push(FutureValue {
                    column: column_number,
                    source: source_number,
                    lag,
                    known: sum(|part| part[0]),
                    equal: sum(|part| part[1]),
                    news: sum(|part| part[2]),
                    equal_news: sum(|part| part[3]),
                });
            }
        }
    }
    Ok(found)
}

/// Places spread over all rows, out of step with any calendar.
fn sample(len: usize) -> Vec<usize> {
    if len <= SAMPLE {
        return (0..len).collect();
    }
    let step = len as f64 / SAMPLE as f64;
    let jitter = |i: usize| (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    (0..SAMPLE)
        .map(|i| ((i as f64 + jitter(i) as f64 / f64::from(1 << 24)) * step) as usize)
        .map(|p| p.min(len - 1))
        .collect()
}

/// The rows at some places, and those `lag` rows later in the same asset, where there are such.
fn pairs(series: &Series<'_>, places: &[usize], lag: i64) -> (Vec<usize>, Vec<usize>) {
    places
        .iter()
        .filter_map(|&place| {
            let there = usize::try_from(place as i64 + lag).ok()?;
            series.asset_at(place).contains(&there).then(|| (series.row(place), series.row(there)))
        })
        .unzip()
}

struct Pair<'a> {
    column: &'a Column<'a>,
    source: &'a Column<'a>,
}

impl Pair<'_> {
    fn number(&self, column: &Column<'_>, row: usize) -> f64 {
        let mut value = [0.0];
        read(column, crate::scan::numbers::Places::From(row), &mut value);
        let single = matches!(self.column, Column::F32(_)) || matches!(self.source, Column::F32(_));
        if single { f64::from(value[0] as f32) } else { value[0] }
    }
}

fn count(pair: &Pair<'_>, here: &[usize], there: &[usize]) -> (usize, usize) {
    let mut known_equal = (0, 0);
    for (&here, &there) in here.iter().zip(there) {
        let (x, y) = (pair.number(pair.column, here), pair.number(pair.source, there));
        known_equal.0 += usize::from(!x.is_nan() && !y.is_nan());
        known_equal.1 += usize::from(x == y);
    }
    known_equal
}

/// Known rows, equal ones, rows with news, equal ones of those.
fn count_block(pair: &Pair<'_>, series: &Series<'_>, start: usize, stop: usize, lag: i64) -> [usize; 4] {
    let mut counts = [0; 4];
    let mut asset = 0..0;
    for place in start..stop {
        if !asset.contains(&place) {
            asset = series.asset_at(place);
        }
        let there = place as i64 + lag;
        if there < asset.start as i64 || there >= asset.end as i64 {
            continue;
        }
        let there = there as usize;
        let (x, later) = (pair.number(pair.column, series.row(place)), pair.number(pair.source, series.row(there)));
        if x.is_nan() || later.is_nan() {
            continue;
        }
        let equal = x == later;
        let before = there > asset.start && pair.number(pair.source, series.row(there - 1)) == later;
        let now = lag > 0 && pair.number(pair.source, series.row(place)) == later;
        counts[0] += 1;
        counts[1] += usize::from(equal);
        counts[2] += usize::from(!before && !now);
        counts[3] += usize::from(!before && !now && equal);
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Strided;

    #[test]
    fn a_later_value_is_found_with_exact_counts_and_an_earlier_one_is_not() {
        let n = 3_000;
        let y: Vec<f64> = (0..n).map(|i| f64::from((i * 7_919) % 10_007)).collect();
        let mut ahead: Vec<f32> = (0..n as usize).map(|i| y[(i + 2).min(y.len() - 1)] as f32).collect();
        ahead[100] = -1.0;
        ahead[200] = f32::NAN;
        let behind: Vec<f64> = (0..n as usize).map(|i| y[i.saturating_sub(1)]).collect();
        let columns = [Column::F32(Strided::from_slice(&ahead)), Column::F64(Strided::from_slice(&behind))];
        let series = Series::new(None, &[0, 1_000], n as usize).unwrap();
        let labels = [Column::F64(Strided::from_slice(&y))];
        let found = future_values(&columns, &labels, &series, &[0, 1, 2, 3], &Cancel::new()).unwrap();
        // Two rows at the end of each asset have no row two later; one is missing, one differs.
        let known = n as usize - 4 - 1;
        let expected =
            FutureValue { column: 0, source: 0, lag: 2, known, equal: known - 1, news: known, equal_news: known - 1 };
        assert_eq!(found, [expected]);
        let past = future_values(&columns, &labels, &series, &[-1], &Cancel::new()).unwrap();
        assert_eq!((past.len(), past[0].column, past[0].lag), (1, 1, -1));
    }

    #[test]
    fn a_flag_that_rarely_changes_is_no_news() {
        let flag: Vec<bool> = (0..1_000).map(|i| i / 250 % 2 == 0).collect();
        let column = [Column::Bool(Strided::from_slice(&flag))];
        let series = Series::new(None, &[0], 1_000).unwrap();
        let found = future_values(&column, &column, &series, &[1], &Cancel::new()).unwrap();
        assert_eq!((found[0].known, found[0].equal, found[0].news, found[0].equal_news), (999, 996, 3, 0));
    }
}
