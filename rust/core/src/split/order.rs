//! The stable order by time of rows that do not come sorted.

use rayon::prelude::*;

use crate::error::Result;
use crate::parallel::{Cancel, map_blocks, map_parts_into};
use crate::split::firsts::{Firsts, Marks};
use crate::split::positions::Position;

/// A permutation: the caller's row at each place of time order. Four bytes a row where they suffice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Up to 2³¹ rows.
    Narrow(Vec<i32>),
    /// More.
    Wide(Vec<i64>),
}

impl Order {
    /// The stable order of `times`: equal times keep the caller's order. In parallel, and with at most 12 bytes a row
    /// while it works, the order itself included.
    ///
    /// # Panics
    /// Never: what is not asked to stop does not.
    #[must_use]
    pub fn by_time(times: &[i64]) -> Self {
        Self::by_time_unless(times, &Cancel::new()).expect("nobody else holds the flag")
    }

    /// As [`by_time`](Self::by_time), unless it is asked to stop.
    ///
    /// # Errors
    /// [`Interrupted`](crate::Error::Interrupted).
    pub fn by_time_unless(times: &[i64], cancel: &Cancel) -> Result<Self> {
        Ok(Self::with_firsts(times, cancel)?.0)
    }

    /// The stable order of `times`, and where in it each timestamp begins, which costs next to nothing on the way.
    ///
    /// # Errors
    /// [`Interrupted`](crate::Error::Interrupted).
    pub(super) fn with_firsts(times: &[i64], cancel: &Cancel) -> Result<(Self, Firsts)> {
        Ok(if i32::try_from(times.len()).is_ok() {
            let (order, firsts) = stable(times, cancel)?;
            (Self::Narrow(order), firsts)
        } else {
            let (order, firsts) = stable(times, cancel)?;
            (Self::Wide(order), firsts)
        })
    }

    /// The permutation without its ownership.
    #[must_use]
    #[inline]
    pub fn places(&self) -> Places<'_> {
        match self {
            Self::Narrow(order) => Places::Narrow(order),
            Self::Wide(order) => Places::Wide(order),
        }
    }

    /// The caller's row at place `i` of time order.
    #[must_use]
    #[inline]
    pub fn at(&self, i: usize) -> usize {
        self.places().at(i)
    }

    /// Bytes of memory held.
    #[must_use]
    pub fn memory(&self) -> usize {
        match self {
            Self::Narrow(order) => 4 * order.capacity(),
            Self::Wide(order) => 8 * order.capacity(),
        }
    }
}

