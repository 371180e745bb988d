//! A packet as text: every byte with its meaning, the fields as a tree, or one line.
//!
//! Where the lines of the view with bytes begin is a contract, since people point at them:
//!
//! ```text
//! #1 CONNECT v5 · 25 bytes · clean start · keep alive 60 s · client "dev-1"
//!   0000  10                type CONNECT, flags 0000
//!   000d  1100000e10        ├ session expiry interval 3600 s
//! ```

use std::fmt::Write as _;
use std::io::{self, Write};
use std::ops::Range;

use vaux_mqtt::explain::{Explained, Fault, Show, Status};

use super::color::Palette;
use super::sparkplug::{Sparkplug, part_text};

/// How many bytes stand in a row.
const ROW_BYTES: usize = 8;

/// How many rows a field gets at most. A payload of a megabyte would bury all else.
const FIELD_ROWS: usize = 32;

/// How many parts of a payload are shown at most.
const MAX_PARTS: usize = 512;

/// How many bytes of a value are told in words.
const VALUE_BYTES: usize = 120;

/// How much of a packet is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum View {
    /// Every byte, and what it means.
    #[default]
    Bytes,
    /// The fields without the bytes.
    Tree,
    /// One line a packet.
    Line,
}

/// Writes packets in one of the views.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PacketWriter {
    /// How much of a packet is shown.
    pub(crate) view: View,
    /// Whether passwords are shown.
    pub(crate) secrets: bool,
    /// How many hex digits offsets have.
    pub(crate) offset_width: usize,
    /// The colours.
    pub(crate) palette: Palette,
}

/// A packet and where it stood.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed<'a> {
    /// Which packet of the input it is, from 1.
    pub(crate) number: usize,
    /// Its first byte in the input, or in its direction of a connection.
    pub(crate) at: u64,
    /// Its bytes, as far as they are there.
    pub(crate) bytes: &'a [u8],
    /// What they mean.
    pub(crate) explained: &'a Explained<'a>,
    /// When and where it was captured.
    pub(crate) place: Option<&'a str>,
}

impl PacketWriter {
    /// Writes a packet.
    pub(crate) fn write(&self, out: &mut impl Write, packet: &Placed<'_>) -> io::Result<()> {
        let explained = packet.explained;
        let title = match packet.place {
            Some(place) => format!("#{} {place} · {}", packet.number, explained.title()),
            None => format!("#{} {}", packet.number, explained.title()),
        };
        write!(out, "{} · {}", self.palette.title(&title), explained.size())?;
        for part in explained.parts(self.show()) {
            write!(out, " · {part}")?;
        }
        let sparkplug = Sparkplug::of(explained);
        if let Some(sparkplug) = &sparkplug {
            write!(out, " · {}", sparkplug.summary())?;
        }
        if self.view == View::Line {
            return self.write_faults_in_line(out, packet);
        }
        writeln!(out)?;
        let mut untold = explained.fault.as_ref();
        for (index, field) in explained.fields.iter().enumerate() {
            let fault = untold.take_if(|fault| fault.field == Some(index));
            if let Some(sparkplug) = sparkplug.as_ref().filter(|_| field.name == "payload") {
                self.write_payload(out, packet, index, sparkplug)?;
                continue;
            }
            match (self.view, fault) {
                (View::Tree, _) => self.write_branch(out, packet, index)?,
                // The line about the error says it all when the field is that one byte.
                (_, Some(_)) if field.len == 1 => {}
                _ => self.write_rows(out, packet, index)?,
            }
            if let Some(fault) = fault {
                self.write_fault(out, packet, fault)?;
            }
        }
        if let Some(fault) = untold {
            self.write_fault(out, packet, fault)?;
        }
        match missing(explained) {
            Some(words) => self.write_mark(out, packet, explained.len, &words),
            None => Ok(()),
        }
    }

    fn show(&self) -> Show {
        Show { secrets: self.secrets, limit: VALUE_BYTES }
    }

