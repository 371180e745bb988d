//! What waits to be written to one connection.

use std::collections::VecDeque;
use std::io::IoSlice;

use crate::message::Message;

/// Bytes in their order: small frames copied one behind the other, large payloads shared with other outboxes.
#[derive(Debug, Default)]
pub struct Outbox {
    /// Where small frames are appended.
    tail: Vec<u8>,
    /// What few have: a beginning that is written, or large payloads.
    front: Option<Box<Front>>,
    /// How many packets were appended since it was empty.
    packets: u32,
}

#[derive(Debug, Default)]
struct Front {
    /// What was closed off because a shared payload follows it.
    segments: VecDeque<Segment>,
    /// The bytes of the segments.
    len: usize,
    /// How much of the first segment (or of the tail, when there is none) is written.
    written: usize,
}

#[derive(Debug)]
enum Segment {
    Bytes(Vec<u8>),
    Payload(Message),
}

impl Segment {
    fn as_slice(&self) -> &[u8] {
        match self {
            Segment::Bytes(bytes) => bytes,
            Segment::Payload(message) => message.payload(),
        }
    }
}

/// Payloads from here on are shared rather than copied to each of several subscribers.
pub(super) const LARGE_PAYLOAD_BYTES: usize = 1024;

impl Outbox {
    /// How many bytes wait.
    pub fn len(&self) -> usize {
        self.front.as_ref().map_or(0, |front| front.len) + self.tail.len()
    }

    /// How many packets were appended since it was empty last: at least as many as wait.
    pub fn packets(&self) -> u32 {
        self.packets
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == self.written()
    }

    /// Where to append a packet. `buffers` gives memory to a tail that has none.
    pub fn tail(&mut self, buffers: &mut Vec<Vec<u8>>) -> &mut Vec<u8> {
        if self.tail.capacity() == 0
            && let Some(buffer) = buffers.pop()
        {
            self.tail = buffer;
        }
        self.packets = self.packets.saturating_add(1);
        &mut self.tail
    }

    /// Appends the payload of a message without copying it.
    pub fn push_payload(&mut self, message: Message) {
        let front = self.front.get_or_insert_default();
        front.len += self.tail.len() + message.payload().len();
        if !self.tail.is_empty() {
            front.segments.push_back(Segment::Bytes(std::mem::take(&mut self.tail)));
        }
        front.segments.push_back(Segment::Payload(message));
    }

    /// The bytes that wait, in at most `slices.len()` pieces; says how many were filled.
    pub fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let segments = self.front.iter().flat_map(|front| &front.segments).map(Segment::as_slice);
        let mut skipped = self.written();
        let mut count = 0;
        for (slot, segment) in slices.iter_mut().zip(segments.chain(std::iter::once(&self.tail[..]))) {
            let rest = &segment[skipped.min(segment.len())..];
            skipped = 0;
            *slot = IoSlice::new(rest);
            count += 1;
        }
        count
    }

    /// The first piece that waits. Most outboxes have only one.
    pub fn first(&self) -> &[u8] {
        let Some(front) = &self.front else { return &self.tail };
        let segment = front.segments.front().map_or(&self.tail[..], Segment::as_slice);
        &segment[front.written.min(segment.len())..]
    }

    /// Whether [`Outbox::first`] is all that waits.
    pub fn is_single(&self) -> bool {
        self.front.as_ref().is_none_or(|front| front.segments.is_empty())
    }

    /// Takes note that `count` bytes were written. The buffer of an emptied tail is given back.
    pub fn advance(&mut self, count: usize) -> Option<Vec<u8>> {
        if self.front.is_some() || count < self.tail.len() {
            let front = self.front.get_or_insert_default();
            front.advance(count);
            if !front.segments.is_empty() || front.written < self.tail.len() {
                return None;
            }
            self.front = None;
        }
        self.packets = 0;
        Some(std::mem::take(&mut self.tail))
    }

    fn written(&self) -> usize {
        self.front.as_ref().map_or(0, |front| front.written)
    }

    /// Drops all that waits, except the packet that is partly written, and says whether there is one.
    ///
    /// Frames are not marked, so that "partly written" means all that waits when anything of it was written.
    pub fn clear_unwritten(&mut self) {
        if self.written() == 0 {
            *self = Outbox::default();
        }
    }
}

impl Front {
    fn advance(&mut self, count: usize) {
        self.written += count;
        while let Some(segment) = self.segments.front() {
            let segment_len = segment.as_slice().len();
            if self.written < segment_len {
                return;
            }
            self.written -= segment_len;
            self.len -= segment_len;
            self.segments.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use vaux_mqtt::QoS;

    use super::*;
    use crate::message::Content;
    use crate::time::Time;

    fn message(payload: &[u8]) -> Message {
        let content = Content {
            publisher: 0,
            qos: QoS::AtMostOnce,
            retain: false,
            expires_at: Time::NEVER,
            topic: "a",
            properties: &[],
            payload,
        };
        Message::new(1, &content)
    }

    fn outbox() -> Outbox {
        let mut outbox = Outbox::default();
        outbox.tail(&mut Vec::new()).extend_from_slice(b"one");
        outbox.push_payload(message(b"TWO"));
        outbox.push_payload(message(b"THREE"));
        outbox.tail(&mut Vec::new()).extend_from_slice(b"four");
        outbox
    }

    #[test]
    fn pieces_come_in_their_order_whatever_is_written_at_a_time() {
        for step in 1..=16 {
            let mut outbox = outbox();
            let mut written = Vec::new();
            while !outbox.is_empty() {
                let mut slices = [IoSlice::new(&[]); 3];
                let count = outbox.fill(&mut slices);
                let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
                let step = step.min(bytes.len());
                written.extend_from_slice(&bytes[..step]);
                outbox.advance(step);
            }
            assert_eq!(written, b"oneTWOTHREEfour");
            assert_eq!(outbox.len(), 0);
        }
    }

    #[test]
    fn an_emptied_tail_gives_its_buffer_back() {
        let mut outbox = Outbox::default();
        outbox.tail(&mut Vec::new()).extend_from_slice(b"abc");
        assert_eq!(outbox.advance(2), None);
        assert_eq!(outbox.first(), b"c");
        assert_eq!(outbox.advance(1).map(|buffer| buffer.len()), Some(3));
        assert!(outbox.is_empty());
    }
}
