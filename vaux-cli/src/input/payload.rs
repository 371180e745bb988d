//! The payload of a message: what the flags say, a file, or standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use bytes::Bytes;
use clap::Args;

use super::{Form, read};
use crate::cli_error::CliError;

/// The longest packet there is, so that no payload can be longer.
pub(crate) const MAX_PAYLOAD_BYTES: usize = 268_435_455;

/// How a payload is written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Encoding {
    /// As it is.
    #[default]
    Utf8,
    /// Hex digits with any separators.
    Hex,
    /// Base64 with either alphabet.
    Base64,
}

impl Encoding {
    /// The payload itself.
    pub(crate) fn decode(self, written: Bytes) -> Result<Bytes, String> {
        let form = match self {
            Encoding::Utf8 => return Ok(written),
            Encoding::Hex => Form::Hex,
            Encoding::Base64 => Form::Base64,
        };
        let decoded = read(written.into(), Some(form));
        decoded.map(|(_, payload)| payload.into()).map_err(|error| error.to_string())
    }
}

/// Where a payload comes from.
#[derive(Args, Clone, Debug)]
#[group(id = "payload", multiple = false)]
pub(crate) struct PayloadArgs {
    /// The message
    #[arg(short, long, value_name = "MESSAGE", allow_hyphen_values = true)]
    message: Option<String>,
    /// A file that is the message
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Standard input is the message
    #[arg(short = 's', long)]
    stdin_file: bool,
    /// The message is empty
    #[arg(short, long)]
    null_message: bool,
}

impl PayloadArgs {
    /// Reads the payload, if there is to be one.
    pub(crate) fn read(&self) -> Result<Option<Bytes>, CliError> {
        let payload = if let Some(message) = &self.message {
            Bytes::from(message.clone())
        } else if let Some(path) = &self.file {
            let content = File::open(path).and_then(read_all);
            let content = content.map_err(|source| CliError::File { path: path.clone(), source })?;
            content.ok_or_else(|| CliError::TooLarge { name: path.display().to_string() })?
        } else if self.stdin_file {
            let content = read_all(io::stdin().lock()).map_err(CliError::Stdio)?;
            content.ok_or_else(|| CliError::TooLarge { name: "standard input".into() })?
        } else if self.null_message {
            Bytes::new()
        } else {
            return Ok(None);
        };
        Ok(Some(payload))
    }
}

/// Everything there is, or `None` when no packet can hold it.
fn read_all(reader: impl Read) -> io::Result<Option<Bytes>> {
    let mut content = Vec::new();
    reader.take(MAX_PAYLOAD_BYTES as u64 + 1).read_to_end(&mut content)?;
    Ok((content.len() <= MAX_PAYLOAD_BYTES).then(|| content.into()))
}
