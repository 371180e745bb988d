//! What happens to messages that are published while there is no connection.

/// What happens to messages that are published while there is no connection.
///
/// They are kept, as far as there is room, and sent in their order when the connection is back, behind those that were
/// under way when it was lost. A Message Expiry Interval is sent reduced by the time that a message waited, and a message
/// that has expired is not sent ([`RequestError::Expired`](crate::RequestError::Expired)).
///
/// Kept in memory: the queue does not outlive the process.
///
/// ```
/// use vaux_client::{ConnectOptions, OfflineQueue, WhenFull};
///
/// let queue = OfflineQueue::new(10_000).max_bytes(1024 * 1024).when_full(WhenFull::DropOldest).keep_qos0(true);
/// let options = ConnectOptions::new("localhost", 1883).offline_queue(queue);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfflineQueue {
    pub(crate) max_messages: usize,
    pub(crate) max_bytes: usize,
    pub(crate) when_full: WhenFull,
    pub(crate) keep_qos0: bool,
}

/// What happens to a message for which the queue has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Its publisher waits, and others behind it.
    Wait,
    /// It fails with [`RequestError::QueueFull`](crate::RequestError::QueueFull).
    RefuseNewest,
    /// The oldest ones in the queue fail with [`RequestError::Dropped`](crate::RequestError::Dropped), until there is
    /// room. A message that is larger than the whole queue fails itself, with
    /// [`RequestError::QueueFull`](crate::RequestError::QueueFull).
    DropOldest,
}

impl OfflineQueue {
    /// Keeps up to `max_messages` messages of together at most 16 MiB and refuses more. Messages with QoS 0 are not
    /// kept.
    pub const fn new(max_messages: usize) -> Self {
        OfflineQueue {
            max_messages,
            max_bytes: 16 * 1024 * 1024,
            when_full: WhenFull::RefuseNewest,
            keep_qos0: false,
        }
    }

    /// Sets how many bytes the topics, payloads and properties of the messages may take together.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets what happens to a message for which there is no room.
    #[must_use]
    pub const fn when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
    }

    /// Sets whether messages with QoS 0 are kept too. Otherwise they fail at once with
    /// [`RequestError::Disconnected`](crate::RequestError::Disconnected).
    #[must_use]
    pub const fn keep_qos0(mut self, keep: bool) -> Self {
        self.keep_qos0 = keep;
        self
    }
}

impl Default for OfflineQueue {
    /// No queue: who publishes while there is no connection waits until it is back, whatever the QoS.
    fn default() -> Self {
        OfflineQueue { when_full: WhenFull::Wait, keep_qos0: true, ..OfflineQueue::new(0) }
    }
}
