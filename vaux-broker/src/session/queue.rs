//! Messages that wait for a session: while it is offline, or while its send window or its outbox is full.
//!
//! Of a long queue only the beginning is in memory. The rest are numbers of messages that the store has; they are read
//! a page at a time as their turn comes near.

use std::collections::VecDeque;

use vaux_mqtt::QoS;

use super::Delivery;
use crate::store::Page;

/// A bounded queue. When it is full, QoS 0 goes first, then the newest is refused. One that is empty takes a pointer.
#[derive(Debug, Default)]
pub struct Queue(Option<Box<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// How many of the bytes are in memory.
    memory_bytes: usize,
    /// How many of the first messages were touched.
    touched: u32,
    /// How many messages have QoS 0.
    qos0: u32,
    /// How many messages are in the store alone.
    away: u32,
    /// Whether some of these are being read.
    is_paging: bool,
}

/// A message that waits. Small, for there may be very many.
#[derive(Debug)]
enum Entry {
    Here(Delivery),
    /// The store has it.
    Away {
        mid: u64,
        size_bytes: u32,
    },
}

/// A message that found no room.
#[derive(Debug)]
pub struct Refused(pub Delivery);

/// So many messages are touched at a time.
const TOUCHED: u32 = 8;

/// So many messages are read at a time at most.
const PAGE_MESSAGES: usize = 4096;

impl Queue {
    /// How many messages wait.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |waiting| waiting.entries.len())
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a message with QoS 0 waits.
    pub fn holds_qos0(&self) -> bool {
        self.0.as_ref().is_some_and(|waiting| waiting.qos0 > 0)
    }

    /// The bytes that count against the limit.
    pub fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |waiting| waiting.bytes)
    }

    /// Appends a message within the limits, and gives back those with QoS 0 that were dropped to make room. With
    /// `memory_bytes` the store has the message, and it stays there alone when more than that would be in memory, or
    /// one before it does.
    ///
    /// # Errors
    ///
    /// There is no room: the message comes back.
    pub fn push(
        &mut self,
        delivery: Delivery,
        max_messages: usize,
        max_bytes: usize,
        memory_bytes: Option<usize>,
    ) -> Result<Vec<Delivery>, Box<Refused>> {
        let waiting = self.0.get_or_insert_default();
        let size = delivery.message.size_bytes();
        let is_full =
            |waiting: &Waiting| waiting.entries.len() >= max_messages || waiting.bytes + size > max_bytes;
        let mut dropped = Vec::new();
        while is_full(waiting) && waiting.qos0 > 0 && delivery.qos != QoS::AtMostOnce {
            dropped.extend(waiting.take_oldest_qos0());
        }
        if is_full(waiting) {
            self.shrink();
            return Err(Box::new(Refused(delivery)));
        }
        match memory_bytes {
            Some(max) if waiting.away > 0 || waiting.memory_bytes + size > max => {
                waiting.push_away(delivery.message.mid, size);
            }
            _ => waiting.push_back(delivery),
        }
        Ok(dropped)
    }

    /// Appends a message as a store remembers it, whatever the limits: it was let in before.
    pub fn restore(&mut self, delivery: Delivery) {
        self.0.get_or_insert_default().push_back(delivery);
    }

    /// Appends a message that stays in the store for now, whatever the limits.
    pub fn push_away(&mut self, mid: u64, size_bytes: usize) {
        self.0.get_or_insert_default().push_away(mid, size_bytes);
    }

    /// Puts a message back in front, whatever the limits: it was there before.
    pub fn push_front(&mut self, delivery: Delivery) {
        let waiting = self.0.get_or_insert_default();
        waiting.count_in(&delivery);
        waiting.entries.push_front(Entry::Here(delivery));
    }

    /// Takes the oldest message. `None` when there is none, or when it is not in memory.
    pub fn pop(&mut self) -> Option<Delivery> {
        let waiting = self.0.as_mut()?;
        if !matches!(waiting.entries.front()?, Entry::Here(_)) {
            return None;
        }
        if waiting.touched == 0 {
            waiting.touch();
        }
        waiting.touched -= 1;
        let delivery = waiting.entries.pop_front().and_then(Entry::here)?;
        waiting.count_out(&delivery);
        self.shrink();
        Some(delivery)
    }

    /// What waits in memory, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Delivery> {
        self.0.iter().flat_map(|waiting| &waiting.entries).filter_map(|entry| match entry {
            Entry::Here(delivery) => Some(delivery),
            Entry::Away { .. } => None,
        })
    }

    /// Takes out the messages that `is_wanted` picks, in their order. Those that are not in memory stay.
    pub fn extract(&mut self, is_wanted: impl Fn(&Delivery) -> bool) -> Vec<Delivery> {
        let Some(waiting) = &mut self.0 else { return Vec::new() };
        let is_wanted = |entry: &Entry| matches!(entry, Entry::Here(delivery) if is_wanted(delivery));
        let (wanted, kept): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut waiting.entries).into_iter().partition(is_wanted);
        waiting.entries = kept;
        let wanted: Vec<Delivery> = wanted.into_iter().filter_map(Entry::here).collect();
        wanted.iter().for_each(|delivery| waiting.count_out(delivery));
        self.shrink();
        wanted
    }

    /// The numbers of the messages that are to be read now, so that about `max_bytes` are in memory; `None` when
    /// enough are, none is missing, or some are being read already.
    pub fn next_page(&mut self, max_bytes: usize) -> Option<Vec<u64>> {
        self.0.as_mut()?.next_page(max_bytes)
    }

    /// Takes in what was read, and says how many messages could not be.
    pub fn fill(&mut self, page: Page) -> usize {
        let Some(waiting) = &mut self.0 else { return 0 };
        let missing = waiting.fill(page);
        self.shrink();
        missing
    }

    /// Gives back all memory once nothing waits, and nothing is being read.
    fn shrink(&mut self) {
        if self.0.as_ref().is_some_and(|waiting| waiting.entries.is_empty() && !waiting.is_paging) {
            self.0 = None;
        }
    }
}

