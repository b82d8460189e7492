//! A 128-bit content hash per column that depends on what a column says, not on how it is stored.
//!
//! The hash covers the name, the logical kind, the length and the values. It is the same for any integer width,
//! any time unit, any chunking of the input and any thread count:
//!
//! - A column is cut into blocks of [`BLOCK`] values, counted from its first row. Each block is hashed on its own
//!   (xxh3, 128 bit, over canonical little-endian bytes), then the block hashes are hashed in order. The borders
//!   depend on row numbers alone, so neither threads nor record batches can move them.
//! - Floats: −0.0 is 0.0 and every NaN is one NaN (a null, to those who call it that).
//! - Integers are widened to 64 bits. A `u64` beyond `i64::MAX` keeps its bits and sets a mark that is part of the
//!   hash, so that it never equals the negative number with the same bits.
//! - Times are instants: the day and the nanosecond within the day. A column of days, and the same days written in
//!   microseconds, therefore agree without a search for the coarsest unit that fits, which would need a second
//!   pass and could not be streamed.
//! - Text arrives as codes into a dictionary; what is hashed is the text, so the order of the dictionary is moot.

use xxhash_rust::xxh3::{Xxh3Default as Xxh3, xxh3_128};

use crate::columns::{Column, Strided};
use crate::error::{Error, Result};
use crate::parallel::{Cancel, map_blocks};

/// Values in a block. A part of the format: a change of it changes every fingerprint.
pub const BLOCK: usize = 65_536;

/// Rows of a tile: small enough that a tile of a row-major matrix is still in the cache for its next column.
const TILE: usize = 512;

/// Columns that one task hashes side by side.
const GROUP: usize = 32;

/// The version of the format, hashed into every column.
const VERSION: u8 = 1;

/// What a missing time, and an instant that never comes (an open label), are stored as in every unit.
const MISSING_TIME: i64 = i64::MIN;
const NEVER: i64 = i64::MAX;

/// The unit of a time column: how many of it make a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TimeUnit {
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
    Microsecond,
    Nanosecond,
}

impl TimeUnit {
    /// The unit by its usual short name.
    pub fn parse(name: &str) -> Result<Self> {
        Ok(match name {
            "d" | "D" => Self::Day,
            "h" => Self::Hour,
            "m" => Self::Minute,
            "s" => Self::Second,
            "ms" => Self::Millisecond,
            "us" => Self::Microsecond,
            "ns" => Self::Nanosecond,
            _ => {
                return Err(Error::Parameter {
                    name: "time unit".into(),
                    value: name.into(),
                    hint: "pass one of d, h, m, s, ms, us, ns".into(),
                });
            }
        })
    }

    fn per_day(self) -> i64 {
        match self {
            Self::Day => 1,
            Self::Hour => 24,
            Self::Minute => 1_440,
            Self::Second => 86_400,
            Self::Millisecond => 86_400_000,
            Self::Microsecond => 86_400_000_000,
            Self::Nanosecond => 86_400_000_000_000,
        }
    }
}

/// How the values of a column are to be read.
#[derive(Debug, Clone, Copy)]
pub enum Reading<'a> {
    /// As the numbers or booleans they are.
    Plain,
    /// As instants, counted in a unit since 1970-01-01 UTC; 64-bit integers.
    Time(TimeUnit),
    /// As codes into a dictionary of texts (each hashed by [`text_hash`]); a negative code is a missing text.
    Text(&'a [u128]),
}

/// A named column and how to read it.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// The name, part of the hash.
    pub name: &'a str,
    /// The values.
    pub column: Column<'a>,
    /// What the values mean.
    pub reading: Reading<'a>,
}

/// The hash of one text of a dictionary.
#[must_use]
pub fn text_hash(text: &str) -> u128 {
    // 0 is kept for the missing text.
    xxh3_128(text.as_bytes()).max(1)
}

/// The logical kinds, as they are written into the hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bool = 1,
    Int = 2,
    F32 = 3,
    F64 = 4,
    Time = 5,
    Text = 6,
}

fn kind_of(column: &Column<'_>, reading: Reading<'_>) -> Result<Kind> {
    let refuse =
        |what: &str, hint: &str| Err(Error::Parameter { name: "column".into(), value: what.into(), hint: hint.into() });
    match (reading, column) {
        (Reading::Plain, Column::Bool(_)) => Ok(Kind::Bool),
        (Reading::Plain, Column::F32(_)) => Ok(Kind::F32),
        (Reading::Plain, Column::F64(_)) => Ok(Kind::F64),
        (Reading::Plain, _) => Ok(Kind::Int),
        (Reading::Time(_), Column::I64(_)) => Ok(Kind::Time),
        (Reading::Time(_), _) => refuse("time", "pass times as 64-bit integers"),
        (Reading::Text(_), Column::I32(_)) => Ok(Kind::Text),
        (Reading::Text(_), _) => refuse("text", "pass texts as 32-bit codes into their dictionary"),
    }
}

