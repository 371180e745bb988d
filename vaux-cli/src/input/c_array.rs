//! Arrays in source code: `{ 0x10, 23, 'M' }` in C, as `xxd -i` prints it, and what its relatives write.
//!
//! The numbers of all outermost braces are taken, one after the other; where there are no braces, those of brackets,
//! as Rust and Python write arrays. Hexadecimal, decimal, octal, binary and character literals are read, with
//! suffixes such as `u8`, casts such as `(byte)`, and negative numbers as signed bytes.

use super::error::{InputError, Place};
use super::{Form, MAX_INPUT_BYTES};

/// Whether a text could hold an array.
pub(super) fn looks_like_array(text: &str) -> bool {
    text.contains(['{', '[']) && text.contains(['}', ']'])
}

/// The bytes of the arrays in a text.
pub(super) fn parse(text: &str) -> Result<Vec<u8>, InputError> {
    let mut source = Source { text, at: 0 };
    let (open, close) = if source.clone().seek("{") { ("{", "}") } else { ("[", "]") };
    if open == "[" && source.clone().seek("=") {
        // Rust writes the type in brackets too, in front of the equals sign.
        source.seek("=");
    }
    let mut bytes = Vec::new();
    let mut arrays = 0;
    while source.seek(open) {
        let mut depth = 1;
        arrays += 1;
        while depth > 0 {
            source.skip_blank();
            let rest = source.rest();
            if rest.is_empty() {
                return Err(InputError::NoArray);
            } else if rest.starts_with(open) {
                depth += 1;
                source.at += 1;
            } else if rest.starts_with(close) {
                depth -= 1;
                source.at += 1;
            } else if rest.starts_with(',') {
                source.at += 1;
            } else {
                bytes.push(source.element()?);
            }
            if bytes.len() > MAX_INPUT_BYTES {
                return Err(InputError::TooLarge);
            }
        }
    }
    if arrays == 0 { Err(InputError::NoArray) } else { Ok(bytes) }
}

#[derive(Clone)]
struct Source<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Source<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Moves behind the next `wanted` outside comments.
    fn seek(&mut self, wanted: &str) -> bool {
        loop {
            self.skip_blank();
            let rest = self.rest();
            if rest.starts_with(wanted) {
                self.at += wanted.len();
                return true;
            }
            let Some(character) = rest.chars().next() else { return false };
            self.at += character.len_utf8();
        }
    }

    /// Moves over white space and comments.
    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            let comment_len = if trimmed.starts_with("//") {
                trimmed.find('\n').unwrap_or(trimmed.len())
            } else if let Some(comment) = trimmed.strip_prefix("/*") {
                comment.find("*/").map_or(trimmed.len(), |end| end + 4)
            } else {
                0
            };
            self.at += rest.len() - trimmed.len() + comment_len;
            if comment_len == 0 {
                return;
            }
        }
    }

    fn element(&mut self) -> Result<u8, InputError> {
        self.skip_cast();
        let start = self.at;
        let rest = self.rest();
        let literal = rest.strip_prefix('b').filter(|rest| rest.starts_with('\'')).unwrap_or(rest);
        if literal.starts_with('\'') {
            let (byte, len) =
                character(literal).ok_or_else(|| InputError::unexpected(Form::C, self.text, start))?;
            self.at += rest.len() - literal.len() + len;
            return Ok(byte);
        }
        let len =
            rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').unwrap_or(rest.len());
        let word = &rest[..len];
        if !word.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit()) {
            return Err(InputError::unexpected(Form::C, self.text, start));
        }
        self.at += len;
        number(word).ok_or_else(|| InputError::NotAByte {
            number: word.chars().take(20).collect(),
            place: Place::of(self.text, start),
        })
    }

    /// Moves over a cast such as `(byte)` or `(unsigned char)`.
    fn skip_cast(&mut self) {
        if let Some((cast, _)) = self.rest().strip_prefix('(').and_then(|rest| rest.split_once(')'))
            && cast.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ' ')
        {
            self.at += cast.len() + 2;
            self.skip_blank();
        }
    }
}

/// The byte of an integer literal; -128 to -1 are the bytes that they are in two's complement.
fn number(word: &str) -> Option<u8> {
    let (negative, digits) = word.strip_prefix('-').map_or((false, word), |digits| (true, digits));
    let lower = digits.to_ascii_lowercase();
    let value = if let Some(hex) = lower.strip_prefix("0x") {
        radix(hex, 16)
    } else if let Some(binary) = lower.strip_prefix("0b") {
        radix(binary, 2)
    } else if let Some(octal) =
        lower.strip_prefix('0').filter(|octal| octal.starts_with(|c: char| c.is_ascii_digit()))
    {
        radix(octal, 8)
    } else {
        radix(&lower, 10)
    }?;
    match negative {
        true if value <= 128 => Some((value as u8).wrapping_neg()),
        false if value <= 255 => Some(value as u8),
        _ => None,
    }
}

/// The value of digits that may have a suffix such as `u`, `UL`, `_u8` or `i8` behind them.
fn radix(text: &str, base: u32) -> Option<u32> {
    let len = text.find(|c: char| !c.is_digit(base)).unwrap_or(text.len());
    let (digits, suffix) = text.split_at(len);
    let is_suffix =
        matches!(suffix.trim_start_matches('_'), "" | "u" | "l" | "ul" | "u8" | "i8" | "uy" | "y");
    if is_suffix { u32::from_str_radix(digits, base).ok() } else { None }
}

/// The byte of a character literal, and how long the literal is.
fn character(literal: &str) -> Option<(u8, usize)> {
    let body = literal.strip_prefix('\'')?;
    let (content, _) =
        body.strip_prefix("\\'").map_or_else(|| body.split_once('\''), |_| Some(("\\'", "")))?;
    let byte = match content.as_bytes() {
        [byte] => *byte,
        [b'\\', escape] => match escape {
            b'0' => 0,
            b'a' => 7,
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' => 11,
            b'f' => 12,
            b'r' => b'\r',
            b'\\' | b'\'' | b'"' => *escape,
            _ => return None,
        },
        [b'\\', b'x', digits @ ..] => u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?,
        _ => return None,
    };
    literal[1 + content.len()..].starts_with('\'').then_some((byte, content.len() + 2))
}
