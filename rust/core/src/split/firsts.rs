//! Where timestamps begin in time order: found while sorting, at a bit a row.

use crate::error::Result;
use crate::parallel::{Cancel, map_parts_into};

/// A bit for each place of a part, set where a timestamp begins.
pub(super) struct Marks(Vec<u64>);

impl Marks {
    pub(super) fn none(places: usize) -> Self {
        Self(vec![0; places.div_ceil(64)])
    }

    /// Marks the first item and every one whose key differs from that before it.
    pub(super) fn of_changes<T>(items: &[T], key: impl Fn(&T) -> u64) -> Self {
        let mut marks = Self::none(items.len());
        let mut before = None;
        for (word, items) in marks.0.iter_mut().zip(items.chunks(64)) {
            for (bit, item) in items.iter().enumerate() {
                let key = Some(key(item));
                *word |= u64::from(key != before) << bit;
                before = key;
            }
        }
        marks
    }

    #[inline]
    pub(super) fn set(&mut self, place: usize) {
        self.0[place / 64] |= 1 << (place % 64);
    }

    fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The marked places, ascending.
    fn places(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(index, &word)| {
            let rest = std::iter::successors(Some(word), |word| Some(word & word.wrapping_sub(1)));
            rest.take_while(|&word| word != 0).map(move |word| 64 * index + word.trailing_zeros() as usize)
        })
    }
}

/// Where in time order each timestamp begins. No two parts share a timestamp.
pub(super) struct Firsts {
    parts: Vec<Marks>,
    /// Where each part ends.
    ends: Vec<usize>,
}

impl Firsts {
    /// The marks of all parts, and where each part ends.
    pub(super) fn new(parts: Vec<Marks>, ends: Vec<usize>) -> Self {
        Self { parts, ends }
    }

    /// How many timestamps there are.
    pub(super) fn count(&self) -> usize {
        self.parts.iter().map(Marks::count).sum()
    }

    /// The places at which they begin, ascending.
    pub(super) fn places<I>(&self, cancel: &Cancel, number: impl Fn(usize) -> I + Sync) -> Result<Vec<I>>
    where
        I: Copy + Default + Send,
    {
        let mut out = vec![I::default(); self.count()];
        let mut written = 0;
        let count = |marks: &Marks| {
            written += marks.count();
            written
        };
        let ends: Vec<usize> = self.parts.iter().map(count).collect();
        let work = out.len();
        map_parts_into(&mut out, &ends, work, cancel, |part, out| {
            let start = if part == 0 { 0 } else { self.ends[part - 1] };
            out.iter_mut().zip(self.parts[part].places()).for_each(|(slot, place)| *slot = number(start + place));
            Ok(())
        })?;
        Ok(out)
    }
}
