//! What happens for every message, as small jobs that do the same work each time, and what it takes to append to the store.
//!
//! `hot.rs` measures them by the clock; `counts.rs` counts instructions and allocations.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use vaux_broker::config::{Durability, ListenerConfig, ListenerKind};
use vaux_broker::core::{Core, Effect, ListenerSettings, Settings, Shared, WorkerId};
use vaux_broker::message::{Content, Message};
use vaux_broker::rights::DefaultRights;
use vaux_broker::router::{FilterMap, Search};
use vaux_broker::session::{Delivery, Identifiers, Identity};
use vaux_broker::store::disk::{DiskOptions, DiskStore};
use vaux_broker::store::{Record, Recorder, Sequence, Store as _, Submission};
use vaux_broker::{Peer, Time};
use vaux_mqtt::frame::Frame;
use vaux_mqtt::packet::{Ack, Connect, PacketType, Publish, Subscribe, Subscription, SubscriptionOptions};
use vaux_mqtt::packet::{Sender, Subscriptions};
use vaux_mqtt::property::{Properties, Property};
use vaux_mqtt::topic::TopicName;
use vaux_mqtt::{Packet, PacketId, QoS, ReasonCode, Version};

/// Does the work so many times.
pub(crate) type Work = Box<dyn FnMut(u32)>;

/// Something to do.
pub(crate) struct Job {
    pub(crate) name: &'static str,
    /// Makes what it takes.
    pub(crate) prepare: fn() -> Work,
}

/// All of them.
pub(crate) const JOBS: [Job; 11] = [
    Job {
        name: "decode-publish",
        prepare: || decode(Version::V311, &publish(QoS::AtMostOnce, Version::V311)),
    },
    Job { name: "decode-publish-v5", prepare: || decode(Version::V5, &publish_with_properties()) },
    Job { name: "encode-publish", prepare: encode },
    Job { name: "publish-qos0", prepare: || deliver(QoS::AtMostOnce, 1) },
    Job { name: "publish-qos0-to-10", prepare: || deliver(QoS::AtMostOnce, 10) },
    Job { name: "publish-qos1", prepare: || deliver(QoS::AtLeastOnce, 1) },
    Job { name: "publish-together", prepare: || deliver_together(1) },
    Job { name: "publish-across", prepare: || deliver_together(2) },
    Job { name: "match-exact", prepare: || find(|number| format!("site/{number}/device/value")) },
    Job { name: "match-wildcard", prepare: || find(|number| format!("site/{number}/+/value")) },
    Job { name: "store-append", prepare: append },
];

/// How many filters are searched.
const FILTERS: u32 = 100_000;

const TOPIC: &str = "bench/topic/0000";
const PAYLOAD: [u8; 64] = [b'.'; 64];

fn publish(qos: QoS, version: Version) -> Vec<u8> {
    let packet_id = (qos != QoS::AtMostOnce).then_some(PacketId::FIRST);
    let mut bytes = Vec::new();
    Publish { qos, packet_id, payload: &PAYLOAD, ..Publish::new(TOPIC) }.encode(version, &mut bytes);
    bytes
}

fn publish_with_properties() -> Vec<u8> {
    let properties = [Property::ContentType("application/json"), Property::UserProperty("unit", "celsius")];
    let properties = Properties::from_slice(&properties);
    let mut bytes = Vec::new();
    Publish { properties, payload: &PAYLOAD, ..Publish::new(TOPIC) }.encode(Version::V5, &mut bytes);
    bytes
}

fn decode(version: Version, bytes: &[u8]) -> Work {
    let bytes = bytes.to_vec();
    Box::new(move |times| {
        for _ in 0..times {
            let frame = Frame::split(black_box(&bytes)).expect("the packet is valid").expect("and whole");
            let packet = Packet::decode(&frame, version, Sender::Client).expect("the packet is valid");
            black_box(&packet);
        }
    })
}

fn encode() -> Work {
    let mut out = Vec::with_capacity(256);
    Box::new(move |times| {
        for _ in 0..times {
            out.clear();
            let publish = Publish { payload: black_box(&PAYLOAD), ..Publish::new(black_box(TOPIC)) };
            publish.encode(Version::V311, &mut out);
            black_box(&out);
        }
    })
}

