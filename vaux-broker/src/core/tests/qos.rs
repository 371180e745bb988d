//! The exchanges of QoS 1 and 2, windows, retained messages, limits of a packet.

use vaux_mqtt::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};

use super::*;

fn pubrec(id: u16) -> Seen {
    Seen::Ack(PacketType::PubRec, id, ReasonCode::Success)
}

#[test]
fn each_qos_is_delivered_and_answered_as_it_is_granted() {
    with_workers(|mut sim| {
        let publisher = sim.connect(&Hello::new("p"));
        for (granted, expected) in [(AtMostOnce, 0), (AtLeastOnce, 1), (ExactlyOnce, 2)] {
            let subscriber = sim.connect(&Hello::new("s"));
            sim.subscribe(subscriber, "a/+", granted);
            sim.publish(publisher, "a/b", "x", ExactlyOnce, 7);
            assert_eq!(sim.see(publisher), [pubrec(7)]);
            sim.ack(publisher, PacketType::PubRel, 7);
            assert_eq!(sim.see(publisher), [Seen::Ack(PacketType::PubComp, 7, ReasonCode::Success)]);
            assert_eq!(sim.see(subscriber), [message("a/b", "x", expected, u16::from(expected > 0))]);
        }
    });
}

#[test]
fn a_message_that_nobody_wants_is_acknowledged_as_such() {
    with_workers(|mut sim| {
        let publisher = sim.connect(&Hello::new("p"));
        sim.publish(publisher, "a", "x", AtLeastOnce, 1);
        assert_eq!(sim.see(publisher), [Seen::Ack(PacketType::PubAck, 1, ReasonCode::NoMatchingSubscribers)]);
    });
}

#[test]
fn a_repeated_qos_2_message_is_delivered_once() {
    with_workers(|mut sim| {
        let subscriber = sim.connect(&Hello::new("s"));
        sim.subscribe(subscriber, "a", AtMostOnce);
        let publisher = sim.connect(&Hello::new("p"));
        for _ in 0..3 {
            sim.publish(publisher, "a", "x", ExactlyOnce, 7);
        }
        assert_eq!(sim.see(publisher), [pubrec(7), pubrec(7), pubrec(7)]);
        sim.ack(publisher, PacketType::PubRel, 7);
        sim.publish(publisher, "a", "y", ExactlyOnce, 7);
        assert_eq!(sim.see(subscriber), [message("a", "x", 0, 0), message("a", "y", 0, 0)]);
    });
}

#[test]
fn the_clients_receive_maximum_holds_messages_back() {
    with_workers(|mut sim| {
        let subscriber = sim.connect(&Hello { receive_maximum: Some(2), ..Hello::new("s") });
        sim.subscribe(subscriber, "a", ExactlyOnce);
        let publisher = sim.connect(&Hello::new("p"));
        for (packet_id, payload) in [(1, "1"), (2, "2"), (3, "3"), (4, "4")] {
            sim.publish(publisher, "a", payload, AtLeastOnce, packet_id);
        }
        assert_eq!(sim.see(subscriber), [message("a", "1", 1, 1), message("a", "2", 1, 2)]);
        sim.ack(subscriber, PacketType::PubAck, 2);
        assert_eq!(sim.see(subscriber), [message("a", "3", 1, 3)]);
        sim.ack(subscriber, PacketType::PubAck, 1);
        assert_eq!(sim.see(subscriber), [message("a", "4", 1, 4)]);
    });
}

#[test]
fn the_window_can_be_bounded_in_bytes() {
    let mut settings = Settings::default();
    settings.limits.max_inflight_bytes = Some(1000);
    let mut sim = Sim::with(1, settings, Recorder::discarding);
    let subscriber = sim.connect(&Hello::new("s"));
    sim.subscribe(subscriber, "a", AtLeastOnce);
    let publisher = sim.connect(&Hello::new("p"));
    for packet_id in 1..=3 {
        sim.publish(publisher, "a", &"x".repeat(600), AtLeastOnce, packet_id);
    }
    assert_eq!(sim.see(subscriber).len(), 2);
    sim.ack(subscriber, PacketType::PubAck, 1);
    assert_eq!(sim.see(subscriber).len(), 1);
}

#[test]
fn more_unacknowledged_messages_than_announced_end_the_connection() {
    let mut settings = Settings::default();
    settings.limits.receive_maximum = 2;
    let mut sim = Sim::with(1, settings, Recorder::discarding);
    let publisher = sim.connect(&Hello::new("p"));
    for packet_id in 1..=3 {
        sim.publish(publisher, "a", "x", ExactlyOnce, packet_id);
    }
    assert_eq!(sim.see(publisher).last(), Some(&Seen::Disconnect(ReasonCode::ReceiveMaximumExceeded)));
    assert!(!sim.is_open(publisher));
}

