//! A hash of the cells of a tile in their order, equal for equal numbers of whatever type.
//!
//! Cells are rounded to float32, and two of them, half a tile apart, share one product of 32 by 32 bits (NH, Black,
//! Halevi, Krawczyk, Krovetz and Rogaway 1999): a column of float32 is hashed without ever being widened. The digits
//! that float32 has no room for are mixed in beside them; a column of float32, whatever type it is held in, has none.

// Inlined into the kernel that is compiled for wide vectors; see `loss::cpu`.
#![allow(clippy::inline_always)]

use super::block_rows::TILE;
use super::value::Real;
use crate::loss::cpu::{Kernel, dispatch_widest};

/// What mixes the cells of a tile, by their place in it.
static SALTS: [u32; TILE] = salts();

const fn salts() -> [u32; TILE] {
    let mut salts = [0; TILE];
    let mut at = 0;
    let mut state = 0x853c_49e6_748f_ea9b_u64;
    while at < TILE {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        salts[at] = (state >> 32) as u32;
        at += 1;
    }
    salts
}

/// The hash of at most [`TILE`] cells; `missing` says whether any may be NaN.
pub(crate) fn tile_hash<R: Real>(cells: &[R], missing: bool) -> u64 {
    if missing { dispatch_widest(Hash::<R, true>(cells)) } else { dispatch_widest(Hash::<R, false>(cells)) }
}

struct Hash<'a, R, const MISSING: bool>(&'a [R]);

impl<R: Real, const MISSING: bool> Hash<'_, R, MISSING> {
    /// Bits that are equal for equal numbers: one NaN, and no −0.0.
    #[inline(always)]
    fn word(cell: R) -> u32 {
        // Adding 0.0 turns −0.0 into 0.0 and leaves all else.
        let single = cell.single() + 0.0;
        if MISSING && single.is_nan() { f32::NAN.to_bits() } else { single.to_bits() }
    }

    #[inline(always)]
    fn rest(cell: R) -> u64 {
        if MISSING && cell.is_missing() { 0 } else { cell.rest() }
    }
}

impl<R: Real, const MISSING: bool> Kernel for Hash<'_, R, MISSING> {
    type Output = u64;

    #[inline(always)]
    fn run(self) -> u64 {
        let (left, right) = self.0.split_at(self.0.len() / 2);
        let (salts, others) = SALTS.split_at(TILE / 2);
        let mut hash = 0u64;
        for (((&a, &b), &salt), &other) in left.iter().zip(right).zip(salts).zip(others) {
            let (a, b) = (Self::word(a).wrapping_add(salt), Self::word(b).wrapping_add(other));
            hash = hash.wrapping_add(u64::from(a) * u64::from(b));
        }
        for &cell in &right[left.len()..] {
            hash = hash.wrapping_add(u64::from(Self::word(cell)) * u64::from(SALTS[0]));
        }
        for (&cell, &salt) in self.0.iter().zip(&SALTS) {
            hash = hash.wrapping_add(Self::rest(cell) * u64::from(salt));
        }
        hash
    }
}
