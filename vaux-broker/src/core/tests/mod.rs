//! Core, driven by packets: several workers over one [`Shared`], in one thread, with time as a number.

mod admission;
mod disk;
mod durability;
mod exchange;
mod known_topics;
mod limits;
mod observe;
mod qos;
mod races;
mod rates;
mod restart;
mod retain_source;
mod sessions;
mod sharing;
mod simulation;
mod why;
mod workers;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use vaux_mqtt::frame::Frame;
use vaux_mqtt::packet::{
    Ack, Connect, Disconnect, PacketType, Publish, Sender, Subscribe, Subscription, SubscriptionOptions,
    Subscriptions, Will,
};
use vaux_mqtt::property::{Properties, Property};
use vaux_mqtt::{Packet, PacketId, QoS, ReasonCode, Version};

use self::disk::Disk;
use super::*;
use crate::config::{ListenerConfig, ListenerKind};
use crate::peer::Peer;
use crate::retained::Kept;
use crate::rights::DefaultRights;
use crate::session::{Identity, Session, SessionKey};

/// Brokers' workers and their clients.
struct Sim {
    cores: Vec<Core>,
    shared: Arc<Shared>,
    listener: Arc<ListenerSettings>,
    now: Time,
    /// Where each connection is now.
    places: HashMap<Client, (usize, u32)>,
    /// What each client received and has not looked at.
    received: HashMap<Client, Vec<u8>>,
    next_client: usize,
    /// Submissions that are not durable yet, in the order of all workers together.
    submitted: VecDeque<(usize, Submission)>,
    /// How many submissions are durable.
    written: usize,
    /// What workers want to read once so many submissions are durable.
    reads: VecDeque<(usize, usize, PageRequest)>,
    queue_memory: QueueMemory,
    disk: Disk,
    settings: Arc<Settings>,
    recorder: fn() -> Recorder,
    /// Answers to requests from outside.
    answers: HashMap<u64, serde_json::Value>,
    totals: HashMap<u64, Totals>,
    /// How clients are let in, if not by the name that they say.
    admission: Option<Admission>,
}

/// A client's end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Client {
    number: usize,
    version: Version,
}

/// What a client sees, in a form that is easy to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    ConnAck(bool, ReasonCode),
    Publish { topic: String, payload: String, qos: u8, dup: bool, retain: bool, id: u16 },
    Ack(PacketType, u16, ReasonCode),
    SubAck(Vec<u8>),
    Pong,
    Auth(ReasonCode, String, String),
    Disconnect(ReasonCode),
}

fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}

/// A message as it is received for the first time.
fn message(topic: &str, payload: &str, qos: u8, id: u16) -> Seen {
    Seen::Publish { topic: topic.into(), payload: payload.into(), qos, dup: false, retain: false, id }
}

fn puback(id: u16) -> Seen {
    Seen::Ack(PacketType::PubAck, id, ReasonCode::Success)
}

/// How a client connects.
#[derive(Clone, Debug)]
struct Hello<'a> {
    client_id: &'a str,
    version: Version,
    clean_start: bool,
    expiry_s: Option<u32>,
    receive_maximum: Option<u16>,
    keep_alive: u16,
    will: Option<(&'a str, u32)>,
    user_name: Option<&'a str>,
}

impl<'a> Hello<'a> {
    fn new(client_id: &'a str) -> Self {
        Hello {
            client_id,
            version: Version::V5,
            clean_start: true,
            expiry_s: None,
            receive_maximum: None,
            keep_alive: 0,
            will: None,
            user_name: None,
        }
    }

    /// A session that is resumed and kept.
    fn durable(client_id: &'a str) -> Self {
        Hello { clean_start: false, expiry_s: Some(1000), ..Hello::new(client_id) }
    }
}

impl Sim {
    fn new(workers: u16) -> Sim {
        Sim::with(workers, Settings::default(), Recorder::discarding)
    }

    fn with(workers: u16, settings: Settings, recorder: fn() -> Recorder) -> Sim {
        let shared = Arc::new(Shared::new(workers, Arc::new(DefaultRights), 1));
        let settings = Arc::new(settings);
        let core =
            |worker| Core::new(WorkerId(worker), Arc::clone(&shared), Arc::clone(&settings), recorder());
        Sim {
            cores: (0..workers).map(core).collect(),
            listener: Arc::new(ListenerSettings::new(&ListenerConfig::new(ListenerKind::Tcp), true)),
            shared,
            now: Time(1_000_000),
            places: HashMap::new(),
            received: HashMap::new(),
            next_client: 0,
            submitted: VecDeque::new(),
            written: 0,
            reads: VecDeque::new(),
            queue_memory: QueueMemory::default(),
            disk: Disk::default(),
            settings,
            recorder,
            answers: HashMap::new(),
            totals: HashMap::new(),
            admission: None,
        }
    }

