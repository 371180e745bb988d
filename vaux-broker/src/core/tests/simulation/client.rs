//! A client: what it remembers, and what it does.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use vaux_mqtt::packet::{Filters, Unsubscribe};
use vaux_mqtt::protocol::{Outbound, Resend};

use super::faults::Role;
use super::ledger::{Outcome, Publication};
use super::link::Link;
use super::world::World;
use super::*;

/// A client, connected or not.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) role: Role,
    /// When it acts next.
    pub(super) acts_at: u64,
    pub(super) link: Option<usize>,
    /// Bytes that are part of a packet.
    pub(super) unread: Vec<u8>,
    pub(super) is_connected: bool,
    pub(super) awaits_connack: bool,
    /// The broker said that it ends the connection.
    pub(super) was_told_off: bool,
    /// It does not know what its last CONNECT led to.
    pub(super) is_unsure: bool,
    /// Whether it asked for a new session on this connection, and when it asked.
    pub(super) asked_clean: bool,
    pub(super) asked_at: Time,
    /// Messages that it published and that are not acknowledged.
    pub(super) outbound: Outbound<usize>,
    pub(super) session: Option<ClientSession>,
    /// Answers that it has not sent.
    pub(super) owed: VecDeque<(PacketType, u16)>,
    /// What is unanswered of this connection's messages, by packet identifier.
    pub(super) unanswered: BTreeMap<u16, usize>,
    /// All messages of this connection, by packet identifier.
    pub(super) seen: BTreeMap<u16, usize>,
    /// Its connection resumed a session.
    pub(super) has_resumed: bool,
    pub(super) published: usize,
    next_request: u16,
    /// The will of its connection.
    pub(super) will: Option<usize>,
    pub(super) will_link: usize,
    /// It takes part no more in what is to settle.
    pub(super) stays_away: bool,
    /// Everything that it ever received.
    pub(super) ever: BTreeSet<usize>,
    /// How many sessions it has lost.
    pub(super) ended_sessions: usize,
}

/// A session as its client knows it.
#[derive(Debug)]
pub(super) struct ClientSession {
    pub(super) expiry_ms: u64,
    pub(super) subscriptions: Vec<ClientSubscription>,
    /// Messages of QoS 2 between PUBLISH and PUBREL.
    pub(super) held: BTreeMap<u16, usize>,
    /// How often each message came anew, with RETAIN and without, by QoS.
    pub(super) received: HashMap<(usize, bool), [usize; 3]>,
    /// The last message of each publisher, topic and QoS.
    pub(super) newest: HashMap<(usize, String, u8), usize>,
    /// A moment when its connection was surely there.
    pub(super) seen_at: Time,
    pub(super) began_in: u32,
}

/// A SUBSCRIBE and what came of it.
#[derive(Clone, Debug)]
pub(super) struct ClientSubscription {
    pub(super) filter: &'static str,
    pub(super) qos: QoS,
    pub(super) packet_id: u16,
    pub(super) link: usize,
    pub(super) granted_at: Option<Time>,
    /// UNSUBSCRIBE was sent.
    pub(super) has_ended: bool,
    /// The last acknowledged message of each topic that holds one, when SUBSCRIBE was sent.
    pub(super) floors: Vec<(String, usize)>,
}

impl Client {
    pub(super) fn new(role: Role) -> Client {
        Client {
            role,
            acts_at: u64::MAX,
            link: None,
            unread: Vec::new(),
            is_connected: false,
            awaits_connack: false,
            was_told_off: false,
            is_unsure: true,
            asked_clean: true,
            asked_at: Time(0),
            outbound: Outbound::new(),
            session: None,
            owed: VecDeque::new(),
            unanswered: BTreeMap::new(),
            seen: BTreeMap::new(),
            has_resumed: false,
            published: 0,
            next_request: 0,
            will: None,
            will_link: 0,
            stays_away: false,
            ever: BTreeSet::new(),
            ended_sessions: 0,
        }
    }

