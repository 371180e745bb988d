//! Where the lines of a script come from.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor};
use std::path::Path;

use super::words::{Fault, Line, parse};
use crate::cli_error::CliError;

/// A script may have longer lines than this only in its inputs; all of a command is held at once.
const MAX_COMMAND_BYTES: usize = 256 * 1024 * 1024;

/// A script that is being read.
pub(super) struct Script {
    /// What errors call it.
    pub(super) name: String,
    lines: Box<dyn BufRead>,
    /// How many lines were read.
    line: usize,
}

/// Commands of one line, or of several that belong together.
pub(super) struct Passage {
    /// Where it begins.
    pub(super) line: usize,
    /// What it says.
    pub(super) commands: Result<Vec<Line>, Fault>,
}

impl Script {
    /// A file, with `-` for standard input.
    pub(super) fn open(path: &Path) -> Result<Script, CliError> {
        if path.as_os_str() == "-" {
            return Script::stdin();
        }
        let file = File::open(path).map_err(|source| CliError::File { path: path.to_owned(), source })?;
        Ok(Script { name: path.display().to_string(), lines: Box::new(BufReader::new(file)), line: 0 })
    }

    /// Standard input, by a handle of its own: commands have other standard input.
    pub(super) fn stdin() -> Result<Script, CliError> {
        let handle = rustix::io::fcntl_dupfd_cloexec(io::stdin(), 0)
            .map_err(|error| CliError::Internal(error.into()))?;
        let lines = Box::new(BufReader::new(File::from(handle)));
        Ok(Script { name: "standard input".to_owned(), lines, line: 0 })
    }

    /// Commands of the command line.
    pub(super) fn text(text: String) -> Script {
        Script { name: "-e".to_owned(), lines: Box::new(Cursor::new(text)), line: 0 }
    }

    /// The next commands.
    pub(super) fn next(&mut self) -> Result<Option<Passage>, CliError> {
        let first = self.line + 1;
        let mut text = String::new();
        loop {
            let len = self.lines.read_line(&mut text).map_err(CliError::Stdio)?;
            if len == 0 && text.is_empty() {
                return Ok(None);
            }
            self.line += usize::from(len > 0);
            let commands = parse(&text);
            let goes_on = matches!(commands, Err(Fault::Unfinished(_)));
            if !goes_on || len == 0 || text.len() > MAX_COMMAND_BYTES {
                return Ok(Some(Passage { line: first, commands }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_belong_together_are_read_together() {
        let mut script = Script::text("ls\n\npub -m 'a\nb' <<X\nin\nX\nls; ls\nend 'open".to_owned());
        let mut passages = Vec::new();
        while let Some(passage) = script.next().unwrap() {
            passages.push((passage.line, passage.commands.map(|commands| commands.len())));
        }
        let unfinished = Err(Fault::Unfinished("within '…'"));
        assert_eq!(passages, [(1, Ok(1)), (2, Ok(0)), (3, Ok(1)), (7, Ok(2)), (8, unfinished)]);
    }
}
