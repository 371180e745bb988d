//! A recording that is played: its messages, and where in it we are.

use std::io::BufRead;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use vaux_client::{Message, QoS};

/// A recording, as `vaux record` writes it.
#[derive(Debug, Default)]
pub(crate) struct Recording {
    /// When it began, in milliseconds since 1970.
    pub(crate) start_ms: u64,
    /// The recorded broker.
    pub(crate) broker: String,
    /// Messages with their times since the start, in microseconds.
    pub(crate) messages: Vec<(u64, Message)>,
}

/// The first line.
#[derive(Deserialize)]
struct Head {
    vaux: String,
    #[serde(default)]
    start: String,
    #[serde(default)]
    broker: String,
}

/// A line of a message.
#[derive(Deserialize)]
struct Entry {
    us: u64,
    t: String,
    #[serde(default)]
    q: u8,
    #[serde(default)]
    r: bool,
    p: Option<String>,
    b64: Option<String>,
}

/// Larger recordings are not held in memory.
const MAX_BYTES: u64 = 1 << 30;

impl Recording {
    /// Reads a recording. A last line that is torn is left out.
    pub(crate) fn read(mut input: impl BufRead) -> Result<Recording, String> {
        let mut line = Vec::new();
        let mut recording = Recording::default();
        let mut bytes = 0;
        for number in 1.. {
            line.clear();
            // A line without end is torn, however long it is.
            let count = std::io::Read::take(&mut input, MAX_BYTES - bytes + 1)
                .read_until(b'\n', &mut line)
                .map_err(|error| error.to_string())?;
            bytes += count as u64;
            if bytes > MAX_BYTES {
                return Err("the recording has more than 1 GiB".to_owned());
            }
            if count == 0 {
                break;
            }
            let outcome = match number {
                1 => recording.take_head(&line),
                _ => recording.take_entry(&line),
            };
            match outcome {
                Ok(()) => {}
                Err(_) if number > 1 && !line.ends_with(b"\n") => break,
                Err(error) => return Err(format!("line {number}: {error}")),
            }
        }
        if bytes == 0 {
            return Err("the file is empty".to_owned());
        }
        // Time does not run backwards, whatever a file says.
        let mut last = 0;
        for (us, _) in &mut recording.messages {
            last = last.max(*us);
            *us = last;
        }
        Ok(recording)
    }

    fn take_head(&mut self, line: &[u8]) -> Result<(), String> {
        let head: Head = serde_json::from_slice(line)
            .map_err(|_| "this is no recording of vaux: {\"vaux\":\"rec/1\",…} is missing".to_owned())?;
        if head.vaux != "rec/1" {
            return Err(format!("recordings of the form {:?} are not known", head.vaux));
        }
        let start: Option<jiff::Timestamp> = head.start.parse().ok();
        self.start_ms = start.and_then(|start| u64::try_from(start.as_millisecond()).ok()).unwrap_or(0);
        self.broker = head.broker;
        Ok(())
    }

    fn take_entry(&mut self, line: &[u8]) -> Result<(), String> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let entry: Entry = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let payload = match (entry.p, entry.b64) {
            (Some(text), _) => text.into_bytes(),
            (None, Some(base64)) => STANDARD.decode(base64).map_err(|error| error.to_string())?,
            (None, None) => Vec::new(),
        };
        let qos = match entry.q {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            2 => QoS::ExactlyOnce,
            other => return Err(format!("there is no QoS {other}")),
        };
        self.messages.push((entry.us, Message::new(entry.t, payload).qos(qos).retain(entry.r)));
        Ok(())
    }

    /// How long it is, in microseconds.
    pub(crate) fn length_us(&self) -> u64 {
        self.messages.last().map_or(0, |(us, _)| *us)
    }
}

/// What came in one second of a recording.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Second {
    pub(crate) at_s: u64,
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

/// A recording at a position.
#[derive(Debug)]
pub(crate) struct Replay {
    pub(crate) recording: Recording,
    /// The message that comes next.
    pub(crate) next: usize,
    pub(crate) position_us: u64,
    /// In quarters, so that halves and quarters are exact.
    pub(crate) speed_quarters: u64,
    pub(crate) is_playing: bool,
    /// The second in which messages are being counted, and what it came to so far.
    pub(crate) second: Second,
}

impl Replay {
    /// The beginning of a recording, playing.
    pub(crate) fn new(recording: Recording) -> Replay {
        Replay {
            recording,
            next: 0,
            position_us: 0,
            speed_quarters: 4,
            is_playing: true,
            second: Second::default(),
        }
    }

    /// The time of the recording, in milliseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        self.recording.start_ms.saturating_add(self.position_us / 1000)
    }

    /// The speed in words.
    pub(crate) fn speed(&self) -> String {
        match self.speed_quarters {
            1 => "1/4".to_owned(),
            2 => "1/2".to_owned(),
            quarters => format!("{}", quarters / 4),
        }
    }

    /// Twice the speed, or half of it.
    pub(crate) fn change_speed(&mut self, is_faster: bool) {
        let speed = if is_faster { self.speed_quarters * 2 } else { self.speed_quarters / 2 };
        self.speed_quarters = speed.clamp(1, 4 * 256);
    }

    /// How far `[` and `]` go.
    pub(crate) fn leap_us(&self) -> u64 {
        (self.recording.length_us() / 20).max(1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = r##"{"vaux":"rec/1","start":"2026-11-22T21:00:00.000000Z","broker":"localhost:8883","v":5,"filters":["#"]}"##;

    #[test]
    fn lines_become_messages_and_a_torn_last_one_is_left_out() {
        let text = format!(
            "{HEAD}\n{}\n{}\n{}",
            r#"{"us":1204113,"t":"a/b","q":1,"r":false,"p":"21.5","props":[["content-type","text/plain"]]}"#,
            r#"{"us":1310002,"t":"cam","q":0,"r":true,"b64":"AAH/Cg=="}"#,
            r#"{"us":1400000,"t":"ca"#
        );
        let recording = Recording::read(text.as_bytes()).unwrap();
        assert_eq!(recording.messages.len(), 2);
        assert_eq!(recording.start_ms, 1_795_381_200_000);
        assert_eq!(recording.length_us(), 1_310_002);
        assert_eq!(&recording.messages[1].1.payload[..], b"\x00\x01\xff\n");
        assert_eq!(recording.messages[0].1.qos, QoS::AtLeastOnce);
    }

    #[test]
    fn what_is_no_recording_is_refused_with_its_line() {
        let broken = format!("{HEAD}\nx\n");
        for (text, error) in [
            ("", "empty"),
            ("hello\n", "line 1: this is no recording"),
            ("{\"vaux\":\"rec/9\"}\n", "line 1: recordings of the form"),
            (broken.as_str(), "line 2: "),
        ] {
            let found = Recording::read(text.as_bytes()).unwrap_err();
            assert!(found.contains(error), "{found}");
        }
    }
}
