//! How many bytes are allocated for what there may be very many of: connections, subscriptions, retained messages.
//!
//! The allocator counts what is asked of it while core alone is driven, so that the figures are the same on every run. They
//! do not have in them what an allocator adds, nor the outside of a connection (`shard::link`). This binary has one test,
//! because everything in it is counted.

use std::sync::Arc;

use peak_alloc::PeakAlloc;
use vaux_broker::Peer;
use vaux_broker::config::{ListenerConfig, ListenerKind};
use vaux_broker::core::{Core, Effect, ListenerSettings, Settings, Shared, WorkerId};
use vaux_broker::rights::DefaultRights;
use vaux_broker::session::Identity;
use vaux_broker::store::Recorder;
use vaux_broker::time::Time;
use vaux_mqtt::packet::{Connect, Publish, Subscribe, Subscription, SubscriptionOptions, Subscriptions};
use vaux_mqtt::property::{Properties, Property};
use vaux_mqtt::{PacketId, Version};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const COUNT: usize = 10_000;

/// The core of a broker's only worker, and where its clients connect.
struct Worker {
    core: Core,
    listener: Arc<ListenerSettings>,
    now: Time,
    packet: Vec<u8>,
    dirty: Vec<u32>,
}

impl Worker {
    fn new() -> Worker {
        let shared = Arc::new(Shared::new(1, Arc::new(DefaultRights), 1));
        Worker {
            core: Core::new(WorkerId(0), shared, Arc::new(Settings::default()), Recorder::discarding()),
            listener: Arc::new(ListenerSettings::new(&ListenerConfig::new(ListenerKind::Tcp), true)),
            now: Time(1_000_000),
            packet: Vec::new(),
            dirty: Vec::new(),
        }
    }

    fn send(&mut self, slot: u32, encode: impl FnOnce(&mut Vec<u8>)) {
        self.packet.clear();
        encode(&mut self.packet);
        self.core.handle_bytes(self.now, slot, &self.packet);
        while let Some(effect) = self.core.poll_effect() {
            if let Effect::Authenticate { connection, request } = effect {
                self.core.handle_verdict(self.now, connection, request, Ok(Identity::Anonymous.into()));
            }
        }
        self.core.take_dirty(&mut self.dirty);
        for &slot in &self.dirty {
            let outbox = self.core.outbox_mut(slot);
            if let Some(buffer) = outbox.advance(outbox.len()) {
                self.core.recycle(buffer);
            }
            self.core.handle_written(self.now, slot);
        }
    }

    /// What is allocated, without what the worker remembers of topics: there is a limit to that, however many they are.
    fn allocated_bytes(&mut self) -> usize {
        self.core.handle_rights(Arc::new(DefaultRights));
        ALLOCATOR.current_usage()
    }

    fn connect(&mut self, version: Version, client_id: &str) -> u32 {
        let peer = Peer::Tcp(([192, 0, 2, 1], 40_000).into());
        let slot = self.core.handle_accept(self.now, Arc::clone(&self.listener), peer);
        let mut connect = Connect { keep_alive: 60, ..Connect::new(version, client_id) };
        let expiry = [Property::SessionExpiryInterval(86_400)];
        if version == Version::V5 {
            connect.properties = Properties::from_slice(&expiry);
        }
        self.send(slot, |out| connect.encode(out));
        slot
    }

    fn subscribe(&mut self, slot: u32, version: Version, filter: &str) {
        let subscriptions = [Subscription { filter, options: SubscriptionOptions::default() }];
        let subscribe = Subscribe {
            packet_id: PacketId::FIRST,
            properties: Properties::EMPTY,
            subscriptions: Subscriptions::from_slice(&subscriptions),
        };
        self.send(slot, |out| subscribe.encode(version, out));
    }
}

/// What each of `COUNT` takes that `make` makes, which is given the worker and their numbers.
fn bytes_each(name: &str, limit: usize, make: impl FnMut(&mut Worker, usize)) {
    bytes_each_of(Worker::new(), name, limit, make);
}

fn bytes_each_of(mut worker: Worker, name: &str, limit: usize, mut make: impl FnMut(&mut Worker, usize)) {
    // What is set aside for the first of a kind is not counted.
    (0..10).for_each(|number| make(&mut worker, number));
    let before = worker.allocated_bytes();
    (10..10 + COUNT).for_each(|number| make(&mut worker, number));
    let bytes = worker.allocated_bytes().saturating_sub(before).div_ceil(COUNT);
    println!("{name}: {bytes} bytes");
    assert!(bytes <= limit, "{name}: {bytes} bytes, more than {limit}");
}

fn connections(version: Version, limit: usize) {
    bytes_each(&format!("connection with a subscription, {version:?}"), limit, |worker, number| {
        let slot = worker.connect(version, &format!("client-{number:05}"));
        worker.subscribe(slot, version, &format!("client/{number:05}"));
    });
}

fn filters(form: impl Fn(usize) -> String, limit: usize) {
    let mut slot = 0;
    bytes_each(&form(0), limit, |worker, number| {
        // As many as a session may have.
        if number.is_multiple_of(1000) {
            slot = worker.connect(Version::V311, &format!("client-{number}"));
        }
        worker.subscribe(slot, Version::V311, &form(number));
    });
}

fn retained_messages(limit: usize) {
    let mut worker = Worker::new();
    let slot = worker.connect(Version::V311, "publisher");
    let publish = |worker: &mut Worker, number: usize, retain: bool| {
        let topic = format!("sensors/{number:05}/value");
        let publish = Publish { retain, payload: &[0; 64], ..Publish::new(&topic) };
        worker.send(slot, |out| publish.encode(Version::V311, out));
    };
    // The table in which the worker remembers topics has its size before it is counted.
    (0..10 + COUNT).for_each(|number| publish(&mut worker, number, false));
    bytes_each_of(worker, "retained message of 64 bytes", limit, |worker, number| {
        publish(worker, number, true);
    });
}

/// A client comes and goes, and its session waits for it each time; a retained message that expires is set anew.
fn comings_and_goings() {
    bytes_each("client that comes and goes", 1, |worker, _| {
        let slot = worker.connect(Version::V5, "client");
        let expiry = [Property::MessageExpiryInterval(86_400)];
        let properties = Properties::from_slice(&expiry);
        let publish = Publish { retain: true, payload: b"here", properties, ..Publish::new("status") };
        worker.send(slot, |out| publish.encode(Version::V5, out));
        worker.core.handle_closed(worker.now, slot);
        // Timers of the connection are over before the next one comes.
        worker.now = worker.now.plus_ms(20_000);
        worker.core.handle_timeout(worker.now);
    });
}

#[test]
fn what_there_may_be_very_many_of_takes_few_bytes() {
    connections(Version::V311, 540);
    connections(Version::V5, 540);
    filters(|number| format!("sensors/{number:05}"), 120);
    filters(|number| format!("sensors/{number:05}/#"), 140);
    filters(|number| format!("sensors/{number:05}/+"), 140);
    filters(|number| format!("sensors/{number:05}/+/value"), 145);
    retained_messages(195);
    comings_and_goings();
}
