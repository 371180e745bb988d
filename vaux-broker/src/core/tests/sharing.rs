//! Shared subscriptions.

use vaux_mqtt::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};

use super::*;
use crate::config::SharedStrategy;

fn payloads(seen: &[Seen]) -> Vec<&str> {
    seen.iter()
        .filter_map(
            |seen| if let Seen::Publish { payload, .. } = seen { Some(payload.as_str()) } else { None },
        )
        .collect()
}

fn publish_numbers(sim: &mut Sim, publisher: Client, count: u16, qos: QoS) {
    for number in 1..=count {
        sim.publish(publisher, "a", &number.to_string(), qos, number);
    }
}

#[test]
fn members_take_turns() {
    with_workers(|mut sim| {
        let members = ["m1", "m2"].map(|name| sim.connect(&Hello::new(name)));
        members.iter().for_each(|&member| {
            sim.subscribe(member, "$share/g/a", AtLeastOnce);
        });
        let publisher = sim.connect(&Hello::new("p"));
        publish_numbers(&mut sim, publisher, 4, AtLeastOnce);
        let seen = members.map(|member| sim.see(member));
        assert_eq!(payloads(&seen[0]).len(), 2);
        assert_eq!(payloads(&seen[1]).len(), 2);
    });
}

#[test]
fn each_strategy_delivers_every_message_once() {
    let strategies = [
        SharedStrategy::RoundRobin,
        SharedStrategy::Sticky,
        SharedStrategy::HashClient,
        SharedStrategy::HashTopic,
        SharedStrategy::LeastInflight,
    ];
    for strategy in strategies {
        let mut settings = Settings::default();
        settings.mqtt.shared_strategy = strategy;
        let mut sim = Sim::with(3, settings, Recorder::discarding);
        let members = ["m1", "m2", "m3"].map(|name| sim.connect(&Hello::new(name)));
        members.iter().for_each(|&member| {
            sim.subscribe(member, "$share/g/a", AtLeastOnce);
        });
        let publisher = sim.connect(&Hello::new("p"));
        publish_numbers(&mut sim, publisher, 6, AtLeastOnce);
        let counts = members.map(|member| payloads(&sim.see(member)).len());
        assert_eq!(counts.iter().sum::<usize>(), 6, "{strategy:?}");
        match strategy {
            SharedStrategy::RoundRobin | SharedStrategy::LeastInflight => {
                assert_eq!(counts, [2, 2, 2], "{strategy:?}");
            }
            _ => assert!(counts.contains(&6), "{strategy:?}"),
        }
    }
}

#[test]
fn what_a_lost_member_did_not_acknowledge_goes_to_another() {
    with_workers(|mut sim| {
        for hello in [Hello::new("m1"), Hello::durable("m1")] {
            let first = sim.connect(&hello);
            sim.subscribe(first, "$share/g/a", ExactlyOnce);
            let publisher = sim.connect(&Hello::new("p"));
            publish_numbers(&mut sim, publisher, 2, AtLeastOnce);
            assert_eq!(payloads(&sim.see(first)), ["1", "2"]);
            let second = sim.connect(&Hello::new("m2"));
            sim.subscribe(second, "$share/g/a", ExactlyOnce);
            sim.ack(first, PacketType::PubAck, 1);
            sim.cut(first);
            assert_eq!(payloads(&sim.see(second)), ["2"]);
            sim.cut(second);
            sim.advance(2_000_000);
        }
    });
}

#[test]
fn sent_qos_2_messages_stay_with_their_session() {
    with_workers(|mut sim| {
        let first = sim.connect(&Hello::durable("m1"));
        sim.subscribe(first, "$share/g/a", ExactlyOnce);
        let publisher = sim.connect(&Hello::new("p"));
        publish_numbers(&mut sim, publisher, 1, ExactlyOnce);
        let second = sim.connect(&Hello::new("m2"));
        sim.subscribe(second, "$share/g/a", ExactlyOnce);
        sim.cut(first);
        assert_eq!(sim.see(second), []);
        let (_, seen) = sim.connect_and_see(&Hello::durable("m1"));
        assert_eq!(payloads(&seen), ["1"]);
    });
}

