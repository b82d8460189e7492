//! Information coefficient: the correlation of scores and targets on a date.

use super::float::Float;
use super::traits::{Group, GroupLoss, Hessian, Term};

/// −corr(s, y), weighted by row.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct InformationCoefficient;

/// Kept from group to group.
#[derive(Default)]
pub struct CentredScratch {
    s: Vec<f64>,
    y: Vec<f64>,
}

/// The correlation of `s` and `y`, weighted by `w`: centred values are left in the buffers.
pub(super) struct Correlation {
    /// −1 to 1.
    pub(super) value: f64,
    /// Σw·sc².
    pub(super) ss: f64,
    /// √(Σw·sc² Σw·yc²).
    pub(super) norm: f64,
}

/// Centres both; none where one of them does not vary.
pub(super) fn correlation(s: &mut [f64], y: &mut [f64], w: &dyn Fn(usize) -> f64) -> Option<Correlation> {
    let total: f64 = (0..s.len()).map(w).sum();
    let constant = |v: &[f64]| {
        let mut weighed = (0..v.len()).filter(|&i| w(i) > 0.0);
        weighed.next().is_none_or(|first| weighed.all(|i| v[i] == v[first]))
    };
    if constant(s) || constant(y) {
        return None;
    }
    for v in [&mut *s, &mut *y] {
        // From the first value, so that a mean far from 0 costs no digits; then what rounding left of the mean.
        for _ in 0..2 {
            let mean = v.iter().enumerate().map(|(i, v)| w(i) * v).sum::<f64>() / total;
            for v in v.iter_mut() {
                *v -= mean;
            }
        }
    }
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).enumerate().map(|(i, (a, b))| w(i) * a * b).sum::<f64>();
    let (ss, yy) = (dot(s, s), dot(y, y));
    let norm = ss.sqrt() * yy.sqrt();
    // Values so small that their squares vanish do not vary either.
    (norm > 0.0).then(|| Correlation { value: dot(s, y) / norm, ss, norm })
}

impl InformationCoefficient {
    fn run<F: Float>(
        group: &Group<'_, F>,
        gradient: &mut [f64],
        hessian: Option<&mut [f64]>,
        scratch: &mut CentredScratch,
    ) -> Option<Term> {
        let CentredScratch { s, y } = scratch;
        let fill = |s: &mut Vec<f64>, y: &mut Vec<f64>| {
            s.clear();
            s.extend(group.s.iter().map(|s| s.wide()));
            y.clear();
            y.extend_from_slice(group.y);
        };
        fill(s, y);
        if !group.w.is_empty() && group.w.iter().all(|&w| w == 0.0) {
            // It would count, had it any weight.
            correlation(s, y, &|_| 1.0)?;
            gradient.fill(0.0);
            if let Some(hessian) = hessian {
                hessian.fill(0.0);
            }
            return Some(Term { value: 0.0, mass: 0.0, count: 1.0 });
        }
        let Correlation { value, ss, norm } = correlation(s, y, &|i| group.weight(i))?;
        for (i, slope) in gradient.iter_mut().enumerate() {
            *slope = -group.weight(i) * (y[i] / norm - value * s[i] / ss);
        }
        if let Some(hessian) = hessian {
            for (i, h) in hessian.iter_mut().enumerate() {
                *h = group.weight(i) / ss;
            }
        }
        Some(Term::once(-value))
    }
}

impl GroupLoss for InformationCoefficient {
    type Scratch<F: Float> = CentredScratch;
    const ROW_WEIGHTS: bool = true;

    fn value_grad<F: Float>(
        &self,
        group: &Group<'_, F>,
        gradient: &mut [f64],
        scratch: &mut CentredScratch,
    ) -> Option<Term> {
        Self::run(group, gradient, None, scratch)
    }

    /// w/Σw·sc²: a step along gradient/hessian scales with the scores.
    fn grad_hess<F: Float>(
        &self,
        group: &Group<'_, F>,
        _: Hessian,
        gradient: &mut [f64],
        hessian: &mut [f64],
        scratch: &mut CentredScratch,
    ) -> Option<Term> {
        Self::run(group, gradient, Some(hessian), scratch)
    }
}