    /// Whether there is nothing left for it to do.
    pub(super) fn has_settled(&self) -> bool {
        let Some(session) = &self.session else { return false };
        // One that was not answered on another connection never will be.
        let is_answered = |one: &ClientSubscription| one.granted_at.is_some() || Some(one.link) != self.link;
        let is_granted = session.subscriptions.iter().all(|one| one.has_ended || is_answered(one));
        self.is_connected
            && is_granted
            && self.owed.is_empty()
            && self.unanswered.is_empty()
            && self.outbound.is_empty()
            && self.unread.is_empty()
    }
}

impl World {
    /// A client reads what has come, then does something.
    pub(super) fn act(&mut self, client: usize) {
        self.read_as(client);
        if self.violation.is_some() {
            return;
        }
        if let Some(link) = self.clients[client].link
            && self.links[link].is_over()
        {
            self.lose_connection(client);
        }
        match self.clients[client].link {
            None => self.act_offline(client),
            Some(_) if self.clients[client].is_connected => self.act_online(client),
            Some(_) => {}
        }
        let pause = match self.is_settling {
            true if self.clients[client].stays_away || self.clients[client].has_settled() => 1000,
            true => 10,
            false => self.rng.u64(1..12),
        };
        let at = self.now.0 + pause;
        self.clients[client].acts_at = at;
        self.schedule(at, super::world::Event::Act(client));
    }

    fn act_offline(&mut self, client: usize) {
        let is_intruder = self.clients[client].role.is_intruder;
        let is_open = !self.clients[client].stays_away
            && !self.is_stopping
            && !self.has_connect_under_way(client)
            && (!is_intruder || self.is_taken(&self.clients[client].role.client_id));
        let wants = if self.is_settling { !is_intruder } else { self.rng.u8(..4) == 0 };
        if is_open && wants {
            self.connect(client);
        }
    }

    /// Whether a CONNECT that the client has given up may still be on its way.
    fn has_connect_under_way(&self, client: usize) -> bool {
        let is_under_way =
            |link: &Link| link.client == client && link.given_up_at.is_none() && !link.is_let_in;
        self.links.iter().any(is_under_way)
    }

    /// Whether somebody surely has a session with this identifier, and will have it.
    fn is_taken(&self, client_id: &str) -> bool {
        self.clients.iter().any(|client| {
            let session = client.session.as_ref();
            let is_lasting = client.role.version == Version::V5 && !client.role.is_intruder;
            is_lasting
                && client.role.client_id == client_id
                && session.is_some_and(|session| session.expiry_ms > 100_000)
        })
    }

    fn act_online(&mut self, client: usize) {
        self.answer(client);
        if self.is_settling {
            return;
        }
        match self.rng.u8(..24) {
            0..=13 if self.clients[client].role.publishes > self.clients[client].published => {
                self.publish(client);
            }
            14 => self.toggle_subscription(client),
            15 => self.disconnect(client),
            16 => self.cut_own(client),
            // Another connection takes the session over.
            17 if !self.is_stopping => self.connect(client),
            _ => {}
        }
    }

    fn cut_own(&mut self, client: usize) {
        if let Some(link) = self.clients[client].link {
            self.cut(link);
            self.links[link].to_client.clear();
            self.lose_connection(client);
        }
    }

    /// The client sees that its connection has ended, or ends it.
    pub(super) fn lose_connection(&mut self, client: usize) {
        let Some(link) = self.clients[client].link else { return };
        self.leave(client);
        if !std::mem::replace(&mut self.links[link].is_cut, true) {
            self.confirm_discarded(client);
        }
        if let Some((worker, _)) = self.links[link].place {
            self.wake(worker);
        }
    }

    /// The client turns to no connection, or to another one.
    fn leave(&mut self, client: usize) {
        let state = &mut self.clients[client];
        state.link = None;
        state.is_unsure |= std::mem::take(&mut state.awaits_connack);
        state.is_connected = false;
        state.unread.clear();
        state.owed.clear();
        state.unanswered.clear();
        state.seen.clear();
        if state.session.as_ref().is_some_and(|session| session.expiry_ms == 0) {
            self.end_client_session(client);
        }
    }

    /// The client has no session any more.
    pub(super) fn end_client_session(&mut self, client: usize) {
        let state = &mut self.clients[client];
        if state.session.take().is_some() {
            state.ended_sessions += 1;
        }
        state.outbound = Outbound::new();
    }

