use proptest::prelude::*;

use super::*;
use crate::columns::Strided;
use crate::parallel::set_num_threads;
use crate::scan::numbers::BEYOND;

/// One asset as the definition says it.
fn standard(values: &[f64]) -> Vec<f64> {
    let known: Vec<f64> = values.iter().copied().filter(|v| v.abs() < BEYOND).collect();
    let mean = known.iter().sum::<f64>() / known.len() as f64;
    let variance = known.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / known.len() as f64;
    let usable = known.len() > 1 && known.iter().any(|&v| v != known[0]);
    let number = |&v: &f64| if usable && v.abs() < BEYOND { (v - mean) / variance.sqrt() } else { f64::NAN };
    values.iter().map(number).collect()
}

fn twin(x: &[f64], y: &[f64], starts: &[usize], lag: i64) -> (f64, u64) {
    let (mut sum, mut pairs) = (0.0, 0);
    for (i, &start) in starts.iter().enumerate() {
        let stop = starts.get(i + 1).copied().unwrap_or(x.len());
        let (x, y) = (standard(&x[start..stop]), standard(&y[start..stop]));
        for (t, value) in x.iter().enumerate() {
            let other = usize::try_from(t as i64 + lag).ok().and_then(|at| y.get(at));
            if let Some(product) = other.map(|other| value * other).filter(|product| !product.is_nan()) {
                sum += product;
                pairs += 1;
            }
        }
    }
    (if pairs > 0 { sum / pairs as f64 } else { f64::NAN }, pairs)
}

fn cell() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -10.0..10.0f64,
        1 => Just(f64::NAN),
        1 => Just(2.5),
        1 => prop::sample::select(vec![f64::INFINITY, 1e200, -1e9]),
    ]
}

fn close(a: f64, b: f64) -> bool {
    (a.is_nan() && b.is_nan()) || (a - b).abs() < 1e-6
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn equals_the_definition(
        rows in prop::collection::vec((cell(), cell(), cell(), any::<prop::sample::Index>()), 1..120),
        cuts in prop::collection::btree_set(1usize..120, 0..6),
        first in -30i64..10,
        lags in 1i64..40,
        flags in prop::collection::vec(any::<bool>(), 3),
    ) {
        let n = rows.len();
        let starts: Vec<usize> = std::iter::once(0).chain(cuts.into_iter().filter(|&cut| cut < n)).collect();
        let places: Vec<i64> = starts.iter().map(|&s| s as i64).collect();
        let order: Vec<i64> = rows.iter().map(|row| row.3.index(n) as i64).collect();
        let cells: Vec<f64> = rows.iter().flat_map(|row| [row.0, row.1, row.2]).collect();
        let column = |j: usize| Strided::new(&cells[j..], 3, n);
        let columns = [Column::F64(column(0)), Column::F64(column(1)), Column::F64(column(0))];
        let labels = Column::F64(column(2));
        let series = Series::new(Some(&order), &places, n).unwrap();
        let found = lag_profile(&columns, &flags, &labels, &series, first..=first + lags - 1, &Cancel::new()).unwrap();
        let y: Vec<f64> = order.iter().map(|&row| column(2).get(row as usize)).collect();
        for (j, which) in [0, 1, 0].into_iter().enumerate() {
            let clean = |v: f64| if v.abs() < BEYOND { v } else { f64::NAN };
            let mut x: Vec<f64> = order.iter().map(|&row| clean(column(which).get(row as usize))).collect();
            if flags[j] {
                for at in (0..n).rev() {
                    x[at] = if starts.contains(&at) { f64::NAN } else { x[at] - x[at - 1] };
                }
            }
            for k in 0..lags as usize {
                let (r, pairs) = twin(&x, &y, &starts, first + k as i64);
                let at = j * lags as usize + k;
                prop_assert_eq!(found.pairs[at], pairs);
                prop_assert!(close(found.correlations[at], r), "{} against {}", found.correlations[at], r);
            }
        }
    }
}

#[test]
fn a_future_label_peaks_at_its_lag_over_many_tiles_at_any_thread_count() {
    let n = 5 * TILE + 77;
    let y: Vec<f32> = (0..n).map(|i| ((i * 7_919) % 10_007) as f32).collect();
    let x: Vec<f32> = (0..n).map(|i| y[(i + 3).min(n - 1)]).collect();
    let series = Series::new(None, &[0], n).unwrap();
    let columns: Vec<Column<'_>> =
        (0..19).map(|j| Column::F32(Strided::from_slice(if j % 2 == 0 { &x } else { &y }))).collect();
    let labels = Column::F32(Strided::from_slice(&y));
    let mut bits = Vec::new();
    for threads in [1, 3] {
        set_num_threads(threads).unwrap();
        let found = lag_profile(&columns, &[false; 19], &labels, &series, -10..=10, &Cancel::new()).unwrap();
        assert!((found.correlations[13] - 1.0).abs() < 1e-3 && found.correlations[12].abs() < 0.1);
        assert!((found.correlations[21 + 10] - 1.0).abs() < 1e-12);
        assert_eq!(found.pairs[0], n as u64 - 10);
        bits.push(found.correlations.iter().map(|r| r.to_bits()).collect::<Vec<_>>());
    }
    assert_eq!(bits[0], bits[1]);
}

#[test]
fn what_cannot_be_is_refused_and_a_raised_flag_stops() {
    let values = [1.0, 2.0];
    let column = Column::F64(Strided::from_slice(&values));
    let series = Series::new(None, &[0], 2).unwrap();
    let cancel = Cancel::new();
    #[allow(clippy::reversed_empty_ranges)]
    let empty = 1..=0;
    assert!(lag_profile(&[column], &[false], &column, &series, empty, &cancel).is_err());
    assert!(lag_profile(&[column], &[], &column, &series, 0..=0, &cancel).is_err());
    let longer = Series::new(None, &[0], 3).unwrap();
    assert!(lag_profile(&[column], &[false], &column, &longer, 0..=0, &cancel).is_err());
    cancel.cancel();
    assert_eq!(lag_profile(&[column], &[false], &column, &series, 0..=0, &cancel), Err(Error::Interrupted {}));
}
