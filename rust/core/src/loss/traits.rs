//! What a loss is, to the driver.
//!
//! A [`PointLoss`] is a formula for one row. Weights, missing targets, checks, reduction, blocks, threads and the
//! two widths are the driver's and are written once in [`driver`](super::driver).

use super::float::Float;
use crate::error::Result;

/// The most per-row arguments, besides target and prediction, that a loss can ask for.
pub const MAX_EXTRAS: usize = 4;

/// The per-row arguments of one row, such as its misclassification costs; unused ones are zero.
pub type Extras<F> = [F; MAX_EXTRAS];

/// The numbers that a target or a prediction may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// Any finite number.
    Real,
    /// A probability or a soft label: 0 to 1, ends included.
    Unit,
    /// A hard label: 0 or 1.
    Binary,
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
/// All functions are of one row, in the width of the prediction `s`; `y` is the target and `x` the row's further
/// arguments. Write them without branches (selects are fine), calls or panics and mark them `#[inline(always)]`:
/// the driver's loops then become vector instructions. The driver has checked that `s` and `y` lie in their
/// domains. A value may be infinite only where the true value is; the gradient is finite.
pub trait PointLoss: Copy + Send + Sync + 'static {
    /// How many per-row arguments the loss reads, at most [`MAX_EXTRAS`].
    const EXTRAS: usize = 0;

    /// Checks the parameters.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// What a target may be.
    fn targets(&self) -> Domain;

    /// What a prediction may be.
    fn predictions(&self) -> Domain {
        Domain::Real
    }

    /// The loss of the row.
    fn value<F: Float>(&self, s: F, y: F, x: &Extras<F>) -> F;

    /// The loss of the row and its derivative by the prediction.
    fn value_grad<F: Float>(&self, s: F, y: F, x: &Extras<F>) -> (F, F);

    /// What boosting works with: derivative and curvature of the loss's *boosting form* (which may differ from
    /// the value by a constant factor: half the squared error). [`Hessian::Abs`] and [`Hessian::Constant`] are
    /// made by the driver and never get here.
    fn grad_hess<F: Float>(&self, s: F, y: F, x: &Extras<F>, hessian: Hessian) -> (F, F);
}
