//! The wire format of protocol buffers: numbered fields, one after the other.

use core::ops::Range;

/// Where a payload is broken, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The byte, counted from the first of the payload.
    pub at: usize,
    /// What is wrong.
    pub text: &'static str,
}

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field<'a> {
    Number(u64),
    Fixed32([u8; 4]),
    Fixed64([u8; 8]),
    /// Text, bytes or a message inside, and where its first byte stands.
    Bytes(&'a [u8], usize),
}

/// A message that is read field by field.
pub(super) struct Message<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the message begins in the payload.
    start: usize,
}

impl<'a> Message<'a> {
    pub(super) fn new(bytes: &'a [u8], start: usize) -> Message<'a> {
        Message { bytes, at: 0, start }
    }

    /// The number of the next field, what it holds and where in the payload it stands.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Field<'a>, Range<usize>)>, Broken> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let first = self.at;
        let key = self.number()?;
        let field = match key & 7 {
            0 => Field::Number(self.number()?),
            1 => Field::Fixed64(self.fixed()?),
            2 => {
                let length_at = self.at;
                let len = usize::try_from(self.number()?).unwrap_or(usize::MAX);
                if len > self.bytes.len() - self.at {
                    return Err(self.broken(length_at, "a length runs past the end"));
                }
                let at = self.at;
                self.at += len;
                Field::Bytes(&self.bytes[at..self.at], self.start + at)
            }
            5 => Field::Fixed32(self.fixed()?),
            _ => return Err(self.broken(first, "a field of a kind that is not in use")),
        };
        Ok(Some((key >> 3, field, self.start + first..self.start + self.at)))
    }

    /// A number of seven bits a byte, the lowest first.
    fn number(&mut self) -> Result<u64, Broken> {
        let first = self.at;
        let mut number = 0;
        for shift in (0..70).step_by(7) {
            let Some(&byte) = self.bytes.get(self.at) else {
                return Err(self.broken(first, "a number is cut short"));
            };
            self.at += 1;
            number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.broken(first, "a number has more than ten bytes"))
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        match self.bytes[self.at..].first_chunk() {
            Some(bytes) => {
                self.at += N;
                Ok(*bytes)
            }
            None => Err(self.broken(self.at, "a number is cut short")),
        }
    }

    fn broken(&self, at: usize, text: &'static str) -> Broken {
        Broken { at: self.start + at, text }
    }
}

/// Text, which stands at `at` of the payload.
pub(super) fn text(bytes: &[u8], at: usize) -> Result<&str, Broken> {
    core::str::from_utf8(bytes)
        .map_err(|error| Broken { at: at + error.valid_up_to(), text: "a text is not UTF-8" })
}