/// The state of one block of one column.
#[derive(Clone)]
struct Block {
    state: Xxh3,
    /// Whether a `u64` beyond `i64::MAX` was seen.
    wide: bool,
}

impl Block {
    fn new() -> Self {
        Self { state: Xxh3::new(), wide: false }
    }

    fn digest(&self) -> (u128, bool) {
        (self.state.digest128(), self.wide)
    }

    /// Hashes values, each written as `WIDTH` canonical bytes.
    fn feed<T: Copy, const WIDTH: usize>(&mut self, values: Strided<'_, T>, bytes: impl Fn(T) -> [u8; WIDTH]) {
        let mut buffer = [0u8; TILE * 16];
        for start in (0..values.len()).step_by(TILE) {
            let tile = values.slice(start, (start + TILE).min(values.len()));
            let filled = &mut buffer[..tile.len() * WIDTH];
            if let Some(slice) = tile.as_slice() {
                for (out, &value) in filled.chunks_exact_mut(WIDTH).zip(slice) {
                    out.copy_from_slice(&bytes(value));
                }
            } else {
                for (out, value) in filled.chunks_exact_mut(WIDTH).zip(tile.iter()) {
                    out.copy_from_slice(&bytes(value));
                }
            }
            self.state.update(filled);
        }
    }

    /// Hashes the rows `start..stop` of a column.
    fn update(&mut self, column: &Column<'_>, reading: Reading<'_>, start: usize, stop: usize) -> Result<()> {
        macro_rules! widen {
            ($view:expr) => {
                self.feed($view.slice(start, stop), |value| i64::from(value).to_le_bytes())
            };
        }
        match (column, reading) {
            (Column::I64(view), Reading::Time(unit)) => {
                let per_day = unit.per_day();
                let tick = TimeUnit::Nanosecond.per_day() / per_day;
                self.feed(view.slice(start, stop), |value| instant(value, per_day, tick));
            }
            (Column::I32(view), Reading::Text(dictionary)) => {
                let view = view.slice(start, stop);
                if let Some(row) = view.iter().position(|code| code >= 0 && code as usize >= dictionary.len()) {
                    return Err(Error::CodeOutOfRange {
                        row: start + row,
                        entry: view.get(row),
                        size: dictionary.len(),
                    });
                }
                let text = |code: i32| if code < 0 { 0 } else { dictionary[code as usize] };
                self.feed(view, |code| text(code).to_le_bytes());
            }
            (Column::Bool(view), _) => self.feed(view.slice(start, stop), |value| [u8::from(value)]),
            (Column::I8(view), _) => widen!(view),
            (Column::I16(view), _) => widen!(view),
            (Column::I32(view), _) => widen!(view),
            (Column::I64(view), _) => widen!(view),
            (Column::U8(view), _) => widen!(view),
            (Column::U16(view), _) => widen!(view),
            (Column::U32(view), _) => widen!(view),
            (Column::U64(view), _) => {
                let view = view.slice(start, stop);
                self.wide |= view.iter().any(|value| i64::try_from(value).is_err());
                self.feed(view, u64::to_le_bytes);
            }
            // Adding 0.0 turns −0.0 into 0.0 and leaves all else.
            (Column::F32(view), _) => self.feed(view.slice(start, stop), |value: f32| {
                let bits = if value.is_nan() { f32::NAN.to_bits() } else { (value + 0.0).to_bits() };
                bits.to_le_bytes()
            }),
            (Column::F64(view), _) => self.feed(view.slice(start, stop), |value: f64| {
                let bits = if value.is_nan() { f64::NAN.to_bits() } else { (value + 0.0).to_bits() };
                bits.to_le_bytes()
            }),
        }
        Ok(())
    }
}

/// An instant as its day and its nanosecond of the day: the same bytes in every unit.
#[inline]
fn instant(value: i64, per_day: i64, tick: i64) -> [u8; 16] {
    let (day, rest) = match value {
        MISSING_TIME | NEVER => (value, 0),
        _ => (value.div_euclid(per_day), value.rem_euclid(per_day) * tick),
    };
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&day.to_le_bytes());
    bytes[8..].copy_from_slice(&rest.to_le_bytes());
    bytes
}

/// The last step: block hashes in order, and what the column is.
fn close(name: &str, kind: Kind, len: usize, blocks: &Xxh3, wide: bool) -> u128 {
    let mut state = Xxh3::new();
    state.update(&[VERSION, kind as u8, u8::from(wide)]);
    state.update(&(len as u64).to_le_bytes());
    state.update(&(name.len() as u64).to_le_bytes());
    state.update(name.as_bytes());
    state.update(&blocks.digest128().to_le_bytes());
    state.digest128()
}

