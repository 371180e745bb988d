//! Messages as applications see them, in both directions.

use std::sync::Arc;

use bytes::Bytes;
use vaux_mqtt::packet::{PacketId, Publish};
use vaux_mqtt::property::{Property, PropertyBuffer};
use vaux_mqtt::{Error, QoS};

use crate::acknowledgement::{AcknowledgeError, Acknowledgement};

/// A message: one to be published, a will, or one that arrived.
///
/// ```
/// use vaux_client::{Message, Property, QoS};
///
/// let message = Message::new("room/1/temperature", "21.5")
///     .qos(QoS::AtLeastOnce)
///     .retain(true)
///     .property(Property::ContentType("text/plain"))?;
/// assert_eq!(&*message.topic, "room/1/temperature");
/// # Ok::<(), vaux_client::PropertyError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The topic name.
    pub topic: Arc<str>,
    /// The payload.
    pub payload: Bytes,
    /// The quality of service, on this way between client and server.
    pub qos: QoS,
    /// To be published: whether the server is to keep the message. Arrived: whether the server had kept it.
    pub retain: bool,
    /// Arrived: whether it was sent before. Has no meaning for messages to be published.
    pub dup: bool,
    /// Arrived with a QoS above 0: its packet identifier. Has no meaning for messages to be published.
    pub packet_id: Option<PacketId>,
    /// Properties of version 5.0. With versions 3.1 and 3.1.1 none arrive, and a message that has some is not
    /// published.
    pub properties: PropertyBuffer,
    /// Arrived, and is to be acknowledged by the application.
    pub(crate) acknowledgement: ByHand,
}

/// The handle by which the application acknowledges a message. It is no part of what the message says: two messages
/// that differ in nothing else are equal.
#[derive(Clone, Debug, Default)]
pub(crate) struct ByHand(pub(crate) Option<Acknowledgement>);

impl PartialEq for ByHand {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for ByHand {}

impl Message {
    /// A message with QoS 0 that is not to be retained and has no properties.
    pub fn new(topic: impl Into<Arc<str>>, payload: impl Into<Bytes>) -> Self {
        Message { topic: topic.into(), payload: payload.into(), ..Message::default() }
    }

    /// Sets the quality of service.
    #[must_use]
    pub fn qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// Sets whether the server is to keep the message.
    #[must_use]
    pub fn retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }

    /// Adds a property.
    ///
    /// # Errors
    ///
    /// A value that the protocol does not allow. Whether the property may stand in the packet is checked when it is
    /// sent.
    pub fn property(mut self, property: Property<'_>) -> Result<Self, Error> {
        self.properties.push(property)?;
        Ok(self)
    }

    /// Acknowledges a message of a subscription with [manual
    /// acknowledgement](crate::Subscribe::manual_acknowledgement); see [`Acknowledgement::acknowledge`]. Other messages
    /// are acknowledged already, and this does nothing.
    ///
    /// # Errors
    ///
    /// [`AcknowledgeError::Stale`]: the connection that brought the message is over.
    pub fn acknowledge(&self) -> Result<(), AcknowledgeError> {
        self.acknowledgement.0.as_ref().map_or(Ok(()), Acknowledgement::acknowledge)
    }

    /// What acknowledges the message, if the application is to do that: for acknowledging it elsewhere, when the
    /// message itself is gone. `None` with QoS 0.
    pub fn acknowledgement(&self) -> Option<Acknowledgement> {
        self.acknowledgement.0.clone()
    }

    /// The message of a PUBLISH that arrived, with copies of its topic and payload.
    pub(crate) fn arrived(publish: &Publish<'_>, topic: Arc<str>, payload: Bytes) -> Self {
        Message {
            topic,
            payload,
            qos: publish.qos,
            retain: publish.retain,
            dup: publish.dup,
            packet_id: publish.packet_id,
            properties: publish.properties.into(),
            acknowledgement: ByHand::default(),
        }
    }
}
