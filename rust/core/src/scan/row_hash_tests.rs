//! Hashes of rows: whatever the layout, each cell counts; numbers compare by value.

use std::ops::Range;

use super::*;

/// A row-major matrix and its columns as copies of their own: the same cells, read by row and side by side.
fn both_layouts<T: Copy + 'static>(
    cells: impl Iterator<Item = T>,
    width: usize,
    column: impl Fn(Strided<'static, T>) -> Column<'static>,
) -> [Vec<Column<'static>>; 2] {
    let matrix: &'static [T] = cells.collect::<Vec<T>>().leak();
    let rows = matrix.len() / width;
    let copy = |j: usize| -> &'static [T] { matrix[j..].iter().step_by(width).copied().collect::<Vec<T>>().leak() };
    [
        (0..width).map(|j| column(Strided::new(&matrix[j..], width, rows))).collect(),
        (0..width).map(|j| column(Strided::from_slice(copy(j)))).collect(),
    ]
}

fn hashes(columns: &[Column<'_>], lanes: &[Lane], rows: Range<usize>) -> Vec<u64> {
    let mut out = vec![0; rows.len()];
    hash_rows(Mixed, columns, lanes, rows.start, &mut out);
    out
}

#[test]
fn layouts_and_offsets_give_the_same_hashes() {
    // Two groups of columns side by side, and three that are left over.
    let (rows, width) = (5_000, 2 * SIDE + 3);
    let floats = [0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY, 0.1, -7.5];
    let cell = |i: usize| if i % 11 < 7 { floats[i % 7] } else { (i % 97) as f64 };
    let cells = 0..rows * width;
    let doubles = both_layouts(cells.clone().map(cell), width, Column::F64);
    let singles = both_layouts(cells.map(|i| cell(i) as f32), width, Column::F32);
    let grids = |shift: usize| {
        (0..width).map(move |j| Lane::Grid(Grid { centre: 0.5, per_unit: 9.0 + j as f64, shift: (j * shift) as f64 }))
    };
    for [by_row, by_column] in [doubles, singles] {
        // The last two: grids moved each by itself, and lanes that alternate.
        let ways: [Vec<Lane>; 5] = [
            vec![Lane::Float; width],
            vec![Lane::Single; width],
            grids(0).collect(),
            grids(1).collect(),
            (0..width).map(|j| if j % 2 == 0 { Lane::Float } else { Lane::Single }).collect(),
        ];
        for lanes in &ways {
            let all = hashes(&by_row, lanes, 0..rows);
            assert_eq!(hashes(&by_column, lanes, 0..rows), all, "{lanes:?}");
            assert_eq!(hashes(&by_column, lanes, 777..2_011), all[777..2_011]);
            // The end of a matrix, where the view of the first column stops short of the last row.
            assert_eq!(hashes(&by_row, lanes, rows - 9..rows), all[rows - 9..]);
            // Some columns of a wider matrix, and columns in another order, which do not follow each other in memory.
            for picked in [vec![2, 3, 4], vec![3, 2], vec![6], vec![0, 2, 4], (0..width).rev().collect()] {
                let pick = |all: &[Column<'static>]| picked.iter().map(|&j| all[j]).collect::<Vec<_>>();
                let (strided, copied) =
                    (hashes(&pick(&by_row), lanes, 0..rows), hashes(&pick(&by_column), lanes, 0..rows));
                assert_eq!(strided, copied, "{picked:?} {lanes:?}");
            }
        }
    }
}

#[test]
fn columns_of_other_types_stand_between_those_side_by_side() {
    let rows = 4_100;
    let doubles: Vec<f64> = (0..rows).map(|i| f64::from(i % 13)).collect();
    let whole: Vec<i32> = (0..rows).map(|i| i % 13).collect();
    let (double, int) = (Column::F64(Strided::from_slice(&doubles)), Column::I32(Strided::from_slice(&whole)));
    // The same numbers in both types: where the integers stand must not matter.
    let plain = vec![double; 3 * SIDE];
    let lanes = vec![Lane::Float; plain.len()];
    let expected = hashes(&plain, &lanes, 0..rows as usize);
    for at in 0..plain.len() {
        let mut mixed = plain.clone();
        mixed[at] = int;
        assert_eq!(hashes(&mixed, &lanes, 0..rows as usize), expected, "an integer column at {at}");
    }
}

#[test]
fn order_of_columns_and_sparse_cells_count() {
    let hash = |cells: &[f64]| {
        let columns: Vec<Column<'_>> =
            cells.iter().map(|cell| Column::F64(Strided::from_slice(std::slice::from_ref(cell)))).collect();
        let mut out = [0];
        hash_rows(Mixed, &columns, &vec![Lane::Float; cells.len()], 0, &mut out);
        out[0]
    };
    assert_ne!(hash(&[1.0, 2.0]), hash(&[2.0, 1.0]));
    assert_ne!(hash(&[0.0, 1.0, 0.0]), hash(&[0.0, 0.0, 1.0]));
    // Ten thousand rows of small whole numbers: the hash must not fold them onto each other.
    let mut seen: Vec<u64> = (0..100u32)
        .flat_map(|a| (0..100u32).map(move |b| (a, b)))
        .map(|(a, b)| hash(&[f64::from(a), f64::from(b), 0.5]))
        .collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 10_000);
}
