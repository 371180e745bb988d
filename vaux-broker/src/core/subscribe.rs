//! SUBSCRIBE and UNSUBSCRIBE.
//!
//! A subscription is first put into the tables, then the retained messages are read: a message that is published in
//! between is seen live, retained, or both, never neither.

use serde_json::json;
use vaux_mqtt::error::Rule;
use vaux_mqtt::packet::{RetainHandling, SubAck, Subscribe, Subscription, UnsubAck, Unsubscribe};
use vaux_mqtt::property::{Properties, Property};
use vaux_mqtt::topic::TopicFilter;
use vaux_mqtt::{Error, QoS, ReasonCode, Version};

use super::Core;
use super::observe::Ending;
use super::publish::{check_user_properties, is_too_deep};
use crate::observe::EventKind;
use crate::rights::Action;
use crate::session::SessionSubscription;
use crate::store::{Record, Sequence};
use crate::time::Time;

impl Core {
    pub(super) fn handle_subscribe(
        &mut self,
        now: Time,
        slot: u32,
        subscribe: &Subscribe<'_>,
    ) -> Result<(), Error> {
        self.check_supported(slot, subscribe)?;
        let identifier = subscribe.properties.subscription_identifiers().next().unwrap_or(0);
        let mut needs = Sequence::NONE;
        let mut codes = Vec::new();
        let mut to_replay = Vec::new();
        for subscription in subscribe.subscriptions.iter() {
            let granted = self.plan_subscription(slot, &subscription);
            if let Err(reason) = granted {
                self.note_refused_subscription(now, slot, subscription.filter, reason);
            }
            codes.push(match granted {
                Ok(qos) => qos.bits(),
                Err(reason) => reason.value(),
            });
            if let Ok(qos) = granted {
                let (sequence, replay) = self.add_subscription(now, slot, &subscription, qos, identifier);
                needs = needs.max(sequence);
                to_replay.extend(replay);
            }
        }
        if self.connections[slot as usize].version == Version::V31 && codes.iter().any(|&code| code >= 0x80) {
            // 3.1 has no code for a refusal.
            self.lose(now, slot, &Ending::SUBSCRIPTION_REFUSED);
            self.close(now, slot);
            return Ok(());
        }
        self.answer_subscribe(slot, subscribe, &codes, needs);
        to_replay.iter().for_each(|subscription| self.begin_replay(slot, subscription));
        self.offer_shared(self.connections[slot as usize].session);
        self.pump(now, slot);
        Ok(())
    }

    pub(super) fn handle_unsubscribe(
        &mut self,
        now: Time,
        slot: u32,
        unsubscribe: &Unsubscribe<'_>,
    ) -> Result<(), Error> {
        check_user_properties(&unsubscribe.properties, &self.settings.limits)
            .map_err(|rule| self.violation(slot, rule))?;
        let session = self.connections[slot as usize].session;
        let mut needs = Sequence::NONE;
        let mut codes = Vec::new();
        for filter in unsubscribe.filters.iter() {
            let (code, sequence) = match self.remove_subscription(session, filter) {
                Some(sequence) => {
                    self.observe_session(now, EventKind::Unsubscribe, session, Some(filter));
                    self.tell(now, "unsubscribe", session, |_, event| {
                        event.insert("filter".to_owned(), json!(filter));
                    });
                    self.report_later(session);
                    (ReasonCode::Success, sequence)
                }
                None => (ReasonCode::NoSubscriptionExisted, Sequence::NONE),
            };
            codes.push(code.value());
            needs = needs.max(sequence);
        }
        let version = self.connections[slot as usize].version;
        let unsuback = UnsubAck {
            packet_id: unsubscribe.packet_id,
            properties: Properties::EMPTY,
            reason_codes: &codes,
        };
        self.acknowledge(slot, needs, |out| unsuback.encode(version, out));
        self.repick_of(now, session);
        Ok(())
    }

    /// What is switched off as a whole ends the connection.
    fn check_supported(&self, slot: u32, subscribe: &Subscribe<'_>) -> Result<(), Error> {
        let mqtt = &self.settings.mqtt;
        check_user_properties(&subscribe.properties, &self.settings.limits)
            .map_err(|rule| self.violation(slot, rule))?;
        if self.connections[slot as usize].version != Version::V5 {
            return Ok(());
        }
        let filters = || {
            subscribe
                .subscriptions
                .iter()
                .filter_map(|subscription| TopicFilter::new(subscription.filter).ok())
        };
        if !mqtt.subscription_identifier_available
            && subscribe.properties.subscription_identifiers().next().is_some()
        {
            return Err(self.violation(slot, Rule::SubscriptionIdentifierNotSupported));
        }
        if !mqtt.shared_subscription_available && filters().any(|filter| filter.shared().is_some()) {
            return Err(self.violation(slot, Rule::SharedNotSupported));
        }
        if !mqtt.wildcard_subscription_available && filters().any(|filter| filter.has_wildcard()) {
            return Err(self.violation(slot, Rule::WildcardNotSupported));
        }
        Ok(())
    }

