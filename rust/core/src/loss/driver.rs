//! Everything about a point loss that is not its formula.
//!
//! **Conventions.** Everything is minimised. With weights w and row losses l, `mean` is Σwl/Σw, `mean_n` is Σwl/n,
//! `sum` is Σwl. A row whose target is NaN raises, or with [`NanPolicy::Omit`] leaves sum and count, and its
//! gradient is exactly 0. Predictions must be finite on every row. A row of weight 0 counts for nothing.
//!
//! **Same bits.** Row losses are formed in the prediction's width and added in double precision: eight lanes
//! within a block of [`BLOCK`] rows, blocks in order within a task of [`TASK`] rows, tasks in order. All borders
//! depend on the number of rows alone.
//!
//! **One pass.** A block is computed before its values are known to be good: the loop takes note of values that the
//! loss does not take, and only then does anyone look for the row. A block of any other length than a multiple of eight
//! is filled up with rows of zeros, which every domain has, and cut again.

use std::ops::Range;

use super::batch::{BLOCK, Batch, Loaded, Scratch};
use super::cpu::{LaneKernel, dispatch, widest};
use super::float::Float;
use super::kernels::{Block, FillBlock, Outcome, PAD, PointKernels, SumBlock, WeightBlock};
use super::traits::{Domain, Hessian, MAX_EXTRAS};
use super::uncached::Uncached;
use crate::error::{Error, Result};
use crate::parallel::{Cancel, map_blocks, map_blocks_into, map_blocks_into_pair};

/// Rows handed to a thread at a time: whole blocks, enough of them that handing over costs nothing.
pub const TASK: usize = 32 * BLOCK;

/// How row losses become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// Σwl / Σw.
    Mean,
    /// Σwl / n.
    MeanN,
    /// Σwl.
    Sum,
}

/// What a missing target does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NanPolicy {
    /// It is an error that names the row.
    Raise,
    /// The row counts for nothing.
    Omit,
}

/// The choices of a call that no formula depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How row losses become one number.
    pub reduction: Reduction,
    /// What a missing target does.
    pub nan_policy: NanPolicy,
}

/// The reduced loss.
///
/// One pass over the columns (two with weights or with [`NanPolicy::Omit`]); allocates a few kilobytes a task.
pub fn value<F: Float>(
    loss: &dyn PointKernels<F>,
    batch: &Batch<'_, F>,
    options: Options,
    cancel: &Cancel,
) -> Result<f64> {
    let totals = prepare(loss, batch, options.nan_policy, cancel)?;
    let divisor = totals.divisor(options.reduction)?;
    let call = Call::new(loss, batch, options.nan_policy, totals);
    let parts = map_blocks(batch.len(), TASK, 1, cancel, |rows| {
        call.task(rows, None, None, |block, values, _| loss.run_value(block, values))
    })?;
    Ok(total(parts) / divisor)
}

/// The reduced loss, and its gradient by the predictions into `gradient`.
pub fn value_grad<F: Float>(
    loss: &dyn PointKernels<F>,
    batch: &Batch<'_, F>,
    options: Options,
    gradient: &mut [F],
    cancel: &Cancel,
) -> Result<f64> {
    same_length("out", gradient, batch)?;
    let totals = prepare(loss, batch, options.nan_policy, cancel)?;
    let divisor = totals.divisor(options.reduction)?;
    let call = Call::new(loss, batch, options.nan_policy, totals);
    let scale = 1.0 / divisor;
    let parts = map_blocks_into(gradient, TASK, cancel, |rows, out| {
        call.task(rows, None, Some(out), |block, values, gradient| loss.run_grad(block, scale, values, gradient))
    })?;
    Ok(total(parts) / divisor)
}

/// The weighted loss of each row into `values`; 0 for an omitted row.
pub fn value_rows<F: Float>(
    loss: &dyn PointKernels<F>,
    batch: &Batch<'_, F>,
    nan_policy: NanPolicy,
    values: &mut [F],
    cancel: &Cancel,
) -> Result<()> {
    same_length("out", values, batch)?;
    let totals = prepare(loss, batch, nan_policy, cancel)?;
    let call = Call::new(loss, batch, nan_policy, totals);
    map_blocks_into(values, TASK, cancel, |rows, out| {
        call.task(rows, Some(out), None, |block, values, _| loss.run_value(block, values))
    })?;
    Ok(())
}