    fn write_faults_in_line(&self, out: &mut impl Write, packet: &Placed<'_>) -> io::Result<()> {
        if let Some(fault) = &packet.explained.fault {
            let words = format!("{} ({})", fault.found, self.place(packet, fault));
            write!(out, " · {} · {}", self.palette.error(&words), fault.error.requirement())?;
        }
        if let Some(words) = missing(packet.explained) {
            write!(out, " · {}", self.palette.error(&words))?;
        }
        writeln!(out)
    }

    /// The payload of Sparkplug, the last of all fields, with its parts as if they were fields too.
    fn write_payload(
        &self,
        out: &mut impl Write,
        packet: &Placed<'_>,
        index: usize,
        sparkplug: &Sparkplug<'_>,
    ) -> io::Result<()> {
        let field = &packet.explained.fields[index];
        let Sparkplug::Metrics(_, payload) = sparkplug else {
            match self.view {
                View::Tree => self.write_branch(out, packet, index)?,
                _ => self.write_rows(out, packet, index)?,
            }
            return match sparkplug {
                Sparkplug::Broken(_, broken) => {
                    let words = format!("broken Sparkplug B: {}", broken.text);
                    self.write_mark(out, packet, field.at + broken.at, &words)
                }
                _ => Ok(()),
            };
        };
        let words = format!("payload, Sparkplug B, {} bytes", field.len);
        let paint = |text: &str| self.palette.field(index, text);
        match self.view {
            View::Tree => writeln!(out, "  {}{}", self.palette.dim("└ "), paint(&words))?,
            _ => self.write_row(out, packet.at + field.at as u64, "", &words, paint)?,
        }
        let shown = payload.parts.len().min(MAX_PARTS);
        for (number, part) in payload.parts[..shown].iter().enumerate() {
            let color = index + 1 + number;
            let is_last = number + 1 == payload.parts.len();
            let words = part_text(payload, part);
            if self.view == View::Tree {
                let branch = self.palette.dim(if is_last { "  └ " } else { "  ├ " });
                writeln!(out, "  {branch}{}", self.palette.field(color, &words))?;
            } else {
                let at = field.at + part.at;
                let words = format!("{} {words}", if is_last { '└' } else { '├' });
                self.write_bytes(out, packet, at..at + part.len, &words, color)?;
            }
        }
        match payload.parts.len() - shown {
            0 => Ok(()),
            more => writeln!(out, "  {:width$}  … {more} more parts", "", width = self.offset_width),
        }
    }

    /// A field as a branch of the tree.
    fn write_branch(&self, out: &mut impl Write, packet: &Placed<'_>, index: usize) -> io::Result<()> {
        let fields = &packet.explained.fields;
        let last_stem = fields.iter().rposition(|field| field.depth == 0).unwrap_or_default();
        let ends_group = fields.get(index + 1).is_none_or(|next| next.depth == 0);
        let branch = match (fields[index].depth, index >= last_stem) {
            (0, false) => "├ ",
            (0, true) => "└ ",
            (_, false) if ends_group => "│ └ ",
            (_, false) => "│ ├ ",
            (_, true) if ends_group => "  └ ",
            (_, true) => "  ├ ",
        };
        let text = fields[index].text(self.show());
        writeln!(out, "  {}{}", self.palette.dim(branch), self.palette.field(index, &text))
    }

    /// The bytes of a field in rows, with its words behind the first.
    fn write_rows(&self, out: &mut impl Write, packet: &Placed<'_>, index: usize) -> io::Result<()> {
        let field = &packet.explained.fields[index];
        let branch = if field.depth > 0 { "├ " } else { "" };
        let words = format!("{branch}{}", field.text(self.show()));
        if field.is_secret && !self.secrets {
            let bytes = packet.bytes.get(field.range()).unwrap_or_default();
            let digits = "*".repeat(2 * bytes.len().min(ROW_BYTES));
            let paint = |text: &str| self.palette.field(index, text);
            return self.write_row(out, packet.at + field.at as u64, &digits, &words, paint);
        }
        self.write_bytes(out, packet, field.range(), &words, index)
    }

