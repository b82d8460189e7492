//! The two floating-point widths.
//!
//! The elementary functions are those of [`Lane`]. On a lane of one number they use no fused multiply-add, which would
//! be a slow library call where the target has none. The tests hold `exp` and `ln` to 1 ulp and `log1p` to 2 ulp, in
//! single and in wide lanes.

use super::constants::{double, single};
use super::lane::{Lane, elementary, horner, log_of_parts, log1p_unit, reduced, two_chains};
use crate::columns::{Column, Strided};

/// `f32` or `f64`: what a loss needs of a number.
pub trait Float: Lane<Scalar = Self, Mask = bool> + Default + PartialOrd + std::ops::AddAssign {
    /// As many rows as a vector register of this machine holds, where there is one; else the number itself.
    type Wide: Lane<Scalar = Self>;

    /// The same for the widest registers a machine of this kind may have.
    type Widest: Lane<Scalar = Self>;

    /// The same number in double precision; exact.
    fn wide(self) -> f64;

    /// The view inside `column`, when it is of this very type.
    fn of_column<'a>(column: &Column<'a>) -> Option<Strided<'a, Self>>;
}

/// The work on bits of a lane of one.
trait Bits: Sized {
    fn splat(value: Self) -> Self;
    fn power_of_two(self) -> Self;
    fn power_of_two_halves(self) -> (Self, Self);
    fn split_exponent(self) -> (Self, Self);
}

macro_rules! float {
    ($f:ident, $u:ident, $column:ident, $constants:ident, $wide:ident) => {
        impl Lane for $f {
            type Scalar = Self;
            type Mask = bool;

            const LANES: usize = 1;
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;

            #[inline(always)]
            fn of(value: f64) -> Self {
                value as $f
            }

            #[inline(always)]
            fn load(values: &[Self]) -> Self {
                values[0]
            }

            #[inline(always)]
            fn store(self, values: &mut [Self]) {
                values[0] = self;
            }

            type Sums = f64;

            #[inline(always)]
            fn no_sum() -> f64 {
                0.0
            }

            #[inline(always)]
            fn add_up(sums: f64, value: Self) -> f64 {
                sums + f64::from(value)
            }

            #[inline(always)]
            fn sum(sums: f64) -> f64 {
                sums
            }

            #[inline(always)]
            fn or_bits(self, other: Self) -> Self {
                $f::from_bits(self.to_bits() | other.to_bits())
            }

            #[inline(always)]
            fn any_sign(self) -> bool {
                self.is_sign_negative()
            }

            #[inline(always)]
            fn any(mask: bool) -> bool {
                mask
            }

            #[inline(always)]
            fn select(mask: bool, a: Self, b: Self) -> Self {
                if mask { a } else { b }
            }

            #[inline(always)]
            fn select_by_sign(sign: Self, a: Self, b: Self) -> Self {
                if sign.is_sign_negative() { a } else { b }
            }

            #[inline(always)]
            fn flip_by_sign(self, sign: Self) -> Self {
                $f::from_bits(self.to_bits() ^ (sign.to_bits() & (-0.0 as $f).to_bits()))
            }

            #[inline(always)]
            fn less(self, other: Self) -> bool {
                self < other
            }

            #[inline(always)]
            fn at_most(self, other: Self) -> bool {
                self <= other
            }

            #[inline(always)]
            fn equals(self, other: Self) -> bool {
                self == other
            }

            #[inline(always)]
            fn mul_add(self, factor: Self, term: Self) -> Self {
                self * factor + term
            }

            #[inline(always)]
            fn abs(self) -> Self {
                $f::abs(self)
            }

            #[inline(always)]
            fn larger(self, other: Self) -> Self {
                if self > other { self } else { other }
            }

            #[inline(always)]
            fn smaller(self, other: Self) -> Self {
                if self < other { self } else { other }
            }

            #[inline(always)]
            fn reciprocal(self) -> Self {
                1.0 / self
            }

            #[inline(always)]
            fn sqrt(self) -> Self {
                $f::sqrt(self)
            }

            elementary!($constants, self::$constants);
        }

        impl Bits for $f {
            #[inline(always)]
            fn splat(value: Self) -> Self {
                value
            }

            #[inline(always)]
            fn power_of_two(self) -> Self {
                use $constants as k;
                // The rounder's own bits but its bias are shifted out.
                $f::from_bits(self.to_bits() << k::MANTISSA)
            }

            #[inline(always)]
            fn power_of_two_halves(self) -> (Self, Self) {
                use $constants as k;
                let n = self.to_bits().wrapping_sub(k::ROUNDER.to_bits()).wrapping_add(4 * k::BIAS);
                let half = n >> 1;
                let low = half.wrapping_sub(k::BIAS) << k::MANTISSA;
                let high = n.wrapping_sub(half).wrapping_sub(k::BIAS) << k::MANTISSA;
                ($f::from_bits(low), $f::from_bits(high))
            }

            #[inline(always)]
            fn split_exponent(self) -> (Self, Self) {
                use $constants as k;
                // Moving the border of the binade from 1 to √½ puts the mantissa into [√½, √2).
                let moved = self.to_bits().wrapping_sub(k::SQRT_HALF_BITS);
                let m = (moved & k::MANTISSA_MASK).wrapping_add(k::SQRT_HALF_BITS);
                // The exponent sits in the high bits as two's complement: float it by a mantissa trick.
                let biased = moved.wrapping_add(k::ONE_BITS) >> k::MANTISSA;
                let n = $f::from_bits((k::ROUNDER.to_bits() - k::BIAS).wrapping_add(biased)) - k::ROUNDER;
                (n, $f::from_bits(m))
            }
        }

        impl Float for $f {
            #[cfg(target_arch = "x86_64")]
            type Wide = super::lane_pair::$wide;
            #[cfg(not(target_arch = "x86_64"))]
            type Wide = Self;
            #[cfg(target_arch = "x86_64")]
            type Widest = super::lane_avx512::$wide;
            #[cfg(not(target_arch = "x86_64"))]
            type Widest = Self;

            #[inline(always)]
            fn wide(self) -> f64 {
                f64::from(self)
            }

            fn of_column<'a>(column: &Column<'a>) -> Option<Strided<'a, Self>> {
                match column {
                    Column::$column(view) => Some(*view),
                    _ => None,
                }
            }
        }
    };
}

