//! Fixed-block map and reduce over a thread pool of our own.
//!
//! Two promises live here and nowhere else:
//!
//! - **The same bits at any thread count.** Work is cut into blocks whose borders depend on the length alone;
//!   each block is computed by one thread and the results are combined in block order.
//! - **Fork safety.** A forked child inherits the memory of a pool but none of its threads, and would wait for
//!   them for ever. The pool is therefore keyed by process id and rebuilt in a child; the dead one is leaked,
//!   since joining threads that do not exist would hang as well.

use std::ops::Range as StdRange;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};

/// Below this many rows work runs on the calling thread: handing it to a pool costs more than it saves.
pub const INLINE_ROWS: usize = 65_536;

/// The environment variable that sets the thread count when the process starts.
pub const THREADS_VARIABLE: &str = "TRADEWRIGHT_NUM_THREADS";

/// A flag through which a caller stops work that is under way.
#[derive(Debug, Default)]
pub struct Cancel(AtomicBool);

impl Cancel {
    /// A flag that is not raised.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Raises the flag; work stops at its next block.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the flag is raised.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// [`Error::Interrupted`] when the flag is raised.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::Interrupted {}) } else { Ok(()) }
    }
}

/// The pool of one process.
struct ProcessPool {
    pid: u32,
    pool: Mutex<Option<Arc<ThreadPool>>>,
}

static CURRENT: AtomicPtr<ProcessPool> = AtomicPtr::new(std::ptr::null_mut());

/// The cell of this process, made anew after a fork.
#[allow(unsafe_code)]
fn process_pool() -> &'static ProcessPool {
    let pid = std::process::id();
    let seen = CURRENT.load(Ordering::Acquire);
    // SAFETY: the pointer is null or came from `Box::leak` below and is never freed.
    if let Some(cell) = unsafe { seen.as_ref() }
        && cell.pid == pid
    {
        return cell;
    }
    let fresh: *mut ProcessPool = Box::leak(Box::new(ProcessPool { pid, pool: Mutex::new(None) }));
    match CURRENT.compare_exchange(seen, fresh, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: `fresh` was just leaked; the loser of a race leaks a few bytes, once per process.
        Ok(_) => unsafe { &*fresh },
        // SAFETY: the winner's pointer was leaked by this very function in this process.
        Err(winner) => unsafe { &*winner },
    }
}

fn default_threads() -> usize {
    std::env::var(THREADS_VARIABLE)
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .filter(|&count| count > 0)
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
}

fn build(threads: usize) -> Arc<ThreadPool> {
    let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("tradewright-{i}")).build();
    Arc::new(pool.expect("the operating system starts threads"))
}

/// The pool of this process, started when first asked for.
#[must_use]
pub fn pool() -> Arc<ThreadPool> {
    let mut slot = process_pool().pool.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(slot.get_or_insert_with(|| build(default_threads())))
}

/// How many threads the pool of this process has.
#[must_use]
pub fn num_threads() -> usize {
    pool().current_num_threads()
}

/// Replaces the pool by one of `threads` threads; work under way finishes on the old one.
pub fn set_num_threads(threads: usize) -> Result<()> {
    if threads == 0 {
        return Err(Error::Parameter { name: "num_threads".into(), value: "0".into(), hint: "pass at least 1".into() });
    }
    let fresh = build(threads);
    *process_pool().pool.lock().unwrap_or_else(PoisonError::into_inner) = Some(fresh);
    Ok(())
}

/// The rows of block `index` when `len` rows are cut into blocks of `block` rows.
fn block_rows(index: usize, block: usize, len: usize) -> StdRange<usize> {
    index * block..((index + 1) * block).min(len)
}

/// Computes `f(rows)` for each block of rows and returns the results in block order.
///
/// `weight` is the number of values a row stands for (its columns); it only decides whether threads are worth it.
pub fn map_blocks<T, F>(len: usize, block: usize, weight: usize, cancel: &Cancel, f: F) -> Result<Vec<T>>
where
    T: Send,
    F: Fn(StdRange<usize>) -> Result<T> + Sync,
{
    let blocks = len.div_ceil(block);
    let one = |index: usize| {
        cancel.check()?;
        f(block_rows(index, block, len))
    };
    if blocks <= 1 || len.saturating_mul(weight.max(1)) < INLINE_ROWS {
        return (0..blocks).map(one).collect();
    }
    pool().install(|| in_order((0..blocks).into_par_iter().map(one)))
}

/// Collects results in block order and returns the first error **by position**, the same at any thread count; only an
/// interrupt ends the work early.
fn in_order<T: Send>(blocks: impl IndexedParallelIterator<Item = Result<T>>) -> Result<Vec<T>> {
    let results: Result<Vec<Result<T>>> = blocks
        .map(|result| match result {
            Err(Error::Interrupted {}) => Err(Error::Interrupted {}),
            other => Ok(other),
        })
        .collect();
    results?.into_iter().collect()
}

