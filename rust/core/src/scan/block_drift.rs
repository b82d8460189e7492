//! How the distribution of columns differs between sets of blocks of rows, whatever the sets: each column is sorted once.

use crate::columns::Column;
use crate::error::{Error, Result};
use crate::parallel::{Cancel, map_blocks};
use crate::scan::drift::{BINS, Drift, Quartiles};
use crate::scan::numbers::{Places, check_rows, common_rows, read};
use crate::scan::radix::{number_of_key, sort_key};

/// Set in the block of a number that is the last of its value.
const LAST: u32 = 1 << 31;
/// Numbers that are gone through before it is asked what was passed.
const STEP: usize = 64;

/// The numbers of some rows of each column in ascending order, each with the block of its row.
#[derive(Debug)]
pub struct BlockSamples {
    columns: Vec<Sorted>,
    blocks: usize,
}

/// One column.
#[derive(Debug)]
struct Sorted {
    values: Vec<f64>,
    /// The block of each number.
    places: Vec<u32>,
    /// How many numbers each block has.
    counts: Vec<u32>,
}

impl BlockSamples {
    /// Sorts some rows of each column, `None` for all; `numbers` has the block of each of them, below `blocks`.
    ///
    /// NaN cells are left out, −0.0 equals 0.0, infinities are extremes.
    pub fn new(
        columns: &[Column<'_>],
        rows: Option<&[i64]>,
        numbers: &[u32],
        blocks: usize,
        cancel: &Cancel,
    ) -> Result<Self> {
        let all = common_rows(columns)?;
        check_rows(rows.unwrap_or(&[]), all)?;
        let len = rows.map_or(all, <[i64]>::len);
        if numbers.len() != len && !columns.is_empty() {
            return Err(Error::LengthMismatch { name: "numbers".into(), got: numbers.len(), expected: len });
        }
        if blocks >= LAST as usize || numbers.iter().any(|&number| number as usize >= blocks) {
            return Err(Error::Parameter {
                name: "blocks".into(),
                value: blocks.to_string(),
                hint: "pass one more than the largest number of a block, below 2^31".into(),
            });
        }
        let sorted = map_blocks(columns.len(), 1, len, cancel, |column| {
            Ok(Sorted::of(&columns[column.start], Places::of(rows), numbers, blocks))
        })?;
        Ok(Self { columns: sorted, blocks })
    }

    /// How many numbers there are, to tell how much work a comparison is.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.columns.iter().map(|column| column.values.len()).sum()
    }

    /// The drift of each column from a first set of blocks to a second.
    ///
    /// Each set gives a weight to every block, 0 to those that are not of it: a number counts as so many. `known` counts
    /// numbers of blocks with a weight.
    pub fn drifts(&self, first: &[f64], second: &[f64], cancel: &Cancel) -> Result<Vec<Drift>> {
        for (name, weights) in [("first", first), ("second", second)] {
            if weights.len() != self.blocks {
                return Err(Error::LengthMismatch { name: name.into(), got: weights.len(), expected: self.blocks });
            }
        }
        let weights: Vec<[f64; 2]> = first.iter().zip(second).map(|(&a, &b)| [a, b]).collect();
        let work = self.columns.iter().map(|column| column.values.len()).max().unwrap_or(0);
        map_blocks(self.columns.len(), 1, work, cancel, |column| Ok(self.columns[column.start].drift(&weights)))
    }
}

impl Sorted {
    fn of(column: &Column<'_>, rows: Places<'_>, numbers: &[u32], blocks: usize) -> Self {
        let mut cells = vec![0.0; numbers.len()];
        read(column, rows, &mut cells);
        let known = cells.iter().zip(numbers).filter(|(cell, _)| !cell.is_nan());
        let mut keys: Vec<(u64, u32)> = known.map(|(&cell, &number)| (sort_key(cell), number)).collect();
        keys.sort_unstable();
        let mut counts = vec![0; blocks];
        let mut places: Vec<u32> = Vec::with_capacity(keys.len());
        for (i, &(key, number)) in keys.iter().enumerate() {
            counts[number as usize] += 1;
            let last = keys.get(i + 1).is_none_or(|next| next.0 != key);
            places.push(if last { number | LAST } else { number });
        }
        Self { values: keys.into_iter().map(|(key, _)| number_of_key(key)).collect(), places, counts }
    }