float!(f32, u32, F32, single, F32x16);
float!(f64, u64, F64, double, F64x8);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::cpu::{LaneKernel, widest};
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
            worst(sweep(-103.0, 88.7, 1_000_003), |x| ulps_f32(Lane::exp(x as f32), f64::from(x as f32).exp()));
        assert!(single.0 <= 1.0, "{single:?}");
        let double = worst(sweep(-745.0, 709.7, 1_000_003), |x| ulps_f64(Lane::exp(x), f64::exp(x)));
        assert!(double.0 <= 1.0, "{double:?}");
    }

    #[test]
    fn log1p_within_two_ulps() {
        let single =
            worst(sweep(0.0, 1.0, 1_000_003), |x| ulps_f32(Lane::log1p_unit(x as f32), f64::from(x as f32).ln_1p()));
        assert!(single.0 <= 2.0, "{single:?}");
        let double = worst(sweep(0.0, 1.0, 1_000_003), |x| ulps_f64(Lane::log1p_unit(x), x.ln_1p()));
        assert!(double.0 <= 2.0, "{double:?}");
        for (low, high) in [(-0.999_999, 0.0), (-1e-6, 1e-6), (-0.5, 4.0), (1.0, 1e9)] {
            let single =
                worst(sweep(low, high, 500_009), |x| ulps_f32(Lane::log1p(x as f32), f64::from(x as f32).ln_1p()));
            assert!(single.0 <= 2.0, "{low} to {high}: {single:?}");
            let double = worst(sweep(low, high, 500_009), |x| ulps_f64(Lane::log1p(x), x.ln_1p()));
            assert!(double.0 <= 2.0, "{low} to {high}: {double:?}");
        }
    }

    #[test]
    fn ln_within_one_ulp() {
        for (low, high) in [(0.4, 2.5), (1e-30, 1e-6), (1.0, 1e30)] {
            let single = worst(sweep(low, high, 500_009), |x| ulps_f32(Lane::ln(x as f32), f64::from(x as f32).ln()));
            assert!(single.0 <= 1.0, "{low} to {high}: {single:?}");
            let double = worst(sweep(low, high, 500_009), |x| ulps_f64(Lane::ln(x), f64::ln(x)));
            assert!(double.0 <= 1.0, "{low} to {high}: {double:?}");
        }
    }

    #[test]
    fn ends_and_nan() {
        for x in [f64::NEG_INFINITY, -1e300, -800.0] {
            assert_eq!(Lane::exp(x), 0.0);
            assert_eq!(Lane::exp(x as f32), 0.0);
        }
        for x in [f64::INFINITY, 1e300, 710.0] {
            assert_eq!(Lane::exp(x), f64::INFINITY);
            assert_eq!(Lane::exp(x as f32), f32::INFINITY);
        }
        assert_eq!((Lane::exp(0.0f32), Lane::exp(0.0f64)), (1.0, 1.0));
        assert_eq!((Lane::log1p_unit(0.0f32), Lane::log1p_unit(0.0f64)), (0.0, 0.0));
        assert_eq!((Lane::ln(0.0f64), Lane::log1p(-1.0f64)), (f64::NEG_INFINITY, f64::NEG_INFINITY));
        assert_eq!((Lane::ln(f64::INFINITY), Lane::log1p(f64::INFINITY)), (f64::INFINITY, f64::INFINITY));
        assert_eq!((Lane::ln(1.0f64), Lane::log1p(0.0f64)), (0.0, 0.0));
        assert!(Lane::ln(-1.0f64).is_nan() && Lane::log1p(-1.5f64).is_nan());
        assert!(Lane::exp(f64::NAN).is_nan() && Lane::ln(f64::NAN).is_nan() && Lane::log1p(f64::NAN).is_nan());
        assert!(Lane::exp(f32::NAN).is_nan() && Lane::log1p_unit(f32::NAN).is_nan());
    }

    /// Applies a function in the widest lanes of this machine, over slices of sixteen values.
    struct Apply<'a, F>(u8, &'a [F], &'a mut [F]);

    impl<F: Float> LaneKernel<F> for Apply<'_, F> {
        type Output = ();

        #[inline(always)]
        fn run<V: Lane<Scalar = F>>(self) {
            for (values, out) in self.1.chunks_exact(V::LANES).zip(self.2.chunks_exact_mut(V::LANES)) {
                let v = V::load(values);
                let found = match self.0 {
                    0 => v.exp(),
                    1 => v.exp_negative().0,
                    2 => v.exp_negative().1,
                    3 => v.log1p_unit(),
                    4 => v.log1p(),
                    5 => v.ln(),
                    _ => v.reciprocal(),
                };
                found.store(out);
            }
        }
    }

    /// Which function, from where to where, how many units it may be off, and the truth.
    type Case = (u8, f64, f64, f64, fn(f64) -> f64);

    /// The same in wide lanes, where fused arithmetic rounds otherwise.
    #[test]
    fn wide_lanes_are_as_exact() {
        let least = f64::from(f32::MIN_POSITIVE);
        let cases: [Case; 7] = [
            (0, -87.0, 88.7, 1.0, f64::exp),
            (1, -87.0, 0.0, 2.0, f64::exp),
            (2, -87.0, -1e-30, 2.0, f64::exp_m1),
            (3, least, 1.0, 2.0, f64::ln_1p),
            (4, -0.999, 1e6, 2.0, f64::ln_1p),
            (5, 1e-30, 1e6, 1.0, f64::ln),
            (6, 1.0, 2.0, 2.0, f64::recip),
        ];
        for (which, low, high, allowed, truth) in cases {
            let wide: Vec<f64> = sweep(low, high, 80_006).take(80_000).collect();
            let narrow: Vec<f32> = wide.iter().map(|&x| x as f32).collect();
            let (mut got, mut got_narrow) = (vec![0.0; wide.len()], vec![0.0; wide.len()]);
            widest(Apply(which, &wide, &mut got));
            widest(Apply(which, &narrow, &mut got_narrow));
            for i in 0..wide.len() {
                assert!(ulps_f64(got[i], truth(wide[i])) <= allowed, "{which} at {}: {}", wide[i], got[i]);
                let expected = truth(f64::from(narrow[i]));
                assert!(ulps_f32(got_narrow[i], expected) <= allowed, "{which} at {}: {}", narrow[i], got_narrow[i]);
            }
        }
    }

    #[test]
    fn ends_in_wide_lanes() {
        let ends = [f64::NEG_INFINITY, -1e300, -1000.0, -0.0, 0.0, f64::NAN, 1000.0, f64::INFINITY].repeat(2);
        let narrow: Vec<f32> = ends.iter().map(|&x| x as f32).collect();
        // 0, the infinities and NaN are what they are in single lanes; other values may differ in the last place.
        let end_of = |x: f64| (x == 0.0 || !x.is_finite()).then_some(if x.is_nan() { 2.0 } else { x });
        for which in [0, 4, 5] {
            let (mut wide, mut wide_narrow) = ([9.0; 16], [9.0f32; 16]);
            let (mut single, mut single_narrow) = ([0.0; 16], [0.0f32; 16]);
            widest(Apply(which, &ends, &mut wide));
            widest(Apply(which, &narrow, &mut wide_narrow));
            Apply(which, &ends, &mut single).run::<f64>();
            Apply(which, &narrow, &mut single_narrow).run::<f32>();
            assert_eq!(wide.map(end_of), single.map(end_of), "{which}");
            let [wide, single] = [wide_narrow, single_narrow].map(|values| values.map(|x| end_of(f64::from(x))));
            assert_eq!(wide, single, "{which}");
        }
        let mut got = [9.0; 16];
        let low = [-1e300, -1000.0, -750.0, -709.0, -1.0, -0.0, 0.0, -1e-300].repeat(2);
        widest(Apply(1, &low, &mut got));
        assert_eq!(got[..3], [0.0; 3]);
        assert_eq!(got[5..8], [1.0; 3]);
    }

    proptest! {
        #[test]
        fn log1p_keeps_tiny_values(exponent in -300.0..-9.0f64, sign in prop::bool::ANY) {
            let x = 10f64.powf(exponent) * if sign { 1.0 } else { -1.0 };
            prop_assert!(ulps_f64(Lane::log1p(x), x.ln_1p()) <= 2.0);
        }

        #[test]
        fn subnormal_results_of_exp(x in -745.1..-708.0f64) {
            // In the subnormal range the unit is fixed; libm's value is the rounded truth.
            prop_assert!((Lane::exp(x) - f64::exp(x)).abs() <= f64::from_bits(1));
        }
    }
}
