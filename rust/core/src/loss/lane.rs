//! What a formula is written in: one number, or as many as a vector register holds.
//!
//! A loss is a formula over [`Lane`]s. With `f32` and `f64` it is the formula of one row, which any target's compiler
//! can turn into its own vector instructions; with the [wide lanes](super::lane_avx2) it is that of eight or four rows
//! at once. There are no branches over values, only [`select`](Lane::select).

use std::fmt::Debug;
use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use super::float::Float;

/// A number or several, each computed on its own.
pub trait Lane:
    Copy
    + Debug
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + 'static
{
    /// What it is made of.
    type Scalar: Float;

    /// One truth value each.
    type Mask: Copy + BitAnd<Output = Self::Mask> + BitOr<Output = Self::Mask> + Not<Output = Self::Mask>;

    /// How many numbers there are.
    const LANES: usize;

    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;

    /// The nearest number of this width, in every lane.
    fn of(value: f64) -> Self;

    /// The first [`LANES`](Self::LANES) values.
    fn load(values: &[Self::Scalar]) -> Self;

    /// Writes the first [`LANES`](Self::LANES) values.
    fn store(self, values: &mut [Self::Scalar]);

    /// Sums in double precision that are under way.
    type Sums: Copy;

    /// Sums of nothing.
    fn no_sum() -> Self::Sums;

    /// Adds to the sums. A pair of registers in single precision is first added to each other, which costs no more
    /// than a last place of each.
    fn add_up(sums: Self::Sums, value: Self) -> Self::Sums;

    /// The sum of all lanes, added in order.
    fn sum(sums: Self::Sums) -> f64;

    /// The bits of either.
    #[must_use]
    fn or_bits(self, other: Self) -> Self;

    /// Whether any lane has a sign, that of −0 included.
    fn any_sign(self) -> bool;

    /// Whether the truth value is set in any lane.
    fn any(mask: Self::Mask) -> bool;

    /// Set in all lanes from `first` on.
    #[must_use]
    #[inline(always)]
    fn lanes_from(first: usize) -> Self::Mask {
        let (mut numbers, mut k) = ([Self::Scalar::ZERO; 16], 0);
        while k < Self::LANES {
            numbers[k] = Self::Scalar::of(k as f64);
            k += 1;
        }
        Self::of(first as f64).at_most(Self::load(&numbers))
    }

    /// `a` where the truth value is set, else `b`.
    #[must_use]
    fn select(mask: Self::Mask, a: Self, b: Self) -> Self;

    /// `a` where `sign` is negative, −0 included, else `b`: cheaper than a comparison.
    #[must_use]
    fn select_by_sign(sign: Self, a: Self, b: Self) -> Self;

    /// Its value with the sign flipped where `sign` is negative.
    #[must_use]
    fn flip_by_sign(self, sign: Self) -> Self;

    /// self < other.
    fn less(self, other: Self) -> Self::Mask;

    /// self ≤ other.
    fn at_most(self, other: Self) -> Self::Mask;

    /// self = other.
    fn equals(self, other: Self) -> Self::Mask;

    /// self·factor + term, rounded once where the machine can and twice where that is faster.
    #[must_use]
    fn mul_add(self, factor: Self, term: Self) -> Self;

    /// The absolute value.
    #[must_use]
    fn abs(self) -> Self;

    /// The larger of the two; `other` when `self` is NaN, so that a kernel decides which side a NaN takes.
    #[must_use]
    fn larger(self, other: Self) -> Self;

    /// The smaller of the two; `other` when `self` is NaN.
    #[must_use]
    fn smaller(self, other: Self) -> Self;

    /// 1/x for normal `x` whose reciprocal is normal too, within 2 ulp.
    #[must_use]
    fn reciprocal(self) -> Self;

    /// √x.
    #[must_use]
    fn sqrt(self) -> Self;

    /// eˣ, within 1 ulp; 0 and +∞ outside of what the width can hold.
    #[must_use]
    fn exp(self) -> Self;

    /// (eˣ, eˣ − 1) for `x` ≤ 0, both to 2 ulp; powers below the least normal number are 0. The hot half of every
    /// sigmoid, and of a hyperbolic tangent that keeps its digits near 0.
    #[must_use]
    fn exp_negative(self) -> (Self, Self);

    /// log(1 + x) for `x` in \[0, 1\], within 2 ulp: the hot half of every softplus.
    #[must_use]
    fn log1p_unit(self) -> Self;

    /// log(1 + x) for `x` > −1, within 2 ulp; −∞ at −1.
    #[must_use]
    fn log1p(self) -> Self;

    /// log x for normal `x` > 0, within 1 ulp; −∞ at 0 (and at subnormals, which are taken for 0).
    #[must_use]
    fn ln(self) -> Self;

    /// Whether the number is neither infinite nor NaN.
    #[inline(always)]
    fn is_usable(self) -> Self::Mask {
        (self - self).equals(Self::ZERO)
    }

    /// −1, 0 or 1.
    #[must_use]
    #[inline(always)]
    fn sign(self) -> Self {
        Self::select(self.equals(Self::ZERO), Self::ZERO, Self::ONE.flip_by_sign(self))
    }
}

