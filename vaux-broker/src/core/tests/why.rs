//! Causes by which `why` tells what became of a message, a client, a connection: each is provoked, and looked up.

use serde_json::{Value, json};
use vaux_mqtt::QoS::{AtLeastOnce, AtMostOnce};

use super::observe::ask;
use super::workers::crossing_pair;
use super::*;
use crate::config::Limits;
use crate::rights::{Action, Subject};
use crate::store::StoreState;

/// What `why` tells of a client or of a topic under one cause.
fn told(sim: &mut Sim, name: &str, value: &str, cause: &str) -> Vec<Value> {
    let answer = ask(sim, &json!({"command": "why", name: value}));
    let incidents = answer["incidents"].as_array().unwrap().iter();
    incidents.filter(|incident| incident["cause"] == cause).cloned().collect()
}

/// The one thing that `why` tells under a cause, as it would be printed: what it is, how often, and with which topic
/// and limit.
fn one(sim: &mut Sim, name: &str, value: &str, cause: &str) -> (String, u64, Value, Value) {
    let told = told(sim, name, value, cause);
    let [incident] = &told[..] else { panic!("{cause}: {told:?}") };
    let kind = incident["kind"].as_str().unwrap().to_owned();
    (kind, incident["count"].as_u64().unwrap_or(1), incident["topic"].clone(), incident["limit"].clone())
}

fn dropped(count: u64, topic: &str, limit: Option<&str>) -> (String, u64, Value, Value) {
    ("drop".to_owned(), count, json!(topic), json!(limit))
}

#[test]
fn lane_full() {
    let mut sim = Sim::new(2);
    let (publisher, subscriber) = crossing_pair(&mut sim);
    let (from, slot) = sim.places[&publisher];
    let (to, _) = sim.places[&subscriber];
    let mut bytes = Vec::new();
    Publish { payload: &[b'x'; 1 << 20], ..Publish::new("a") }.encode(Version::V5, &mut bytes);
    for _ in 0..10 {
        sim.cores[from].handle_bytes(sim.now, slot, &bytes);
        // It is on its way: the other worker does not get to it.
        drop(sim.cores[from].take_parcel(WorkerId(to as u16)));
        sim.cores[from].connections[slot as usize].is_paused = false;
    }
    let session = sim.cores[from].connections[slot as usize].session;
    let client_id = sim.cores[from].sessions[session].key.client_id.to_string();
    assert_eq!(one(&mut sim, "client_id", &client_id, "lane-full"), dropped(2, "a", None));
    assert_eq!(one(&mut sim, "topic", "a", "lane-full"), dropped(2, "a", None));
}

#[test]
fn no_member_when_the_last_one_leaves_something_behind() {
    with_workers(|mut sim| {
        let member = sim.connect(&Hello { receive_maximum: Some(1), ..Hello::new("m") });
        sim.subscribe(member, "$share/g/a", AtLeastOnce);
        let publisher = sim.connect(&Hello::new("p"));
        (1..=3).for_each(|number| sim.publish(publisher, "a", "x", AtLeastOnce, number));
        sim.cut(member);
        assert_eq!(one(&mut sim, "client_id", "m", "no-member"), dropped(3, "a", None));
    });
}

#[test]
fn no_member_when_the_last_one_leaves_while_a_message_is_on_its_way() {
    let mut sim = Sim::new(2);
    let (publisher, _) = crossing_pair(&mut sim);
    let (from, slot) = sim.places[&publisher];
    let member = sim.connect(&Hello::new("s"));
    sim.subscribe(member, "$share/g/b", AtLeastOnce);
    let to = sim.places[&member].0;
    assert_ne!(from, to);
    let mut bytes = Vec::new();
    Publish::new("b").encode(Version::V5, &mut bytes);
    sim.cores[from].handle_bytes(sim.now, slot, &bytes);
    let parcel = sim.cores[from].take_parcel(WorkerId(to as u16)).unwrap();
    sim.cut(member);
    sim.cores[to].handle_parcel(sim.now, WorkerId(from as u16), parcel);
    assert_eq!(one(&mut sim, "topic", "b", "no-member"), dropped(1, "b", None));
}

#[test]
fn store_full() {
    with_workers(|mut sim| {
        let [new, old] = [Version::V5, Version::V311].map(|version| {
            let client_id = if version == Version::V5 { "new" } else { "old" };
            sim.connect(&Hello { version, ..Hello::new(client_id) })
        });
        let now = sim.now;
        sim.cores.iter_mut().for_each(|core| core.handle_store_state(now, StoreState::Full));
        sim.publish(new, "a", "x", AtLeastOnce, 1);
        sim.send_publish(old, &Publish { retain: true, payload: b"x", ..Publish::new("b") });
        let limit = Some("max_store_bytes");
        assert_eq!(one(&mut sim, "client_id", "new", "store-full"), dropped(1, "a", limit));
        assert_eq!(one(&mut sim, "client_id", "old", "store-full"), dropped(1, "b", limit));
        // What is not acknowledged is not dropped: the client keeps it.
        sim.publish(old, "c", "x", AtLeastOnce, 1);
        assert!(!sim.is_open(old));
        let incidents = told(&mut sim, "client_id", "old", "store-full");
        let kinds: Vec<_> =
            incidents.iter().map(|incident| (&incident["kind"], &incident["limit"])).collect();
        let limit = json!("max_store_bytes");
        assert_eq!(kinds, [(&json!("drop"), &limit), (&json!("disconnect"), &limit)]);
    });
}

