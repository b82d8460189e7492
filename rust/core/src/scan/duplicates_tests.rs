//! The search against every pair of rows, with hashes that collide on purpose.

use super::super::row_hash::rows_equal;
use super::*;
use crate::columns::Strided;
use proptest::prelude::*;

/// A hash that keeps so few bits that nearly all rows collide.
#[derive(Clone, Copy)]
struct Weak(u64);

impl RowHash for Weak {
    fn absorb(self, hash: u64, cell: u64, salt: u64) -> u64 {
        Mixed.absorb(hash, cell, salt)
    }
    fn finish(self, hash: u64) -> u64 {
        Mixed.finish(hash) & self.0
    }
}

/// Owned columns of mixed types with few distinct values, so that duplicates are common.
#[derive(Debug, Clone)]
enum Owned {
    F64(Vec<f64>),
    F32(Vec<f32>),
    I64(Vec<i64>),
    U8(Vec<u8>),
    Bool(Vec<bool>),
}

impl Owned {
    fn new(kind: usize, codes: &[usize]) -> Self {
        let floats = [0.0, -0.0, 1.0, f64::NAN, -f64::NAN, f64::INFINITY, 0.5];
        match kind {
            0 => Self::F64(codes.iter().map(|&c| floats[c % 7]).collect()),
            1 => Self::F32(codes.iter().map(|&c| floats[c % 7] as f32).collect()),
            2 => Self::I64(codes.iter().map(|&c| c as i64 % 3 - 1).collect()),
            3 => Self::U8(codes.iter().map(|&c| c as u8 % 2).collect()),
            _ => Self::Bool(codes.iter().map(|&c| c % 2 == 0).collect()),
        }
    }

    fn view(&self) -> Column<'_> {
        match self {
            Self::F64(v) => Column::F64(Strided::from_slice(v)),
            Self::F32(v) => Column::F32(Strided::from_slice(v)),
            Self::I64(v) => Column::I64(Strided::from_slice(v)),
            Self::U8(v) => Column::U8(Strided::from_slice(v)),
            Self::Bool(v) => Column::Bool(Strided::from_slice(v)),
        }
    }
}

fn frame(kinds: &[usize], codes: &[Vec<usize>]) -> Vec<Owned> {
    kinds
        .iter()
        .enumerate()
        .map(|(j, &kind)| {
            let column: Vec<usize> = codes.iter().map(|row| row[j]).collect();
            Owned::new(kind, &column)
        })
        .collect()
}

