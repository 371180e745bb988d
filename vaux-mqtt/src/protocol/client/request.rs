//! What the application asks for.

use alloc::vec::Vec;

use super::{Client, Outgoing, Request, RequestKind, State};
use crate::error::Rule;
use crate::packet::{
    Auth, Disconnect, Filters, PacketId, PacketType, Publish, Sender, Subscribe, Subscription, Subscriptions,
    Unsubscribe,
};
use crate::property::{Allowed, Properties, Property, PropertySet};
use crate::protocol::{OutboundAlias, OutboundAliases, Resend};
use crate::reason::ReasonCode;
use crate::topic::{TopicFilter, TopicName};
use crate::version::{QoS, Version};

/// Why a request was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// There is no connection (any more).
    NotConnected,
    /// As many messages as may be are unacknowledged, or all packet identifiers are in use. Try again later.
    NoRoom,
    /// It would break a rule, or ask for what this server does not offer.
    Invalid(Rule),
}

impl<M: Outgoing> Client<M> {
    /// Whether a message with this QoS can be sent now.
    pub fn has_room(&self, qos: QoS) -> bool {
        self.state == State::Connected && (qos == QoS::AtMostOnce || self.session.outbound.has_room())
    }

    /// Sends a message. With a QoS above 0 it gets a packet identifier, and is kept until its exchange is over.
    ///
    /// # Errors
    ///
    /// The message is given back, with the reason why it was not sent.
    pub fn publish(&mut self, message: M) -> Result<Option<PacketId>, (M, NotSent)> {
        if self.state != State::Connected {
            return Err((message, NotSent::NotConnected));
        }
        if let Err(rule) = self.check_publish(&message.publish()) {
            return Err((message, NotSent::Invalid(rule)));
        }
        let qos = message.publish().qos;
        if !self.has_room(qos) {
            return Err((message, NotSent::NoRoom));
        }
        let mut wire = Wire {
            version: self.asked.version,
            packet_max: self.limits.packet_max(),
            aliases: &mut self.outbound_aliases,
            output: &mut self.output,
        };
        if qos == QoS::AtMostOnce {
            wire.write(message.publish(), None, false);
            return Ok(None);
        }
        let packet_id = self
            .session
            .outbound
            .send(qos, message)
            .expect("there is room, and REQUESTS_MAX keeps identifiers free");
        if let Some(message) =
            self.session.outbound.in_flight().next_back().and_then(|entry| entry.message.as_ref())
        {
            wire.write(message.publish(), Some(packet_id), false);
        }
        Ok(Some(packet_id))
    }

    fn check_publish(&self, publish: &Publish<'_>) -> Result<(), Rule> {
        TopicName::new(publish.topic)?;
        self.check_properties(&publish.properties, PropertySet::PUBLISH)?;
        if publish.properties.subscription_identifiers().next().is_some() {
            return Err(Rule::SubscriptionIdentifierFromClient);
        }
        // Aliases are given here, where it is known which are in use.
        if publish.properties.topic_alias().is_some() {
            return Err(Rule::PropertyNotAllowed);
        }
        self.limits.check_publish(publish, self.asked.version)
    }

    fn check_len(&self, len: usize) -> Result<(), Rule> {
        self.limits.check_len(len)
    }

    fn check_properties(&self, properties: &Properties<'_>, allowed: PropertySet) -> Result<(), Rule> {
        if !properties.is_empty() && !self.asked.version.has_properties() {
            return Err(Rule::PropertyNotAllowed);
        }
        properties.check(Allowed::only(allowed))
    }

    /// Sends again what was under way when the session was resumed, as far as the send window allows.
    pub(super) fn resend(&mut self) {
        let version = self.asked.version;
        let mut wire = Wire {
            version,
            packet_max: self.limits.packet_max(),
            aliases: &mut self.outbound_aliases,
            output: &mut self.output,
        };
        while let Some(resend) = self.session.outbound.next_resend() {
            match resend {
                Resend::Publish { packet_id, message, .. } => {
                    wire.write(message.publish(), Some(packet_id), true);
                }
                Resend::PubRel(packet_id) => {
                    let ack = crate::packet::Ack::new(packet_id, ReasonCode::Success);
                    ack.encode(PacketType::PubRel, version, wire.output);
                }
            }
        }
    }

