//! Finding packets in a stream of bytes: the fixed header.

use crate::error::{Error, Rule};
use crate::varint::{self, Varint};
use crate::version::Version;

/// One whole packet as it stood on the wire, not yet understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    bytes: &'a [u8],
    header_len: u8,
    overlong: bool,
}

impl<'a> Frame<'a> {
    /// The packet at the beginning of `bytes`, `None` while it is not whole.
    ///
    /// The remaining length is not limited here: look at [`Frame::promised_len`] before waiting for a large one.
    ///
    /// # Errors
    ///
    /// A remaining length of more than four bytes.
    pub fn split(bytes: &'a [u8]) -> Result<Option<Frame<'a>>, Error> {
        let Some((total, header_len, overlong)) = header(bytes)? else { return Ok(None) };
        let Some(bytes) = bytes.get(..total) else { return Ok(None) };
        Ok(Some(Frame { bytes, header_len, overlong }))
    }

    /// How long the packet at the beginning of `bytes` says it is, fixed header included; `None` while the fixed
    /// header itself is not whole. Where `usize` has 16 bits, `usize::MAX` stands for all that is longer.
    ///
    /// # Errors
    ///
    /// A remaining length of more than four bytes.
    pub fn promised_len(bytes: &[u8]) -> Result<Option<usize>, Error> {
        Ok(header(bytes)?.map(|(total, ..)| total))
    }

    /// The whole packet.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The first byte: packet type and flags.
    #[inline]
    pub fn first_byte(&self) -> u8 {
        self.bytes[0]
    }

    /// The length of the fixed header, 2 to 5 bytes.
    #[inline]
    pub fn header_len(&self) -> usize {
        usize::from(self.header_len)
    }

    /// What follows the fixed header.
    pub fn body(&self) -> &'a [u8] {
        &self.bytes[self.header_len()..]
    }

    /// Whether the remaining length took more bytes than it needed, which version 5.0 forbids.
    pub fn is_overlong(&self) -> bool {
        self.overlong
    }
}

fn header(bytes: &[u8]) -> Result<Option<(usize, u8, bool)>, Error> {
    let Some(rest) = bytes.get(1..) else { return Ok(None) };
    match varint::read(rest) {
        Varint::Whole { value, len, overlong } => {
            Ok(Some((varint::to_usize(value).saturating_add(1 + len), 1 + len as u8, overlong)))
        }
        Varint::Incomplete => Ok(None),
        // The version is not known to this layer. The rule is the same in all of them.
        Varint::TooLong => Err(Error::new(Rule::RemainingLengthTooLong, Version::V5, 4)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packet_is_told_from_what_follows_it() {
        let bytes = [0xc0, 0x00, 0xd0, 0x00];
        let frame = Frame::split(&bytes).unwrap().unwrap();
        assert_eq!((frame.bytes(), frame.body(), frame.first_byte()), (&bytes[..2], &[][..], 0xc0));
    }

    #[test]
    fn length_is_promised_before_the_packet_is_there() {
        // 256 MiB: whoever waits for it can look first.
        let header = [0x30, 0xff, 0xff, 0xff, 0x7f];
        assert_eq!(Frame::promised_len(&header).unwrap(), Some(5 + 268_435_455));
        assert_eq!(Frame::split(&header).unwrap(), None);
        for len in 0..header.len() {
            assert_eq!(Frame::promised_len(&header[..len]).unwrap(), None);
        }
    }

    #[test]
    fn fifth_byte_of_the_remaining_length_is_refused_before_it_comes() {
        let error = Frame::split(&[0x30, 0x80, 0x80, 0x80, 0x80]).unwrap_err();
        assert_eq!((error.rule(), error.at()), (Rule::RemainingLengthTooLong, 4));
    }

    #[test]
    fn longer_header_than_needed_is_told() {
        let bytes = [0xc0, 0x80, 0x00];
        let frame = Frame::split(&bytes).unwrap().unwrap();
        assert!(frame.is_overlong());
        assert_eq!((frame.header_len(), frame.body()), (3, &[][..]));
    }
}