    /// Bytes in rows in a colour, with words behind the first.
    fn write_bytes(
        &self,
        out: &mut impl Write,
        packet: &Placed<'_>,
        range: Range<usize>,
        words: &str,
        color: usize,
    ) -> io::Result<()> {
        let bytes = packet.bytes.get(range.clone()).unwrap_or_default();
        let rows = bytes.len().div_ceil(ROW_BYTES).clamp(1, FIELD_ROWS);
        for row in 0..rows {
            let start = row * ROW_BYTES;
            let row_bytes = &bytes[start..bytes.len().min(start + ROW_BYTES)];
            let words = if row == 0 { words } else { "" };
            let paint = |text: &str| self.palette.field(color, text);
            self.write_row(out, packet.at + (range.start + start) as u64, &hex(row_bytes), words, paint)?;
        }
        match bytes.len().saturating_sub(rows * ROW_BYTES) {
            0 => Ok(()),
            more => writeln!(out, "  {:width$}  … {more} more bytes", "", width = self.offset_width),
        }
    }

    fn write_row(
        &self,
        out: &mut impl Write,
        at: u64,
        digits: &str,
        words: &str,
        paint: impl Fn(&str) -> String,
    ) -> io::Result<()> {
        let offset = self.palette.dim(&format!("{at:0width$x}", width = self.offset_width));
        if words.is_empty() {
            return writeln!(out, "  {offset}  {}", paint(digits));
        }
        // Colour codes count as characters in a format width, so that the gap is computed.
        let gap = 2 * ROW_BYTES + 2 - digits.len();
        writeln!(out, "  {offset}  {}{:gap$}{}", paint(digits), "", paint(words))
    }

    /// The byte that is wrong, what is wrong with it, and which statement says so.
    fn write_fault(&self, out: &mut impl Write, packet: &Placed<'_>, fault: &Fault) -> io::Result<()> {
        let words = format!("{} ({})", fault.found, self.place(packet, fault));
        self.write_mark(out, packet, fault.error.at(), &words)?;
        let error = fault.error;
        writeln!(out, "        {}: {} · receiver: {}", error.requirement(), error.rule(), fault.receiver)
    }

    /// A line that points at byte `at` of the packet.
    fn write_mark(
        &self,
        out: &mut impl Write,
        packet: &Placed<'_>,
        at: usize,
        words: &str,
    ) -> io::Result<()> {
        let words = &format!("^^ {words}");
        if self.view == View::Tree {
            return writeln!(out, "    {}", self.palette.error(words));
        }
        let is_secret =
            packet.explained.fields.iter().any(|field| field.is_secret && field.range().contains(&at));
        let digits = match packet.bytes.get(at) {
            Some(_) if is_secret && !self.secrets => "**".to_owned(),
            Some(&byte) => hex(&[byte]),
            None => String::new(),
        };
        self.write_row(out, packet.at + at as u64, &digits, words, |text| self.palette.error(text))
    }

    /// The bits or the byte of the input that a fault is about.
    fn place(&self, packet: &Placed<'_>, fault: &Fault) -> String {
        let at = packet.at + fault.error.at() as u64;
        let byte = format!("byte 0x{at:0width$x}", width = self.offset_width);
        match fault.bits {
            Some(bits) if bits.high > bits.low => format!("bits {}-{} of {byte}", bits.high, bits.low),
            Some(bits) => format!("bit {} of {byte}", bits.high),
            None => byte,
        }
    }
}

/// What of a packet is not there, when something is not.
fn missing(explained: &Explained<'_>) -> Option<String> {
    match explained.promised_len {
        Some(promised) if promised > explained.len => {
            Some(format!("cut short: {} of {promised} bytes are missing", promised - explained.len))
        }
        None if explained.status == Status::Truncated => {
            Some("cut short: the remaining length is missing".to_owned())
        }
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut digits, byte| {
        write!(digits, "{byte:02x}").expect("writing to a String cannot fail");
        digits
    })
}
