//! Pearson's correlation of every pair of columns, over the rows in which both are known.
//!
//! Columns are centred some rows at a time and multiplied as matrices, band by band of columns. Those without a missing
//! cell come first: two of them need one product. Where cells are missing, sums over the common rows are products of
//! numbers, squares and marks.

use std::ops::Range as StdRange;

use crate::columns::Column;
use crate::error::Result;
use crate::parallel::{Cancel, map_blocks};
use crate::scan::numbers::{Places, check_rows, common_rows, read_finite};
use crate::scan::series::Spread;

/// The most columns of a band.
const WIDTH: usize = 128;
/// Rows that are multiplied at a time: two bands of numbers stay in the cache.
const DEPTH: usize = 256;
/// Columns of a strip: of a band with itself only what is right of each strip is multiplied.
const STRIP: usize = 32;
/// The fewest rows of a task.
const BLOCK: usize = 8_192;
/// About how many tasks there are, each with its own sums.
const TASKS: usize = 64;

/// The correlations of all pairs, row by row; NaN for columns that do not vary over the common rows.
///
/// Numbers that are not finite are missing.
pub fn correlations(columns: &[Column<'_>], rows: Option<&[i64]>, cancel: &Cancel) -> Result<Vec<f64>> {
    let all = common_rows(columns)?;
    if let Some(rows) = rows {
        check_rows(rows, all)?;
    }
    let (len, count) = (rows.map_or(all, <[i64]>::len), columns.len());
    let places = Places::of(rows);
    let spreads = map_blocks(count, 1, len, cancel, |column| Ok(spread(&columns[column.start], places, len)))?;
    let mut order: Vec<usize> = (0..count).collect();
    let full = |spread: &Spread| spread.count >= len as f64;
    order.sort_by_key(|&j| !full(&spreads[j]));
    let clean = spreads.iter().filter(|spread| full(spread)).count();
    let cut = |from: usize, to: usize| (from..to).step_by(WIDTH).map(move |a| a..(a + WIDTH).min(to));
    let bands: Vec<StdRange<usize>> = cut(0, clean).chain(cut(clean, count)).collect();
    let pairs: Vec<(usize, usize)> = (0..bands.len()).flat_map(|a| (a..bands.len()).map(move |b| (a, b))).collect();
    let block = BLOCK.max(len.div_ceil(TASKS.div_ceil(pairs.len().max(1))));
    let shares = len.div_ceil(block);
    let parts = map_blocks(pairs.len() * shares, 1, block * WIDTH, cancel, |task| {
        let (a, b) = pairs[task.start / shares];
        let begin = task.start % shares * block;
        let tile = |band: usize| {
            let band = order[bands[band].clone()].iter();
            Tile::new(band.map(|&at| (&columns[at], spreads[at].mean())).collect())
        };
        let missing = usize::from(bands[a].end > clean) + usize::from(bands[b].end > clean);
        let sums = Sums::new(bands[a].len(), bands[b].len(), missing);
        sums.over(tile(a), (a != b).then(|| tile(b)), places, begin..(begin + block).min(len), cancel)
    })?;
    let mut out = vec![f64::NAN; count * count];
    for (&(a, b), parts) in pairs.iter().zip(parts.chunks(shares.max(1))) {
        let Some((first, others)) = parts.split_first() else { continue };
        let mut sums = first.clone();
        for other in others {
            sums.add(other);
        }
        for (i, &p) in order[bands[a].clone()].iter().enumerate() {
            for (j, &q) in order[bands[b].clone()].iter().enumerate().skip(if a == b { i } else { 0 }) {
                let r = sums.correlation(i, j, [&spreads[p], &spreads[q]]);
                out[p * count + q] = r;
                out[q * count + p] = r;
            }
        }
    }
    Ok(out)
}

fn spread(column: &Column<'_>, places: Places<'_>, len: usize) -> Spread {
    let mut spread = Spread::default();
    let mut values = vec![0.0; DEPTH * 8];
    for start in (0..len).step_by(DEPTH * 8) {
        let values = &mut values[..(DEPTH * 8).min(len - start)];
        read_finite(column, places.slice(start, values.len()), values);
        spread.add(values);
    }
    spread
}

/// Sums over the common rows of each column of one band with each of another. Of a band with itself, what lies left of
/// the diagonal is not made use of.
#[derive(Clone)]
struct Sums {
    width: [usize; 2],
    /// Σ xy; where cells of the second band are missing Σ x, Σ x² and the number of rows; of the first too Σ y and Σ y².
    tables: Vec<Vec<f64>>,
}

impl Sums {
    /// For bands of which `missing` have missing cells: none, the second, or both.
    fn new(a: usize, b: usize, missing: usize) -> Self {
        Self { width: [a, b], tables: vec![vec![0.0; a * b]; [1, 4, 6][missing]] }
    }

    fn add(&mut self, other: &Self) {
        for (table, other) in self.tables.iter_mut().zip(&other.tables) {
            for (sum, other) in table.iter_mut().zip(other) {
                *sum += other;
            }
        }
    }

    /// Adds some rows; without a second band, of the first with itself.
    fn over(
        mut self,
        mut a: Tile<'_>,
        mut b: Option<Tile<'_>>,
        places: Places<'_>,
        rows: StdRange<usize>,
        cancel: &Cancel,
    ) -> Result<Self> {
        let half = b.is_none();
        for start in rows.clone().step_by(DEPTH) {
            cancel.check()?;
            let depth = DEPTH.min(rows.end - start);
            let places = places.slice(start, depth);
            let marks = self.tables.len() > 1;
            a.read(places, depth, marks);
            if let Some(b) = &mut b {
                b.read(places, depth, marks);
            }
            let (a, b) = (&a, b.as_ref().unwrap_or(&a));
            self.multiply(0, &a.numbers, &b.numbers, depth, half);
            if self.tables.len() > 1 {
                self.multiply(1, &a.numbers, &b.marks, depth, half);
                self.multiply(2, &a.squares, &b.marks, depth, half);
                self.multiply(3, &a.marks, &b.marks, depth, half);
            }
            if self.tables.len() > 4 {
                self.multiply(4, &a.marks, &b.numbers, depth, half);
                self.multiply(5, &a.marks, &b.squares, depth, half);
            }
        }
        Ok(self)
    }

    /// Adds `a · bᵀ` over `depth` rows to a table; with `half` at least what is not left of the diagonal.
    #[allow(unsafe_code)]
    fn multiply(&mut self, table: usize, a: &[f64], b: &[f64], depth: usize, half: bool) {
        let [m, n] = self.width;
        let c = &mut self.tables[table];
        assert!(a.len() >= m * DEPTH && b.len() >= n * DEPTH && c.len() == m * n && depth <= DEPTH);
        let (far, wide) = (DEPTH as isize, n as isize);
        for top in (0..m).step_by(if half { STRIP } else { m }) {
            let left = if half { top } else { 0 };
            let (high, a, b, c) =
                ((m - top).min(STRIP), &a[top * DEPTH..], &b[left * DEPTH..], &mut c[top * n + left..]);
            let high = if half { high } else { m };
            // SAFETY: with the strides given, a is read below high * DEPTH, b below (n - left) * DEPTH and c is written
            // below high * n - left, all of which the slices have by the lengths just checked; c is borrowed by us alone.
            unsafe {
                let (a, b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
                matrixmultiply::dgemm(high, depth, n - left, 1.0, a, far, 1, b, 1, far, 1.0, c, wide, 1);
            }
        }
    }

    fn correlation(&self, i: usize, j: usize, spreads: [&Spread; 2]) -> f64 {
        let at = |table: usize| self.tables[table][i * self.width[1] + j];
        let whole = spreads.map(|spread| spread.variance() * spread.count);
        let (xy, xx, yy, rows) = match self.tables.len() {
            1 => (at(0), whole[0], whole[1], spreads[0].count),
            // All known rows of the second column are common ones, so that its own mean, 0, is the one over them.
            4 => (at(0), at(2) - at(1) * at(1) / at(3), whole[1], at(3)),
            _ => {
                let rows = at(3);
                (at(0) - at(1) * at(4) / rows, at(2) - at(1) * at(1) / rows, at(5) - at(4) * at(4) / rows, rows)
            }
        };
        // Of numbers that are all equal rounding may leave a spread of its own size.
        let varies = |left: f64, whole: &Spread| left > 1e-12 * whole.variance() && left > 0.0;
        if rows < 2.0 || !varies(xx, spreads[0]) || !varies(yy, spreads[1]) {
            return f64::NAN;
        }
        (xy / (xx.sqrt() * yy.sqrt())).clamp(-1.0, 1.0)
    }
}

/// Some rows of some columns around their means, a column after the other; 0 where a cell is missing.
struct Tile<'a> {
    columns: Vec<(&'a Column<'a>, f64)>,
    numbers: Vec<f64>,
    marks: Vec<f64>,
    squares: Vec<f64>,
}

impl<'a> Tile<'a> {
    fn new(columns: Vec<(&'a Column<'a>, f64)>) -> Self {
        let cells = || vec![0.0; columns.len() * DEPTH];
        let (numbers, marks, squares) = (cells(), cells(), cells());
        Self { columns, numbers, marks, squares }
    }

    /// Reads some rows; with `marks` also which of them are known, and squares.
    fn read(&mut self, places: Places<'_>, depth: usize, marks: bool) {
        for ((column, mean), out) in self.columns.iter().zip(self.numbers.chunks_mut(DEPTH)) {
            let out = &mut out[..depth];
            read_finite(column, places, out);
            for value in out {
                *value -= mean;
            }
        }
        if !marks {
            return;
        }
        let others = self.marks.iter_mut().zip(&mut self.squares);
        for (number, (mark, square)) in self.numbers.iter_mut().zip(others) {
            let missing = number.is_nan();
            *mark = if missing { 0.0 } else { 1.0 };
            *number = if missing { 0.0 } else { *number };
            *square = *number * *number;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::columns::Strided;
    use crate::parallel::set_num_threads;

    fn twin(x: &[f64], y: &[f64]) -> f64 {
        let known = |v: f64| v.abs() < crate::scan::numbers::BEYOND;
        let rows: Vec<(f64, f64)> =
            x.iter().copied().zip(y.iter().copied()).filter(|&(x, y)| known(x) && known(y)).collect();
        let n = rows.len() as f64;
        let (mx, my) = (rows.iter().map(|r| r.0).sum::<f64>() / n, rows.iter().map(|r| r.1).sum::<f64>() / n);
        let sum = |of: &dyn Fn(f64, f64) -> f64| rows.iter().map(|r| of(r.0 - mx, r.1 - my)).sum::<f64>();
        let (xx, yy) = (sum(&|x, _| x * x), sum(&|_, y| y * y));
        let constant = |of: fn(&(f64, f64)) -> f64| rows.windows(2).all(|pair| of(&pair[0]) == of(&pair[1]));
        if rows.len() < 2 || constant(|r| r.0) || constant(|r| r.1) {
            return f64::NAN;
        }
        sum(&|x, y| x * y) / (xx.sqrt() * yy.sqrt())
    }

    fn cell() -> impl Strategy<Value = f64> {
        prop_oneof![6 => -5.0..5.0f64, 1 => Just(f64::NAN), 1 => Just(1.5), 1 => Just(f64::INFINITY)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn equals_every_pair(
            (width, cells) in (1usize..5).prop_flat_map(|w| (Just(w), prop::collection::vec(cell(), w * 30))),
            dirty in any::<bool>(),
        ) {
            let cells: Vec<f64> = if dirty { cells } else { cells.iter().map(|&v| if v.is_finite() { v } else { 0.0 }).collect() };
            let view = |j: usize| Strided::new(&cells[j..], width, 30);
            let columns: Vec<Column<'_>> = (0..width).map(|j| Column::F64(view(j))).collect();
            let found = correlations(&columns, None, &Cancel::new()).unwrap();
            for p in 0..width {
                for q in 0..width {
                    let (x, y): (Vec<f64>, Vec<f64>) = (view(p).iter().collect(), view(q).iter().collect());
                    let (got, expected) = (found[p * width + q], twin(&x, &y));
                    let equal = (got.is_nan() && expected.is_nan()) || (got - expected).abs() < 1e-9;
                    prop_assert!(equal, "{} against {}", got, expected);
                }
            }
        }
    }

    #[test]
    fn many_tiles_and_shares_have_the_same_bits_at_any_thread_count() {
        let (n, width) = (2 * BLOCK + 77, WIDTH + 9);
        let cells: Vec<f32> =
            (0..n * width).map(|i| ((i * 7_919) % 10_007) as f32 + (i % width) as f32 * 1e3).collect();
        let mut columns: Vec<Column<'_>> =
            (0..width).map(|j| Column::F32(Strided::new(&cells[j..], width, n))).collect();
        let holes: Vec<f64> = (0..n).map(|i| if i % 3 == 0 { f64::NAN } else { f64::from(cells[i * width]) }).collect();
        columns[5] = Column::F64(Strided::from_slice(&holes));
        let mut bits = Vec::new();
        for threads in [1, 3] {
            set_num_threads(threads).unwrap();
            let found = correlations(&columns, None, &Cancel::new()).unwrap();
            let own: Vec<f64> = (0..n).map(|i| f64::from(cells[i * width + 70])).collect();
            assert!((found[5 * width + 70] - twin(&holes, &own)).abs() < 1e-9);
            assert!((found[5] - 1.0).abs() < 1e-9 && (found[70 * width + 70] - 1.0).abs() < 1e-9);
            bits.push(found.iter().map(|r| r.to_bits()).collect::<Vec<_>>());
        }
        assert_eq!(bits[0], bits[1]);
        let rows: Vec<i64> = (0..100).collect();
        let some = correlations(&columns, Some(&rows), &Cancel::new()).unwrap();
        let (x, y): (Vec<f64>, Vec<f64>) =
            (0..100).map(|i| (f64::from(cells[i * width]), f64::from(cells[i * width + 1]))).unzip();
        assert!((some[1] - twin(&x, &y)).abs() < 1e-9);
        assert!(correlations(&columns, Some(&[-1]), &Cancel::new()).is_err());
    }
}
