//! Noise, cuts, promises, silence and deafness: the broker stays up, stays small, and serves others.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use vaux_mqtt::packet::{Connect, PacketType, Will};
use vaux_mqtt::property::Properties;
use vaux_mqtt::{QoS, Version};

use crate::harness::*;

/// Bytes without a pattern, the same in every run.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn noise_before_and_after_connect_ends_its_connection_only() {
    let broker = start(2, |_| {});
    for seed in 0..200 {
        let mut stream = open(&broker);
        if seed % 2 == 0 {
            stream.write_all(&connect_bytes("noisy")).unwrap();
        }
        // The broker may have closed already.
        let _ = stream.write_all(&noise(seed, 300));
        let _ = stream.shutdown(std::net::Shutdown::Write);
        expect_close(stream);
    }
    assert_healthy(&broker);
}

#[test]
fn packets_that_are_cut_off_at_any_byte_are_survived() {
    let broker = start(2, |_| {});
    let mut conversation = connect_bytes("cut");
    conversation.extend(subscribe_bytes("a/#", QoS::ExactlyOnce));
    conversation.extend(publish_bytes("a/b", b"payload", QoS::ExactlyOnce, 1));
    conversation.extend([PacketType::PubRel.first_byte(), 2, 0, 1, 0xc0, 0]);
    for end in 0..conversation.len() {
        let mut stream = open(&broker);
        stream.write_all(&conversation[..end]).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        expect_close(stream);
    }
    assert_healthy(&broker);
}

#[test]
fn a_promise_of_256_mebibytes_is_refused_before_it_is_kept() {
    let broker = start(1, |_| {});
    let huge = [0xff, 0xff, 0xff, 0x7f];
    let mut stream = open(&broker);
    stream.write_all(&[0x10]).unwrap();
    stream.write_all(&huge).unwrap();
    expect_close(stream);
    let mut stream = connect(&broker, "promises");
    stream.write_all(&[0x30]).unwrap();
    stream.write_all(&huge).unwrap();
    expect_close(stream);
    assert_healthy(&broker);
}

#[test]
fn connections_that_never_speak_are_closed_and_give_up_their_places() {
    let broker = start(2, |config| {
        config.limits.connect_timeout = Duration::from_millis(200);
        config.listeners[0].max_connections = 300;
    });
    let silent: Vec<TcpStream> = (0..300).map(|_| open(&broker)).collect();
    silent.into_iter().for_each(expect_close);
    let dribbling: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = open(&broker);
            stream.write_all(&connect_bytes("slow")[..5]).unwrap();
            stream
        })
        .collect();
    dribbling.into_iter().for_each(expect_close);
    assert_healthy(&broker);
}

#[test]
fn connections_over_the_limit_are_closed_without_a_word() {
    let broker = start(1, |config| config.listeners[0].max_connections = 2);
    let _first = connect(&broker, "1");
    let second = connect(&broker, "2");
    expect_close(open(&broker));
    drop(second);
    // Its place is free once the broker has seen it go.
    let again = (0..1000).find_map(|_| {
        let mut stream = open(&broker);
        stream.write_all(&connect_bytes("3")).ok()?;
        let mut connack = [0; 4];
        stream.read_exact(&mut connack).ok()?;
        Some(connack)
    });
    assert_eq!(again, Some([0x20, 2, 0, 0]));
}

#[test]
fn a_client_that_does_not_read_disturbs_neither_publisher_nor_neighbour() {
    const MESSAGES: usize = 40_000;
    let broker = start(1, |config| {
        config.limits.max_outbox_bytes = 64 << 10;
        config.limits.max_queued_messages = 100;
    });
    let _deaf0 = subscribe(&broker, "deaf0", "flood/#", QoS::AtMostOnce);
    let _deaf1 = subscribe(&broker, "deaf1", "flood/#", QoS::AtLeastOnce);
    let mut neighbour = subscribe(&broker, "neighbour", "count", QoS::AtLeastOnce);
    let mut publisher = connect(&broker, "flood");
    let flood = publish_bytes("flood/a", &[b'x'; 1000], QoS::AtMostOnce, 0);
    for number in 0..MESSAGES {
        publisher.write_all(&flood).unwrap();
        if number % 200 == 0 {
            let payload = number.to_string();
            publisher.write_all(&publish_bytes("flood/b", b"kept", QoS::AtLeastOnce, 8)).unwrap();
            expect(&mut publisher, &[0x40, 2, 0, 8]);
            publisher.write_all(&publish_bytes("count", payload.as_bytes(), QoS::AtLeastOnce, 9)).unwrap();
            expect(&mut publisher, &[0x40, 2, 0, 9]);
            let packet_id = number as u16 / 200 + 1;
            let expected = publish_bytes("count", payload.as_bytes(), QoS::AtLeastOnce, packet_id);
            expect(&mut neighbour, &expected);
            neighbour.write_all(&[0x40, 2, 0, packet_id as u8]).unwrap();
        }
    }
    drop((publisher, neighbour));
    let counters = broker.shutdown(PATIENCE);
    assert!(counters.dropped.slow_reader > 0, "{counters:?}");
}

