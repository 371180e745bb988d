//! Messages on standard output, in the form that the flags of `sub` ask for.

use std::io::{self, IsTerminal, Write, stdout};

use clap::Args;
use jiff::Zoned;
use vaux_client::Message;

use super::color::{ColorChoice, Palette};
use super::format::Format;
use super::hex::{is_text, write_view};
use super::message_json;
use crate::cli_error::CliError;

/// Flags that say what is printed of a message.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub(crate) struct MessageArgs {
    /// Print the topic in front of the payload
    #[arg(short, long)]
    verbose: bool,
    /// What to print of a message, in mosquitto_sub's sequences: %t topic, %p payload, %j JSON …
    #[arg(short = 'F', value_name = "FORMAT", conflicts_with = "json", allow_hyphen_values = true)]
    format: Option<Format>,
    /// Print payloads in hex, with what is text in them
    #[arg(long, conflicts_with_all = ["format", "json"])]
    hex: bool,
    /// Print messages without the end of a line
    #[arg(short = 'N')]
    no_eol: bool,
    /// Print messages as JSON objects that hold all there is
    #[arg(long, conflicts_with = "verbose")]
    pub(crate) json: bool,
    /// Lay JSON out over several lines
    #[arg(long)]
    pretty: bool,
}

impl MessageArgs {
    /// What writes messages to standard output.
    pub(crate) fn writer(&self, color: ColorChoice) -> Result<MessageWriter, CliError> {
        if self.pretty && !self.json && self.format.is_none() {
            return Err(CliError::usage("--pretty lays out JSON: it goes with --json or -F"));
        }
        let form = match (&self.format, self.json, self.verbose) {
            (Some(format), _, _) => Form::Format(format.clone()),
            (None, true, _) => Form::Json,
            (None, false, true) => Form::Verbose,
            (None, false, false) => Form::Payload,
        };
        Ok(MessageWriter {
            form,
            ends_line: !self.no_eol,
            pretty: self.pretty,
            hex: if self.hex {
                Hex::Always
            } else if stdout().is_terminal() {
                Hex::NoText
            } else {
                Hex::Never
            },
            palette: Palette::new(color.is_on(&stdout())),
        })
    }
}

/// Which payloads are shown in hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hex {
    /// All.
    Always,
    /// Those that are no text: a person reads them.
    NoText,
    /// None.
    Never,
}

/// What is written of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
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
    form: Form,
    /// Whether a line ends behind each message.
    ends_line: bool,
    /// Whether JSON is laid out over several lines.
    pretty: bool,
    hex: Hex,
    /// The colours.
    palette: Palette,
}

impl MessageWriter {
    /// Writes a message. Returns whether all that was asked for could be written; see [`Format::write`].
    pub(crate) fn write(&self, out: &mut impl Write, message: &Message) -> io::Result<bool> {
        let mut is_whole = true;
        match &self.form {
            // As mosquitto_sub does: without payload there is nothing to print.
            Form::Payload if message.payload.is_empty() => return Ok(true),
            Form::Payload if self.is_shown_in_hex(&message.payload) => {
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
        let topic = if self.hex == Hex::NoText && !is_text(message.topic.as_bytes()) {
            message.topic.escape_debug().to_string()
        } else {
            message.topic.to_string()
        };
        write!(out, "{}", self.palette.title(&topic))?;
        if message.payload.is_empty() {
            out.write_all(b" (null)")?;
        } else if self.is_shown_in_hex(&message.payload) {
            writeln!(out)?;
            return write_view(out, &message.payload, self.palette);
        } else {
            out.write_all(b" ")?;
            out.write_all(&message.payload)?;
        }
        self.end_line(out)
    }

    fn is_shown_in_hex(&self, payload: &[u8]) -> bool {
        match self.hex {
            Hex::Always => true,
            Hex::NoText => !is_text(payload),
            Hex::Never => false,
        }
    }

    fn end_line(&self, out: &mut impl Write) -> io::Result<()> {
        if self.ends_line { out.write_all(b"\n") } else { Ok(()) }
    }
}