#[test]
fn store_failed() {
    for workers in [1, 3] {
        let mut sim = Sim::stored(workers);
        sim.open_durable("kept");
        let [new, old] = [Version::V5, Version::V311].map(|version| {
            let client_id = if version == Version::V5 { "new" } else { "old" };
            sim.connect(&Hello { version, ..Hello::new(client_id) })
        });
        let now = sim.now;
        sim.cores.iter_mut().for_each(|core| core.handle_store_state(now, StoreState::Failed));
        sim.settle();
        sim.publish(new, "a", "x", AtLeastOnce, 1);
        sim.publish(old, "a", "x", AtLeastOnce, 1);
        let refused = Seen::Ack(PacketType::PubAck, 1, ReasonCode::ImplementationSpecificError);
        assert_eq!(sim.see(new), [refused]);
        assert_eq!(one(&mut sim, "client_id", "new", "store-failed"), dropped(1, "a", None));
        for client_id in ["kept", "old"] {
            let incidents = told(&mut sim, "client_id", client_id, "store-failed");
            let [incident] = &incidents[..] else { panic!("{incidents:?}") };
            assert_eq!((&incident["kind"], &incident["reason_code"]), (&json!("disconnect"), &json!(0x83)));
        }
    }
}

#[test]
fn damaged() {
    let mut sim = Sim::stored(1);
    sim.set_queue_memory(QueueMemory { connected_bytes: 1000, offline_bytes: 0 });
    let subscriber = sim.open_durable("s");
    sim.subscribe(subscriber, "a", AtLeastOnce);
    sim.cut(subscriber);
    let publisher = sim.open_durable("p");
    (1..=3).for_each(|number| sim.publish(publisher, "a", &number.to_string(), AtLeastOnce, number));
    sim.commit();
    sim.disk.damage(|delivery| delivery.message.payload() != b"2");
    sim.connect_and_see(&Hello::durable("s"));
    sim.commit();
    // Nobody knows what topic they had.
    assert_eq!(one(&mut sim, "client_id", "s", "damaged"), ("drop".into(), 2, Value::Null, Value::Null));
}

#[test]
fn memory_full() {
    with_workers(|mut sim| {
        let publisher = sim.connect(&Hello::new("p"));
        let limits = Limits { memory_limit: Some(1600), ..Limits::default() };
        let settings = Arc::new(Settings { limits, ..Settings::default() });
        let now = sim.now;
        sim.cores.iter_mut().for_each(|core| core.handle_settings(now, Arc::clone(&settings)));
        let measures = Measures { resident_bytes: 2000, ..Measures::default() };
        sim.cores[0].handle_measures(sim.now, Purpose::Memory, measures);
        sim.publish(publisher, "a", "x", AtMostOnce, 0);
        sim.publish(publisher, "a", "x", AtMostOnce, 0);
        assert_eq!(one(&mut sim, "client_id", "p", "memory-full"), dropped(2, "a", Some("memory_limit")));
    });
}

/// Whoever subscribed stays subscribed, and nothing else is allowed.
#[derive(Debug)]
struct Nothing;

impl Authorize for Nothing {
    fn allows(&self, _: &Subject<'_>, action: Action, _: &str) -> bool {
        action == Action::Subscribe
    }
}

#[test]
fn not_authorized_says_what_it_is_that_the_client_may_not() {
    with_workers(|mut sim| {
        let subscriber = sim.connect(&Hello::durable("s"));
        sim.subscribe(subscriber, "a", AtLeastOnce);
        sim.cut(subscriber);
        let publisher = sim.connect(&Hello::new("p"));
        sim.publish(publisher, "a", "x", AtLeastOnce, 1);
        sim.cores.iter_mut().for_each(|core| core.handle_rights(Arc::new(Nothing)));
        sim.publish(publisher, "a", "x", AtLeastOnce, 2);
        sim.connect(&Hello::durable("s"));
        for (client_id, text) in [
            ("p", "this client may not publish under this topic"),
            ("s", "this client may not have messages under this topic"),
        ] {
            assert_eq!(one(&mut sim, "client_id", client_id, "not-authorized"), dropped(1, "a", None));
            assert_eq!(told(&mut sim, "client_id", client_id, "not-authorized")[0]["text"], text);
        }
    });
}
