//! Base64 with the standard or the URL-safe alphabet, padded or not, over any lines.

use base64::alphabet;
use base64::engine::{DecodePaddingMode, Engine, GeneralPurpose, GeneralPurposeConfig};

use super::Form;
use super::error::InputError;

const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes of a text in base64.
pub(super) fn parse(text: &str) -> Result<Vec<u8>, InputError> {
    let mut symbols = Vec::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        match character {
            ' ' | '\t' | '\r' | '\n' => {}
            '-' => symbols.push(b'+'),
            '_' => symbols.push(b'/'),
            '+' | '/' | '=' => symbols.push(character as u8),
            _ if character.is_ascii_alphanumeric() => symbols.push(character as u8),
            _ => return Err(InputError::unexpected(Form::Base64, text, at)),
        }
    }
    ENGINE.decode(symbols).map_err(|_| InputError::Base64Torn)
}
