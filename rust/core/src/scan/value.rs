//! What the column profile asks of a cell, whatever its type.

// Called once per cell of gigabytes; see `row_hash`.
#![allow(clippy::inline_always)]

use std::cmp::Ordering;
use std::ops::AddAssign;

/// How the bits of a [`Value::key`] are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Float,
    Signed,
    Unsigned,
}

impl Kind {
    /// Compares two keys; None where one is NaN.
    pub(crate) fn compare(self, left: u64, right: u64) -> Option<Ordering> {
        match self {
            Self::Float => f64::from_bits(left).partial_cmp(&f64::from_bits(right)),
            Self::Signed => Some((left as i64).cmp(&(right as i64))),
            Self::Unsigned => Some(left.cmp(&right)),
        }
    }

    /// The number a key stands for, rounded to float64.
    pub(crate) fn number(self, key: u64) -> f64 {
        match self {
            Self::Float => f64::from_bits(key),
            Self::Signed => key as i64 as f64,
            Self::Unsigned => key as f64,
        }
    }
}

/// A cell of a column.
pub(crate) trait Value: Copy + PartialOrd + Default + Send + Sync {
    const KIND: Kind;
    /// A counter as wide as the cell, so that comparisons are counted without leaving their registers.
    type Count: Copy + Default + From<bool> + AddAssign + Into<u64>;
    /// The value, rounded to float64 where it has more than 53 bits.
    fn number(self) -> f64;
    /// Bits that are equal for equal values: one NaN, and no −0.0.
    fn key(self) -> u64;
    fn is_missing(self) -> bool;
}

macro_rules! integers {
    ($kind:ident as $wide:ty: $($type:ty, $count:ty);*) => { $( impl Value for $type {
        const KIND: Kind = Kind::$kind;
        type Count = $count;
        #[inline(always)]
        fn number(self) -> f64 { self as f64 }
        #[inline(always)]
        fn key(self) -> u64 { <$wide>::from(self) as u64 }
        #[inline(always)]
        fn is_missing(self) -> bool { false }
    } )* };
}

macro_rules! floats {
    ($($type:ty, $count:ty);*) => { $( impl Value for $type {
        const KIND: Kind = Kind::Float;
        type Count = $count;
        #[inline(always)]
        fn number(self) -> f64 { f64::from(self) }
        #[inline(always)]
        fn key(self) -> u64 {
            // Adding 0.0 turns −0.0 into 0.0 and leaves all else.
            let value = f64::from(self) + 0.0;
            if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
        }
        #[inline(always)]
        fn is_missing(self) -> bool { self.is_nan() }
    } )* };
}

#[allow(clippy::cast_lossless, clippy::unnecessary_cast)]
mod values {
    use super::{Kind, Value};
    integers!(Signed as i64: i8, u32; i16, u32; i32, u32; i64, u64);
    integers!(Unsigned as u64: u8, u32; u16, u32; u32, u32; u64, u64);
    floats!(f32, u32; f64, u64);

    impl Value for bool {
        const KIND: Kind = Kind::Unsigned;
        type Count = u32;
        #[inline(always)]
        fn number(self) -> f64 {
            f64::from(u8::from(self))
        }
        #[inline(always)]
        fn key(self) -> u64 {
            u64::from(self)
        }
        #[inline(always)]
        fn is_missing(self) -> bool {
            false
        }
    }
}

/// How neighbouring cells compare; a pair with NaN counts nowhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Steps {
    /// The later one is equal.
    pub equal: u64,
    /// The later one is larger.
    pub rises: u64,
    /// The later one is smaller.
    pub falls: u64,
}

impl Steps {
    /// Compares each cell with the one that stands in its place in `before`.
    #[inline(always)]
    pub(crate) fn between<T: Value>(before: &[T], now: &[T]) -> Self {
        let (mut equal, mut rises, mut falls) = (T::Count::default(), T::Count::default(), T::Count::default());
        for (&old, &new) in before.iter().zip(now) {
            equal += T::Count::from(new == old);
            rises += T::Count::from(new > old);
            falls += T::Count::from(new < old);
        }
        Self { equal: equal.into(), rises: rises.into(), falls: falls.into() }
    }

    /// Adds one pair.
    pub(crate) fn count(&mut self, step: Option<Ordering>) {
        match step {
            Some(Ordering::Equal) => self.equal += 1,
            Some(Ordering::Greater) => self.rises += 1,
            Some(Ordering::Less) => self.falls += 1,
            None => {}
        }
    }

    /// Adds the pairs of another part.
    pub fn merge(&mut self, other: &Self) {
        self.equal += other.equal;
        self.rises += other.rises;
        self.falls += other.falls;
    }
}
