//! What a CONNECT asks for, on its way to the home of its session, and why it may be refused.

use std::sync::Arc;

use vaux_mqtt::packet::{ConnAck, Connect};
use vaux_mqtt::property::{Properties, Property};
use vaux_mqtt::{QoS, ReasonCode, Version};

use super::Settings;
use super::settings::ListenerSettings;
use crate::peer::Peer;
use crate::session::{SessionKey, Will};

/// What a CONNECT asks for, kept while the client is authenticated and moved to the home of its session.
#[derive(Debug)]
pub struct ConnectRequest {
    /// The listener it came to.
    pub listener: Arc<ListenerSettings>,
    /// Where it came from.
    pub peer: Peer,
    /// The version it speaks.
    pub version: Version,
    /// The client identifier, assigned if it had none.
    pub client_id: Arc<str>,
    /// Whether the identifier was assigned.
    pub is_assigned: bool,
    /// Whether an old session is to be discarded.
    pub clean_start: bool,
    /// Seconds, 0 for none.
    pub keep_alive: u16,
    /// How long the session is to outlive the connection, in milliseconds.
    pub expiry_ms: u64,
    /// The user name.
    pub user_name: Option<Box<str>>,
    /// The password.
    pub password: Option<Box<[u8]>>,
    /// The user whom the client's certificate names. It was accepted, and the listener goes by it.
    pub certificate_user: Option<Box<str>>,
    /// The common name of the client's certificate, which was accepted.
    pub certificate_common_name: Option<Box<str>>,
    /// The method of enhanced authentication, if it named one.
    pub authentication_method: Option<Box<str>>,
    /// What goes with it: from the client first, then what CONNACK returns.
    pub(super) authentication_data: Option<Box<[u8]>>,
    pub(super) will: Option<Box<Will>>,
    pub(super) receive_maximum: u16,
    pub(super) maximum_packet_size: usize,
    pub(super) topic_alias_maximum: u16,
    pub(super) wants_response_information: bool,
    pub(super) wants_problem_information: bool,
}

/// Why a CONNECT is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason code of CONNACK.
    pub reason: ReasonCode,
    /// A sentence for people.
    pub text: &'static str,
    /// Where to go instead, for the reasons that send clients elsewhere.
    pub server_reference: Option<Box<str>>,
    /// The key of the configuration that sets the limit that was reached.
    pub limit: Option<&'static str>,
}

impl Refusal {
    /// A refusal with a reason code of CONNACK and a sentence for people.
    pub const fn new(reason: ReasonCode, text: &'static str) -> Refusal {
        Refusal { reason, text, server_reference: None, limit: None }
    }

    /// The same, because of a limit with this key in the configuration.
    pub(super) fn limit(self, key: &'static str) -> Refusal {
        Refusal { limit: Some(key), ..self }
    }

    /// Sends the client to another server: for now, or for good. The reference is a list of `host` or `host:port`,
    /// separated by blanks.
    pub fn redirect(server_reference: &str, is_permanent: bool) -> Refusal {
        let reason = if is_permanent { ReasonCode::ServerMoved } else { ReasonCode::UseAnotherServer };
        Refusal {
            server_reference: Some(server_reference.into()),
            ..Refusal::new(reason, "go to another server")
        }
    }
}

impl ConnectRequest {
    pub(super) fn session_key(&self) -> SessionKey {
        SessionKey { mount: self.listener.mount.clone(), client_id: Arc::clone(&self.client_id) }
    }

    pub(super) fn keep_alive_in_force(&self, max_keep_alive: u16) -> u16 {
        let is_off = self.keep_alive == 0 && self.version == Version::V5 && max_keep_alive < u16::MAX;
        if is_off { max_keep_alive } else { self.keep_alive.min(max_keep_alive) }
    }

