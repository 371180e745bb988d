//! Hex digits: `10 17`, `10:17`, `0x10, 0x17`, `\x10\x17`, `10-17`, `1017`, in either case and over any lines.

use super::error::{InputError, Place};
use super::{Form, MAX_INPUT_BYTES};

/// The bytes of a text of hex digits.
///
/// Digits come in pairs, except that one digit behind `0x` or `\x` is a byte of its own.
pub(super) fn parse(text: &str) -> Result<Vec<u8>, InputError> {
    let mut bytes = Vec::new();
    let mut tokens = Tokens { text, at: 0, previous: None };
    while let Some(token) = tokens.next()? {
        if token.digits.len() == 1 && token.prefixed {
            bytes.push(nibble(token.digits.as_bytes()[0]));
        } else if !token.digits.len().is_multiple_of(2) {
            return Err(InputError::OddDigits { place: Place::of(text, token.at) });
        } else {
            bytes.extend(pairs(token.digits));
        }
        if bytes.len() > MAX_INPUT_BYTES {
            return Err(InputError::TooLarge);
        }
    }
    Ok(bytes)
}

/// Whether a text holds hex digits and what may stand between them, and nothing else.
///
/// Digits that do not pair up still make it hex, wrong hex: it is not taken for the name of a file.
pub(crate) fn is_wholly_hex(text: &str) -> bool {
    let mut tokens = Tokens { text, at: 0, previous: None };
    let mut seen = false;
    loop {
        match tokens.next() {
            Ok(Some(_)) => seen = true,
            Ok(None) => return seen,
            Err(_) => return false,
        }
    }
}

/// The bytes of an even number of hex digits.
pub(super) fn pairs(digits: &str) -> impl Iterator<Item = u8> + '_ {
    digits.as_bytes().chunks_exact(2).map(|pair| nibble(pair[0]) << 4 | nibble(pair[1]))
}

/// A run of hex digits.
#[derive(Clone, Copy)]
struct Token<'a> {
    digits: &'a str,
    at: usize,
    prefixed: bool,
}

struct Tokens<'a> {
    text: &'a str,
    at: usize,
    previous: Option<Token<'a>>,
}

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Result<Option<Token<'a>>, InputError> {
        self.skip_separators()?;
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return Ok(None);
        }
        let body = ["0x", "0X", "\\x", "\\X"].iter().find_map(|prefix| rest.strip_prefix(prefix));
        let prefixed = body.is_some();
        let body = body.unwrap_or(rest);
        let len = run_len(body);
        let at = self.text.len() - body.len();
        if len == 0 {
            // At the end of the text there is no character to show but the prefix itself.
            let shown = if body.is_empty() { self.at } else { at };
            return Err(InputError::unexpected(Form::Hex, self.text, shown));
        }
        if body[len..].starts_with(|next: char| next.is_alphanumeric()) {
            return Err(InputError::unexpected(Form::Hex, self.text, at + len));
        }
        self.at = at + len;
        let token = Token { digits: &body[..len], at, prefixed };
        self.previous = Some(token);
        Ok(Some(token))
    }

    fn skip_separators(&mut self) -> Result<(), InputError> {
        for (index, character) in self.text[self.at..].char_indices() {
            let at = self.at + index;
            match character {
                ' ' | '\t' | '\r' | '\n' | ':' | ',' | ';' | '"' | '\'' => {}
                // Dashes stand between single bytes only: `2026-11-22` is a date, and the name of a file.
                '-' if self.stands_between_bytes(at) => {}
                _ if character.is_ascii_hexdigit() || character == '\\' => {
                    self.at = at;
                    return Ok(());
                }
                _ => return Err(InputError::unexpected(Form::Hex, self.text, at)),
            }
        }
        self.at = self.text.len();
        Ok(())
    }

    fn stands_between_bytes(&self, at: usize) -> bool {
        let before = self.previous.is_some_and(|token| token.digits.len() == 2 && token.at + 2 == at);
        before && run_len(&self.text[at + 1..]) == 2
    }
}

fn run_len(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_hexdigit).count()
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}