/// The weighted loss of each row into `values` and its derivative into `gradient`; both 0 for an omitted row.
pub fn value_grad_rows<F: Float>(
    loss: &dyn PointKernels<F>,
    batch: &Batch<'_, F>,
    nan_policy: NanPolicy,
    values: &mut [F],
    gradient: &mut [F],
    cancel: &Cancel,
) -> Result<()> {
    same_length("values", values, batch)?;
    same_length("out", gradient, batch)?;
    let totals = prepare(loss, batch, nan_policy, cancel)?;
    let call = Call::new(loss, batch, nan_policy, totals);
    map_blocks_into_pair(values, gradient, TASK, cancel, |rows, values, gradient| {
        call.task(rows, Some(values), Some(gradient), |block, values, gradient| {
            loss.run_grad(block, 1.0, values, gradient)
        })
    })?;
    Ok(())
}

/// What boosting takes: per row, sum-reduced, weights multiplied in, `hessian` at least
/// [`HESSIAN_FLOOR`](super::HESSIAN_FLOOR) times the weight. Both are 0 for an omitted row.
pub fn grad_hess<F: Float>(
    loss: &dyn PointKernels<F>,
    batch: &Batch<'_, F>,
    nan_policy: NanPolicy,
    choice: Hessian,
    gradient: &mut [F],
    hessian: &mut [F],
    cancel: &Cancel,
) -> Result<()> {
    same_length("gradient", gradient, batch)?;
    same_length("hessian", hessian, batch)?;
    let totals = prepare(loss, batch, nan_policy, cancel)?;
    let call = Call::new(loss, batch, nan_policy, totals);
    map_blocks_into_pair(gradient, hessian, TASK, cancel, |rows, gradient, hessian| {
        call.task(rows, Some(gradient), Some(hessian), |block, gradient, hessian| {
            loss.run_hess(block, choice, gradient.unwrap_or_default(), hessian)
        })
    })?;
    Ok(())
}

fn same_length<F: Float>(name: &str, out: &[F], batch: &Batch<'_, F>) -> Result<()> {
    if out.len() == batch.len() {
        return Ok(());
    }
    Err(Error::LengthMismatch { name: name.into(), got: out.len(), expected: batch.len() })
}

fn total(parts: Vec<f64>) -> f64 {
    parts.into_iter().fold(0.0, |sum, part| sum + part)
}

/// How much the rows weigh, after those without a target are left out.
#[derive(Clone, Copy)]
struct Totals {
    rows: usize,
    weight: f64,
}

impl Totals {
    fn divisor(self, reduction: Reduction) -> Result<f64> {
        let reason = match reduction {
            Reduction::Sum => return Ok(1.0),
            _ if self.rows == 0 => "there are no rows with a target",
            Reduction::MeanN => return Ok(self.rows as f64),
            Reduction::Mean if self.weight == 0.0 => "all weights are 0",
            Reduction::Mean => return Ok(self.weight),
        };
        Err(Error::NothingToAverage { reason: reason.into() })
    }
}

