//! A field of a packet: where it stands, what it holds, how it reads.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use core::fmt::Write;
use core::ops::Range;

/// A field of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// What it is, in lower case words: `keep alive`, `session expiry interval`.
    pub name: &'static str,
    /// Its first byte, counted from the first byte of the packet.
    pub at: usize,
    /// How many bytes it takes, its own length and property identifier included.
    pub len: usize,
    /// What it holds.
    pub value: Value<'a>,
    /// 1 for a property, which belongs to the last field before it with depth 0.
    pub depth: u8,
    /// Whether it may hold a password or authentication data, so that neither its text nor its bytes are for the
    /// screen.
    pub is_secret: bool,
    /// The text, when more is to be said than the name and the value. That of a secret field does not tell the value.
    pub(super) text: Option<Cow<'static, str>>,
}

/// What a field holds, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Nothing that could be read.
    None,
    /// A number, also one whose bits stand for flags.
    Number(u32),
    /// A string.
    Text(&'a str),
    /// Binary data.
    Bytes(&'a [u8]),
    /// The name and the value of a user property.
    Pair(&'a str, &'a str),
}

/// How texts are to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Show {
    /// Whether passwords and authentication data are shown.
    pub secrets: bool,
    /// How many bytes of a string or of binary data are shown; of longer ones the beginning and the length.
    pub limit: usize,
}

impl Default for Show {
    /// Secrets masked, everything else in full.
    fn default() -> Self {
        Show { secrets: false, limit: usize::MAX }
    }
}

impl<'a> Field<'a> {
    /// The name of the field that stands for bytes which could not be read.
    pub const UNREAD: &'static str = "unread";

    pub(super) fn new(name: &'static str, range: Range<usize>, value: Value<'a>) -> Field<'a> {
        Field { name, at: range.start, len: range.len(), value, depth: 0, is_secret: false, text: None }
    }

    /// Where it stands in the packet.
    pub fn range(&self) -> Range<usize> {
        self.at..self.at + self.len
    }

    /// The field in words, such as `session expiry interval 3600 s`.
    pub fn text(&self, show: Show) -> String {
        let mut text = String::from(self.text.as_deref().unwrap_or(self.name));
        if self.is_secret && !show.secrets {
            text.push_str(" (masked)");
            return text;
        }
        if self.text.is_some() {
            return text;
        }
        let mut push = |value: &str| {
            text.push(' ');
            text.push_str(value);
        };
        match self.value {
            Value::None => {}
            Value::Number(number) => push(&format!("{number}")),
            Value::Text(value) => push(&quoted(value, show)),
            Value::Bytes(value) => push(&bytes(value, show)),
            Value::Pair(name, value) => {
                push(&quoted(name, show));
                push("=");
                push(&quoted(value, show));
            }
        }
        text
    }
}

/// A string between quotes, with everything escaped that a terminal would act upon.
pub(super) fn quoted(text: &str, show: Show) -> String {
    if text.len() <= show.limit {
        return format!("{text:?}");
    }
    let end = text.floor_char_boundary(show.limit);
    format!("{:?}… ({} bytes)", &text[..end], text.len())
}

/// Binary data: as a string when it reads as one, else in hexadecimal.
pub(super) fn bytes(bytes: &[u8], show: Show) -> String {
    let is_printable = |character: char| !character.is_control() || matches!(character, '\t' | '\n' | '\r');
    match core::str::from_utf8(bytes) {
        Ok(text) if text.chars().all(is_printable) => quoted(text, show),
        _ => hex(bytes, show),
    }
}

fn hex(bytes: &[u8], show: Show) -> String {
    let shown = &bytes[..bytes.len().min(show.limit)];
    let mut text = String::from("0x");
    for byte in shown {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
    }
    if shown.len() < bytes.len() {
        write!(text, "… ({} bytes)", bytes.len()).expect("writing to a String cannot fail");
    }
    text
}
