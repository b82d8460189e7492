//! How the distribution of each column differs between two sets of rows.

use crate::columns::Column;
use crate::error::{Error, Result};
use crate::parallel::{Cancel, map_blocks};
use crate::scan::numbers::{Places, check_rows, common_rows};
use crate::scan::radix::{MISSING, Sorter, Stretch, number_of_key, read_keys};

/// Bins of the stability index: tenths of the first distribution.
pub(crate) const BINS: usize = 10;
/// Columns of a task, which share buffers.
const WIDTH: usize = 4;

/// Where a set of numbers lies; NaN for an empty set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quartiles {
    /// How many numbers there are.
    pub known: usize,
    /// The least, the three quartiles (interpolated) and the largest.
    pub at: [f64; 5],
}

/// How the distribution of one column differs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drift {
    /// The largest distance of the two distribution functions (Kolmogorov-Smirnov).
    pub distance: f64,
    /// The population stability index over tenths of the first distribution, half a row added to every bin.
    pub stability: f64,
    /// Where the first set lies.
    pub first: Quartiles,
    /// Where the second set lies.
    pub second: Quartiles,
}

/// A frame and the rows of it that are compared, `None` for all.
#[derive(Debug, Clone, Copy)]
pub struct Chosen<'a> {
    /// The columns.
    pub columns: &'a [Column<'a>],
    /// The rows.
    pub rows: Option<&'a [i64]>,
}

impl Chosen<'_> {
    fn len(&self, column: usize) -> usize {
        self.rows.map_or(self.columns[column].len(), <[i64]>::len)
    }
}

/// The drift of each column from the first rows to the second; NaN cells are left out, infinities are extremes.
pub fn drifts(first: Chosen<'_>, second: Chosen<'_>, cancel: &Cancel) -> Result<Vec<Drift>> {
    let (got, expected) = (second.columns.len(), first.columns.len());
    if got != expected {
        return Err(Error::ColumnCountMismatch { got, expected });
    }
    let mut work = 0;
    for chosen in [first, second] {
        let all = common_rows(chosen.columns)?;
        check_rows(chosen.rows.unwrap_or(&[]), all)?;
        work += chosen.rows.map_or(all, <[i64]>::len);
    }
    let parts = map_blocks(expected, WIDTH, work, cancel, |group| {
        let (mut pair, mut found) = (Pair::default(), Vec::with_capacity(group.len()));
        for column in group {
            cancel.check()?;
            found.push(pair.drift([&first, &second], column));
        }
        Ok(found)
    })?;
    Ok(parts.into_iter().flatten().collect())
}

/// The numbers of a column on either side; buffers are kept from one column to the next.
#[derive(Default)]
struct Pair {
    sorter: Sorter,
    keys: [Vec<u64>; 2],
}

