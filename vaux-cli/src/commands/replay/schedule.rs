//! Which messages of a recording are published, and when each is due. No clock and no connection here.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use vaux_client::{Message, QoS};
use vaux_mqtt::topic::TopicName;

use super::mapping::Mapping;
use crate::cli_error::CliError;
use crate::connection::any_matches;
use crate::recording::{Missing, Origin, Reader, Record};

/// What `--speed` can be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Speed {
    /// So many times as fast as it was.
    Factor(f64),
    /// Without any pause.
    Max,
}

pub(super) fn parse_speed(text: &str) -> Result<Speed, &'static str> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    let factor = text.parse().ok().filter(|factor: &f64| factor.is_finite() && *factor >= 1e-6);
    factor.map(Speed::Factor).ok_or("it is a number above 0, or max")
}

/// A moment of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// Microseconds from the start.
    Offset(u64),
    /// A time of day.
    Time(Timestamp),
}

impl FromStr for Bound {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Bound, &'static str> {
        const WRONG: &str = "it is a number of seconds, 1m30s, or a time such as 2026-11-22T21:00:00Z";
        if let Ok(time) = text.parse() {
            return Ok(Bound::Time(time));
        }
        let duration = match text.parse::<f64>() {
            Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|_| WRONG)?,
            Err(_) => {
                let duration: SignedDuration = text.parse().map_err(|_| WRONG)?;
                duration.try_into().map_err(|_| WRONG)?
            }
        };
        u64::try_from(duration.as_micros()).map(Bound::Offset).map_err(|_| WRONG)
    }
}

impl Bound {
    /// Whether it comes before another one in every recording.
    pub(super) fn is_before(self, other: Bound) -> bool {
        match (self, other) {
            (Bound::Offset(one), Bound::Offset(other)) => one < other,
            (Bound::Time(one), Bound::Time(other)) => one < other,
            _ => false,
        }
    }

    fn us(self, origin: &Origin) -> u64 {
        match (self, origin.start) {
            (Bound::Offset(us), _) => us,
            (Bound::Time(time), Some(start)) => {
                u64::try_from(time.as_microsecond() - start.as_microsecond()).unwrap_or_default()
            }
            // Without a start there is no message either.
            (Bound::Time(_), None) => 0,
        }
    }
}

/// What `--retained` can be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Retained {
    /// They are published with the flag.
    #[default]
    Keep,
    /// They are left out.
    Drop,
    /// The others are left out.
    Only,
}

/// Which messages.
#[derive(Clone, Debug, Default)]
pub(super) struct Pick {
    pub(super) topics: Vec<String>,
    pub(super) filter_out: Vec<String>,
    pub(super) maps: Vec<Mapping>,
    pub(super) from: Option<Bound>,
    pub(super) to: Option<Bound>,
    pub(super) qos: Option<QoS>,
    pub(super) retained: Retained,
}

/// How fast, and how often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) speed: Speed,
    pub(super) max_gap: Option<Duration>,
    /// `None` for ever.
    pub(super) laps: Option<u64>,
}

/// Where the recording is.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// `None` for standard input.
    path: Option<PathBuf>,
    is_base64: bool,
}

impl Source {
    pub(super) fn new(path: &Path, is_base64: bool) -> Source {
        Source { path: (path != Path::new("-")).then(|| path.to_owned()), is_base64 }
    }

    pub(super) fn is_stdin(&self) -> bool {
        self.path.is_none()
    }

    fn open(&self) -> Result<Reader, CliError> {
        let Some(path) = &self.path else {
            let input = Box::new(BufReader::new(io::stdin()));
            return Reader::new(input, "standard input".to_owned(), self.is_base64);
        };
        let file = File::open(path).map_err(|source| CliError::File { path: path.clone(), source })?;
        Reader::new(Box::new(BufReader::new(file)), path.display().to_string(), self.is_base64)
    }

    /// The size of the file.
    fn len(&self) -> Option<u64> {
        let metadata = std::fs::metadata(self.path.as_ref()?).ok()?;
        Some(metadata.len()).filter(|len| *len > 0 && metadata.is_file())
    }
}

/// A message, and when it is due.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cue {
    /// From the beginning of the replay.
    pub(super) due: Duration,
    /// The message.
    pub(super) message: Message,
    /// How much of the recording has been read, where that is known.
    pub(super) fraction: Option<f64>,
}

