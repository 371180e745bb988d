//! What the broker offers of the protocol: announced in CONNACK where MQTT 5.0 has a property for it, and enforced.

/// The optional parts of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mqtt {
    /// Whether messages can be retained.
    pub retain_available: bool,
    /// Whether filters may have wildcards.
    pub wildcard_subscription_available: bool,
    /// Whether subscriptions may have an identifier.
    pub subscription_identifier_available: bool,
    /// Whether subscriptions can be shared (`$share/group/filter`).
    pub shared_subscription_available: bool,
    /// Which member of a shared subscription gets a message.
    pub shared_strategy: SharedStrategy,
    /// Whether a client may leave its identifier to the broker.
    pub allow_zero_length_client_id: bool,
    /// Response Information for clients that request it; empty: none is sent.
    pub response_information: String,
    /// Whether a retained message is delivered only while its publisher may still publish there.
    pub check_retain_source: bool,
    /// Whether a message may be delivered with the subscription's QoS when it was published with a lower one.
    pub upgrade_outgoing_qos: bool,
}

impl Default for Mqtt {
    fn default() -> Mqtt {
        Mqtt {
            retain_available: true,
            wildcard_subscription_available: true,
            subscription_identifier_available: true,
            shared_subscription_available: true,
            shared_strategy: SharedStrategy::RoundRobin,
            allow_zero_length_client_id: true,
            response_information: String::new(),
            upgrade_outgoing_qos: false,
            check_retain_source: true,
        }
    }
}

/// Which member of a shared subscription gets a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SharedStrategy {
    /// Each in turn.
    #[default]
    RoundRobin,
    /// The same one for as long as it is there.
    Sticky,
    /// By the publisher's client identifier.
    HashClient,
    /// By the topic.
    HashTopic,
    /// The one with the fewest unfinished messages.
    LeastInflight,
}