    fn drift(&self, weights: &[[f64; 2]]) -> Drift {
        let mut sides = [0, 1].map(|side| {
            let of_side = || self.counts.iter().zip(weights).filter(move |(_, weight)| weight[side] > 0.0);
            let known = of_side().map(|(&count, _)| count as usize).sum();
            Side::new(known, of_side().map(|(&count, weight)| f64::from(count) * weight[side]).sum())
        });
        let mut edges = Edges { tenth: sides[0].total / BINS as f64, next: 1, found: Vec::with_capacity(BINS) };
        let scale = [1.0 / sides[0].total, 1.0 / sides[1].total];
        let (mut up_to, mut largest) = ([0.0; 2], 0.0f64);
        for (number, step) in self.places.chunks(STEP).enumerate() {
            let before = up_to;
            for &place in step {
                let [a, b] = weights[(place & !LAST) as usize];
                up_to = [up_to[0] + a, up_to[1] + b];
                if place & LAST != 0 {
                    largest = largest.max((up_to[0] * scale[0] - up_to[1] * scale[1]).abs());
                }
            }
            // What is looked for lies in few of the steps: only those are gone through once more.
            if up_to[0] > sides[0].next || up_to[1] > sides[1].next || up_to[0] > edges.limit() {
                self.pass(number * STEP, step.len(), before, weights, &mut sides, &mut edges);
            }
        }
        let both = sides.iter().all(|side| side.known > 0);
        Drift {
            distance: if both { largest } else { f64::NAN },
            stability: if both { stability(&edges.found, &sides) } else { f64::NAN },
            first: sides[0].quartiles(),
            second: sides[1].quartiles(),
        }
    }

    /// Goes through some numbers with what lies before them, and takes the quartiles and edges among them.
    #[cold]
    fn pass(
        &self,
        start: usize,
        len: usize,
        mut up_to: [f64; 2],
        weights: &[[f64; 2]],
        sides: &mut [Side; 2],
        edges: &mut Edges,
    ) {
        for i in start..start + len {
            for (side, weight) in weights[(self.places[i] & !LAST) as usize].into_iter().enumerate() {
                up_to[side] += weight;
                sides[side].pass(up_to[side], self.values[i]);
            }
            if up_to[0] > edges.limit() {
                edges.pass(up_to[0]);
                let last = edges.found.last().map(|edge| edge.0);
                let first = (0..i).rev().find(|&j| self.places[j] & LAST != 0 || last == Some(j)).map_or(0, |j| j + 1);
                if last.is_none_or(|last| first != last + 1 || self.places[last] & LAST != 0) {
                    let tied = self.places[first..=i].iter().map(|&place| weights[(place & !LAST) as usize]);
                    let below = tied.fold(up_to, |sum, weight| [sum[0] - weight[0], sum[1] - weight[1]]);
                    edges.found.push((i, below));
                }
            }
        }
    }
}

/// Tenths of the first set, by what lies below them in either; those of one value are one.
#[derive(Debug)]
struct Edges {
    tenth: f64,
    /// Which tenth is looked for.
    next: usize,
    /// At which number each was found, and how many lie below its value.
    found: Vec<(usize, [f64; 2])>,
}

impl Edges {
    fn limit(&self) -> f64 {
        if self.next < BINS { self.next as f64 * self.tenth } else { f64::INFINITY }
    }

    fn pass(&mut self, up_to: f64) {
        while up_to > self.limit() {
            self.next += 1;
        }
    }
}

/// The quartiles of one set, found on the way up.
#[derive(Debug, Clone, Copy)]
struct Side {
    known: usize,
    /// The sum of weights.
    total: f64,
    /// How many numbers lie before each of the ten that the quartiles are interpolated from, which of them it is, and
    /// how many of these were found, fewest before first.
    wanted: [(f64, usize); 10],
    found: usize,
    /// Up to how many numbers there is none of them.
    next: f64,
    at: [f64; 10],
}

impl Side {
    fn new(known: usize, total: f64) -> Self {
        let mut wanted = [(0.0, 0); 10];
        for (k, wanted) in wanted.iter_mut().enumerate() {
            let place = Self::place(SHARES[k / 2], total);
            *wanted = (if k % 2 == 0 { place.floor() } else { place.ceil() }, k);
        }
        wanted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let next = if known > 0 { 0.0 } else { f64::INFINITY };
        Self { known, total, wanted, found: 0, next, at: [f64::NAN; 10] }
    }

    /// The place of a quantile among `total` numbers.
    fn place(share: f64, total: f64) -> f64 {
        share * (total - 1.0).max(0.0)
    }

    fn pass(&mut self, up_to: f64, value: f64) {
        while let Some(&(_, which)) = self.wanted.get(self.found).filter(|wanted| up_to > wanted.0) {
            (self.at[which], self.found) = (value, self.found + 1);
        }
        self.next = self.wanted.get(self.found).map_or(f64::INFINITY, |wanted| wanted.0);
    }

