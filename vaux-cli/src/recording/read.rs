//! Reading recordings, whatever program made them.

use std::io::{BufRead, Read};

use jiff::Timestamp;

use super::line::{self, Line};
use super::{Record, captured, mosquitto, mqtt_recorder};
use crate::capture::is_capture;
use crate::cli_error::CliError;

/// The longest line. The largest payload fits, even if each of its bytes is escaped.
const MAX_LINE_BYTES: u64 = 2 << 30;

/// What a recording says about itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// When it began. What was recorded elsewhere begins with its first message.
    pub(crate) start: Option<Timestamp>,
    /// Host and port of the broker, where it is known.
    pub(crate) broker: Option<String>,
}

/// How a recording is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Vaux,
    Mosquitto,
    MqttRecorder {
        is_base64: bool,
    },
    /// A capture of a network, which has no lines.
    Capture,
}

/// What is in a recording but could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Missing {
    /// Whether it ends in the middle of something.
    pub(crate) is_torn: bool,
    /// How many messages are not whole.
    pub(crate) cut: u64,
    /// Whether it is a capture of a network, and not lines.
    pub(crate) is_capture: bool,
}

impl Missing {
    /// It in words.
    pub(crate) fn texts(self) -> impl Iterator<Item = String> {
        let torn = match self.is_capture {
            true => "the capture ends in the middle of a frame",
            false => "the last line of the recording is torn, and was left out",
        };
        let cut = match self.is_capture {
            true => "they are not whole in the capture",
            false => "mosquitto_sub had cut their payload, which is no text",
        };
        let cut = (self.cut > 0).then(|| format!("{} messages were left out: {cut}", self.cut));
        self.is_torn.then(|| torn.to_owned()).into_iter().chain(cut)
    }
}

/// Reads a recording line by line.
pub(crate) struct Reader {
    input: Box<dyn BufRead + Send>,
    name: String,
    form: Form,
    origin: Origin,
    /// The record on the first line, when that is none about the recording.
    first: Option<Record>,
    /// The records of a capture, and how many there were.
    captured: std::vec::IntoIter<Record>,
    captured_count: usize,
    /// The lines read so far, and the bytes.
    lines: u64,
    bytes: u64,
    /// What the times of the present part begin with.
    part_us: u64,
    first_us: Option<u64>,
    is_torn: bool,
    cut: u64,
}

impl Reader {
    /// Reads the beginning. `name` is what to call the input, `is_base64` what the payloads of a CSV file are.
    pub(crate) fn new(
        input: Box<dyn BufRead + Send>,
        name: String,
        is_base64: bool,
    ) -> Result<Reader, CliError> {
        let mut reader = Reader {
            input,
            name,
            form: Form::Vaux,
            origin: Origin::default(),
            first: None,
            captured: Vec::new().into_iter(),
            captured_count: 0,
            lines: 0,
            bytes: 0,
            part_us: 0,
            first_us: None,
            is_torn: false,
            cut: 0,
        };
        let beginning = reader.input.fill_buf();
        let beginning = beginning.map_err(|source| CliError::File { path: (&reader.name).into(), source })?;
        if is_capture(beginning) {
            return reader.read_capture();
        }
        if !matches!(beginning, [b'{', ..] | []) {
            reader.form = Form::MqttRecorder { is_base64 };
        }
        reader.first = reader.read_first()?;
        Ok(reader)
    }

    /// What the recording says about itself.
    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether this program made it.
    pub(crate) fn is_own(&self) -> bool {
        self.form == Form::Vaux
    }

    /// How much of a recording of `len` bytes was given, from 0 to 1.
    pub(crate) fn fraction(&self, len: u64) -> f64 {
        let (given, all) = match self.form {
            Form::Capture => (self.captured_count - self.captured.len(), self.captured_count as u64),
            _ => (self.bytes as usize, len),
        };
        (given as f64 / all.max(1) as f64).min(1.0)
    }

    /// What could not be read so far.
    pub(crate) fn missing(&self) -> Missing {
        Missing { is_torn: self.is_torn, cut: self.cut, is_capture: self.form == Form::Capture }
    }

    /// The next message, `None` behind the last one.
    pub(crate) fn next(&mut self) -> Result<Option<Record>, CliError> {
        if let Some(record) = self.first.take().or_else(|| self.captured.next()) {
            return Ok(Some(record));
        }
        if self.form == Form::Capture {
            return Ok(None);
        }
        while let Some((text, is_whole)) = self.read_text()? {
            match self.read_record(&text) {
                Ok(Some(record)) => return Ok(Some(record)),
                Ok(None) => {}
                // Whoever wrote it was stopped in the middle.
                Err(_) if !is_whole => self.is_torn = true,
                Err(why) => return Err(self.wrong(why)),
            }
        }
        Ok(None)
    }

