//! What can be wrong with bytes that were written down.

use std::fmt;

use super::{Form, MAX_INPUT_BYTES};

/// Why an input could not be read in its form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InputError {
    /// A character that has no place there.
    UnexpectedCharacter { form: Form, found: char, place: Place },
    /// Hex digits that do not come in pairs.
    OddDigits { place: Place },
    /// A number of an array that is not a byte.
    NotAByte { number: String, place: Place },
    /// A line of a dump whose offset does not follow from the line before.
    OffsetJumps { place: Place },
    /// A line of a dump that does not begin with an offset.
    NoOffset { place: Place },
    /// An array without braces or brackets, or with one that is not closed.
    NoArray,
    /// Base64 that ends in the middle or does not pad as it should.
    Base64Torn,
    /// The bytes of a text form are not text.
    NotText { form: Form },
    /// Text in none of the forms.
    NoForm { found: char, place: Place },
    /// Text that could be base64 and nothing else, if it were whole.
    NoWholeForm,
    /// More than [`MAX_INPUT_BYTES`].
    TooLarge,
}

/// A place in a text, both numbers counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The line.
    pub(crate) line: usize,
    /// The character in the line.
    pub(crate) column: usize,
}

impl Place {
    /// Where byte `at` of `text` stands.
    pub(crate) fn of(text: &str, at: usize) -> Place {
        let before = text.get(..at).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place {
            line: 1 + before.bytes().filter(|&byte| byte == b'\n').count(),
            column: 1 + before[line_start..].chars().count(),
        }
    }
}

impl InputError {
    /// The error about the character at byte `at` of `text`.
    pub(crate) fn unexpected(form: Form, text: &str, at: usize) -> InputError {
        let found = text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or('\0');
        InputError::UnexpectedCharacter { form, found, place: Place::of(text, at) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InputError::UnexpectedCharacter { form, found, place } => {
                write!(f, "{place}: {found:?} has no place in {}", form.name())
            }
            InputError::OddDigits { place } => write!(f, "{place}: hex digits must come in pairs"),
            InputError::NotAByte { number, place } => write!(f, "{place}: {number} is not a byte"),
            InputError::OffsetJumps { place } => {
                write!(f, "{place}: the offset does not follow from the line before")
            }
            InputError::NoOffset { place } => write!(f, "{place}: a line of a dump begins with its offset"),
            InputError::NoArray => f.write_str("there is no complete array between braces or brackets"),
            InputError::Base64Torn => f.write_str("the base64 is cut short or wrongly padded"),
            InputError::NotText { form } => write!(f, "the input is not text, as {} would be", form.name()),
            InputError::NoForm { found, place } => write!(
                f,
                "this is neither hex, a dump, a C array nor base64: {found:?} at {place} fits none of them"
            ),
            InputError::NoWholeForm => f.write_str(
                "this is neither hex, a dump nor a C array, and as base64 it is cut short or wrongly padded",
            ),
            InputError::TooLarge => {
                write!(f, "the input is larger than {} MiB", MAX_INPUT_BYTES / 1024 / 1024)
            }
        }
    }
}

impl std::error::Error for InputError {}
