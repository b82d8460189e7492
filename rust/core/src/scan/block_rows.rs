//! Whose row each row of a block is, worked out once for all columns.

use std::ops::Range;

use crate::error::{Error, Result};

/// Rows of a tile: its cells stay in the first-level cache while several short loops look at them.
pub(crate) const TILE: usize = 512;

const NONE: u32 = u32::MAX;

/// What else is known of the rows that are profiled, beside their cells.
#[derive(Debug, Clone, Copy, Default)]
pub struct RowFacts<'a> {
    /// Whose row it is, as codes from 0.
    pub assets: Option<&'a [i32]>,
    /// The part each row belongs to, as codes from 0; moments are kept by part.
    pub parts: Option<&'a [u32]>,
    /// The row that stands at each place when rows are walked through in another order.
    pub order: Option<&'a [u32]>,
}

/// Rows whose predecessor (the row of the same asset before them) lies the same distance away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub start: usize,
    pub stop: usize,
    pub lag: usize,
}

/// Rows of one part, one behind the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartRun {
    pub start: usize,
    pub stop: usize,
    pub part: usize,
}

/// The rows of one block; positions count from its first.
#[derive(Debug)]
pub(crate) struct BlockRows {
    pub len: usize,
    segments: Vec<Segment>,
    segments_of: Vec<usize>,
    runs: Vec<PartRun>,
    runs_of: Vec<usize>,
    codes: Vec<u32>,
    ranks: Vec<u32>,
    /// First and last row of each asset, and how many it has here; the rows mean nothing where it has none.
    pub first: Vec<u32>,
    pub last: Vec<u32>,
    pub count: Vec<u32>,
    /// The largest distance to a row that is looked at again, at least 1.
    pub furthest: usize,
}

impl BlockRows {
    /// `rows` are places in the walk; there is one asset where none are known.
    pub(crate) fn new(rows: Range<usize>, facts: RowFacts<'_>, assets: usize, parts: usize) -> Result<Self> {
        let len = rows.len();
        let mut block = Self {
            len,
            segments: Vec::new(),
            segments_of: vec![0],
            runs: Vec::new(),
            runs_of: vec![0],
            codes: Vec::new(),
            ranks: Vec::new(),
            first: vec![0; assets],
            last: vec![len.saturating_sub(1) as u32; assets],
            count: vec![len as u32; assets],
            furthest: 1,
        };
        let row_at = |place: usize| facts.order.map_or(place, |order| order[place] as usize);
        block.find_parts(&rows, facts, parts, row_at)?;
        if let Some(codes) = facts.assets {
            block.find_assets(&rows, codes, assets, row_at)?;
        }
        Ok(block)
    }

    fn find_parts(
        &mut self,
        rows: &Range<usize>,
        facts: RowFacts<'_>,
        parts: usize,
        row_at: impl Fn(usize) -> usize,
    ) -> Result<()> {
        for tile in (0..self.len).step_by(TILE) {
            let stop = (tile + TILE).min(self.len);
            let Some(codes) = facts.parts else {
                self.runs.push(PartRun { start: tile, stop, part: 0 });
                self.runs_of.push(self.runs.len());
                continue;
            };
            for at in tile..stop {
                let row = row_at(rows.start + at);
                let part = codes[row] as usize;
                if part >= parts {
                    return Err(Error::Parameter {
                        name: format!("part of row {row}"),
                        value: part.to_string(),
                        hint: format!("number parts from 0, below {parts}"),
                    });
                }
                match self.runs.last_mut() {
                    Some(run) if at > tile && run.part == part => run.stop = at + 1,
                    _ => self.runs.push(PartRun { start: at, stop: at + 1, part }),
                }
            }
            self.runs_of.push(self.runs.len());
        }
        Ok(())
    }