#[test]
fn retained_messages_go_to_new_subscriptions_with_the_flag() {
    with_workers(|mut sim| {
        let publisher = sim.connect(&Hello::new("p"));
        let retained = Publish { retain: true, payload: b"kept", ..Publish::new("a/b") };
        sim.send_publish(publisher, &retained);
        let subscriber = sim.connect(&Hello::new("s"));
        let kept = Seen::Publish {
            topic: "a/b".into(),
            payload: "kept".into(),
            qos: 0,
            dup: false,
            retain: true,
            id: 0,
        };
        assert_eq!(sim.subscribe(subscriber, "a/#", AtLeastOnce), [Seen::SubAck(vec![1]), kept]);
        sim.send_publish(publisher, &Publish { payload: b"", ..retained.clone() });
        assert_eq!(sim.see(subscriber), [message("a/b", "", 0, 0)]);
        assert!(sim.shared.retained.is_empty());
    });
}

#[test]
fn retained_messages_with_qos_1_keep_to_the_window() {
    let mut sim = Sim::new(1);
    let publisher = sim.connect(&Hello::new("p"));
    for topic in ["a/1", "a/2", "a/3"] {
        let publish = Publish {
            retain: true,
            qos: AtLeastOnce,
            packet_id: Some(id(1)),
            payload: b"x",
            ..Publish::new(topic)
        };
        sim.send_publish(publisher, &publish);
    }
    let subscriber = sim.connect(&Hello { receive_maximum: Some(1), ..Hello::new("s") });
    let mut topics = sim.subscribe(subscriber, "a/+", AtLeastOnce);
    for packet_id in 1..=3 {
        sim.ack(subscriber, PacketType::PubAck, packet_id);
        topics.extend(sim.see(subscriber));
    }
    let topics: Vec<String> = topics
        .into_iter()
        .filter_map(|seen| if let Seen::Publish { topic, .. } = seen { Some(topic) } else { None })
        .collect();
    assert_eq!(topics, ["a/1", "a/2", "a/3"]);
}

#[test]
fn a_message_expires_in_the_queue_and_its_interval_counts_down() {
    let mut sim = Sim::new(1);
    let subscriber = sim.connect(&Hello::durable("s"));
    sim.subscribe(subscriber, "a", AtLeastOnce);
    sim.cut(subscriber);
    let publisher = sim.connect(&Hello::new("p"));
    for (seconds, payload) in [(5, "short"), (60, "long")] {
        let expiry = [Property::MessageExpiryInterval(seconds)];
        let publish = Publish {
            qos: AtLeastOnce,
            packet_id: Some(id(1)),
            payload: payload.as_bytes(),
            properties: Properties::from_slice(&expiry),
            ..Publish::new("a")
        };
        sim.send_publish(publisher, &publish);
    }
    sim.advance(10_500);
    let client = sim.open(Version::V5);
    let expiry = [Property::SessionExpiryInterval(1000)];
    let mut bytes = Vec::new();
    Connect { properties: Properties::from_slice(&expiry), ..Connect::new(Version::V5, "s") }
        .encode(&mut bytes);
    sim.send_bytes(client, &bytes);
    let bytes = sim.received.remove(&client).unwrap();
    let connack = Frame::split(&bytes).unwrap().unwrap();
    let frame = Frame::split(&bytes[connack.bytes().len()..]).unwrap().unwrap();
    let Packet::Publish(publish) = Packet::decode(&frame, Version::V5, Sender::Server).unwrap() else {
        panic!("a message was expected")
    };
    assert_eq!((publish.payload, publish.properties.message_expiry_interval()), (&b"long"[..], Some(50)));
    assert_eq!(sim.cores[0].counters().dropped.expired, 1);
}

#[test]
fn a_message_that_is_too_large_for_the_client_counts_as_delivered() {
    let mut sim = Sim::new(1);
    let client = sim.open(Version::V5);
    let maximum = [Property::MaximumPacketSize(30)];
    let mut bytes = Vec::new();
    Connect {
        clean_start: true,
        properties: Properties::from_slice(&maximum),
        ..Connect::new(Version::V5, "s")
    }
    .encode(&mut bytes);
    sim.send_bytes(client, &bytes);
    sim.see(client);
    sim.subscribe(client, "a", AtLeastOnce);
    let publisher = sim.connect(&Hello::new("p"));
    sim.publish(publisher, "a", &"x".repeat(40), AtLeastOnce, 1);
    sim.publish(publisher, "a", "small", AtLeastOnce, 2);
    assert_eq!(sim.see(publisher), [puback(1), puback(2)]);
    assert!(matches!(&sim.see(client)[..], [Seen::Publish { payload, .. }] if payload == "small"));
    assert_eq!(sim.cores[0].counters().dropped.too_large, 1);
}

