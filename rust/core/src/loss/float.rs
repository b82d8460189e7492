//! The two floating-point widths, and the elementary functions the losses are made of.
//!
//! The functions are straight-line code without branches, calls or fused multiply-adds: a loop over a slice that
//! inlines them becomes vector instructions, and gives the same bits with and without AVX. Each is a range
//! reduction followed by a minimax polynomial (Remez, relative error below a tenth of a unit in the last place);
//! the tests hold `exp` and `ln` to 1 ulp and both forms of `log1p` to 2 ulp.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

use crate::columns::{Column, Strided};

/// `f32` or `f64`: what a loss needs of a number.
pub trait Float:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + 'static
{
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;

    /// The nearest number of this width.
    fn of(value: f64) -> Self;

    /// The same number in double precision; exact.
    fn wide(self) -> f64;

    /// The absolute value.
    #[must_use]
    fn abs(self) -> Self;

    /// The larger of the two; `other` when `self` is NaN, so that a kernel decides which side a NaN takes.
    #[must_use]
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        if self > other { self } else { other }
    }

    /// The smaller of the two; `other` when `self` is NaN.
    #[must_use]
    #[inline(always)]
    fn smaller(self, other: Self) -> Self {
        if self < other { self } else { other }
    }

    /// Whether the number is neither infinite nor NaN; one subtraction and one comparison, so it vectorises.
    #[must_use]
    #[inline(always)]
    #[allow(clippy::eq_op)]
    fn is_usable(self) -> bool {
        self - self == Self::ZERO
    }

    /// eˣ, within 1 ulp; 0 and +∞ outside of what the width can hold.
    #[must_use]
    fn exp(self) -> Self;

    /// log(1 + x) for `x` in \[0, 1\], within 2 ulp: the hot half of every softplus.
    #[must_use]
    fn log1p_unit(self) -> Self;

    /// log(1 + x) for `x` > −1, within 2 ulp; −∞ at −1.
    #[must_use]
    fn log1p(self) -> Self;

    /// log x for normal `x` > 0, within 1 ulp; −∞ at 0 (and at subnormals, which are taken for 0).
    #[must_use]
    fn ln(self) -> Self;

    /// tanh x within 3 ulp, and its derivative 1 − tanh² in full relative precision (until it is as good as 0).
    #[must_use]
    fn tanh_slope(self) -> (Self, Self);

    /// The view inside `column`, when it is of this very type.
    fn of_column<'a>(column: &Column<'a>) -> Option<Strided<'a, Self>>;
}

/// c₀ + c₁x + c₂x² + …, by Horner's rule.
macro_rules! horner {
    ($x:expr, $c:expr) => {{
        let mut sum = $c[$c.len() - 1];
        let mut k = $c.len() - 1;
        while k > 0 {
            k -= 1;
            sum = sum * $x + $c[k];
        }
        sum
    }};
}