    /// A store that is as slow as the test likes.
    fn stored(workers: u16) -> Sim {
        Sim::with(workers, Settings::default(), Recorder::keeping)
    }

    /// The power fails while the next `kept` submissions are on their way to the disk, and the broker starts again.
    fn crash(&mut self, kept: usize) {
        for (_, submission) in self.submitted.drain(..).take(kept) {
            self.disk.write(&submission, |topic| self.shared.retained.kept(topic));
        }
        let workers = self.cores.len() as u16;
        let restarted = Sim::with(workers, Settings::clone(&self.settings), self.recorder);
        let old = std::mem::replace(self, restarted);
        (self.now, self.next_client, self.disk) = (old.now, old.next_client, old.disk);
        self.set_queue_memory(old.queue_memory);
        self.restore();
    }

    /// How much of queues is kept in memory, from now on.
    fn set_queue_memory(&mut self, memory: QueueMemory) {
        self.queue_memory = memory;
        self.cores.iter_mut().for_each(|core| core.set_queue_memory(memory));
    }

    fn restore(&mut self) {
        let contents = self.disk.contents();
        self.shared.continue_numbers(contents.last_sid, contents.last_mid);
        for Kept { message, source } in contents.retained {
            self.shared.retained.set(message, source.as_deref(), usize::MAX, usize::MAX).unwrap();
        }
        for session in contents.sessions {
            let home = self.shared.home_of(&session.session.key);
            self.cores[usize::from(home.0)].restore(self.now, session);
        }
        self.advance(0);
    }

    /// Opens a connection at a worker, without a word.
    fn open(&mut self, version: Version) -> Client {
        let client = Client { number: self.next_client, version };
        self.next_client += 1;
        let worker = client.number % self.cores.len();
        let peer = Peer::Tcp(([127, 0, 0, 1], 1).into());
        let slot = self.cores[worker].handle_accept(self.now, Arc::clone(&self.listener), peer);
        self.places.insert(client, (worker, slot));
        client
    }

    /// Connects, and returns what was answered.
    fn connect_and_see(&mut self, hello: &Hello<'_>) -> (Client, Vec<Seen>) {
        let client = self.open(hello.version);
        let mut properties = Vec::new();
        properties.extend(hello.expiry_s.map(Property::SessionExpiryInterval));
        properties.extend(hello.receive_maximum.map(Property::ReceiveMaximum));
        let delay = hello.will.map(|(_, delay)| Property::WillDelayInterval(delay));
        let will = hello.will.map(|(topic, _)| Will {
            qos: QoS::AtLeastOnce,
            retain: false,
            properties: Properties::from_slice(delay.as_slice()),
            topic,
            payload: b"will",
        });
        let connect = Connect {
            clean_start: hello.clean_start,
            keep_alive: hello.keep_alive,
            properties: Properties::from_slice(&properties),
            will,
            user_name: hello.user_name,
            ..Connect::new(hello.version, hello.client_id)
        };
        let mut bytes = Vec::new();
        connect.encode(&mut bytes);
        self.send_bytes(client, &bytes);
        let seen = self.see(client);
        (client, seen)
    }

    fn connect(&mut self, hello: &Hello<'_>) -> Client {
        let (client, seen) = self.connect_and_see(hello);
        assert!(matches!(seen.first(), Some(Seen::ConnAck(_, ReasonCode::Success))), "{seen:?}");
        client
    }

    /// A durable session whose CONNACK has come.
    fn open_durable(&mut self, client_id: &str) -> Client {
        let (client, _) = self.connect_and_see(&Hello::durable(client_id));
        self.commit();
        self.see(client);
        client
    }

    fn subscribe(&mut self, client: Client, filter: &str, qos: QoS) -> Vec<Seen> {
        self.subscribe_with(client, filter, SubscriptionOptions::with_qos(qos), &[])
    }

