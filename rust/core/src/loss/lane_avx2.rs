//! Eight numbers of single or four of double precision in a register of AVX2, with fused multiply-add.
//!
//! Nothing here may run on a CPU without AVX2 and FMA: the one way in is [`cpu::widest`](super::cpu::widest), which
//! looks first. All functions are inlined into it, and so compiled for these instructions.

#![allow(unsafe_code)]

use std::arch::x86_64 as x86;
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use super::constants::{double, single};
use super::lane::{Lane, elementary, horner, log_of_parts, log1p_unit, reduced, two_chains};

/// Calls an instruction.
macro_rules! on_avx2 {
    ($instruction:expr) => {
        // SAFETY: the lanes exist only inside `cpu::widest`, on CPUs that have AVX2 and FMA.
        unsafe { $instruction }
    };
}

/// An operator of two lanes that is one instruction.
macro_rules! operator {
    ($type:ident, $trait:ident, $method:ident, $instruction:ident) => {
        impl $trait for $type {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self(on_avx2!(x86::$instruction(self.0, other.0)))
            }
        }
    };
}

macro_rules! lane {
    (
        $lane:ident, $mask:ident, $f:ident, $register:ident, $count:literal, $constants:ident,
        add $add:ident, sub $sub:ident, mul $mul:ident, div $div:ident, fma $fma:ident, sqrt $sqrt:ident,
        max $max:ident, min $min:ident, and $and:ident, or $or:ident, xor $xor:ident, andnot $andnot:ident,
        cmp $cmp:ident, blend $blend:ident, movemask $movemask:ident, set1 $set1:ident,
        load $load:ident, store $store:ident, to_int $to_int:ident, from_int $from_int:ident,
        sums $sums:ty,
        int($int:ident) add $int_add:ident, sub $int_sub:ident, set1 $int_set1:ident, shl $shl:ident, shr $shr:ident
    ) => {
        #[doc = concat!(stringify!($count), " numbers of type ", stringify!($f), ".")]
        #[derive(Debug, Clone, Copy)]
        #[repr(transparent)]
        pub struct $lane(x86::$register);

        /// A truth value for each of them: all bits set, or none.
        #[derive(Debug, Clone, Copy)]
        #[repr(transparent)]
        pub struct $mask(x86::$register);

        operator!($lane, Add, add, $add);
        operator!($lane, Sub, sub, $sub);
        operator!($lane, Mul, mul, $mul);
        operator!($lane, Div, div, $div);
        operator!($mask, BitAnd, bitand, $and);
        operator!($mask, BitOr, bitor, $or);

        impl Neg for $lane {
            type Output = Self;

            #[inline(always)]
            fn neg(self) -> Self {
                Self(on_avx2!(x86::$xor(self.0, x86::$set1(-0.0))))
            }
        }

        impl Not for $mask {
            type Output = Self;

            #[inline(always)]
            fn not(self) -> Self {
                Self(on_avx2!(x86::$xor(self.0, x86::$from_int(x86::$int_set1(-1)))))
            }
        }

        impl $lane {
            #[inline(always)]
            pub(super) fn splat(value: $f) -> Self {
                Self(on_avx2!(x86::$set1(value)))
            }

            #[inline(always)]
            pub(super) fn power_of_two(self) -> Self {
                use $constants as k;
                // The rounder's own bits but its bias are shifted out.
                Self(on_avx2!(x86::$from_int(x86::$shl::<{ k::MANTISSA as i32 }>(x86::$to_int(self.0)))))
            }

            #[inline(always)]
            pub(super) fn power_of_two_halves(self) -> (Self, Self) {
                use $constants as k;
                let shift = (4 * k::BIAS).wrapping_sub(k::ROUNDER.to_bits()) as $int;
                on_avx2!({
                    let bias = x86::$int_set1(k::BIAS as $int);
                    let n = x86::$int_add(x86::$to_int(self.0), x86::$int_set1(shift));
                    let half = x86::$shr::<1>(n);
                    let low = x86::$int_sub(half, bias);
                    let high = x86::$int_sub(x86::$int_sub(n, half), bias);
                    (
                        Self(x86::$from_int(x86::$shl::<{ k::MANTISSA as i32 }>(low))),
                        Self(x86::$from_int(x86::$shl::<{ k::MANTISSA as i32 }>(high))),
                    )
                })
            }

            /// As in single lanes: the exponent, and the mantissa in [√½, √2).
            #[inline(always)]
            pub(super) fn split_exponent(self) -> (Self, Self) {
                use $constants as k;
                let border = k::SQRT_HALF_BITS as $int;
                let (moved, biased) = on_avx2!({
                    let moved = x86::$int_sub(x86::$to_int(self.0), x86::$int_set1(border));
                    let raised = x86::$int_add(moved, x86::$int_set1(k::ONE_BITS as $int));
                    (moved, x86::$shr::<{ k::MANTISSA as i32 }>(raised))
                });
                let mask = Self(on_avx2!(x86::$from_int(x86::$int_set1(k::MANTISSA_MASK as $int))));
                let low = on_avx2!(x86::$to_int(x86::$and(x86::$from_int(moved), mask.0)));
                let m = Self(on_avx2!(x86::$from_int(x86::$int_add(low, x86::$int_set1(border)))));
                let rounder = (k::ROUNDER.to_bits() - k::BIAS) as $int;
                let n = Self(on_avx2!(x86::$from_int(x86::$int_add(biased, x86::$int_set1(rounder)))));
                (n - Self::splat(k::ROUNDER), m)
            }
        }

        impl Lane for $lane {
            type Scalar = $f;
            type Mask = $mask;

            const LANES: usize = $count;
            // SAFETY: a register is that many numbers, and any bits are some number.
            const ZERO: Self = unsafe { std::mem::transmute::<[$f; $count], Self>([0.0; $count]) };
            // SAFETY: as above.
            const ONE: Self = unsafe { std::mem::transmute::<[$f; $count], Self>([1.0; $count]) };

            #[inline(always)]
            fn of(value: f64) -> Self {
                Self::splat(value as $f)
            }

            #[inline(always)]
            fn load(values: &[$f]) -> Self {
                let values = &values[..$count];
                // SAFETY: the slice holds as many values as are read; the instruction needs no alignment.
                Self(unsafe { x86::$load(values.as_ptr()) })
            }

            #[inline(always)]
            fn store(self, values: &mut [$f]) {
                let values = &mut values[..$count];
                // SAFETY: the slice holds as many values as are written; the instruction needs no alignment.
                unsafe { x86::$store(values.as_mut_ptr(), self.0) }
            }

            type Sums = $sums;

            #[inline(always)]
            fn no_sum() -> $sums {
                // SAFETY: sums are registers of numbers, for which all bits 0 is 0.
                unsafe { std::mem::zeroed() }
            }

            #[inline(always)]
            fn add_up(sums: $sums, value: Self) -> $sums {
                Self::add_to(sums, value)
            }

            #[inline(always)]
            fn sum(sums: $sums) -> f64 {
                const COUNT: usize = size_of::<$sums>() / 8;
                // SAFETY: a register of double precision is four numbers.
                let lanes = unsafe { std::mem::transmute::<$sums, [f64; COUNT]>(sums) };
                lanes.iter().fold(0.0, |sum, lane| sum + lane)
            }

            #[inline(always)]
            fn or_bits(self, other: Self) -> Self {
                Self(on_avx2!(x86::$or(self.0, other.0)))
            }

            #[inline(always)]
            fn any_sign(self) -> bool {
                on_avx2!(x86::$movemask(self.0)) != 0
            }

            #[inline(always)]
            fn any(mask: $mask) -> bool {
                on_avx2!(x86::$movemask(mask.0)) != 0
            }

            #[inline(always)]
            fn select(mask: $mask, a: Self, b: Self) -> Self {
                Self(on_avx2!(x86::$blend(b.0, a.0, mask.0)))
            }

            #[inline(always)]
            fn select_by_sign(sign: Self, a: Self, b: Self) -> Self {
                Self(on_avx2!(x86::$blend(b.0, a.0, sign.0)))
            }

            #[inline(always)]
            fn flip_by_sign(self, sign: Self) -> Self {
                Self(on_avx2!(x86::$xor(self.0, x86::$and(sign.0, x86::$set1(-0.0)))))
            }

            #[inline(always)]
            fn less(self, other: Self) -> $mask {
                $mask(on_avx2!(x86::$cmp::<{ x86::_CMP_LT_OQ }>(self.0, other.0)))
            }

            #[inline(always)]
            fn at_most(self, other: Self) -> $mask {
                $mask(on_avx2!(x86::$cmp::<{ x86::_CMP_LE_OQ }>(self.0, other.0)))
            }

            #[inline(always)]
            fn equals(self, other: Self) -> $mask {
                $mask(on_avx2!(x86::$cmp::<{ x86::_CMP_EQ_OQ }>(self.0, other.0)))
            }

            #[inline(always)]
            fn mul_add(self, factor: Self, term: Self) -> Self {
                Self(on_avx2!(x86::$fma(self.0, factor.0, term.0)))
            }

            #[inline(always)]
            fn abs(self) -> Self {
                Self(on_avx2!(x86::$andnot(x86::$set1(-0.0), self.0)))
            }

            #[inline(always)]
            fn larger(self, other: Self) -> Self {
                // The instruction returns its second operand when one is NaN.
                Self(on_avx2!(x86::$max(self.0, other.0)))
            }

            #[inline(always)]
            fn smaller(self, other: Self) -> Self {
                Self(on_avx2!(x86::$min(self.0, other.0)))
            }

            #[inline(always)]
            fn reciprocal(self) -> Self {
                self.fast_reciprocal()
            }

            #[inline(always)]
            fn sqrt(self) -> Self {
                Self(on_avx2!(x86::$sqrt(self.0)))
            }

            elementary!($constants, self::$constants);
        }
    };
}