impl Pair {
    fn drift(&mut self, sides: [&Chosen<'_>; 2], column: usize) -> Drift {
        let (mut least, mut most) = (u64::MAX, 0);
        for (keys, side) in self.keys.iter_mut().zip(sides) {
            read_keys(&side.columns[column], Places::of(side.rows), side.len(column), keys);
            keys.retain(|&key| key != MISSING);
            (least, most) = keys.iter().fold((least, most), |(a, b), &key| (a.min(key), b.max(key)));
        }
        // Stretched alike, keys of both sides compare as their numbers do.
        let stretch = Stretch::over(least.min(most), most);
        for keys in &mut self.keys {
            for key in keys.iter_mut() {
                *key = stretch.stretched(*key);
            }
            self.sorter.sort(keys);
        }
        let [a, b] = &self.keys;
        let number = |key| number_of_key(stretch.undone(key));
        Drift {
            distance: distance(a, b),
            stability: stability(a, b),
            first: quartiles(a, number),
            second: quartiles(b, number),
        }
    }
}

/// The largest distance of two distribution functions, from sorted keys.
///
/// Both are walked through together without a branch that depends on which number is less, since none can be foretold;
/// the distance, in units of one over the product of the counts, is a whole number.
fn distance(a: &[u64], b: &[u64]) -> f64 {
    if a.is_empty() || b.is_empty() {
        return f64::NAN;
    }
    let (step_a, step_b) = (b.len() as i64, a.len() as i64);
    let (mut i, mut j, mut gap, mut largest) = (0, 0, 0i64, 0i64);
    let (mut x, mut y) = (a[0], b[0]);
    let last = loop {
        let (from_a, from_b) = (x <= y, y <= x);
        let value = if from_a { x } else { y };
        gap += if from_a { step_a } else { 0 } - if from_b { step_b } else { 0 };
        i += usize::from(from_a);
        j += usize::from(from_b);
        if i == a.len() || j == b.len() {
            break value;
        }
        (x, y) = (a[i], b[j]);
        // Between equal numbers the functions have no value of their own.
        largest = largest.max(if x > value && y > value { gap.abs() } else { 0 });
    };
    // From here on one function is 1, and the other only nears it.
    let equal = |rest: &[u64]| rest.iter().take_while(|&&value| value <= last).count() as i64;
    gap += step_a * equal(&a[i..]) - step_b * equal(&b[j..]);
    largest.max(gap.abs()) as f64 / (a.len() as f64 * b.len() as f64)
}

fn stability(a: &[u64], b: &[u64]) -> f64 {
    if a.is_empty() || b.is_empty() {
        return f64::NAN;
    }
    let mut edges: Vec<u64> = (1..BINS).map(|k| a[(k * a.len() / BINS).min(a.len() - 1)]).collect();
    edges.dedup();
    // A bin holds what lies from one edge to below the next.
    let share = |values: &[u64]| -> Vec<f64> {
        let ends: Vec<usize> = edges.iter().map(|&edge| values.partition_point(|&v| v < edge)).collect();
        let all = values.len() as f64 + (edges.len() + 1) as f64 * 0.5;
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let stops = ends.iter().copied().chain([values.len()]);
        starts.zip(stops).map(|(start, stop)| ((stop - start) as f64 + 0.5) / all).collect()
    };
    share(a).iter().zip(share(b)).map(|(p, q)| (q - p) * (q / p).ln()).sum()
}

fn quartiles(sorted: &[u64], number: impl Fn(u64) -> f64) -> Quartiles {
    let quantile = |share: f64| match sorted.len() {
        0 => f64::NAN,
        len => {
            let place = share * (len - 1) as f64;
            let (low, high) = (number(sorted[place.floor() as usize]), number(sorted[place.ceil() as usize]));
            // Two infinities have no distance.
            if low < high { low + (high - low) * place.fract() } else { low }
        }
    };
    Quartiles { known: sorted.len(), at: [0.0, 0.25, 0.5, 0.75, 1.0].map(quantile) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::columns::Strided;

    fn of(values: &[f64]) -> Column<'_> {
        Column::F64(Strided::from_slice(values))
    }

    fn one(a: &[f64], b: &[f64]) -> Drift {
        let (a, b) = ([of(a)], [of(b)]);
        drifts(Chosen { columns: &a, rows: None }, Chosen { columns: &b, rows: None }, &Cancel::new()).unwrap()[0]
    }

    fn cell() -> impl Strategy<Value = f64> {
        prop_oneof![4 => -3.0..3.0f64, 2 => (-2i32..2).prop_map(f64::from), 1 => Just(f64::NAN)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn distance_is_the_largest_over_all_values(
            a in prop::collection::vec(cell(), 1..60),
            b in prop::collection::vec(cell(), 1..60),
        ) {
            let known = |values: &[f64]| values.iter().copied().filter(|v| !v.is_nan()).collect::<Vec<_>>();
            let (ka, kb) = (known(&a), known(&b));
            prop_assume!(!ka.is_empty() && !kb.is_empty());
            let share = |values: &[f64], at: f64| values.iter().filter(|&&v| v <= at).count() as f64 / values.len() as f64;
            let expected = ka.iter().chain(&kb).map(|&at| (share(&ka, at) - share(&kb, at)).abs()).fold(0.0, f64::max);
            let found = one(&a, &b);
            prop_assert!((found.distance - expected).abs() < 1e-12);
            prop_assert_eq!(one(&a, &a).distance, 0.0);
            prop_assert!(one(&a, &a).stability.abs() < 1e-12 && found.stability >= 0.0);
            prop_assert_eq!(found.first.known, ka.len());
        }
    }

    #[test]
    fn quartiles_of_chosen_rows() {
        let (a, b) = ([4.0, 1.0, 2.0, 3.0, 100.0], [f64::NAN]);
        let (a, b) = ([of(&a)], [of(&b)]);
        let rows = [0i64, 1, 2, 3];
        let found =
            drifts(Chosen { columns: &a, rows: Some(&rows) }, Chosen { columns: &b, rows: None }, &Cancel::new())
                .unwrap()[0];
        assert_eq!(found.first, Quartiles { known: 4, at: [1.0, 1.75, 2.5, 3.25, 4.0] });
        assert!(found.distance.is_nan() && found.stability.is_nan() && found.second.at[2].is_nan());
        assert!(
            drifts(Chosen { columns: &a, rows: None }, Chosen { columns: &[], rows: None }, &Cancel::new()).is_err()
        );
    }
}
