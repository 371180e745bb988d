//! Sessions across connections: resuming, redelivery, takeover, expiry, wills, deadlines.

use vaux_mqtt::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};

use super::*;

fn redelivered(topic: &str, payload: &str, qos: u8, id: u16) -> Seen {
    Seen::Publish { topic: topic.into(), payload: payload.into(), qos, dup: true, retain: false, id }
}

const RESUMED: Seen = Seen::ConnAck(true, ReasonCode::Success);
const NEW: Seen = Seen::ConnAck(false, ReasonCode::Success);

#[test]
fn a_resumed_session_gets_what_was_in_flight_again_and_then_the_queue() {
    with_workers(|mut sim| {
        let subscriber = sim.connect(&Hello::durable("s"));
        sim.subscribe(subscriber, "a", ExactlyOnce);
        let publisher = sim.connect(&Hello::new("p"));
        sim.publish(publisher, "a", "1", AtLeastOnce, 1);
        sim.publish(publisher, "a", "2", ExactlyOnce, 2);
        sim.publish(publisher, "a", "3", ExactlyOnce, 3);
        assert_eq!(sim.see(subscriber).len(), 3);
        sim.ack(subscriber, PacketType::PubRec, 2);
        sim.cut(subscriber);
        sim.publish(publisher, "a", "4", AtLeastOnce, 4);
        let (_, seen) = sim.connect_and_see(&Hello::durable("s"));
        let expected = [
            RESUMED,
            redelivered("a", "1", 1, 1),
            Seen::Ack(PacketType::PubRel, 2, ReasonCode::Success),
            redelivered("a", "3", 2, 3),
            message("a", "4", 1, 4),
        ];
        assert_eq!(seen, expected);
    });
}

#[test]
fn what_is_in_flight_keeps_to_the_window_of_the_new_connection() {
    let mut sim = Sim::new(1);
    let subscriber = sim.connect(&Hello::durable("s"));
    sim.subscribe(subscriber, "a", AtLeastOnce);
    let publisher = sim.connect(&Hello::new("p"));
    for (packet_id, payload) in [(1, "1"), (2, "2"), (3, "3")] {
        sim.publish(publisher, "a", payload, AtLeastOnce, packet_id);
    }
    sim.cut(subscriber);
    let hello = Hello { receive_maximum: Some(1), ..Hello::durable("s") };
    let (subscriber, seen) = sim.connect_and_see(&hello);
    assert_eq!(seen, [RESUMED, redelivered("a", "1", 1, 1)]);
    sim.ack(subscriber, PacketType::PubAck, 1);
    assert_eq!(sim.see(subscriber), [redelivered("a", "2", 1, 2)]);
}

#[test]
fn clean_start_and_expiry_decide_what_is_left_of_a_session() {
    with_workers(|mut sim| {
        let (client, seen) = sim.connect_and_see(&Hello::durable("c"));
        assert_eq!(seen, [NEW]);
        sim.cut(client);
        let (client, seen) = sim.connect_and_see(&Hello { clean_start: true, ..Hello::durable("c") });
        assert_eq!(seen, [NEW]);
        sim.cut(client);
        sim.advance(999_000);
        let (client, seen) = sim.connect_and_see(&Hello::durable("c"));
        assert_eq!(seen, [RESUMED]);
        sim.cut(client);
        sim.advance(1_000_000);
        assert_eq!(sim.shared.sessions.load(Ordering::Relaxed), 0);
        let (_, seen) = sim.connect_and_see(&Hello::durable("c"));
        assert_eq!(seen, [NEW]);
    });
}

#[test]
fn the_expiry_can_be_lowered_at_disconnect_but_not_raised_from_0() {
    let mut sim = Sim::new(1);
    let client = sim.connect(&Hello::durable("c"));
    let send = |sim: &mut Sim, client, seconds| {
        let expiry = [Property::SessionExpiryInterval(seconds)];
        let mut bytes = Vec::new();
        Disconnect { reason: ReasonCode::Success, properties: Properties::from_slice(&expiry) }
            .encode(Version::V5, &mut bytes);
        sim.send_bytes(client, &bytes);
    };
    send(&mut sim, client, 0);
    assert_eq!(sim.shared.sessions.load(Ordering::Relaxed), 0);
    let client = sim.connect(&Hello::new("c"));
    send(&mut sim, client, 10);
    assert_eq!(sim.see(client), [Seen::Disconnect(ReasonCode::ProtocolError)]);
}

