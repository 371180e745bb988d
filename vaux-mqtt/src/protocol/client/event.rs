//! What a packet from the server means for the application.

use crate::packet::{Ack, Auth, ConnAck, Disconnect, PacketId, Publish, SubAck, UnsubAck};

/// What a packet from the server means for the application.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a, M> {
    /// The server accepted the connection. Messages of a resumed session are being sent again.
    Connected(ConnAck<'a>),
    /// The server refused the connection, which is over.
    Refused(ConnAck<'a>),
    /// A message arrived, with its topic in full. One with a packet identifier is to be answered by
    /// [`super::Client::acknowledge`] once the application has it.
    Message(Publish<'a>),
    /// The exchange of a message is over: PUBACK, or a PUBREC that refuses.
    Acknowledged {
        /// The message.
        message: M,
        /// What the server said.
        ack: Ack<'a>,
    },
    /// The server has a message with QoS 2. [`Event::Completed`] follows.
    Received {
        /// Its packet identifier.
        packet_id: PacketId,
        /// The message.
        message: M,
    },
    /// The exchange of a message with QoS 2 is over.
    Completed(Ack<'a>),
    /// The answer to SUBSCRIBE, with as many codes as filters.
    Subscribed(SubAck<'a>),
    /// The answer to UNSUBSCRIBE, with as many codes as filters in version 5.0.
    Unsubscribed(UnsubAck<'a>),
    /// A step of enhanced authentication, to be answered by [`super::Client::authenticate`].
    Auth(Auth<'a>),
    /// The server ends the connection.
    Disconnected(Disconnect<'a>),
}
