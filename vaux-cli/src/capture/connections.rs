//! All connections of a capture.

use std::collections::HashMap;
use std::net::SocketAddr;

use vaux_mqtt::Version;

use super::connection::{Connection, Event};
use super::link::Segment;
use super::time::Time;

/// Over so many connections those are forgotten that said nothing for the longest time.
const MAX_CONNECTIONS: usize = 65_536;

/// The most that all connections hold of packets that are not whole, and how often that is looked at. A frame has 64 KiB at
/// most, so that what comes in between is limited too.
const MAX_HELD_BYTES: usize = 256 << 20;
const CHECK_FRAMES: u64 = 2048;

/// Connections by their ends, the smaller address first.
#[derive(Debug, Default)]
pub(super) struct Connections {
    named: Option<Version>,
    table: HashMap<[SocketAddr; 2], Connection>,
    frames: u64,
    streams: usize,
    counts: Counts,
}

/// What connections came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Connections.
    pub(crate) connections: usize,
    /// Those in which MQTT was found.
    pub(crate) mqtt: usize,
    /// Segments that brought nothing new.
    pub(crate) repeated: u64,
    /// Segments that came before others which precede them.
    pub(crate) early: u64,
}

impl Connections {
    /// Reads packets as `named`, if the user named a version.
    pub(super) fn new(named: Option<Version>) -> Connections {
        Connections { named, ..Connections::default() }
    }

    /// Takes a segment.
    pub(super) fn take(&mut self, segment: &Segment<'_>, time: Time, out: &mut Vec<Event>) {
        self.frames += 1;
        if self.frames.is_multiple_of(CHECK_FRAMES) {
            self.forget_large(time, out);
        }
        let mut ends = [segment.from, segment.to];
        ends.sort_unstable();
        if let Some(connection) = self.table.get(&ends)
            && connection.is_followed_by(segment)
        {
            self.forget(ends, time, out);
        }
        if !self.table.contains_key(&ends) {
            if self.table.len() >= MAX_CONNECTIONS {
                self.forget_idle(time, out);
            }
            self.table.insert(ends, Connection::new(self.streams, segment, self.named));
            self.streams += 1;
        }
        if let Some(connection) = self.table.get_mut(&ends) {
            connection.last_frame = self.frames;
            connection.take(segment, time, out);
        }
    }

    /// Tells what is left: the capture ended.
    pub(super) fn close(&mut self, time: Time, out: &mut Vec<Event>) -> Counts {
        let mut connections: Vec<_> = self.table.iter().map(|(ends, it)| (it.last_frame, *ends)).collect();
        connections.sort_unstable();
        for (_, ends) in connections {
            self.forget(ends, time, out);
        }
        self.counts
    }

    fn forget(&mut self, ends: [SocketAddr; 2], time: Time, out: &mut Vec<Event>) {
        let Some(mut connection) = self.table.remove(&ends) else { return };
        if !connection.is_closed() {
            connection.close(time, out);
        }
        let (repeated, early) = connection.disorder();
        self.counts.connections += 1;
        self.counts.mqtt += usize::from(connection.is_mqtt());
        self.counts.repeated += repeated;
        self.counts.early += early;
    }

    /// Makes room: what holds most goes first.
    fn forget_large(&mut self, time: Time, out: &mut Vec<Event>) {
        let mut sum: usize = self.table.values().map(Connection::held_bytes).sum();
        if sum <= MAX_HELD_BYTES {
            return;
        }
        let mut largest: Vec<_> = self.table.iter().map(|(ends, it)| (*ends, it.held_bytes())).collect();
        largest.sort_unstable_by_key(|(ends, bytes)| (std::cmp::Reverse(*bytes), *ends));
        for (ends, bytes) in largest {
            self.forget(ends, time, out);
            sum -= bytes;
            if sum <= MAX_HELD_BYTES / 2 {
                return;
            }
        }
    }

    /// Makes room: the half that was heard of last stays.
    fn forget_idle(&mut self, time: Time, out: &mut Vec<Event>) {
        let mut frames: Vec<u64> = self.table.values().map(|connection| connection.last_frame).collect();
        frames.sort_unstable();
        let median = frames[frames.len() / 2];
        let mut idle: Vec<_> = self.table.iter().filter(|(_, it)| it.last_frame < median).collect();
        idle.sort_unstable_by_key(|(_, connection)| connection.last_frame);
        let idle: Vec<_> = idle.into_iter().map(|(ends, _)| *ends).collect();
        for ends in idle {
            self.forget(ends, time, out);
        }
    }
}