#[test]
fn a_second_connection_takes_the_session_over() {
    with_workers(|mut sim| {
        let first = sim.connect(&Hello::durable("c"));
        sim.subscribe(first, "a", AtLeastOnce);
        let (second, seen) = sim.connect_and_see(&Hello::durable("c"));
        assert_eq!(seen, [RESUMED]);
        assert_eq!(sim.see(first), [Seen::Disconnect(ReasonCode::SessionTakenOver)]);
        assert!(!sim.is_open(first));
        sim.publish(second, "a", "x", AtLeastOnce, 1);
        assert_eq!(sim.see(second), [message("a", "x", 1, 1), puback(1)]);
        assert_eq!(sim.shared.active_sessions.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn what_core_is_given_of_a_connection_after_its_session_was_taken_over_is_dropped() {
    let mut sim = Sim::new(1);
    let watcher = sim.connect(&Hello::new("w"));
    sim.subscribe(watcher, "a", AtMostOnce);
    let first = sim.connect(&Hello::durable("c"));
    sim.publish(first, "a", "before", AtLeastOnce, 1);
    assert_eq!(sim.see(watcher), [message("a", "before", 0, 0)]);
    let second = sim.open(Version::V5);
    let (first, second) = (sim.places[&first].1, sim.places[&second].1);
    let core = &mut sim.cores[0];
    let mut hello = Vec::new();
    Connect::new(Version::V5, "c").encode(&mut hello);
    core.handle_bytes(sim.now, second, &hello);
    let Some(Effect::Authenticate { connection, request }) = core.poll_effect() else { panic!("no CONNECT") };
    core.handle_verdict(sim.now, connection, request, Ok(Identity::Anonymous.into()));
    // Its last bytes are still to be written: it is closing, and not gone.
    let mut late = Vec::new();
    Publish { payload: b"after", ..Publish::new("a") }.encode(Version::V5, &mut late);
    let used = core.handle_bytes(sim.now, first, &late);
    sim.settle();
    assert_eq!(used, late.len(), "nothing of it is kept");
    assert_eq!(sim.see(watcher), []);
}

#[test]
fn a_will_is_published_when_the_client_is_lost_and_not_when_it_says_goodbye() {
    with_workers(|mut sim| {
        let watcher = sim.connect(&Hello::new("w"));
        sim.subscribe(watcher, "will", AtMostOnce);
        let hello = Hello { will: Some(("will", 0)), ..Hello::new("c") };
        let client = sim.connect(&hello);
        sim.disconnect(client, ReasonCode::Success);
        assert_eq!(sim.see(watcher), []);
        let client = sim.connect(&hello);
        sim.disconnect(client, ReasonCode::DisconnectWithWill);
        assert_eq!(sim.see(watcher), [message("will", "will", 0, 0)]);
        let client = sim.connect(&hello);
        sim.cut(client);
        assert_eq!(sim.see(watcher), [message("will", "will", 0, 0)]);
    });
}

#[test]
fn a_will_waits_for_its_delay_or_the_end_of_the_session() {
    with_workers(|mut sim| {
        let watcher = sim.connect(&Hello::new("w"));
        sim.subscribe(watcher, "will", AtMostOnce);
        let hello = Hello { will: Some(("will", 30)), ..Hello::durable("c") };
        let client = sim.connect(&hello);
        sim.cut(client);
        sim.advance(29_000);
        assert_eq!(sim.see(watcher), []);
        let client = sim.connect(&hello);
        sim.cut(client);
        sim.advance(29_000);
        assert_eq!(sim.see(watcher), [], "coming back in time cancels it");
        sim.advance(1_000);
        assert_eq!(sim.see(watcher), [message("will", "will", 0, 0)]);
        let short = Hello { expiry_s: Some(5), clean_start: true, ..hello };
        let client = sim.connect(&short);
        sim.cut(client);
        sim.advance(5_000);
        assert_eq!(sim.see(watcher), [message("will", "will", 0, 0)]);
    });
}

#[test]
fn a_clean_start_sends_the_will_of_the_session_that_it_ends() {
    let mut sim = Sim::new(1);
    let watcher = sim.connect(&Hello::new("w"));
    sim.subscribe(watcher, "will", AtMostOnce);
    let hello = Hello { will: Some(("will", 30)), ..Hello::durable("c") };
    sim.connect(&hello);
    sim.connect(&Hello { clean_start: true, will: None, ..hello });
    assert_eq!(sim.see(watcher), [message("will", "will", 0, 0)]);
}

#[test]
fn a_silent_client_is_given_up_after_one_and_a_half_keep_alives() {
    with_workers(|mut sim| {
        let client = sim.connect(&Hello { keep_alive: 10, ..Hello::new("c") });
        sim.advance(14_999);
        assert_eq!(sim.ping(client), [Seen::Pong]);
        sim.advance(14_999);
        assert!(sim.is_open(client));
        sim.advance(2);
        assert_eq!(sim.see(client), [Seen::Disconnect(ReasonCode::KeepAliveTimeout)]);
        assert!(!sim.is_open(client));
    });
}

#[test]
fn a_connection_without_connect_is_closed() {
    let mut sim = Sim::new(1);
    let client = sim.open(Version::V5);
    sim.advance(9_999);
    assert!(sim.is_open(client));
    sim.advance(1);
    assert!(!sim.is_open(client));
    assert_eq!(sim.cores[0].connection_count(), 0);
}

#[test]
fn the_queue_of_an_absent_client_is_bounded() {
    let mut settings = Settings::default();
    settings.limits.max_queued_messages = 2;
    let mut sim = Sim::with(1, settings, Recorder::discarding);
    let subscriber = sim.connect(&Hello::durable("s"));
    sim.subscribe(subscriber, "a", AtLeastOnce);
    sim.cut(subscriber);
    let publisher = sim.connect(&Hello::new("p"));
    for (packet_id, payload) in [(1, "1"), (2, "2"), (3, "3")] {
        sim.publish(publisher, "a", payload, AtLeastOnce, packet_id);
    }
    assert_eq!(sim.see(publisher), [puback(1), puback(2), puback(3)]);
    let (_, seen) = sim.connect_and_see(&Hello::durable("s"));
    assert_eq!(seen, [RESUMED, message("a", "1", 1, 1), message("a", "2", 1, 2)]);
    assert_eq!(sim.cores[0].counters().dropped.queue_full, 1);
}

#[test]
fn sessions_are_limited_and_a_refusal_changes_nothing() {
    let mut settings = Settings::default();
    settings.limits.max_sessions = 1;
    let mut sim = Sim::with(1, settings, Recorder::discarding);
    sim.connect(&Hello::durable("one"));
    let (refused, seen) = sim.connect_and_see(&Hello::durable("two"));
    assert_eq!(seen, [Seen::ConnAck(false, ReasonCode::ServerBusy)]);
    assert!(!sim.is_open(refused));
    assert_eq!(sim.shared.sessions.load(Ordering::Relaxed), 1);
    let (_, seen) = sim.connect_and_see(&Hello::durable("one"));
    assert_eq!(seen, [RESUMED]);
}

#[test]
fn ending_sessions_leave_nothing_behind() {
    let mut sim = Sim::new(1);
    for _ in 0..100 {
        let client = sim.connect(&Hello { keep_alive: 1, ..Hello::new("c") });
        sim.subscribe(client, "a/#", AtLeastOnce);
        sim.subscribe(client, "$share/g/a/#", AtLeastOnce);
        sim.cut(client);
    }
    sim.advance(10_000);
    let core = &sim.cores[0];
    assert!(core.sessions.is_empty());
    assert_eq!(core.connection_count(), 0);
    assert_eq!(core.poll_timeout(), None);
    let topic = vaux_mqtt::topic::TopicName::new("a/b").unwrap();
    let interested = sim.shared.interest.matches(topic);
    assert!(interested.workers.is_empty() && interested.groups.is_empty());
}
