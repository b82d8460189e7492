//! How each column goes with the labels: rank correlation, area under the ROC curve, correlation ratio.
//!
//! All three are read off the ranks of a column, so that they are worth the same for any monotone transform of it.

use crate::error::{Error, Result};
use crate::parallel::{Cancel, map_blocks};

/// How one column goes with the labels; NaN where a figure is not defined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Association {
    /// Rows in which the column is known.
    pub known: usize,
    /// Pearson's correlation of the ranks of the column and of the labels.
    pub spearman: f64,
    /// The share of pairs of a positive and a negative row of which the positive one ranks higher, ties a half.
    pub auc: f64,
    /// Between-bin share of the variance of the labels' ranks, over equally filled bins of the column.
    pub ratio: f64,
    /// The same for the ranks of the labels' magnitudes.
    pub ratio_abs: f64,
    /// Bins that hold a row.
    pub bins: usize,
}

/// The labels, one per ranked row.
#[derive(Debug, Clone, Copy)]
pub struct Labels<'a> {
    /// Ranks of the labels.
    pub ranks: &'a [f32],
    /// Ranks of their magnitudes.
    pub abs_ranks: &'a [f32],
    /// Which rows are of the positive class, for labels of two classes.
    pub positive: Option<&'a [bool]>,
}

/// The associations of columns, given their ranks a column after the other (see [`crate::scan::ranks`]).
///
/// The ranks of a column run over its known rows; those of the labels are not taken anew for them.
pub fn associations(ranks: &[f32], labels: &Labels<'_>, bins: usize, cancel: &Cancel) -> Result<Vec<Association>> {
    let rows = labels.ranks.len();
    let lengths = [labels.abs_ranks.len(), labels.positive.map_or(rows, <[bool]>::len)];
    if let Some(&got) = lengths.iter().find(|&&len| len != rows) {
        return Err(Error::LengthMismatch { name: "a kind of labels".into(), got, expected: rows });
    }
    if rows == 0 || !ranks.len().is_multiple_of(rows) {
        return Err(Error::LengthMismatch { name: "the labels".into(), got: rows, expected: ranks.len() });
    }
    map_blocks(ranks.len() / rows, 1, rows, cancel, |column| {
        Ok(associate(&ranks[column.start * rows..][..rows], labels, bins))
    })
}

fn associate(ranks: &[f32], labels: &Labels<'_>, bins: usize) -> Association {
    let known = ranks.iter().filter(|rank| !rank.is_nan()).count();
    let per_rank = bins as f64 / known.max(1) as f64;
    let middle = (ranks.len() + 1) as f64 / 2.0;
    let mut pairs = Products::default();
    let mut tables = vec![Bin::default(); bins];
    let (mut positives, mut positive_ranks) = (0usize, 0.0);
    for (row, &rank) in ranks.iter().enumerate() {
        if rank.is_nan() {
            continue;
        }
        let rank = f64::from(rank);
        let (y, size) = (f64::from(labels.ranks[row]) - middle, f64::from(labels.abs_ranks[row]) - middle);
        pairs.add(rank - middle, y);
        let bin = &mut tables[(((rank - 0.5) * per_rank) as usize).min(bins - 1)];
        bin.count += 1.0;
        bin.sums[0] += y;
        bin.squares[0] += y * y;
        bin.sums[1] += size;
        bin.squares[1] += size * size;
        if labels.positive.is_some_and(|positive| positive[row]) {
            positives += 1;
            positive_ranks += rank;
        }
    }
    let negatives = known - positives;
    let auc = if labels.positive.is_none() || positives == 0 || negatives == 0 {
        f64::NAN
    } else {
        let (p, n) = (positives as f64, negatives as f64);
        (positive_ranks - p * (p + 1.0) / 2.0) / (p * n)
    };
    Association {
        known,
        spearman: pairs.correlation(),
        auc,
        ratio: correlation_ratio(&tables, 0),
        ratio_abs: correlation_ratio(&tables, 1),
        bins: tables.iter().filter(|bin| bin.count > 0.0).count(),
    }
}

