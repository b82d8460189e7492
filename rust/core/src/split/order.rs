//! The stable order by time of rows that do not come sorted.

use rayon::prelude::*;

use crate::parallel::{INLINE_ROWS, pool};

/// A permutation: the caller's row at each place of time order. Four bytes a row where they suffice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Up to 2³¹ rows.
    Narrow(Vec<i32>),
    /// More.
    Wide(Vec<i64>),
}

impl Order {
    /// The stable order of `times`: equal times keep the caller's order. O(n log n), less where runs are sorted already
    /// (an asset-major panel is one run an asset), in parallel; 16 bytes a row while it works.
    #[must_use]
    pub fn by_time(times: &[i64]) -> Self {
        if i32::try_from(times.len()).is_ok() {
            Self::Narrow(stable(times, |row| row as i32))
        } else {
            Self::Wide(stable(times, |row| row as i64))
        }
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

/// Sorting pairs beats sorting rows by a look-up: the times come along instead of being fetched at random.
fn stable<I: Copy + Send + Sync>(times: &[i64], row: impl Fn(usize) -> I + Send + Sync) -> Vec<I> {
    if times.len() < INLINE_ROWS {
        let mut pairs: Vec<(i64, I)> = times.iter().enumerate().map(|(i, &time)| (time, row(i))).collect();
        pairs.sort_by_key(|pair| pair.0);
        return pairs.into_iter().map(|pair| pair.1).collect();
    }
    pool().install(|| {
        let mut pairs: Vec<(i64, I)> = times.par_iter().enumerate().map(|(i, &time)| (time, row(i))).collect();
        pairs.par_sort_by_key(|pair| pair.0);
        pairs.into_par_iter().map(|pair| pair.1).collect()
    })
}
