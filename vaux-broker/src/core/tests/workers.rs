//! What happens between workers: handover, order, lanes, shutdown.

use vaux_mqtt::QoS::{AtLeastOnce, AtMostOnce};

use super::*;

#[test]
fn a_session_lives_where_its_identifier_says_whoever_accepted_it() {
    let mut sim = Sim::new(4);
    for _ in 0..4 {
        let client = sim.connect(&Hello::new("always the same"));
        let home = sim.places[&client].0;
        assert_eq!(sim.cores[home].sessions.len(), 1);
    }
    assert_eq!(sim.shared.sessions.load(Ordering::Relaxed), 1);
}

#[test]
fn packets_behind_connect_survive_the_move() {
    for workers in [1, 4] {
        let mut sim = Sim::new(workers);
        for name in ["c1", "c2", "c3", "c4"] {
            let client = sim.open(Version::V311);
            let mut bytes = Vec::new();
            Connect { clean_start: true, ..Connect::new(Version::V311, name) }.encode(&mut bytes);
            Publish { qos: AtLeastOnce, packet_id: Some(id(5)), ..Publish::new("a") }
                .encode(Version::V311, &mut bytes);
            sim.send_bytes(client, &bytes);
            assert_eq!(sim.see(client), [Seen::ConnAck(false, ReasonCode::Success), puback(5)]);
        }
    }
}

#[test]
fn messages_cross_workers_in_their_order_whatever_their_size() {
    let mut sim = Sim::new(3);
    let subscribers = ["s1", "s2", "s3", "s4", "s5"].map(|name| sim.connect(&Hello::new(name)));
    subscribers.iter().for_each(|&subscriber| {
        sim.subscribe(subscriber, "a/#", AtLeastOnce);
    });
    let publisher = sim.connect(&Hello::new("p"));
    let sent: Vec<String> = (0..40).map(|number| format!("{number}").repeat(1 + number % 3 * 700)).collect();
    for (index, payload) in sent.iter().enumerate() {
        sim.publish(publisher, "a/b", payload, AtLeastOnce, index as u16 + 1);
    }
    for subscriber in subscribers {
        let payloads: Vec<String> = sim
            .see(subscriber)
            .into_iter()
            .map(|seen| if let Seen::Publish { payload, .. } = seen { payload } else { panic!("{seen:?}") })
            .collect();
        assert_eq!(payloads, sent);
    }
}

#[test]
fn messages_that_cross_together_keep_what_tells_them_apart() {
    let mut sim = Sim::new(2);
    let (publisher, subscriber) = crossing_pair(&mut sim);
    let as_published =
        SubscriptionOptions { retain_as_published: true, ..SubscriptionOptions::with_qos(AtLeastOnce) };
    sim.subscribe_with(subscriber, "+", as_published, &[]);
    let properties = [Property::ContentType("text/plain"), Property::ResponseTopic("b")];
    let properties = Properties::from_slice(&properties);
    let expiry = [Property::MessageExpiryInterval(7)];
    let plain = Publish { payload: b"plain", ..Publish::new("a") };
    let acknowledged = Publish { qos: AtLeastOnce, packet_id: Some(id(1)), ..plain.clone() };
    let sent = [
        plain.clone(),
        Publish { payload: b"", ..plain.clone() },
        Publish { payload: b"with properties", properties, ..plain.clone() },
        plain.clone(),
        acknowledged.clone(),
        Publish { packet_id: Some(id(2)), retain: true, ..acknowledged },
        Publish { retain: true, ..plain.clone() },
        Publish { properties: Properties::from_slice(&expiry), ..plain.clone() },
        Publish { payload: b"elsewhere", ..Publish::new("b") },
        plain,
    ];
    let (mut bytes, mut expected) = (Vec::new(), Vec::new());
    for publish in &sent {
        publish.encode(Version::V5, &mut bytes);
        publish.encode(Version::V5, &mut expected);
    }
    sim.send_bytes(publisher, &bytes);
    assert_eq!(sim.received.remove(&subscriber), Some(expected));
}

