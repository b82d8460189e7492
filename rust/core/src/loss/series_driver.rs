//! Everything about a loss of portfolio returns that is not its formula.
//!
//! **Conventions.** A row is a position: its score becomes a position, the target is the return that this position
//! earns (the caller lags it), and [`Trading`] says the rest. A row whose target is NaN raises, or with
//! [`NanPolicy::Omit`] is as if it were not there: the asset is absent on that date. A weight is per date and raises
//! where it differs inside one. Costs need an index that knows assets, or one row a date.
//!
//! **Gradient.** With `D_t = dL/dr_t` and `d` the change of a position, `dL/dpos = D_t (y − cost·sign d_t) / N_t +
//! D_u cost·sign d_u / N_u` with u the next date of the asset (or the date on which it is closed) and sign 0 = 0; then
//! the derivative of the position by its score.
//!
//! **Same bits.** A date is computed by one thread, in row order; the loss sees the whole series.

use super::batch::Batch;
use super::book::{Book, Trading};
use super::driver::{NanPolicy, Options, Reduction};
use super::float::Float;
use super::groups::GroupIndex;
use super::kernels::HESSIAN_FLOOR;
use super::stream::Stream;
use super::traits::{Hessian, Returns, SeriesLoss};
use crate::error::{Error, Result};
use crate::parallel::{Cancel, map_blocks_into};

/// Rows put back in place at a time.
const SCATTER: usize = 32_768;

/// The reduced loss. Holds a few buffers of a task's size where the book can be read date by date (see [`Stream`]),
/// else some 60 bytes a row while it works.
pub fn value<L: SeriesLoss, F: Float>(
    loss: &L,
    batch: &Batch<'_, F>,
    index: &GroupIndex,
    trading: Trading,
    options: Options,
    cancel: &Cancel,
) -> Result<f64> {
    Ok(Call::run(loss, batch, index, trading, options, cancel)?.value)
}

/// The reduced loss, and its gradient by the predictions into `gradient`, in the caller's order.
pub fn value_grad<L: SeriesLoss, F: Float>(
    loss: &L,
    batch: &Batch<'_, F>,
    index: &GroupIndex,
    trading: Trading,
    options: Options,
    gradient: &mut [F],
    cancel: &Cancel,
) -> Result<f64> {
    same_length("out", gradient.len(), batch.len())?;
    let call = Call::run(loss, batch, index, trading, options, cancel)?;
    call.gradient(index, gradient, cancel)?;
    Ok(call.value)
}

/// What boosting takes: the gradient of the loss (additive losses are summed over dates, ratios are what they are)
/// and a diagonal curvature, at least [`HESSIAN_FLOOR`] times the weight. Both are 0 for rows that are left out.
#[allow(clippy::too_many_arguments)]
pub fn grad_hess<L: SeriesLoss, F: Float>(
    loss: &L,
    batch: &Batch<'_, F>,
    index: &GroupIndex,
    trading: Trading,
    nan_policy: NanPolicy,
    choice: Hessian,
    gradient: &mut [F],
    hessian: &mut [F],
    cancel: &Cancel,
) -> Result<()> {
    same_length("gradient", gradient.len(), batch.len())?;
    same_length("hessian", hessian.len(), batch.len())?;
    let reduction = if L::ADDITIVE { Reduction::Sum } else { Reduction::Mean };
    let options = Options { reduction, nan_policy };
    let call = Call::run(loss, batch, index, trading, options, cancel)?;
    call.gradient(index, gradient, cancel)?;
    let mut curvature = vec![0.0; call.returns.len()];
    let some = !curvature.is_empty();
    let useful = some && choice != Hessian::Constant && loss.curvature(&call.returns(), &mut curvature);
    let book = match &call.source {
        Source::Stream(stream) => {
            return stream.curvature(useful.then_some(&curvature), &call.weights, hessian, cancel);
        }
        Source::Book(book) => book,
    };
    let weights = book.row_weights();
    let slots = if useful {
        let mut slots = book.curvature(&curvature, cancel)?;
        for (h, w) in slots.iter_mut().zip(&weights) {
            *h = h.abs().max(HESSIAN_FLOOR * w);
        }
        slots
    } else {
        weights
    };
    put_back(book, index, &slots, hessian, cancel)
}

/// The portfolio returns, in time order, one a date that has rows (one a row where pooled).
pub fn returns<F: Float>(
    batch: &Batch<'_, F>,
    index: &GroupIndex,
    trading: Trading,
    nan_policy: NanPolicy,
    cancel: &Cancel,
) -> Result<Vec<f64>> {
    Ok(Source::open(batch, index, trading, nan_policy, cancel)?.returns)
}

fn same_length(name: &str, got: usize, expected: usize) -> Result<()> {
    if got == expected { Ok(()) } else { Err(Error::LengthMismatch { name: name.into(), got, expected }) }
}

/// Where returns come from.
#[allow(clippy::large_enum_variant)]
enum Source<'a, F> {
    Stream(Stream<'a, F>),
    Book(Book<'a>),
}

/// Returns with their weights.
struct Opened<'a, F> {
    source: Source<'a, F>,
    returns: Vec<f64>,
    weights: Vec<f64>,
}

