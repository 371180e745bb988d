//! What is recorded: each change of something that must outlive a crash.

use vaux_mqtt::PacketId;

use crate::rights::Grants;
use crate::session::{Delivery, Identity, SessionKey, SessionSubscription, Will};
use crate::time::Time;

/// What one input changed that has to outlive a crash.
///
/// Records speak of sessions and messages by their numbers, which are never used again. A record about a session or a
/// message that is not known, or not any more, changes nothing.
#[derive(Clone, Debug)]
pub enum Record {
    /// A session began, was resumed on other terms, or has a will that must not be lost.
    Session(Box<SessionRecord>),
    /// A session lost its connection.
    Absent {
        /// The session.
        sid: u64,
        /// How long it outlives its connection, in milliseconds: DISCONNECT may have changed it.
        expiry_ms: u64,
        /// When it ends.
        ends_at: Time,
        /// When its will is published, if it has one.
        will_due_at: Time,
    },
    /// The will of a session was published or discarded.
    WillGone {
        /// The session.
        sid: u64,
    },
    /// A session ended: with this record, everything of it is gone.
    SessionEnded {
        /// The session.
        sid: u64,
    },
    /// A session subscribed, or subscribed again on other terms.
    Subscribed {
        /// The session.
        sid: u64,
        /// What to.
        subscription: Box<SessionSubscription>,
    },
    /// A session unsubscribed.
    Unsubscribed {
        /// The session.
        sid: u64,
        /// The filter as the client wrote it.
        filter: Box<str>,
    },
    /// A session is to get a message. The message is kept as long as some delivery of it is.
    Delivery {
        /// The session.
        sid: u64,
        /// The message and how it is delivered.
        delivery: Delivery,
        /// The packet identifier, when it is sent at once.
        packet_id: Option<PacketId>,
    },
    /// It is sent now.
    Sent {
        /// The session.
        sid: u64,
        /// The message.
        mid: u64,
        /// The packet identifier of the exchange.
        packet_id: PacketId,
    },
    /// It has arrived with QoS 2: PUBREL follows, the message is not needed any more.
    Arrived {
        /// The session.
        sid: u64,
        /// The message.
        mid: u64,
        /// The packet identifier of the exchange.
        packet_id: PacketId,
    },
    /// The exchange of a message with QoS 2 is complete.
    Completed {
        /// The session.
        sid: u64,
        /// The packet identifier of the exchange.
        packet_id: PacketId,
    },
    /// The session has the message, or will never get it.
    Delivered {
        /// The session.
        sid: u64,
        /// The message.
        mid: u64,
    },
    /// A message with QoS 2 came from a session.
    Received {
        /// The session.
        sid: u64,
        /// Its packet identifier.
        packet_id: PacketId,
    },
    /// Its packet identifier is free again.
    Released {
        /// The session.
        sid: u64,
        /// The packet identifier.
        packet_id: PacketId,
    },
    /// The retained message of a topic changed: what the tree holds at commit is written.
    Retained {
        /// The topic.
        topic: Box<str>,
    },
}

/// A session as it is stored.
#[derive(Clone, Debug)]
pub struct SessionRecord {
    /// The number of the session.
    pub sid: u64,
    /// What identifies it.
    pub key: SessionKey,
    /// Whom it belongs to.
    pub identity: Identity,
    /// What it may do, if whoever let it in said so.
    pub grants: Option<Grants>,
    /// How long it outlives its connection, in milliseconds. 0: not at all, it is stored for its will only.
    pub expiry_ms: u64,
    /// When it ends. `Time::NEVER` while it is connected, too.
    pub ends_at: Time,
    /// Whether it is connected.
    pub is_connected: bool,
    /// What is to be published when the client is lost.
    pub will: Option<Box<Will>>,
}