#[test]
fn a_full_lane_stops_the_publisher_and_drops_qos_0() {
    let mut sim = Sim::new(2);
    let (publisher, subscriber) = crossing_pair(&mut sim);
    let (from, slot) = sim.places[&publisher];
    let (to, _) = sim.places[&subscriber];
    let mut bytes = Vec::new();
    Publish { payload: &[b'x'; 1 << 20], ..Publish::new("a") }.encode(Version::V5, &mut bytes);
    let mut parcels = Vec::new();
    for _ in 0..10 {
        sim.cores[from].handle_bytes(sim.now, slot, &bytes);
        parcels.extend(sim.cores[from].take_parcel(WorkerId(to as u16)));
        sim.cores[from].connections[slot as usize].is_paused = false;
    }
    assert_eq!(parcels.len(), 8);
    assert_eq!(sim.cores[from].counters().dropped.lane_full, 2);
    sim.cores[from].handle_bytes(sim.now, slot, &bytes[..1]);
    assert!(sim.cores[from].has_paused());
    sim.cores[from].release_paused(sim.now);
    assert!(sim.cores[from].has_paused(), "the lane is still full");
    for parcel in parcels {
        sim.cores[to].handle_parcel(sim.now, WorkerId(from as u16), parcel);
    }
    sim.cores[from].release_paused(sim.now);
    assert!(!sim.cores[from].has_paused());
}

/// A publisher and a subscriber of `a` that live on different workers.
pub(super) fn crossing_pair(sim: &mut Sim) -> (Client, Client) {
    let subscriber = sim.connect(&Hello::new("s"));
    sim.subscribe(subscriber, "a", AtMostOnce);
    for number in 0.. {
        let publisher = sim.connect(&Hello::new(&format!("p{number}")));
        if sim.places[&publisher].0 != sim.places[&subscriber].0 {
            return (publisher, subscriber);
        }
    }
    unreachable!("identifiers spread over the workers")
}

#[test]
fn a_client_that_does_not_read_loses_qos_0_and_nobody_else_does() {
    let mut settings = Settings::default();
    settings.limits.max_outbox_bytes = 1000;
    let mut sim = Sim::with(1, settings, Recorder::discarding);
    let [slow, good, publisher] = ["slow", "good", "p"].map(|name| sim.connect(&Hello::new(name)));
    sim.subscribe(slow, "a", AtMostOnce);
    sim.subscribe(good, "a", AtMostOnce);
    let slow_place = sim.places.remove(&slow).unwrap();
    for _ in 0..100 {
        sim.publish(publisher, "a", &"x".repeat(90), AtMostOnce, 0);
    }
    assert_eq!(sim.see(good).len(), 100);
    assert!(sim.cores[0].outbox_mut(slow_place.1).len() < 1200);
    assert!(sim.cores[0].counters().dropped.slow_reader > 80);
}

#[test]
fn shutting_down_says_so_and_publishes_wills() {
    let mut sim = Sim::new(1);
    let old = sim.connect(&Hello { version: Version::V311, ..Hello::new("old") });
    let client = sim.connect(&Hello { will: Some(("will", 0)), ..Hello::new("c") });
    sim.cores[0].handle_shutdown(sim.now);
    sim.settle();
    assert_eq!(sim.see(client), [Seen::Disconnect(ReasonCode::ServerShuttingDown)]);
    assert_eq!(sim.see(old), []);
    assert_eq!(sim.cores[0].connection_count(), 0);
}

#[test]
fn wills_of_a_broker_that_stops_reach_those_who_are_still_connected() {
    for workers in [1, 3] {
        let mut sim = Sim::new(workers);
        let watchers = ["w1", "w2", "w3", "w4"].map(|name| sim.connect(&Hello::new(name)));
        watchers.iter().for_each(|&watcher| {
            sim.subscribe(watcher, "will", AtMostOnce);
        });
        for name in ["c1", "c2", "c3", "c4"] {
            sim.connect(&Hello { will: Some(("will", 0)), ..Hello::new(name) });
        }
        sim.cores.iter_mut().for_each(|core| core.handle_shutdown(sim.now));
        sim.settle();
        let mut expected = vec![message("will", "will", 0, 0); 4];
        expected.push(Seen::Disconnect(ReasonCode::ServerShuttingDown));
        for watcher in watchers {
            assert_eq!(sim.see(watcher), expected);
        }
    }
}

#[test]
fn a_peer_that_does_not_close_holds_up_the_end_for_a_moment_only() {
    let mut sim = Sim::new(1);
    let client = sim.connect(&Hello::new("c"));
    let slot = sim.places[&client].1;
    let core = &mut sim.cores[0];
    core.handle_shutdown(sim.now);
    while core.poll_effect().is_some() {}
    let goodbye = core.outbox_mut(slot).len();
    core.outbox_mut(slot).advance(goodbye);
    core.handle_last_written(sim.now, slot);
    let at = core.poll_timeout().unwrap();
    assert!(at > sim.now && at <= sim.now.plus_ms(500), "{at:?}");
    core.handle_timeout(at);
    assert!(matches!(core.poll_effect(), Some(Effect::Abort(aborted)) if aborted == slot));
}