/// Checks parameters and weights, and adds up what a mean divides by; reads nothing where the length says it all.
fn prepare<F: Float>(
    loss: &dyn PointKernels<F>,
    batch: &Batch<'_, F>,
    nan_policy: NanPolicy,
    cancel: &Cancel,
) -> Result<Totals> {
    loss.check_parameters()?;
    let len = batch.len();
    if batch.arguments() != loss.arguments() {
        return Err(Error::LengthMismatch {
            name: "the list of per-row arguments".into(),
            got: batch.arguments(),
            expected: loss.arguments(),
        });
    }
    if batch.weight.is_none() && nan_policy == NanPolicy::Raise {
        return Ok(Totals { rows: len, weight: len as f64 });
    }
    let parts = map_blocks(len, TASK, 1, cancel, |rows| {
        let mut scratch = Scratch::new(batch);
        let mut kept = [F::ZERO; BLOCK];
        let mut sum = Totals { rows: 0, weight: 0.0 };
        for block in blocks(rows) {
            let Loaded { y, w, .. } = scratch.load_counting(batch, block.clone(), nan_policy == NanPolicy::Omit);
            let kept = &mut kept[..block.len()];
            if weigh(y, w, kept) {
                let i = w.iter().position(|&w| !(w >= F::ZERO && w.is_usable())).expect("one was found");
                return Err(Error::WeightInvalid { row: (block.start + i) / batch.columns(), value: w[i].wide() });
            }
            sum.rows += if y.is_empty() { kept.len() } else { y.iter().filter(|y| !y.wide().is_nan()).count() };
            sum.weight += dispatch(SumBlock(kept));
        }
        Ok(sum)
    })?;
    let sum = parts
        .into_iter()
        .fold(Totals { rows: 0, weight: 0.0 }, |a, b| Totals { rows: a.rows + b.rows, weight: a.weight + b.weight });
    Ok(sum)
}

/// The weights that count into `kept`, and whether any of them is no weight.
fn weigh<F: Float>(y: &[F], w: &[F], kept: &mut [F]) -> bool {
    if kept.len().is_multiple_of(PAD) {
        return widest(WeightBlock { y, w, kept });
    }
    WeightBlock { y, w, kept }.run::<F>()
}

/// The blocks of a task.
fn blocks(rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    rows.clone().step_by(BLOCK).map(move |start| start..(start + BLOCK).min(rows.end))
}

struct Call<'a, F> {
    loss: &'a dyn PointKernels<F>,
    batch: &'a Batch<'a, F>,
    nan_policy: NanPolicy,
    /// Whether some targets are missing, and may be.
    gaps: bool,
}

impl<'a, F: Float> Call<'a, F> {
    fn new(loss: &'a dyn PointKernels<F>, batch: &'a Batch<'a, F>, nan_policy: NanPolicy, totals: Totals) -> Self {
        Self { loss, batch, nan_policy, gaps: totals.rows < batch.len() }
    }

