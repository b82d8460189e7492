//! The hyperbolic tangent of a lane, with its derivative.

use super::lane::Lane;

/// tanh s within 4 ulp, and 1 − tanh² s, which is formed so that it keeps its digits where tanh is as good as 1.
#[inline(always)]
pub(super) fn tanh_slope<V: Lane>(s: V) -> (V, V) {
    // tanh|s| = (1 − e)/(1 + e) with e = exp(−2|s|), and the derivative is 4e/(1 + e)².
    let (e, excess) = (-(s.abs() + s.abs())).exp_negative();
    let inverse = (V::ONE + e).reciprocal();
    let tanh = -excess * inverse;
    let half = e * inverse;
    let both = half * inverse;
    (tanh.flip_by_sign(s), (both + both) + (both + both))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_to_libm_and_its_slope_to_the_formula() {
        for i in -200_000..=200_000i32 {
            for scale in [1e-4, 1e-9, 1e-2] {
                let x = f64::from(i) * scale;
                let (tanh, slope) = tanh_slope(x);
                assert!((tanh - x.tanh()).abs() <= 9e-16 * x.tanh().abs(), "{x}");
                let e = (-2.0 * x.abs()).exp();
                let truth = 4.0 * e / ((1.0 + e) * (1.0 + e));
                assert!((slope - truth).abs() <= 1e-14 * truth + 1e-300, "{x}: {slope} {truth}");
                let narrow = x as f32;
                let (tanh, slope) = tanh_slope(narrow);
                let truth = f64::from(narrow).tanh();
                assert!((f64::from(tanh) - truth).abs() <= 4e-7 * truth.abs(), "{x}");
                let e = (-2.0 * f64::from(narrow).abs()).exp();
                let truth = 4.0 * e / ((1.0 + e) * (1.0 + e));
                assert!((f64::from(slope) - truth).abs() <= 2e-6 * truth + 1e-30, "{x}");
            }
        }
        assert_eq!((tanh_slope(0.0f32), tanh_slope(-1e30f64).0), ((0.0, 1.0), -1.0));
    }
}
