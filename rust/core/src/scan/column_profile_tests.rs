//! The profile against obvious twins, and against itself in other layouts, orders and pieces.

use proptest::prelude::*;

use super::super::value::Value;
use super::*;
use crate::columns::Strided;

/// Cell by cell, asset by asset, as the definitions say.
struct Twin {
    rows: Steps,
    own: Steps,
    longest: Vec<u32>,
    lead: Vec<u32>,
    distinct: usize,
}

fn twin(cells: &[f64], assets: &[i32], count: usize) -> Twin {
    let step = |steps: &mut Steps, before: f64, now: f64| steps.count(now.partial_cmp(&before));
    let mut found = Twin {
        rows: Steps::default(),
        own: Steps::default(),
        longest: vec![0; count],
        lead: vec![0; count],
        distinct: 0,
    };
    for pair in cells.windows(2) {
        step(&mut found.rows, pair[0], pair[1]);
    }
    for asset in 0..count {
        let own: Vec<f64> =
            cells.iter().zip(assets).filter(|&(_, &code)| code == asset as i32).map(|(&cell, _)| cell).collect();
        found.lead[asset] = own.iter().take_while(|cell| cell.is_nan()).count() as u32;
        let mut run = 0;
        for (at, &cell) in own.iter().enumerate() {
            if at > 0 {
                step(&mut found.own, own[at - 1], cell);
            }
            run = if at > 0 && own[at - 1] == cell { run + 1 } else { 1 };
            found.longest[asset] = found.longest[asset].max(run);
        }
    }
    let mut keys: Vec<u64> = cells.iter().filter(|cell| !cell.is_nan()).map(|&cell| cell.key()).collect();
    keys.sort_unstable();
    keys.dedup();
    found.distinct = keys.len();
    found
}

fn agrees(found: &ColumnProfile, cells: &[f64], expected: &Twin) {
    assert_eq!(found.rows, expected.rows);
    assert_eq!(found.own, expected.own);
    assert_eq!(found.longest, expected.longest);
    assert_eq!(found.lead, expected.lead);
    assert_eq!(found.distinct, (expected.distinct <= CAPACITY).then_some(expected.distinct));
    if found.distinct.is_some() {
        for &(value, count) in &found.top {
            assert_eq!(cells.iter().filter(|&&cell| cell == value).count() as u64, count);
        }
    }
    assert_eq!(found.total.nan, cells.iter().filter(|cell| cell.is_nan()).count() as u64);
}

fn profile(column: Column<'_>, facts: RowFacts<'_>, assets: usize) -> ColumnProfile {
    let mut profiler = ColumnProfiler::new(facts.assets.map(|_| assets), 1);
    profiler.update(&[column], facts, &Cancel::new()).unwrap();
    profiler.finish().remove(0)
}