lane!(
    F32x8, M32x8, f32, __m256, 8, single,
    add _mm256_add_ps, sub _mm256_sub_ps, mul _mm256_mul_ps, div _mm256_div_ps, fma _mm256_fmadd_ps,
    sqrt _mm256_sqrt_ps, max _mm256_max_ps, min _mm256_min_ps, and _mm256_and_ps, or _mm256_or_ps,
    xor _mm256_xor_ps, andnot _mm256_andnot_ps, cmp _mm256_cmp_ps, blend _mm256_blendv_ps,
    movemask _mm256_movemask_ps, set1 _mm256_set1_ps, load _mm256_loadu_ps, store _mm256_storeu_ps,
    to_int _mm256_castps_si256, from_int _mm256_castsi256_ps,
    sums [x86::__m256d; 2],
    int(i32) add _mm256_add_epi32, sub _mm256_sub_epi32, set1 _mm256_set1_epi32, shl _mm256_slli_epi32,
    shr _mm256_srli_epi32
);
lane!(
    F64x4, M64x4, f64, __m256d, 4, double,
    add _mm256_add_pd, sub _mm256_sub_pd, mul _mm256_mul_pd, div _mm256_div_pd, fma _mm256_fmadd_pd,
    sqrt _mm256_sqrt_pd, max _mm256_max_pd, min _mm256_min_pd, and _mm256_and_pd, or _mm256_or_pd,
    xor _mm256_xor_pd, andnot _mm256_andnot_pd, cmp _mm256_cmp_pd, blend _mm256_blendv_pd,
    movemask _mm256_movemask_pd, set1 _mm256_set1_pd, load _mm256_loadu_pd, store _mm256_storeu_pd,
    to_int _mm256_castpd_si256, from_int _mm256_castsi256_pd,
    sums x86::__m256d,
    int(i64) add _mm256_add_epi64, sub _mm256_sub_epi64, set1 _mm256_set1_epi64x, shl _mm256_slli_epi64,
    shr _mm256_srli_epi64
);

impl F32x8 {
    /// An estimate of twelve bits and one step of Newton's: a third of the time of a division.
    #[inline(always)]
    fn fast_reciprocal(self) -> Self {
        let guess = Self(on_avx2!(x86::_mm256_rcp_ps(self.0)));
        let off = (-self).mul_add(guess, Self::ONE);
        guess.mul_add(off, guess)
    }

    #[inline(always)]
    fn add_to([low, high]: [x86::__m256d; 2], value: Self) -> [x86::__m256d; 2] {
        on_avx2!({
            let first = x86::_mm256_cvtps_pd(x86::_mm256_castps256_ps128(value.0));
            let second = x86::_mm256_cvtps_pd(x86::_mm256_extractf128_ps::<1>(value.0));
            [x86::_mm256_add_pd(low, first), x86::_mm256_add_pd(high, second)]
        })
    }
}

impl F64x4 {
    #[inline(always)]
    fn fast_reciprocal(self) -> Self {
        Self::ONE / self
    }

    #[inline(always)]
    fn add_to(sums: x86::__m256d, value: Self) -> x86::__m256d {
        on_avx2!(x86::_mm256_add_pd(sums, value.0))
    }
}