impl Waiting {
    /// Touches the next few messages. In a long queue each of them has to come from memory: that is waited for once
    /// instead of for each.
    fn touch(&mut self) {
        self.touched = TOUCHED;
        for entry in self.entries.iter().take(TOUCHED as usize) {
            if let Entry::Here(delivery) = entry {
                delivery.message.touch();
            }
        }
    }

    fn push_back(&mut self, delivery: Delivery) {
        self.count_in(&delivery);
        self.entries.push_back(Entry::Here(delivery));
    }

    fn push_away(&mut self, mid: u64, size_bytes: usize) {
        self.bytes += size_bytes;
        self.away += 1;
        self.entries.push_back(Entry::Away { mid, size_bytes: size_bytes as u32 });
    }

    fn next_page(&mut self, max_bytes: usize) -> Option<Vec<u64>> {
        // What is in memory behind the first message is of no use before that one is.
        let has_enough =
            self.memory_bytes > max_bytes / 2 && matches!(self.entries.front(), Some(Entry::Here(_)));
        if self.away == 0 || self.is_paging || has_enough {
            return None;
        }
        let (mut mids, mut bytes) = (Vec::new(), self.memory_bytes);
        for entry in &self.entries {
            let Entry::Away { mid, size_bytes } = entry else { continue };
            bytes += *size_bytes as usize;
            if !mids.is_empty() && bytes > max_bytes || mids.len() == PAGE_MESSAGES {
                break;
            }
            mids.push(*mid);
        }
        self.is_paging = true;
        Some(mids)
    }

    fn fill(&mut self, page: Page) -> usize {
        self.is_paging = false;
        let mut missing = 0;
        let mut index = 0;
        for (wanted, delivery) in page.deliveries {
            let found = (index..self.entries.len())
                .find(|&index| matches!(self.entries[index], Entry::Away { mid, .. } if mid == wanted));
            let Some(found) = found else { continue };
            index = found;
            if let Entry::Away { size_bytes, .. } = self.entries[index] {
                self.bytes -= size_bytes as usize;
                self.away -= 1;
            }
            match delivery {
                Some(delivery) => {
                    self.count_in(&delivery);
                    self.entries[index] = Entry::Here(delivery);
                    index += 1;
                }
                None => {
                    self.entries.remove(index);
                    missing += 1;
                }
            }
        }
        missing
    }

    fn take_oldest_qos0(&mut self) -> Option<Delivery> {
        let is_qos0 =
            |entry: &Entry| matches!(entry, Entry::Here(delivery) if delivery.qos == QoS::AtMostOnce);
        let index = self.entries.iter().position(is_qos0)?;
        let delivery = self.entries.remove(index).and_then(Entry::here)?;
        self.count_out(&delivery);
        Some(delivery)
    }

    fn count_in(&mut self, delivery: &Delivery) {
        let size = delivery.message.size_bytes();
        self.bytes += size;
        self.memory_bytes += size;
        self.qos0 += u32::from(delivery.qos == QoS::AtMostOnce);
    }