impl<'a, F: Float> Source<'a, F> {
    fn open(
        batch: &'a Batch<'a, F>,
        index: &'a GroupIndex,
        trading: Trading,
        nan_policy: NanPolicy,
        cancel: &Cancel,
    ) -> Result<Opened<'a, F>> {
        trading.check()?;
        same_length("groups", index.len(), batch.len())?;
        let arguments = usize::from(trading.target_volatility.is_some());
        same_length("the list of per-row arguments", batch.extras.len(), arguments)?;
        if let Some(stream) = Stream::open(trading, batch, index)
            && let Some((returns, weights)) = stream.returns(nan_policy, cancel)?
        {
            return Ok(Opened { source: Self::Stream(stream), returns, weights });
        }
        let book = Book::open(trading, batch, index, nan_policy, cancel)?;
        let weights = if trading.pooled { book.row_weights() } else { book.weight.clone() };
        Ok(Opened { returns: book.returns(cancel)?, weights, source: Self::Book(book) })
    }

    /// The group of a return's date.
    fn group(&self, at: usize) -> usize {
        match self {
            Self::Stream(_) => at,
            Self::Book(book) => book.group(at),
        }
    }
}

/// From slots to the caller's rows; 0 for rows that are left out.
fn put_back<F: Float>(
    book: &Book<'_>,
    index: &GroupIndex,
    slots: &[f64],
    out: &mut [F],
    cancel: &Cancel,
) -> Result<()> {
    let mut spread = Vec::new();
    let places = if slots.len() == index.len() {
        slots
    } else {
        spread.resize(index.len(), 0.0);
        for (&place, &value) in book.places.iter().zip(slots) {
            spread[place as usize] = value;
        }
        &spread[..]
    };
    map_blocks_into(out, SCATTER, cancel, |rows, out| {
        for (row, slot) in rows.zip(out) {
            *slot = F::of(places[index.place(row)]);
        }
        Ok(())
    })?;
    Ok(())
}

/// A loss on its series.
struct Call<'a, F> {
    source: Source<'a, F>,
    returns: Vec<f64>,
    weights: Vec<f64>,
    weight: f64,
    divisor: f64,
    value: f64,
    slope: Vec<f64>,
}

impl<'a, F: Float> Call<'a, F> {
    fn run<L: SeriesLoss>(
        loss: &L,
        batch: &'a Batch<'a, F>,
        index: &'a GroupIndex,
        trading: Trading,
        options: Options,
        cancel: &Cancel,
    ) -> Result<Self> {
        loss.check()?;
        if !L::ADDITIVE && options.reduction != Reduction::Mean {
            let name = if options.reduction == Reduction::Sum { "sum" } else { "mean_n" };
            return Err(Error::ReductionUndefined { reduction: name.into() });
        }
        let Opened { source, returns, weights } = Source::open(batch, index, trading, options.nan_policy, cancel)?;
        let weight = weights.iter().fold(0.0, |sum, w| sum + w);
        let len = returns.len();
        let divisor = divisor(options.reduction, len, weight)?;
        let slope = vec![0.0; len];
        let mut call = Self { source, returns, weights, weight, divisor, value: 0.0, slope };
        if len == 0 {
            return Ok(call);
        }
        // A return that weighs nothing is none that a deviation could be taken from.
        let counted = call.weights.iter().filter(|&&w| w > 0.0).count();
        if counted < loss.least() && loss.least() > 1 {
            return Err(Error::TooFewDates { got: counted, needed: loss.least() });
        }
        if let (true, Some(at)) = (loss.refuses_ruin(), call.returns.iter().position(|&r| r <= -1.0)) {
            return Err(Error::Ruin { date: index.ids()[call.source.group(at)], value: call.returns[at] });
        }
        let mut slope = std::mem::take(&mut call.slope);
        call.value = loss.value_grad(&call.returns(), &mut slope);
        call.slope = slope;
        Ok(call)
    }

    fn gradient(&self, index: &GroupIndex, gradient: &mut [F], cancel: &Cancel) -> Result<()> {
        match &self.source {
            Source::Stream(stream) => stream.gradient(&self.slope, gradient, cancel),
            Source::Book(book) => put_back(book, index, &book.gradient(&self.slope, cancel)?, gradient, cancel),
        }
    }

    fn returns(&self) -> Returns<'_> {
        Returns { r: &self.returns, w: &self.weights, weight: self.weight, divisor: self.divisor }
    }
}

fn divisor(reduction: Reduction, len: usize, weight: f64) -> Result<f64> {
    let reason = match reduction {
        Reduction::Sum => return Ok(1.0),
        _ if len == 0 => "there are no rows with a target",
        Reduction::MeanN => return Ok(len as f64),
        Reduction::Mean if weight == 0.0 => "all weights are 0",
        Reduction::Mean => return Ok(weight),
    };
    Err(Error::NothingToAverage { reason: reason.into() })
}

#[cfg(test)]
#[path = "series_driver_tests.rs"]
mod tests;
