//! Rows as series: each asset's follow each other in time.

use std::ops::Range as StdRange;

use crate::columns::Column;
use crate::error::{Error, Result};
use crate::scan::numbers::{Places, check_rows, read_finite};

/// A walk through rows, asset by asset; a lag counts the rows of one asset.
#[derive(Debug, Clone, Copy)]
pub struct Series<'a> {
    order: Option<&'a [i64]>,
    starts: &'a [i64],
    len: usize,
}

impl<'a> Series<'a> {
    /// A walk through the rows of `order` (all of `rows`, as they lie, for `None`), with an asset beginning at each of
    /// `starts`; the first begins at 0.
    pub fn new(order: Option<&'a [i64]>, starts: &'a [i64], rows: usize) -> Result<Self> {
        if let Some(order) = order {
            check_rows(order, rows)?;
        }
        let len = order.map_or(rows, <[i64]>::len);
        let ascend = starts.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascend || (len > 0 && starts.first() != Some(&0)) || starts.last().is_some_and(|&s| s >= len.max(1) as i64)
        {
            return Err(Error::Parameter {
                name: "starts".into(),
                value: format!("{:?}", &starts[..starts.len().min(4)]),
                hint: format!("pass ascending places from 0 to below {len}"),
            });
        }
        Ok(Self { order, starts, len })
    }

    /// How many rows are walked through.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The places of each asset.
    pub fn assets(&self) -> impl Iterator<Item = StdRange<usize>> + '_ {
        let stops = self.starts.iter().skip(1).map(|&stop| stop as usize).chain([self.len]);
        self.starts.iter().map(|&start| start as usize).zip(stops).map(|(start, stop)| start..stop)
    }

    /// The asset at a place.
    pub(crate) fn asset_at(&self, place: usize) -> StdRange<usize> {
        let number = self.starts.partition_point(|&start| start as usize <= place);
        self.starts[number - 1] as usize..self.starts.get(number).map_or(self.len, |&stop| stop as usize)
    }

    /// The rows at some places.
    pub(crate) fn places(&self, at: &StdRange<usize>) -> Places<'a> {
        Places::of(self.order).slice(at.start, at.len())
    }

    /// The row at one place.
    pub(crate) fn row(&self, place: usize) -> usize {
        self.order.map_or(place, |order| order[place] as usize)
    }

    /// Reads the numbers at some places; with `difference` what they changed by since the asset's row before, which
    /// the first row of an asset, beginning at `start`, has none of. NaN where there is no finite number.
    pub(crate) fn read(
        &self,
        column: &Column<'_>,
        start: usize,
        at: StdRange<usize>,
        difference: bool,
        out: &mut [f64],
    ) {
        read_finite(column, self.places(&at), out);
        if !difference || out.is_empty() {
            return;
        }
        let mut before = [f64::NAN];
        if at.start > start {
            read_finite(column, self.places(&(at.start - 1..at.start)), &mut before);
        }
        let mut before = before[0];
        for value in out {
            (before, *value) = (*value, *value - before);
        }
    }
}

/// Sums over numbers, NaN left out, from which mean and spread follow. Sums are taken around `shift`, a number among
/// them, so that a far-off mean loses no digits.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spread {
    pub(crate) count: f64,
    shift: f64,
    sum: f64,
    squares: f64,
}

/// Numbers summed side by side, so that an addition need not wait for the one before.
const LANES: usize = 8;

impl Spread {
    /// Takes in more numbers.
    pub(crate) fn add(&mut self, values: &[f64]) {
        if self.count == 0.0 {
            match values.iter().find(|value| !value.is_nan()) {
                Some(&first) => self.shift = first,
                None => return,
            }
        }
        let (mut count, mut sum, mut squares) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        let (chunks, rest) = values.as_chunks::<LANES>();
        let mut padded = [f64::NAN; LANES];
        padded[..rest.len()].copy_from_slice(rest);
        for chunk in chunks.iter().chain([&padded]) {
            for lane in 0..LANES {
                let known = !chunk[lane].is_nan();
                let distance = if known { chunk[lane] - self.shift } else { 0.0 };
                count[lane] += if known { 1.0 } else { 0.0 };
                sum[lane] += distance;
                squares[lane] += distance * distance;
            }
        }
        self.count += count.iter().sum::<f64>();
        self.sum += sum.iter().sum::<f64>();
        self.squares += squares.iter().sum::<f64>();
    }

    pub(crate) fn mean(&self) -> f64 {
        self.shift + self.sum / self.count
    }

    /// The mean squared distance from the mean; 0 for fewer than two numbers.
    pub(crate) fn variance(&self) -> f64 {
        if self.count < 2.0 {
            return 0.0;
        }
        let mean = self.sum / self.count;
        (self.squares / self.count - mean * mean).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Strided;

    #[test]
    fn walks_by_asset_and_refuses_nonsense() {
        let series = Series::new(Some(&[4, 2, 0, 1]), &[0, 3], 5).unwrap();
        assert_eq!(series.assets().collect::<Vec<_>>(), [0..3, 3..4]);
        assert_eq!((series.asset_at(2), series.asset_at(3), series.row(1)), (0..3, 3..4, 2));
        for starts in [&[1i64][..], &[0, 0], &[0, 9], &[]] {
            assert!(Series::new(None, starts, 5).is_err(), "{starts:?}");
        }
        assert!(Series::new(Some(&[5]), &[0], 5).is_err());
        assert!(Series::new(None, &[0], 0).is_ok());
    }

    #[test]
    fn differences_reach_back_within_the_asset() {
        let values = [1.0, 4.0, 9.0, f64::INFINITY, 16.0];
        let column = Column::F64(Strided::from_slice(&values));
        let series = Series::new(None, &[0], 5).unwrap();
        let mut out = [0.0; 4];
        series.read(&column, 0, 1..5, true, &mut out);
        assert_eq!(out[..2], [3.0, 5.0]);
        assert!(out[2..].iter().all(|value| value.is_nan()));
        series.read(&column, 1, 1..5, true, &mut out);
        assert!(out[0].is_nan() && out[1] == 5.0);
    }

    #[test]
    fn spread_of_numbers_far_from_zero() {
        let mut spread = Spread::default();
        spread.add(&[f64::NAN]);
        spread.add(&[1e9 + 1.0, f64::NAN, 1e9 + 3.0]);
        spread.add(&[1e9 + 2.0]);
        assert_eq!((spread.count, spread.mean()), (3.0, 1e9 + 2.0));
        assert!((spread.variance() - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(Spread::default().variance(), 0.0);
    }
}