    /// A client whose DISCONNECT was answered by the end of its connection has no will any more.
    fn confirm_discarded(&mut self, client: usize) {
        let incarnation = self.incarnation;
        // Before version 5.0 the broker cannot say that there was another reason.
        let is_sure = self.clients[client].role.version == Version::V5 && !self.clients[client].was_told_off;
        if let Some(will) = self.clients[client].will
            && is_sure
            && let Outcome::Discarded(u32::MAX) = self.ledger.publications[will].outcome
        {
            self.ledger.publications[will].outcome = Outcome::Discarded(incarnation);
            self.clients[client].will = None;
        }
    }

    /// Opens a connection and sends CONNECT on it. An open one is left behind.
    fn connect(&mut self, client: usize) {
        if let Some(old) = self.clients[client].link {
            self.links[old].to_client.clear();
            self.leave(client);
            // Nobody reads there, but all of it fits.
            self.links[old].capacity = usize::MAX;
            self.links[old].is_cut |= self.rng.bool();
        }
        self.judge_will(client);
        let worker = self.rng.usize(..self.workers.len());
        let peer = crate::peer::Peer::Unix;
        let slot = self.workers[worker].core.handle_accept(self.now, Arc::clone(&self.listener), peer);
        let link = self.links.len();
        let capacity = self.clients[client].role.capacity;
        self.links.push(Link::new(client, (worker, slot), capacity));
        self.workers[worker].slots.insert(slot, link);
        let is_clean = {
            let state = &self.clients[client];
            let must = state.session.is_none() && state.is_unsure && state.asked_clean;
            must || state.role.version != Version::V5 && state.role.expiry_s == 0
        } || self.rng.u8(..20) == 0 && !self.is_settling;
        let state = &mut self.clients[client];
        state.link = Some(link);
        (state.awaits_connack, state.was_told_off) = (true, false);
        state.asked_clean = is_clean || state.asked_clean && state.is_unsure;
        state.asked_at = self.now;
        if is_clean {
            // It knows of no session until it hears of one.
            self.end_client_session(client);
        }
        self.note(|_| format!("client {client} connects by link {link}, clean start {is_clean}"));
        self.send_connect(client, is_clean);
    }

    fn send_connect(&mut self, client: usize, clean_start: bool) {
        let will = self.arm_will(client);
        let role = self.clients[client].role.clone();
        let mut properties = Vec::new();
        if role.version == Version::V5 {
            if role.expiry_s > 0 {
                properties.push(Property::SessionExpiryInterval(role.expiry_s));
            }
            properties.push(Property::ReceiveMaximum(role.receive_maximum));
        }
        let delay = role.will.map(|will| [Property::WillDelayInterval(will.delay_s)]);
        let publication = will.map(|will| self.ledger.publications[will].clone());
        // An intruder is somebody else, or has a will that it must not have.
        let is_forbidden = role.is_intruder && self.rng.bool();
        let user = if role.is_intruder && !is_forbidden { "intruder" } else { "user" };
        let will = publication.as_ref().map(|publication| Will {
            qos: publication.qos,
            retain: publication.retain,
            properties: match (&delay, role.version) {
                (Some(delay), Version::V5) => Properties::from_slice(delay),
                _ => Properties::EMPTY,
            },
            topic: &publication.topic,
            payload: publication.payload.as_bytes(),
        });
        let forbidden = Will {
            qos: QoS::AtMostOnce,
            retain: false,
            properties: Properties::EMPTY,
            topic: "x/will",
            payload: b"x",
        };
        let connect = Connect {
            clean_start,
            keep_alive: 0,
            properties: Properties::from_slice(&properties),
            will: if is_forbidden { Some(forbidden) } else { will },
            user_name: Some(user),
            ..Connect::new(role.version, &role.client_id)
        };
        let mut bytes = Vec::new();
        connect.encode(&mut bytes);
        self.send_as(client, &bytes);
    }