/// The hash of one column whose values arrive in pieces, such as record batches.
///
/// Equal to what [`column_fingerprints`] says of the whole column, however the pieces were cut.
pub struct ColumnHasher {
    name: String,
    kind: Option<Kind>,
    blocks: Xxh3,
    current: Block,
    in_block: usize,
    len: usize,
    wide: bool,
}

impl ColumnHasher {
    /// A column of this name, without values yet.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: None,
            blocks: Xxh3::new(),
            current: Block::new(),
            in_block: 0,
            len: 0,
            wide: false,
        }
    }

    /// Appends values. Pieces of one column are of one kind.
    pub fn push(&mut self, column: &Column<'_>, reading: Reading<'_>) -> Result<()> {
        let kind = kind_of(column, reading)?;
        if *self.kind.get_or_insert(kind) != kind {
            return Err(Error::Parameter {
                name: "column".into(),
                value: self.name.clone(),
                hint: "every piece of a column must be of one kind".into(),
            });
        }
        let mut start = 0;
        while start < column.len() {
            let stop = (start + BLOCK - self.in_block).min(column.len());
            self.current.update(column, reading, start, stop)?;
            self.in_block += stop - start;
            self.len += stop - start;
            start = stop;
            if self.in_block == BLOCK {
                self.close_block();
            }
        }
        Ok(())
    }

    fn close_block(&mut self) {
        let (digest, wide) = self.current.digest();
        self.blocks.update(&digest.to_le_bytes());
        self.wide |= wide;
        self.current = Block::new();
        self.in_block = 0;
    }

    /// The hash; None when no piece was ever pushed, since the kind is not known then.
    #[must_use]
    pub fn finish(mut self) -> Option<u128> {
        if self.in_block > 0 {
            self.close_block();
        }
        self.kind.map(|kind| close(&self.name, kind, self.len, &self.blocks, self.wide))
    }
}

/// The content hash of each column, all of one length.
///
/// One pass over the data; blocks of rows and groups of columns are spread over the threads.
pub fn column_fingerprints(fields: &[Field<'_>], cancel: &Cancel) -> Result<Vec<u128>> {
    let Some(first) = fields.first() else { return Ok(Vec::new()) };
    let rows = first.column.len();
    let mut kinds = Vec::with_capacity(fields.len());
    for field in fields {
        if field.column.len() != rows {
            return Err(Error::LengthMismatch { name: field.name.into(), got: field.column.len(), expected: rows });
        }
        kinds.push(kind_of(&field.column, field.reading)?);
    }
    let blocks = rows.div_ceil(BLOCK);
    let groups: Vec<&[Field<'_>]> = fields.chunks(GROUP).collect();
    // Task t hashes block t / groups of group t % groups: in this order results of one block lie side by side.
    let weight = rows.min(BLOCK) * fields.len().min(GROUP);
    let digests = map_blocks(blocks * groups.len(), 1, weight, cancel, |task| {
        let start = task.start / groups.len() * BLOCK;
        hash_group(groups[task.start % groups.len()], start, (start + BLOCK).min(rows))
    })?;
    Ok(fields
        .iter()
        .enumerate()
        .map(|(j, field)| {
            let (mut state, mut wide) = (Xxh3::new(), false);
            for block in 0..blocks {
                let (digest, marked) = digests[block * groups.len() + j / GROUP][j % GROUP];
                state.update(&digest.to_le_bytes());
                wide |= marked;
            }
            close(field.name, kinds[j], rows, &state, wide)
        })
        .collect())
}

/// Hashes the rows `start..stop` of some columns, tile by tile, so that a row-major matrix is read once.
fn hash_group(fields: &[Field<'_>], start: usize, stop: usize) -> Result<Vec<(u128, bool)>> {
    let mut states = vec![Block::new(); fields.len()];
    for tile in (start..stop).step_by(TILE) {
        for (state, field) in states.iter_mut().zip(fields) {
            state.update(&field.column, field.reading, tile, (tile + TILE).min(stop))?;
        }
    }
    Ok(states.iter().map(Block::digest).collect())
}

/// One hash for a set of columns, whatever their order.
#[must_use]
pub fn combine(digests: &[u128]) -> u128 {
    let mut sorted = digests.to_vec();
    sorted.sort_unstable();
    let mut state = Xxh3::new();
    for digest in sorted {
        state.update(&digest.to_le_bytes());
    }
    state.digest128()
}

#[cfg(test)]
#[path = "fingerprint_tests.rs"]
mod tests;
