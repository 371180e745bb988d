//! What can go wrong in a command: one kind for each thing that a script may act upon, and for each a message, perhaps
//! a hint, and an exit code.

use std::io::{self, Write as _};
use std::num::{IntErrorKind, ParseIntError};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use serde_json::json;
use vaux_broker::auth::FileError;
use vaux_broker::store::disk::StoreError;
use vaux_client::{ConnectError, ConnectErrorKind, Disconnected, ReasonCode, RequestError};

use crate::input::InputError;
use crate::output::talk::Talk;

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
    /// The server cannot be reached, or the connection to it was lost.
    Unreachable = 3,
    /// The server does not accept who we are.
    Authentication = 4,
    /// The server refused or ended the connection for another reason.
    Refused = 5,
    /// A packet is malformed.
    Malformed = 6,
    /// The server refused a message or a subscription.
    RequestRefused = 7,
    /// The input ends in the middle of a packet.
    CutShort = 8,
    /// A case or a figure is not as it has to be.
    ThresholdFailed = 9,
    /// The time of `-W` is over.
    TimedOut = 27,
    /// Ctrl-C.
    Interrupted = 130,
    /// SIGTERM, with the code that shells give to it.
    Terminated = 143,
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
    /// A security file cannot be used.
    Security(FileError),
    /// A password file does not have the user that it was to lose.
    NoUser {
        /// The file.
        path: PathBuf,
        /// Its user.
        user: String,
    },
    /// A file that cannot be written.
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A recording, or another input of lines, that does not read.
    Recording {
        /// The file.
        name: String,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// A capture of a network that does not read.
    Capture {
        /// The file.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A packet that is asked for and would be malformed.
    NoPacket(String),
    /// JSON that ends in the middle.
    JsonCutShort(String),
    /// Standard input or output failed.
    Stdio(io::Error),
    /// The operating system refused what should always work.
    Internal(io::Error),
    /// There is no connection.
    Connect {
        /// The server, as a URL.
        server: String,
        /// Why.
        source: ConnectError,
        /// What to try.
        hint: Option<String>,
    },
    /// The connection ended for good.
    Lost(Disconnected),
    /// A message or a subscription was not accepted.
    Request {
        /// What was asked for.
        what: String,
        /// Why not.
        source: RequestError,
    },
    /// The connection that the command was to use is not there.
    NotConnected {
        /// What became of it.
        why: String,
        /// What to do.
        hint: Option<String>,
    },
    /// There is no connection to play conformance cases over.
    NoBroker(String),
    /// A message whose payload is not JSON, where it has to be.
    NotJson {
        /// Its topic.
        topic: String,
    },
    /// The store of a broker that cannot be looked after.
    Store {
        /// Where it was looked for.
        directory: PathBuf,
        /// Why not.
        source: StoreError,
    },
    /// A message that is larger than any packet may be.
    TooLarge {
        /// Where it was to come from.
        name: String,
    },
}

impl CliError {
    /// A usage error.
    pub(crate) fn usage(message: impl Into<String>) -> CliError {
        CliError::Usage { message: message.into(), hint: None }
    }

    /// A usage error with what to write instead.
    pub(crate) fn usage_with_hint(message: impl Into<String>, hint: impl Into<String>) -> CliError {
        CliError::Usage { message: message.into(), hint: Some(hint.into()) }
    }

    /// A message that cannot be printed as asked for.
    pub(crate) fn not_json(topic: &str) -> CliError {
        CliError::NotJson { topic: topic.to_owned() }
    }

    /// Says what went wrong, also as JSON on standard output if `json`, and returns how the program ends.
    pub(crate) fn report(&self, talk: Talk, json: bool) -> Exit {
        let Report { message, hint, exit } = self.describe();
        let Some(message) = message else { return exit };
        let talk = if exit == Exit::Usage { talk.aloud() } else { talk };
        talk.error(&message);
        if let Some(hint) = hint {
            talk.hint(hint);
        }
        if json {
            let reason = self.reason();
            let object = json!({
                "error": message,
                "reason_code": reason.map(ReasonCode::value),
                "reason": reason.map(ReasonCode::name),
                "exit_code": exit as u8,
            });
            // Whoever read our output may be gone, and was told on standard error.
            let _ = writeln!(io::stdout(), "{object}");
        }
        exit
    }

    /// How the program ends because of it.
    pub(crate) fn exit(&self) -> Exit {
        self.describe().exit
    }

    /// The reason code that the server gave.
    fn reason(&self) -> Option<ReasonCode> {
        match self {
            CliError::Connect { source, .. } => source.reason(),
            CliError::Lost(disconnected) => disconnected.reason(),
            CliError::Request { source: RequestError::Refused { reasons, .. }, .. } => {
                reasons.first().copied()
            }
            CliError::Request { source: RequestError::Invalid(error), .. } => Some(error.reason_code()),
            _ => None,
        }
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
            CliError::Security(error) => Report::new(Exit::Internal, error.to_string()),
            CliError::NoUser { path, user } => {
                Report::new(Exit::Internal, format!("{}: there is no user {user:?}", path.display()))
            }
            CliError::Write { path, source } => {
                Report::new(Exit::Internal, format!("cannot write {}: {source}", path.display()))
            }
            CliError::Recording { name, line, why } => {
                Report::new(Exit::Usage, format!("{name}, line {line}: {why}"))
            }
            CliError::Capture { name, why } => Report::new(Exit::Usage, format!("{name}: {why}")),
            CliError::NoPacket(why) => Report::new(Exit::Malformed, why.as_str()),
            CliError::JsonCutShort(at) => {
                Report::new(Exit::CutShort, format!("{at}: the input ends in the middle of it"))
            }
            // Whoever read our output has seen enough.
            CliError::Stdio(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                Report { message: None, hint: None, exit: Exit::Ok }
            }
            CliError::Stdio(error) => Report::new(Exit::Internal, format!("cannot read or write: {error}")),
            CliError::Internal(error) => Report::new(Exit::Internal, error.to_string()),
            CliError::Connect { server, source, hint } => {
                Report::new(connect_exit(source), format!("{server}: {source}")).with_hint(hint.clone())
            }
            CliError::Lost(disconnected) => Report::new(lost_exit(disconnected), disconnected.to_string()),
            CliError::Request { what, source } => {
                Report::new(request_exit(source), format!("{what}: {source}"))
            }
            CliError::NotConnected { why, hint } => {
                Report::new(Exit::Unreachable, why.as_str()).with_hint(hint.clone())
            }
            CliError::NoBroker(why) => Report::new(Exit::Unreachable, why.as_str()),
            CliError::NotJson { topic } => {
                Report::new(Exit::Internal, format!("the payload is not valid JSON on topic {topic:?}"))
            }
            CliError::Store { directory, source } => {
                Report::new(Exit::Internal, format!("{}: {source}", directory.display()))
            }
            CliError::TooLarge { name } => {
                Report::new(Exit::Usage, format!("{name}: larger than the 256 MiB that a packet can hold"))
            }
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

fn connect_exit(error: &ConnectError) -> Exit {
    match (error, error.kind()) {
        (ConnectError::File { .. }, _) => Exit::Internal,
        (_, ConnectErrorKind::Options) => Exit::Usage,
        (_, ConnectErrorKind::Unreachable | ConnectErrorKind::Timeout) => Exit::Unreachable,
        (_, ConnectErrorKind::Authentication) => Exit::Authentication,
        (_, ConnectErrorKind::Refused) => Exit::Refused,
        (_, ConnectErrorKind::Protocol) => Exit::Malformed,
    }
}

fn lost_exit(disconnected: &Disconnected) -> Exit {
    match disconnected {
        Disconnected::ByServer { .. } => Exit::Refused,
        Disconnected::Protocol(_) => Exit::Malformed,
        Disconnected::Authentication(_) => Exit::Authentication,
        _ => Exit::Unreachable,
    }
}

fn request_exit(error: &RequestError) -> Exit {
    match error {
        RequestError::Invalid(_) | RequestError::Refused { .. } => Exit::RequestRefused,
        _ => Exit::Unreachable,
    }
}

fn input_hint(error: &InputError) -> Option<String> {
    match error {
        InputError::NoForm { .. } | InputError::NoWholeForm => {
            Some("--in says how the input is to be read".to_owned())
        }
        InputError::OddDigits { .. } => Some("a file whose name is hex is written as ./NAME".to_owned()),
        _ => None,
    }
}

/// One line for a command line that does not parse, with the nearest name there is.
pub(crate) fn arguments_message(error: &clap::Error) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) if !texts.is_empty() => Some(texts.join(", ")),
        _ => None,
    };
    // Without the names of its values: `--show <VIEW>`.
    let name_of = |argument: String| argument.split(' ').next().unwrap_or_default().to_owned();
    let argument = text(ContextKind::InvalidArg).map(name_of).unwrap_or_default();
    let value = text(ContextKind::InvalidValue);
    let suggestion =
        [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue]
            .into_iter()
            // Of several names the last one is the nearest.
            .find_map(|kind| match error.get(kind) {
                Some(ContextValue::Strings(names)) => names.last().cloned(),
                _ => text(kind),
            })
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
            let value = value.unwrap_or_default();
            let why = why_no_value(error, &value).map(|why| format!(": {why}")).unwrap_or_default();
            format!("{argument} cannot be {value}{why}")
        }
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues | ErrorKind::TooManyValues => {
            format!("{argument} has the wrong number of values")
        }
        ErrorKind::ArgumentConflict => match text(ContextKind::PriorArg).map(name_of) {
            Some(other) if other == argument => format!("{argument} can be given only once"),
            Some(other) => format!("{argument} does not go with {other}"),
            None => format!("{argument} does not go with the other arguments"),
        },
        ErrorKind::MissingRequiredArgument => match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::Strings(missing)) if missing.len() > 1 => {
                let names: Vec<_> = missing.iter().cloned().map(name_of).collect();
                format!("{} are missing", names.join(" and "))
            }
            _ => format!("{argument} is missing"),
        },
        ErrorKind::MissingSubcommand => "a command is missing; `vaux --help` lists them".to_owned(),
        // What is left does not come up with these commands; its first line says what it is.
        _ => error.to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    }
}

/// Why a value is none of those that are wanted, without the standard library's words for numbers, and clap's for ranges.
fn why_no_value(error: &clap::Error, value: &str) -> Option<String> {
    let source = std::error::Error::source(error)?;
    if let Some(number) = source.downcast_ref::<ParseIntError>() {
        let words = match number.kind() {
            IntErrorKind::Zero => "it is at least 1",
            IntErrorKind::PosOverflow => "it is too large",
            _ => "it is no whole number",
        };
        return Some(words.to_owned());
    }
    let words = source.to_string();
    let range = words.strip_prefix(&format!("{value} is not in ")).and_then(|range| range.split_once("..="));
    Some(match range {
        Some((least, most)) if !least.is_empty() => format!("it is from {least} to {most}"),
        Some((_, most)) => format!("it is at most {most}"),
        None => words,
    })
}
