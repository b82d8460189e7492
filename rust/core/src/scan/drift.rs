//! How the distribution of each column differs between two sets of rows.

use crate::columns::Column;
use crate::error::{Error, Result};
use crate::parallel::{Cancel, map_blocks};
use crate::scan::numbers::{Places, check_rows, common_rows, read};
use crate::scan::ranks::{number_of_key, sort_key};

/// Bins of the stability index: tenths of the first distribution.
pub(crate) const BINS: usize = 10;

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
    map_blocks(expected, 1, work, cancel, |column| {
        let sorted = |chosen: Chosen<'_>| sorted(&chosen.columns[column.start], chosen.rows);
        let (a, b) = (sorted(first), sorted(second));
        Ok(Drift {
            distance: distance(&a, &b),
            stability: stability(&a, &b),
            first: quartiles(&a),
            second: quartiles(&b),
        })
    })
}

fn sorted(column: &Column<'_>, rows: Option<&[i64]>) -> Vec<f64> {
    let mut values = vec![0.0; rows.map_or(column.len(), <[i64]>::len)];
    read(column, Places::of(rows), &mut values);
    // Whole numbers sort faster than floats that are compared by key.
    let mut keys: Vec<u64> = values.into_iter().filter(|value| !value.is_nan()).map(sort_key).collect();
    keys.sort_unstable();
    keys.into_iter().map(number_of_key).collect()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    if a.is_empty() || b.is_empty() {
        return f64::NAN;
    }
    let (mut i, mut j, mut largest) = (0, 0, 0.0f64);
    while i < a.len() && j < b.len() {
        let value = if a[i] <= b[j] { a[i] } else { b[j] };
        while i < a.len() && a[i] <= value {
            i += 1;
        }
        while j < b.len() && b[j] <= value {
            j += 1;
        }
        largest = largest.max((i as f64 / a.len() as f64 - j as f64 / b.len() as f64).abs());
    }
    largest
}

fn stability(a: &[f64], b: &[f64]) -> f64 {
    if a.is_empty() || b.is_empty() {
        return f64::NAN;
    }
    let mut edges: Vec<f64> = (1..BINS).map(|k| a[(k * a.len() / BINS).min(a.len() - 1)]).collect();
    edges.dedup();
    // A bin holds what lies from one edge to below the next.
    let share = |values: &[f64]| -> Vec<f64> {
        let ends: Vec<usize> = edges.iter().map(|&edge| values.partition_point(|&v| v < edge)).collect();
        let all = values.len() as f64 + (edges.len() + 1) as f64 * 0.5;
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let stops = ends.iter().copied().chain([values.len()]);
        starts.zip(stops).map(|(start, stop)| ((stop - start) as f64 + 0.5) / all).collect()
    };
    share(a).iter().zip(share(b)).map(|(p, q)| (q - p) * (q / p).ln()).sum()
}

fn quartiles(sorted: &[f64]) -> Quartiles {
    let quantile = |share: f64| match sorted.len() {
        0 => f64::NAN,
        len => {
            let place = share * (len - 1) as f64;
            let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
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