    fn find_assets(
        &mut self,
        rows: &Range<usize>,
        codes: &[i32],
        assets: usize,
        row_at: impl Fn(usize) -> usize,
    ) -> Result<()> {
        self.first.fill(NONE);
        self.last.fill(NONE);
        self.count.fill(0);
        self.codes.reserve_exact(self.len);
        self.ranks.reserve_exact(self.len);
        for at in 0..self.len {
            let row = row_at(rows.start + at);
            let code = usize::try_from(codes[row]).ok().filter(|&code| code < assets);
            let Some(code) = code else {
                return Err(Error::AssetCode { row, asset: codes[row], limit: assets });
            };
            self.codes.push(code as u32);
            self.ranks.push(self.count[code]);
            if self.count[code] == 0 {
                self.first[code] = at as u32;
            } else {
                let lag = at - self.last[code] as usize;
                self.furthest = self.furthest.max(lag);
                match self.segments.last_mut() {
                    Some(segment) if segment.stop == at && segment.lag == lag && at % TILE != 0 => segment.stop += 1,
                    _ => self.segments.push(Segment { start: at, stop: at + 1, lag }),
                }
            }
            self.last[code] = at as u32;
            self.count[code] += 1;
            if (at + 1) % TILE == 0 || at + 1 == self.len {
                self.segments_of.push(self.segments.len());
            }
        }
        Ok(())
    }

    /// Whether assets are known.
    pub(crate) fn by_asset(&self) -> bool {
        !self.codes.is_empty()
    }

    /// The segments within tile `tile`; empty where assets are not known.
    pub(crate) fn segments(&self, tile: usize) -> &[Segment] {
        match self.segments_of.get(tile + 1) {
            Some(&stop) => &self.segments[self.segments_of[tile]..stop],
            None => &[],
        }
    }

    /// The runs of parts within tile `tile`.
    pub(crate) fn parts(&self, tile: usize) -> &[PartRun] {
        &self.runs[self.runs_of[tile]..self.runs_of[tile + 1]]
    }

    /// Whose row it is.
    pub(crate) fn code(&self, row: usize) -> usize {
        self.codes.get(row).map_or(0, |&code| code as usize)
    }

    /// How many rows of the same asset stand before it in the block.
    pub(crate) fn rank(&self, row: usize) -> u32 {
        self.ranks.get(row).copied().unwrap_or(row as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_full_dates_are_one_segment() {
        let codes: Vec<i32> = (0..12).map(|row| row % 4).collect();
        let facts = RowFacts { assets: Some(&codes), ..RowFacts::default() };
        let block = BlockRows::new(0..12, facts, 4, 1).unwrap();
        assert_eq!(block.segments(0), [Segment { start: 4, stop: 12, lag: 4 }]);
        assert_eq!((block.furthest, block.rank(9), block.code(9)), (4, 2, 1));
        assert_eq!(block.last, [8, 9, 10, 11]);
    }

    #[test]
    fn segments_and_parts_end_with_their_tile() {
        let rows = 2 * TILE + 3;
        let codes = vec![0; rows];
        let parts: Vec<u32> = (0..rows as u32).map(|row| u32::from(row >= 700)).collect();
        let facts = RowFacts { assets: Some(&codes), parts: Some(&parts), order: None };
        let block = BlockRows::new(0..rows, facts, 1, 2).unwrap();
        assert_eq!(block.segments(0), [Segment { start: 1, stop: TILE, lag: 1 }]);
        assert_eq!(block.segments(2), [Segment { start: 2 * TILE, stop: rows, lag: 1 }]);
        assert_eq!(
            block.parts(1),
            [PartRun { start: TILE, stop: 700, part: 0 }, PartRun { start: 700, stop: 2 * TILE, part: 1 }]
        );
        assert_eq!(block.parts(2), [PartRun { start: 2 * TILE, stop: rows, part: 1 }]);
    }

    #[test]
    fn another_order_brings_assets_together() {
        let codes = [0, 1, 0, 1];
        let order = [0, 2, 1, 3];
        let facts = RowFacts { assets: Some(&codes), parts: None, order: Some(&order) };
        let block = BlockRows::new(0..4, facts, 2, 1).unwrap();
        assert_eq!(block.segments(0), [Segment { start: 1, stop: 2, lag: 1 }, Segment { start: 3, stop: 4, lag: 1 }]);
    }

    #[test]
    fn codes_out_of_range_are_refused_by_row() {
        let facts = RowFacts { assets: Some(&[0, 2]), ..RowFacts::default() };
        let error = BlockRows::new(0..2, facts, 2, 1).unwrap_err();
        assert_eq!(error, Error::AssetCode { row: 1, asset: 2, limit: 2 });
    }
}