    /// Sends bytes on the client's connection.
    pub(super) fn send_as(&mut self, client: usize, bytes: &[u8]) {
        let Some(link) = self.clients[client].link else { return };
        let link = &mut self.links[link];
        link.sent_bytes += bytes.len() as u64;
        if !link.is_cut {
            link.to_server.extend(bytes);
        }
        if let Some((worker, _)) = link.place {
            self.wake(worker);
        }
    }

    fn answer(&mut self, client: usize) {
        let waits = !self.is_settling && self.rng.u8(..3) == 0;
        let owed = self.clients[client].owed.len();
        let count = if waits { self.rng.usize(..=owed) } else { owed };
        for _ in 0..count {
            let state = &mut self.clients[client];
            let Some((packet_type, packet_id)) = state.owed.pop_front() else { return };
            if matches!(packet_type, PacketType::PubAck | PacketType::PubComp) {
                state.unanswered.remove(&packet_id);
            }
            self.send_ack_as(client, packet_type, packet_id);
        }
    }

    pub(super) fn send_ack_as(&mut self, client: usize, packet_type: PacketType, packet_id: u16) {
        let version = self.clients[client].role.version;
        let mut bytes = Vec::new();
        Ack::new(id(packet_id), ReasonCode::Success).encode(packet_type, version, &mut bytes);
        self.send_as(client, &bytes);
    }

