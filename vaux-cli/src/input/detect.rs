//! Which form an input stands in, and its bytes.

use super::error::InputError;
use super::{Form, MAX_INPUT_BYTES, base64, c_array, hex, xxd};

/// The bytes of an input in `form`, or in the form that it looks like, which is told.
///
/// # Errors
///
/// An input that does not read in that form, or that looks like none.
pub(crate) fn read(input: Vec<u8>, form: Option<Form>) -> Result<(Form, Vec<u8>), InputError> {
    if input.len() > MAX_INPUT_BYTES {
        return Err(InputError::TooLarge);
    }
    if form == Some(Form::Bin) {
        return Ok((Form::Bin, input));
    }
    let input = match (String::from_utf8(input), form) {
        (Ok(text), Some(form)) => return parse(without_mark(&text), form).map(|bytes| (form, bytes)),
        (Ok(text), None) if is_readable(&text) => return read_text(without_mark(&text)),
        (Ok(text), None) => text.into_bytes(),
        (Err(error), None) => error.into_bytes(),
        (Err(_), Some(form)) => return Err(InputError::NotText { form }),
    };
    Ok((Form::Bin, input))
}

/// Whether a text holds no control characters other than those that lay out a page. MQTT packets always hold some.
fn is_readable(text: &str) -> bool {
    !text.contains(|c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\x0c'))
}

/// The text without the byte order mark that some editors put in front.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

fn parse(text: &str, form: Form) -> Result<Vec<u8>, InputError> {
    match form {
        Form::Hex => hex::parse(text),
        Form::Xxd => xxd::parse(text),
        Form::C => c_array::parse(text),
        Form::Base64 => base64::parse(text),
        Form::Bin => Ok(text.as_bytes().to_vec()),
    }
}

fn read_text(text: &str) -> Result<(Form, Vec<u8>), InputError> {
    let form = if xxd::looks_like_dump(text) {
        Form::Xxd
    } else if c_array::looks_like_array(text) {
        Form::C
    } else if hex::is_wholly_hex(text) || text.trim().is_empty() {
        Form::Hex
    } else {
        // Base64 has no mark of its own: it is what all else is not, if its characters allow it.
        return match base64::parse(text) {
            Ok(bytes) => Ok((Form::Base64, bytes)),
            Err(InputError::UnexpectedCharacter { found, place, .. }) => {
                Err(InputError::NoForm { found, place })
            }
            Err(InputError::Base64Torn) => Err(InputError::NoWholeForm),
            Err(error) => Err(error),
        };
    };
    parse(text, form).map(|bytes| (form, bytes))
}
