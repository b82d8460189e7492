//! The `key=value` lines of a block of text.

use std::cell::Cell;

use memchr::{memchr, memchr_iter};

use super::numbers;

/// What is wrong, and in which field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) field: String,
    pub(super) what: String,
}

/// The one way to make a [`Fault`].
pub(super) fn fault(field: &str, what: impl Into<String>) -> Fault {
    Fault { field: field.to_owned(), what: what.into() }
}

/// The beginning of bytes that nobody has checked, for people.
pub(super) fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned()
}

/// The lines of a block, without their breaks.
pub(super) fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr_iter(b'\n', block).chain([block.len()]).map(move |end| &block[std::mem::replace(&mut start, end + 1)..end])
}

/// The values of a block of lines by key, borrowed from the text.
#[derive(Debug)]
pub(super) struct Keys<'a, const N: usize> {
    known: &'static [&'static str; N],
    values: [Option<&'a [u8]>; N],
    /// Where the next search begins: keys are written, and asked for, mostly in the order of the list.
    expected: Cell<usize>,
}

impl<'a, const N: usize> Keys<'a, N> {
    /// Reads lines: each has a known key, and no key stands there twice.
    pub(super) fn of(lines: impl Iterator<Item = &'a [u8]>, known: &'static [&'static str; N]) -> Result<Self, Fault> {
        let mut keys = Self { known, values: [None; N], expected: Cell::new(0) };
        for line in lines {
            keys.put(line)?;
        }
        Ok(keys)
    }

    fn put(&mut self, line: &'a [u8]) -> Result<(), Fault> {
        let equals = memchr(b'=', line).unwrap_or(line.len());
        let name = &line[..equals];
        match self.place(name) {
            Some(place) if self.values[place].is_none() && equals < line.len() => {
                self.values[place] = Some(&line[equals + 1..]);
                Ok(())
            }
            _ => {
                let name = shown(name);
                Err(fault(&name, format!("the line {name:?} is unknown, or there twice")))
            }
        }
    }

    fn place(&self, name: &[u8]) -> Option<usize> {
        let expected = self.expected.get();
        let place = (expected..N).chain(0..expected).find(|&place| self.known[place].as_bytes() == name)?;
        self.expected.set(place + 1);
        Some(place)
    }

    /// The value of a key, as it stands there.
    pub(super) fn get(&self, name: &'static str) -> Option<&'a [u8]> {
        self.values[self.place(name.as_bytes()).expect("the keys asked for are on the list")]
    }

    fn line(&self, name: &'static str) -> Result<&'a [u8], Fault> {
        self.get(name).ok_or_else(|| fault(name, "it is missing"))
    }

    /// The integers of a line, however many.
    pub(super) fn integers(&self, name: &'static str) -> Result<Vec<i64>, Fault> {
        numbers::integers(self.line(name)?).ok_or_else(|| no_number(name))
    }

    /// The integers of a line that has `count` of them.
    pub(super) fn integers_of(&self, name: &'static str, count: usize) -> Result<Vec<i64>, Fault> {
        let line = self.line(name)?;
        check_count(name, line, count)?;
        numbers::integers(line).ok_or_else(|| no_number(name))
    }

    /// The integer of a line that has one.
    pub(super) fn integer(&self, name: &'static str) -> Result<i64, Fault> {
        Ok(self.integers_of(name, 1)?[0])
    }

    /// The line of a key, after a look at whether it holds `count` numbers.
    pub(super) fn numbers(&self, name: &'static str, count: usize) -> Result<&'a [u8], Fault> {
        let line = self.line(name)?;
        check_count(name, line, count)?;
        if numbers::are_numbers(line) { Ok(line) } else { Err(no_number(name)) }
    }
}

fn check_count(name: &str, line: &[u8], count: usize) -> Result<(), Fault> {
    let entries = numbers::count(line);
    if entries == count { Ok(()) } else { Err(fault(name, format!("it has {entries} entries instead of {count}"))) }
}

fn no_number(name: &str) -> Fault {
    fault(name, "it holds something that is no number")
}

/// Refuses a value outside of `low..high`.
pub(super) fn within(name: &str, values: &[i64], low: i64, high: i64) -> Result<(), Fault> {
    match values.iter().find(|&&value| value < low || value >= high) {
        None => Ok(()),
        Some(value) => Err(fault(name, format!("it holds {value}, outside of {low} to {}", high - 1))),
    }
}