    fn publish(&mut self, client: usize) {
        let number = self.clients[client].published;
        let mut qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][self.rng.usize(..3)];
        let kind = self.rng.u8(..8);
        if kind < 2 {
            // Of two that are sent again, one with QoS 2 would not replace one with QoS 1 that came before it.
            qos = self.clients[client].role.retained_qos;
        }
        if qos > QoS::AtMostOnce && !self.clients[client].outbound.has_room() {
            return;
        }
        self.clients[client].published += 1;
        let (topic, retain) = match kind {
            0..=1 => (format!("r/{client}"), true),
            2 => (format!("x/{client}"), false),
            _ => (format!("n/{client}"), false),
        };
        let is_v5 = self.clients[client].role.version == Version::V5;
        let removes = retain && self.rng.u8(..4) == 0;
        let publication = Publication {
            publisher: client,
            topic,
            qos,
            retain,
            payload: if removes { String::new() } else { number.to_string() },
            has_property: is_v5 && self.rng.u8(..4) == 0,
            expiry_s: (is_v5 && self.rng.u8(..6) == 0).then(|| self.rng.u32(1..4)),
            is_will: false,
            sent_at: self.now,
            end: (0, 0),
            handled_at: None,
            sends: 0,
            outcome: Outcome::Open,
        };
        let number = self.ledger.add(publication, &mut self.rng);
        let packet_id = match qos {
            QoS::AtMostOnce => None,
            _ => self.clients[client].outbound.send(qos, number),
        };
        self.send_publication(client, number, packet_id, false);
    }

    fn send_publication(&mut self, client: usize, number: usize, packet_id: Option<PacketId>, dup: bool) {
        let publication = self.ledger.publications[number].clone();
        let mut properties = Vec::new();
        let text = number.to_string();
        if publication.has_property {
            properties.push(Property::UserProperty("number", &text));
        }
        properties.extend(publication.expiry_s.map(Property::MessageExpiryInterval));
        let publish = Publish {
            dup,
            qos: publication.qos,
            retain: publication.retain,
            packet_id,
            properties: Properties::from_slice(&properties),
            payload: publication.payload.as_bytes(),
            ..Publish::new(&publication.topic)
        };
        let mut bytes = Vec::new();
        publish.encode(self.clients[client].role.version, &mut bytes);
        self.note(|_| format!("client {client} publishes {number} at {} {:?}", publish.topic, publish.qos));
        self.send_as(client, &bytes);
        let Some(link) = self.clients[client].link else { return };
        let end = (link, self.links[link].sent_bytes);
        let publication = &mut self.ledger.publications[number];
        publication.sends += 1;
        publication.end = end;
    }

    /// Sends what is not acknowledged again.
    pub(super) fn resend_as(&mut self, client: usize) {
        loop {
            let (number, packet_id) = match self.clients[client].outbound.next_resend() {
                None => return,
                Some(Resend::PubRel(packet_id)) => {
                    self.send_ack_as(client, PacketType::PubRel, packet_id.value());
                    continue;
                }
                Some(Resend::Publish { packet_id, message, .. }) => (*message, packet_id),
            };
            self.send_publication(client, number, Some(packet_id), true);
        }
    }

    /// Subscribes to what it is to have and has not got.
    pub(super) fn subscribe_as(&mut self, client: usize) {
        for (filter, qos) in self.clients[client].role.filters.clone() {
            let Some(session) = &self.clients[client].session else { return };
            if !self.clients[client].is_connected {
                return;
            }
            let has_it =
                |one: &ClientSubscription| one.filter == filter && !one.has_ended && one.granted_at.is_some();
            if !session.subscriptions.iter().any(has_it) {
                self.send_subscribe(client, filter, qos);
            }
        }
    }

    fn send_subscribe(&mut self, client: usize, filter: &'static str, qos: QoS) {
        let packet_id = self.next_request(client);
        let options = SubscriptionOptions::with_qos(qos);
        let subscriptions = [Subscription { filter, options }];
        let subscribe = Subscribe {
            packet_id: id(packet_id),
            properties: Properties::EMPTY,
            subscriptions: Subscriptions::from_slice(&subscriptions),
        };
        let mut bytes = Vec::new();
        subscribe.encode(self.clients[client].role.version, &mut bytes);
        self.send_as(client, &bytes);
        let topics = (0..self.clients.len()).map(|publisher| format!("r/{publisher}"));
        let floors = topics
            .filter_map(|topic| Some((topic.clone(), self.ledger.last_acknowledged_at(&topic)?)))
            .collect();
        let Some(link) = self.clients[client].link else { return };
        let Some(session) = &mut self.clients[client].session else { return };
        // An earlier one that was not answered is over.
        session.subscriptions.iter_mut().for_each(|one| {
            one.has_ended |= one.filter == filter && one.granted_at.is_none();
        });
        session.subscriptions.push(ClientSubscription {
            filter,
            qos,
            packet_id,
            link,
            granted_at: None,
            has_ended: false,
            floors,
        });
        self.note(|_| format!("client {client} subscribes to {filter} {qos:?}"));
    }

    fn next_request(&mut self, client: usize) -> u16 {
        let state = &mut self.clients[client];
        state.next_request += 1;
        // Above all identifiers of messages.
        1000 + state.next_request
    }

    fn toggle_subscription(&mut self, client: usize) {
        let filters = self.clients[client].role.filters.clone();
        let Some((filter, qos)) = self.rng.choice(filters) else { return };
        let Some(session) = &mut self.clients[client].session else { return };
        let has_it = session.subscriptions.iter().any(|one| one.filter == filter && !one.has_ended);
        if !has_it || self.rng.bool() {
            return self.send_subscribe(client, filter, qos);
        }
        session.subscriptions.iter_mut().for_each(|one| one.has_ended |= one.filter == filter);
        let packet_id = self.next_request(client);
        let filters = [filter];
        let unsubscribe = Unsubscribe {
            packet_id: id(packet_id),
            properties: Properties::EMPTY,
            filters: Filters::from_slice(&filters),
        };
        let mut bytes = Vec::new();
        unsubscribe.encode(self.clients[client].role.version, &mut bytes);
        self.note(|_| format!("client {client} unsubscribes from {filter}"));
        self.send_as(client, &bytes);
    }

    /// Says goodbye, with the will or without.
    fn disconnect(&mut self, client: usize) {
        let keeps_will = self.clients[client].role.version == Version::V5 && self.rng.bool();
        let reason = match keeps_will {
            true => ReasonCode::DisconnectWithWill,
            false => ReasonCode::Success,
        };
        let mut bytes = Vec::new();
        Disconnect::new(reason).encode(self.clients[client].role.version, &mut bytes);
        self.note(|_| format!("client {client} disconnects with {reason:?}"));
        self.send_as(client, &bytes);
        if let Some(will) = self.clients[client].will
            && !keeps_will
        {
            self.ledger.publications[will].outcome = Outcome::Discarded(u32::MAX);
        }
        let state = &mut self.clients[client];
        // Nothing may follow.
        state.is_connected = false;
        state.owed.clear();
    }
}