    /// Asks for subscriptions. The answer is [`super::Event::Subscribed`] with the same packet identifier.
    ///
    /// # Errors
    ///
    /// Why the request was not sent.
    pub fn subscribe(
        &mut self,
        subscriptions: &[Subscription<'_>],
        properties: Properties<'_>,
    ) -> Result<PacketId, NotSent> {
        let check = |client: &Self| client.check_subscribe(subscriptions, &properties);
        let packet_id = self.begin_request(RequestKind::Subscribe, subscriptions.len(), check)?;
        let subscriptions = Subscriptions::from_slice(subscriptions);
        let packet = Subscribe { packet_id, properties, subscriptions };
        packet.encode(self.asked.version, &mut self.output);
        Ok(packet_id)
    }

    fn check_subscribe(
        &self,
        subscriptions: &[Subscription<'_>],
        properties: &Properties<'_>,
    ) -> Result<(), Rule> {
        if subscriptions.is_empty() {
            return Err(Rule::SubscribeEmpty);
        }
        self.check_properties(properties, PropertySet::SUBSCRIBE)?;
        if !self.limits.subscription_identifier_available
            && properties.subscription_identifiers().next().is_some()
        {
            return Err(Rule::SubscriptionIdentifierNotSupported);
        }
        for subscription in subscriptions {
            let filter = TopicFilter::new(subscription.filter).map_err(|(rule, _)| rule)?;
            if filter.has_wildcard() && !self.limits.wildcard_subscription_available {
                return Err(Rule::WildcardNotSupported);
            }
            if filter.shared().is_some() {
                if !self.limits.shared_subscription_available {
                    return Err(Rule::SharedNotSupported);
                }
                if subscription.options.no_local && self.asked.version.has_properties() {
                    return Err(Rule::NoLocalShared);
                }
            }
        }
        let subscriptions = Subscriptions::from_slice(subscriptions);
        let packet = Subscribe { packet_id: PacketId::FIRST, properties: *properties, subscriptions };
        self.check_len(packet.encoded_len(self.asked.version))
    }

    /// Ends subscriptions. The answer is [`super::Event::Unsubscribed`] with the same packet identifier.
    ///
    /// # Errors
    ///
    /// Why the request was not sent.
    pub fn unsubscribe(&mut self, filters: &[&str], properties: Properties<'_>) -> Result<PacketId, NotSent> {
        let check = |client: &Self| client.check_unsubscribe(filters, &properties);
        let packet_id = self.begin_request(RequestKind::Unsubscribe, filters.len(), check)?;
        let packet = Unsubscribe { packet_id, properties, filters: Filters::from_slice(filters) };
        packet.encode(self.asked.version, &mut self.output);
        Ok(packet_id)
    }

    fn check_unsubscribe(&self, filters: &[&str], properties: &Properties<'_>) -> Result<(), Rule> {
        if filters.is_empty() {
            return Err(Rule::UnsubscribeEmpty);
        }
        self.check_properties(properties, PropertySet::UNSUBSCRIBE)?;
        filters
            .iter()
            .try_for_each(|filter| TopicFilter::new(filter).map(|_| ()).map_err(|(rule, _)| rule))?;
        let filters = Filters::from_slice(filters);
        let packet = Unsubscribe { packet_id: PacketId::FIRST, properties: *properties, filters };
        self.check_len(packet.encoded_len(self.asked.version))
    }

    fn begin_request(
        &mut self,
        kind: RequestKind,
        filter_count: usize,
        check: impl FnOnce(&Self) -> Result<(), Rule>,
    ) -> Result<PacketId, NotSent> {
        if self.state != State::Connected {
            return Err(NotSent::NotConnected);
        }
        check(self).map_err(NotSent::Invalid)?;
        if self.requests.len() >= usize::from(super::REQUESTS_MAX) {
            return Err(NotSent::NoRoom);
        }
        let packet_id = self.session.outbound.reserve_id().ok_or(NotSent::NoRoom)?;
        self.requests.push(Request { packet_id, kind, filter_count });
        Ok(packet_id)
    }

    /// Sends a step of enhanced authentication: an answer to [`super::Event::Auth`], or the beginning of
    /// re-authentication. The method is added here.
    ///
    /// # Errors
    ///
    /// Why it was not sent.
    pub fn authenticate(&mut self, reason: ReasonCode, data: Option<&[u8]>) -> Result<(), NotSent> {
        let must_be_connected = reason == ReasonCode::ReAuthenticate;
        if self.state == State::Closed || (must_be_connected && self.state != State::Connected) {
            return Err(NotSent::NotConnected);
        }
        if !reason.is_allowed_in(PacketType::Auth, Sender::Client) {
            return Err(NotSent::Invalid(Rule::AuthReasonCode));
        }
        let Some(method) = self.asked.authentication_method.as_deref() else {
            return Err(NotSent::Invalid(Rule::AuthWithoutMethod));
        };
        let list: Vec<_> =
            [Some(Property::AuthenticationMethod(method)), data.map(Property::AuthenticationData)]
                .into_iter()
                .flatten()
                .collect();
        let auth = Auth { reason, properties: Properties::from_slice(&list) };
        self.check_len(auth.encoded_len()).map_err(NotSent::Invalid)?;
        auth.encode(&mut self.output);
        Ok(())
    }

    /// Ends the connection with DISCONNECT. Before version 5.0 reason and properties are not sent.
    ///
    /// # Errors
    ///
    /// Why it was not sent.
    pub fn disconnect(&mut self, reason: ReasonCode, properties: Properties<'_>) -> Result<(), NotSent> {
        if self.state == State::Closed {
            return Err(NotSent::NotConnected);
        }
        let version = self.asked.version;
        let disconnect = Disconnect { reason, properties };
        if version.has_properties() {
            self.check_disconnect(&disconnect).map_err(NotSent::Invalid)?;
        }
        disconnect.encode(version, &mut self.output);
        self.state = State::Closed;
        Ok(())
    }

    fn check_disconnect(&self, disconnect: &Disconnect<'_>) -> Result<(), Rule> {
        if !disconnect.reason.is_allowed_in(PacketType::Disconnect, Sender::Client) {
            return Err(Rule::DisconnectReasonCode);
        }
        self.check_properties(&disconnect.properties, PropertySet::DISCONNECT)?;
        if disconnect.properties.server_reference().is_some() {
            return Err(Rule::ServerReferenceFromClient);
        }
        let is_raised = disconnect.properties.session_expiry_interval().is_some_and(|seconds| seconds > 0);
        if is_raised && self.asked.session_expiry_interval == 0 {
            return Err(Rule::SessionExpiryRaised);
        }
        self.check_len(disconnect.encoded_len(self.asked.version))
    }
}

/// What writing a PUBLISH needs, apart from the session that holds the message.
struct Wire<'a> {
    version: Version,
    packet_max: usize,
    aliases: &'a mut OutboundAliases,
    output: &'a mut Vec<u8>,
}

/// What the topic alias property takes, with a property length that it makes longer.
const ALIAS_LEN: usize = 3 + 1;

impl Wire<'_> {
    fn write(&mut self, publish: Publish<'_>, packet_id: Option<PacketId>, dup: bool) {
        let publish = Publish { packet_id, dup, ..publish };
        // The remaining length may take a byte more, too.
        let has_room_for_alias = || publish.encoded_len(self.version) + ALIAS_LEN < self.packet_max;
        let alias = if self.aliases.is_enabled() && has_room_for_alias() {
            self.aliases.assign(publish.topic)
        } else {
            OutboundAlias::None
        };
        let (topic, alias) = match alias {
            OutboundAlias::None => return publish.encode(self.version, self.output),
            OutboundAlias::Set(alias) => (publish.topic, alias),
            OutboundAlias::Use(alias) => ("", alias),
        };
        let list = [Property::TopicAlias(alias)];
        let properties = publish.properties.with_list_before(&list);
        Publish { topic, properties, ..publish }.encode(self.version, self.output);
    }
}