/// A permutation borrowed from wherever it lies.
#[derive(Debug, Clone, Copy)]
pub enum Places<'a> {
    /// Up to 2³¹ rows.
    Narrow(&'a [i32]),
    /// More.
    Wide(&'a [i64]),
}

impl Places<'_> {
    /// The caller's row at place `i` of time order.
    #[must_use]
    #[inline]
    pub fn at(&self, i: usize) -> usize {
        match self {
            Self::Narrow(order) => order[i] as usize,
            Self::Wide(order) => order[i] as usize,
        }
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Narrow(order) => order.len(),
            Self::Wide(order) => order.len(),
        }
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Rows that one part has on average: its keys stay in a core's own cache.
const PART_ROWS: usize = 8_192;

/// The most parts: each is written to at its own place, and more places than that are slow to write to.
const MOST_PARTS: usize = 2_048;

/// Parts larger than this are sorted by all threads together.
const LARGE_PART: usize = 1 << 18;

/// Rows counted by one task.
const TASK: usize = 65_536;

/// How times fall into parts: by their distance from the first one, without its low bits.
struct Cut {
    first: i64,
    shift: u32,
    parts: usize,
}

impl Cut {
    fn of(times: &[i64], cancel: &Cancel) -> Result<Self> {
        let ends = map_blocks(times.len(), TASK, 1, cancel, |rows| {
            Ok(times[rows].iter().fold((i64::MAX, i64::MIN), |(low, high), &time| (low.min(time), high.max(time))))
        })?;
        let first = ends.iter().map(|end| end.0).min().unwrap_or(0);
        let last = ends.iter().map(|end| end.1).max().unwrap_or(0);
        let range = last.abs_diff(first);
        let wanted = (times.len() / PART_ROWS).clamp(1, MOST_PARTS) as u64;
        // At most 64 steps; a shift by all 64 bits is what a range of all integers in one part would ask for.
        let shift = (0..64).find(|&shift| range >> shift < wanted).unwrap_or(63);
        Ok(Self { first, shift, parts: (range >> shift) as usize + 1 })
    }

    #[inline]
    fn part(&self, time: i64) -> usize {
        (time.abs_diff(self.first) >> self.shift) as usize
    }

    /// Where each part begins.
    fn starts(&self, times: &[i64], cancel: &Cancel) -> Result<Vec<usize>> {
        let counts = map_blocks(times.len(), TASK, 1, cancel, |rows| {
            let mut counts = vec![0_u32; self.parts];
            for &time in &times[rows] {
                counts[self.part(time)] += 1;
            }
            Ok(counts)
        })?;
        let mut before = 0;
        let start = |part: usize| {
            before += counts.iter().map(|counts| counts[part] as usize).sum::<usize>();
            before
        };
        Ok(std::iter::once(0).chain((0..self.parts - 1).map(start)).collect())
    }
}

/// A radix pass into parts by the leading digits of the time, then a sort of each part.
///
/// A part whose times lie on a grid is sorted by counting, any other by keys of time and place within the part, packed
/// into one integer: equal times keep their order, and nothing but the key is moved. Times that cluster make parts of
/// uneven size; a large one is sorted in parallel.
fn stable<I: Position>(times: &[i64], cancel: &Cancel) -> Result<(Vec<I>, Firsts)> {
    let cut = Cut::of(times, cancel)?;
    let mut order = vec![I::default(); times.len()];
    let mut next = cut.starts(times, cancel)?;
    for (row, &time) in times.iter().enumerate() {
        let place = &mut next[cut.part(time)];
        order[*place] = I::from_row(row);
        *place += 1;
    }
    cancel.check()?;
    // Each part ends where its next row would have been written.
    let parts = map_parts_into(&mut order, &next, times.len(), cancel, |_, part| Ok(sort_part(times, part)))?;
    Ok((order, Firsts::new(parts, next)))
}

/// Sorts rows by time, and says where each time begins; they come in the caller's order, which equal times keep.
fn sort_part<I: Position>(times: &[i64], part: &mut [I]) -> Marks {
    // The least integer becomes 0, so that times compare as they did.
    let mut keys: Vec<u64> = part.iter().map(|row| times[row.row()].abs_diff(i64::MIN)).collect();
    if keys.is_sorted() {
        return Marks::of_changes(&keys, |key| *key);
    }
    let (low, high) = keys.iter().fold((u64::MAX, 0), |(low, high), &key| (low.min(key), high.max(key)));
    for key in &mut keys {
        *key -= low;
    }
    // In a large part the table and the copy of the rows would count: the order has 12 bytes a row to work with.
    if part.len() <= LARGE_PART
        && let Some(step) = Step::between(&keys)
        && (high - low) / step.size < 2 * part.len() as u64
    {
        return count_part(part, &keys, &step, (high - low) / step.size);
    }
    let bits = usize::BITS - (part.len() - 1).leading_zeros();
    if (high - low).leading_zeros() < bits {
        let mut pairs: Vec<(u64, I)> = keys.into_iter().zip(part.iter().copied()).collect();
        pairs.par_sort_by_key(|pair| pair.0);
        part.iter_mut().zip(&pairs).for_each(|(slot, pair)| *slot = pair.1);
        return Marks::of_changes(&pairs, |pair| pair.0);
    }
    keys.iter_mut().enumerate().for_each(|(place, key)| *key = *key << bits | place as u64);
    if part.len() > LARGE_PART {
        keys.par_sort_unstable();
    } else {
        keys.sort_unstable();
    }
    let marks = Marks::of_changes(&keys, |key| key >> bits);
    let place = (1 << bits) - 1;
    for key in &mut keys {
        *key = part[(*key & place) as usize].row() as u64;
    }
    part.iter_mut().zip(keys).for_each(|(slot, row)| *slot = I::from_row(row as usize));
    marks
}

/// Sorts rows by how many steps they lie behind the first: times on a grid (bars, days) need no comparison.
fn count_part<I: Position>(part: &mut [I], keys: &[u64], step: &Step, last: u64) -> Marks {
    let mut next = vec![0_usize; last as usize + 2];
    for &key in keys {
        next[step.whole(key) as usize + 1] += 1;
    }
    let mut marks = Marks::none(part.len());
    let mut before = 0;
    for slot in &mut next {
        if *slot > 0 {
            marks.set(before);
        }
        before += *slot;
        *slot = before;
    }
    let rows = part.to_vec();
    for (&key, row) in keys.iter().zip(rows) {
        let place = &mut next[step.whole(key) as usize];
        part[*place] = row;
        *place += 1;
    }
    marks
}

/// The grid that some distances lie on, with what divides by it exactly: a multiplication.
///
/// An odd number has an inverse modulo 2⁶⁴, and multiplying a multiple of it by that gives the quotient; anything else
/// comes out larger than any quotient (Granlund and Montgomery, "Division by invariant integers using multiplication",
/// 1994, section 9). The power of two in the step is rotated out.
struct Step {
    size: u64,
    inverse: u64,
    shift: u32,
    most: u64,
}

impl Step {
    fn new(size: u64) -> Self {
        let shift = size.trailing_zeros();
        let odd = size >> shift;
        // Newton's iteration doubles the digits that are right; an odd number is its own inverse in the last three.
        let mut inverse = odd;
        for _ in 0..5 {
            inverse = inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse)));
        }
        Self { size, inverse, shift, most: u64::MAX / size }
    }

    /// The distance in steps, where it is a whole number of them; else more than there can be.
    #[inline]
    fn whole(&self, distance: u64) -> u64 {
        distance.wrapping_mul(self.inverse).rotate_right(self.shift)
    }

    /// The largest step that all distances are a multiple of; none where they are all 0.
    fn between(distances: &[u64]) -> Option<Self> {
        let mut step: Option<Self> = None;
        for &distance in distances {
            step = match step {
                Some(step) if step.whole(distance) <= step.most => Some(step),
                Some(step) => Some(Self::new(common_divisor(step.size, distance))),
                None => (distance > 0).then(|| Self::new(distance)),
            };
        }
        step
    }
}

