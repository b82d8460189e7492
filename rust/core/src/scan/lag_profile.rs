//! The correlation of each column with the labels of earlier and later rows.
//!
//! Each asset is standardised on its own, over its known numbers; products of a column's number at `t` and of the label
//! at `t + k` are then averaged over all assets. That is the textbook cross-correlation function, pooled.
//!
//! A row's labels at all lags are a window of one array, so no table of shifted labels is made: a task holds a few
//! columns and walks through the rows once, with the sums of sixteen neighbouring lags in registers.

use std::ops::{Range as StdRange, RangeInclusive};

use crate::columns::Column;
use crate::error::{Error, Result};
use crate::loss::cpu::{Kernel, dispatch};
use crate::parallel::{Cancel, map_blocks};
use crate::scan::autocorrelation::check;
use crate::scan::missingness::bits;
use crate::scan::series::{Series, Spread};

/// Columns of a task.
const WIDTH: usize = 8;
/// Columns whose sums are held in registers at once.
const PAIR: usize = 2;
/// Neighbouring lags whose sums are held in registers at once.
const LANES: usize = 16;
const HALF: usize = 8;
/// Rows that are read at a time: the numbers of all columns of a task stay in the cache.
const TILE: usize = 2_048;

/// Correlations by column and lag, a column after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct LagProfile {
    /// The correlation at each lag; NaN where no pair of numbers is known.
    pub correlations: Vec<f64>,
    /// How many pairs it is from.
    pub pairs: Vec<u64>,
}

/// The lag profile of each column against `labels`; columns flagged by `differenced` are taken by what they changed by.
///
/// Numbers that are not finite are missing. Assets whose column or labels do not vary say nothing, and are left out.
pub fn lag_profile(
    columns: &[Column<'_>],
    differenced: &[bool],
    labels: &Column<'_>,
    series: &Series<'_>,
    lags: RangeInclusive<i64>,
    cancel: &Cancel,
) -> Result<LagProfile> {
    check(columns, series)?;
    check(std::slice::from_ref(labels), series)?;
    if differenced.len() != columns.len() {
        let (got, expected) = (differenced.len(), columns.len());
        return Err(Error::LengthMismatch { name: "differenced".into(), got, expected });
    }
    let count = usize::try_from(lags.end() - lags.start() + 1).unwrap_or(0);
    if count == 0 || lags.start().unsigned_abs().max(lags.end().unsigned_abs()) > 1 << 20 {
        return Err(Error::Parameter {
            name: "lags".into(),
            value: format!("{}..={}", lags.start(), lags.end()),
            hint: "pass an ascending range of at most a million bars".into(),
        });
    }
    let labels = standardised_labels(labels, series, cancel)?;
    let first = *lags.start();
    let parts = map_blocks(columns.len(), WIDTH, series.len() * count.div_ceil(HALF), cancel, |group| {
        let mut task = Task::new(&columns[group.clone()], &differenced[group], series, &labels, first, count);
        for asset in series.assets() {
            task.asset(&asset, cancel)?;
        }
        Ok((task.sums, task.pairs))
    })?;
    let (mut correlations, mut pairs) = (Vec::new(), Vec::new());
    for (sums, counts) in parts {
        let mean = |(sum, &count): (f64, &u64)| if count > 0 { sum / count as f64 } else { f64::NAN };
        correlations.extend(sums.into_iter().zip(&counts).map(mean));
        pairs.extend(counts);
    }
    Ok(LagProfile { correlations, pairs })
}

/// The labels in the order of the series, each asset standardised; NaN where they are missing or do not vary.
fn standardised_labels(labels: &Column<'_>, series: &Series<'_>, cancel: &Cancel) -> Result<Vec<f64>> {
    let mut out = vec![0.0; series.len()];
    for asset in series.assets() {
        cancel.check()?;
        let values = &mut out[asset.clone()];
        series.read(labels, asset.start, asset, false, values);
        let mut spread = Spread::default();
        spread.add(values);
        standardise(values, &spread);
    }
    Ok(out)
}

fn standardise(values: &mut [f64], spread: &Spread) {
    let (mean, scale) = (spread.mean(), 1.0 / spread.variance().sqrt());
    let scale = if scale.is_finite() { scale } else { f64::NAN };
    for value in values {
        *value = (*value - mean) * scale;
    }
}

/// A few columns on their way through all rows.
struct Task<'a> {
    columns: &'a [Column<'a>],
    differenced: &'a [bool],
    series: &'a Series<'a>,
    labels: &'a [f64],
    first: i64,
    lags: usize,
    /// The numbers of each column in the tile, a tile after the other.
    numbers: Vec<f64>,
    /// The labels that the tile's rows meet at all lags, 0 where there is none; room for whole lanes behind them.
    window: Vec<f64>,
    sums: Vec<f64>,
    pairs: Vec<u64>,
}