    /// Checks one subscription, without changing anything: the QoS that is granted, or why it is refused.
    fn plan_subscription(&self, slot: u32, subscription: &Subscription<'_>) -> Result<QoS, ReasonCode> {
        let connection = &self.connections[slot as usize];
        let session = &self.sessions[connection.session];
        let limits = &self.settings.limits;
        let filter = TopicFilter::new(subscription.filter).map_err(|_| ReasonCode::TopicFilterInvalid)?;
        let plain = filter.shared().map_or(filter, |shared| shared.filter);
        if plain.as_str().len() > limits.max_topic_bytes
            || is_too_deep(plain.as_str(), limits.max_topic_levels)
        {
            return Err(ReasonCode::TopicFilterInvalid);
        }
        let mqtt = &self.settings.mqtt;
        if filter.shared().is_some() && !mqtt.shared_subscription_available {
            return Err(ReasonCode::SharedSubscriptionsNotSupported);
        }
        if filter.has_wildcard() && !mqtt.wildcard_subscription_available {
            return Err(ReasonCode::WildcardSubscriptionsNotSupported);
        }
        if session.subscriptions.len() >= limits.max_subscriptions_per_client
            && self.place_of(connection.session, filter).is_none()
        {
            return Err(ReasonCode::QuotaExceeded);
        }
        if !self.may(connection.session, Action::Subscribe, plain.as_str()) {
            return Err(ReasonCode::NotAuthorized);
        }
        Ok(subscription.options.qos)
    }

    /// Puts a subscription that was checked into all tables. It is given back when retained messages are to follow.
    fn add_subscription(
        &mut self,
        now: Time,
        slot: u32,
        subscription: &Subscription<'_>,
        qos: QoS,
        identifier: u32,
    ) -> (Sequence, Option<SessionSubscription>) {
        let Ok(filter) = TopicFilter::new(subscription.filter) else { return (Sequence::NONE, None) };
        let connection = &self.connections[slot as usize];
        let session = connection.session;
        let mut options = subscription.options;
        options.qos = qos;
        let added = SessionSubscription::new(filter, &connection.listener.mount, options, identifier);
        let is_new = self.link_subscription(session, &added);
        if is_new {
            self.count_subscription(now, &added);
        }
        self.observe_session(now, EventKind::Subscribe, session, Some(subscription.filter));
        self.tell(now, "subscribe", session, |_, event| {
            event.insert("filter".to_owned(), json!(subscription.filter));
            event.insert("qos".to_owned(), json!(qos.bits()));
        });
        self.report_later(session);
        let state = &self.sessions[session];
        let needs = match state.is_stored() {
            true => {
                let sid = state.sid;
                self.recorder.record(|| Record::Subscribed { sid, subscription: Box::new(added.clone()) })
            }
            false => Sequence::NONE,
        };
        let wants_retained = match options.retain_handling {
            RetainHandling::Send => true,
            RetainHandling::SendIfNew => is_new,
            RetainHandling::DoNotSend => false,
        };
        let replay = (wants_retained && added.share_name.is_none()).then_some(added);
        (needs, replay)
    }

    fn answer_subscribe(&mut self, slot: u32, subscribe: &Subscribe<'_>, codes: &[u8], needs: Sequence) {
        let connection = &self.connections[slot as usize];
        let version = connection.version;
        let first_failure =
            codes.iter().copied().filter_map(ReasonCode::from_u8).find(|code| code.is_error());
        let reason_string = first_failure
            .filter(|_| connection.wants_problem_information)
            .map(|code| Property::ReasonString(code.name()));
        let mut suback = SubAck {
            packet_id: subscribe.packet_id,
            properties: Properties::from_slice(reason_string.as_slice()),
            reason_codes: codes,
        };
        if !connection.takes(suback.encoded_len(version)) {
            suback.properties = Properties::EMPTY;
        }
        self.acknowledge(slot, needs, |out| suback.encode(version, out));
    }
}
