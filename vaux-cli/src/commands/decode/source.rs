//! What the arguments of `vaux decode` stand for: hex, files, standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::cli_error::CliError;
use crate::input::{Form, InputError, MAX_INPUT_BYTES, is_wholly_hex, read};

/// The bytes of an input.
#[derive(Debug)]
pub(super) struct Source {
    /// What to call it.
    pub(super) name: String,
    /// How it was written down.
    pub(super) form: Form,
    /// What it holds.
    pub(super) bytes: Vec<u8>,
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

/// What the arguments stand for. `form` is what `--in` says.
///
/// An argument that is wholly hex is hex, and hex arguments that stand together are one input, so that bytes need no
/// quotes. With `--in` and another form of text, an argument that names no file is text in that form.
pub(super) fn sources(arguments: &[String], form: Option<Form>) -> Result<Vec<Named>, CliError> {
    let mut sources: Vec<Named> = Vec::new();
    for argument in arguments {
        let named = match form {
            _ if argument == "-" => Named::Stdin,
            None | Some(Form::Hex) if is_wholly_hex(argument) => {
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
    /// Reads it.
    pub(super) fn read(self, form: Option<Form>) -> Result<Source, CliError> {
        let (name, input, form) = match self {
            Named::Text(form, text) => ("argument".to_owned(), text.into_bytes(), Some(form)),
            Named::Stdin => {
                if super::stdin_is_terminal() {
                    eprintln!("reading packets from the keyboard; Ctrl-D ends the input");
                }
                ("standard input".to_owned(), read_all(io::stdin().lock()).map_err(CliError::Stdio)?, form)
            }
            Named::File(path) => {
                let file = File::open(&path).and_then(read_all);
                let input = file.map_err(|source| CliError::File { path: path.clone(), source })?;
                (path.display().to_string(), input, form)
            }
        };
        let (form, bytes) =
            read(input, form).map_err(|source: InputError| CliError::Input { name: name.clone(), source })?;
        Ok(Source { name, form, bytes })
    }
}

/// Everything there is, and of what is too large one byte more than the limit, which tells that it is too large.
fn read_all(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut input = Vec::new();
    reader.take(MAX_INPUT_BYTES as u64 + 1).read_to_end(&mut input)?;
    Ok(input)
}
