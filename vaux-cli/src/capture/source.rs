//! A capture, whatever it is written in, and the packets of MQTT in it.

use std::collections::VecDeque;
use std::io::Read;

use vaux_mqtt::Version;

use super::connection::Event;
use super::connections::{Connections, Counts};
use super::file::{File, Frame};
use super::link::segment;
use super::text;
use super::time::Time;

/// A capture that is being read.
pub(crate) struct Capture {
    frames: Frames,
    connections: Connections,
    events: VecDeque<Event>,
    first: Time,
    last: Time,
    counts: Option<Counts>,
}

enum Frames {
    File(Box<File>),
    Text(std::vec::IntoIter<Frame>),
}

impl Capture {
    /// Reads a file of tcpdump or Wireshark. `version` is the one that the user named.
    ///
    /// # Errors
    ///
    /// What is wrong with its beginning, in words.
    pub(crate) fn of_file(input: Box<dyn Read + Send>, version: Option<Version>) -> Result<Capture, String> {
        Ok(Capture::new(Frames::File(Box::new(File::open(input)?)), version))
    }

    /// Reads what tcpdump or tshark printed with `-x`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in words.
    pub(crate) fn of_text(text: &str, version: Option<Version>) -> Result<Capture, String> {
        Ok(Capture::new(Frames::Text(text::frames(text)?.into_iter()), version))
    }

    fn new(frames: Frames, version: Option<Version>) -> Capture {
        Capture {
            frames,
            connections: Connections::new(version),
            events: VecDeque::new(),
            first: Time::Unknown,
            last: Time::Unknown,
            counts: None,
        }
    }

    /// What comes next, `None` at the end.
    ///
    /// # Errors
    ///
    /// What is wrong with the capture, in words.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, String> {
        let mut events = Vec::new();
        while self.events.is_empty() && self.counts.is_none() {
            let frame = match &mut self.frames {
                Frames::File(file) => file.next()?,
                Frames::Text(frames) => frames.next(),
            };
            match frame {
                Some(frame) => {
                    self.last = frame.time;
                    if self.first == Time::Unknown {
                        self.first = frame.time;
                    }
                    if let Some(segment) = segment(frame.link, &frame.bytes) {
                        self.connections.take(&segment, frame.time, &mut events);
                    }
                }
                None => self.counts = Some(self.connections.close(self.last, &mut events)),
            }
            self.events.extend(events.drain(..));
        }
        Ok(self.events.pop_front())
    }

    /// When it began.
    pub(crate) fn start(&self) -> Time {
        self.first
    }

    /// What was in it, once it was read to its end.
    pub(crate) fn counts(&self) -> Option<Counts> {
        self.counts
    }

    /// Whether it ends in the middle of a frame.
    pub(crate) fn is_cut(&self) -> bool {
        matches!(&self.frames, Frames::File(file) if file.is_cut())
    }

    /// The link type of frames that could not be read, if there were any.
    pub(crate) fn unread_link(&self) -> Option<i32> {
        if let Frames::File(file) = &self.frames { file.unread_link() } else { None }
    }
}
