//! Where encoded bytes go.

/// A buffer that encoded packets are written into.
///
/// Writing never fails: know the size beforehand by `encoded_len`, or use [`SliceWriter`], which counts what did not
/// fit.
pub trait Writer {
    /// Appends `bytes`.
    fn write(&mut self, bytes: &[u8]);

    /// Appends one byte.
    fn write_u8(&mut self, value: u8) {
        self.write(&[value]);
    }

    /// Appends two bytes, big-endian.
    fn write_u16(&mut self, value: u16) {
        self.write(&value.to_be_bytes());
    }

    /// Appends four bytes, big-endian.
    fn write_u32(&mut self, value: u32) {
        self.write(&value.to_be_bytes());
    }
}

#[cfg(feature = "alloc")]
impl Writer for alloc::vec::Vec<u8> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    #[inline]
    fn write_u8(&mut self, value: u8) {
        self.push(value);
    }
}

#[cfg(feature = "bytes")]
impl Writer for bytes::BytesMut {
    fn write(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Writes into a slice of fixed size, for devices without an allocator.
#[derive(Debug)]
pub struct SliceWriter<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl<'a> SliceWriter<'a> {
    /// A writer that begins at the start of `buffer`.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        SliceWriter { buffer, len: 0 }
    }

    /// The bytes written, or `None` when they did not all fit.
    pub fn finish(self) -> Option<&'a [u8]> {
        self.buffer.get(..self.len)
    }
}

impl Writer for SliceWriter<'_> {
    fn write(&mut self, bytes: &[u8]) {
        let end = self.len.saturating_add(bytes.len());
        if let Some(room) = self.buffer.get_mut(self.len..end) {
            room.copy_from_slice(bytes);
        }
        self.len = end;
    }
}

/// Appends a string or binary field: its length in two bytes, then its bytes.
///
/// Fields longer than 65,535 bytes cannot be written. `check` of each packet finds them; one that nobody checked is cut
/// here rather than written with a length that lies.
pub(crate) fn write_binary(bytes: &[u8], out: &mut impl Writer) {
    let bytes = &bytes[..bytes.len().min(usize::from(u16::MAX))];
    out.write_u16(bytes.len() as u16);
    out.write(bytes);
}

/// The length of a string or binary field on the wire.
pub(crate) fn binary_len(bytes: &[u8]) -> usize {
    2 + bytes.len().min(usize::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn slice_that_is_too_small_is_found_out_at_the_end() {
        let mut buffer = [0; 4];
        let mut writer = SliceWriter::new(&mut buffer);
        writer.write_u8(1);
        writer.write_u16(0x0203);
        writer.write_u8(4);
        assert_eq!(writer.finish(), Some(&[1, 2, 3, 4][..]));

        let mut writer = SliceWriter::new(&mut buffer);
        writer.write_u32(0);
        writer.write_u8(1);
        writer.write_u8(2);
        assert_eq!(writer.finish(), None);
    }

    #[test]
    fn field_that_is_too_long_is_cut_to_what_its_length_says() {
        let field = vec![b'x'; 70_000];
        let mut bytes = Vec::new();
        write_binary(&field, &mut bytes);
        assert_eq!((&bytes[..2], bytes.len()), (&[0xff, 0xff][..], 2 + 65_535));
        assert_eq!(binary_len(&field), bytes.len());
    }

    #[cfg(feature = "bytes")]
    #[test]
    fn bytes_mut_takes_the_same_as_a_vec() {
        let packet = crate::packet::Publish { payload: b"x", ..crate::packet::Publish::new("a/b") };
        let (mut buffer, mut vec) = (bytes::BytesMut::new(), Vec::new());
        packet.encode(crate::Version::V5, &mut buffer);
        packet.encode(crate::Version::V5, &mut vec);
        assert_eq!(buffer, vec);
    }
}