/// The lanes of a number of rows, one after the other: the last one begins among rows that were in the one before, so
/// that every lane is whole.
pub(super) struct Lanes<V: Lane> {
    len: usize,
    next: usize,
    /// The first row of this lane.
    pub(super) at: usize,
    /// Which of its rows have not been in a lane before.
    pub(super) fresh: V::Mask,
}

impl<V: Lane> Lanes<V> {
    /// So many rows; at least as many as a lane has, or none.
    #[inline(always)]
    pub(super) fn of(len: usize) -> Self {
        Self { len, next: 0, at: 0, fresh: V::lanes_from(0) }
    }

    /// Moves on to the next lane, if there is one.
    #[inline(always)]
    pub(super) fn next(&mut self) -> bool {
        if self.next >= self.len {
            return false;
        }
        self.at = self.next;
        self.next += V::LANES;
        if self.next > self.len {
            self.fresh = V::lanes_from(self.next - self.len);
            self.at = self.len - V::LANES;
        }
        true
    }
}

/// c₀ + c₁x + c₂x² + …, by Horner's rule: the most exact way.
macro_rules! horner {
    ($x:expr, $c:expr) => {{
        let mut sum = Self::splat($c[$c.len() - 1]);
        let mut k = $c.len() - 1;
        while k > 0 {
            k -= 1;
            sum = sum.mul_add($x, Self::splat($c[k]));
        }
        sum
    }};
}

/// The same, even and odd powers by Horner's rule each, which may cost half a unit in the last place.
///
/// Two chains half as long: a CPU waits for each step of a chain, and has the units to go on with the other meanwhile.
macro_rules! two_chains {
    ($x:expr, $c:expr) => {{
        let square = $x * $x;
        let mut k = $c.len() - 1;
        let (mut same, mut other) = (Self::splat($c[k]), Self::splat($c[k - 1]));
        while k > 2 {
            k -= 2;
            same = same.mul_add(square, Self::splat($c[k]));
            other = other.mul_add(square, Self::splat($c[k - 1]));
        }
        if k == 1 { same.mul_add($x, other) } else { other.mul_add($x, same.mul_add(square, Self::splat($c[0]))) }
    }};
}

/// x = n·log 2 + r: (a number whose low bits are n, eʳ − 1).
macro_rules! reduced {
    ($x:expr, $polynomial:ident!($series:expr)) => {{
        let rounder = Self::splat(k::ROUNDER);
        // Adding and taking away 1.5·2^mantissa rounds to an integer, and leaves it in the low bits.
        let shifted = $x.mul_add(Self::splat(k::LOG2_E), rounder);
        let n = shifted - rounder;
        let r = n.mul_add(Self::splat(-k::LN2_HIGH), $x);
        let r = n.mul_add(Self::splat(-k::LN2_LOW), r);
        (shifted, (r * r).mul_add($polynomial!(r, $series), r))
    }};
}

