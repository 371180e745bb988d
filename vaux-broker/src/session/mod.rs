//! A session: what the broker remembers of a client, connected or not. Plain data.

mod delivery;
mod mount;
mod queue;
mod subscriptions;
mod table;

pub use crate::identity::{Identity, OPERATOR};
pub use delivery::{Delivery, Identifiers};
pub use mount::Mount;
pub use queue::{Queue, Refused};
pub use subscriptions::{KeptSubscription, Place, SessionSubscription, Subscriptions};
pub use table::SessionTable;

use std::sync::Arc;

use vaux_mqtt::QoS;
use vaux_mqtt::protocol::{Inbound, Outbound};

use crate::core::ListenerSettings;
use crate::message::Content;
use crate::rights::Grants;
use crate::router::interest::MemberState;
use crate::time::Time;

/// Where a session stands in its worker's table. Reused after the session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionSlot(pub u32);

/// What identifies a session: listeners with the same mount share sessions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionKey {
    /// The mount of the listener.
    pub mount: Mount,
    /// The client identifier.
    pub client_id: Arc<str>,
}

/// A session.
#[derive(Debug)]
pub struct Session {
    /// The number of the session, never used again.
    pub sid: u64,
    /// What identifies it.
    pub key: SessionKey,
    /// Whom it belongs to.
    pub identity: Identity,
    /// The listener that it is, or was last, connected to. `None`: not since the broker started.
    pub listener: Option<Arc<ListenerSettings>>,
    /// What it may do, if whoever let it in said so: else what all rights say.
    pub grants: Option<Grants>,
    /// Its connection, or `NO_CONNECTION`.
    connection: u32,
    /// How long it outlives its connection, in milliseconds. 0: not at all; `u64::MAX`: for ever.
    pub expiry_ms: u64,
    /// When it ends, while it has no connection.
    pub ends_at: Time,
    /// What it subscribed to.
    pub subscriptions: Subscriptions,
    /// Messages with QoS above 0 on their way to the client. A transient session keeps no message that is sent: it
    /// will never send one again.
    pub outbound: Outbound<Option<Delivery>>,
    /// Messages with QoS above 0 on their way from the client.
    pub inbound: Inbound,
    /// Messages that wait to be sent.
    pub queue: Queue,
    /// What is to be published when the client is lost.
    pub will: Option<Box<Will>>,
    /// What of it the store has.
    pub stored: Stored,
    /// Whether it is listed among the sessions with a queue.
    pub is_backlogged: bool,
    more: Option<Box<More>>,
}

/// What only some sessions have.
#[derive(Debug, Default)]
pub struct More {
    /// What publishers know of it, once it took part in a shared subscription.
    pub member: Option<Arc<MemberState>>,
    /// What went through it since it began, or since the broker started; but on the connection that it has, which counts
    /// for itself.
    pub traffic: Traffic,
    /// Messages that it did not get.
    pub dropped: u64,
    /// What its figures came to when they were told last.
    pub reported: u64,
    /// When it is looked at while it has no connection; other timers are ignored.
    pub timer_at: Option<Time>,
}

/// Stands for no connection.
const NO_CONNECTION: u32 = u32::MAX;

/// What went through a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Messages from the client.
    pub messages_in: u64,
    /// Messages to the client.
    pub messages_out: u64,
    /// Bytes from the client.
    pub bytes_in: u64,
    /// Bytes to the client.
    pub bytes_out: u64,
}

/// What the store has of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stored {
    /// Nothing: it ends with its connection or with the broker.
    #[default]
    Nothing,
    /// The session for the sake of its will; what happens to its messages is not recorded.
    Will,
    /// Everything.
    Session,
}

/// A will.
#[derive(Clone, Debug)]
pub struct Will {
    /// The topic, with the mount in front.
    pub topic: Box<str>,
    /// Properties that are forwarded, as bytes.
    pub properties: Vec<u8>,
    /// The payload.
    pub payload: Vec<u8>,
    /// Its QoS.
    pub qos: QoS,
    /// Whether it is retained.
    pub retain: bool,
    /// Seconds to wait before it is published.
    pub delay_s: u32,
    /// Seconds that it is of use once published.
    pub expiry_s: Option<u32>,
    /// When it is published, while the session has no connection.
    pub due_at: Time,
}

impl Traffic {
    /// Adds what went through a connection.
    pub fn add(&mut self, other: Traffic) {
        let Traffic { messages_in, messages_out, bytes_in, bytes_out } = other;
        self.messages_in += messages_in;
        self.messages_out += messages_out;
        self.bytes_in += bytes_in;
        self.bytes_out += bytes_out;
    }
}

impl Will {
    /// The message that is published at `now`.
    pub fn content(&self, publisher: u64, now: Time) -> Content<'_> {
        Content {
            publisher,
            qos: self.qos,
            retain: self.retain,
            expires_at: self.expiry_s.map_or(Time::NEVER, |seconds| now.plus_seconds(seconds)),
            topic: &self.topic,
            properties: &self.properties,
            payload: &self.payload,
        }
    }
}

impl Session {
    /// A new session without a connection.
    pub fn new(sid: u64, key: SessionKey, identity: Identity) -> Session {
        Session {
            sid,
            key,
            identity,
            listener: None,
            grants: None,
            connection: NO_CONNECTION,
            expiry_ms: 0,
            ends_at: Time::NEVER,
            subscriptions: Subscriptions::default(),
            outbound: Outbound::new(),
            inbound: Inbound::new(),
            queue: Queue::default(),
            will: None,
            stored: Stored::Nothing,
            is_backlogged: false,
            more: None,
        }
    }

    /// Its connection, while it has one.
    pub fn connection(&self) -> Option<u32> {
        (self.connection != NO_CONNECTION).then_some(self.connection)
    }

    /// Gives it a connection, or takes it away.
    pub fn set_connection(&mut self, connection: Option<u32>) {
        self.connection = connection.unwrap_or(NO_CONNECTION);
    }

    /// What only some sessions have, if this is one of them.
    pub fn more(&self) -> Option<&More> {
        self.more.as_deref()
    }

    /// What only some sessions have, of which this is one from now on.
    pub fn more_mut(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// What publishers know of it, once it took part in a shared subscription.
    pub fn member(&self) -> Option<&Arc<MemberState>> {
        self.more.as_ref()?.member.as_ref()
    }

    /// Whether the session outlives its connection.
    pub fn is_durable(&self) -> bool {
        self.expiry_ms > 0
    }

    /// Whether what happens to its messages is recorded.
    pub fn is_stored(&self) -> bool {
        self.stored == Stored::Session
    }
}
