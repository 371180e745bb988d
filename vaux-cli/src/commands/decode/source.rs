//! What the arguments of `vaux decode` stand for: hex, files, standard input; bytes or captures.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use vaux_mqtt::Version;

use super::{FormChoice, VersionChoice};
use crate::capture::{Capture, is_capture, looks_like_frames};
use crate::cli_error::CliError;
use crate::input::{Form, InputError, MAX_INPUT_BYTES, is_wholly_hex, read};

/// An input.
pub(super) struct Source {
    /// What to call it.
    pub(super) name: String,
    /// How it was written down.
    pub(super) form: &'static str,
    /// What it holds.
    pub(super) content: Content,
}

/// What an input holds.
pub(super) enum Content {
    /// Packets, one after the other.
    Bytes(Vec<u8>),
    /// Frames of a network, in which there are packets.
    Capture(Box<Capture>),
}

/// An input that was not read yet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// Text on the command line, in a form.
    Text(Form, String),
    /// A file.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

/// What the arguments stand for. `choice` is what `--in` says.
///
/// An argument that is wholly hex is hex, and hex arguments that stand together are one input, so that bytes need no
/// quotes. With `--in` and another form of text, an argument that names no file is text in that form.
pub(super) fn sources(arguments: &[String], choice: FormChoice) -> Result<Vec<Named>, CliError> {
    let form = choice.form();
    let may_be_hex = matches!(choice, FormChoice::Auto | FormChoice::Hex);
    let mut sources: Vec<Named> = Vec::new();
    for argument in arguments {
        let named = match form {
            _ if argument == "-" => Named::Stdin,
            _ if may_be_hex && is_wholly_hex(argument) => {
                if let Some(Named::Text(_, text)) = sources.last_mut() {
                    text.push(' ');
                    text.push_str(argument);
                    continue;
                }
                Named::Text(Form::Hex, argument.clone())
            }
            Some(form @ (Form::Xxd | Form::C | Form::Base64)) if !Path::new(argument).exists() => {
                Named::Text(form, argument.clone())
            }
            _ => Named::File(argument.into()),
        };
        sources.push(named);
    }
    if sources.iter().filter(|source| **source == Named::Stdin).count() > 1 {
        return Err(CliError::usage("standard input can be read only once"));
    }
    if sources.is_empty() {
        sources.push(Named::Stdin);
    }
    Ok(sources)
}

impl Named {
    /// Reads it, a capture as far as its beginning.
    pub(super) fn read(self, form: FormChoice, version: VersionChoice) -> Result<Source, CliError> {
        let version = version.version();
        match self {
            Named::Text(form, text) => from_bytes("argument".to_owned(), text.into_bytes(), Some(form)),
            Named::Stdin => {
                if super::stdin_is_terminal() {
                    eprintln!("reading packets from the keyboard; Ctrl-D ends the input");
                }
                let name = "standard input".to_owned();
                from_reader(name, Box::new(io::stdin()), form, version, CliError::Stdio)
            }
            Named::File(path) => {
                let name = path.display().to_string();
                let wrong = |source| CliError::File { path: path.clone(), source };
                let file = File::open(&path).map_err(wrong)?;
                from_reader(name, Box::new(file), form, version, wrong)
            }
        }
    }
}

/// Reads an input of which nothing is known but what the user says of it.
fn from_reader(
    name: String,
    mut reader: Box<dyn Read + Send>,
    form: FormChoice,
    version: Option<Version>,
    wrong: impl Fn(io::Error) -> CliError,
) -> Result<Source, CliError> {
    let mut start = Vec::new();
    reader.by_ref().take(4).read_to_end(&mut start).map_err(&wrong)?;
    let is_file_of_frames = is_capture(&start) && matches!(form, FormChoice::Auto | FormChoice::Pcap);
    let reader = Cursor::new(start).chain(reader);
    if is_file_of_frames || form == FormChoice::Pcap {
        let capture = Capture::of_file(Box::new(reader), version);
        return from_capture(name, "pcap", capture);
    }
    let input = read_all(reader).map_err(wrong)?;
    let text = str::from_utf8(&input).ok().filter(|_| input.len() <= MAX_INPUT_BYTES);
    match (form, text) {
        (FormChoice::Tcpdump, None) => {
            let what = if input.len() > MAX_INPUT_BYTES { "is too long for" } else { "is not" };
            Err(CliError::Capture { name, why: format!("this {what} text, as tcpdump prints it") })
        }
        (FormChoice::Tcpdump, Some(text)) => from_capture(name, "tcpdump", Capture::of_text(text, version)),
        (FormChoice::Auto, Some(text)) if looks_like_frames(text) => {
            from_capture(name, "tcpdump", Capture::of_text(text, version))
        }
        _ => from_bytes(name, input, form.form()),
    }
}

fn from_capture(
    name: String,
    form: &'static str,
    capture: Result<Capture, String>,
) -> Result<Source, CliError> {
    match capture {
        Ok(capture) => Ok(Source { name, form, content: Content::Capture(Box::new(capture)) }),
        Err(why) => Err(CliError::Capture { name, why }),
    }
}

fn from_bytes(name: String, input: Vec<u8>, form: Option<Form>) -> Result<Source, CliError> {
    let (form, bytes) =
        read(input, form).map_err(|source: InputError| CliError::Input { name: name.clone(), source })?;
    Ok(Source { name, form: form.name(), content: Content::Bytes(bytes) })
}

/// Everything there is, and of what is too large one byte more than the limit, which tells that it is too large.
fn read_all(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut input = Vec::new();
    reader.take(MAX_INPUT_BYTES as u64 + 1).read_to_end(&mut input)?;
    Ok(input)
}