#[test]
fn packets_behind_connect_survive_the_move_to_another_worker() {
    let broker = start(4, |_| {});
    for number in 0..40 {
        let mut stream = open(&broker);
        let mut bytes = connect_bytes(&format!("moving-{number}"));
        bytes.extend(subscribe_bytes("own/#", QoS::AtLeastOnce));
        bytes.extend(publish_bytes("nobody", &[b'x'; 200_000], QoS::AtLeastOnce, 7));
        stream.write_all(&bytes).unwrap();
        expect(&mut stream, &[0x20, 2, 0, 0, 0x90, 3, 0, 1, 1, 0x40, 2, 0, 7]);
    }
    assert_healthy(&broker);
}

#[test]
fn order_holds_between_clients_of_different_workers() {
    const MESSAGES: u32 = 3_000;
    let broker = start(4, |_| {});
    for number in 0..6 {
        let mut subscriber =
            subscribe(&broker, &format!("s{number}"), &format!("t{number}"), QoS::AtMostOnce);
        let mut publisher = connect(&broker, &format!("p{number}"));
        let topic = format!("t{number}");
        let send = |count: u32| publish_bytes(&topic, &count.to_be_bytes(), QoS::AtMostOnce, 0);
        let all: Vec<u8> = (0..MESSAGES).flat_map(send).collect();
        publisher.write_all(&all).unwrap();
        let mut received = vec![0; all.len()];
        subscriber.read_exact(&mut received).unwrap();
        assert!(received == all);
    }
}

#[test]
fn shutting_down_ends_in_time_with_clients_connected() {
    let broker = start(3, |_| {});
    let clients: Vec<TcpStream> = (0..20).map(|number| connect(&broker, &format!("c{number}"))).collect();
    broker.shutdown(PATIENCE);
    clients.into_iter().for_each(expect_close);
    assert!(TcpStream::connect(address(&broker)).is_err());
}

#[test]
fn what_a_client_sent_before_it_came_back_on_another_connection_arrives() {
    let broker = start(2, |_| {});
    let mut subscriber = subscribe(&broker, "reader", "last/#", QoS::AtMostOnce);
    for round in 0..100 {
        let client_id = format!("restless-{round}");
        let last_words = publish_bytes(&format!("last/{round}"), b"words", QoS::AtMostOnce, 1);
        let mut stream = connect(&broker, &client_id);
        stream.write_all(&last_words).unwrap();
        if round % 2 == 0 {
            drop(stream);
            connect(&broker, &client_id);
        } else {
            connect(&broker, &client_id);
            expect_close(stream);
        }
        expect(&mut subscriber, &last_words);
    }
}

/// Its goodbye may be on the socket of one worker while its new connection is at another.
#[test]
fn a_client_that_said_goodbye_and_came_back_at_once_leaves_no_will() {
    let broker = start(2, |_| {});
    let mut watcher = subscribe(&broker, "watcher", "will/#", QoS::AtMostOnce);
    for round in 0..100 {
        let client_id = format!("polite-{round}");
        let topic = &format!("will/{round}");
        let will = Will {
            qos: QoS::AtMostOnce,
            retain: false,
            properties: Properties::EMPTY,
            topic,
            payload: b"lost",
        };
        let mut bytes = Vec::new();
        Connect { will: Some(will), clean_start: true, ..Connect::new(Version::V311, &client_id) }
            .encode(&mut bytes);
        let mut stream = open(&broker);
        stream.write_all(&bytes).unwrap();
        expect(&mut stream, &[0x20, 2, 0, 0]);
        stream.write_all(&[PacketType::Disconnect.first_byte(), 0]).unwrap();
        drop(stream);
        connect(&broker, &client_id);
    }
    let last = publish_bytes("will/none", b"", QoS::AtMostOnce, 0);
    connect(&broker, "marker").write_all(&last).unwrap();
    expect(&mut watcher, &last);
}

/// What was read of a packet is kept in one of several ways, depending on how much it is.
#[test]
fn a_large_packet_arrives_however_much_of_it_comes_first() {
    let broker = start(1, |_| {});
    let mut publisher = connect(&broker, "publisher");
    let mut subscriber = subscribe(&broker, "subscriber", "large", QoS::AtMostOnce);
    let mut neighbour = connect(&broker, "neighbour");
    let payload = noise(1, 300_000);
    let packet = publish_bytes("large", &payload, QoS::AtLeastOnce, 1);
    let delivered = publish_bytes("large", &payload, QoS::AtMostOnce, 1);
    for first in [1, 1023, 1024, 65_535, 65_536, 65_537, 131_072, 262_143, 262_144, 262_145] {
        let (first, rest) = packet.split_at(first);
        publisher.write_all(first).unwrap();
        // Each answer is of a turn in which the publisher was read, too.
        for _ in 0..8 {
            neighbour.write_all(&[0xc0, 0]).unwrap();
            expect(&mut neighbour, &[0xd0, 0]);
        }
        publisher.write_all(rest).unwrap();
        expect(&mut publisher, &[0x40, 2, 0, 1]);
        expect(&mut subscriber, &delivered);
    }
}
