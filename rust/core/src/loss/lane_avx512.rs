//! Sixteen numbers of single or eight of double precision in a register of AVX-512.
//!
//! As many as in [two registers of AVX2](super::lane_pair), with which they share every rule of rounding but that of
//! the estimate of a [reciprocal](Lane::reciprocal). Half the instructions and twice the registers: constants stay in
//! them, and more of a formula is under way at a time. The one way in is [`cpu::widest`](super::cpu::widest).

#![allow(unsafe_code)]

use std::arch::x86_64 as x86;
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use super::constants::{double, single};
use super::lane::{Lane, elementary, horner, log_of_parts, log1p_unit, reduced, two_chains};

/// Calls an instruction.
macro_rules! on_avx512 {
    ($instruction:expr) => {
        // SAFETY: the lanes exist only inside `cpu::widest`, on CPUs that have AVX-512.
        unsafe { $instruction }
    };
}

macro_rules! operator {
    ($type:ident, $trait:ident, $method:ident, $instruction:ident) => {
        impl $trait for $type {
            type Output = Self;

            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self(on_avx512!(x86::$instruction(self.0, other.0)))
            }
        }
    };
}

macro_rules! lane {
    (
        $lane:ident, $mask:ident($bits:ty), $f:ident, $register:ident, $count:literal, $constants:ident,
        add $add:ident, sub $sub:ident, mul $mul:ident, div $div:ident, fma $fma:ident, sqrt $sqrt:ident,
        max $max:ident, min $min:ident, abs $abs:ident, and $and:ident, or $or:ident, xor $xor:ident,
        cmp $cmp:ident, blend $blend:ident, signs $signs:ident, set1 $set1:ident,
        load $load:ident, store $store:ident, to_int $to_int:ident, from_int $from_int:ident,
        sums $sums:ident,
        int($int:ident) add $int_add:ident, sub $int_sub:ident, set1 $int_set1:ident, shl $shl:ident, shr $shr:ident
    ) => {
        #[doc = concat!(stringify!($count), " numbers of type ", stringify!($f), ".")]
        #[derive(Debug, Clone, Copy)]
        #[repr(transparent)]
        pub struct $lane(x86::$register);

        /// A bit for each of them.
        #[derive(Debug, Clone, Copy)]
        #[repr(transparent)]
        pub struct $mask($bits);

        operator!($lane, Add, add, $add);
        operator!($lane, Sub, sub, $sub);
        operator!($lane, Mul, mul, $mul);
        operator!($lane, Div, div, $div);

        impl Neg for $lane {
            type Output = Self;

            #[inline(always)]
            fn neg(self) -> Self {
                Self(on_avx512!(x86::$xor(self.0, x86::$set1(-0.0))))
            }
        }

        impl BitAnd for $mask {
            type Output = Self;

            #[inline(always)]
            fn bitand(self, other: Self) -> Self {
                Self(self.0 & other.0)
            }
        }

        impl BitOr for $mask {
            type Output = Self;

            #[inline(always)]
            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }

        impl Not for $mask {
            type Output = Self;

            #[inline(always)]
            fn not(self) -> Self {
                Self(!self.0)
            }
        }

        impl $lane {
            #[inline(always)]
            fn splat(value: $f) -> Self {
                Self(on_avx512!(x86::$set1(value)))
            }

            #[inline(always)]
            fn power_of_two(self) -> Self {
                use $constants as k;
                // The rounder's own bits but its bias are shifted out.
                Self(on_avx512!(x86::$from_int(x86::$shl::<{ k::MANTISSA }>(x86::$to_int(self.0)))))
            }

            #[inline(always)]
            fn power_of_two_halves(self) -> (Self, Self) {
                use $constants as k;
                let shift = (4 * k::BIAS).wrapping_sub(k::ROUNDER.to_bits()) as $int;
                on_avx512!({
                    let bias = x86::$int_set1(k::BIAS as $int);
                    let n = x86::$int_add(x86::$to_int(self.0), x86::$int_set1(shift));
                    let half = x86::$shr::<1>(n);
                    let low = x86::$int_sub(half, bias);
                    let high = x86::$int_sub(x86::$int_sub(n, half), bias);
                    (
                        Self(x86::$from_int(x86::$shl::<{ k::MANTISSA }>(low))),
                        Self(x86::$from_int(x86::$shl::<{ k::MANTISSA }>(high))),
                    )
                })
            }

            /// As in single lanes: the exponent, and the mantissa in [√½, √2).
            #[inline(always)]
            fn split_exponent(self) -> (Self, Self) {
                use $constants as k;
                let border = k::SQRT_HALF_BITS as $int;
                let (moved, biased) = on_avx512!({
                    let moved = x86::$int_sub(x86::$to_int(self.0), x86::$int_set1(border));
                    let raised = x86::$int_add(moved, x86::$int_set1(k::ONE_BITS as $int));
                    (moved, x86::$shr::<{ k::MANTISSA }>(raised))
                });
                let mask = Self(on_avx512!(x86::$from_int(x86::$int_set1(k::MANTISSA_MASK as $int))));
                let low = on_avx512!(x86::$to_int(x86::$and(x86::$from_int(moved), mask.0)));
                let m = Self(on_avx512!(x86::$from_int(x86::$int_add(low, x86::$int_set1(border)))));
                let rounder = (k::ROUNDER.to_bits() - k::BIAS) as $int;
                let n = Self(on_avx512!(x86::$from_int(x86::$int_add(biased, x86::$int_set1(rounder)))));
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

            type Sums = x86::$sums;

            #[inline(always)]
            fn no_sum() -> x86::$sums {
                // SAFETY: sums are a register of numbers, for which all bits 0 is 0.
                unsafe { std::mem::zeroed() }
            }

            #[inline(always)]
            fn add_up(sums: x86::$sums, value: Self) -> x86::$sums {
                value.add_to(sums)
            }

            #[inline(always)]
            fn sum(sums: x86::$sums) -> f64 {
                const COUNT: usize = size_of::<x86::$sums>() / 8;
                // SAFETY: a register of double precision is so many numbers.
                let lanes = unsafe { std::mem::transmute::<x86::$sums, [f64; COUNT]>(sums) };
                lanes.iter().fold(0.0, |sum, lane| sum + lane)
            }

            #[inline(always)]
            fn or_bits(self, other: Self) -> Self {
                Self(on_avx512!(x86::$or(self.0, other.0)))
            }

            #[inline(always)]
            fn any_sign(self) -> bool {
                on_avx512!(x86::$signs(x86::$to_int(self.0))) != 0
            }

            #[inline(always)]
            fn any(mask: $mask) -> bool {
                mask.0 != 0
            }

            #[inline(always)]
            fn select(mask: $mask, a: Self, b: Self) -> Self {
                Self(on_avx512!(x86::$blend(mask.0, b.0, a.0)))
            }

            #[inline(always)]
            fn select_by_sign(sign: Self, a: Self, b: Self) -> Self {
                Self(on_avx512!(x86::$blend(x86::$signs(x86::$to_int(sign.0)), b.0, a.0)))
            }

            #[inline(always)]
            fn flip_by_sign(self, sign: Self) -> Self {
                Self(on_avx512!(x86::$xor(self.0, x86::$and(sign.0, x86::$set1(-0.0)))))
            }

            #[inline(always)]
            fn less(self, other: Self) -> $mask {
                $mask(on_avx512!(x86::$cmp::<{ x86::_CMP_LT_OQ }>(self.0, other.0)))
            }

            #[inline(always)]
            fn at_most(self, other: Self) -> $mask {
                $mask(on_avx512!(x86::$cmp::<{ x86::_CMP_LE_OQ }>(self.0, other.0)))
            }

            #[inline(always)]
            fn equals(self, other: Self) -> $mask {
                $mask(on_avx512!(x86::$cmp::<{ x86::_CMP_EQ_OQ }>(self.0, other.0)))
            }

            #[inline(always)]
            fn mul_add(self, factor: Self, term: Self) -> Self {
                Self(on_avx512!(x86::$fma(self.0, factor.0, term.0)))
            }

            #[inline(always)]
            fn abs(self) -> Self {
                Self(on_avx512!(x86::$abs(self.0)))
            }

            #[inline(always)]
            fn larger(self, other: Self) -> Self {
                // The instruction returns its second operand when one is NaN.
                Self(on_avx512!(x86::$max(self.0, other.0)))
            }

            #[inline(always)]
            fn smaller(self, other: Self) -> Self {
                Self(on_avx512!(x86::$min(self.0, other.0)))
            }

            #[inline(always)]
            fn reciprocal(self) -> Self {
                self.fast_reciprocal()
            }

            #[inline(always)]
            fn sqrt(self) -> Self {
                Self(on_avx512!(x86::$sqrt(self.0)))
            }

            elementary!($constants, self::$constants);
        }
    };
}

lane!(
    F32x16, M32x16(x86::__mmask16), f32, __m512, 16, single,
    add _mm512_add_ps, sub _mm512_sub_ps, mul _mm512_mul_ps, div _mm512_div_ps, fma _mm512_fmadd_ps,
    sqrt _mm512_sqrt_ps, max _mm512_max_ps, min _mm512_min_ps, abs _mm512_abs_ps, and _mm512_and_ps,
    or _mm512_or_ps, xor _mm512_xor_ps, cmp _mm512_cmp_ps_mask, blend _mm512_mask_blend_ps,
    signs _mm512_movepi32_mask, set1 _mm512_set1_ps, load _mm512_loadu_ps, store _mm512_storeu_ps,
    to_int _mm512_castps_si512, from_int _mm512_castsi512_ps,
    sums __m512d,
    int(i32) add _mm512_add_epi32, sub _mm512_sub_epi32, set1 _mm512_set1_epi32, shl _mm512_slli_epi32,
    shr _mm512_srli_epi32
);
lane!(
    F64x8, M64x8(x86::__mmask8), f64, __m512d, 8, double,
    add _mm512_add_pd, sub _mm512_sub_pd, mul _mm512_mul_pd, div _mm512_div_pd, fma _mm512_fmadd_pd,
    sqrt _mm512_sqrt_pd, max _mm512_max_pd, min _mm512_min_pd, abs _mm512_abs_pd, and _mm512_and_pd,
    or _mm512_or_pd, xor _mm512_xor_pd, cmp _mm512_cmp_pd_mask, blend _mm512_mask_blend_pd,
    signs _mm512_movepi64_mask, set1 _mm512_set1_pd, load _mm512_loadu_pd, store _mm512_storeu_pd,
    to_int _mm512_castpd_si512, from_int _mm512_castsi512_pd,
    sums __m256d,
    int(i64) add _mm512_add_epi64, sub _mm512_sub_epi64, set1 _mm512_set1_epi64, shl _mm512_slli_epi64,
    shr _mm512_srli_epi64
);

// Both add halves of a register to each other first: the sums are those of two registers of AVX2.

impl F32x16 {
    /// An estimate of fourteen bits and one step of Newton's.
    #[inline(always)]
    fn fast_reciprocal(self) -> Self {
        let guess = Self(on_avx512!(x86::_mm512_rcp14_ps(self.0)));
        let off = (-self).mul_add(guess, Self::ONE);
        guess.mul_add(off, guess)
    }

    #[inline(always)]
    fn add_to(self, sums: x86::__m512d) -> x86::__m512d {
        on_avx512!({
            let (low, high) = (x86::_mm512_castps512_ps256(self.0), x86::_mm512_extractf32x8_ps::<1>(self.0));
            x86::_mm512_add_pd(sums, x86::_mm512_cvtps_pd(x86::_mm256_add_ps(low, high)))
        })
    }
}

impl F64x8 {
    #[inline(always)]
    fn fast_reciprocal(self) -> Self {
        Self::ONE / self
    }

    #[inline(always)]
    fn add_to(self, sums: x86::__m256d) -> x86::__m256d {
        on_avx512!({
            let (low, high) = (x86::_mm512_castpd512_pd256(self.0), x86::_mm512_extractf64x4_pd::<1>(self.0));
            x86::_mm256_add_pd(sums, x86::_mm256_add_pd(low, high))
        })
    }
}