macro_rules! float {
    ($f:ident, $u:ident, $column:ident, $constants:ident) => {
        impl Float for $f {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;

            #[inline(always)]
            fn of(value: f64) -> Self {
                value as $f
            }

            #[inline(always)]
            fn wide(self) -> f64 {
                f64::from(self)
            }

            #[inline(always)]
            fn abs(self) -> Self {
                $f::abs(self)
            }

            #[inline(always)]
            fn exp(self) -> Self {
                use $constants as k;
                // Past these ends the result is 0 or infinite; NaN fails both comparisons and stays.
                let x = if self < k::EXP_LOW { k::EXP_LOW } else { self };
                let x = if x > k::EXP_HIGH { k::EXP_HIGH } else { x };
                // Adding and taking away 1.5·2^mantissa rounds to an integer, and leaves it in the low bits.
                let shifted = x * std::$f::consts::LOG2_E + k::ROUNDER;
                let n = shifted - k::ROUNDER;
                let r = (x - n * k::LN2_HIGH) - n * k::LN2_LOW;
                let power = 1.0 + (r + r * r * horner!(r, k::EXP));
                // 2ⁿ in two factors, since n reaches past the exponents of one (subnormal results, 2^MAX).
                let n = shifted.to_bits().wrapping_sub(k::ROUNDER.to_bits()).wrapping_add(4 * k::BIAS);
                let half = n >> 1;
                let low = (half.wrapping_sub(k::BIAS) << k::MANTISSA) as $u;
                let high = (n.wrapping_sub(half).wrapping_sub(k::BIAS) << k::MANTISSA) as $u;
                power * $f::from_bits(low) * $f::from_bits(high)
            }

            #[inline(always)]
            fn log1p_unit(self) -> Self {
                use $constants as k;
                // log(1+u) = 2 atanh(s) with s = u/(2+u) ≤ 1/3, and 2s = u − su keeps the leading term exact.
                let s = self / (2.0 + self);
                let z = s * s;
                self - s * (self - z * horner!(z, k::ATANH_THIRD))
            }

            #[inline(always)]
            fn log1p(self) -> Self {
                let u = 1.0 + self;
                // What the rounding of 1 + x lost, as a correction of the logarithm.
                let lost = if self < 1.0 { self - (u - 1.0) } else { 1.0 - (u - self) };
                let (n, m) = $f::split_exponent(u);
                let near_one = n == 0.0;
                let f = if near_one { self } else { m - 1.0 };
                let correction = if near_one { 0.0 } else { lost / u };
                let log = $f::log_of_parts(n, f, correction);
                let log = if self > -1.0 { log } else { $f::NAN };
                let log = if self == -1.0 { -$f::INFINITY } else { log };
                if self == $f::INFINITY { self } else { log }
            }

            #[inline(always)]
            fn ln(self) -> Self {
                let (n, m) = $f::split_exponent(self);
                let log = $f::log_of_parts(n, m - 1.0, 0.0);
                let log = if self >= $f::MIN_POSITIVE { log } else { $f::NAN };
                let log = if self < $f::MIN_POSITIVE && self >= 0.0 { -$f::INFINITY } else { log };
                if self == $f::INFINITY { self } else { log }
            }

            #[inline(always)]
            fn tanh_slope(self) -> (Self, Self) {
                use $constants as k;
                // tanh|x| = (1 − e)/(1 + e) with e = exp(−2|x|) = 2ⁿ(1 + p): 1 − e = (1 − 2ⁿ) − 2ⁿp cancels nothing.
                let x = -(self.abs() + self.abs());
                let x = if x < k::TANH_LOW { k::TANH_LOW } else { x };
                let shifted = x * std::$f::consts::LOG2_E + k::ROUNDER;
                let n = shifted - k::ROUNDER;
                let r = (x - n * k::LN2_HIGH) - n * k::LN2_LOW;
                let p = r + r * r * horner!(r, k::EXP);
                let n = shifted.to_bits().wrapping_sub(k::ROUNDER.to_bits()).wrapping_add(k::BIAS);
                let power = $f::from_bits((n << k::MANTISSA) as $u);
                let rest = power * p;
                let e = power + rest;
                let inverse = 1.0 / (1.0 + e);
                ($f::copysign(((1.0 - power) - rest) * inverse, self), 4.0 * e * inverse * inverse)
            }

            fn of_column<'a>(column: &Column<'a>) -> Option<Strided<'a, Self>> {
                match column {
                    Column::$column(view) => Some(*view),
                    _ => None,
                }
            }
        }

        impl Parts for $f {
            #[inline(always)]
            fn split_exponent(x: $f) -> ($f, $f) {
                use $constants as k;
                // Moving the border of the binade from 1 to √½ puts m into [√½, √2).
                let moved = x.to_bits().wrapping_sub(k::SQRT_HALF_BITS);
                let m = (moved & k::MANTISSA_MASK).wrapping_add(k::SQRT_HALF_BITS);
                // The exponent sits in the high bits as two's complement: float it by a mantissa trick.
                let biased = (moved.wrapping_add(k::ONE_BITS) >> k::MANTISSA) as $u;
                let n = $f::from_bits(k::ROUNDER.to_bits().wrapping_add(biased)) - k::ROUNDER - k::BIAS as $f;
                (n, $f::from_bits(m))
            }

            #[inline(always)]
            fn log_of_parts(n: $f, f: $f, correction: $f) -> $f {
                use $constants as k;
                // log(1+f) = f − (f²/2 − s(f²/2 + R)), s = f/(2+f): the leading terms cancel no digits.
                let s = f / (2.0 + f);
                let z = s * s;
                let half_square = 0.5 * f * f;
                let rest = z * horner!(z, k::ATANH_SMALL);
                n * k::LN2_HIGH - ((half_square - (s * (half_square + rest) + (n * k::LN2_LOW + correction))) - f)
            }
        }
    };
}

