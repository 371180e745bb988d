//! What can go wrong in a command: one kind for each thing that a script may act upon, and for each a message, perhaps
//! a hint, and an exit code.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::input::InputError;

/// How the program ends. The numbers are a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// All went well.
    Ok = 0,
    /// Something inside failed, or reading and writing did.
    Internal = 1,
    /// The command line asks for what there is not.
    Usage = 2,
    /// A packet of the input is malformed.
    Malformed = 6,
    /// The input ends in the middle of a packet.
    CutShort = 8,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a command gave up.
#[derive(Debug)]
pub(crate) enum CliError {
    /// The command line does not parse.
    Arguments(clap::Error),
    /// The command line parses but makes no sense.
    Usage {
        /// What does not fit.
        message: String,
        /// What to write instead.
        hint: Option<String>,
    },
    /// A file that cannot be read.
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An input that does not read in its form.
    Input {
        /// The file or argument.
        name: String,
        /// What is wrong with it.
        source: InputError,
    },
    /// Standard input or output failed.
    Stdio(io::Error),
}

impl CliError {
    /// A usage error.
    pub(crate) fn usage(message: impl Into<String>) -> CliError {
        CliError::Usage { message: message.into(), hint: None }
    }

    /// Says on standard error what went wrong, and returns how the program ends.
    pub(crate) fn report(&self) -> Exit {
        let Report { message, hint, exit } = self.describe();
        let mut text = String::new();
        if let Some(message) = message {
            let _ = writeln!(text, "error: {message}");
        }
        if let Some(hint) = hint {
            let _ = writeln!(text, "hint: {hint}");
        }
        // Nobody is left to tell when standard error is closed.
        let _ = io::Write::write_all(&mut io::stderr(), text.as_bytes());
        exit
    }

    fn describe(&self) -> Report {
        match self {
            CliError::Arguments(error) => Report::new(Exit::Usage, arguments_message(error)),
            CliError::Usage { message, hint } => Report::new(Exit::Usage, message).with_hint(hint.clone()),
            CliError::File { path, source } => {
                Report::new(Exit::Internal, format!("cannot read {}: {source}", path.display()))
            }
            CliError::Input { name, source } => {
                Report::new(Exit::Usage, format!("{name}: {source}")).with_hint(input_hint(source))
            }
            // Whoever read our output has seen enough.
            CliError::Stdio(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                Report { message: None, hint: None, exit: Exit::Ok }
            }
            CliError::Stdio(error) => Report::new(Exit::Internal, format!("cannot read or write: {error}")),
        }
    }
}

struct Report {
    message: Option<String>,
    hint: Option<String>,
    exit: Exit,
}

impl Report {
    fn new(exit: Exit, message: impl Into<String>) -> Report {
        Report { message: Some(message.into()), hint: None, exit }
    }

    fn with_hint(self, hint: Option<String>) -> Report {
        Report { hint, ..self }
    }
}

fn input_hint(error: &InputError) -> Option<String> {
    match error {
        InputError::NoForm { .. } => Some("--in says how the input is to be read".to_owned()),
        InputError::OddDigits { .. } => Some("a file whose name is hex is written as ./NAME".to_owned()),
        _ => None,
    }
}

/// One line for a command line that does not parse, with the nearest name there is.
fn arguments_message(error: &clap::Error) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) if !texts.is_empty() => Some(texts.join(", ")),
        _ => None,
    };
    let argument = text(ContextKind::InvalidArg).unwrap_or_default();
    let value = text(ContextKind::InvalidValue);
    let suggestion =
        [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue]
            .into_iter()
            .find_map(text)
            .map(|name| format!("; did you mean {name}?"))
            .unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument => format!("unknown argument {argument}{suggestion}"),
        ErrorKind::InvalidSubcommand => {
            let command = text(ContextKind::InvalidSubcommand).unwrap_or_default();
            format!("unknown command {command}{suggestion}")
        }
        ErrorKind::InvalidValue => {
            match (value.filter(|value| !value.is_empty()), text(ContextKind::ValidValue)) {
                (None, _) => format!("{argument} needs a value"),
                (Some(value), Some(valid)) => {
                    format!("{argument} cannot be {value}; it is one of {valid}{suggestion}")
                }
                (Some(value), None) => format!("{argument} cannot be {value}"),
            }
        }
        ErrorKind::ValueValidation => {
            let why =
                std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
            format!("{argument} cannot be {}{why}", value.unwrap_or_default())
        }
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues | ErrorKind::TooManyValues => {
            format!("{argument} has the wrong number of values")
        }
        ErrorKind::ArgumentConflict => match text(ContextKind::PriorArg) {
            Some(other) if other == argument => format!("{argument} can be given only once"),
            Some(other) => format!("{argument} does not go with {other}"),
            None => format!("{argument} does not go with the other arguments"),
        },
        ErrorKind::MissingRequiredArgument => format!("{argument} is missing"),
        ErrorKind::MissingSubcommand => "a command is missing; `vaux --help` lists them".to_owned(),
        // What is left does not come up with these commands; its first line says what it is.
        _ => error.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    }
}