/// A worker with one publisher and subscribers, each message a turn of its own.
fn deliver(qos: QoS, subscribers: usize) -> Work {
    let mut worker = Worker::new();
    let publisher = worker.connect("publisher");
    let subscribers: Vec<u32> =
        (0..subscribers).map(|number| worker.connect(&format!("subscriber-{number}"))).collect();
    for &slot in &subscribers {
        worker.subscribe(slot, qos);
    }
    let bytes = publish(qos, Version::V311);
    let mut ack = Vec::new();
    Ack::new(PacketId::FIRST, ReasonCode::Success).encode(PacketType::PubAck, Version::V311, &mut ack);
    let delivered_len = bytes.len();
    Box::new(move |times| {
        for _ in 0..times {
            worker.receive(publisher, black_box(&bytes));
            let delivered = worker.turn(&subscribers);
            assert_eq!(delivered.bytes, delivered_len * subscribers.len(), "not all was delivered");
            if qos != QoS::AtMostOnce {
                ack[2..4].copy_from_slice(&delivered.packet_id);
                worker.receive(subscribers[0], &ack);
                worker.turn(&subscribers);
            }
        }
    })
}

/// A publisher on the first worker and a subscriber on the last, 64 messages with QoS 0 in a turn.
fn deliver_together(workers: u16) -> Work {
    const TOGETHER: usize = 64;
    let shared = Arc::new(Shared::new(workers, Arc::new(DefaultRights), 1));
    let mut workers: Vec<Worker> =
        (0..workers).map(|worker| Worker::of(Arc::clone(&shared), WorkerId(worker))).collect();
    let mut last = workers.pop().expect("there is a worker");
    let subscriber = last.connect("subscriber");
    last.subscribe(subscriber, QoS::AtMostOnce);
    let publisher = workers.first_mut().unwrap_or(&mut last).connect("publisher");
    let bytes = publish(QoS::AtMostOnce, Version::V311).repeat(TOGETHER);
    Box::new(move |times| {
        for _ in 0..(times as usize).div_ceil(TOGETHER) {
            match workers.first_mut() {
                None => last.receive(publisher, black_box(&bytes)),
                Some(first) => {
                    first.receive(publisher, black_box(&bytes));
                    let parcel = first.core.take_parcel(last.id).expect("all goes to the other worker");
                    last.core.handle_parcel(NOW, first.id, parcel);
                }
            }
            assert_eq!(last.turn(&[subscriber]).bytes, bytes.len(), "not all was delivered");
        }
    })
}

/// Topics, each of which one of many filters matches.
fn find(filter: fn(u32) -> String) -> Work {
    let mut map = FilterMap::<u32>::default();
    for number in 0..FILTERS {
        let id = map.insert(&filter(number));
        *map.value_mut(id) = number;
    }
    let mut topic = String::with_capacity(64);
    let mut search = Search::default();
    let mut next = 0_u32;
    Box::new(move |times| {
        for _ in 0..times {
            // In steps, so that neighbours do not follow each other.
            next = (next + 7919) % FILTERS;
            topic.clear();
            write!(topic, "site/{next}/device/value").expect("a String takes any text");
            let mut found = 0;
            let name = TopicName::new(&topic).expect("the topic is valid");
            map.for_each_match(name, &mut search, |_, number| found += u32::from(*number == next));
            assert_eq!(found, 1, "not the filter that matches");
        }
    })
}

/// Messages for one session to the store on the disk, 64 in a transaction that does not wait for the disk; each also takes
/// back what the one before it brought.
fn append() -> Work {
    const TOGETHER: u64 = 64;
    let directory = tempfile::tempdir().expect("there is room for a folder");
    let store = DiskStore::open(directory.path()).expect("a store is made");
    let options = DiskOptions {
        durability: Durability::None,
        interval: Duration::ZERO,
        company: Duration::ZERO,
        max_bytes: u64::MAX,
    };
    let (mut handles, _) =
        store.start(options, Arc::default(), vec![Arc::new(|| ())]).expect("the store starts");
    let mut handle = handles.remove(0);
    let mut submitted = 0;
    let mut mid = 0_u64;
    Box::new(move |times| {
        let _folder = &directory;
        for _ in 0..u64::from(times).div_ceil(TOGETHER) {
            let taken_back = mid.saturating_sub(TOGETHER) + 1..=mid;
            let mut records: Vec<Record> = taken_back.map(|mid| Record::Delivered { sid: 1, mid }).collect();
            records.extend((mid + 1..=mid + TOGETHER).map(delivery));
            mid += TOGETHER;
            submitted += 1;
            handle.submit(Submission { sequence: Sequence(submitted), records });
            // What is taken back before it is written never would be.
            while handle.backlog_bytes() > 0 {
                std::thread::yield_now();
            }
        }
    })
}