    fn count_out(&mut self, delivery: &Delivery) {
        let size = delivery.message.size_bytes();
        self.bytes -= size;
        self.memory_bytes -= size;
        self.qos0 -= u32::from(delivery.qos == QoS::AtMostOnce);
    }
}

impl Entry {
    fn here(self) -> Option<Delivery> {
        match self {
            Entry::Here(delivery) => Some(delivery),
            Entry::Away { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::message::{Content, Message};
    use crate::session::Identifiers;
    use crate::time::Time;

    fn delivery(mid: u64, qos: QoS) -> Delivery {
        let content = Content {
            publisher: 0,
            qos,
            retain: false,
            expires_at: Time::NEVER,
            topic: "a",
            properties: &[],
            payload: &[0; 100],
        };
        let message = Message::new(mid, &content);
        Delivery { message, qos, retain: false, identifiers: Identifiers::default(), group: None }
    }

    fn mids(queue: &mut Queue) -> Vec<u64> {
        std::iter::from_fn(|| queue.pop()).map(|delivery| delivery.message.mid).collect()
    }

    #[test]
    fn the_newest_is_refused_when_the_queue_is_full() {
        let mut queue = Queue::default();
        assert!(queue.push(delivery(1, QoS::AtLeastOnce), 2, usize::MAX, None).is_ok());
        assert!(queue.push(delivery(2, QoS::AtLeastOnce), 2, usize::MAX, None).is_ok());
        assert!(queue.push(delivery(3, QoS::AtLeastOnce), 2, usize::MAX, None).is_err());
        assert_eq!(mids(&mut queue), [1, 2]);
        assert_eq!(queue.bytes(), 0);
    }

    #[test]
    fn qos_0_makes_room_for_more() {
        let mut queue = Queue::default();
        let size = delivery(0, QoS::AtMostOnce).message.size_bytes();
        assert!(queue.push(delivery(1, QoS::AtMostOnce), 9, size * 2, None).is_ok());
        assert!(queue.push(delivery(2, QoS::AtLeastOnce), 9, size * 2, None).is_ok());
        assert_eq!(queue.push(delivery(3, QoS::AtLeastOnce), 9, size * 2, None).unwrap().len(), 1);
        assert!(queue.push(delivery(4, QoS::AtMostOnce), 9, size * 2, None).is_err());
        assert_eq!(mids(&mut queue), [2, 3]);
    }

    #[test]
    fn extracted_messages_no_longer_count() {
        let mut queue = Queue::default();
        for mid in 1..=3 {
            assert!(queue.push(delivery(mid, QoS::AtLeastOnce), 9, usize::MAX, None).is_ok());
        }
        assert_eq!(queue.extract(|delivery| delivery.message.mid == 2).len(), 1);
        assert_eq!(mids(&mut queue), [1, 3]);
        assert_eq!(queue.bytes(), 0);
    }

    #[test]
    fn what_is_over_the_budget_stays_away_until_its_turn_comes_near() {
        let mut queue = Queue::default();
        let size = delivery(0, QoS::AtLeastOnce).message.size_bytes();
        for mid in 1..=6 {
            // The fourth is not in the store.
            let memory = (mid != 4).then_some(size * 2);
            assert!(queue.push(delivery(mid, QoS::AtLeastOnce), 9, usize::MAX, memory).is_ok());
        }
        assert_eq!((queue.len(), queue.bytes()), (6, size * 6));
        assert_eq!(queue.next_page(size * 4), None, "enough is in memory");
        assert_eq!(mids(&mut queue), [1, 2]);
        assert_eq!(queue.next_page(size * 3), Some(vec![3, 5]));
        assert_eq!(queue.next_page(size * 3), None, "these are being read");
        let deliveries = vec![(3, None), (5, Some(delivery(5, QoS::AtLeastOnce)))];
        assert_eq!(queue.fill(Page { sid: 1, deliveries }), 1);
        assert_eq!(mids(&mut queue), [4, 5]);
        assert_eq!(queue.next_page(1), Some(vec![6]), "at least one");
        assert_eq!((queue.len(), queue.bytes()), (1, size));
    }

    #[test]
    fn the_first_message_is_read_however_much_is_in_memory_behind_it() {
        let mut queue = Queue::default();
        assert!(queue.push(delivery(1, QoS::AtLeastOnce), 9, usize::MAX, Some(0)).is_ok());
        assert!(queue.push(delivery(2, QoS::AtMostOnce), 9, usize::MAX, None).is_ok());
        assert_eq!(queue.next_page(1), Some(vec![1]));
    }
}
