//! Messages that wait for a session: while it is offline, or while its send window or its outbox is full.

use std::collections::VecDeque;

use vaux_mqtt::QoS;

use super::Delivery;

/// A bounded queue. When it is full, QoS 0 goes first, then the newest is refused.
#[derive(Debug, Default)]
pub struct Queue {
    deliveries: VecDeque<Delivery>,
    bytes: usize,
    /// How many of them have QoS 0.
    qos0: usize,
}

/// A message that found no room.
#[derive(Debug)]
pub struct Refused(pub Delivery);

impl Queue {
    /// How many messages wait.
    pub fn len(&self) -> usize {
        self.deliveries.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.deliveries.is_empty()
    }

    /// The bytes that count against the limit.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends a message within the limits, and gives back those with QoS 0 that were dropped to make room.
    ///
    /// # Errors
    ///
    /// There is no room: the message comes back.
    pub fn push(
        &mut self,
        delivery: Delivery,
        max_messages: usize,
        max_bytes: usize,
    ) -> Result<Vec<Delivery>, Box<Refused>> {
        let size = delivery.message.size_bytes();
        let is_full =
            |queue: &Queue| queue.deliveries.len() >= max_messages || queue.bytes + size > max_bytes;
        let mut dropped = Vec::new();
        while is_full(self) && self.qos0 > 0 && delivery.qos != QoS::AtMostOnce {
            dropped.extend(self.take_oldest_qos0());
        }
        if is_full(self) {
            return Err(Box::new(Refused(delivery)));
        }
        self.count_in(&delivery);
        self.deliveries.push_back(delivery);
        Ok(dropped)
    }

    /// Appends a message as a store remembers it, whatever the limits: it was let in before.
    pub fn restore(&mut self, delivery: Delivery) {
        self.count_in(&delivery);
        self.deliveries.push_back(delivery);
    }

    /// Puts a message back in front, whatever the limits: it was there before.
    pub fn push_front(&mut self, delivery: Delivery) {
        self.count_in(&delivery);
        self.deliveries.push_front(delivery);
    }

    /// Takes the oldest message.
    pub fn pop(&mut self) -> Option<Delivery> {
        let delivery = self.deliveries.pop_front()?;
        self.count_out(&delivery);
        if self.deliveries.is_empty() {
            self.deliveries = VecDeque::new();
        }
        Some(delivery)
    }

    /// Takes out the messages that `is_wanted` picks, in their order.
    pub fn extract(&mut self, is_wanted: impl Fn(&Delivery) -> bool) -> Vec<Delivery> {
        let (wanted, kept): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.deliveries).into_iter().partition(is_wanted);
        self.deliveries = kept;
        let wanted = Vec::from(wanted);
        wanted.iter().for_each(|delivery| self.count_out(delivery));
        wanted
    }

    fn take_oldest_qos0(&mut self) -> Option<Delivery> {
        let index = self.deliveries.iter().position(|delivery| delivery.qos == QoS::AtMostOnce)?;
        let delivery = self.deliveries.remove(index)?;
        self.count_out(&delivery);
        Some(delivery)
    }

    fn count_in(&mut self, delivery: &Delivery) {
        self.bytes += delivery.message.size_bytes();
        self.qos0 += usize::from(delivery.qos == QoS::AtMostOnce);
    }

    fn count_out(&mut self, delivery: &Delivery) {
        self.bytes -= delivery.message.size_bytes();
        self.qos0 -= usize::from(delivery.qos == QoS::AtMostOnce);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

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
        let message = Arc::new(Message::new(mid, &content));
        Delivery { message, qos, retain: false, identifiers: Identifiers::default(), group: None }
    }

    fn mids(queue: &mut Queue) -> Vec<u64> {
        std::iter::from_fn(|| queue.pop()).map(|delivery| delivery.message.mid).collect()
    }

    #[test]
    fn the_newest_is_refused_when_the_queue_is_full() {
        let mut queue = Queue::default();
        assert!(queue.push(delivery(1, QoS::AtLeastOnce), 2, usize::MAX).is_ok());
        assert!(queue.push(delivery(2, QoS::AtLeastOnce), 2, usize::MAX).is_ok());
        assert!(queue.push(delivery(3, QoS::AtLeastOnce), 2, usize::MAX).is_err());
        assert_eq!(mids(&mut queue), [1, 2]);
        assert_eq!(queue.bytes(), 0);
    }

    #[test]
    fn qos_0_makes_room_for_more() {
        let mut queue = Queue::default();
        let size = delivery(0, QoS::AtMostOnce).message.size_bytes();
        assert!(queue.push(delivery(1, QoS::AtMostOnce), 9, size * 2).is_ok());
        assert!(queue.push(delivery(2, QoS::AtLeastOnce), 9, size * 2).is_ok());
        assert_eq!(queue.push(delivery(3, QoS::AtLeastOnce), 9, size * 2).unwrap().len(), 1);
        assert!(queue.push(delivery(4, QoS::AtMostOnce), 9, size * 2).is_err());
        assert_eq!(mids(&mut queue), [2, 3]);
    }

    #[test]
    fn extracted_messages_no_longer_count() {
        let mut queue = Queue::default();
        for mid in 1..=3 {
            assert!(queue.push(delivery(mid, QoS::AtLeastOnce), 9, usize::MAX).is_ok());
        }
        assert_eq!(queue.extract(|delivery| delivery.message.mid == 2).len(), 1);
        assert_eq!(mids(&mut queue), [1, 3]);
        assert_eq!(queue.bytes(), 0);
    }
}