impl<'a> Task<'a> {
    fn new(
        columns: &'a [Column<'a>],
        differenced: &'a [bool],
        series: &'a Series<'a>,
        labels: &'a [f64],
        first: i64,
        lags: usize,
    ) -> Self {
        Self {
            columns,
            differenced,
            series,
            labels,
            first,
            lags,
            numbers: vec![0.0; columns.len() * TILE],
            window: vec![0.0; TILE + lags + LANES],
            sums: vec![0.0; columns.len() * lags],
            pairs: vec![0; columns.len() * lags],
        }
    }

    fn asset(&mut self, asset: &StdRange<usize>, cancel: &Cancel) -> Result<()> {
        let tiles = || asset.clone().step_by(TILE).map(|start| start..(start + TILE).min(asset.end));
        let mut spreads = vec![Spread::default(); self.columns.len()];
        for tile in tiles() {
            cancel.check()?;
            for (j, spread) in spreads.iter_mut().enumerate() {
                self.read(j, asset.start, &tile);
                spread.add(&self.numbers[j * TILE..][..tile.len()]);
            }
        }
        for tile in tiles() {
            cancel.check()?;
            let reach = self.fill_window(asset, &tile);
            let known = bits(&self.window[..tile.len() + self.lags - 1], |value| !value.is_nan());
            for value in &mut self.window[..reach] {
                *value = if value.is_nan() { 0.0 } else { *value };
            }
            let mut met = None;
            for (j, spread) in spreads.iter().enumerate() {
                if asset.len() > TILE {
                    self.read(j, asset.start, &tile); // a short asset still lies there
                }
                let numbers = &mut self.numbers[j * TILE..][..tile.len()];
                standardise(numbers, spread);
                let pairs = &mut self.pairs[j * self.lags..][..self.lags];
                if numbers.iter().any(|value| value.is_nan()) {
                    let here = bits(numbers, |value| !value.is_nan());
                    count_pairs(&here, &known, pairs);
                    for value in numbers {
                        *value = if value.is_nan() { 0.0 } else { *value };
                    }
                } else {
                    let met = met.get_or_insert_with(|| {
                        let mut met = vec![0; self.lags];
                        count_pairs(&bits(numbers, |_| true), &known, &mut met);
                        met
                    });
                    for (pairs, met) in pairs.iter_mut().zip(met) {
                        *pairs += *met;
                    }
                }
            }
            dispatch(Products {
                numbers: &self.numbers,
                rows: tile.len(),
                window: &self.window[..reach],
                lags: self.lags,
                sums: &mut self.sums,
            });
        }
        Ok(())
    }

    fn read(&mut self, column: usize, start: usize, tile: &StdRange<usize>) {
        let out = &mut self.numbers[column * TILE..][..tile.len()];
        self.series.read(&self.columns[column], start, tile.clone(), self.differenced[column], out);
    }

    /// Lays out the labels from the tile's first row at the first lag on, NaN outside of the asset; says how many.
    fn fill_window(&mut self, asset: &StdRange<usize>, tile: &StdRange<usize>) -> usize {
        let reach = tile.len() + self.lags + LANES;
        self.window[..reach].fill(f64::NAN);
        let from = tile.start as i64 + self.first;
        let begin = from.clamp(asset.start as i64, asset.end as i64);
        let end = (from + (tile.len() + self.lags) as i64 - 1).clamp(begin, asset.end as i64);
        let labels = &self.labels[begin as usize..end as usize];
        if !labels.is_empty() {
            self.window[(begin - from) as usize..][..labels.len()].copy_from_slice(labels);
        }
        reach
    }
}

/// Adds at each lag the rows that have a number here and a label there.
fn count_pairs(here: &[u64], there: &[u64], pairs: &mut [u64]) {
    for (lag, pairs) in pairs.iter_mut().enumerate() {
        let (words, shift) = (lag / 64, lag % 64);
        for (i, word) in here.iter().enumerate() {
            let at = |k: usize| there.get(k).copied().unwrap_or(0);
            let low = at(i + words) >> shift;
            let high = if shift == 0 { 0 } else { at(i + words + 1) << (64 - shift) };
            *pairs += u64::from((word & (low | high)).count_ones());
        }
    }
}

/// `sums[j][k] += Σ numbers[j][t] · window[t + k]`.
struct Products<'a> {
    numbers: &'a [f64],
    rows: usize,
    window: &'a [f64],
    lags: usize,
    sums: &'a mut [f64],
}

impl Kernel for Products<'_> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::inline_always)] // a kernel that is compiled for each instruction set
    fn run(self) {
        let lags = self.lags;
        for (pair, sums) in self.sums.chunks_mut(PAIR * lags).enumerate() {
            let column = |j: usize| &self.numbers[(pair * PAIR + j) * TILE..][..self.rows];
            // An odd last column stands for both.
            let numbers = [column(0), column(usize::from(sums.len() > lags))];
            let mut lag = 0;
            while lag < lags {
                if lags - lag > HALF {
                    lanes::<LANES>(numbers, &self.window[lag..], lags, lag, sums);
                    lag += LANES;
                } else {
                    lanes::<HALF>(numbers, &self.window[lag..], lags, lag, sums);
                    lag += HALF;
                }
            }
        }
    }
}

#[inline(always)]
#[allow(clippy::inline_always)]
fn lanes<const N: usize>(numbers: [&[f64]; PAIR], window: &[f64], lags: usize, lag: usize, sums: &mut [f64]) {
    let mut totals = [[0.0f64; N]; PAIR];
    for ((window, a), b) in window.windows(N).zip(numbers[0]).zip(numbers[1]) {
        let window: &[f64; N] = window.try_into().expect("a window of N");
        for k in 0..N {
            totals[0][k] += a * window[k];
        }
        for k in 0..N {
            totals[1][k] += b * window[k];
        }
    }
    for (totals, sums) in totals.iter().zip(sums.chunks_mut(lags)) {
        for (sum, total) in sums[lag..].iter_mut().zip(totals) {
            *sum += total;
        }
    }
}

#[cfg(test)]
#[path = "lag_profile_tests.rs"]
mod tests;
