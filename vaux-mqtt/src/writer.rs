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
    fn write(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

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
/// Fields longer than 65,535 bytes cannot be written; the constructors of packets keep them shorter, and a longer one
/// is cut here rather than written with a length that lies.
pub(crate) fn write_binary(bytes: &[u8], out: &mut impl Writer) {
    let bytes = &bytes[..bytes.len().min(usize::from(u16::MAX))];
    out.write_u16(bytes.len() as u16);
    out.write(bytes);
}

/// The length of a string or binary field on the wire.
pub(crate) fn binary_len(bytes: &[u8]) -> usize {
    2 + bytes.len().min(usize::from(u16::MAX))
}