#[derive(Default)]
struct Products {
    n: f64,
    x: f64,
    y: f64,
    xx: f64,
    yy: f64,
    xy: f64,
}

impl Products {
    fn add(&mut self, x: f64, y: f64) {
        self.n += 1.0;
        self.x += x;
        self.y += y;
        self.xx += x * x;
        self.yy += y * y;
        self.xy += x * y;
    }

    fn correlation(&self) -> f64 {
        let (xx, yy) = (self.n * self.xx - self.x * self.x, self.n * self.yy - self.y * self.y);
        if xx <= 0.0 || yy <= 0.0 {
            return f64::NAN;
        }
        ((self.n * self.xy - self.x * self.y) / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0)
    }
}

#[derive(Clone, Default)]
struct Bin {
    count: f64,
    sums: [f64; 2],
    squares: [f64; 2],
}

fn correlation_ratio(bins: &[Bin], which: usize) -> f64 {
    let count: f64 = bins.iter().map(|bin| bin.count).sum();
    let sum: f64 = bins.iter().map(|bin| bin.sums[which]).sum();
    let total = bins.iter().map(|bin| bin.squares[which]).sum::<f64>() - sum * sum / count;
    let filled = bins.iter().filter(|bin| bin.count > 0.0);
    let between = filled.map(|bin| bin.sums[which] * bin.sums[which] / bin.count).sum::<f64>() - sum * sum / count;
    if count < 2.0 || total <= 0.0 { f64::NAN } else { (between / total).clamp(0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(values: &[f64]) -> Vec<f32> {
        let column = crate::columns::Column::F64(crate::columns::Strided::from_slice(values));
        let mut out = vec![0.0; values.len()];
        crate::scan::ranks::ranks(&[column], None, &mut out, &Cancel::new()).unwrap();
        out
    }

    #[test]
    fn copies_squares_and_noise_are_told_apart() {
        let y: Vec<f64> = (0..2_000).map(|i| f64::from((i * 7_919) % 2_003) - 1_000.0).collect();
        let noise: Vec<f64> = (0..2_000).map(|i| f64::from((i * 3_571) % 2_011)).collect();
        let square: Vec<f64> = y.iter().map(|v| v * v).collect();
        let abs: Vec<f64> = y.iter().map(|v| v.abs()).collect();
        let positive: Vec<bool> = y.iter().map(|&v| v > 0.0).collect();
        let (ranks, abs_ranks) = (ranked(&y), ranked(&abs));
        let labels = Labels { ranks: &ranks, abs_ranks: &abs_ranks, positive: Some(&positive) };
        let x = [ranked(&y), ranked(&square), ranked(&noise)].concat();
        let found = associations(&x, &labels, 32, &Cancel::new()).unwrap();
        assert!((found[0].spearman - 1.0).abs() < 1e-12 && (found[0].auc - 1.0).abs() < 1e-12);
        assert!(found[0].ratio > 0.998);
        assert!(found[1].ratio < 0.05 && found[1].ratio_abs > 0.998 && found[1].spearman.abs() < 0.05);
        assert!(found[2].ratio < 0.06 && found[2].spearman.abs() < 0.1 && (found[2].auc - 0.5).abs() < 0.05);
        assert_eq!((found[0].known, found[0].bins), (2_000, 32));
    }

    #[test]
    fn what_is_not_defined_is_nan() {
        let labels = Labels { ranks: &[1.0, 2.0, 3.0], abs_ranks: &[1.0, 2.0, 3.0], positive: None };
        let ranks = [2.0, 2.0, 2.0, f32::NAN, f32::NAN, f32::NAN];
        for found in associations(&ranks, &labels, 8, &Cancel::new()).unwrap() {
            assert!(found.spearman.is_nan() && found.auc.is_nan());
        }
        assert!(associations(&[1.0], &labels, 8, &Cancel::new()).is_err());
    }
}
