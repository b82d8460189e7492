//! What a loss is, to the driver.
//!
//! A [`PointLoss`] is a formula for one row, a [`GroupLoss`] one for the rows of a group (a date), a [`SeriesLoss`]
//! one for a series of portfolio returns. Weights, missing targets, checks, reduction, order, threads and the two
//! widths are the drivers' and are written once, in [`driver`](super::driver), [`group_driver`](super::group_driver)
//! and [`series_driver`](super::series_driver).

use super::float::Float;
use super::lane::Lane;
use crate::error::{Error, Result};

/// The most per-row arguments, besides target and prediction, that a loss can ask for.
pub const MAX_EXTRAS: usize = 4;

/// The per-row arguments of a lane of rows, such as their misclassification costs; unused ones are zero.
pub type Extras<V> = [V; MAX_EXTRAS];

/// The numbers that a target or a prediction may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// Any finite number.
    Real,
    /// A probability or a soft label: 0 to 1, ends included.
    Unit,
    /// A hard label: 0 or 1.
    Binary,
    /// A graded relevance: a whole number from 0 to 30.
    Relevance,
}

impl Domain {
    /// Whether the number belongs to the domain. NaN and the infinities belong to none.
    #[must_use]
    #[inline(always)]
    pub fn contains<F: Float>(self, value: F) -> bool {
        match self {
            Self::Real => value.is_usable(),
            Self::Unit => (value >= F::ZERO) & (value <= F::ONE),
            Self::Binary => (value == F::ZERO) | (value == F::ONE),
            Self::Relevance => (0.0..=30.0).contains(&value.wide()) && value.wide().fract() == 0.0,
        }
    }
}

/// Which curvature boosting is given for a row, before weights and the floor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hessian {
    /// The loss's own choice, stated in its documentation.
    Boosting,
    /// The second derivative.
    Exact,
    /// The part of it that is positive by construction.
    GaussNewton,
    /// Its absolute value.
    Abs,
    /// One.
    Constant,
}

/// A loss that is a sum over rows, each row standing alone.
///
/// All functions are of one lane of rows, in the width of the predictions `s`; `y` is the target and `x` the rows'
/// further arguments. Write them without branches over values ([`Lane::select`]), calls or panics and mark them
/// `#[inline(always)]`, or they are not compiled for wide lanes. Values outside of their domains may come by: what is
/// returned for them is never looked at. A value may be infinite only where the true value is; the gradient is finite.
pub trait PointLoss: Copy + Send + Sync + 'static {
    /// How many per-row arguments the loss reads, at most [`MAX_EXTRAS`].
    const EXTRAS: usize = 0;

    /// Whether the formula takes less time than reading and writing its rows: a handful of instructions.
    const CHEAP: bool = false;

    /// Checks the parameters.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// What a target may be; not [`Domain::Relevance`]. Inline, and the same for every value of the type, so that
    /// the loop holds no test.
    fn targets(&self) -> Domain;

    /// What a prediction may be, likewise.
    #[inline(always)]
    fn predictions(&self) -> Domain {
        Domain::Real
    }

    /// The loss of each row.
    fn value<V: Lane>(&self, s: V, y: V, x: &Extras<V>) -> V;

    /// The loss of each row and its derivative by the prediction; the value has the bits of [`value`](Self::value).
    fn value_grad<V: Lane>(&self, s: V, y: V, x: &Extras<V>) -> (V, V);

    /// What boosting works with: derivative and curvature of the loss's *boosting form* (which may differ from
    /// the value by a constant factor: half the squared error). [`Hessian::Abs`] and [`Hessian::Constant`] are
    /// made by the driver and never get here.
    fn grad_hess<V: Lane>(&self, s: V, y: V, x: &Extras<V>, hessian: Hessian) -> (V, V);
}

/// The rows of one group, in the caller's order, those that are left out removed; at least one.
#[derive(Debug, Clone, Copy)]
pub struct Group<'a, F> {
    /// Predictions, finite.
    pub s: &'a [F],
    /// Targets, in their domain; in double precision, so that no two targets become equal by rounding. Empty where
    /// the loss reads them in the prediction's width.
    pub y: &'a [f64],
    /// Targets in the prediction's width where the loss asked for them so, else empty.
    pub narrow: &'a [F],
    /// A weight per row where the loss asked for them and the caller gave them, else empty.
    pub w: &'a [f64],
}

impl<F> Group<'_, F> {
    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.s.len()
    }

    /// Whether there is no row; never so for a group that a loss is handed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.s.is_empty()
    }

    /// The weight of a row; 1 without weights.
    #[must_use]
    #[inline]
    pub fn weight(&self, i: usize) -> f64 {
        self.w.get(i).copied().unwrap_or(1.0)
    }
}

/// What a group adds to the loss. With W the weight of the group, `mean` is ΣW·value / ΣW·mass, `mean_n` is
/// ΣW·value / Σcount, `sum` is ΣW·value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// What is added up.
    pub value: f64,
    /// What a mean divides by: 1 where groups are averaged, the weight of its pairs where pairs are.
    pub mass: f64,
    /// The same without weights.
    pub count: f64,
}