/// The elementary functions of a lane over the constants of its width.
///
/// Straight-line code without branches or calls: a range reduction followed by a minimax polynomial (Remez, relative
/// error below a tenth of a unit in the last place). The lane brings `splat` and the work on bits.
macro_rules! elementary {
    ($width:ident, $k:path) => {
        #[inline(always)]
        fn exp(self) -> Self {
            use $k as k;
            // Past these ends the result is 0 or infinite; NaN fails both comparisons and stays.
            let (least, most) = (Self::splat(k::EXP_LOW), Self::splat(k::EXP_HIGH));
            let x = Self::select(self.less(least), least, self);
            let x = Self::select(most.less(x), most, x);
            let (shifted, excess) = reduced!(x, horner!(k::EXP));
            // 2ⁿ in two factors, since n reaches past the exponents of one (subnormal results, 2^MAX).
            let (low, high) = shifted.power_of_two_halves();
            (Self::ONE + excess) * low * high
        }

        #[inline(always)]
        fn exp_negative(self) -> (Self, Self) {
            use $k as k;
            // One step below the least normal power the exponent's bits are all 0, and so is the power.
            let (shifted, excess) = reduced!(self.larger(Self::splat(k::EXP_UNDERFLOW)), two_chains!(k::EXP_SHORT));
            let power = shifted.power_of_two();
            // Where n = 0 the power is 1, and nothing cancels.
            (power.mul_add(excess, power), power.mul_add(excess, power - Self::ONE))
        }

        #[inline(always)]
        fn log1p_unit(self) -> Self {
            use $k as k;
            log1p_unit!($width, self)
        }

        #[inline(always)]
        fn log1p(self) -> Self {
            use $k as k;
            let u = Self::ONE + self;
            // What the rounding of 1 + x lost, as a correction of the logarithm.
            let lost = Self::select(self.less(Self::ONE), self - (u - Self::ONE), Self::ONE - (u - self));
            let (n, m) = u.split_exponent();
            let near_one = n.equals(Self::ZERO);
            let f = Self::select(near_one, self, m - Self::ONE);
            let correction = Self::select(near_one, Self::ZERO, lost / u);
            let log = log_of_parts!(n, f, correction);
            let log = Self::select((-Self::ONE).less(self), log, Self::splat(k::NAN));
            let log = Self::select(self.equals(-Self::ONE), Self::splat(-k::INFINITY), log);
            Self::select(self.equals(Self::splat(k::INFINITY)), self, log)
        }

        #[inline(always)]
        fn ln(self) -> Self {
            use $k as k;
            let (n, m) = self.split_exponent();
            let log = log_of_parts!(n, m - Self::ONE, Self::ZERO);
            let least = Self::splat(k::MIN_POSITIVE);
            let log = Self::select(least.at_most(self), log, Self::splat(k::NAN));
            let is_zero = self.less(least) & Self::ZERO.at_most(self);
            let log = Self::select(is_zero, Self::splat(-k::INFINITY), log);
            Self::select(self.equals(Self::splat(k::INFINITY)), self, log)
        }
    };
}

/// log(1 + u) for u in \[0, 1\].
macro_rules! log1p_unit {
    // So many terms are cheaper than a division.
    (single, $u:expr) => {{
        // The terms alternate and cancel near 1: the large ones are added last.
        let rest = two_chains!($u, k::LOG1P_REST);
        let tail = rest.mul_add($u, Self::splat(k::LOG1P[1])).mul_add($u, Self::splat(k::LOG1P[0]));
        ($u * $u).mul_add(tail, $u)
    }};
    (double, $u:expr) => {{
        // log(1+u) = 2 atanh(s) with s = u/(2+u) ≤ 1/3, and 2s = u − su keeps the leading term exact.
        let s = $u / (Self::splat(2.0) + $u);
        let z = s * s;
        $u - s * ($u - z * two_chains!(z, k::ATANH_THIRD))
    }};
}

/// n·log 2 + log(1 + f) + a correction.
macro_rules! log_of_parts {
    ($n:expr, $f:expr, $correction:expr) => {{
        let (n, f) = ($n, $f);
        // log(1+f) = f − (f²/2 − s(f²/2 + R)), s = f/(2+f): the leading terms cancel no digits.
        let s = f / (Self::splat(2.0) + f);
        let z = s * s;
        let half_square = Self::splat(0.5) * f * f;
        let rest = z * two_chains!(z, k::ATANH_SMALL);
        let low = n * Self::splat(k::LN2_LOW) + $correction;
        n * Self::splat(k::LN2_HIGH) - ((half_square - (s * (half_square + rest) + low)) - f)
    }};
}

pub(super) use {elementary, horner, log_of_parts, log1p_unit, reduced, two_chains};
