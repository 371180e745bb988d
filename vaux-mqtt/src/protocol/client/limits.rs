//! What a server says about itself in CONNACK.

use crate::error::Rule;
use crate::packet::{PACKET_MAX, Publish};
use crate::property::{Properties, Property};
use crate::version::{QoS, Version};

/// What a server supports, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// How many messages with QoS above 0 may be unacknowledged.
    pub receive_maximum: u16,
    /// The largest packet that it takes.
    pub maximum_packet_size: u32,
    /// The highest topic alias that it takes.
    pub topic_alias_maximum: u16,
    /// The highest QoS of messages sent to it.
    pub maximum_qos: QoS,
    /// Whether it retains messages.
    pub retain_available: bool,
    /// Whether it takes filters with wildcards.
    pub wildcard_subscription_available: bool,
    /// Whether it takes subscription identifiers.
    pub subscription_identifier_available: bool,
    /// Whether it takes shared subscriptions.
    pub shared_subscription_available: bool,
    /// The keep alive that it wants, in seconds.
    pub keep_alive: Option<u16>,
    /// How long it keeps the session, in seconds, when not as long as it was asked to.
    pub session_expiry_interval: Option<u32>,
}

impl Default for ServerLimits {
    /// What holds when CONNACK says nothing.
    fn default() -> Self {
        ServerLimits {
            receive_maximum: u16::MAX,
            maximum_packet_size: u32::MAX,
            topic_alias_maximum: 0,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            wildcard_subscription_available: true,
            subscription_identifier_available: true,
            shared_subscription_available: true,
            keep_alive: None,
            session_expiry_interval: None,
        }
    }
}

impl ServerLimits {
    /// Reads the properties of a CONNACK.
    pub(super) fn from_properties(properties: &Properties<'_>) -> Self {
        let mut limits = ServerLimits::default();
        for property in properties.iter() {
            match property {
                Property::ReceiveMaximum(value) => limits.receive_maximum = value,
                Property::MaximumPacketSize(value) => limits.maximum_packet_size = value,
                Property::TopicAliasMaximum(value) => limits.topic_alias_maximum = value,
                Property::MaximumQos(value) => {
                    limits.maximum_qos = QoS::from_bits(value).unwrap_or(QoS::ExactlyOnce);
                }
                Property::RetainAvailable(value) => limits.retain_available = value != 0,
                Property::WildcardSubscriptionAvailable(value) => {
                    limits.wildcard_subscription_available = value != 0;
                }
                Property::SubscriptionIdentifierAvailable(value) => {
                    limits.subscription_identifier_available = value != 0;
                }
                Property::SharedSubscriptionAvailable(value) => {
                    limits.shared_subscription_available = value != 0;
                }
                Property::ServerKeepAlive(value) => limits.keep_alive = Some(value),
                Property::SessionExpiryInterval(value) => limits.session_expiry_interval = Some(value),
                _ => {}
            }
        }
        limits
    }

    /// Whether the server takes a message, as far as it has said.
    pub(super) fn check_publish(&self, publish: &Publish<'_>, version: Version) -> Result<(), Rule> {
        if publish.qos > self.maximum_qos {
            return Err(Rule::QosNotSupported);
        }
        if publish.retain && !self.retain_available {
            return Err(Rule::RetainNotSupported);
        }
        self.check_len(publish.encoded_len(version))
    }

    /// Whether the server takes a packet of so many bytes.
    pub(super) fn check_len(&self, len: usize) -> Result<(), Rule> {
        if len > self.packet_max() { Err(Rule::PacketTooLarge) } else { Ok(()) }
    }

    /// The largest packet that the server takes and that can be written.
    pub(super) fn packet_max(&self) -> usize {
        usize::try_from(self.maximum_packet_size).map_or(PACKET_MAX, |size| size.min(PACKET_MAX))
    }
}
