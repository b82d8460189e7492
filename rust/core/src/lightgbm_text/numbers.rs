//! Numbers in a line, between spaces.
//!
//! Most of a model is lines of decimal numbers of which only the form matters. A table does that without a branch for a
//! byte: each byte has a row of next states, packed into one word, and a state is the number of bits by which that word
//! is shifted.

/// Beyond what any count or index of LightGBM can be.
const LARGEST: i64 = 10_000_000_000;

/// Bits of a state, and the states, as shifts: what a number has shown of itself so far.
const BITS: u64 = 6;
const NONE: u64 = 0;
const SPACE: u64 = BITS;
const SIGN: u64 = 2 * BITS;
const DIGITS: u64 = 3 * BITS;
/// A point behind digits, or digits behind a point.
const FRACTION: u64 = 4 * BITS;
/// A point with no digit so far.
const POINT: u64 = 5 * BITS;
const EXPONENT: u64 = 6 * BITS;
const EXPONENT_SIGN: u64 = 7 * BITS;
const EXPONENT_DIGITS: u64 = 8 * BITS;

/// Pieces of a line that are walked side by side.
const PIECES: usize = 4;
/// By byte: the next state of each state.
static NEXT: [u64; 256] = table();

const fn table() -> [u64; 256] {
    let mut rows = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut from = 0;
        while from <= EXPONENT_DIGITS {
            rows[byte] |= next(from, byte as u8) << from;
            from += BITS;
        }
        byte += 1;
    }
    rows
}

const fn next(state: u64, byte: u8) -> u64 {
    match (state, byte) {
        (SPACE | DIGITS | FRACTION | EXPONENT_DIGITS, b' ') => SPACE,
        (SPACE, b'-' | b'+') => SIGN,
        (SPACE | SIGN | DIGITS, b'0'..=b'9') => DIGITS,
        (SPACE | SIGN, b'.') => POINT,
        (DIGITS, b'.') | (POINT | FRACTION, b'0'..=b'9') => FRACTION,
        (DIGITS | FRACTION, b'e') => EXPONENT,
        (EXPONENT, b'-' | b'+') => EXPONENT_SIGN,
        (EXPONENT | EXPONENT_SIGN | EXPONENT_DIGITS, b'0'..=b'9') => EXPONENT_DIGITS,
        _ => NONE,
    }
}

/// How many entries a line has.
pub(super) fn count(line: &[u8]) -> usize {
    let first = usize::from(line.first().is_some_and(|&byte| byte != b' '));
    // Pieces whose counts fit a byte let the compiler take many bytes at once.
    let behind = line.get(1..).unwrap_or_default().chunks(255).zip(line.chunks(255));
    first
        + behind
            .map(|(here, before)| {
                let starts = here.iter().zip(before).map(|(&here, &before)| u8::from(here != b' ' && before == b' '));
                usize::from(starts.fold(0, u8::wrapping_add))
            })
            .sum::<usize>()
}

/// Whether every entry is a decimal number, `nan`, `inf` or one of these with a sign.
pub(super) fn are_numbers(line: &[u8]) -> bool {
    are_decimals(line) || entries(line).all(|entry| is_word(entry) || are_decimals(entry))
}

fn is_word(entry: &[u8]) -> bool {
    let bare = entry.strip_prefix(b"-").or_else(|| entry.strip_prefix(b"+")).unwrap_or(entry);
    matches!(bare, b"nan" | b"inf")
}

/// A step waits for the one before it, so four pieces of a line that end at a space are walked side by side.
fn are_decimals(line: &[u8]) -> bool {
    let mut rest = line;
    let pieces: [&[u8]; PIECES] = std::array::from_fn(|number| {
        let share = rest.len() / (PIECES - number);
        let end = memchr::memchr(b' ', &rest[share..]).map_or(rest.len(), |space| share + space);
        let (piece, behind) = rest.split_at(end);
        rest = behind;
        piece
    });
    let together = pieces.iter().map(|piece| piece.len()).min().unwrap_or(0);
    let fronts = pieces.map(|piece| &piece[..together]);
    let mut states = [SPACE; PIECES];
    for at in 0..together {
        for (state, front) in states.iter_mut().zip(fronts) {
            *state = step(*state, front[at]);
        }
    }
    states.into_iter().zip(pieces).all(|(state, piece)| {
        let state = piece[together..].iter().fold(state, |state, &byte| step(state, byte));
        matches!(state & 63, SPACE | DIGITS | FRACTION | EXPONENT_DIGITS)
    })
}

fn step(state: u64, byte: u8) -> u64 {
    NEXT[usize::from(byte)].wrapping_shr(state as u32)
}

/// The integers of a line; `None` where an entry is none, or larger than LightGBM knows.
pub(super) fn integers(line: &[u8]) -> Option<Vec<i64>> {
    let mut found = Vec::with_capacity(line.len() / 2 + 1);
    let mut bytes = line.iter().copied().peekable();
    while let Some(first) = bytes.next() {
        if first == b' ' {
            continue;
        }
        let negative = first == b'-';
        let first = if negative { bytes.next()? } else { first };
        let mut value = digit(first)?;
        while let Some(byte) = bytes.next_if(|&byte| byte != b' ') {
            value = value * 10 + digit(byte)?;
            if value >= LARGEST {
                return None;
            }
        }
        found.push(if negative { -value } else { value });
    }
    Some(found)
}

fn digit(byte: u8) -> Option<i64> {
    let value = byte.wrapping_sub(b'0');
    (value <= 9).then_some(i64::from(value))
}

/// The parts of a line between its spaces.
pub(super) fn entries(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&byte| byte == b' ').filter(|entry| !entry.is_empty())
}

/// The value of an entry of which [`are_numbers`] holds.
pub(super) fn decimal(entry: &[u8]) -> Option<f64> {
    std::str::from_utf8(entry).ok()?.parse().ok()
}