fn common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::INLINE_ROWS;
    use proptest::prelude::*;

    fn by_hand(times: &[i64]) -> Vec<usize> {
        let mut rows: Vec<usize> = (0..times.len()).collect();
        rows.sort_by_key(|&row| times[row]);
        rows
    }

    fn check(times: &[i64]) {
        let expected = by_hand(times);
        let (narrow, firsts) = stable::<i32>(times, &Cancel::new()).unwrap();
        let (wide, _) = stable::<i64>(times, &Cancel::new()).unwrap();
        assert!(narrow.iter().map(|row| *row as usize).eq(expected.iter().copied()));
        assert!(wide.iter().map(|row| *row as usize).eq(expected.iter().copied()));
        let begins = |place: &usize| *place == 0 || times[expected[place - 1]] != times[expected[*place]];
        let expected_firsts: Vec<usize> = (0..times.len()).filter(begins).collect();
        assert_eq!(firsts.count(), expected_firsts.len());
        assert_eq!(firsts.places(&Cancel::new(), |place| place).unwrap(), expected_firsts);
    }

    /// The next number of a small generator: enough disorder for many rows.
    fn scramble(state: &mut u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *state >> 11
    }

    proptest! {
        #[test]
        fn steps_divide(sizes in prop::collection::vec(0_u64..1_000, 1..20), step in 1_u64..u64::MAX / 1_000) {
            let distances: Vec<u64> = sizes.iter().map(|size| size * step).collect();
            let found = Step::between(&distances);
            let expected = distances.iter().copied().fold(0, common_divisor);
            prop_assert_eq!(found.as_ref().map_or(0, |step| step.size), expected);
            if let Some(found) = found {
                for &distance in &distances {
                    prop_assert_eq!(found.whole(distance), distance / found.size);
                    let off = distance.wrapping_add(1);
                    prop_assert_eq!(found.whole(off) <= found.most, off % found.size == 0);
                }
            }
        }

        #[test]
        fn equals_a_stable_sort(
            times in prop_oneof![
                prop::collection::vec(-5_i64..5, 0..60),
                prop::collection::vec((-5_i64..40).prop_map(|day| day * 86_400_000_000_000), 0..60),
                prop::collection::vec(prop::num::i64::ANY, 0..60),
                prop::collection::vec(prop_oneof![Just(i64::MIN), Just(i64::MAX), 0_i64..9], 0..60),
            ],
        ) {
            check(&times);
        }
    }

    #[test]
    fn many_rows_of_every_shape() {
        let rows = 3 * INLINE_ROWS + 17;
        let mut state = 1;
        let mut of = |range: u64| (0..rows).map(|_| (scramble(&mut state) % range) as i64).collect::<Vec<_>>();
        let shuffled = of(rows as u64);
        let few = of(7);
        let wide = of(1 << 52).into_iter().map(|time| (time - (1 << 51)) << 12).collect::<Vec<_>>();
        let mut outlier = shuffled.clone();
        outlier[9] = i64::MAX;
        outlier[10] = i64::MIN;
        let descending: Vec<i64> = (0..rows as i64).rev().collect();
        let asset_major: Vec<i64> = (0..rows as i64).map(|row| row % 1_000 * 86_400_000_000_000).collect();
        let far: Vec<i64> =
            shuffled.iter().map(|&time| if time % 2 == 0 { i64::MIN + time } else { i64::MAX - time }).collect();
        for times in [shuffled, few, wide, outlier, descending, asset_major, far] {
            check(&times);
        }
    }
}