/// Every pair, cell by cell.
fn oracle(train: &[Column<'_>], val: &[Column<'_>]) -> CrossDuplicates {
    let rows = |columns: &[Column<'_>]| columns.first().map_or(0, Column::len);
    let mut found = CrossDuplicates::default();
    for v in 0..rows(val) {
        if let Some(t) = (0..rows(train)).find(|&t| rows_equal(train, t, val, v, &lanes(train, val))) {
            found.val_rows.push(v as u32);
            found.train_rows.push(t as u32);
        }
    }
    found
}

fn oracle_within(columns: &[Column<'_>]) -> DuplicateRows {
    let rows = columns.first().map_or(0, Column::len);
    let mut found = DuplicateRows::default();
    for i in 0..rows {
        let equal: Vec<usize> =
            (0..rows).filter(|&j| rows_equal(columns, i, columns, j, &lanes(columns, columns))).collect();
        if equal.len() > 1 {
            found.rows.push(i as u32);
            found.first.push(equal[0] as u32);
        }
    }
    found
}

fn rows_of(width: usize) -> impl Strategy<Value = Vec<Vec<usize>>> {
    prop::collection::vec(prop::collection::vec(0usize..42, width), 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn equals_every_pair(
        (left, right, train, val) in (1usize..4).prop_flat_map(|width| {
            let kinds = || prop::collection::vec(0usize..5, width);
            (kinds(), kinds(), rows_of(width), rows_of(width))
        }),
    ) {
        let (train, val) = (frame(&left, &train), frame(&right, &val));
        let train: Vec<Column<'_>> = train.iter().map(Owned::view).collect();
        let val: Vec<Column<'_>> = val.iter().map(Owned::view).collect();
        let (expected, within) = (oracle(&train, &val), oracle_within(&train));
        let cancel = Cancel::new();
        prop_assert_eq!(&cross_duplicates(&train, &val, Likeness::Exact, &cancel).unwrap(), &expected);
        prop_assert_eq!(&duplicate_rows(&train, Likeness::Exact, &cancel).unwrap(), &within);
        // With hashes that collide on purpose the answer is the same: values decide.
        for weak in [Weak(0), Weak(3)] {
            prop_assert_eq!(&cross_with(weak, &train, &val, Likeness::Exact, &cancel).unwrap(), &expected);
            prop_assert_eq!(&duplicates_with(weak, &train, Likeness::Exact, &cancel).unwrap(), &within);
        }
    }
}

#[test]
fn many_blocks_in_both_layouts() {
    let (n, width) = (3 * BLOCK + 17, 3);
    // Row r of train is (r, r², 0.25); val repeats every hundredth row, the rest is shifted off the grid.
    let train: Vec<f64> = (0..n).flat_map(|r| [r as f64, (r * r) as f64, 0.25]).collect();
    let val: Vec<f64> = (0..5_000)
        .flat_map(|r| {
            let shift = if r % 100 == 0 { 0.0 } else { 0.5 };
            [f64::from(r * 7) + shift, f64::from(r * 7 * r * 7), 0.25]
        })
        .collect();
    let columns = |data: &'static [f64], rows: usize| -> Vec<Column<'static>> {
        (0..width).map(|j| Column::F64(Strided::new(&data[j..], width, rows))).collect()
    };
    let (train, val) = (columns(train.leak(), n), columns(val.leak(), 5_000));
    let found = cross_duplicates(&train, &val, Likeness::Exact, &Cancel::new()).unwrap();
    let expected: Vec<u32> = (0..5_000).step_by(100).collect();
    assert_eq!(found.val_rows, expected);
    assert_eq!(found.train_rows, expected.iter().map(|row| row * 7).collect::<Vec<_>>());
    assert_eq!(cross_with(Weak(0xffff), &train, &val, Likeness::Exact, &Cancel::new()).unwrap(), found);
}

#[test]
fn first_train_row_wins_among_many_equal_ones() {
    let train = vec![1.0; 5 * BLOCK];
    let found = cross_duplicates(
        &[Column::F64(Strided::from_slice(&train))],
        &[Column::I64(Strided::from_slice(&[1, 2, 1]))],
        Likeness::Exact,
        &Cancel::new(),
    )
    .unwrap();
    assert_eq!(found, CrossDuplicates { val_rows: vec![0, 2], train_rows: vec![0, 0] });
}

#[test]
fn frames_that_do_not_match_are_refused() {
    let one = [Column::U8(Strided::from_slice(&[1]))];
    let error = cross_duplicates(&one, &[], Likeness::Exact, &Cancel::new()).unwrap_err();
    assert_eq!(error, Error::ColumnCountMismatch { got: 0, expected: 1 });
    let ragged = [one[0], Column::U8(Strided::from_slice(&[1, 2]))];
    assert_eq!(duplicate_rows(&ragged, Likeness::Exact, &Cancel::new()).unwrap_err().code(), "data.length_mismatch");
    assert_eq!(cross_duplicates(&[], &[], Likeness::Exact, &Cancel::new()).unwrap(), CrossDuplicates::default());
}

#[test]
fn stops_when_asked() {
    let cancel = Cancel::new();
    cancel.cancel();
    let data = vec![0.5; 10];
    let columns = [Column::F64(Strided::from_slice(&data))];
    assert_eq!(cross_duplicates(&columns, &columns, Likeness::Exact, &cancel), Err(Error::Interrupted {}));
}

/// A cell moved by at most `by` of its size.
fn nudged(cell: f64, by: f64) -> f64 {
    cell + cell.abs() * by
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn alike_rows_are_near_and_near_rows_share_a_cell_of_some_grid(
        rows in prop::collection::vec((-100.0..100.0f64, -1e-3..1e-3f64), 1..40), by in -1e-9..1e-9f64,
    ) {
        let [a, b]: [Vec<f64>; 2] = [rows.iter().map(|row| row.0).collect(), rows.iter().map(|row| row.1).collect()];
        let moved: [Vec<f64>; 2] = [&a, &b].map(|column| column.iter().map(|&cell| nudged(cell, by)).collect());
        let frame = |columns: &'static [Vec<f64>; 2]| -> Vec<Column<'static>> {
            columns.iter().map(|column| Column::F64(Strided::from_slice(column))).collect()
        };
        let (train, val) = (frame(Box::leak(Box::new([a, b]))), frame(Box::leak(Box::new(moved))));
        let steps = [1e-4, 1e-9];
        let mut seen = vec![false; rows.len()];
        for shift in [0.0, 0.5] {
            let likeness = Likeness::Grid { centres: &[0.0, 0.0], steps: &steps, shift };
            let found = cross_duplicates(&train, &val, likeness, &Cancel::new()).unwrap();
            for (&v, &t) in found.val_rows.iter().zip(&found.train_rows) {
                seen[v as usize] = true;
                for (j, step) in steps.iter().enumerate() {
                    let [Column::F64(left), Column::F64(right)] = [train[j], val[j]] else { unreachable!() };
                    prop_assert!((left.get(t as usize) - right.get(v as usize)).abs() <= step * (1.0 + 1e-6));
                }
            }
        }
        // The first column moves by up to a thousandth of a step, the second by less: of one column a twin cannot
        // straddle a border of both grids.
        let one = [train[0]];
        let other = [val[0]];
        let mut near = vec![false; rows.len()];
        for shift in [0.0, 0.5] {
            let likeness = Likeness::Grid { centres: &[0.0], steps: &steps[..1], shift };
            for v in cross_duplicates(&one, &other, likeness, &Cancel::new()).unwrap().val_rows {
                near[v as usize] = true;
            }
        }
        prop_assert!(near.into_iter().all(|near| near));
    }
}

#[test]
fn a_detour_through_single_precision_is_seen_through() {
    let train: Vec<f64> = (0..500).map(|i| (f64::from(i) * 0.7).sin() * 1e4).collect();
    let val: Vec<f64> = train.iter().map(|&cell| f64::from(cell as f32)).collect();
    let singles: Vec<f32> = train.iter().map(|&cell| cell as f32).collect();
    let column = |cells: &'static [f64]| [Column::F64(Strided::from_slice(cells))];
    let (train, val) = (column(train.leak()), column(val.leak()));
    assert!(cross_duplicates(&train, &val, Likeness::Exact, &Cancel::new()).unwrap().val_rows.len() < 500);
    for other in [val, [Column::F32(Strided::from_slice(&singles))]] {
        assert_eq!(cross_duplicates(&train, &other, Likeness::Single, &Cancel::new()).unwrap().val_rows.len(), 500);
    }
}

#[test]
fn grids_must_be_of_the_frame() {
    let data = [0.5, 1.5];
    let columns = [Column::F64(Strided::from_slice(&data))];
    let grid = |centres: &'static [f64], steps: &'static [f64]| Likeness::Grid { centres, steps, shift: 0.0 };
    let code = |likeness| duplicate_rows(&columns, likeness, &Cancel::new()).unwrap_err().code();
    assert_eq!(code(grid(&[], &[1.0])), "data.length_mismatch");
    assert_eq!(code(grid(&[0.0], &[0.0])), "parameter.invalid");
    assert_eq!(code(grid(&[f64::NAN], &[1.0])), "parameter.invalid");
}
