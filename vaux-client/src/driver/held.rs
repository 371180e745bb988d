//! Publishes that were taken out of their channel and cannot be sent yet, in their order.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::client::PublishRequest;
use crate::error::RequestError;
use crate::offline_queue::{OfflineQueue, WhenFull};

/// How often at most a full queue is searched for messages that have expired.
const SEARCH_PAUSE: Duration = Duration::from_secs(1);

/// Publishes that cannot be sent yet: because the send window is full, or because there is no connection.
pub(super) struct Held {
    queue: VecDeque<PublishRequest>,
    /// What the messages in the queue take.
    bytes: usize,
    policy: OfflineQueue,
    searched: Option<Instant>,
}

impl Held {
    pub(super) fn new(policy: OfflineQueue) -> Self {
        Held { queue: VecDeque::new(), bytes: 0, policy, searched: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Puts a publish in front, whatever the limits.
    pub(super) fn push_front(&mut self, request: PublishRequest) {
        self.bytes += size(&request);
        self.queue.push_front(request);
    }

    /// Puts a publish behind the others, whatever the limits.
    pub(super) fn push_back(&mut self, request: PublishRequest) {
        self.bytes += size(&request);
        self.queue.push_back(request);
    }

    pub(super) fn pop_front(&mut self) -> Option<PublishRequest> {
        let request = self.queue.pop_front()?;
        self.bytes -= size(&request);
        Some(request)
    }

    /// Whether another publish may be taken out of the channel while there is no connection.
    pub(super) fn wants_offline(&self) -> bool {
        match self.policy.when_full {
            WhenFull::Wait => {
                self.queue.len() < self.policy.max_messages && self.bytes < self.policy.max_bytes
            }
            WhenFull::RefuseNewest | WhenFull::DropOldest => true,
        }
    }

    /// Takes a publish while there is no connection, as far as the policy allows.
    pub(super) fn take_offline(&mut self, request: PublishRequest) {
        if request.message.qos == vaux_mqtt::QoS::AtMostOnce && !self.policy.keep_qos0 {
            return request.fail(RequestError::Disconnected);
        }
        if !self.has_room(&request) {
            self.drop_expired();
        }
        match self.policy.when_full {
            // The last one may exceed the bytes: it was taken while there was room.
            WhenFull::Wait => {}
            WhenFull::DropOldest if self.could_hold(&request) => {
                while !self.has_room(&request) {
                    let Some(oldest) = self.pop_front() else { break };
                    oldest.fail(RequestError::Dropped);
                }
            }
            WhenFull::RefuseNewest | WhenFull::DropOldest => {
                if !self.has_room(&request) {
                    return request.fail(RequestError::QueueFull);
                }
            }
        }
        self.push_back(request);
    }

    fn has_room(&self, request: &PublishRequest) -> bool {
        self.queue.len() < self.policy.max_messages && self.bytes + size(request) <= self.policy.max_bytes
    }

    /// Whether there would be room in an empty queue.
    fn could_hold(&self, request: &PublishRequest) -> bool {
        self.policy.max_messages > 0 && size(request) <= self.policy.max_bytes
    }

    fn drop_expired(&mut self) {
        let now = Instant::now();
        if self.searched.is_some_and(|searched| now - searched < SEARCH_PAUSE) {
            return;
        }
        self.searched = Some(now);
        for request in std::mem::take(&mut self.queue) {
            if request.has_expired(now) {
                self.bytes -= size(&request);
                request.fail(RequestError::Expired);
            } else {
                self.queue.push_back(request);
            }
        }
    }
}

/// What a message takes. Its properties are as long as on the wire.
fn size(request: &PublishRequest) -> usize {
    let message = &request.message;
    message.topic.len() + message.payload.len() + message.properties.list().body_len()
}

#[cfg(test)]
mod tests {
    use vaux_mqtt::QoS;

    use super::*;
    use crate::message::Message;

    fn request(payload: &'static str) -> PublishRequest {
        PublishRequest::new(Message::new("a", payload).qos(QoS::AtLeastOnce), None)
    }

    fn held(policy: OfflineQueue, payloads: &[&'static str]) -> Vec<String> {
        let mut held = Held::new(policy);
        for payload in payloads.iter().copied() {
            if held.wants_offline() {
                held.take_offline(request(payload));
            }
        }
        let queue = std::iter::from_fn(|| held.pop_front());
        let payloads =
            queue.map(|request| String::from_utf8(request.message.payload.to_vec()).unwrap()).collect();
        assert_eq!(held.bytes, 0);
        payloads
    }

    #[test]
    fn each_policy_keeps_what_it_promises() {
        let payloads = ["1", "22", "333", "4"];
        let queue = OfflineQueue::new(2);
        assert_eq!(held(queue, &payloads), ["1", "22"]);
        assert_eq!(held(queue.when_full(WhenFull::DropOldest), &payloads), ["333", "4"]);
        assert_eq!(held(queue.when_full(WhenFull::Wait), &payloads), ["1", "22"]);
        // Each message takes a byte for its topic.
        let queue = OfflineQueue::new(9).max_bytes(7);
        assert_eq!(held(queue, &payloads), ["1", "22", "4"]);
        assert_eq!(held(queue.when_full(WhenFull::DropOldest), &payloads), ["333", "4"]);
        assert_eq!(held(queue.when_full(WhenFull::DropOldest), &["1", "1234567"]), ["1"]);
        assert_eq!(held(OfflineQueue::default(), &payloads), [""; 0]);
    }
}