/// The messages of a recording in the order in which they are due.
pub(super) struct Schedule {
    source: Source,
    len: Option<u64>,
    pick: Pick,
    pace: Pace,
    reader: Reader,
    /// Laps that were begun, and whether this one had a message.
    lap: u64,
    has_message: bool,
    /// The end of the laps before, and how far this one is: both with pauses shortened, in recorded microseconds.
    lap_us: u64,
    position_us: u64,
    /// The recorded time of the last message, at first the beginning.
    recorded_us: u64,
    missing: Missing,
}

impl Schedule {
    pub(super) fn open(source: Source, pick: Pick, pace: Pace) -> Result<Schedule, CliError> {
        let reader = source.open()?;
        let len = source.len();
        let mut schedule = Schedule {
            source,
            len,
            pick,
            pace,
            reader,
            lap: 1,
            has_message: false,
            lap_us: 0,
            position_us: 0,
            recorded_us: 0,
            missing: Missing::default(),
        };
        schedule.recorded_us = schedule.begin_us();
        Ok(schedule)
    }

    /// What the recording says about itself.
    pub(super) fn origin(&self) -> &Origin {
        self.reader.origin()
    }

    /// What could not be read so far.
    pub(super) fn missing(&self) -> Missing {
        self.missing
    }

    /// The next message, `None` when all are played.
    pub(super) fn next(&mut self) -> Result<Option<Cue>, CliError> {
        loop {
            let end_us = self.pick.to.map_or(u64::MAX, |to| to.us(self.reader.origin()));
            match self.reader.next()? {
                Some(record) if record.us <= end_us => {
                    if let Some(cue) = self.cue(record)? {
                        return Ok(Some(cue));
                    }
                }
                // Parts may overlap, and clocks be set back: a later record can still be in time.
                Some(_) => {}
                None if self.next_lap()? => {}
                None => return Ok(None),
            }
        }
    }

    fn begin_us(&self) -> u64 {
        self.pick.from.map_or(0, |from| from.us(self.reader.origin()))
    }

    /// Begins the next lap, if there is one.
    fn next_lap(&mut self) -> Result<bool, CliError> {
        self.missing = self.reader.missing();
        if self.pace.laps.is_some_and(|laps| self.lap >= laps) || !self.has_message {
            return Ok(false);
        }
        self.lap += 1;
        // One moment that comes again and again is played once a second.
        self.lap_us += if self.position_us == 0 { 1_000_000 } else { self.position_us };
        self.reader = self.source.open()?;
        (self.has_message, self.position_us, self.recorded_us) = (false, 0, self.begin_us());
        Ok(true)
    }

    /// When a message is due, if it is to be played.
    fn cue(&mut self, record: Record) -> Result<Option<Cue>, CliError> {
        if record.us < self.begin_us() || !self.pick.takes(&record.message) {
            return Ok(None);
        }
        let message = self.pick.change(record.message)?;
        // A clock that was set back stops the time, it does not turn it.
        let gap_us = record.us.saturating_sub(self.recorded_us);
        self.recorded_us = self.recorded_us.max(record.us);
        let longest_us =
            self.pace.max_gap.map_or(u64::MAX, |gap| gap.as_micros().try_into().unwrap_or(u64::MAX));
        self.position_us = self.position_us.saturating_add(gap_us.min(longest_us));
        self.has_message = true;
        let at = Duration::from_micros(self.lap_us.saturating_add(self.position_us));
        let due = match self.pace.speed {
            Speed::Factor(1.0) => at,
            Speed::Factor(factor) => {
                Duration::try_from_secs_f64(at.as_secs_f64() / factor).unwrap_or(Duration::MAX)
            }
            Speed::Max => Duration::ZERO,
        };
        let fraction = self.len.map(|len| self.reader.fraction(len));
        Ok(Some(Cue { due, message, fraction }))
    }
}

impl Pick {
    fn takes(&self, message: &Message) -> bool {
        let is_of_kind = match self.retained {
            Retained::Keep => true,
            Retained::Drop => !message.retain,
            Retained::Only => message.retain,
        };
        is_of_kind
            && (self.topics.is_empty() || any_matches(&self.topics, &message.topic))
            && !any_matches(&self.filter_out, &message.topic)
    }