#[test]
fn an_offline_member_gets_messages_only_while_nobody_is_online() {
    with_workers(|mut sim| {
        let offline = sim.connect(&Hello::durable("m1"));
        sim.subscribe(offline, "$share/g/a", AtLeastOnce);
        sim.cut(offline);
        let publisher = sim.connect(&Hello::new("p"));
        publish_numbers(&mut sim, publisher, 3, AtLeastOnce);
        let online = sim.connect(&Hello { expiry_s: Some(1000), ..Hello::new("m2") });
        let waited = sim.subscribe(online, "$share/g/a", AtLeastOnce);
        assert_eq!(payloads(&waited), ["1", "2", "3"]);
        sim.publish(publisher, "a", "4", AtLeastOnce, 4);
        assert_eq!(payloads(&sim.see(online)), ["4"]);
        let (_, seen) = sim.connect_and_see(&Hello::durable("m1"));
        assert_eq!(payloads(&seen), Vec::<&str>::new());
    });
}

#[test]
fn a_member_that_unsubscribes_leaves_what_it_holds_to_others() {
    let mut sim = Sim::new(1);
    let first = sim.connect(&Hello { receive_maximum: Some(1), ..Hello::new("m1") });
    sim.subscribe(first, "$share/g/a", AtLeastOnce);
    let publisher = sim.connect(&Hello::new("p"));
    publish_numbers(&mut sim, publisher, 3, AtLeastOnce);
    assert_eq!(payloads(&sim.see(first)), ["1"]);
    let second = sim.connect(&Hello::new("m2"));
    sim.subscribe(second, "$share/g/a", AtLeastOnce);
    let mut bytes = Vec::new();
    vaux_mqtt::packet::Unsubscribe {
        packet_id: id(9),
        properties: Properties::EMPTY,
        filters: vaux_mqtt::packet::Filters::from_slice(&["$share/g/a"]),
    }
    .encode(Version::V5, &mut bytes);
    let worker = sim.places[&first].0;
    let slot = sim.places[&first].1;
    sim.cores[worker].handle_bytes(sim.now, slot, &bytes);
    sim.settle();
    assert_eq!(payloads(&sim.see(second)), ["2", "3"]);
}

#[test]
fn messages_for_a_group_that_is_gone_are_counted() {
    let mut sim = Sim::new(1);
    let member = sim.connect(&Hello { receive_maximum: Some(1), ..Hello::new("m1") });
    sim.subscribe(member, "$share/g/a", AtLeastOnce);
    let publisher = sim.connect(&Hello::new("p"));
    publish_numbers(&mut sim, publisher, 3, AtLeastOnce);
    sim.cut(member);
    assert_eq!(sim.cores[0].counters().dropped.no_member, 3);
}

#[test]
fn a_shared_and_a_plain_subscription_both_get_the_message_and_retained_ones_are_not_shared() {
    with_workers(|mut sim| {
        let publisher = sim.connect(&Hello::new("p"));
        sim.send_publish(publisher, &Publish { retain: true, payload: b"kept", ..Publish::new("a") });
        let client = sim.connect(&Hello::new("c"));
        assert_eq!(sim.subscribe(client, "$share/g/a", AtMostOnce), [Seen::SubAck(vec![0])]);
        let plain = sim.connect(&Hello::new("d"));
        assert_eq!(sim.subscribe(plain, "a", AtMostOnce).len(), 2);
        sim.publish(publisher, "a", "x", AtMostOnce, 0);
        assert_eq!(payloads(&sim.see(client)), ["x"]);
        assert_eq!(payloads(&sim.see(plain)), ["x"]);
    });
}

#[test]
fn a_message_that_has_expired_is_not_offered_to_another_member() {
    let mut sim = Sim::new(1);
    let away = sim.connect(&Hello::durable("away"));
    sim.subscribe(away, "$share/g/a", AtLeastOnce);
    sim.cut(away);
    let publisher = sim.connect(&Hello::new("p"));
    let expiry = [Property::MessageExpiryInterval(1)];
    let publish = Publish {
        qos: AtLeastOnce,
        packet_id: Some(id(1)),
        properties: Properties::from_slice(&expiry),
        ..Publish::new("a")
    };
    sim.send_publish(publisher, &publish);
    sim.advance(1_000);
    let member = sim.connect(&Hello::new("m"));
    assert_eq!(sim.subscribe(member, "$share/g/a", AtLeastOnce), [Seen::SubAck(vec![1])]);
    assert_eq!(sim.cores[0].counters().dropped.expired, 1);
}
