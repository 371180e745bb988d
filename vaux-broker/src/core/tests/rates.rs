//! Limits on rates, on sessions of a user, and on memory.

use vaux_mqtt::QoS::{AtLeastOnce, AtMostOnce};

use super::*;
use crate::core::connection::Phase;

fn with_limits(workers: u16, change: impl FnOnce(&mut crate::config::Limits)) -> Sim {
    let mut settings = Settings::default();
    change(&mut settings.limits);
    Sim::with(workers, settings, Recorder::discarding)
}

/// How many incidents tell of this limit.
fn incidents(sim: &mut Sim, limit: &str) -> u64 {
    sim.cores[0].handle_request(sim.now, 1, br#"{"command":"why"}"#);
    sim.settle();
    let answer = sim.answers.remove(&1).unwrap();
    let incidents = answer["incidents"].as_array().unwrap().iter();
    incidents.filter(|one| one["limit"] == limit).map(|one| one["count"].as_u64().unwrap_or(1)).sum()
}

fn publishes(count: usize, payload: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..count {
        Publish { payload: payload.as_bytes(), ..Publish::new("a") }.encode(Version::V5, &mut bytes);
    }
    bytes
}

/// Offers what is left until all is taken; returns how many messages went through in which second.
fn drive(sim: &mut Sim, client: Client, bytes: &[u8], one: usize, seconds: usize) -> Vec<usize> {
    let (worker, slot) = sim.places[&client];
    let mut used = 0;
    let mut by_second = Vec::new();
    for _ in 0..seconds {
        let before = used;
        for _ in 0..1000 {
            if sim.cores[worker].takes_input(slot) {
                used += sim.cores[worker].handle_bytes(sim.now, slot, &bytes[used..]);
                sim.settle();
            }
            sim.advance(1);
        }
        by_second.push((used - before) / one);
    }
    by_second
}

#[test]
fn a_client_that_publishes_too_fast_is_read_at_the_rate_and_loses_nothing() {
    let mut sim = with_limits(1, |limits| limits.publish_rate = 10);
    let subscriber = sim.connect(&Hello::new("s"));
    sim.subscribe(subscriber, "a", AtMostOnce);
    let publisher = sim.connect(&Hello { keep_alive: 1, ..Hello::new("p") });
    let bytes = publishes(40, "x");
    // A second's worth at once, and one more that is borrowed; then the rate.
    assert_eq!(drive(&mut sim, publisher, &bytes, bytes.len() / 40, 4), [20, 10, 10, 0]);
    assert_eq!(sim.see(subscriber).len(), 40);
    assert!(sim.is_open(publisher), "its keep alive does not end while it is not read");
    assert!(sim.cores[0].counters().paced > 0);
    assert_eq!(incidents(&mut sim, "publish_rate"), 1);
    // What it has not used is there for the next burst, up to a second's worth.
    sim.advance(1000);
    let (worker, slot) = sim.places[&publisher];
    let used = sim.cores[worker].handle_bytes(sim.now, slot, &bytes);
    assert_eq!(used / (bytes.len() / 40), 11);
}

#[test]
fn bytes_have_a_rate_of_their_own_and_one_large_message_passes() {
    let mut sim = with_limits(1, |limits| limits.publish_bytes_rate = Some(1000));
    let publisher = sim.connect(&Hello::new("p"));
    let bytes = publishes(3, &"x".repeat(2500));
    let one = bytes.len() / 3;
    assert_eq!(drive(&mut sim, publisher, &bytes, one, 6), [1, 1, 0, 0, 1, 0]);
    assert_eq!(incidents(&mut sim, "publish_bytes_rate"), 1);
}

#[test]
fn a_client_within_its_rate_is_not_held_up() {
    let mut sim = with_limits(1, |limits| limits.publish_rate = 10);
    let publisher = sim.connect(&Hello::new("p"));
    for _ in 0..100 {
        sim.publish(publisher, "a", "x", AtLeastOnce, 1);
        assert_eq!(sim.see(publisher).len(), 1);
        sim.advance(100);
    }
    assert_eq!(sim.cores[0].counters().paced, 0);
}

#[test]
fn a_user_has_so_many_sessions_on_all_workers_together() {
    let mut sim = with_limits(3, |limits| limits.max_sessions_per_user = 2);
    let hello = |client_id| Hello { user_name: Some("ann"), ..Hello::durable(client_id) };
    let first = sim.connect(&hello("1"));
    let second = sim.connect(&hello("2"));
    let (_, seen) = sim.connect_and_see(&hello("3"));
    assert_eq!(seen, [Seen::ConnAck(false, ReasonCode::QuotaExceeded)]);
    let (_, seen) = sim.connect_and_see(&Hello { version: Version::V311, ..hello("3") });
    assert_eq!(seen, [Seen::ConnAck(false, ReasonCode::ServerUnavailable)]);
    assert_eq!(incidents(&mut sim, "max_sessions_per_user"), 2);
    // Others are not concerned, nor are those who come back, connected or not.
    sim.connect(&Hello { user_name: Some("bob"), ..Hello::durable("3") });
    sim.connect(&Hello::durable("4"));
    sim.cut(first);
    sim.connect(&hello("1"));
    sim.connect(&Hello { clean_start: true, ..hello("2") });
    // A session that has ended makes room.
    let again = sim.connect(&Hello { expiry_s: Some(0), clean_start: true, ..hello("2") });
    sim.cut(again);
    assert!(!sim.is_open(second));
    sim.connect(&hello("5"));
    let reached: u64 = sim.cores.iter().map(|core| core.counters().reached.max_sessions_per_user).sum();
    assert_eq!(reached, 2);
}

#[test]
fn a_connection_over_the_rate_is_told_so_if_its_version_can_be() {
    for (overrun, limit) in
        [(Overrun::ConnectRate, "connect_rate"), (Overrun::ConnectRatePerIp, "connect_rate_per_ip")]
    {
        let mut sim = Sim::new(1);
        for version in [Version::V5, Version::V311, Version::V31] {
            let client = sim.open(version);
            let (worker, slot) = sim.places[&client];
            sim.cores[worker].handle_overrun(slot, overrun);
            let mut bytes = Vec::new();
            Connect { clean_start: true, ..Connect::new(version, "c") }.encode(&mut bytes);
            sim.send_bytes(client, &bytes);
            let told = [Seen::ConnAck(false, ReasonCode::ConnectionRateExceeded)];
            assert_eq!(sim.see(client), if version == Version::V5 { &told[..] } else { &[] });
            assert!(!sim.is_open(client));
        }
        assert_eq!(incidents(&mut sim, limit), 3);
    }
}

#[test]
fn short_memory_drops_qos_0_and_nothing_that_is_acknowledged() {
    let mut sim = with_limits(2, |limits| limits.memory_limit = Some(1600));
    let subscriber = sim.connect(&Hello::new("s"));
    sim.subscribe(subscriber, "a", AtLeastOnce);
    let publisher = sim.connect(&Hello::new("p"));
    let send = |sim: &mut Sim, resident_bytes| {
        let measures = Measures { resident_bytes, ..Measures::default() };
        sim.cores[0].handle_measures(sim.now, Purpose::Memory, measures);
        sim.publish(publisher, "a", "0", AtMostOnce, 0);
        sim.publish(publisher, "a", "1", AtLeastOnce, 1);
        let seen = sim.see(subscriber);
        for one in &seen {
            if let Seen::Publish { id, qos: 1, .. } = one {
                sim.ack(subscriber, PacketType::PubAck, *id);
            }
        }
        (sim.cores[1].pressure(), seen.len())
    };
    assert_eq!(send(&mut sim, 1600), (Pressure::None, 2));
    assert_eq!(send(&mut sim, 1650), (Pressure::Refuse, 2));
    assert_eq!(send(&mut sim, 2000), (Pressure::Shed, 1));
    assert_eq!(send(&mut sim, 10), (Pressure::None, 2));
    assert_eq!(incidents(&mut sim, "memory_limit"), 1);
    let dropped: u64 = sim.cores.iter().map(|core| core.counters().dropped.memory_full).sum();
    assert_eq!(dropped, 1);
}

#[test]
fn memory_is_looked_at_only_while_there_is_a_limit() {
    let mut sim = with_limits(1, |limits| limits.memory_limit = Some(1));
    sim.cores[0].begin_surveys(sim.now);
    sim.advance(0);
    assert!(sim.cores[0].is_watching_memory);
    sim.cores[0].handle_settings(sim.now, Arc::default());
    sim.shared.pressure.store(2, Ordering::Relaxed);
    sim.advance(1000);
    assert!(!sim.cores[0].is_watching_memory);
    assert_eq!(sim.shared.pressure(), Pressure::None);
    let client = sim.connect(&Hello::new("c"));
    let (worker, slot) = sim.places[&client];
    assert_eq!(sim.cores[worker].connections[slot as usize].phase, Phase::Connected);
}
