//! Messages on standard output, in the form that the flags of `sub` ask for.

use std::io::{self, Write};

use jiff::Zoned;
use vaux_client::Message;

use super::color::Palette;
use super::format::Format;
use super::hex::{is_text, write_view};
use super::message_json;

/// What is written of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// The payload.
    Payload,
    /// Topic and payload.
    Verbose,
    /// What a format says.
    Format(Format),
    /// An object with all there is.
    Json,
}

/// Writes messages.
#[derive(Clone, Debug)]
pub(crate) struct MessageWriter {
    /// What is written.
    pub(crate) form: Form,
    /// Whether a line ends behind each message.
    pub(crate) ends_line: bool,
    /// Whether JSON is laid out over several lines.
    pub(crate) pretty: bool,
    /// Whether a person reads: then payloads that are no text are shown in hex.
    pub(crate) is_terminal: bool,
    /// The colours.
    pub(crate) palette: Palette,
}

impl MessageWriter {
    /// Writes a message. Returns whether all that was asked for could be written; see [`Format::write`].
    pub(crate) fn write(&self, out: &mut impl Write, message: &Message) -> io::Result<bool> {
        let mut is_whole = true;
        match &self.form {
            // As mosquitto_sub does: without payload there is nothing to print.
            Form::Payload if message.payload.is_empty() => return Ok(true),
            Form::Payload if self.is_terminal && !is_text(&message.payload) => {
                write_view(out, &message.payload, self.palette)?;
                return Ok(true);
            }
            Form::Payload => out.write_all(&message.payload)?,
            Form::Verbose => {
                self.write_verbose(out, message)?;
                return Ok(true);
            }
            Form::Format(format) => is_whole = format.write(out, message, &Zoned::now(), self.pretty)?,
            Form::Json => message_json::write(out, message, &Zoned::now(), self.pretty)?,
        }
        self.end_line(out)?;
        Ok(is_whole)
    }

    fn write_verbose(&self, out: &mut impl Write, message: &Message) -> io::Result<()> {
        let topic = if self.is_terminal && !is_text(message.topic.as_bytes()) {
            message.topic.escape_debug().to_string()
        } else {
            message.topic.to_string()
        };
        write!(out, "{}", self.palette.title(&topic))?;
        if message.payload.is_empty() {
            out.write_all(b" (null)")?;
        } else if self.is_terminal && !is_text(&message.payload) {
            writeln!(out)?;
            return write_view(out, &message.payload, self.palette);
        } else {
            out.write_all(b" ")?;
            out.write_all(&message.payload)?;
        }
        self.end_line(out)
    }

    fn end_line(&self, out: &mut impl Write) -> io::Result<()> {
        if self.ends_line { out.write_all(b"\n") } else { Ok(()) }
    }
}
