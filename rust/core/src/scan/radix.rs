//! Numbers sorted by counting their leading bits.
//!
//! A comparison sort takes some eighteen steps a number for the samples that are ranked here, counting three. The leading
//! bits tell nearly all numbers apart once those that all share are gone; what they leave together is sorted by comparing.

use crate::columns::Column;
use crate::scan::numbers::{Places, read};

/// Bits that are counted at once, and how often: the counts stay in the nearest cache.
const DIGIT: u32 = 11;
const DIGITS: usize = 3;
/// What is below the counted bits.
const TAIL: u32 = u64::BITS - DIGIT * DIGITS as u32;
/// Fewer numbers are compared: clearing the counts would take longer.
const FEW: usize = 1_024;
/// Cells that are read at a time.
const TILE: usize = 1_024;

/// A key that sorts as the number does; −0.0 has that of 0.0.
pub(crate) fn sort_key(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    bits ^ (((bits as i64 >> 63) as u64) | 1 << 63)
}

/// The number a key is of.
pub(crate) fn number_of_key(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key ^ (1 << 63) } else { !key })
}

/// The key of no number: larger than that of any.
pub(crate) const MISSING: u64 = u64::MAX;

/// The keys of `len` cells, [`MISSING`] for NaN.
pub(crate) fn read_keys(column: &Column<'_>, places: Places<'_>, len: usize, keys: &mut Vec<u64>) {
    let mut tile = [0.0; TILE];
    keys.clear();
    keys.reserve(len);
    for start in (0..len).step_by(TILE) {
        let tile = &mut tile[..TILE.min(len - start)];
        read(column, places.slice(start, tile.len()), tile);
        keys.extend(tile.iter().map(|&value| if value.is_nan() { MISSING } else { sort_key(value) }));
    }
}

/// How keys between two are stretched over all 64 bits, so that their leading bits tell them apart; order stays.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    least: u64,
    shift: u32,
}

impl Stretch {
    /// For keys from `least` to `most`.
    pub(crate) fn over(least: u64, most: u64) -> Self {
        Self { least, shift: (most - least).leading_zeros().min(u64::BITS - 1) }
    }

    pub(crate) fn stretched(self, key: u64) -> u64 {
        (key - self.least) << self.shift
    }

    pub(crate) fn undone(self, key: u64) -> u64 {
        (key >> self.shift) + self.least
    }

    /// Whether the lowest `bits` are 0 in all stretched keys.
    pub(crate) fn leaves(self, bits: u32) -> bool {
        self.shift >= bits
    }
}

/// Sorts whole numbers; its buffers are kept from one set to the next.
#[derive(Default)]
pub(crate) struct Sorter {
    spare: Vec<u64>,
    counts: Vec<[u32; 1 << DIGIT]>,
}

impl Sorter {
    /// Sorts numbers, the least first. Fast where their leading bits tell most of them apart.
    pub(crate) fn sort(&mut self, numbers: &mut Vec<u64>) {
        if numbers.len() < FEW || u32::try_from(numbers.len()).is_err() {
            numbers.sort_unstable();
            return;
        }
        self.spare.resize(numbers.len(), 0);
        self.count(numbers);
        for (place, counts) in self.counts.iter_mut().enumerate() {
            if counts[digit(numbers[0], place)] as usize == numbers.len() {
                continue;
            }
            let mut behind = 0;
            for count in counts.iter_mut() {
                (*count, behind) = (behind, behind + *count);
            }
            for &number in numbers.iter() {
                let slot = &mut counts[digit(number, place)];
                self.spare[*slot as usize] = number;
                *slot += 1;
            }
            std::mem::swap(numbers, &mut self.spare);
        }
        for alike in numbers.chunk_by_mut(|a, b| a >> TAIL == b >> TAIL) {
            if alike.len() > 1 {
                alike.sort_unstable();
            }
        }
    }

    /// How often each value of each digit occurs.
    fn count(&mut self, numbers: &[u64]) {
        self.counts.clear();
        self.counts.resize(DIGITS, [0; 1 << DIGIT]);
        let counts: &mut [_; DIGITS] = self.counts.as_mut_slice().try_into().expect("as many as there are digits");
        for &number in numbers {
            for (place, counts) in counts.iter_mut().enumerate() {
                counts[digit(number, place)] += 1;
            }
        }
    }
}

#[inline]
fn digit(number: u64, place: usize) -> usize {
    (number >> (TAIL + DIGIT * place as u32)) as usize & ((1 << DIGIT) - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_sorted_as_by_comparing(numbers: &[u64]) {
        let mut expected = numbers.to_vec();
        expected.sort_unstable();
        let mut sorter = Sorter::default();
        for _ in 0..2 {
            let mut found = numbers.to_vec();
            sorter.sort(&mut found);
            assert!(found == expected, "{} numbers", numbers.len());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn sorts_as_comparing_does(
            numbers in prop::collection::vec(any::<u64>(), 0..3 * FEW),
            kept in prop::sample::select(vec![0, 3, TAIL - 5, TAIL, TAIL + DIGIT, 60, 63]),
        ) {
            is_sorted_as_by_comparing(&numbers);
            // Few leading bits, so that many are alike; and few trailing ones, which counting does not see.
            is_sorted_as_by_comparing(&numbers.iter().map(|n| n >> kept << kept).collect::<Vec<_>>());
            is_sorted_as_by_comparing(&numbers.iter().map(|n| n >> kept).collect::<Vec<_>>());
        }

        #[test]
        fn stretching_keeps_order_and_is_undone(keys in prop::collection::vec(any::<u64>(), 2..9), narrow in 0u32..64) {
            let keys: Vec<u64> = keys.iter().map(|key| key >> narrow).collect();
            let stretch = Stretch::over(*keys.iter().min().unwrap(), *keys.iter().max().unwrap());
            for pair in keys.windows(2) {
                prop_assert_eq!(pair[0].cmp(&pair[1]), stretch.stretched(pair[0]).cmp(&stretch.stretched(pair[1])));
                prop_assert_eq!(stretch.undone(stretch.stretched(pair[0])), pair[0]);
                prop_assert!((0..64).all(|bits| !stretch.leaves(bits) || stretch.stretched(pair[0]).trailing_zeros() >= bits));
            }
        }
    }

    #[test]
    fn keys_sort_as_numbers_do_and_give_them_back() {
        let numbers = [f64::NEG_INFINITY, -2.5, -1e-300, 0.0, 1e-300, 7.0, f64::INFINITY];
        assert!(numbers.windows(2).all(|pair| sort_key(pair[0]) < sort_key(pair[1])));
        assert!(numbers.iter().all(|&number| number_of_key(sort_key(number)).to_bits() == number.to_bits()));
        assert_eq!(sort_key(-0.0), sort_key(0.0));
        assert!(sort_key(f64::INFINITY) < MISSING);
    }
}
