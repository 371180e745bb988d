//! Where the payloads of `vaux pub` come from.

use std::fs::File;
use std::io::{self, BufRead, Read};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::PubArgs;
use crate::cli_error::CliError;

/// The longest packet there is, so that no payload can be longer.
const MAX_PAYLOAD_BYTES: usize = 268_435_455;

/// How many lines may wait to be published.
const LINES: usize = 256;

/// Payloads.
#[derive(Debug)]
pub(super) enum Input {
    /// One, to be published once or more.
    Whole(Bytes),
    /// One a line.
    Lines(Lines),
}

impl Input {
    /// What the flags name.
    pub(super) fn open(args: &PubArgs) -> Result<Input, CliError> {
        if args.stdin_line {
            return Ok(Input::Lines(Lines::of_stdin()));
        }
        let payload = if let Some(message) = &args.message {
            Bytes::from(message.clone())
        } else if let Some(path) = &args.file {
            let content = File::open(path).and_then(read_all);
            let content = content.map_err(|source| CliError::File { path: path.clone(), source })?;
            content.ok_or_else(|| CliError::TooLarge { name: path.display().to_string() })?
        } else if args.stdin_file {
            let content = read_all(io::stdin().lock()).map_err(CliError::Stdio)?;
            content.ok_or_else(|| CliError::TooLarge { name: "standard input".into() })?
        } else if args.null_message {
            Bytes::new()
        } else {
            return Err(CliError::usage("the message is missing: -m MESSAGE, -f FILE, -s, -l or -n"));
        };
        Ok(Input::Whole(payload))
    }
}

/// Everything there is, or `None` when no packet can hold it.
fn read_all(reader: impl Read) -> io::Result<Option<Bytes>> {
    let mut content = Vec::new();
    reader.take(MAX_PAYLOAD_BYTES as u64 + 1).read_to_end(&mut content)?;
    Ok((content.len() <= MAX_PAYLOAD_BYTES).then(|| content.into()))
}

/// The lines of standard input, read by a thread of their own since reading blocks.
#[derive(Debug)]
pub(super) struct Lines(mpsc::Receiver<Result<Bytes, CliError>>);

impl Lines {
    fn of_stdin() -> Lines {
        let (sender, receiver) = mpsc::channel(LINES);
        std::thread::spawn(move || {
            let mut stdin = io::stdin().lock();
            while let Some(line) = read_line(&mut stdin).transpose() {
                let is_last = line.is_err();
                // Nobody wants more lines when the receiver is gone.
                if sender.blocking_send(line).is_err() || is_last {
                    return;
                }
            }
        });
        Lines(receiver)
    }

    /// The next line without its end, `None` behind the last one.
    pub(super) async fn next(&mut self) -> Option<Result<Bytes, CliError>> {
        self.0.recv().await
    }
}

fn read_line(reader: &mut impl BufRead) -> Result<Option<Bytes>, CliError> {
    let mut line = Vec::new();
    let limit = MAX_PAYLOAD_BYTES as u64 + 2;
    reader.take(limit).read_until(b'\n', &mut line).map_err(CliError::Stdio)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.len() > MAX_PAYLOAD_BYTES {
        return Err(CliError::TooLarge { name: "a line of standard input".into() });
    }
    Ok(Some(line.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lose_their_end_and_nothing_else() {
        let mut input = &b"one\n\n two \r\n\xff\0\nlast"[..];
        let mut lines = Vec::new();
        while let Some(line) = read_line(&mut input).unwrap() {
            lines.push(line.to_vec());
        }
        assert_eq!(lines, [&b"one"[..], b"", b" two \r", b"\xff\0", b"last"]);
    }
}
