//! Variable byte integers: seven bits a byte, low group first, at most four bytes.

use crate::writer::Writer;

/// The largest value.
pub(crate) const MAX: u32 = 268_435_455;

/// What stands at the beginning of some bytes, read as a variable byte integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Varint {
    /// A whole integer of `len` bytes; `overlong` when fewer bytes would have held it.
    Whole { value: u32, len: usize, overlong: bool },
    /// The bytes end before the integer does.
    Incomplete,
    /// The fourth byte says that more follow.
    TooLong,
}

/// Reads the integer at the beginning of `bytes`.
pub(crate) fn read(bytes: &[u8]) -> Varint {
    let mut value = 0;
    for (index, &byte) in bytes.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Varint::Whole { value, len: index + 1, overlong: index > 0 && byte == 0 };
        }
    }
    if bytes.len() < 4 { Varint::Incomplete } else { Varint::TooLong }
}

/// A length as an index. Where an index has 16 bits, what none can reach is the highest one: there is never so much.
pub(crate) fn to_usize(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// How many bytes `value` takes.
pub(crate) const fn len(value: u32) -> usize {
    match value {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x1f_ffff => 3,
        _ => 4,
    }
}

/// Writes `value`, which is at most [`MAX`], in its shortest form.
pub(crate) fn write(mut value: u32, out: &mut impl Writer) {
    let mut bytes = [0; 4];
    let count = len(value);
    for (index, byte) in bytes[..count].iter_mut().enumerate() {
        *byte = (value & 0x7f) as u8 | if index + 1 < count { 0x80 } else { 0 };
        value >>= 7;
    }
    out.write(&bytes[..count]);
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn written(value: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(value, &mut bytes);
        bytes
    }

    #[test]
    fn limits_take_the_bytes_that_the_specification_tells() {
        for (value, bytes) in [
            (0, &[0x00][..]),
            (127, &[0x7f]),
            (128, &[0x80, 0x01]),
            (16_383, &[0xff, 0x7f]),
            (16_384, &[0x80, 0x80, 0x01]),
            (2_097_151, &[0xff, 0xff, 0x7f]),
            (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
            (268_435_455, &[0xff, 0xff, 0xff, 0x7f]),
        ] {
            assert_eq!(written(value), bytes);
            assert_eq!(len(value), bytes.len());
            assert_eq!(read(bytes), Varint::Whole { value, len: bytes.len(), overlong: false });
        }
    }

    #[test]
    fn forms_that_are_longer_than_needed_are_told() {
        assert_eq!(read(&[0x80, 0x00]), Varint::Whole { value: 0, len: 2, overlong: true });
        assert_eq!(read(&[0xff, 0x80, 0x80, 0x00]), Varint::Whole { value: 127, len: 4, overlong: true });
        assert_eq!(read(&[0x80, 0x80, 0x80, 0x80, 0x01]), Varint::TooLong);
        assert_eq!(read(&[0xff, 0xff, 0xff]), Varint::Incomplete);
        assert_eq!(read(&[]), Varint::Incomplete);
    }

    proptest! {
        #[test]
        fn reading_undoes_writing(value in 0..=268_435_455u32, behind in any::<[u8; 3]>()) {
            let mut bytes = written(value);
            let len = bytes.len();
            bytes.extend(behind);
            prop_assert_eq!(super::len(value), len);
            prop_assert_eq!(read(&bytes), Varint::Whole { value, len, overlong: false });
        }
    }
}
