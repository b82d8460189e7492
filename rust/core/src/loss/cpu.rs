//! The same code compiled twice: for the baseline of the target, and for CPUs with wider vectors.

use super::float::Float;
use super::lane::Lane;

/// Work that [`dispatch`] compiles for each instruction set. `run` and all it calls must be `#[inline(always)]`,
/// or they stay at the baseline.
pub(crate) trait Kernel {
    /// What the work returns.
    type Output;

    /// Does the work.
    fn run(self) -> Self::Output;
}

/// Runs `kernel` with the widest vectors this CPU has, as the compiler finds them; no fused multiply-add.
#[inline]
#[allow(unsafe_code)]
pub(crate) fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the CPU has just been found to have AVX2.
            return unsafe { with_avx2(kernel) };
        }
    }
    kernel.run()
}

/// As [`dispatch`], and for the wider vectors and masks of AVX-512 too: for comparisons and work on bits.
#[inline]
#[allow(unsafe_code)]
pub(crate) fn dispatch_widest<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if has_avx512() && std::arch::is_x86_feature_detected!("avx512bw") {
            // SAFETY: the CPU has just been found to have all of it.
            return unsafe { compiled_for_avx512(kernel) };
        }
    }
    dispatch(kernel)
}

/// # Safety
/// The CPU must have AVX-512 with its parts DQ, VL and BW.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
#[allow(unsafe_code)]
unsafe fn compiled_for_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

/// # Safety
/// The CPU must have AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[allow(unsafe_code)]
unsafe fn with_avx2<K: Kernel>(kernel: K) -> K::Output {
    std::hint::black_box(&mut WideFrame(0));
    kernel.run()
}

/// A local variable that makes its function align its frame to a vector register.
///
/// Without one the compiler keeps registers that it runs out of wherever the caller's stack happens to end; where they
/// straddle two cache lines, a formula takes up to twice as long.
#[cfg(target_arch = "x86_64")]
#[repr(align(32))]
struct WideFrame(#[allow(dead_code)] u8);

/// Asks for the line of memory that holds value `at`, which is read soon; any number will do.
#[inline(always)]
#[allow(unsafe_code)]
pub(crate) fn fetch<T>(values: &[T], at: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every CPU of this architecture has the instruction, and it may be given any address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(values.as_ptr().wrapping_add(at).cast());
    }
}

/// As [`fetch`], for values that are read a little later: they wait in the second-level cache.
#[inline(always)]
#[allow(unsafe_code)]
pub(crate) fn fetch_early<T>(values: &[T], at: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: as above.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(values.as_ptr().wrapping_add(at).cast());
    }
}

/// Work over slices of `F`, written over a lane of any width; see [`Kernel`] for inlining.
pub(crate) trait LaneKernel<F: Float> {
    /// What the work returns.
    type Output;

    /// Does the work.
    fn run<V: Lane<Scalar = F>>(self) -> Self::Output;
}

/// Runs `kernel` in the widest lanes this CPU has. A result may differ from that of another CPU in the last place,
/// since wide lanes round a fused multiply-add once; on one machine it never differs.
#[inline]
#[allow(unsafe_code)]
pub(crate) fn widest<F: Float, K: LaneKernel<F>>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if has_avx512() {
            // SAFETY: the CPU has just been found to have it.
            return unsafe { with_avx512(kernel) };
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            // SAFETY: the CPU has just been found to have AVX2 and FMA.
            return unsafe { with_avx2_and_fma(kernel) };
        }
    }
    kernel.run::<F>()
}

/// # Safety
/// The CPU must have AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
#[allow(unsafe_code)]
unsafe fn with_avx2_and_fma<F: Float, K: LaneKernel<F>>(kernel: K) -> K::Output {
    std::hint::black_box(&mut WideFrame(0));
    kernel.run::<F::Wide>()
}

/// Whether the CPU has the parts of AVX-512 that lanes are made of; the compiler may use the third for what is left.
#[cfg(target_arch = "x86_64")]
#[inline]
fn has_avx512() -> bool {
    use std::arch::is_x86_feature_detected as has;
    has!("avx512f") && has!("avx512dq") && has!("avx512vl")
}

/// # Safety
/// The CPU must have AVX-512 with its parts DQ and VL.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq,avx512vl")]
#[allow(unsafe_code)]
unsafe fn with_avx512<F: Float, K: LaneKernel<F>>(kernel: K) -> K::Output {
    kernel.run::<F::Widest>()
}