    /// Runs `work` on each block of a task and adds up its sums. It fills its two outputs, as far as they were asked
    /// for.
    fn task(
        &self,
        rows: Range<usize>,
        mut first: Option<&mut [F]>,
        mut second: Option<&mut [F]>,
        work: impl Fn(Block<'_, F>, Option<&mut [F]>, &mut [F]) -> Outcome,
    ) -> Result<f64> {
        let start = rows.start;
        let mut scratch = Scratch::new(self.batch);
        let (mut a, mut b) = ([F::ZERO; BLOCK], [F::ZERO; BLOCK]);
        // Where arithmetic takes longer than memory, and with two outputs at a time, this costs more than it saves.
        let worth_it = self.loss.is_cheap() && first.is_some() != second.is_some();
        let past = worth_it.then(|| Uncached::for_output::<F>(self.batch.len())).flatten();
        let mut sum = 0.0;
        for block in blocks(rows) {
            let (at, len) = (block.start - start, block.len());
            let loaded = scratch.load(self.batch, block.clone());
            let whole = len.is_multiple_of(PAD);
            if whole && past.is_none() {
                let a = first.as_deref_mut().map(|out| &mut out[at..at + len]);
                let b = second.as_deref_mut().map(|out| &mut out[at..at + len]);
                sum += self.compute(loaded, block.start, a, b, &work)?;
                continue;
            }
            let padded;
            let loaded = if whole {
                loaded
            } else {
                padded = Padded::new(loaded);
                padded.loaded()
            };
            let kept = first.is_some().then_some(&mut a[..]);
            sum += self.compute(loaded, block.start, kept, Some(&mut b), &work)?;
            for (out, values) in [(first.as_deref_mut(), &a), (second.as_deref_mut(), &b)] {
                if let Some(out) = out {
                    let (values, out) = (&values[..len], &mut out[at..at + len]);
                    match &past {
                        Some(past) => past.copy(values, out),
                        None => out.copy_from_slice(values),
                    }
                }
            }
        }
        Ok(sum)
    }

    /// One block, of a length that lanes divide.
    fn compute(
        &self,
        loaded: Loaded<'_, F>,
        start: usize,
        a: Option<&mut [F]>,
        b: Option<&mut [F]>,
        work: impl Fn(Block<'_, F>, Option<&mut [F]>, &mut [F]) -> Outcome,
    ) -> Result<f64> {
        let Loaded { s, mut y, mut w, x } = loaded;
        let (mut targets, mut weights);
        if self.gaps {
            (targets, weights) = ([F::ZERO; BLOCK], [F::ZERO; BLOCK]);
            let (targets, weights) = (&mut targets[..s.len()], &mut weights[..s.len()]);
            widest(FillBlock { y, w, targets, weights });
            (y, w) = (targets, weights);
        }
        let found = work(Block { s, y, w, x }, a, b.unwrap_or_default());
        if found.wrong {
            self.explain(&loaded, start)?;
        }
        Ok(found.sum)
    }

    /// The error of the first bad row; none where it was a false alarm.
    fn explain(&self, loaded: &Loaded<'_, F>, start: usize) -> Result<()> {
        let (s_domain, y_domain) = self.loss.domains();
        for (i, (&s, &y)) in loaded.s.iter().zip(loaded.y).enumerate() {
            let row = (start + i) / self.batch.columns();
            if !s.is_usable() {
                return Err(Error::PredictionNotFinite { row, value: s.wide() });
            }
            if !s_domain.contains(s) {
                let allowed = allowed_predictions(s_domain);
                return Err(Error::PredictionOutOfDomain { row, value: s.wide(), allowed });
            }
            if y.wide().is_nan() {
                if self.nan_policy == NanPolicy::Raise {
                    return Err(Error::TargetMissing { row });
                }
            } else if !y_domain.contains(y) {
                let allowed = allowed_targets(y_domain, y.wide());
                return Err(Error::TargetOutOfDomain { row, value: y.wide(), allowed });
            }
            if let Some(x) = loaded.x.iter().find_map(|x| x.get(i).filter(|x| !x.is_usable())) {
                return Err(Error::ArgumentNotFinite { row, value: x.wide() });
            }
        }
        Ok(())
    }
}

const RELEVANCE: &str = "a whole number from 0 to 30";

fn allowed_predictions(domain: Domain) -> String {
    match domain {
        Domain::Real => "any finite number",
        Domain::Unit => "a probability, 0 to 1; for raw scores use from_logits=True",
        Domain::Binary => "0 or 1",
        Domain::Relevance => RELEVANCE,
    }
    .into()
}

pub(super) fn allowed_targets(domain: Domain, value: f64) -> String {
    let allowed = match domain {
        Domain::Real => return "any finite number".into(),
        Domain::Unit => "0 to 1",
        Domain::Binary => "0 or 1",
        Domain::Relevance => return format!("{RELEVANCE}; for returns use gain=\"linear\", or pass quantiles"),
    };
    if value == -1.0 { format!("{allowed}; for labels -1 and 1 pass (y + 1) / 2") } else { allowed.into() }
}

/// A block filled up with rows of zeros, weights included.
struct Padded<F> {
    columns: [Vec<F>; 3 + MAX_EXTRAS],
}

impl<F: Float> Padded<F> {
    fn new(loaded: Loaded<'_, F>) -> Self {
        let [x0, x1, x2, x3] = loaded.x;
        let ones = [F::ONE; BLOCK];
        let w = if loaded.w.is_empty() { &ones[..loaded.s.len()] } else { loaded.w };
        let columns = [loaded.s, loaded.y, w, x0, x1, x2, x3].map(|values| {
            let mut values = values.to_vec();
            values.resize(values.len().next_multiple_of(PAD), F::ZERO);
            values
        });
        Self { columns }
    }

    fn loaded(&self) -> Loaded<'_, F> {
        let [s, y, w, x @ ..] = &self.columns;
        Loaded { s, y, w, x: x.each_ref().map(Vec::as_slice) }
    }
}

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