    fn quartiles(&self) -> Quartiles {
        let at = [0, 1, 2, 3, 4].map(|k| {
            let (low, high) = (self.at[2 * k], self.at[2 * k + 1]);
            // Two infinities have no distance.
            if low < high { low + (high - low) * Self::place(SHARES[k], self.total).fract() } else { low }
        });
        Quartiles { known: self.known, at }
    }
}

const SHARES: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];

/// The stability index over the bins between edges, half a row added to every bin.
fn stability(edges: &[(usize, [f64; 2])], sides: &[Side; 2]) -> f64 {
    let shares = [0, 1].map(|side| {
        let Side { known, total, .. } = sides[side];
        let ends = edges.iter().map(|edge| edge.1[side]).chain([total]);
        let starts = std::iter::once(0.0).chain(edges.iter().map(|edge| edge.1[side]));
        let all = known as f64 + (edges.len() + 1) as f64 * 0.5;
        starts.zip(ends).map(|(start, end)| ((end - start) / total * known as f64 + 0.5) / all).collect::<Vec<f64>>()
    });
    shares[0].iter().zip(&shares[1]).map(|(p, q)| (q - p) * (q / p).ln()).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::columns::Strided;
    use crate::scan::drift::{Chosen, drifts};

    fn cell() -> impl Strategy<Value = f64> {
        prop_oneof![
            4 => -3.0..3.0f64,
            2 => (-2i32..2).prop_map(f64::from),
            1 => prop::sample::select(vec![f64::NAN, -0.0, f64::INFINITY, f64::NEG_INFINITY]),
        ]
    }

    fn near(a: f64, b: f64) -> bool {
        a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() < 1e-9
    }

    fn alike(a: &Drift, b: &Drift) -> bool {
        let places = |q: &Quartiles| q.at;
        near(a.distance, b.distance)
            && [(a.first, b.first), (a.second, b.second)]
                .iter()
                .all(|(p, q)| places(p).iter().zip(places(q)).all(|(&p, q)| near(p, q)))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn equals_the_drift_of_the_rows_themselves(
            rows in prop::collection::vec((cell(), 0u32..6), 1..80),
            roles in prop::collection::vec(0u8..3, 6),
            weights in prop::collection::vec(1usize..4, 6),
        ) {
            let (values, numbers): (Vec<f64>, Vec<u32>) = rows.into_iter().unzip();
            let columns = [Column::F64(Strided::from_slice(&values))];
            let samples = BlockSamples::new(&columns, None, &numbers, 6, &Cancel::new()).unwrap();
            for equal in [true, false] {
                let side = |role: u8| -> Vec<f64> {
                    let weight = |block: usize| if equal { 1.0 } else { weights[block] as f64 };
                    (0..6).map(|block| if roles[block] == role { weight(block) } else { 0.0 }).collect()
                };
                // A row of weight w stands for w rows.
                let listed = |role: u8| -> Vec<i64> {
                    let times = |number: u32| if equal { 1 } else { weights[number as usize] };
                    let rows = numbers.iter().enumerate().filter(|&(_, &number)| roles[number as usize] == role);
                    rows.flat_map(|(row, &number)| std::iter::repeat_n(row as i64, times(number))).collect()
                };
                let found = samples.drifts(&side(1), &side(2), &Cancel::new()).unwrap()[0];
                let (first, second) = (listed(1), listed(2));
                let chosen = |rows| Chosen { columns: &columns, rows: Some(rows) };
                let expected = drifts(chosen(&first), chosen(&second), &Cancel::new()).unwrap()[0];
                prop_assert!(alike(&found, &expected), "{:?} {:?}", found, expected);
                if equal {
                    prop_assert!(near(found.stability, expected.stability), "{:?} {:?}", found, expected);
                    prop_assert_eq!(found.first.known, expected.first.known);
                }
            }
        }
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let values = [1.0, 2.0];
        let columns = [Column::F64(Strided::from_slice(&values))];
        let cancel = Cancel::new();
        assert!(BlockSamples::new(&columns, None, &[0], 1, &cancel).is_err());
        assert!(BlockSamples::new(&columns, None, &[0, 1], 1, &cancel).is_err());
        assert!(BlockSamples::new(&columns, Some(&[2]), &[0], 1, &cancel).is_err());
        let samples = BlockSamples::new(&columns, None, &[0, 1], 2, &cancel).unwrap();
        assert!(samples.drifts(&[1.0], &[0.0, 1.0], &cancel).is_err());
        assert_eq!(samples.drifts(&[1.0, 0.0], &[0.0, 1.0], &cancel).unwrap()[0].distance, 1.0);
    }
}
