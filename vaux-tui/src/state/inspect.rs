//! The last messages that came, to look into.

use std::collections::VecDeque;

use vaux_client::Message;
use vaux_mqtt::packet::Publish;
use vaux_mqtt::{QoS, Version};

use super::cursor::Cursor;
use super::scroll::Scroll;
use super::search::Search;

/// A message and when it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// In milliseconds of the dashboard's clock.
    pub(crate) at: u64,
    pub(crate) message: Message,
}

/// The list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inspect {
    seen: VecDeque<Seen>,
    bytes: usize,
    /// The number of the first message that is kept, counted from the first that ever came.
    first: u64,
    /// The messages that the filter finds, by their numbers.
    found: VecDeque<u64>,
    pub(crate) search: Search,
    pub(crate) cursor: Cursor,
    /// Whether the newest is selected, whichever that is. Else the list stands still: what is looked at is not to be
    /// pushed out by what comes.
    pub(crate) is_following: bool,
    /// What came while it stood still.
    pub(crate) passed_by: u64,
    /// How far the decode view is scrolled.
    pub(crate) scroll: Scroll,
}

/// How many messages are kept.
const KEPT: usize = 1000;
/// How many bytes they hold at most.
const KEPT_BYTES: usize = 8 << 20;
/// What a message takes beside its topic and payload.
const OVERHEAD_BYTES: usize = 160;

fn size(message: &Message) -> usize {
    OVERHEAD_BYTES + message.topic.len() + message.payload.len() + message.properties.list().body_len()
}

impl Inspect {
    /// An empty list that shows the newest.
    pub(crate) fn new() -> Inspect {
        Inspect { is_following: true, ..Inspect::default() }
    }

    /// Adds a message. One that is larger than all that may be kept is not.
    pub(crate) fn push(&mut self, at: u64, message: Message) {
        if !self.is_following {
            self.passed_by += 1;
            return;
        }
        let size = size(&message);
        if size > KEPT_BYTES {
            return;
        }
        while self.seen.len() >= KEPT || self.bytes + size > KEPT_BYTES {
            self.forget_oldest();
        }
        if self.search.finds_topic(&message.topic) {
            self.found.push_back(self.first + self.seen.len() as u64);
        }
        self.bytes += size;
        self.seen.push_back(Seen { at, message });
    }

    fn forget_oldest(&mut self) {
        let Some(oldest) = self.seen.pop_front() else { return };
        self.bytes -= size(&oldest.message);
        if self.found.front() == Some(&self.first) {
            self.found.pop_front();
        }
        self.first += 1;
    }

    /// Sets the filter.
    pub(crate) fn look_for(&mut self, search: Search) {
        self.search = search;
        let numbered = (self.first..).zip(&self.seen);
        self.found = numbered
            .filter(|(_, seen)| self.search.finds_topic(&seen.message.topic))
            .map(|(number, _)| number)
            .collect();
        self.follow(true);
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        *self = Inspect { search: std::mem::take(&mut self.search), ..Inspect::new() };
    }

    /// How many messages the filter finds.
    pub(crate) fn len(&self) -> usize {
        self.found.len()
    }

    /// The message in a row.
    pub(crate) fn row(&self, row: usize) -> Option<&Seen> {
        let number = self.found.get(row)?;
        self.seen.get((number - self.first) as usize)
    }

    /// Whether the newest is to be selected from now on.
    pub(crate) fn follow(&mut self, is_following: bool) {
        if self.is_following != is_following {
            self.passed_by = 0;
        }
        self.is_following = is_following;
        self.scroll.go_to_top();
    }

    /// The message before the selected one under the same topic.
    pub(crate) fn before_current(&self) -> Option<&Seen> {
        let current = self.current()?;
        let number = *self.found.get(self.cursor.selected)?;
        let before = self.seen.iter().take((number - self.first) as usize).rev();
        before.into_iter().find(|seen| seen.message.topic == current.message.topic)
    }

    /// The selected message.
    pub(crate) fn current(&self) -> Option<&Seen> {
        self.row(self.cursor.selected)
    }
}

/// The packet that a message came in, as far as the client library keeps it.
pub(crate) fn packet(message: &Message, version: Version) -> Vec<u8> {
    let publish = Publish {
        dup: message.dup && message.qos != QoS::AtMostOnce,
        qos: message.qos,
        retain: message.retain,
        topic: &message.topic,
        packet_id: message.packet_id,
        properties: message.properties.list(),
        payload: &message.payload,
    };
    let mut bytes = Vec::with_capacity(publish.encoded_len(version));
    publish.encode(version, &mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_in_messages_and_in_bytes() {
        let mut inspect = Inspect::new();
        (0..KEPT + 10).for_each(|n| inspect.push(0, Message::new(format!("t/{n}"), "x")));
        assert_eq!(inspect.len(), KEPT);
        assert_eq!(&*inspect.row(0).unwrap().message.topic, "t/10");
        (0..20).for_each(|_| inspect.push(0, Message::new("large", vec![0; 1 << 20])));
        assert!(inspect.bytes <= KEPT_BYTES && inspect.len() == 7, "{} bytes", inspect.bytes);
        inspect.push(0, Message::new("larger than all", vec![0; KEPT_BYTES]));
        assert_eq!(inspect.len(), 7);
    }

    #[test]
    fn the_packet_decodes_to_the_message() {
        let message = Message::new("a/b", "21.5").qos(QoS::AtLeastOnce);
        let packet = packet(&message, Version::V5);
        assert_eq!(packet, b"\x32\x0c\x00\x03a/b\x00\x01\x0021.5");
    }
}