    /// The CONNACK that accepts; `properties` is room for what it says.
    pub(super) fn connack<'a>(
        &'a self,
        session_present: bool,
        settings: &'a Settings,
        properties: &'a mut Vec<Property<'a>>,
    ) -> ConnAck<'a> {
        if self.version == Version::V5 {
            self.announce(settings, properties);
        }
        ConnAck {
            session_present,
            reason: ReasonCode::Success,
            properties: Properties::from_slice(properties),
        }
    }

    /// What CONNACK of version 5.0 says of the server.
    fn announce<'a>(&'a self, settings: &'a Settings, properties: &mut Vec<Property<'a>>) {
        let limits = &settings.limits;
        let mqtt = &settings.mqtt;
        let longest_s = limits.max_session_expiry.map_or(u64::MAX, |longest| longest.as_secs());
        if self.expiry_ms != u64::MAX && self.expiry_ms / 1000 == longest_s {
            properties.push(Property::SessionExpiryInterval(longest_s as u32));
        }
        if limits.receive_maximum < u16::MAX {
            properties.push(Property::ReceiveMaximum(limits.receive_maximum));
        }
        if self.listener.maximum_qos < QoS::ExactlyOnce {
            properties.push(Property::MaximumQos(self.listener.maximum_qos.bits()));
        }
        if let Ok(size) = u32::try_from(limits.max_packet_size) {
            properties.push(Property::MaximumPacketSize(size));
        }
        if self.is_assigned {
            properties.push(Property::AssignedClientIdentifier(&self.client_id));
        }
        if limits.topic_alias_maximum > 0 {
            properties.push(Property::TopicAliasMaximum(limits.topic_alias_maximum));
        }
        if let Some(method) = &self.authentication_method {
            properties.push(Property::AuthenticationMethod(method));
            properties.extend(self.authentication_data.as_deref().map(Property::AuthenticationData));
        }
        let keep_alive = self.keep_alive_in_force(limits.max_keep_alive);
        if keep_alive != self.keep_alive {
            properties.push(Property::ServerKeepAlive(keep_alive));
        }
        if self.wants_response_information && !mqtt.response_information.is_empty() {
            properties.push(Property::ResponseInformation(&mqtt.response_information));
        }
        let switches = [
            (mqtt.retain_available, Property::RetainAvailable(0)),
            (mqtt.wildcard_subscription_available, Property::WildcardSubscriptionAvailable(0)),
            (mqtt.subscription_identifier_available, Property::SubscriptionIdentifierAvailable(0)),
            (mqtt.shared_subscription_available, Property::SharedSubscriptionAvailable(0)),
        ];
        properties.extend(switches.into_iter().filter(|(is_on, _)| !is_on).map(|(_, property)| property));
    }
}

pub(super) fn check_client_id(
    connect: &Connect<'_>,
    max_bytes: usize,
    may_be_empty: bool,
) -> Result<(), Refusal> {
    let len = connect.client_id.len();
    let characters = connect.client_id.chars().count();
    if connect.version == Version::V31 && !(1..=23).contains(&characters) {
        return Err(Refusal::new(
            ReasonCode::ClientIdentifierNotValid,
            "the client identifier must have 1 to 23 characters",
        ));
    }
    if len > max_bytes {
        let text = "the client identifier is too long";
        return Err(Refusal::new(ReasonCode::ClientIdentifierNotValid, text).limit("max_client_id_bytes"));
    }
    if len == 0 && (!may_be_empty || (connect.version != Version::V5 && !connect.clean_start)) {
        return Err(Refusal::new(
            ReasonCode::ClientIdentifierNotValid,
            "the client identifier must not be empty",
        ));
    }
    Ok(())
}

/// Before version 5.0 a session without Clean Session is kept for ever.
pub(super) fn session_expiry_ms(connect: &Connect<'_>) -> u64 {
    match connect.version {
        Version::V5 => match connect.properties.session_expiry_interval().unwrap_or(0) {
            u32::MAX => u64::MAX,
            seconds => u64::from(seconds) * 1000,
        },
        Version::V31 | Version::V311 if connect.clean_start => 0,
        Version::V31 | Version::V311 => u64::MAX,
    }
}
