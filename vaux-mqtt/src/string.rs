//! What a UTF-8 string field may hold.

use crate::error::Rule;

/// Reads `bytes` as a string of the protocol: well-formed UTF-8 (which excludes surrogates) without U+0000.
#[inline]
pub(crate) fn check(bytes: &[u8]) -> Result<&str, (Rule, usize)> {
    let text = utf8(bytes)?;
    if holds_any(bytes, [0]) {
        return Err(nul(bytes));
    }
    Ok(text)
}

/// Reads `bytes` as a string like [`check`], and says whether it holds a wildcard. This is done for every message,
/// so it looks at the bytes once for NUL and both wildcards.
#[inline]
pub(crate) fn check_topic(bytes: &[u8]) -> Result<(&str, bool), (Rule, usize)> {
    let text = utf8(bytes)?;
    check_topic_text(text).map(|has_wildcard| (text, has_wildcard))
}

/// What [`check_topic`] says of a text.
#[inline]
pub(crate) fn check_topic_text(text: &str) -> Result<bool, (Rule, usize)> {
    let bytes = text.as_bytes();
    if !holds_any(bytes, [0, b'+', b'#']) {
        return Ok(false);
    }
    if bytes.contains(&0) { Err(nul(bytes)) } else { Ok(true) }
}

/// Whether `text` can be written as a field.
pub(crate) fn check_field(text: &str) -> Result<(), Rule> {
    check_field_len(text.as_bytes())?;
    check(text.as_bytes()).map(|_| ()).map_err(|(rule, _)| rule)
}

/// Whether a field has room for `bytes`.
pub(crate) fn check_field_len(bytes: &[u8]) -> Result<(), Rule> {
    if bytes.len() > usize::from(u16::MAX) { Err(Rule::FieldTooLong) } else { Ok(()) }
}

#[inline]
fn utf8(bytes: &[u8]) -> Result<&str, (Rule, usize)> {
    core::str::from_utf8(bytes).map_err(|error| (Rule::StringNotUtf8, error.valid_up_to()))
}

#[cold]
fn nul(bytes: &[u8]) -> (Rule, usize) {
    (Rule::StringHoldsNul, bytes.iter().position(|&byte| byte == 0).unwrap_or(0))
}

/// Whether one of `wanted` is in `bytes`, eight bytes at a time.
#[inline]
fn holds_any<const N: usize>(bytes: &[u8], wanted: [u8; N]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut found = 0;
    for &word in words {
        let word = u64::from_ne_bytes(word);
        found |=
            wanted.iter().fold(0, |found, &byte| found | zero_bytes(word ^ (LOW_BITS * u64::from(byte))));
    }
    found != 0 || rest.iter().any(|byte| wanted.contains(byte))
}

const LOW_BITS: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Not 0 exactly when a byte of `word` is 0: subtracting 1 then borrows into a high bit that was not set.
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(LOW_BITS) & !word & HIGH_BITS
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// The same, byte by byte.
    fn check_naively(bytes: &[u8]) -> Result<(&str, bool), (Rule, usize)> {
        let text = core::str::from_utf8(bytes).map_err(|error| (Rule::StringNotUtf8, error.valid_up_to()))?;
        match bytes.iter().position(|&byte| byte == 0) {
            Some(at) => Err((Rule::StringHoldsNul, at)),
            None => Ok((text, text.contains(['+', '#']))),
        }
    }

    proptest! {
        /// Bytes around the ones looked for, so that a borrow or carry between the bytes of a word would be seen.
        #[test]
        fn eight_bytes_at_a_time_find_what_one_at_a_time_finds(
            bytes in proptest::collection::vec(
                prop_oneof![4 => Just(b'a'), 1 => 0x20..0x2eu8, 1 => Just(0), 1 => Just(1), 1 => any::<u8>()],
                0..40,
            ),
        ) {
            prop_assert_eq!(check_topic(&bytes), check_naively(&bytes));
            prop_assert_eq!(check(&bytes), check_naively(&bytes).map(|(text, _)| text));
        }
    }

    #[test]
    fn every_place_of_a_word_is_looked_at() {
        for (byte, rule) in [(0, Some(Rule::StringHoldsNul)), (b'+', None), (b'#', None)] {
            for at in 0..20 {
                let mut bytes = Vec::from([b'a'; 20]);
                bytes[at] = byte;
                let found = check_topic(&bytes);
                match rule {
                    Some(rule) => assert_eq!(found, Err((rule, at))),
                    None => assert!(matches!(found, Ok((_, true))), "{byte} at {at}"),
                }
            }
        }
    }
}