#[test]
fn one_copy_carries_the_identifiers_of_all_matching_subscriptions() {
    with_workers(|mut sim| {
        let subscriber = sim.connect(&Hello::new("s"));
        for (filter, identifier, qos) in [("a/#", 1, AtMostOnce), ("a/+", 2, AtLeastOnce)] {
            let properties = [Property::SubscriptionIdentifier(identifier)];
            sim.subscribe_with(subscriber, filter, SubscriptionOptions::with_qos(qos), &properties);
        }
        let publisher = sim.connect(&Hello::new("p"));
        sim.publish(publisher, "a/b", "x", AtLeastOnce, 1);
        let bytes = sim.received.remove(&subscriber).unwrap();
        let frame = Frame::split(&bytes).unwrap().unwrap();
        assert_eq!(frame.bytes().len(), bytes.len(), "one copy");
        let Packet::Publish(publish) = Packet::decode(&frame, Version::V5, Sender::Server).unwrap() else {
            panic!("a message was expected")
        };
        let mut identifiers: Vec<u32> = publish.properties.subscription_identifiers().collect();
        identifiers.sort_unstable();
        assert_eq!((publish.qos, identifiers), (AtLeastOnce, vec![1, 2]));
    });
}

#[test]
fn no_local_keeps_own_messages_away_but_not_those_of_an_overlapping_subscription() {
    with_workers(|mut sim| {
        let client = sim.connect(&Hello::new("c"));
        let no_local = SubscriptionOptions { no_local: true, ..Default::default() };
        sim.subscribe_with(client, "a/#", no_local, &[]);
        sim.publish(client, "a/b", "own", AtMostOnce, 0);
        assert_eq!(sim.see(client), []);
        sim.subscribe(client, "a/b", AtMostOnce);
        sim.publish(client, "a/b", "own", AtMostOnce, 0);
        assert_eq!(sim.see(client), [message("a/b", "own", 0, 0)]);
    });
}

/// Shows: v5:MQTT-4.13.1-1 v311:MQTT-4.8.0-1
#[test]
fn an_acknowledgement_of_another_kind_ends_the_connection() {
    use PacketType::{PubAck, PubComp, PubRec};
    for (qos, wrong) in
        [(AtLeastOnce, PubRec), (AtLeastOnce, PubComp), (ExactlyOnce, PubAck), (ExactlyOnce, PubComp)]
    {
        let mut sim = Sim::new(1);
        let subscriber = sim.connect(&Hello::new("s"));
        sim.subscribe(subscriber, "a", qos);
        let publisher = sim.connect(&Hello::new("p"));
        sim.publish(publisher, "a", "x", qos, 1);
        sim.ack(publisher, PacketType::PubRel, 1);
        assert_eq!(sim.see(subscriber).len(), 1);
        // Of one that is not under way it is of no consequence.
        sim.ack(subscriber, wrong, 99);
        assert!(sim.is_open(subscriber));
        sim.see(subscriber);
        sim.ack(subscriber, wrong, 1);
        assert_eq!(sim.see(subscriber), [Seen::Disconnect(ReasonCode::ProtocolError)], "{qos:?} {wrong:?}");
        assert!(!sim.is_open(subscriber));
    }
}

#[test]
fn qos_0_that_waits_is_not_passed_by_qos_0_that_comes_later() {
    let mut settings = Settings::default();
    settings.limits.queue_qos0 = true;
    let mut sim = Sim::with(1, settings, Recorder::discarding);
    let hello = Hello { receive_maximum: Some(1), ..Hello::durable("s") };
    let subscriber = sim.connect(&hello);
    sim.subscribe(subscriber, "a", QoS::AtLeastOnce);
    sim.cut(subscriber);
    let publisher = sim.connect(&Hello::new("p"));
    sim.publish(publisher, "a", "1", QoS::AtLeastOnce, 1);
    sim.publish(publisher, "a", "2", QoS::AtLeastOnce, 2);
    sim.publish(publisher, "a", "3", QoS::AtMostOnce, 0);
    let (subscriber, seen) = sim.connect_and_see(&hello);
    assert_eq!(seen, [Seen::ConnAck(true, ReasonCode::Success), message("a", "1", 1, 1)]);
    sim.publish(publisher, "a", "4", QoS::AtMostOnce, 0);
    sim.ack(subscriber, PacketType::PubAck, 1);
    sim.ack(subscriber, PacketType::PubAck, 2);
    let rest = [message("a", "2", 1, 2), message("a", "3", 0, 0), message("a", "4", 0, 0)];
    assert_eq!(sim.see(subscriber), rest);
}
