//! The file of a recording: appended to, and changed when it is full.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;
use vaux_client::Message;

use crate::cli_error::CliError;
use crate::recording::{Header, Reader, write_header, write_record};

/// How much is collected while messages keep coming.
const BUFFER_BYTES: usize = 64 * 1024;

/// Where a recording goes.
pub(in crate::commands) struct Output {
    /// The file, unless it is standard output.
    path: Option<PathBuf>,
    out: BufWriter<Box<dyn Write>>,
    header: Header,
    start: Instant,
    /// The size at which a new file begins, and how much this one has.
    rotate: Option<NonZeroU64>,
    written: u64,
    line: Vec<u8>,
}

impl Output {
    /// Opens the file and writes the header of a recording that began at `start`.
    pub(in crate::commands) fn open(
        path: Option<&Path>,
        append: bool,
        rotate: Option<NonZeroU64>,
        header: Header,
        start: Instant,
    ) -> Result<Output, CliError> {
        let (file, written): (Box<dyn Write>, u64) = match path {
            None => (Box::new(io::stdout()), 0),
            Some(path) => {
                let (file, len) = open_file(path, append)?;
                (Box::new(file), len)
            }
        };
        let out = BufWriter::with_capacity(BUFFER_BYTES, file);
        let path = path.map(Path::to_owned);
        let mut output = Output { path, out, header, start, rotate, written, line: Vec::new() };
        output.write_header()?;
        Ok(output)
    }

    /// Writes a message that arrived now.
    pub(in crate::commands) fn write(&mut self, message: &Message) -> Result<(), CliError> {
        if self.rotate.is_some_and(|size| self.written >= size.get()) {
            self.rotate()?;
        }
        let us = u64::try_from(self.start.elapsed().as_micros()).expect("no clock runs for so long");
        self.line.clear();
        write_record(&mut self.line, us, message).map_err(CliError::Internal)?;
        self.put_line()
    }

    /// Has all that was written reach the file.
    pub(in crate::commands) fn flush(&mut self) -> Result<(), CliError> {
        self.out.flush().map_err(|error| self.failed(error))
    }

    fn write_header(&mut self) -> Result<(), CliError> {
        self.line.clear();
        write_header(&mut self.line, &self.header).map_err(CliError::Internal)?;
        self.put_line()?;
        self.flush()
    }

    fn put_line(&mut self) -> Result<(), CliError> {
        self.written += self.line.len() as u64;
        self.out.write_all(&self.line).map_err(|error| self.failed(error))
    }

    /// Gives the full file a number, and begins a new one in its place.
    fn rotate(&mut self) -> Result<(), CliError> {
        let Some(path) = self.path.clone() else { return Ok(()) };
        self.flush()?;
        let full = (1u64..)
            .map(|number| {
                let mut name = path.clone().into_os_string();
                name.push(format!(".{number}"));
                PathBuf::from(name)
            })
            .find(|full| !full.exists())
            .expect("there are more numbers than files");
        let failed = |source| CliError::Write { path: full.clone(), source };
        std::fs::rename(&path, &full).map_err(failed)?;
        let (file, written) = open_file(&path, false)?;
        self.out = BufWriter::with_capacity(BUFFER_BYTES, Box::new(file));
        self.written = written;
        self.header.start = Timestamp::now();
        self.start = Instant::now();
        self.write_header()
    }

    fn failed(&self, source: io::Error) -> CliError {
        match &self.path {
            None => CliError::Stdio(source),
            Some(path) => CliError::Write { path: path.clone(), source },
        }
    }
}

/// Opens the file at its end, and says how much it holds. A file that holds something is not overwritten.
fn open_file(path: &Path, append: bool) -> Result<(File, u64), CliError> {
    let failed = |source| CliError::Write { path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    let mut file =
        options.read(append).write(true).create(true).truncate(false).open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let len = metadata.len();
    if len == 0 || !metadata.is_file() {
        return Ok((file, 0));
    }
    if !append {
        return Err(CliError::usage_with_hint(
            format!("{} holds something already", path.display()),
            "--append writes behind it",
        ));
    }
    let beginning = File::open(path).map_err(failed)?;
    let reader = Reader::new(Box::new(BufReader::new(beginning)), path.display().to_string(), false)?;
    if reader.origin().start.is_none() || !reader.is_own() {
        return Err(CliError::usage(format!("{} is no recording of vaux", path.display())));
    }
    let whole = len - torn_bytes(&mut file, len).map_err(failed)?;
    file.set_len(whole).and_then(|()| file.seek(SeekFrom::Start(whole))).map_err(failed)?;
    Ok((file, whole))
}

/// How many bytes stand behind the end of the last line: a line whose writer was stopped.
fn torn_bytes(file: &mut File, len: u64) -> io::Result<u64> {
    let mut position = len;
    let mut chunk = Vec::new();
    while position > 0 {
        let from = position.saturating_sub(BUFFER_BYTES as u64);
        chunk.clear();
        file.seek(SeekFrom::Start(from))?;
        (&mut *file).take(position - from).read_to_end(&mut chunk)?;
        if let Some(at) = chunk.iter().rposition(|&byte| byte == b'\n') {
            return Ok(len - (from + at as u64 + 1));
        }
        position = from;
    }
    Ok(len)
}

/// A size on the command line: bytes, or a number with KiB, MiB, GiB, or their decimal relatives.
pub(super) fn parse_size(text: &str) -> Result<NonZeroU64, &'static str> {
    const UNITS: [(&str, u64); 10] = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("kB", 1_000),
        ("KB", 1_000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("K", 1 << 10),
        ("M", 1 << 20),
        ("G", 1 << 30),
    ];
    let with_unit = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
    let (number, unit) = with_unit.unwrap_or((text, 1));
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    bytes.and_then(NonZeroU64::new).ok_or("it is a size such as 100MiB or 5000000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [("1", 1), ("256KiB", 262_144), ("2MB", 2_000_000), ("3M", 3 << 20)] {
            assert_eq!(parse_size(text).unwrap().get(), bytes);
        }
        for text in ["", "0", "MiB", "-1", "1.5M", "1TiB", "99999999999G"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
