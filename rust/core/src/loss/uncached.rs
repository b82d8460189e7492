//! Writing past the cache.
//!
//! A store makes a CPU first read the line of memory that it goes to. Nobody finds an output larger than any cache
//! there afterwards, so that reading is for nothing: a quarter of all that a cheap loss moves. Lines that are written
//! whole and straight to memory are not read.

#![allow(unsafe_code)]

use super::float::Float;

/// From so many bytes on, an output does not stay in the last cache of most machines beside what is read for it.
const LARGE: usize = 32 << 20;

/// Bytes that memory is written in.
const LINE: usize = 64;

/// A way past the cache, which this CPU has.
pub(super) struct Uncached(());

impl Uncached {
    /// For an output of so many values, where it is large and the CPU can.
    pub(super) fn for_output<F>(len: usize) -> Option<Self> {
        if len * size_of::<F>() < LARGE {
            return None;
        }
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx") {
            return Some(Self(()));
        }
        None
    }

    /// Lets `work` fill a stand-in for part of the output, `room`, and copies that; nothing of it where there is no way
    /// past the cache.
    pub(super) fn fill<F: Float, T>(
        past: Option<&Self>,
        room: &mut Vec<F>,
        out: &mut [F],
        work: impl FnOnce(&mut [F]) -> T,
    ) -> T {
        let Some(past) = past else { return work(out) };
        room.resize(out.len().max(room.len()), F::ZERO);
        let room = &mut room[..out.len()];
        let found = work(room);
        past.copy(room, out);
        found
    }

    /// Copies values to part of the output; the ends, whose lines others write too, go through the cache. Other threads
    /// see them once `self` is dropped and this thread has handed on its work.
    #[allow(clippy::unused_self)] // It proves that the CPU can.
    pub(super) fn copy<F: Float>(&self, from: &[F], to: &mut [F]) {
        assert_eq!(from.len(), to.len());
        let per_line = LINE / size_of::<F>();
        let head = to.as_ptr().align_offset(LINE).min(to.len());
        let body = (to.len() - head) / per_line * per_line;
        let (first, rest) = to.split_at_mut(head);
        let (lines, last) = rest.split_at_mut(body);
        first.copy_from_slice(&from[..head]);
        last.copy_from_slice(&from[head + body..]);
        let from = &from[head..head + body];
        #[cfg(target_arch = "x86_64")]
        // SAFETY: both slices are `body` values long, which is whole lines; `lines` begins at one or is empty; any bits
        // are a number; and `self` is made on CPUs with AVX only.
        unsafe {
            copy_lines(from.as_ptr().cast(), lines.as_mut_ptr().cast(), size_of_val(from));
        }
        #[cfg(not(target_arch = "x86_64"))]
        lines.copy_from_slice(from);
    }
}

impl Drop for Uncached {
    fn drop(&mut self) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: every CPU of this architecture has the instruction.
        unsafe {
            std::arch::x86_64::_mm_sfence();
        }
    }
}

/// # Safety
/// `bytes` are readable at `from` and writable at `to`, a multiple of [`LINE`] as is the address `to`; the CPU has AVX.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
// Loads need no alignment, and the address that is written to has it.
#[allow(clippy::cast_ptr_alignment)]
unsafe fn copy_lines(from: *const u8, to: *mut u8, bytes: usize) {
    use std::arch::x86_64::{__m256i, _mm256_loadu_si256, _mm256_stream_si256};
    for at in (0..bytes).step_by(LINE) {
        // SAFETY: as the caller promises.
        unsafe {
            let (from, to) = (from.add(at).cast::<__m256i>(), to.add(at).cast::<__m256i>());
            let (low, high) = (_mm256_loadu_si256(from), _mm256_loadu_si256(from.add(1)));
            _mm256_stream_si256(to, low);
            _mm256_stream_si256(to.add(1), high);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_any_part_and_nothing_else() {
        let Some(uncached) = Uncached::for_output::<f32>(LARGE) else { return };
        let from: Vec<f32> = (0..1_024).map(|i| i as f32).collect();
        for start in 0..20 {
            for len in [0, 1, 15, 16, 17, 100, 900] {
                let mut to = vec![-1.0; 1_024];
                uncached.copy(&from[7..7 + len], &mut to[start..start + len]);
                for (i, &value) in to.iter().enumerate() {
                    let inside = (start..start + len).contains(&i);
                    assert_eq!(value, if inside { (i + 7 - start) as f32 } else { -1.0 });
                }
            }
        }
    }

    #[test]
    fn small_outputs_stay_in_the_cache() {
        assert!(Uncached::for_output::<f64>(LARGE / 8 - 1).is_none());
    }
}
