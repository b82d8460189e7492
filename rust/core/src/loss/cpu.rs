//! The same code compiled twice: for the baseline of the target, and for CPUs with wider vectors.

/// Work that [`dispatch`] compiles for each instruction set. `run` and all it calls must be `#[inline(always)]`,
/// or they stay at the baseline.
pub(crate) trait Kernel {
    /// What the work returns.
    type Output;

    /// Does the work.
    fn run(self) -> Self::Output;
}

/// Runs `kernel` with the widest vectors this CPU has. No fused multiply-add is ever used, so the result has the
/// same bits either way.
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

/// # Safety
/// The CPU must have AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[allow(unsafe_code)]
unsafe fn with_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}
