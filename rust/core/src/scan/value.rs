//! What the column profile asks of a cell, whatever its type.

// Called once per cell of gigabytes; see `row_hash`.
#![allow(clippy::inline_always)]

use std::cmp::Ordering;
use std::ops::AddAssign;

use super::neighbours::Look;
use crate::columns::{Column, Strided};
use crate::with_column;

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

/// The kind of a column's cells.
pub(crate) fn kind_of(column: &Column<'_>) -> Kind {
    fn of<T: Value>(_: &Strided<'_, T>) -> Kind {
        T::KIND
    }
    with_column!(column, view => of(view))
}

/// A cell of a column.
pub(crate) trait Value: Copy + PartialOrd + Default + Send + Sync + 'static {
    const KIND: Kind;
    /// A counter as wide as the cell, so that comparisons are counted without leaving their registers.
    type Count: Copy + Default + From<bool> + AddAssign + Into<u64>;
    /// What cells are added up as: themselves where they are floating, else float64.
    type Real: Value;
    /// The view inside `column`, when it is of this very type.
    fn of_column<'a>(column: &Column<'a>) -> Option<Strided<'a, Self>>;
    /// The cells as what they are added up as; written to `room` where that is another type.
    fn reals<'a>(cells: &'a [Self], room: &'a mut [Self::Real]) -> &'a [Self::Real];
    /// Compares each cell with the one in its place in `before`, and finds their range and that of `seed`.
    fn look(seed: Self, before: &[Self], now: &[Self]) -> Look;
    /// The value, rounded to float64 where it has more than 53 bits.
    fn number(self) -> f64;
    /// Bits that are equal for equal values: one NaN, and no −0.0.
    fn key(self) -> u64;
    fn is_missing(self) -> bool;
}

/// The view inside a column of this type.
macro_rules! of_column {
    ($variant:ident) => {
        fn of_column<'a>(column: &Column<'a>) -> Option<Strided<'a, Self>> {
            if let Column::$variant(view) = column { Some(*view) } else { None }
        }
    };
}

/// Cells that are turned into float64.
macro_rules! turned {
    () => {
        type Real = f64;
        #[inline(always)]
        fn look(seed: Self, before: &[Self], now: &[Self]) -> Look {
            Look::cell_by_cell(seed, before, now)
        }
        #[inline(always)]
        fn reals<'a>(cells: &'a [Self], room: &'a mut [f64]) -> &'a [f64] {
            let room = &mut room[..cells.len()];
            for (number, cell) in room.iter_mut().zip(cells) {
                *number = cell.number();
            }
            room
        }
    };
}

macro_rules! integers {
    ($kind:ident as $wide:ty: $($variant:ident $type:ty, $count:ty);*) => { $( impl Value for $type {
        const KIND: Kind = Kind::$kind;
        type Count = $count;
        of_column!($variant);
        turned!();
        #[inline(always)]
        fn number(self) -> f64 { self as f64 }
        #[inline(always)]
        fn key(self) -> u64 { <$wide>::from(self) as u64 }
        #[inline(always)]
        fn is_missing(self) -> bool { false }
    } )* };
}

macro_rules! floats {
    ($($variant:ident $type:ty, $count:ty);*) => { $( impl Value for $type {
        const KIND: Kind = Kind::Float;
        type Count = $count;
        type Real = Self;
        of_column!($variant);
        #[inline(always)]
        fn look(seed: Self, before: &[Self], now: &[Self]) -> Look { Look::by_lanes(seed, before, now) }
        #[inline(always)]
        fn reals<'a>(cells: &'a [Self], _: &'a mut [Self]) -> &'a [Self] { cells }
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
    use super::{Column, Kind, Look, Strided, Value};
    integers!(Signed as i64: I8 i8, u32; I16 i16, u32; I32 i32, u32; I64 i64, u64);
    integers!(Unsigned as u64: U8 u8, u32; U16 u16, u32; U32 u32, u32; U64 u64, u64);
    floats!(F32 f32, u32; F64 f64, u64);

    impl Value for bool {
        const KIND: Kind = Kind::Unsigned;
        type Count = u32;
        of_column!(Bool);
        turned!();
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
        let (mut rises, mut falls) = (T::Count::default(), T::Count::default());
        for (&old, &new) in before.iter().zip(now) {
            rises += T::Count::from(new > old);
            falls += T::Count::from(new < old);
        }
        Self::counted(before, now, rises.into(), falls.into())
    }

    /// What neither rises nor falls is equal, or one of the two is NaN: equal cells are counted where there are such.
    #[inline(always)]
    pub(crate) fn counted<T: Value>(before: &[T], now: &[T], rises: u64, falls: u64) -> Self {
        let mut equal = T::Count::default();
        if rises + falls < now.len() as u64 {
            for (&old, &new) in before.iter().zip(now) {
                equal += T::Count::from(new == old);
            }
        }
        Self { equal: equal.into(), rises, falls }
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