fn cells() -> impl Strategy<Value = Vec<(f64, i32)>> {
    let cell = prop_oneof![
        4 => (0u8..4).prop_map(f64::from),
        2 => -10.0..10.0f64,
        1 => prop::sample::select(vec![f64::NAN, -0.0, f64::INFINITY, 5e-324]),
    ];
    prop::collection::vec((cell, 0i32..4), 0..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn equals_the_twin_in_any_pieces(rows in cells(), cuts in prop::collection::vec(0usize..200, 0..3)) {
        let values: Vec<f64> = rows.iter().map(|row| row.0).collect();
        let assets: Vec<i32> = rows.iter().map(|row| row.1).collect();
        let expected = twin(&values, &assets, 4);
        let facts = RowFacts { assets: Some(&assets), ..RowFacts::default() };
        agrees(&profile(Column::F64(Strided::from_slice(&values)), facts, 4), &values, &expected);

        let mut borders: Vec<usize> = cuts.into_iter().map(|cut| cut.min(values.len())).collect();
        borders.extend([0, values.len()]);
        borders.sort_unstable();
        let mut streamed = ColumnProfiler::new(Some(4), 1);
        let mut merged = ColumnProfiler::new(Some(4), 1);
        for pair in borders.windows(2) {
            let piece = Column::F64(Strided::from_slice(&values[pair[0]..pair[1]]));
            let facts = RowFacts { assets: Some(&assets[pair[0]..pair[1]]), ..RowFacts::default() };
            streamed.update(&[piece], facts, &Cancel::new()).unwrap();
            let mut part = ColumnProfiler::new(Some(4), 1);
            part.update(&[piece], facts, &Cancel::new()).unwrap();
            merged.merge(&part).unwrap();
        }
        agrees(&streamed.finish()[0], &values, &expected);
        agrees(&merged.finish()[0], &values, &expected);
    }

    #[test]
    fn an_order_is_walked_as_if_rows_lay_so(rows in cells(), seed in any::<u64>()) {
        let mut order: Vec<u32> = (0..rows.len() as u32).collect();
        order.sort_by_key(|&row| u64::from(row + 1).wrapping_mul(seed | 1));
        let values: Vec<f64> = rows.iter().map(|row| row.0).collect();
        let assets: Vec<i32> = rows.iter().map(|row| row.1).collect();
        let walked: Vec<f64> = order.iter().map(|&row| values[row as usize]).collect();
        let owners: Vec<i32> = order.iter().map(|&row| assets[row as usize]).collect();
        let facts = RowFacts { assets: Some(&assets), order: Some(&order), parts: None };
        let found = profile(Column::F64(Strided::from_slice(&values)), facts, 4);
        agrees(&found, &walked, &twin(&walked, &owners, 4));
    }
}

/// A few columns of many rows, several blocks of them, in time order of 7 assets; some repeat, some are missing.
fn large() -> (usize, usize, Vec<f64>, Vec<i32>) {
    let (rows, width) = (5 * LEAST_BLOCK + 777, 5);
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let matrix = (0..rows * width)
        .map(|at| match at % width {
            0 => next(),
            1 => (next() * 5.0).floor(),
            2 => {
                if at / width < 9_000 {
                    f64::NAN
                } else {
                    next()
                }
            }
            3 => {
                if next() < 0.98 {
                    2.5
                } else {
                    next()
                }
            }
            _ => (at / width) as f64,
        })
        .collect();
    (rows, width, matrix, (0..rows as i32).map(|row| row % 7).collect())
}

#[test]
fn layouts_and_twins_agree_on_many_blocks() {
    let (rows, width, matrix, assets) = large();
    let by_row: Vec<Column<'_>> = (0..width).map(|j| Column::F64(Strided::new(&matrix[j..], width, rows))).collect();
    let copies: Vec<Vec<f64>> = (0..width).map(|j| matrix[j..].iter().step_by(width).copied().collect()).collect();
    let by_column: Vec<Column<'_>> = copies.iter().map(|copy| Column::F64(Strided::from_slice(copy))).collect();
    let parts: Vec<u32> = (0..rows as u32).map(|row| row / 5_000).collect();
    let order: Vec<u32> = (0..rows as u32).collect();
    let mut seen: Option<Vec<ColumnProfile>> = None;
    for columns in [&by_row, &by_column] {
        for order in [None, Some(order.as_slice())] {
            let mut profiler = ColumnProfiler::new(Some(7), 5);
            let facts = RowFacts { assets: Some(&assets), parts: Some(&parts), order };
            profiler.update(columns, facts, &Cancel::new()).unwrap();
            let found = profiler.finish();
            assert_eq!(seen.get_or_insert_with(|| found.clone()), &found);
        }
    }
    let found = seen.unwrap();
    for (profile, cells) in found.iter().zip(&copies) {
        agrees(profile, cells, &twin(cells, &assets, 7));
        for (part, moments) in profile.parts.iter().enumerate() {
            let own = &cells[part * 5_000..((part + 1) * 5_000).min(rows)];
            assert_eq!(moments.rows, own.len() as u64);
            assert_eq!(moments.nan, own.iter().filter(|cell| cell.is_nan()).count() as u64);
            let mean = own.iter().filter(|cell| !cell.is_nan()).sum::<f64>() / moments.finite().max(1) as f64;
            assert!((moments.mean - mean).abs() < 1e-9 * (1.0 + mean.abs()));
        }
    }
    assert_eq!(found[4].rows, Steps { equal: 0, rises: rows as u64 - 1, falls: 0 });
    let (value, count) = found[3].top[0];
    let truth = copies[3].iter().filter(|&&cell| cell == 2.5).count() as u64;
    assert_eq!((value, found[3].distinct), (2.5, None));
    assert!(count <= truth && count * 10 > truth * 9, "{count} of {truth}");
}

#[test]
fn hashes_tell_columns_apart_whatever_their_type() {
    let whole: Vec<f64> = (0..2_000).map(|row| f64::from(row % 50)).collect();
    let mut other = whole.clone();
    other.swap(3, 1_700);
    let integers: Vec<i16> = whole.iter().map(|&cell| cell as i16).collect();
    let singles: Vec<f32> = whole.iter().map(|&cell| cell as f32).collect();
    let columns = [
        Column::F64(Strided::from_slice(&whole)),
        Column::I16(Strided::from_slice(&integers)),
        Column::F32(Strided::from_slice(&singles)),
        Column::F64(Strided::from_slice(&other)),
    ];
    let mut profiler = ColumnProfiler::new(None, 1);
    profiler.update(&columns, RowFacts::default(), &Cancel::new()).unwrap();
    let hashes: Vec<u64> = profiler.finish().iter().map(|column| column.hash).collect();
    assert_eq!(hashes[0], hashes[1]);
    assert_eq!(hashes[0], hashes[2]);
    assert_ne!(hashes[0], hashes[3]);
}

#[test]
fn extreme_integers_and_empty_frames() {
    let columns =
        [Column::U64(Strided::from_slice(&[0, u64::MAX])), Column::I64(Strided::from_slice(&[i64::MAX, i64::MIN]))];
    let mut profiler = ColumnProfiler::new(None, 1);
    profiler.update(&columns, RowFacts::default(), &Cancel::new()).unwrap();
    let found = profiler.finish();
    assert_eq!((found[0].rows.rises, found[1].rows.falls), (1, 1));
    assert_eq!(found[0].total.max, u64::MAX as f64);
    let mut empty = ColumnProfiler::new(None, 1);
    empty.update(&[Column::F32(Strided::from_slice(&[]))], RowFacts::default(), &Cancel::new()).unwrap();
    assert_eq!(empty.finish()[0].total, Moments::default());
    assert_eq!(empty.finish()[0].longest, [0]);
    assert!(ColumnProfiler::new(None, 1).finish().is_empty());
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let (floats, flags) = ([0.5, 1.5], [true, false]);
    let (float, flag) = (Column::F64(Strided::from_slice(&floats)), Column::Bool(Strided::from_slice(&flags)));
    let code = |result: Result<()>| result.unwrap_err().code();
    let cancel = Cancel::new();
    let mut profiler = ColumnProfiler::new(None, 1);
    profiler.update(&[float], RowFacts::default(), &cancel).unwrap();
    assert_eq!(code(profiler.update(&[flag], RowFacts::default(), &cancel)), "parameter.invalid");
    assert_eq!(code(profiler.update(&[float, flag], RowFacts::default(), &cancel)), "data.column_count_mismatch");
    let facts = RowFacts { assets: Some(&[0, 0]), ..RowFacts::default() };
    assert_eq!(code(profiler.update(&[float], facts, &cancel)), "parameter.invalid");
    let facts = RowFacts { order: Some(&[2]), ..RowFacts::default() };
    assert_eq!(code(profiler.update(&[float], facts, &cancel)), "parameter.invalid");
    let facts = RowFacts { parts: Some(&[0, 1]), ..RowFacts::default() };
    assert_eq!(code(profiler.update(&[float], facts, &cancel)), "parameter.invalid");
    assert_eq!(code(profiler.merge(&ColumnProfiler::new(Some(1), 1))), "parameter.invalid");
    assert_eq!(profiler.rows(), 2);
    let raised = Cancel::new();
    raised.cancel();
    assert_eq!(profiler.update(&[float], RowFacts::default(), &raised), Err(Error::Interrupted {}));
    assert_eq!(profiler.rows(), 2);
}
