//! Two registers side by side: each step of a formula is taken for both before the next one.
//!
//! A formula is one long chain of dependent steps, and a CPU waits for each. Two chains in step with each other fill
//! the gaps, and share the constants.

use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use super::constants::{double, single};
use super::lane::{Lane, elementary, horner, log_of_parts, log1p_unit, reduced, two_chains};
use super::lane_avx2::{F32x8, F64x4, M32x8, M64x4};

macro_rules! operator {
    ($type:ident, $trait:ident, $method:ident) => {
        impl $trait for $type {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self($trait::$method(self.0, other.0), $trait::$method(self.1, other.1))
            }
        }
    };
}

macro_rules! pair {
    ($lane:ident, $mask:ident, $f:ident, $half:ident, $half_mask:ident, $constants:ident) => {
        #[doc = concat!("Twice as many numbers as in a ", stringify!($half), ".")]
        #[derive(Debug, Clone, Copy)]
        pub struct $lane($half, $half);

        /// A truth value for each of them.
        #[derive(Debug, Clone, Copy)]
        pub struct $mask($half_mask, $half_mask);

        operator!($lane, Add, add);
        operator!($lane, Sub, sub);
        operator!($lane, Mul, mul);
        operator!($lane, Div, div);
        operator!($mask, BitAnd, bitand);
        operator!($mask, BitOr, bitor);

        impl Neg for $lane {
            type Output = Self;

            #[inline(always)]
            fn neg(self) -> Self {
                Self(-self.0, -self.1)
            }
        }

        impl Not for $mask {
            type Output = Self;

            #[inline(always)]
            fn not(self) -> Self {
                Self(!self.0, !self.1)
            }
        }

        impl $lane {
            #[inline(always)]
            fn splat(value: $f) -> Self {
                let both = $half::splat(value);
                Self(both, both)
            }

            #[inline(always)]
            fn power_of_two(self) -> Self {
                Self(self.0.power_of_two(), self.1.power_of_two())
            }

            #[inline(always)]
            fn power_of_two_halves(self) -> (Self, Self) {
                let (a, b) = (self.0.power_of_two_halves(), self.1.power_of_two_halves());
                (Self(a.0, b.0), Self(a.1, b.1))
            }

            #[inline(always)]
            fn split_exponent(self) -> (Self, Self) {
                let (a, b) = (self.0.split_exponent(), self.1.split_exponent());
                (Self(a.0, b.0), Self(a.1, b.1))
            }
        }

        impl Lane for $lane {
            type Scalar = $f;
            type Mask = $mask;
            type Sums = <$half as Lane>::Sums;

            const LANES: usize = 2 * $half::LANES;
            const ZERO: Self = Self($half::ZERO, $half::ZERO);
            const ONE: Self = Self($half::ONE, $half::ONE);

            #[inline(always)]
            fn of(value: f64) -> Self {
                Self::splat(value as $f)
            }

            #[inline(always)]
            fn load(values: &[$f]) -> Self {
                let values = &values[..Self::LANES];
                Self($half::load(values), $half::load(&values[$half::LANES..]))
            }

            #[inline(always)]
            fn store(self, values: &mut [$f]) {
                let values = &mut values[..Self::LANES];
                self.0.store(values);
                self.1.store(&mut values[$half::LANES..]);
            }

            #[inline(always)]
            fn no_sum() -> Self::Sums {
                $half::no_sum()
            }

            #[inline(always)]
            fn add_up(sums: Self::Sums, value: Self) -> Self::Sums {
                $half::add_up(sums, value.0 + value.1)
            }

            #[inline(always)]
            fn sum(sums: Self::Sums) -> f64 {
                $half::sum(sums)
            }

            #[inline(always)]
            fn or_bits(self, other: Self) -> Self {
                Self(self.0.or_bits(other.0), self.1.or_bits(other.1))
            }

            #[inline(always)]
            fn any_sign(self) -> bool {
                self.0.or_bits(self.1).any_sign()
            }

            #[inline(always)]
            fn any(mask: $mask) -> bool {
                $half::any(mask.0 | mask.1)
            }

            #[inline(always)]
            fn select(mask: $mask, a: Self, b: Self) -> Self {
                Self($half::select(mask.0, a.0, b.0), $half::select(mask.1, a.1, b.1))
            }

            #[inline(always)]
            fn select_by_sign(sign: Self, a: Self, b: Self) -> Self {
                Self($half::select_by_sign(sign.0, a.0, b.0), $half::select_by_sign(sign.1, a.1, b.1))
            }

            #[inline(always)]
            fn flip_by_sign(self, sign: Self) -> Self {
                Self(self.0.flip_by_sign(sign.0), self.1.flip_by_sign(sign.1))
            }

            #[inline(always)]
            fn less(self, other: Self) -> $mask {
                $mask(self.0.less(other.0), self.1.less(other.1))
            }

            #[inline(always)]
            fn at_most(self, other: Self) -> $mask {
                $mask(self.0.at_most(other.0), self.1.at_most(other.1))
            }

            #[inline(always)]
            fn equals(self, other: Self) -> $mask {
                $mask(self.0.equals(other.0), self.1.equals(other.1))
            }

            #[inline(always)]
            fn mul_add(self, factor: Self, term: Self) -> Self {
                Self(self.0.mul_add(factor.0, term.0), self.1.mul_add(factor.1, term.1))
            }

            #[inline(always)]
            fn abs(self) -> Self {
                Self(self.0.abs(), self.1.abs())
            }

            #[inline(always)]
            fn larger(self, other: Self) -> Self {
                Self(self.0.larger(other.0), self.1.larger(other.1))
            }

            #[inline(always)]
            fn smaller(self, other: Self) -> Self {
                Self(self.0.smaller(other.0), self.1.smaller(other.1))
            }

            #[inline(always)]
            fn reciprocal(self) -> Self {
                Self(self.0.reciprocal(), self.1.reciprocal())
            }

            #[inline(always)]
            fn sqrt(self) -> Self {
                Self(self.0.sqrt(), self.1.sqrt())
            }

            elementary!($constants, self::$constants);
        }
    };
}

pair!(F32x16, M32x16, f32, F32x8, M32x8, single);
pair!(F64x8, M64x8, f64, F64x4, M64x4, double);
