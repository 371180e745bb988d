//! Why the program ends, as a line on standard error and an exit code.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::auth::FileError;
use crate::config::ConfigError;
use crate::tls::TlsError;
use crate::{StartError, TokenError};

/// Exit code for a mistake in the command line, the environment or the file.
pub(super) const USAGE: u8 = 2;
const CANNOT_BIND: u8 = 3;
const STORE: u8 = 4;
const INTERNAL: u8 = 5;

/// Why the program ends.
#[derive(Debug)]
pub(super) enum ProgramError {
    /// Settings that contradict each other or the rules.
    Usage(String),
    /// A mistake in the configuration file.
    File { path: PathBuf, error: ConfigError },
    /// A value that is out of range, wherever it came from.
    Config(ConfigError),
    /// A certificate or key that the operator named.
    Certificate(TlsError),
    /// A file that says who may connect.
    Security(FileError),
    /// There is no place for the data.
    NoDataDir,
    /// The data directory cannot be used.
    DataDir { path: PathBuf, problem: String },
    /// Another broker has the data directory.
    Locked { path: PathBuf },
    /// The local authority cannot be used.
    Authority(TlsError),
    /// The token of the API cannot be read.
    Token(TokenError),
    /// A host to listen on has no address.
    Unresolved { host: String, problem: String },
    /// The broker did not start.
    Start(StartError),
    /// What should not happen.
    Internal(io::Error),
}

impl ProgramError {
    /// Says what is wrong and returns the exit code.
    pub(super) fn report(&self) -> ExitCode {
        say(&self.message());
        ExitCode::from(self.exit_code())
    }

    pub(super) fn message(&self) -> String {
        match self {
            ProgramError::Usage(message) => message.clone(),
            ProgramError::File { path, error: ConfigError { line: Some(line), message } } => {
                format!("{}:{line}: {message}", path.display())
            }
            ProgramError::File { path, error } => format!("{}: {}", path.display(), error.message),
            ProgramError::Config(error) => error.to_string(),
            ProgramError::Certificate(error) | ProgramError::Authority(error) => error.to_string(),
            ProgramError::Security(error) => error.to_string(),
            ProgramError::NoDataDir => {
                "this user has no home directory to keep data in; say where with --data-dir".into()
            }
            ProgramError::DataDir { path, problem } => {
                format!("data directory {}: {problem}", path.display())
            }
            ProgramError::Locked { path } => format!(
                "another broker is using the data directory {}; stop it, or give this one its own with --data-dir",
                path.display()
            ),
            ProgramError::Token(error) => error.to_string(),
            ProgramError::Unresolved { host, problem } => format!("cannot listen on {host}: {problem}"),
            ProgramError::Start(error) => error.to_string(),
            ProgramError::Internal(error) => error.to_string(),
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            ProgramError::Usage(_)
            | ProgramError::File { .. }
            | ProgramError::Config(_)
            | ProgramError::Certificate(_)
            | ProgramError::Security(_)
            | ProgramError::Token(_)
            | ProgramError::Start(StartError::Token(_))
            | ProgramError::Authority(TlsError::NotCovered { .. } | TlsError::NotAName { .. })
            | ProgramError::Start(StartError::TooFewDescriptors { .. }) => USAGE,
            ProgramError::Unresolved { .. } | ProgramError::Start(StartError::Bind { .. }) => CANNOT_BIND,
            ProgramError::NoDataDir
            | ProgramError::DataDir { .. }
            | ProgramError::Locked { .. }
            | ProgramError::Start(StartError::Store { .. })
            | ProgramError::Authority(_) => STORE,
            ProgramError::Start(StartError::Io(_)) | ProgramError::Internal(_) => INTERNAL,
        }
    }
}

impl From<StartError> for ProgramError {
    fn from(error: StartError) -> ProgramError {
        ProgramError::Start(error)
    }
}

/// Writes a line on standard error.
pub(super) fn say(message: &str) {
    eprintln!("vaux-broker: {message}");
}
