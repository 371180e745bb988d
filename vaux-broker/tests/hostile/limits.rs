//! Limits that are enforced where connections are accepted.

use std::io::{Read as _, Write as _};

use serde_json::json;
use vaux_broker::Broker;
use vaux_mqtt::Version;
use vaux_mqtt::packet::Connect;

use crate::harness::*;

/// What CONNECT is answered; empty when the connection is closed without an answer.
fn answer(broker: &Broker, version: Version) -> Vec<u8> {
    let mut stream = open(broker);
    let mut bytes = Vec::new();
    Connect { clean_start: true, ..Connect::new(version, "c") }.encode(&mut bytes);
    // A clean end afterwards, so that a client that was accepted is closed, too.
    bytes.extend([0xe0, 0]);
    let _ = stream.write_all(&bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// How often a limit was met, by what `why` remembers.
fn incidents(broker: &Broker, limit: &str) -> u64 {
    let why = ask(broker, json!({ "command": "why", "last": 1000 }));
    let incidents = why["incidents"].as_array().unwrap().iter();
    incidents.filter(|one| one["limit"] == limit).map(|one| one["count"].as_u64().unwrap_or(1)).sum()
}

#[test]
fn over_a_rate_of_connections_some_are_told_and_the_rest_are_closed() {
    for limit in ["connect_rate", "connect_rate_per_ip"] {
        // One a second: the test is over before the next may come, or that is served as well.
        let broker = start(2, |config| match limit {
            "connect_rate" => config.limits.connect_rate = 1,
            _ => config.limits.connect_rate_per_ip = 1,
        });
        let answers: Vec<_> = (0..40).map(|_| answer(&broker, Version::V5)).collect();
        let count = |is_it: fn(&[u8]) -> bool| answers.iter().filter(|answer| is_it(answer)).count();
        assert_eq!(answers[0][3], 0, "the first is served");
        let told = count(|answer| answer.get(3) == Some(&0x9F));
        let closed = count(|answer| answer.is_empty());
        let served = count(|answer| answer.get(3) == Some(&0));
        assert!(told >= 1 && closed >= 20, "{served} served, {told} told, {closed} closed");
        assert_eq!(served + told + closed, 40);
        assert_eq!(incidents(&broker, limit), (told + closed) as u64);
        for _ in 0..5 {
            let answer = answer(&broker, Version::V311);
            assert!(
                answer.is_empty() || answer == [0x20, 2, 0, 0],
                "version 3.1.1 is told nothing: {answer:?}"
            );
        }
    }
}

#[test]
fn one_address_has_so_many_connections_at_one_time() {
    let broker = start(2, |config| config.listeners[0].max_connections_per_ip = 3);
    let mut clients: Vec<_> = (0..3).map(|number| connect(&broker, &number.to_string())).collect();
    assert!(answer(&broker, Version::V5).is_empty());
    assert_eq!(incidents(&broker, "max_connections_per_ip"), 1);
    drop(clients.pop());
    // Its place is free once the broker has seen it go.
    let is_served = (0..1000).any(|_| !answer(&broker, Version::V5).is_empty());
    assert!(is_served);
}

#[test]
fn behind_a_proxy_the_limits_on_an_address_hold_for_the_client() {
    let broker = start(2, |config| {
        let listener = &mut config.listeners[0];
        listener.allow_anonymous = Some(true);
        listener.proxy_protocol = true;
        listener.proxy_from = vec!["127.0.0.0/8".parse().unwrap()];
        listener.max_connections_per_ip = 1;
    });
    let from = |address: &str, client_id: &str| {
        let mut stream = open(&broker);
        let header = format!("PROXY TCP4 {address} 10.0.0.1 1000 1883\r\n");
        stream.write_all(&[header.as_bytes(), &connect_bytes(client_id)].concat()).unwrap();
        let mut connack = [0; 4];
        stream.read_exact(&mut connack).is_ok().then_some(stream)
    };
    let first = from("192.0.2.1", "a");
    let second = from("192.0.2.2", "b");
    assert!(first.is_some() && second.is_some());
    assert!(from("192.0.2.1", "c").is_none());
    assert_eq!(incidents(&broker, "max_connections_per_ip"), 1);
}

#[test]
fn while_memory_is_short_nobody_new_comes_in_and_who_is_there_stays() {
    let broker = start(2, |_| {});
    let mut there = connect(&broker, "there");
    let reload = |memory_limit| {
        let mut config = configuration(2);
        config.limits.memory_limit = memory_limit;
        let unchanged = broker.reload(config, vec![None]);
        assert!(unchanged.is_empty(), "{unchanged:?}");
    };
    // More than the broker needs, then less.
    reload(Some(1 << 40));
    assert!(!answer(&broker, Version::V5).is_empty());
    reload(Some(1));
    assert!((0..100_000).any(|_| answer(&broker, Version::V5).is_empty()));
    assert!(incidents(&broker, "memory_limit") >= 1);
    there.write_all(&[0xc0, 0]).unwrap();
    expect(&mut there, &[0xd0, 0]);
    reload(None);
    assert!((0..100_000).any(|_| !answer(&broker, Version::V5).is_empty()));
}