/// As [`map_blocks`], with block `i` writing the matching block of `out`, which has a value per row.
pub fn map_blocks_into<U, T, F>(out: &mut [U], block: usize, cancel: &Cancel, f: F) -> Result<Vec<T>>
where
    U: Send,
    T: Send,
    F: Fn(StdRange<usize>, &mut [U]) -> Result<T> + Sync,
{
    let len = out.len();
    let one = |(index, chunk): (usize, &mut [U])| {
        cancel.check()?;
        f(block_rows(index, block, len), chunk)
    };
    if len < INLINE_ROWS {
        return out.chunks_mut(block).enumerate().map(one).collect();
    }
    pool().install(|| in_order(out.par_chunks_mut(block).enumerate().map(one)))
}

/// As [`map_blocks_into`], with blocks of any length: block `i` writes the values from `ends[i - 1]` to `ends[i]`.
///
/// The ends must depend on the data alone. `work` says what all blocks cost, in rows of a cheap computation; it only
/// decides whether threads are worth it.
///
/// # Panics
/// When the ends decrease or the last one is not the length of `out`.
pub fn map_parts_into<U, T, F>(out: &mut [U], ends: &[usize], work: usize, cancel: &Cancel, f: F) -> Result<Vec<T>>
where
    U: Send,
    T: Send,
    F: Fn(usize, &mut [U]) -> Result<T> + Sync,
{
    assert_eq!(ends.last().copied().unwrap_or(0), out.len(), "the parts cover the output");
    let mut parts = Vec::with_capacity(ends.len());
    let (mut rest, mut start) = (out, 0);
    for &end in ends {
        let (part, behind) = rest.split_at_mut(end - start);
        parts.push(part);
        (rest, start) = (behind, end);
    }
    let one = |(index, part): (usize, &mut [U])| {
        cancel.check()?;
        f(index, part)
    };
    if parts.len() <= 1 || work < INLINE_ROWS {
        return parts.into_iter().enumerate().map(one).collect();
    }
    pool().install(|| in_order(parts.into_par_iter().enumerate().map(one)))
}

/// As [`map_blocks_into`], with two outputs of one length.
///
/// # Panics
/// When the outputs differ in length.
pub fn map_blocks_into_pair<U, T, F>(
    first: &mut [U],
    second: &mut [U],
    block: usize,
    cancel: &Cancel,
    f: F,
) -> Result<Vec<T>>
where
    U: Send,
    T: Send,
    F: Fn(StdRange<usize>, &mut [U], &mut [U]) -> Result<T> + Sync,
{
    let len = first.len();
    assert_eq!(len, second.len(), "both outputs have a value per row");
    let one = |(index, (a, b)): (usize, (&mut [U], &mut [U]))| {
        cancel.check()?;
        f(block_rows(index, block, len), a, b)
    };
    if len < INLINE_ROWS {
        return first.chunks_mut(block).zip(second.chunks_mut(block)).enumerate().map(one).collect();
    }
    pool().install(|| in_order(first.par_chunks_mut(block).zip(second.par_chunks_mut(block)).enumerate().map(one)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::MutexGuard;

    /// Tests that change the process's pool take turns.
    fn turn() -> MutexGuard<'static, ()> {
        static TURN: Mutex<()> = Mutex::new(());
        TURN.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sum(values: &[f32]) -> f64 {
        let parts = map_blocks(values.len(), 1_000, 1, &Cancel::new(), |rows| {
            Ok(values[rows].iter().map(|&v| f64::from(v)).sum::<f64>())
        });
        parts.unwrap().into_iter().fold(0.0, |a, b| a + b)
    }

    #[test]
    fn same_bits_at_any_thread_count() {
        let _turn = turn();
        let values: Vec<f32> = (0..200_001).map(|i| (i as f32).sin() * 1e3).collect();
        let mut sums = Vec::new();
        for threads in [1, 2, 3, 7] {
            set_num_threads(threads).unwrap();
            assert_eq!(num_threads(), threads);
            sums.push(sum(&values).to_bits());
        }
        assert!(sums.windows(2).all(|pair| pair[0] == pair[1]), "{sums:?}");
    }

    #[test]
    fn first_error_by_position_wins() {
        let _turn = turn();
        let result = map_blocks(1_000_000, 1_000, 1, &Cancel::new(), |rows| {
            if rows.start >= 300_000 { Err(Error::LabelEndBeforeTime { row: rows.start }) } else { Ok(()) }
        });
        assert_eq!(result, Err(Error::LabelEndBeforeTime { row: 300_000 }));
    }

    #[test]
    fn raised_flag_stops_the_work() {
        let cancel = Cancel::new();
        cancel.cancel();
        assert_eq!(map_blocks(10, 2, 1, &cancel, |_| Ok(())), Err(Error::Interrupted {}));
        let mut out = vec![0; 10];
        assert_eq!(map_blocks_into(&mut out, 2, &cancel, |_, _| Ok(())), Err(Error::Interrupted {}));
    }

    #[test]
    fn blocks_write_their_own_rows() {
        let _turn = turn();
        let mut out = vec![0usize; 100_003];
        map_blocks_into(&mut out, 777, &Cancel::new(), |rows, chunk| {
            for (slot, row) in chunk.iter_mut().zip(rows) {
                *slot = row;
            }
            Ok(())
        })
        .unwrap();
        assert!(out.iter().enumerate().all(|(row, &value)| row == value));
    }

    #[test]
    fn zero_threads_are_refused() {
        assert_eq!(set_num_threads(0).unwrap_err().code(), "parameter.invalid");
    }
}