/// The pieces of a logarithm: exponent and mantissa, and the way back.
trait Parts: Sized {
    fn split_exponent(x: Self) -> (Self, Self);
    fn log_of_parts(n: Self, f: Self, correction: Self) -> Self;
}

/// Constants of single precision. Polynomials by Remez on the reduced range; `LN2_HIGH` has 14 bits, so that its
/// product with any exponent is exact.
#[allow(clippy::excessive_precision, clippy::unreadable_literal)]
mod single {
    pub(super) const EXP_LOW: f32 = -104.0;
    pub(super) const EXP_HIGH: f32 = 89.0;
    pub(super) const TANH_LOW: f32 = -87.0;
    pub(super) const ROUNDER: f32 = 12_582_912.0; // 1.5 · 2²³
    pub(super) const LN2_HIGH: f32 = 0.693115234375;
    pub(super) const LN2_LOW: f32 = 0.000031946184945309417;
    pub(super) const MANTISSA: u32 = 23;
    pub(super) const MANTISSA_MASK: u32 = (1 << 23) - 1;
    pub(super) const BIAS: u32 = 127;
    pub(super) const ONE_BITS: u32 = 1.0f32.to_bits();
    pub(super) const SQRT_HALF_BITS: u32 = std::f32::consts::FRAC_1_SQRT_2.to_bits();
    /// (eʳ − 1 − r)/r² on |r| ≤ ln2/2.
    pub(super) const EXP: [f32; 6] = [
        0.5000000013498178,
        0.1666666668165918,
        0.04166646460202654,
        0.008333310889582077,
        0.001393368586261717,
        0.0001989103065437033,
    ];
    /// (2 atanh(s)/s − 2)/s² in s² ≤ 1/9.
    pub(super) const ATANH_THIRD: [f32; 5] =
        [0.666666673551304, 0.399996963111987, 0.285928104512306, 0.217000454890287, 0.232537644264599];
    /// The same in s² ≤ (√2 − 1)²/(√2 + 1)².
    pub(super) const ATANH_SMALL: [f32; 4] =
        [0.666666665504973, 0.400001248001483, 0.285505063608462, 0.233386300255142];
}

/// Constants of double precision; `LN2_HIGH` has 32 bits.
#[allow(clippy::excessive_precision, clippy::unreadable_literal)]
mod double {
    pub(super) const EXP_LOW: f64 = -746.0;
    pub(super) const EXP_HIGH: f64 = 710.0;
    pub(super) const TANH_LOW: f64 = -708.0;
    pub(super) const ROUNDER: f64 = 6_755_399_441_055_744.0; // 1.5 · 2⁵²
    pub(super) const LN2_HIGH: f64 = 0.69314718036912381649;
    pub(super) const LN2_LOW: f64 = 1.9082149292705878161e-10;
    pub(super) const MANTISSA: u32 = 52;
    pub(super) const MANTISSA_MASK: u64 = (1 << 52) - 1;
    pub(super) const BIAS: u64 = 1023;
    pub(super) const ONE_BITS: u64 = 1.0f64.to_bits();
    pub(super) const SQRT_HALF_BITS: u64 = std::f64::consts::FRAC_1_SQRT_2.to_bits();
    pub(super) const EXP: [f64; 10] = [
        0.50000000000000010263,
        0.16666666666666674568,
        0.041666666666623989228,
        0.0083333333333221620611,
        0.0013888888917282900264,
        0.00019841269886734822002,
        0.000024801521188599934699,
        2.755724216954224635e-6,
        2.7620139439009054616e-7,
        2.5110113922397016315e-8,
    ];
    pub(super) const ATANH_THIRD: [f64; 10] = [
        0.66666666666666658105,
        0.40000000000015252927,
        0.28571428566947536129,
        0.22222222732348270702,
        0.18181788744628093011,
        0.15385588064269427535,
        0.13313869041795499355,
        0.12003524220438514,
        0.087889626897683369162,
        0.16187613362657726268,
    ];
    pub(super) const ATANH_SMALL: [f64; 7] = [
        0.66666666666666698491,
        0.39999999999895034753,
        0.28571428627937506335,
        0.22222210822992346741,
        0.18182911338677154045,
        0.15330997232727220983,
        0.14625255698345574498,
    ];
}

