//! Reading fields in order and keeping each: the tolerant counterpart of the codec's reader.

use alloc::borrow::Cow;
use alloc::format;
use alloc::vec::Vec;
use core::ops::Range;

use super::field::{Field, Value};
use crate::string;
use crate::varint::{self, Varint};
use crate::version::Version;

/// A position in a packet and the fields before it.
///
/// Reading a field returns `None` when the bytes do not hold it. Then the bytes that are left are kept as that field,
/// cut short, and nothing more can be read: callers give up by `?`.
pub(super) struct Walker<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the part that is being read ends: the packet or its properties.
    end: usize,
    version: Version,
    tells_version: bool,
    is_truncated: bool,
    depth: u8,
    fields: Vec<Field<'a>>,
    /// Whether bytes that cannot be read may hold a secret.
    pub(super) hides_unread: bool,
}

impl<'a> Walker<'a> {
    /// Reads `bytes`, a packet of which the end is missing if `is_truncated`.
    pub(super) fn new(bytes: &'a [u8], version: Version, is_truncated: bool) -> Self {
        Walker {
            bytes,
            at: 0,
            end: bytes.len(),
            version,
            tells_version: false,
            is_truncated,
            depth: 0,
            fields: Vec::new(),
            hides_unread: false,
        }
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    /// Takes the version that the packet tells.
    pub(super) fn set_version(&mut self, version: Version) {
        self.version = version;
        self.tells_version = true;
    }

    pub(super) fn tells_version(&self) -> bool {
        self.tells_version
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at >= self.end
    }

    /// The first byte of the packet, 0 when there is none.
    pub(super) fn first_byte(&self) -> u8 {
        self.bytes.first().copied().unwrap_or(0)
    }

    /// The byte at the position, without passing it.
    pub(super) fn peek(&self) -> Option<u8> {
        if self.is_empty() { None } else { self.bytes.get(self.at).copied() }
    }

    /// All fields. What is left becomes the last one.
    pub(super) fn finish(mut self) -> Vec<Field<'a>> {
        self.end = self.bytes.len();
        self.skip_rest();
        self.fields
    }

    /// Reads what `read` reads from the next `len` bytes as properties; what it leaves is kept as unread.
    pub(super) fn nest(&mut self, len: usize, read: impl FnOnce(&mut Self) -> Option<()>) {
        let outer_end = self.end;
        self.end = self.at.saturating_add(len).min(outer_end);
        self.depth = 1;
        // Giving up on the properties does not mean to give up on what follows: their length says where that is.
        let _ = read(self);
        self.skip_rest();
        self.depth = 0;
        self.end = outer_end;
    }

    pub(super) fn u8(&mut self, name: &'static str) -> Option<u8> {
        let range = self.take(name, self.at, 1)?;
        let value = self.bytes[range.start];
        self.push(name, range, Value::Number(u32::from(value)));
        Some(value)
    }

    /// A number of `size` bytes, 1 to 4, that began at `start` (where the property identifier stands).
    pub(super) fn number(&mut self, name: &'static str, start: usize, size: usize) -> Option<u32> {
        let range = self.take(name, start, size)?;
        let value = self.bytes[range].iter().fold(0, |value, &byte| value << 8 | u32::from(byte));
        self.push(name, start..self.at, Value::Number(value));
        Some(value)
    }

    pub(super) fn u16(&mut self, name: &'static str) -> Option<u32> {
        self.number(name, self.at, 2)
    }

    pub(super) fn varint(&mut self, name: &'static str, start: usize) -> Option<u32> {
        match varint::read(&self.bytes[self.at..self.end]) {
            Varint::Whole { value, len, .. } => {
                self.at += len;
                self.push(name, start..self.at, Value::Number(value));
                Some(value)
            }
            Varint::Incomplete => self.cut(name, start),
            Varint::TooLong => {
                self.at += 4;
                self.push(name, start..self.at, Value::None);
                self.set_text(format!("{name} takes more than four bytes"));
                None
            }
        }
    }

    /// A string. When it is none of the protocol, its bytes are kept.
    pub(super) fn string(&mut self, name: &'static str, start: usize) -> Option<&'a [u8]> {
        let bytes = self.length_and_bytes(name, start)?;
        let value = string::check(bytes).map_or(Value::Bytes(bytes), Value::Text);
        self.push(name, start..self.at, value);
        Some(bytes)
    }

    pub(super) fn binary(&mut self, name: &'static str, start: usize) -> Option<&'a [u8]> {
        let bytes = self.length_and_bytes(name, start)?;
        self.push(name, start..self.at, Value::Bytes(bytes));
        Some(bytes)
    }

    /// Two strings.
    pub(super) fn pair(&mut self, name: &'static str, start: usize) -> Option<()> {
        let first = self.length_and_bytes(name, start)?;
        let second = self.length_and_bytes(name, start)?;
        let value = match (string::check(first), string::check(second)) {
            (Ok(first), Ok(second)) => Value::Pair(first, second),
            _ => Value::None,
        };
        self.push(name, start..self.at, value);
        Some(())
    }

    /// All that is left, if anything.
    pub(super) fn rest(&mut self, name: &'static str) {
        let range = self.at..self.end;
        if !range.is_empty() {
            self.at = self.end;
            self.push(name, range.clone(), Value::Bytes(&self.bytes[range]));
        }
    }

    /// Where the next field begins.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Passes the identifier of a property.
    pub(super) fn pass(&mut self, len: usize) {
        self.at += len;
    }

    /// Says more about the last field than its name and value.
    pub(super) fn set_text(&mut self, text: impl Into<Cow<'static, str>>) {
        if let Some(field) = self.fields.last_mut() {
            field.text = Some(text.into());
        }
    }

    fn length_and_bytes(&mut self, name: &'static str, start: usize) -> Option<&'a [u8]> {
        let length = self.take(name, start, 2)?;
        let len = usize::from(u16::from_be_bytes([self.bytes[length.start], self.bytes[length.start + 1]]));
        let range = self.take(name, start, len)?;
        Some(&self.bytes[range])
    }

    fn take(&mut self, name: &'static str, start: usize, len: usize) -> Option<Range<usize>> {
        if len > self.end - self.at {
            return self.cut(name, start);
        }
        let range = self.at..self.at + len;
        self.at = range.end;
        Some(range)
    }

    /// Keeps a field that runs past the end.
    fn cut<T>(&mut self, name: &'static str, start: usize) -> Option<T> {
        if start < self.end {
            let is_truncated = self.is_truncated && self.end == self.bytes.len();
            self.at = self.end;
            self.push(name, start..self.end, Value::None);
            self.set_text(format!(
                "{name}, {}",
                if is_truncated { "cut short" } else { "runs past the end" }
            ));
            // A length that is wrong may have taken in the fields behind.
            self.mask_last(!is_truncated && self.hides_unread);
        }
        None
    }

    fn skip_rest(&mut self) {
        let range = self.at..self.end;
        if range.is_empty() {
            return;
        }
        self.at = self.end;
        self.push(Field::UNREAD, range.clone(), Value::Bytes(&self.bytes[range.clone()]));
        self.set_text(super::count(range.len(), "unread byte"));
        self.mask_last(self.hides_unread);
    }

    fn push(&mut self, name: &'static str, range: Range<usize>, value: Value<'a>) {
        self.fields.push(Field { depth: self.depth, ..Field::new(name, range, value) });
        self.mask_last(matches!(name, "password" | "authentication data"));
    }

    fn mask_last(&mut self, is_secret: bool) {
        if let Some(field) = self.fields.last_mut() {
            field.is_secret |= is_secret;
        }
    }
}
