//! The standard input of a command: what `<<` gives it, and nothing otherwise. The shell reads its own lines elsewhere.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use crate::cli_error::CliError;

/// Standard input is a command's, as long as this lives.
pub(super) struct Redirected {
    saved: OwnedFd,
}

impl Redirected {
    /// Gives `input` to whatever reads standard input from now on.
    pub(super) fn to(input: Option<String>) -> Result<Redirected, CliError> {
        let saved =
            rustix::io::fcntl_dupfd_cloexec(io::stdin(), 0).map_err(|error| internal(error.into()))?;
        let source: OwnedFd = match input {
            None => File::open("/dev/null").map_err(internal)?.into(),
            Some(text) => {
                let (reader, mut writer) = io::pipe().map_err(internal)?;
                // A command that does not read all of it closes the pipe.
                std::thread::spawn(move || drop(writer.write_all(text.as_bytes())));
                reader.into()
            }
        };
        rustix::stdio::dup2_stdin(&source).map_err(|error| internal(error.into()))?;
        Ok(Redirected { saved })
    }
}

impl Drop for Redirected {
    fn drop(&mut self) {
        // What a command has left is not for the next one.
        let mut rest = [0; 4096];
        let mut stdin = io::stdin().lock();
        while matches!(stdin.read(&mut rest), Ok(1..)) {}
        drop(stdin);
        // It was standard input before, and is open.
        let _ = rustix::stdio::dup2_stdin(&self.saved);
    }
}

fn internal(error: io::Error) -> CliError {
    CliError::Internal(error)
}