    fn change(&self, mut message: Message) -> Result<Message, CliError> {
        if let Some(topic) = self.maps.iter().find_map(|map| map.apply(&message.topic)) {
            TopicName::new(&topic).map_err(|rule| {
                let why = format!("--map makes {topic:?} of {:?}: {}", message.topic, rule.text());
                CliError::usage(why)
            })?;
            message.topic = topic.into();
        }
        message.qos = self.qos.unwrap_or(message.qos);
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The topics and the milliseconds at which they are due.
    fn played(pick: Pick, pace: Pace) -> Vec<(String, u128)> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rec");
        let text = r#"{"vaux":"rec/1","start":"2026-11-22T21:00:00Z","broker":"b:1"}
{"us":1000000,"t":"a/1","p":""}
{"us":2000000,"t":"a/2","r":true,"p":""}
{"us":1500000,"t":"b/1","p":""}
{"us":12000000,"t":"a/3","p":""}
"#;
        std::fs::write(&path, text).unwrap();
        let mut schedule = Schedule::open(Source::new(&path, false), pick, pace).unwrap();
        let mut played = Vec::new();
        while let Some(cue) = schedule.next().unwrap() {
            played.push((cue.message.topic.to_string(), cue.due.as_millis()));
        }
        played
    }

    fn pace(speed: Speed, laps: u64) -> Pace {
        Pace { speed, max_gap: None, laps: Some(laps) }
    }

    fn expect(played: &[(String, u128)], expected: &[(&str, u128)]) {
        let played: Vec<_> = played.iter().map(|(topic, ms)| (topic.as_str(), *ms)).collect();
        assert_eq!(played, expected);
    }

    const ONCE: Pace = Pace { speed: Speed::Factor(1.0), max_gap: None, laps: Some(1) };

    #[test]
    fn messages_are_due_at_their_time_from_the_start() {
        let all = [("a/1", 1000), ("a/2", 2000), ("b/1", 2000), ("a/3", 12000)];
        expect(&played(Pick::default(), ONCE), &all);
        let fast = [("a/1", 250), ("a/2", 500), ("b/1", 500), ("a/3", 3000)];
        expect(&played(Pick::default(), pace(Speed::Factor(4.0), 1)), &fast);
        let max = [("a/1", 0), ("a/2", 0), ("b/1", 0), ("a/3", 0)];
        expect(&played(Pick::default(), pace(Speed::Max, 1)), &max);
    }

    #[test]
    fn the_next_lap_begins_where_the_one_before_ended() {
        let pick = Pick { topics: vec!["a/#".into()], ..Pick::default() };
        let laps =
            [("a/1", 1000), ("a/2", 2000), ("a/3", 12000), ("a/1", 13000), ("a/2", 14000), ("a/3", 24000)];
        expect(&played(pick, pace(Speed::Factor(1.0), 2)), &laps);
        let nothing = Pick { topics: vec!["x".into()], ..Pick::default() };
        expect(&played(nothing, Pace { laps: None, ..ONCE }), &[]);
    }

    #[test]
    fn a_window_begins_at_its_own_time() {
        let from = |text: &str| Some(text.parse().unwrap());
        let pick = Pick { from: from("1.5"), to: from("2s"), ..Pick::default() };
        expect(&played(pick, ONCE), &[("a/2", 500), ("b/1", 500)]);
        let pick = Pick { from: from("2026-11-22T21:00:10Z"), ..Pick::default() };
        expect(&played(pick, ONCE), &[("a/3", 2000)]);
    }

    #[test]
    fn long_pauses_are_shortened() {
        let pace = Pace { max_gap: Some(Duration::from_millis(1500)), ..ONCE };
        let short = [("a/1", 1000), ("a/2", 2000), ("b/1", 2000), ("a/3", 3500)];
        expect(&played(Pick::default(), pace), &short);
    }

    #[test]
    fn messages_are_picked_and_mapped() {
        let pick = Pick {
            filter_out: vec!["b/#".into()],
            maps: vec!["a/2=x".parse().unwrap(), "a=y".parse().unwrap()],
            ..Pick::default()
        };
        expect(&played(pick, ONCE), &[("y/1", 1000), ("x", 2000), ("y/3", 12000)]);
        let only = Pick { retained: Retained::Only, ..Pick::default() };
        expect(&played(only, ONCE), &[("a/2", 2000)]);
        let others = Pick { retained: Retained::Drop, ..Pick::default() };
        expect(&played(others, ONCE), &[("a/1", 1000), ("b/1", 1500), ("a/3", 12000)]);
    }

    #[test]
    fn bounds_and_speeds_are_read() {
        assert_eq!("1m30s".parse(), Ok(Bound::Offset(90_000_000)));
        assert_eq!("0.25".parse(), Ok(Bound::Offset(250_000)));
        for text in ["", "-1", "-5s", "yesterday", "NaN"] {
            assert!(text.parse::<Bound>().is_err(), "{text}");
        }
        assert_eq!(parse_speed("0.5"), Ok(Speed::Factor(0.5)));
        for text in ["0", "-1", "inf", "NaN", "fast", ""] {
            assert!(parse_speed(text).is_err(), "{text}");
        }
    }
}
