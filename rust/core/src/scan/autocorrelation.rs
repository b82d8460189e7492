//! How much each column resembles itself one row earlier, asset by asset.

use crate::columns::Column;
use crate::error::{Error, Result};
use crate::parallel::{Cancel, map_blocks};
use crate::scan::numbers::common_rows;
use crate::scan::series::Series;

/// Columns of a task: neighbours in a row-major matrix share cache lines.
const WIDTH: usize = 8;
/// Rows that are read at a time.
const TILE: usize = 2_048;

/// The autocorrelation of each column at a lag of one row of the same asset; NaN where no asset varies.
///
/// Each asset is standardised on its own, the products of neighbours are averaged over all assets. A column is read
/// once.
pub fn autocorrelations(columns: &[Column<'_>], series: &Series<'_>, cancel: &Cancel) -> Result<Vec<f64>> {
    check(columns, series)?;
    let found = map_blocks(columns.len(), WIDTH, series.len(), cancel, |group| {
        let columns = &columns[group];
        let mut totals = vec![(0.0, 0.0); columns.len()];
        let mut values = vec![0.0; TILE];
        for asset in series.assets() {
            let mut sums = vec![Neighbours::default(); columns.len()];
            for start in asset.clone().step_by(TILE) {
                cancel.check()?;
                let stop = (start + TILE).min(asset.end);
                for (sums, column) in sums.iter_mut().zip(columns) {
                    let values = &mut values[..stop - start];
                    series.read(column, asset.start, start..stop, false, values);
                    sums.add(values);
                }
            }
            for (total, sums) in totals.iter_mut().zip(&sums) {
                let (product, pairs) = sums.standardised();
                total.0 += product;
                total.1 += pairs;
            }
        }
        Ok(totals.into_iter().map(|(product, pairs)| if pairs > 0.0 { product / pairs } else { f64::NAN }).collect())
    })?;
    Ok(found.into_iter().flat_map(|part: Vec<f64>| part).collect())
}

/// Refuses a walk through more rows than the columns have.
pub(crate) fn check(columns: &[Column<'_>], series: &Series<'_>) -> Result<()> {
    let rows = common_rows(columns)?;
    let reach = series.assets().last().map_or(0, |asset| asset.end);
    if !columns.is_empty() && reach > 0 && (0..reach).any(|place| series.row(place) >= rows) {
        return Err(Error::LengthMismatch { name: "the series".into(), got: series.len(), expected: rows });
    }
    Ok(())
}

/// Sums over one asset, around its first number.
#[derive(Clone, Default)]
struct Neighbours {
    count: f64,
    shift: f64,
    sum: f64,
    squares: f64,
    pairs: f64,
    earlier: f64,
    later: f64,
    products: f64,
    last: Option<f64>,
}

impl Neighbours {
    fn add(&mut self, values: &[f64]) {
        if self.count == 0.0 {
            match values.iter().find(|value| !value.is_nan()) {
                Some(&first) => self.shift = first,
                None => return,
            }
        }
        for &value in values {
            if value.is_nan() {
                self.last = None;
                continue;
            }
            let here = value - self.shift;
            self.count += 1.0;
            self.sum += here;
            self.squares += here * here;
            if let Some(before) = self.last {
                self.pairs += 1.0;
                self.earlier += before;
                self.later += here;
                self.products += before * here;
            }
            self.last = Some(here);
        }
    }

    /// The sum of products of standardised neighbours, and how many there are.
    fn standardised(&self) -> (f64, f64) {
        let mean = self.sum / self.count;
        let variance = self.squares / self.count - mean * mean;
        if self.count < 2.0 || variance.is_nan() || variance <= 0.0 {
            return (0.0, 0.0);
        }
        let centred = self.products - mean * (self.earlier + self.later) + self.pairs * mean * mean;
        (centred / variance, self.pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Strided;

    /// Standardise each asset, then average the products of neighbours.
    fn twin(values: &[f64], starts: &[usize]) -> f64 {
        let (mut sum, mut pairs) = (0.0, 0.0);
        for (i, &start) in starts.iter().enumerate() {
            let asset = &values[start..starts.get(i + 1).copied().unwrap_or(values.len())];
            let known: Vec<f64> = asset.iter().copied().filter(|v| !v.is_nan()).collect();
            let mean = known.iter().sum::<f64>() / known.len() as f64;
            let variance = known.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / known.len() as f64;
            if known.len() < 2 || variance <= 0.0 {
                continue;
            }
            for pair in asset.windows(2).filter(|pair| !pair[0].is_nan() && !pair[1].is_nan()) {
                sum += (pair[0] - mean) * (pair[1] - mean) / variance;
                pairs += 1.0;
            }
        }
        sum / pairs
    }

    #[test]
    fn equals_the_twin_over_tiles_and_assets() {
        let mut state = 0.0;
        let values: Vec<f64> = (0..3 * TILE + 100)
            .map(|i| {
                state = 0.9 * state + f64::from(u32::try_from(i * 7_919 % 101).unwrap()) - 50.0;
                if i % 97 == 3 { f64::NAN } else { state + 1e6 }
            })
            .collect();
        let starts = [0, 50, 2 * TILE + 7, 2 * TILE + 8];
        let places: Vec<i64> = starts.iter().map(|&s| s as i64).collect();
        let column = Column::F64(Strided::from_slice(&values));
        let series = Series::new(None, &places, values.len()).unwrap();
        let found = autocorrelations(&[column, column], &series, &Cancel::new()).unwrap();
        assert!((found[0] - twin(&values, &starts)).abs() < 1e-9, "{found:?}");
        assert_eq!(found[0].to_bits(), found[1].to_bits());
    }

    #[test]
    fn nothing_that_varies_is_nan() {
        let values = [3.0, 3.0, 3.0, f64::NAN];
        let column = Column::F64(Strided::from_slice(&values));
        let series = Series::new(None, &[0, 3], 4).unwrap();
        assert!(autocorrelations(&[column], &series, &Cancel::new()).unwrap()[0].is_nan());
    }
}