float!(f32, u32, F32, single);
float!(f64, u64, F64, double);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The distance of `got` from the true value in units of the last place of the true value.
    fn ulps_f32(got: f32, truth: f64) -> f64 {
        let near = truth as f32;
        if !near.is_finite() || got == near {
            return if got == near { 0.0 } else { f64::INFINITY };
        }
        let unit = f64::from(f32::from_bits(near.abs().to_bits() + 1)) - f64::from(near.abs());
        (f64::from(got) - truth).abs() / unit
    }

    /// The same in double precision against libm, whose own error of up to half a unit is allowed for by callers.
    fn ulps_f64(got: f64, truth: f64) -> f64 {
        if got == truth {
            return 0.0;
        }
        let unit = f64::from_bits(truth.abs().to_bits() + 1) - truth.abs();
        (got - truth).abs() / unit
    }

    /// Values from `low` to `high`, dense and irrational enough to meet every rounding case.
    fn sweep(low: f64, high: f64, count: usize) -> impl Iterator<Item = f64> {
        (0..=count).map(move |i| low + (high - low) * (i as f64 / count as f64))
    }

    fn worst(values: impl Iterator<Item = f64>, error: impl Fn(f64) -> f64) -> (f64, f64) {
        values.map(|x| (error(x), x)).fold((0.0, 0.0), |a, b| if b.0 > a.0 || b.0.is_nan() { b } else { a })
    }

    #[test]
    fn exp_within_one_ulp() {
        let single =
            worst(sweep(-103.0, 88.7, 1_000_003), |x| ulps_f32(Float::exp(x as f32), f64::from(x as f32).exp()));
        assert!(single.0 <= 1.0, "{single:?}");
        let double = worst(sweep(-745.0, 709.7, 1_000_003), |x| ulps_f64(Float::exp(x), f64::exp(x)));
        assert!(double.0 <= 1.0, "{double:?}");
    }

    #[test]
    fn log1p_within_two_ulps() {
        let single =
            worst(sweep(0.0, 1.0, 1_000_003), |x| ulps_f32(Float::log1p_unit(x as f32), f64::from(x as f32).ln_1p()));
        assert!(single.0 <= 2.0, "{single:?}");
        let double = worst(sweep(0.0, 1.0, 1_000_003), |x| ulps_f64(Float::log1p_unit(x), x.ln_1p()));
        assert!(double.0 <= 2.0, "{double:?}");
        for (low, high) in [(-0.999_999, 0.0), (-1e-6, 1e-6), (-0.5, 4.0), (1.0, 1e9)] {
            let single =
                worst(sweep(low, high, 500_009), |x| ulps_f32(Float::log1p(x as f32), f64::from(x as f32).ln_1p()));
            assert!(single.0 <= 2.0, "{low} to {high}: {single:?}");
            let double = worst(sweep(low, high, 500_009), |x| ulps_f64(Float::log1p(x), x.ln_1p()));
            assert!(double.0 <= 2.0, "{low} to {high}: {double:?}");
        }
    }

    #[test]
    fn ln_within_one_ulp() {
        for (low, high) in [(0.4, 2.5), (1e-30, 1e-6), (1.0, 1e30)] {
            let single = worst(sweep(low, high, 500_009), |x| ulps_f32(Float::ln(x as f32), f64::from(x as f32).ln()));
            assert!(single.0 <= 1.0, "{low} to {high}: {single:?}");
            let double = worst(sweep(low, high, 500_009), |x| ulps_f64(Float::ln(x), f64::ln(x)));
            assert!(double.0 <= 1.0, "{low} to {high}: {double:?}");
        }
    }

    #[test]
    fn tanh_within_three_ulps_and_its_slope() {
        for (low, high) in [(-0.5, 0.5), (-1e-6, 1e-6), (0.3, 3.0), (-12.0, 12.0), (-900.0, 900.0)] {
            let single = worst(sweep(low, high, 300_007), |x| {
                ulps_f32(Float::tanh_slope(x as f32).0, f64::from(x as f32).tanh())
            });
            assert!(single.0 <= 3.0, "{low} to {high}: {single:?}");
            let double = worst(sweep(low, high, 300_007), |x| ulps_f64(Float::tanh_slope(x).0, x.tanh()));
            assert!(double.0 <= 4.0, "{low} to {high}: {double:?}");
            let slope = |x: f64| {
                let e = (-2.0 * x.abs()).exp();
                4.0 * e / ((1.0 + e) * (1.0 + e))
            };
            let error = |got: f64, truth: f64| if truth > 1e-30 { (got / truth - 1.0).abs() } else { 0.0 };
            let double = worst(sweep(low, high, 300_007), |x| error(Float::tanh_slope(x).1, slope(x)));
            assert!(double.0 <= 1e-14, "{low} to {high}: {double:?}");
            let single = worst(sweep(low, high, 300_007), |x| {
                error(Float::tanh_slope(x as f32).1.into(), slope(f64::from(x as f32)))
            });
            assert!(single.0 <= 1e-6, "{low} to {high}: {single:?}");
        }
        assert_eq!((0.0f32.tanh_slope(), (-1e30f64).tanh_slope().0), ((0.0, 1.0), -1.0));
        assert!(f32::NAN.tanh_slope().0.is_nan());
    }

    #[test]
    fn ends_and_nan() {
        for x in [f64::NEG_INFINITY, -1e300, -800.0] {
            assert_eq!(Float::exp(x), 0.0);
            assert_eq!(Float::exp(x as f32), 0.0);
        }
        for x in [f64::INFINITY, 1e300, 710.0] {
            assert_eq!(Float::exp(x), f64::INFINITY);
            assert_eq!(Float::exp(x as f32), f32::INFINITY);
        }
        assert_eq!((Float::exp(0.0f32), Float::exp(0.0f64)), (1.0, 1.0));
        assert_eq!((Float::log1p_unit(0.0f32), Float::log1p_unit(0.0f64)), (0.0, 0.0));
        assert_eq!((Float::ln(0.0f64), Float::log1p(-1.0f64)), (f64::NEG_INFINITY, f64::NEG_INFINITY));
        assert_eq!((Float::ln(f64::INFINITY), Float::log1p(f64::INFINITY)), (f64::INFINITY, f64::INFINITY));
        assert_eq!((Float::ln(1.0f64), Float::log1p(0.0f64)), (0.0, 0.0));
        assert!(Float::ln(-1.0f64).is_nan() && Float::log1p(-1.5f64).is_nan());
        assert!(Float::exp(f64::NAN).is_nan() && Float::ln(f64::NAN).is_nan() && Float::log1p(f64::NAN).is_nan());
        assert!(Float::exp(f32::NAN).is_nan() && Float::log1p_unit(f32::NAN).is_nan());
    }

    proptest! {
        #[test]
        fn log1p_keeps_tiny_values(exponent in -300.0..-9.0f64, sign in prop::bool::ANY) {
            let x = 10f64.powf(exponent) * if sign { 1.0 } else { -1.0 };
            prop_assert!(ulps_f64(Float::log1p(x), x.ln_1p()) <= 2.0);
        }

        #[test]
        fn subnormal_results_of_exp(x in -745.1..-708.0f64) {
            // In the subnormal range the unit is fixed; libm's value is the rounded truth.
            prop_assert!((Float::exp(x) - f64::exp(x)).abs() <= f64::from_bits(1));
        }
    }
}
