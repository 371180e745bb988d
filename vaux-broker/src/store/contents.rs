//! What a store holds when the broker starts.

use vaux_mqtt::PacketId;

use super::SessionRecord;
use crate::retained::Kept;
use crate::session::{Delivery, SessionSubscription};

/// Everything that outlived the last run.
#[derive(Debug, Default)]
pub struct Contents {
    /// Sessions, each with all that belongs to it.
    pub sessions: Vec<StoredSession>,
    /// Retained messages.
    pub retained: Vec<Kept>,
    /// The highest number that a session ever had.
    pub last_sid: u64,
    /// The highest number that a message ever had.
    pub last_mid: u64,
}

/// A session as it was at the end of the last run.
#[derive(Clone, Debug)]
pub struct StoredSession {
    /// The session itself.
    pub session: SessionRecord,
    /// What it subscribed to.
    pub subscriptions: Vec<SessionSubscription>,
    /// Messages on their way to the client, by the numbers of the messages. With a packet identifier: sent and not
    /// acknowledged.
    pub deliveries: Vec<(Delivery, Option<PacketId>)>,
    /// More of them, not sent, that stay in the store for now; by their numbers, too.
    pub waiting: Vec<Waiting>,
    /// Exchanges of QoS 2 towards the client that await PUBCOMP.
    pub releasing: Vec<PacketId>,
    /// Messages of QoS 2 from the client that await PUBREL.
    pub received: Vec<PacketId>,
}

/// A queued message that stays in the store for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The number of the message.
    pub mid: u64,
    /// What it counts against limits of bytes.
    pub size_bytes: usize,
}