impl Term {
    /// A group that counts once, whatever its size.
    #[must_use]
    pub fn once(value: f64) -> Self {
        Self { value, mass: 1.0, count: 1.0 }
    }
}

/// A loss that is a sum over groups of rows, each group standing alone.
///
/// A group without a usable pair returns `None`: it is skipped and counted, and its gradient is 0. Gradients are of
/// [`Term::value`]; the driver multiplies by the weight of the group, divides and puts them back in place. The slices
/// handed in to be written are as long as the group and hold arbitrary values.
pub trait GroupLoss: Copy + Send + Sync + 'static {
    /// Buffers that are kept from group to group; never to carry information.
    type Scratch<F: Float>: Default;

    /// Whether weights are per row and the loss's own business; else there is one per group, and the driver's.
    const ROW_WEIGHTS: bool = false;

    /// Whether the work grows with the square of a group's rows; decides how groups are dealt to threads.
    const PAIRS: bool = false;

    /// Whether targets are read in the prediction's width, as a point loss does: for losses that do not compare them.
    const NARROW: bool = false;

    /// Checks the parameters.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// What a target may be.
    fn targets(&self) -> Domain {
        Domain::Real
    }

    /// The term of the group; `spare` is room for a gradient that no one reads. To be written where it is cheaper
    /// than [`value_grad`](Self::value_grad), whose value it must equal to the bit.
    fn value<F: Float>(&self, group: &Group<'_, F>, spare: &mut [f64], scratch: &mut Self::Scratch<F>) -> Option<Term> {
        self.value_grad(group, spare, scratch)
    }

    /// The term of the group and the derivative of its value by each prediction.
    fn value_grad<F: Float>(
        &self,
        group: &Group<'_, F>,
        gradient: &mut [f64],
        scratch: &mut Self::Scratch<F>,
    ) -> Option<Term>;

    /// As [`value_grad`](Self::value_grad), with the gradient times `scale` in the prediction's width; `spare` is as
    /// long. To be written where the way through double precision is what costs.
    fn value_grad_scaled<F: Float>(
        &self,
        group: &Group<'_, F>,
        scale: f64,
        gradient: &mut [F],
        spare: &mut [f64],
        scratch: &mut Self::Scratch<F>,
    ) -> Option<Term> {
        let term = self.value_grad(group, spare, scratch)?;
        for (slot, &slope) in gradient.iter_mut().zip(&*spare) {
            *slot = F::of(scale * slope);
        }
        Some(term)
    }

    /// What boosting works with: gradient and a diagonal curvature, which is 1 per unit of weight unless the loss has
    /// a useful one. [`Hessian::Abs`] and [`Hessian::Constant`] are made by the driver and never get here.
    fn grad_hess<F: Float>(
        &self,
        group: &Group<'_, F>,
        _hessian_choice: Hessian,
        gradient: &mut [f64],
        hessian: &mut [f64],
        scratch: &mut Self::Scratch<F>,
    ) -> Option<Term> {
        for (i, slot) in hessian.iter_mut().enumerate() {
            *slot = group.weight(i);
        }
        self.value_grad(group, gradient, scratch)
    }
}

/// Portfolio returns in time order: one a date, or one a row where the loss is pooled; at least as many as the loss
/// asked for.
#[derive(Debug, Clone, Copy)]
pub struct Returns<'a> {
    /// The returns.
    pub r: &'a [f64],
    /// A weight each; all 1 without weights.
    pub w: &'a [f64],
    /// Σw.
    pub weight: f64,
    /// What a sum over returns is divided by: Σw for `mean`, their number for `mean_n`, 1 for `sum`. The same as
    /// `weight` unless the loss is additive.
    pub divisor: f64,
}

/// A loss of a series of portfolio returns.
///
/// Positions, costs, averaging over assets and the chain rule from returns to predictions are the driver's.
pub trait SeriesLoss: Copy + Send + Sync + 'static {
    /// Whether the loss is Σ w·l(r) / divisor, so that `mean_n` and `sum` mean something; a ratio is not.
    const ADDITIVE: bool = false;

    /// Checks the parameters.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Whether a return at or below −1 is an error that names the date.
    fn refuses_ruin(&self) -> bool {
        false
    }

    /// How many returns it takes.
    fn least(&self) -> usize {
        1
    }

    /// The loss, and dL/dr of each return into `slope`.
    fn value_grad(&self, returns: &Returns<'_>, slope: &mut [f64]) -> f64;

    /// A positive d²L/dr² of each return for boosting, into `curvature`; `false` where there is no useful one, and
    /// the curvature of a row is then 1 per unit of weight.
    fn curvature(&self, _returns: &Returns<'_>, _curvature: &mut [f64]) -> bool {
        false
    }
}

/// The error of a parameter that cannot be.
pub(super) fn refuse<T>(name: &str, value: f64, hint: &str) -> Result<T> {
    Err(Error::Parameter { name: name.into(), value: value.to_string(), hint: hint.into() })
}

/// Refuses a parameter that is not finite and above 0.
pub(super) fn positive(name: &str, value: f64) -> Result<()> {
    if value > 0.0 && value.is_finite() { Ok(()) } else { refuse(name, value, "pass a finite number above 0") }
}