    fn subscribe_with(
        &mut self,
        client: Client,
        filter: &str,
        options: SubscriptionOptions,
        properties: &[Property<'_>],
    ) -> Vec<Seen> {
        let subscriptions = [Subscription { filter, options }];
        let subscribe = Subscribe {
            packet_id: id(100),
            properties: Properties::from_slice(properties),
            subscriptions: Subscriptions::from_slice(&subscriptions),
        };
        let mut bytes = Vec::new();
        subscribe.encode(client.version, &mut bytes);
        self.send_bytes(client, &bytes);
        self.see(client)
    }

    fn publish(&mut self, client: Client, topic: &str, payload: &str, qos: QoS, packet_id: u16) {
        let publish = Publish {
            qos,
            packet_id: PacketId::new(packet_id),
            payload: payload.as_bytes(),
            ..Publish::new(topic)
        };
        self.send_publish(client, &publish);
    }

    fn send_publish(&mut self, client: Client, publish: &Publish<'_>) {
        let mut bytes = Vec::new();
        publish.encode(client.version, &mut bytes);
        self.send_bytes(client, &bytes);
    }

    fn ack(&mut self, client: Client, packet_type: PacketType, packet_id: u16) {
        let mut bytes = Vec::new();
        Ack::new(id(packet_id), ReasonCode::Success).encode(packet_type, client.version, &mut bytes);
        self.send_bytes(client, &bytes);
    }

    fn ping(&mut self, client: Client) -> Vec<Seen> {
        self.send_bytes(client, &vaux_mqtt::packet::PINGREQ);
        self.see(client)
    }

    fn disconnect(&mut self, client: Client, reason: ReasonCode) {
        let mut bytes = Vec::new();
        Disconnect::new(reason).encode(client.version, &mut bytes);
        self.send_bytes(client, &bytes);
    }

    /// The connection breaks.
    fn cut(&mut self, client: Client) {
        if let Some((worker, slot)) = self.places.remove(&client) {
            self.cores[worker].handle_closed(self.now, slot);
            self.settle();
        }
    }

    fn is_open(&self, client: Client) -> bool {
        self.places.contains_key(&client)
    }

    fn send_bytes(&mut self, client: Client, bytes: &[u8]) {
        let Some(&(worker, slot)) = self.places.get(&client) else { return };
        let used = self.cores[worker].handle_bytes(self.now, slot, bytes);
        self.settle();
        // What was not used waits for the connection to be resumed, wherever it is then.
        if used < bytes.len() {
            assert!(
                used > 0 || self.places.get(&client) != Some(&(worker, slot)),
                "input waits for the store"
            );
            self.send_bytes(client, &bytes[used..]);
        }
    }

    fn advance(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
        for core in &mut self.cores {
            core.handle_timeout(self.now);
        }
        self.settle();
    }

    /// Makes everything that was submitted durable.
    fn commit(&mut self) {
        self.commit_some(usize::MAX);
    }

    /// Makes the next `count` submissions durable.
    fn commit_some(&mut self, count: usize) {
        let count = count.min(self.submitted.len());
        for (worker, submission) in self.submitted.drain(..count) {
            self.disk.write(&submission, |topic| self.shared.retained.kept(topic));
            self.written += 1;
            self.cores[worker].handle_durable(self.now, submission.sequence);
        }
        self.settle();
    }

    /// Carries effects, parcels and outboxes until nothing is left to carry.
    fn settle(&mut self) {
        loop {
            let mut is_idle = true;
            for worker in 0..self.cores.len() {
                is_idle &= !self.run_effects(worker);
                is_idle &= !self.cores[worker].has_events();
                self.cores[worker].publish_events(self.now);
                self.submitted.extend(self.cores[worker].take_submission().map(|taken| (worker, taken)));
                let behind = self.written + self.submitted.len();
                let wanted = self.cores[worker].take_page_requests().into_iter();
                self.reads.extend(wanted.map(|request| (behind, worker, request)));
                for to in 0..self.cores.len() {
                    if let Some(parcel) = self.cores[worker].take_parcel(WorkerId(to as u16)) {
                        self.cores[to].handle_parcel(self.now, WorkerId(worker as u16), parcel);
                        is_idle = false;
                    }
                }
                is_idle &= !self.write_dirty(worker);
            }
            if let Some((_, worker, request)) =
                self.reads.pop_front_if(|(behind, ..)| *behind <= self.written)
            {
                let page = self.disk.read(&request);
                self.cores[worker].handle_page(self.now, page);
                is_idle = false;
            }
            if is_idle {
                return;
            }
        }
    }

    fn run_effects(&mut self, worker: usize) -> bool {
        let mut has_run = false;
        while let Some(effect) = self.cores[worker].poll_effect() {
            has_run = true;
            match effect {
                Effect::Authenticate { connection, request } => {
                    let user = request.user_name.as_deref().map(|name| Identity::User(name.into()));
                    let by_name = || user.unwrap_or(Identity::Anonymous).into();
                    let verdict = Ok(self.admission.clone().unwrap_or_else(by_name));
                    self.cores[worker].handle_verdict(self.now, connection, request, verdict);
                }
                Effect::Exchange { connection, step } => {
                    let answer = exchange::challenge(&step);
                    self.cores[worker].handle_step_answer(self.now, connection, answer);
                }
                Effect::Handover { slot, home, request, admission } => {
                    let home = usize::from(home.0);
                    let new_slot = self.cores[home].handle_adoption(self.now, *request, admission);
                    if let Some(client) = self.client_at(worker, slot) {
                        self.places.insert(client, (home, new_slot));
                    }
                }
                Effect::Resume(_) | Effect::Refused { .. } | Effect::Pressure(_) => {}
                Effect::Close(slot) | Effect::Abort(slot) => {
                    self.write(worker, slot);
                    if let Some(client) = self.client_at(worker, slot) {
                        self.places.remove(&client);
                    }
                    self.cores[worker].handle_closed(self.now, slot);
                }
                Effect::Measure(purpose) => {
                    self.cores[worker].handle_measures(self.now, purpose, Measures::default());
                }
                Effect::Answer { token, answer } => drop(self.answers.insert(token, answer)),
                Effect::Totals { token, totals } => drop(self.totals.insert(token, *totals)),
            }
        }
        has_run
    }

    fn client_at(&self, worker: usize, slot: u32) -> Option<Client> {
        self.places.iter().find(|(_, place)| **place == (worker, slot)).map(|(client, _)| *client)
    }

    fn write_dirty(&mut self, worker: usize) -> bool {
        let mut dirty = Vec::new();
        self.cores[worker].take_dirty(&mut dirty);
        for &slot in &dirty {
            if self.client_at(worker, slot).is_some() {
                self.write(worker, slot);
                self.cores[worker].handle_written(self.now, slot);
            }
        }
        !dirty.is_empty()
    }

    fn write(&mut self, worker: usize, slot: u32) {
        let Some(client) = self.client_at(worker, slot) else { return };
        let outbox = self.cores[worker].outbox_mut(slot);
        let received = self.received.entry(client).or_default();
        while !outbox.is_empty() {
            let first = outbox.first().to_vec();
            received.extend_from_slice(&first);
            outbox.advance(first.len());
        }
    }

    /// What a client has received since it last looked.
    fn see(&mut self, client: Client) -> Vec<Seen> {
        let bytes = std::mem::take(self.received.entry(client).or_default());
        let mut rest = &bytes[..];
        let mut seen = Vec::new();
        while let Some(frame) = Frame::split(rest).unwrap() {
            seen.push(describe(Packet::decode(&frame, client.version, Sender::Server).unwrap()));
            rest = &rest[frame.bytes().len()..];
        }
        assert!(rest.is_empty(), "half a packet was written");
        seen
    }
}

fn describe(packet: Packet<'_>) -> Seen {
    let ack = |packet_type, ack: Ack<'_>| Seen::Ack(packet_type, ack.packet_id.value(), ack.reason);
    match packet {
        Packet::ConnAck(connack) => Seen::ConnAck(connack.session_present, connack.reason),
        Packet::Publish(publish) => Seen::Publish {
            topic: publish.topic.into(),
            payload: String::from_utf8(publish.payload.to_vec()).unwrap(),
            qos: publish.qos.bits(),
            dup: publish.dup,
            retain: publish.retain,
            id: publish.packet_id.map_or(0, PacketId::value),
        },
        Packet::PubAck(body) => ack(PacketType::PubAck, body),
        Packet::PubRec(body) => ack(PacketType::PubRec, body),
        Packet::PubRel(body) => ack(PacketType::PubRel, body),
        Packet::PubComp(body) => ack(PacketType::PubComp, body),
        Packet::SubAck(suback) => Seen::SubAck(suback.reason_codes.to_vec()),
        Packet::PingResp => Seen::Pong,
        Packet::Auth(auth) => {
            let data = auth.properties.authentication_data().unwrap_or_default();
            Seen::Auth(
                auth.reason,
                auth.properties.authentication_method().unwrap_or_default().into(),
                String::from_utf8(data.to_vec()).unwrap(),
            )
        }
        Packet::Disconnect(disconnect) => Seen::Disconnect(disconnect.reason),
        other => panic!("not expected: {other:?}"),
    }
}

/// Runs a scenario with one worker and with several.
fn with_workers(scenario: impl Fn(Sim)) {
    [1, 3].into_iter().for_each(|workers| scenario(Sim::new(workers)));
}
