//! What a UTF-8 string field may hold.

use crate::error::Rule;

/// Reads `bytes` as a string of the protocol: well-formed UTF-8 (which excludes surrogates) without U+0000.
pub(crate) fn check(bytes: &[u8]) -> Result<&str, (Rule, usize)> {
    let text = core::str::from_utf8(bytes).map_err(|error| (Rule::StringNotUtf8, error.valid_up_to()))?;
    match bytes.iter().position(|&byte| byte == 0) {
        Some(at) => Err((Rule::StringHoldsNul, at)),
        None => Ok(text),
    }
}
