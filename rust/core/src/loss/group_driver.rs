//! Everything about a group loss that is not its formula.
//!
//! **Conventions.** As for point losses (see [`driver`](super::driver)), with groups for rows: `mean` divides by the
//! weight of the groups that count (see [`Term`]), a row whose target is NaN raises or leaves its group, a group of
//! weight 0 counts for nothing. A weight is per group, and raises where it differs inside one, unless the loss says
//! that it weighs rows. Groups without a usable pair are skipped: no value, zero gradient, and the [`Outcome`] counts
//! them. When all are skipped the loss is 0.
//!
//! **Same bits.** A group is computed by one thread and groups are added up in ascending order of id, within tasks
//! whose borders depend on the sizes of the groups alone. Sums are in double precision, and so are gradients until
//! they are stored.

use super::batch::Batch;
use super::driver::{NanPolicy, Options, Reduction};
use super::float::Float;
use super::groups::{GroupIndex, Tasks};
use super::kernels::HESSIAN_FLOOR;
use super::rows_of::{Gathered, Wanted};
use super::traits::{Group, GroupLoss, Hessian, Term};
use crate::error::{Error, Result};
use crate::parallel::{Cancel, map_blocks, map_blocks_into, map_blocks_into_pair, map_parts_into};

/// Rows put back in place at a time.
const SCATTER: usize = 32_768;

/// The reduced loss, and how much of the data it stands on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// The reduced loss.
    pub value: f64,
    /// Groups that have a usable pair.
    pub counted: usize,
    /// Groups that have rows but no usable pair.
    pub skipped: usize,
}

/// The reduced loss. One pass; allocates a few buffers of a group's size per task.
pub fn value<L: GroupLoss, F: Float>(
    loss: &L,
    batch: &Batch<'_, F>,
    index: &GroupIndex,
    options: Options,
    cancel: &Cancel,
) -> Result<Outcome> {
    let call = Call::new(loss, batch, index, options.nan_policy)?;
    let totals = Totals::of(&call.values(cancel)?);
    Ok(totals.outcome(totals.divisor(options.reduction)?))
}

/// The reduced loss, and its gradient by the predictions into `gradient`, in the caller's order. A buffer of a value
/// per row where rows do not come sorted.
pub fn value_grad<L: GroupLoss, F: Float>(
    loss: &L,
    batch: &Batch<'_, F>,
    index: &GroupIndex,
    options: Options,
    gradient: &mut [F],
    cancel: &Cancel,
) -> Result<Outcome> {
    let call = Call::new(loss, batch, index, options.nan_policy)?;
    let totals = Totals::of(&call.gradient(gradient, cancel, options.reduction)?);
    Ok(totals.outcome(totals.divisor(options.reduction)?))
}

/// The weighted loss of each group, ascending by id, into `values` (0 where skipped), and the outcome of their sum.
pub fn value_groups<L: GroupLoss, F: Float>(
    loss: &L,
    batch: &Batch<'_, F>,
    index: &GroupIndex,
    nan_policy: NanPolicy,
    values: &mut [f64],
    cancel: &Cancel,
) -> Result<Outcome> {
    let call = Call::new(loss, batch, index, nan_policy)?;
    let parts = call.values(cancel)?;
    call.spread(&parts, values)?;
    Ok(Totals::of(&parts).outcome(1.0))
}

/// As [`value_groups`], with the derivative of each row's own group into `gradient`.
pub fn value_grad_groups<L: GroupLoss, F: Float>(
    loss: &L,
    batch: &Batch<'_, F>,
    index: &GroupIndex,
    nan_policy: NanPolicy,
    values: &mut [f64],
    gradient: &mut [F],
    cancel: &Cancel,
) -> Result<Outcome> {
    let call = Call::new(loss, batch, index, nan_policy)?;
    let parts = call.gradient(gradient, cancel, Reduction::Sum)?;
    call.spread(&parts, values)?;
    Ok(Totals::of(&parts).outcome(1.0))
}

/// What boosting takes: sum-reduced, weights multiplied in, `hessian` at least [`HESSIAN_FLOOR`] times the weight.
/// Both are 0 for rows that are left out and for skipped groups.
#[allow(clippy::too_many_arguments)]
pub fn grad_hess<L: GroupLoss, F: Float>(
    loss: &L,
    batch: &Batch<'_, F>,
    index: &GroupIndex,
    nan_policy: NanPolicy,
    choice: Hessian,
    gradient: &mut [F],
    hessian: &mut [F],
    cancel: &Cancel,
) -> Result<Outcome> {
    same_length("gradient", gradient.len(), batch.len())?;
    same_length("hessian", hessian.len(), batch.len())?;
    let call = Call::new(loss, batch, index, nan_policy)?;
    let mut places = vec![[F::ZERO; 2]; batch.len()];
    let parts = map_parts_into(&mut places, &call.tasks.ends, call.tasks.work, cancel, |task, out| {
        call.task(task, out, |work, weight, out| work.curvature(choice, weight, out))
    })?;
    map_blocks_into_pair(gradient, hessian, SCATTER, cancel, |rows, gradient, hessian| {
        for ((row, g), h) in rows.zip(gradient).zip(hessian) {
            [*g, *h] = places[index.place(row)];
        }
        Ok(())
    })?;
    Ok(Totals::of(&parts).outcome(1.0))
}

