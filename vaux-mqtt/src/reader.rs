//! Reading fields in order, with every error pointing at its byte.

use crate::error::{Error, Rule};
use crate::packet::PacketId;
use crate::string;
#[cfg(feature = "server")]
use crate::topic::TopicFilter;
use crate::varint::{self, Varint};
use crate::version::Version;

/// A position in a packet. Offsets in errors count from the packet's first byte.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    version: Version,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`, which is a whole packet, from `at`.
    pub(crate) fn new(bytes: &'a [u8], at: usize, version: Version) -> Self {
        Reader { bytes, at, version }
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// For CONNECT, whose version is known only after its first fields.
    #[cfg(feature = "server")]
    pub(crate) fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// An error at the next byte.
    pub(crate) fn error(&self, rule: Rule) -> Error {
        self.error_at(rule, self.at)
    }

    pub(crate) fn error_at(&self, rule: Rule, at: usize) -> Error {
        Error::new(rule, self.version, at)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Error> {
        let value = *self.bytes.get(self.at).ok_or_else(|| self.error(Rule::FieldPastEnd))?;
        self.at += 1;
        Ok(value)
    }

    /// Passes the next byte if it is 0, and says whether it was.
    #[inline]
    pub(crate) fn skip_zero(&mut self) -> bool {
        let is_zero = self.bytes.get(self.at) == Some(&0);
        self.at += usize::from(is_zero);
        is_zero
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Error> {
        let field = self.take(2)?;
        Ok(u16::from_be_bytes([field[0], field[1]]))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Error> {
        let field = self.take(4)?;
        Ok(u32::from_be_bytes([field[0], field[1], field[2], field[3]]))
    }

    pub(crate) fn varint(&mut self) -> Result<u32, Error> {
        match varint::read(&self.bytes[self.at..]) {
            Varint::Whole { overlong: true, .. } => Err(self.error(Rule::VarintOverlong)),
            Varint::Whole { value, len, .. } => {
                self.at += len;
                Ok(value)
            }
            Varint::Incomplete => Err(self.error(Rule::FieldPastEnd)),
            Varint::TooLong => Err(self.error(Rule::VarintTooLong)),
        }
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        // Where addresses have 32 bits or fewer, the sum of position and length might not be one.
        let rest = self.bytes.get(self.at..).and_then(|rest| rest.get(..len));
        let field = rest.ok_or_else(|| self.error(Rule::FieldPastEnd))?;
        self.at += len;
        Ok(field)
    }

    pub(crate) fn binary(&mut self) -> Result<&'a [u8], Error> {
        let start = self.at;
        let len = usize::from(self.u16()?);
        self.take(len).map_err(|_| self.error_at(Rule::FieldPastEnd, start))
    }

    pub(crate) fn string(&mut self) -> Result<&'a str, Error> {
        let bytes = self.binary()?;
        string::check(bytes).map_err(|(rule, at)| self.error_at(rule, self.at - bytes.len() + at))
    }

    /// A string, and whether it holds a wildcard. `last_topic` was read before and holds none, or is empty.
    #[inline]
    pub(crate) fn topic(&mut self, last_topic: &'a str) -> Result<(&'a str, bool), Error> {
        let bytes = self.binary()?;
        if bytes == last_topic.as_bytes() {
            return Ok((last_topic, false));
        }
        self.check_topic(bytes)
    }

    /// What was just read as a topic.
    #[inline(never)]
    fn check_topic(&self, bytes: &'a [u8]) -> Result<(&'a str, bool), Error> {
        string::check_topic(bytes).map_err(|(rule, at)| self.error_at(rule, self.at - bytes.len() + at))
    }

    /// A topic filter. An error in it points at the character, in an empty one at the field.
    #[cfg(feature = "server")]
    pub(crate) fn filter(&mut self) -> Result<TopicFilter<'a>, Error> {
        let start = self.at;
        let text = self.string()?;
        let text_at = if text.is_empty() { start } else { start + 2 };
        TopicFilter::new(text).map_err(|(rule, at)| self.error_at(rule, text_at + at))
    }

    pub(crate) fn packet_id(&mut self) -> Result<PacketId, Error> {
        let start = self.at;
        PacketId::new(self.u16()?).ok_or_else(|| self.error_at(Rule::PacketIdZero, start))
    }

    /// Ends the bytes `len` after the position, which lies within them.
    pub(crate) fn limit(&mut self, len: usize) {
        self.bytes = &self.bytes[..self.at + len];
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        self.at = self.bytes.len();
        rest
    }

    /// Fails when something is left.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        if self.is_empty() { Ok(()) } else { Err(self.error(Rule::TrailingBytes)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_length_is_too_long_to_be_refused() {
        let mut reader = Reader::new(&[1, 2, 3], 1, Version::V5);
        for len in [3, usize::MAX - 1, usize::MAX] {
            assert_eq!(reader.take(len).unwrap_err().rule(), Rule::FieldPastEnd);
        }
        assert_eq!(reader.take(2), Ok(&[2, 3][..]));
    }
}
