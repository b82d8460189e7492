//! What counts as equal: cells of any type as bits that are equal for equal numbers.
//!
//! Written down once, in [`Scalar`]: −0.0 equals 0.0, NaN equals NaN, and numbers of different types are equal when
//! their values are, exactly (2⁵³ + 1 equals no float64).

// Called once per cell of gigabytes; see `row_hash`.
#![allow(clippy::inline_always)]

/// The points `centre + (k − shift) / per_unit` for whole k.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Grid {
    pub(crate) centre: f64,
    pub(crate) per_unit: f64,
    pub(crate) shift: f64,
}

impl Grid {
    /// Bits that are equal for cells of one point.
    #[inline(always)]
    pub(crate) fn key(self, cell: f64) -> u64 {
        // Adding 1.5·2⁵² leaves no room for a fraction: the sum is rounded to a whole number, and is its own key.
        const WHOLE: f64 = 6_755_399_441_055_744.0;
        canonical((cell - self.centre) * self.per_unit + self.shift + WHOLE)
    }
}

/// Bits that are equal for equal numbers: no −0.0, and one NaN.
#[inline(always)]
pub(crate) fn canonical(value: f64) -> u64 {
    // Adding 0.0 turns −0.0 into 0.0 and leaves all else.
    let value = value + 0.0;
    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
}

#[inline(always)]
pub(crate) fn single_key(cell: f64) -> u64 {
    canonical(f64::from(cell as f32))
}

/// A cell as an exact number.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scalar {
    Int(i128),
    Float(f64),
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        match (*self, *other) {
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.same(b),
            // Every integer column holds 64 bits at most, so a float beyond 2⁶⁴ can't match; within, the cast is exact.
            (Self::Int(a), Self::Float(b)) | (Self::Float(b), Self::Int(a)) => {
                b.abs() <= 18_446_744_073_709_551_616.0 && b.trunc() == b && b as i128 == a
            }
        }
    }
}

/// A type a column can be of.
pub(crate) trait Cell: Copy {
    /// Bits that are equal for equal integers.
    fn int_bits(self) -> u64;
    /// Bits that are equal for equal numbers, of whatever type.
    fn float_bits(self) -> u64;
    /// The number, rounded to float64 where it has more than 53 bits.
    fn float(self) -> f64;
    fn scalar(self) -> Scalar;
    /// Whether two cells of one type are equal.
    fn same(self, other: Self) -> bool;
}

macro_rules! integer_cells {
    ($($type:ty),*) => { $( impl Cell for $type {
        #[inline(always)]
        fn int_bits(self) -> u64 { self as u64 }
        #[inline(always)]
        fn float_bits(self) -> u64 { (self as f64).to_bits() }
        #[inline(always)]
        fn float(self) -> f64 { self as f64 }
        #[inline(always)]
        fn scalar(self) -> Scalar { Scalar::Int(i128::from(self)) }
        #[inline(always)]
        fn same(self, other: Self) -> bool { self == other }
    } )* };
}

macro_rules! float_cells {
    ($($type:ty),*) => { $( impl Cell for $type {
        #[inline(always)]
        fn int_bits(self) -> u64 { self.float_bits() }
        #[inline(always)]
        fn float_bits(self) -> u64 {
            canonical(f64::from(self))
        }
        #[inline(always)]
        fn float(self) -> f64 { f64::from(self) }
        #[inline(always)]
        fn scalar(self) -> Scalar { Scalar::Float(f64::from(self)) }
        #[inline(always)]
        #[allow(clippy::float_cmp)]
        fn same(self, other: Self) -> bool { self == other || (self.is_nan() && other.is_nan()) }
    } )* };
}

#[allow(clippy::cast_lossless)]
mod cells {
    use super::{Cell, Scalar, canonical};
    integer_cells!(i8, i16, i32, i64, u8, u16, u32, u64);
    float_cells!(f32, f64);

    impl Cell for bool {
        #[inline(always)]
        fn int_bits(self) -> u64 {
            u64::from(self)
        }
        #[inline(always)]
        fn float_bits(self) -> u64 {
            self.float().to_bits()
        }
        #[inline(always)]
        fn float(self) -> f64 {
            f64::from(u8::from(self))
        }
        #[inline(always)]
        fn scalar(self) -> Scalar {
            Scalar::Int(i128::from(self))
        }
        #[inline(always)]
        fn same(self, other: Self) -> bool {
            self == other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_compare_by_exact_value() {
        let big = (1i128 << 53) + 1;
        assert_ne!(Scalar::Int(big), Scalar::Float(big as f64));
        assert_eq!(Scalar::Int(big - 1), Scalar::Float((big - 1) as f64));
        assert_eq!(Scalar::Int(i128::from(u64::MAX) + 1), Scalar::Float(u64::MAX as f64));
        assert_ne!(Scalar::Int(i128::from(u64::MAX)), Scalar::Float(u64::MAX as f64));
        assert_ne!(Scalar::Int(0), Scalar::Float(f64::NAN));
        assert_ne!(Scalar::Int(1), Scalar::Float(f64::INFINITY));
        assert_eq!(Scalar::Float(-0.0), Scalar::Float(0.0));
        assert_eq!(Scalar::Int(0), Scalar::Float(-0.0));
        assert_eq!(Scalar::Float(f64::NAN), Scalar::Float(-f64::NAN));
    }
}