fn same_length(name: &str, got: usize, expected: usize) -> Result<()> {
    if got == expected { Ok(()) } else { Err(Error::LengthMismatch { name: name.into(), got, expected }) }
}

/// What each task adds up to, and the weighted value of each of its groups.
type Parts = Vec<(Totals, Vec<f64>)>;

/// What groups add up to.
#[derive(Debug, Clone, Copy)]
struct Totals {
    sum: Term,
    rows: usize,
    counted: usize,
    skipped: usize,
}

impl Default for Totals {
    fn default() -> Self {
        Self { sum: Term { value: 0.0, mass: 0.0, count: 0.0 }, rows: 0, counted: 0, skipped: 0 }
    }
}

impl Totals {
    fn of(parts: &Parts) -> Self {
        let mut all = Self::default();
        for (part, _) in parts {
            all.sum.value += part.sum.value;
            all.sum.mass += part.sum.mass;
            all.sum.count += part.sum.count;
            all.rows += part.rows;
            all.counted += part.counted;
            all.skipped += part.skipped;
        }
        all
    }

    /// Adds a group and returns its weighted value.
    fn add(&mut self, rows: usize, weight: f64, term: Option<Term>) -> f64 {
        self.rows += rows;
        let Some(term) = term else {
            self.skipped += usize::from(rows > 0);
            return 0.0;
        };
        // An infinite value that weighs nothing is no matter.
        let value = if weight == 0.0 { 0.0 } else { weight * term.value };
        self.counted += 1;
        self.sum.value += value;
        self.sum.mass += weight * term.mass;
        self.sum.count += term.count;
        value
    }

    fn divisor(&self, reduction: Reduction) -> Result<f64> {
        let reason = match reduction {
            Reduction::Sum => return Ok(1.0),
            _ if self.rows == 0 => "there are no rows with a target",
            // Nothing was added up and nothing is divided.
            _ if self.counted == 0 => return Ok(1.0),
            Reduction::MeanN => return Ok(self.sum.count),
            Reduction::Mean if self.sum.mass == 0.0 => "all weights are 0",
            Reduction::Mean => return Ok(self.sum.mass),
        };
        Err(Error::NothingToAverage { reason: reason.into() })
    }

    fn outcome(&self, divisor: f64) -> Outcome {
        Outcome { value: self.sum.value / divisor, counted: self.counted, skipped: self.skipped }
    }
}

struct Call<'a, L, F> {
    loss: &'a L,
    batch: &'a Batch<'a, F>,
    index: &'a GroupIndex,
    nan_policy: NanPolicy,
    tasks: Tasks,
}

/// A group in the hands of a thread.
struct Work<'a, L: GroupLoss, F: Float> {
    loss: &'a L,
    group: Group<'a, F>,
    /// Which rows these are; none for all of them.
    kept: Option<&'a [u32]>,
    first: &'a mut [f64],
    second: &'a mut [f64],
    scratch: &'a mut L::Scratch<F>,
}

impl<L: GroupLoss, F: Float> Work<'_, L, F> {
    fn value(self) -> Option<Term> {
        self.loss.value(&self.group, self.first, self.scratch)
    }

    /// Writes the weighted gradient to the rows that are kept and 0 to the others.
    fn gradient(self, weight: f64, out: &mut [F]) -> Option<Term> {
        let Some(kept) = self.kept else {
            let term = self.loss.value_grad_scaled(&self.group, weight, out, self.first, self.scratch);
            if term.is_none() {
                out.fill(F::ZERO);
            }
            return term;
        };
        out.fill(F::ZERO);
        let term = self.loss.value_grad(&self.group, self.first, self.scratch)?;
        for (&i, &slope) in kept.iter().zip(&*self.first) {
            out[i as usize] = F::of(weight * slope);
        }
        Some(term)
    }

    fn curvature(self, choice: Hessian, weight: f64, out: &mut [[F; 2]]) -> Option<Term> {
        let Self { loss, group, kept, first, second, scratch } = self;
        let term = match choice {
            Hessian::Constant => {
                for (i, slot) in second.iter_mut().enumerate() {
                    *slot = group.weight(i);
                }
                loss.value_grad(&group, first, scratch)?
            }
            Hessian::Abs => loss.grad_hess(&group, Hessian::Exact, first, second, scratch)?,
            _ => loss.grad_hess(&group, choice, first, second, scratch)?,
        };
        for k in 0..group.len() {
            let i = kept.map_or(k, |kept| kept[k] as usize);
            let curvature = if choice == Hessian::Abs { second[k].abs() } else { second[k] };
            let floored = curvature.max(HESSIAN_FLOOR * group.weight(k));
            out[i] = [F::of(weight * first[k]), F::of(weight * floored)];
        }
        Some(term)
    }
}

