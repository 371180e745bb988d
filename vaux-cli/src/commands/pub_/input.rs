//! Where the payloads of `vaux pub` come from.

use std::io::{self, BufRead, Read as _};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::PubArgs;
use crate::cli_error::CliError;
use crate::input::payload::MAX_PAYLOAD_BYTES;

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
        let payload = args.payload.read()?;
        payload
            .map(Input::Whole)
            .ok_or_else(|| CliError::usage("the message is missing: -m MESSAGE, -f FILE, -s, -l or -n"))
    }
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
