//! A range check of LightGBM's text format, before its parser sees a byte.
//!
//! LightGBM's parser trusts the text: an index outside of its array is read all the same, and ends the process. The
//! check follows the format as LightGBM 4 writes it and refuses everything else, so that a crafted file has little left
//! to work with. It is no proof that such a file is harmless.
//!
//! The text is a header of `key=value` lines, the trees one after the other (their sizes in bytes stand in the header),
//! `end of trees`, and notes of which only the parameters matter here.

mod header;
mod keys;
mod numbers;
mod tree;

#[cfg(test)]
mod tests;

use memchr::{memchr, memchr2};

use self::header::Header;
use self::keys::{Fault, Keys, fault};
use crate::error::{Error, Result};
use crate::parallel::{Cancel, map_blocks};

/// Trees of a block: the unit of work of a thread.
const BLOCK: usize = 16;
const TITLE: &[u8] = b"tree\n";
const END: &[u8] = b"\nend of trees\n";

/// Refuses a text whose sizes and indices do not hold together.
///
/// Checked are the header's counts, that the parameters have an end, the size of every tree in bytes, the length of every
/// array, and that features, children, categories and the features of linear leaves are in range; children come after
/// their parents, so that no path is endless. Takes time in proportion to the text and, at most, a few times its memory.
///
/// # Errors
/// [`Error::LightgbmHeader`], [`Error::LightgbmTree`] for the first tree that is wrong, or [`Error::Interrupted`].
pub fn check(text: &[u8], cancel: &Cancel) -> Result<()> {
    let (header, trees, notes) = frame(text).map_err(in_header)?;
    let mut rest = trees;
    let mut blocks = Vec::with_capacity(header.tree_sizes.len());
    for &size in &header.tree_sizes {
        let (block, behind) = rest.split_at(size);
        blocks.push(block);
        rest = behind;
    }
    // A tree is a row as wide as its mean number of bytes.
    let weight = trees.len() / blocks.len();
    map_blocks(blocks.len(), BLOCK, weight, cancel, |numbers| {
        for number in numbers {
            one_tree(number, blocks[number], header.n_features).map_err(|fault| Error::LightgbmTree {
                tree: number,
                field: fault.field,
                what: fault.what,
            })?;
        }
        Ok(())
    })?;
    parameters(notes).map_err(in_header)
}

fn in_header(fault: Fault) -> Error {
    Error::LightgbmHeader { field: fault.field, what: fault.what }
}

/// The header, the trees and what follows them.
fn frame(text: &[u8]) -> std::result::Result<(Header, &[u8], &[u8]), Fault> {
    let start = text.starts_with(TITLE).then(|| first_tree(text)).flatten();
    let Some(start) = start else {
        return Err(fault("Tree", "the payload is not a LightGBM text model with trees"));
    };
    let header = Header::of(&text[TITLE.len()..start])?;
    let (total, trees) = (header.total(), &text[start..]);
    // The last tree ends in a line break, with which END begins.
    let end = total.filter(|&end| end < trees.len() && trees[end - 1..].starts_with(END));
    let Some(end) = end else {
        return Err(fault("tree_sizes", "it does not match the trees"));
    };
    let (trees, notes) = trees.split_at(end);
    if memchr2(0, b'\r', &text[..start + end]).is_some() || memchr(0, notes).is_some() {
        return Err(fault("Tree", "there are characters that LightGBM does not write"));
    }
    Ok((header, trees, notes))
}

/// Where the first line begins that names a tree.
fn first_tree(text: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, b"\nTree=").map(|at| at + 1)
}

fn one_tree(number: usize, block: &[u8], n_features: usize) -> std::result::Result<(), Fault> {
    let title = format!("Tree={number}\n");
    let wrong = || fault("tree_sizes", "it does not match the trees");
    let body = block.strip_prefix(title.as_bytes()).ok_or_else(wrong)?;
    if !block.ends_with(b"\n\n") {
        return Err(wrong());
    }
    let end = body.iter().rposition(|&byte| byte != b'\n').map_or(0, |last| last + 1);
    let keys = Keys::of(keys::lines(&body[..end]), &tree::KEYS)?;
    tree::check(&keys, n_features)
}

/// Checks the lines that say with which settings the model was trained: LightGBM splits them at their colon unseen.
fn parameters(notes: &[u8]) -> std::result::Result<(), Fault> {
    let mut lines = notes.split(|&byte| byte == b'\n');
    if !lines.any(|line| line == b"parameters:") {
        return Ok(());
    }
    for line in lines {
        if line == b"end of parameters" {
            return Ok(());
        }
        if !line.is_empty() && !is_parameter(line) {
            let shown = keys::shown(line);
            return Err(fault("parameters", format!("the line {shown:?} is not a parameter")));
        }
    }
    Err(fault("parameters", "they have no end"))
}

/// Whether a line reads `[name: value]`.
fn is_parameter(line: &[u8]) -> bool {
    let Some(inner) = line.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")) else {
        return false;
    };
    let Some(colon) = memchr(b':', inner) else {
        return false;
    };
    let (name, value) = inner.split_at(colon);
    !name.is_empty()
        && name.iter().all(|&byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && value.starts_with(b": ")
        && memchr2(0, b'\r', value).is_none()
}