impl<'a, L: GroupLoss, F: Float> Call<'a, L, F> {
    fn new(loss: &'a L, batch: &'a Batch<'a, F>, index: &'a GroupIndex, nan_policy: NanPolicy) -> Result<Self> {
        loss.check()?;
        same_length("groups", index.len(), batch.len())?;
        same_length("the list of per-row arguments", batch.extras.len(), 0)?;
        Ok(Self { loss, batch, index, nan_policy, tasks: Tasks::new(index.starts(), L::PAIRS) })
    }

    /// Runs `work` on each group of a task, with its part of `out` (a value per row of the task, or nothing); returns
    /// what they add up to and the weighted value of each.
    fn task<U: Default>(
        &self,
        task: usize,
        out: &mut [U],
        work: impl Fn(Work<'_, L, F>, f64, &mut [U]) -> Option<Term>,
    ) -> Result<(Totals, Vec<f64>)> {
        let groups = self.tasks.groups(task);
        let origin = self.index.starts()[groups.start];
        let wanted = Wanted { domain: self.loss.targets(), narrow: L::NARROW, nan_policy: self.nan_policy };
        let mut gathered = Gathered::new();
        let (mut first, mut second, mut scratch) = (Vec::new(), Vec::new(), L::Scratch::default());
        let mut totals = Totals::default();
        let mut values = Vec::with_capacity(groups.len());
        for group in groups {
            let places = self.index.places(group);
            let part = if out.is_empty() { &mut [] } else { &mut out[places.start - origin..places.end - origin] };
            let len = places.len();
            first.resize(len.max(first.len()), 0.0);
            second.resize(len.max(second.len()), 0.0);
            let rows = gathered.read(self.batch, self.index, group, wanted)?;
            let weight = if L::ROW_WEIGHTS { 1.0 } else { rows.weight(self.index, group)? };
            let len = rows.s.len();
            if len == 0 {
                part.fill_with(U::default);
            }
            let term = (len > 0).then(|| {
                let w = if L::ROW_WEIGHTS { rows.w } else { &[] };
                let (first, second) = (&mut first[..len], &mut second[..len]);
                let group = Group { s: rows.s, y: rows.y, narrow: rows.narrow, w };
                let kept = rows.kept.filter(|kept| kept.len() < places.len());
                work(Work { loss: self.loss, group, kept, first, second, scratch: &mut scratch }, weight, part)
            });
            values.push(totals.add(len, weight, term.flatten()));
        }
        Ok((totals, values))
    }

    /// Values alone.
    fn values(&self, cancel: &Cancel) -> Result<Parts> {
        let tasks = self.tasks.ends.len();
        let each = self.tasks.work / tasks.max(1);
        map_blocks(tasks, 1, each, cancel, |task| self.task(task.start, &mut [], |work, _, _: &mut [()]| work.value()))
    }

    /// The gradient over what the reduction divides by, in the caller's order. It is first taken to be the number of
    /// groups; where that is right, which it mostly is, and rows come sorted, one pass writes it.
    fn gradient(&self, gradient: &mut [F], cancel: &Cancel, reduction: Reduction) -> Result<Parts> {
        same_length("out", gradient.len(), self.batch.len())?;
        let sorted = self.index.is_sorted();
        let guess = if reduction == Reduction::Sum { 1.0 } else { self.index.groups().max(1) as f64 };
        let before = 1.0 / guess;
        let mut buffer = vec![F::ZERO; if sorted { 0 } else { gradient.len() }];
        let places = if sorted { &mut *gradient } else { &mut buffer[..] };
        let parts = map_parts_into(places, &self.tasks.ends, self.tasks.work, cancel, |task, out| {
            self.task(task, out, |work, weight, out| work.gradient(weight * before, out))
        })?;
        let scale = guess / Totals::of(&parts).divisor(reduction)?;
        if sorted && scale == 1.0 {
            return Ok(parts);
        }
        map_blocks_into(gradient, SCATTER, cancel, |rows, out| {
            for (row, slot) in rows.zip(out) {
                let slope = if sorted { *slot } else { buffer[self.index.place(row)] };
                *slot = F::of(slope.wide() * scale);
            }
            Ok(())
        })?;
        Ok(parts)
    }

    /// Copies the values of the groups to where the caller wants them.
    fn spread(&self, parts: &Parts, values: &mut [f64]) -> Result<()> {
        same_length("values", values.len(), self.index.groups())?;
        for (slot, &value) in values.iter_mut().zip(parts.iter().flat_map(|part| &part.1)) {
            *slot = value;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "group_driver_tests.rs"]
mod tests;