    /// Reads a capture to its end.
    fn read_capture(mut self) -> Result<Reader, CliError> {
        let input = std::mem::replace(&mut self.input, Box::new(std::io::empty()));
        let read = captured::read(input, &self.name)?;
        self.form = Form::Capture;
        self.origin = read.origin;
        (self.is_torn, self.cut) = (read.is_torn, read.cut);
        self.captured_count = read.records.len();
        self.captured = read.records.into_iter();
        Ok(self)
    }

    /// Reads the first line, which tells whose form it is.
    fn read_first(&mut self) -> Result<Option<Record>, CliError> {
        let Some((text, is_whole)) = self.read_text()? else { return Ok(None) };
        if self.form == Form::Vaux && !text.starts_with("{\"vaux\"") && line::read(&text).is_err() {
            self.form = Form::Mosquitto;
        }
        match self.read_record(&text) {
            Ok(record) => Ok(record),
            Err(_) if !is_whole => {
                self.is_torn = true;
                Ok(None)
            }
            // A row has at least five fields.
            Err(_) if !text.starts_with('{') && text.matches(',').count() < 4 => {
                let forms = "vaux, mosquitto_sub and mqtt-recorder";
                Err(self
                    .wrong(format!("this is no recording: neither of {forms}, nor a capture of a network")))
            }
            Err(why) => Err(self.wrong(why)),
        }
    }

    /// The message of a line, if there is one.
    fn read_record(&mut self, text: &str) -> Result<Option<Record>, String> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        match self.form {
            Form::Vaux => match line::read(text)? {
                Line::Header { start, broker } => {
                    let first = *self.origin.start.get_or_insert(start);
                    let part = start.as_microsecond().saturating_sub(first.as_microsecond());
                    self.part_us = u64::try_from(part).unwrap_or_default();
                    self.origin.broker = broker.or(self.origin.broker.take());
                    Ok(None)
                }
                Line::Record(mut record) => {
                    record.us = record.us.saturating_add(self.part_us);
                    Ok(Some(record))
                }
            },
            Form::Mosquitto => {
                let (time, message) = mosquitto::read(text)?;
                let us = u64::try_from(time.as_microsecond()).unwrap_or_default();
                self.begin(us);
                self.cut += u64::from(message.is_none());
                Ok(message.map(|message| Record { us: self.us_since_first(us), message }))
            }
            Form::MqttRecorder { is_base64 } => {
                let (us, message) = mqtt_recorder::read(text, is_base64)?;
                self.begin(us);
                Ok(Some(Record { us: self.us_since_first(us), message }))
            }
            Form::Capture => Ok(None),
        }
    }

    /// Takes the time of the first message as the start.
    fn begin(&mut self, us: u64) {
        if self.first_us.is_none() {
            self.first_us = Some(us);
            self.origin.start = i64::try_from(us).ok().and_then(|us| Timestamp::from_microsecond(us).ok());
        }
    }

    fn us_since_first(&self, us: u64) -> u64 {
        us.saturating_sub(self.first_us.unwrap_or_default())
    }

    /// The next line, or row, and whether its end was there.
    fn read_text(&mut self) -> Result<Option<(String, bool)>, CliError> {
        let mut text = Vec::new();
        loop {
            self.lines += 1;
            let left = MAX_LINE_BYTES - text.len() as u64;
            let read = (&mut self.input).take(left).read_until(b'\n', &mut text);
            let read = read.map_err(|source| CliError::File { path: (&self.name).into(), source })?;
            self.bytes += read as u64;
            let is_whole = text.last() == Some(&b'\n');
            if !is_whole && text.len() as u64 == MAX_LINE_BYTES {
                return Err(self.wrong("it is longer than any message".to_owned()));
            }
            if text.is_empty() {
                return Ok(None);
            }
            let row = String::from_utf8_lossy(&text);
            let is_row = matches!(self.form, Form::MqttRecorder { .. });
            if is_row && is_whole && read > 0 && mqtt_recorder::is_open(&row) {
                continue;
            }
            return match String::from_utf8(text) {
                Ok(text) => Ok(Some((text, is_whole && !(is_row && read == 0)))),
                // Cut within a character.
                Err(error) if !is_whole => {
                    Ok(Some((String::from_utf8_lossy(error.as_bytes()).into_owned(), false)))
                }
                Err(_) => Err(self.wrong("it is no text".to_owned())),
            };
        }
    }

    fn wrong(&self, why: String) -> CliError {
        CliError::Recording { name: self.name.clone(), line: self.lines, why }
    }
}
