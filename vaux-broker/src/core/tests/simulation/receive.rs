//! What a client makes of what it receives, and the rules that it sees kept or broken.

use std::collections::{BTreeMap, HashMap};

use vaux_mqtt::packet::ConnAck;
use vaux_mqtt::protocol::PubRecOutcome;

use super::client::{ClientSession, ClientSubscription};
use super::ledger::Outcome;
use super::link::Link;
use super::world::World;
use super::*;

impl World {
    /// A client reads some of what has come.
    pub(super) fn read_as(&mut self, client: usize) {
        let Some(index) = self.clients[client].link else { return };
        let link = &mut self.links[index];
        let mut count = link.to_client.len();
        if !self.is_settling && self.rng.u8(..3) == 0 {
            count = self.rng.usize(..=count);
        }
        self.clients[client].unread.extend(link.to_client.drain(..count));
        if link.is_blocked && count > 0 {
            link.is_blocked = false;
            if let Some((worker, slot)) = link.place {
                self.workers[worker].writable.push(slot);
                self.wake(worker);
            }
        }
        let state = &mut self.clients[client];
        if let Some(session) = &mut state.session
            && state.is_connected
            && self.links[index].given_up_at.is_none()
        {
            session.seen_at = self.now;
        }
        let bytes = std::mem::take(&mut self.clients[client].unread);
        let version = self.clients[client].role.version;
        let mut rest = &bytes[..];
        while self.violation.is_none() && self.clients[client].link == Some(index) {
            let frame = match Frame::split(rest) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => return self.violate(5, format!("unreadable: {error:?}")),
            };
            match Packet::decode(&frame, version, Sender::Server) {
                Ok(packet) => self.handle_packet_as(client, packet),
                Err(error) => return self.violate(5, format!("unreadable: {error:?}")),
            }
            rest = &rest[frame.bytes().len()..];
        }
        if self.clients[client].link == Some(index) {
            self.clients[client].unread = rest.to_vec();
        }
    }

    fn handle_packet_as(&mut self, client: usize, packet: Packet<'_>) {
        if self.clients[client].awaits_connack != matches!(packet, Packet::ConnAck(_)) {
            return self.violate(9, format!("client {client} got {packet:?} at the wrong time"));
        }
        self.check_durable(client, &packet);
        match packet {
            Packet::ConnAck(connack) => self.handle_connack(client, &connack),
            Packet::Publish(publish) => self.handle_publish_as(client, &publish),
            Packet::PubAck(ack) => {
                if let Some(number) = self.clients[client].outbound.handle_puback(ack.packet_id) {
                    self.close_publication(number, ack.reason);
                }
            }
            Packet::PubRec(ack) => self.handle_pubrec_as(client, &ack),
            Packet::PubComp(ack) => {
                self.clients[client].outbound.handle_pubcomp(ack.packet_id);
            }
            Packet::PubRel(ack) => {
                if let Some(session) = &mut self.clients[client].session {
                    session.held.remove(&ack.packet_id.value());
                }
                self.clients[client].owed.push_back((PacketType::PubComp, ack.packet_id.value()));
            }
            Packet::SubAck(suback) => {
                let (now, packet_id) = (self.now, suback.packet_id.value());
                let Some(session) = &mut self.clients[client].session else { return };
                let asked = session.subscriptions.iter_mut().find(|one| one.packet_id == packet_id);
                asked.into_iter().for_each(|one| one.granted_at = Some(now));
            }
            Packet::Disconnect(disconnect) => {
                self.note(|_| format!("client {client} is told {:?}", disconnect.reason));
                // A connection that it gave up may have been the later one to arrive.
                let (this_link, asked_at) = (self.clients[client].link, self.clients[client].asked_at);
                let is_rival = |(index, link): (usize, &Link)| {
                    link.client == client
                        && Some(index) != this_link
                        && link.given_up_at.is_none_or(|at| at >= asked_at)
                };
                let has_rival = self.links.iter().enumerate().any(is_rival);
                if disconnect.reason == ReasonCode::SessionTakenOver && !has_rival {
                    self.violate(11, format!("client {client} was taken over by nobody"));
                }
                (self.clients[client].is_connected, self.clients[client].was_told_off) = (false, true);
            }
            _ => {}
        }
    }

    fn handle_connack(&mut self, client: usize, connack: &ConnAck<'_>) {
        let (now, incarnation) = (self.now, self.incarnation);
        let present = connack.session_present;
        self.note(|_| format!("client {client} is let in: {:?}, session {present}", connack.reason));
        let state = &mut self.clients[client];
        state.link.into_iter().for_each(|link| self.links[link].is_let_in = true);
        state.awaits_connack = false;
        if connack.reason.is_error() {
            // Whether it had a session or not, it has it still.
            state.is_unsure = true;
            let is_expected = state.role.is_intruder || connack.reason == ReasonCode::ServerUnavailable;
            if !is_expected {
                self.violate(11, format!("client {client} was refused: {:?}", connack.reason));
            }
            return;
        }
        if state.role.is_intruder {
            return self.violate(11, "an intruder was let in".into());
        }
        state.is_connected = true;
        let was_unsure = std::mem::take(&mut state.is_unsure);
        if present != state.session.is_some() {
            self.judge_session(client, was_unsure);
        }
        let state = &mut self.clients[client];
        state.has_resumed = present;
        if !present || state.session.is_none() {
            self.end_client_session(client);
            let state = &mut self.clients[client];
            state.session = Some(ClientSession {
                expiry_ms: state.role.expiry_ms(state.asked_clean),
                subscriptions: Vec::new(),
                held: BTreeMap::new(),
                received: HashMap::new(),
                newest: HashMap::new(),
                seen_at: now,
                began_in: incarnation,
            });
        } else {
            self.check_outlived(client);
        }
        let window = connack.properties.receive_maximum().unwrap_or(u16::MAX).min(5);
        self.clients[client].outbound.begin_connection(window);
        self.confirm_will(client);
        self.resend_as(client);
        self.subscribe_as(client);
    }

    /// The broker has a session that its client does not know, or the other way round.
    fn judge_session(&mut self, client: usize, was_unsure: bool) {
        let state = &self.clients[client];
        let (now, asked_clean) = (self.now, state.asked_clean);
        match &state.session {
            // It may be from a CONNECT that was never answered.
            None if was_unsure && !asked_clean => {}
            None => self.violate(13, format!("client {client} found a session, clean: {asked_clean}")),
            Some(session) if now < session.seen_at.plus_ms(session.expiry_ms) => {
                self.violate(1, format!("the session of client {client} is lost"));
            }
            _ => {}
        }
    }

    /// A session that was resumed must not have expired before.
    fn check_outlived(&mut self, client: usize) {
        let Some(session) = &self.clients[client].session else { return };
        let (this_link, asked_at) = (self.clients[client].link, self.clients[client].asked_at);
        let mut absent_since = self.started_at;
        for (index, link) in self.links.iter().enumerate() {
            if link.client == client && Some(index) != this_link {
                absent_since = absent_since.max(link.given_up_at.unwrap_or(Time::NEVER));
            }
        }
        let ended_at = absent_since.plus_ms(session.expiry_ms);
        if ended_at < asked_at {
            self.violate(13, format!("client {client} resumed a session that ended at {}", ended_at.0));
        }
    }

    fn handle_pubrec_as(&mut self, client: usize, ack: &Ack<'_>) {
        match self.clients[client].outbound.handle_pubrec(ack.packet_id, ack.reason) {
            PubRecOutcome::Release(number) => {
                if let Some(number) = number {
                    self.close_publication(number, ack.reason);
                }
                self.clients[client].owed.push_back((PacketType::PubRel, ack.packet_id.value()));
            }
            PubRecOutcome::Refused(Some(number)) => self.close_publication(number, ack.reason),
            PubRecOutcome::Refused(None) | PubRecOutcome::Unknown => {}
        }
    }

    /// A message was acknowledged, or refused.
    fn close_publication(&mut self, number: usize, reason: ReasonCode) {
        self.note(|_| format!("{number} is acknowledged: {reason:?}"));
        let publication = &mut self.ledger.publications[number];
        publication.outcome = match reason.is_error() {
            false => Outcome::Acknowledged,
            // It may have been let in the first time.
            true if publication.sends > 1 => Outcome::Open,
            true => Outcome::Refused,
        };
    }

    /// Core has read so much of what a client sent.
    pub(super) fn note_used(&mut self, client: usize, used_bytes: u64) {
        let Some(link) = self.clients[client].link else { return };
        let now = self.now;
        for publication in self.ledger.publications.iter_mut().rev().take(20) {
            let (end_link, end) = publication.end;
            if publication.publisher == client && end_link == link && end <= used_bytes {
                publication.handled_at.get_or_insert(now);
            }
        }
    }

    fn handle_publish_as(&mut self, client: usize, publish: &Publish<'_>) {
        let packet_id = publish.packet_id.map_or(0, PacketId::value);
        let payload = String::from_utf8_lossy(publish.payload);
        self.note(|_| {
            let (number, _) = payload.split_once(':').unwrap_or_default();
            let (qos, dup, retain) = (publish.qos, publish.dup, publish.retain);
            format!(
                "client {client} gets {number} at {} {qos:?} {packet_id} dup {dup} retain {retain}",
                publish.topic
            )
        });
        let number = match payload.is_empty() {
            true => None,
            false => match self.ledger.find(&payload) {
                None => return self.violate(5, format!("client {client} got what nobody sent")),
                number => number,
            },
        };
        if let Some(number) = number {
            self.check_content(client, number, publish);
            self.check_expiry(client, number, publish);
        }
        if publish.qos > QoS::AtMostOnce && self.take_exchange(client, publish, packet_id, number) {
            return;
        }
        if let Some(number) = number {
            self.clients[client].ever.insert(number);
            self.count_receipt(client, number, publish);
        }
    }

    /// Checks and notes the exchange of a message. True when it is one of QoS 2 that the client has already.
    fn take_exchange(
        &mut self,
        client: usize,
        publish: &Publish<'_>,
        packet_id: u16,
        number: Option<usize>,
    ) -> bool {
        let number = number.unwrap_or(usize::MAX);
        let state = &self.clients[client];
        let mut window = usize::from(self.settings.limits.max_inflight);
        if state.role.version == Version::V5 {
            window = window.min(usize::from(state.role.receive_maximum));
        }
        if state.unanswered.len() >= window {
            self.violate(8, format!("client {client} got more than {window} messages at once"));
        }
        if self.clients[client].unanswered.insert(packet_id, number).is_some() {
            self.violate(8, format!("client {client} got identifier {packet_id} twice"));
        }
        if publish.dup && !self.clients[client].has_resumed {
            self.violate(3, format!("client {client} got {number} again without a session to resume"));
        }
        let seen = self.clients[client].seen.insert(packet_id, number);
        if publish.dup && seen == Some(number) {
            self.violate(3, format!("client {client} got {number} again on one connection"));
        }
        let Some(session) = &mut self.clients[client].session else { return true };
        if publish.qos == QoS::AtLeastOnce {
            self.clients[client].owed.push_back((PacketType::PubAck, packet_id));
            return false;
        }
        let held = session.held.insert(packet_id, number);
        self.clients[client].owed.push_back((PacketType::PubRec, packet_id));
        if held.is_some_and(|held| held != number || !publish.dup) {
            self.violate(8, format!("client {client} got {number} with the identifier of {held:?}"));
        }
        held.is_some()
    }

    fn check_content(&mut self, client: usize, number: usize, publish: &Publish<'_>) {
        let publication = &self.ledger.publications[number];
        let properties = publish.properties;
        let has_property = properties.user_properties().next().is_some();
        let is_v5 = self.clients[client].role.version == Version::V5;
        let is_unchanged = publish.topic == publication.topic
            && has_property == (is_v5 && publication.has_property)
            && (publication.retain || !publish.retain);
        let is_forbidden = publish.topic.starts_with("x/");
        let outcome = publication.outcome;
        let qos = publication.qos;
        let Some(session) = &self.clients[client].session else { return };
        let matches = session.subscriptions.iter().filter(|one| one.matches(publish.topic));
        let granted = matches.map(|one| one.qos.min(qos)).max();
        if !is_unchanged || is_forbidden || granted < Some(publish.qos) {
            self.violate(5, format!("client {client} got {number} as {publish:?}"));
        }
        if outcome == Outcome::Refused {
            self.violate(11, format!("client {client} got {number}, which was refused"));
        }
        if outcome == Outcome::Discarded(self.incarnation) {
            self.violate(12, format!("client {client} got the will {number}, which was taken back"));
        }
    }

    fn check_expiry(&mut self, client: usize, number: usize, publish: &Publish<'_>) {
        let publication = &self.ledger.publications[number];
        let (Some(seconds), Some(handled_at)) = (publication.expiry_s, publication.handled_at) else {
            return;
        };
        // It was sent on this connection, which is younger than it.
        let age_ms = self.clients[client].asked_at.ms_since(handled_at);
        let left_ms = (u64::from(seconds) * 1000).saturating_sub(age_ms);
        let is_single = publication.sends == 1;
        let is_v5 = self.clients[client].role.version == Version::V5;
        if left_ms == 0 && !publish.dup && is_single {
            self.violate(13, format!("client {client} got {number}, which had expired"));
        }
        let told = publish.properties.message_expiry_interval().unwrap_or(0);
        let is_right = (1..=left_ms.div_ceil(1000).max(1)).contains(&u64::from(told));
        if is_v5 && is_single && !is_right {
            self.violate(13, format!("client {client} got {number} with {told} s to go, of {left_ms} ms"));
        }
    }

    /// Counts a message that a client did not have in this exchange, and checks how often and in which order it came.
    fn count_receipt(&mut self, client: usize, number: usize, publish: &Publish<'_>) {
        let publication = &self.ledger.publications[number];
        let incarnation = self.incarnation;
        let Some(session) = &mut self.clients[client].session else { return };
        let matches = || session.subscriptions.iter().filter(|one| one.matches(publish.topic));
        let (subscriptions, is_shared) = (matches().count(), matches().any(ClientSubscription::is_shared));
        let crashes = (incarnation - session.began_in) as usize;
        let most = match (publish.retain, publish.qos) {
            (true, QoS::AtLeastOnce) => subscriptions + crashes,
            (true, _) => subscriptions,
            (false, QoS::ExactlyOnce) => 1,
            // It goes to another member, and perhaps back, as members come and go.
            (false, QoS::AtLeastOnce) if is_shared => usize::MAX,
            (false, QoS::AtLeastOnce) if publication.qos == QoS::ExactlyOnce => 1 + crashes,
            (false, QoS::AtLeastOnce) => publication.sends + crashes,
            // A will fires again when the broker dies before that it did is on the disk.
            (false, QoS::AtMostOnce) if publication.is_will => 1 + crashes,
            (false, QoS::AtMostOnce) => publication.sends,
        };
        let floor = matches().filter_map(|one| one.floor(publish.topic)).min();
        let is_first = !session.received.contains_key(&(number, publish.retain));
        let counts = session.received.entry((number, publish.retain)).or_default();
        let count = &mut counts[usize::from(publish.qos.bits())];
        *count += usize::from(!publish.dup || publish.qos == QoS::ExactlyOnce);
        let count = *count;
        let key = (publication.publisher, publication.topic.clone(), publish.qos.bits());
        // Of a message that was sent twice, the first may have been lost on the way or come before the subscription.
        let is_covered = matches().any(|one| one.granted_at.is_some_and(|at| at < publication.sent_at));
        let may_be_lost = publication.sends > 1 && (publish.qos == QoS::AtMostOnce || !is_covered);
        let is_late = is_first
            && !may_be_lost
            && !publish.retain
            && !is_shared
            && session.newest.insert(key, number).is_some_and(|newest| newest > number);
        if count > most {
            // One with QoS 1 comes again as often as that is said.
            let invariant = match publish.qos {
                _ if self.ledger.publications[number].is_will => 12,
                QoS::AtLeastOnce => 3,
                QoS::AtMostOnce | QoS::ExactlyOnce => 2,
            };
            self.violate(invariant, format!("client {client} got {number} {count} times, {most} at most"));
        }
        if is_late {
            self.violate(4, format!("client {client} got {number} behind a later one"));
        }
        if publish.retain && floor.is_some_and(|floor| number < floor) {
            self.violate(7, format!("client {client} got {number} retained, but {floor:?} was acknowledged"));
        }
    }
}

impl ClientSubscription {
    /// The filter without the name of a shared subscription.
    fn plain(&self) -> &'static str {
        self.filter.strip_prefix("$share/g/").unwrap_or(self.filter)
    }

    pub(super) fn is_shared(&self) -> bool {
        self.filter.starts_with('$')
    }

    /// Whether a topic matches: all filters are of two levels, or are `#` behind one or none.
    pub(super) fn matches(&self, topic: &str) -> bool {
        let filter = self.plain();
        match filter.strip_suffix(['+', '#']) {
            Some(prefix) => topic.starts_with(prefix),
            None => topic == filter,
        }
    }

    fn floor(&self, topic: &str) -> Option<usize> {
        Some(self.floors.iter().find(|(other, _)| other == topic).map_or(0, |(_, floor)| *floor))
    }
}