fn delivery(mid: u64) -> Record {
    let content = Content {
        publisher: 2,
        qos: QoS::AtLeastOnce,
        retain: false,
        expires_at: Time::NEVER,
        topic: TOPIC,
        properties: &[],
        payload: &PAYLOAD,
    };
    let delivery = Delivery {
        message: Message::new(mid, &content),
        qos: QoS::AtLeastOnce,
        retain: false,
        identifiers: Identifiers::default(),
        group: None,
    };
    Record::Delivery { sid: 1, delivery, packet_id: None }
}

/// Core with what a shard does for it, without sockets.
struct Worker {
    id: WorkerId,
    core: Core,
    listener: Arc<ListenerSettings>,
    dirty: Vec<u32>,
}

/// What went to subscribers in one turn.
#[derive(Default)]
struct Delivered {
    bytes: usize,
    /// The packet identifier of the last message, if it has one.
    packet_id: [u8; 2],
}

const NOW: Time = Time(1_000_000);

/// Where the packet identifier of a message is: behind the fixed header and the topic with its length.
const PACKET_ID_AT: usize = 2 + 2 + TOPIC.len();

impl Worker {
    /// The only one.
    fn new() -> Worker {
        Worker::of(Arc::new(Shared::new(1, Arc::new(DefaultRights), 1)), WorkerId(0))
    }

    fn of(shared: Arc<Shared>, id: WorkerId) -> Worker {
        let settings = Arc::new(Settings::default());
        let listener = ListenerSettings::new(&ListenerConfig::new(ListenerKind::Tcp), true);
        Worker {
            id,
            core: Core::new(id, shared, settings, Recorder::discarding()),
            listener: Arc::new(listener),
            dirty: Vec::new(),
        }
    }

    /// Connects a client whose session lives here, one of that name or of a longer one.
    fn connect(&mut self, name: &str) -> u32 {
        let mut client_id = name.to_owned();
        loop {
            if let Some(slot) = self.try_connect(&client_id) {
                return slot;
            }
            client_id.push('+');
        }
    }

    fn try_connect(&mut self, client_id: &str) -> Option<u32> {
        let peer = Peer::Tcp(([127, 0, 0, 1], 1).into());
        let slot = self.core.handle_accept(NOW, Arc::clone(&self.listener), peer);
        let mut bytes = Vec::new();
        Connect::new(Version::V311, client_id).encode(&mut bytes);
        self.receive(slot, &bytes);
        while let Some(effect) = self.core.poll_effect() {
            match effect {
                Effect::Authenticate { connection, request } => {
                    self.core.handle_verdict(NOW, connection, request, Ok(Identity::Anonymous.into()));
                }
                Effect::Handover { .. } => return None,
                _ => {}
            }
        }
        assert_eq!(self.turn(&[slot]).bytes, 4, "no CONNACK");
        Some(slot)
    }

    fn subscribe(&mut self, slot: u32, qos: QoS) {
        let subscriptions = [Subscription { filter: TOPIC, options: SubscriptionOptions::with_qos(qos) }];
        let mut bytes = Vec::new();
        Subscribe {
            packet_id: PacketId::FIRST,
            properties: Properties::EMPTY,
            subscriptions: Subscriptions::from_slice(&subscriptions),
        }
        .encode(Version::V311, &mut bytes);
        self.receive(slot, &bytes);
        assert_eq!(self.turn(&[slot]).bytes, 5, "no SUBACK");
    }

    fn receive(&mut self, slot: u32, bytes: &[u8]) {
        assert_eq!(self.core.handle_bytes(NOW, slot, bytes), bytes.len(), "input was not taken");
    }

    /// Writes what waits, and says what of it was for these.
    fn turn(&mut self, subscribers: &[u32]) -> Delivered {
        let mut delivered = Delivered::default();
        let mut dirty = std::mem::take(&mut self.dirty);
        self.core.take_dirty(&mut dirty);
        for &slot in &dirty {
            let outbox = self.core.outbox_mut(slot);
            while !outbox.is_empty() {
                let first = outbox.first();
                let count = first.len();
                if subscribers.contains(&slot) {
                    delivered.bytes += count;
                    if let Some(packet_id) = first.get(PACKET_ID_AT..PACKET_ID_AT + 2) {
                        delivered.packet_id.copy_from_slice(packet_id);
                    }
                }
                if let Some(buffer) = outbox.advance(count) {
                    self.core.recycle(buffer);
                    break;
                }
            }
            self.core.handle_written(NOW, slot);
        }
        self.dirty = dirty;
        delivered
    }
}
