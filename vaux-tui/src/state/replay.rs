//! A recording that is played: its messages, and where in it we are.

use vaux_client::Message;

/// A recording, for [`Dashboard::of_recording`](crate::Dashboard::of_recording).
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// When it began, in milliseconds since 1970.
    start_ms: u64,
    /// The recorded broker.
    broker: String,
    /// Messages with their times since the start, in microseconds, the earliest first.
    messages: Vec<(u64, Message)>,
}

impl Recording {
    /// A recording without messages, of `broker`, that began `start_ms` milliseconds after 1970.
    pub fn new(broker: impl Into<String>, start_ms: u64) -> Recording {
        Recording { start_ms, broker: broker.into(), messages: Vec::new() }
    }

    /// Adds a message, `us` microseconds from the start. Time does not run backwards: a message never comes before those
    /// that were added before it.
    pub fn push(&mut self, us: u64, message: Message) {
        let last_us = self.length_us();
        self.messages.push((us.max(last_us), message));
    }

    /// The recorded broker.
    pub(crate) fn broker(&self) -> &str {
        &self.broker
    }

    /// The time of a position, in milliseconds since 1970.
    pub(crate) fn time_ms(&self, us: u64) -> u64 {
        self.start_ms.saturating_add(us / 1000)
    }

    /// The messages with their times since the start, in microseconds.
    pub(crate) fn messages(&self) -> &[(u64, Message)] {
        &self.messages
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
        self.recording.time_ms(self.position_us)
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
