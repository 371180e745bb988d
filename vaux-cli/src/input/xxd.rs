//! Dumps with a column of offsets, as `xxd`, `hexdump -C`, `od -A x -t x1` and Wireshark print them.
//!
//! ```text
//! 00000000: 1017 0004 4d51 5454 0502 003c 0511 0000  ....MQTT...<....      xxd
//! 00000000  10 17 00 04 4d 51 54 54  05 02 00 3c 05 11 00 00  |....MQTT...<....|      hexdump -C
//! ```

use super::error::{InputError, Place};
use super::hex::pairs;
use super::{Form, MAX_INPUT_BYTES};

/// The fewest digits of an offset that make a line look like a dump.
const OFFSET_DIGITS: usize = 4;

/// Whether the first line of a text looks like the first line of a dump, and not like hex.
pub(super) fn looks_like_dump(text: &str) -> bool {
    let Some(line) = text.lines().find(|line| !line.trim().is_empty()) else { return false };
    let line = line.trim_start();
    let digits = digits_len(line);
    let rest = &line[digits..];
    digits >= OFFSET_DIGITS
        && (rest.starts_with(": ") || rest.starts_with("  "))
        && digits_len(rest.trim_start_matches([':', ' '])) >= 2
}

/// The bytes of a dump.
pub(super) fn parse(text: &str) -> Result<Vec<u8>, InputError> {
    let mut dump = Dump { text, bytes: Vec::new(), first_offset: None, row: 0..0, repeats: false };
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        dump.take_line(line.trim_end(), at)?;
        at += line.len();
    }
    if dump.repeats {
        // What `*` stands for ends at the offset of the next line, and there is none.
        return Err(InputError::NoOffset { place: Place::of(text, text.len()) });
    }
    Ok(dump.bytes)
}

struct Dump<'a> {
    text: &'a str,
    bytes: Vec<u8>,
    first_offset: Option<u64>,
    /// Where the bytes of the last line stand in `bytes`.
    row: std::ops::Range<usize>,
    /// Whether a `*` was read: the last line is repeated up to the next offset.
    repeats: bool,
}

impl Dump<'_> {
    fn take_line(&mut self, line: &str, at: usize) -> Result<(), InputError> {
        let indent = line.len() - line.trim_start().len();
        let (line, at) = (&line[indent..], at + indent);
        if line.is_empty() {
            return Ok(());
        }
        if line == "*" {
            self.repeats = true;
            return Ok(());
        }
        let digits = digits_len(line);
        let offset = u64::from_str_radix(&line[..digits], 16)
            .map_err(|_| InputError::NoOffset { place: Place::of(self.text, at) })?;
        self.take_offset(offset, at)?;
        let start = self.bytes.len();
        match line[digits..].strip_prefix(':') {
            Some(columns) => self.take_xxd_columns(columns, at + digits + 1)?,
            None => self.take_hexdump_columns(&line[digits..], at + digits)?,
        }
        self.row = start..self.bytes.len();
        if self.bytes.len() > MAX_INPUT_BYTES { Err(InputError::TooLarge) } else { Ok(()) }
    }

    /// Checks the offset of a line against the bytes before it, and repeats the last line up to it behind a `*`.
    fn take_offset(&mut self, offset: u64, at: usize) -> Result<(), InputError> {
        let jump = || InputError::OffsetJumps { place: Place::of(self.text, at) };
        let first = *self.first_offset.get_or_insert(offset);
        let expected = offset.checked_sub(first).ok_or_else(jump)?;
        let expected = usize::try_from(expected).map_err(|_| InputError::TooLarge)?;
        if self.repeats {
            if expected > MAX_INPUT_BYTES {
                return Err(InputError::TooLarge);
            }
            while self.bytes.len() < expected && !self.row.is_empty() {
                self.bytes.extend_from_within(self.row.clone());
            }
            self.repeats = false;
        }
        if self.bytes.len() == expected { Ok(()) } else { Err(jump()) }
    }

    /// Groups of any even number of digits with one space between them; two spaces begin the column of text.
    fn take_xxd_columns(&mut self, columns: &str, at: usize) -> Result<(), InputError> {
        let groups = columns.trim_start();
        let at = at + columns.len() - groups.len();
        let groups = &groups[..groups.find("  ").unwrap_or(groups.len())];
        self.take_groups(groups, at)
    }

    /// Bytes of two digits with one or two spaces between them; `|`, `>` or three spaces begin the column of text.
    fn take_hexdump_columns(&mut self, columns: &str, at: usize) -> Result<(), InputError> {
        let groups = columns.trim_start();
        let at = at + columns.len() - groups.len();
        let end = groups.find(['|', '>']).unwrap_or(groups.len());
        let end = groups.find("   ").map_or(end, |spaces| spaces.min(end));
        let wide = words(&groups[..end]).find(|(_, word)| word.len() != 2);
        if let Some((word_at, _)) = wide {
            return Err(InputError::unexpected(Form::Xxd, self.text, at + word_at));
        }
        self.take_groups(&groups[..end], at)
    }

    fn take_groups(&mut self, groups: &str, at: usize) -> Result<(), InputError> {
        for (word_at, word) in words(groups) {
            let digits = digits_len(word);
            if digits < word.len() {
                return Err(InputError::unexpected(Form::Xxd, self.text, at + word_at + digits));
            }
            if !digits.is_multiple_of(2) {
                return Err(InputError::OddDigits { place: Place::of(self.text, at + word_at) });
            }
            self.bytes.extend(pairs(word));
        }
        Ok(())
    }
}

fn digits_len(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_hexdigit).count()
}

/// The words between spaces, each with where it begins.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split(' ').filter_map(move |word| {
        let start = at;
        at += word.len() + 1;
        (!word.is_empty()).then_some((start, word))
    })
}
