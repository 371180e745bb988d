//! What a broker makes of what it finds when it starts again.

use super::*;
use crate::store::Record;

#[test]
fn a_session_is_what_it_was_after_a_crash() {
    for workers in [1, 3] {
        let mut sim = Sim::stored(workers);
        let subscriber = sim.open_durable("s");
        sim.subscribe(subscriber, "a", QoS::ExactlyOnce);
        let publisher = sim.open_durable("p");
        for (packet_id, qos) in [(1, QoS::AtLeastOnce), (2, QoS::ExactlyOnce), (3, QoS::ExactlyOnce)] {
            sim.publish(publisher, "a", &packet_id.to_string(), qos, packet_id);
        }
        sim.commit();
        sim.see(subscriber);
        sim.ack(subscriber, PacketType::PubRec, 2);
        sim.commit();
        sim.crash(0);
        let (client, _) = sim.connect_and_see(&Hello::durable("s"));
        sim.commit();
        let again = |payload: &str, qos, id| Seen::Publish {
            topic: "a".into(),
            payload: payload.into(),
            qos,
            dup: true,
            retain: false,
            id,
        };
        let expected = [
            Seen::ConnAck(true, ReasonCode::Success),
            again("1", 1, 1),
            Seen::Ack(PacketType::PubRel, 2, ReasonCode::Success),
            again("3", 2, 3),
        ];
        assert_eq!(sim.see(client), expected);
    }
}

/// Shows: U5-32
#[test]
fn wills_and_expiries_that_ran_out_meanwhile_come_due_at_the_restart() {
    let mut sim = Sim::stored(2);
    let watcher = sim.open_durable("w");
    sim.subscribe(watcher, "will/#", QoS::AtLeastOnce);
    let late = Hello { will: Some(("will/late", 60)), ..Hello::durable("late") };
    sim.connect_and_see(&late);
    // Transient sessions have wills to lose, too.
    sim.connect_and_see(&Hello { will: Some(("will/now", 0)), ..Hello::new("now") });
    let (gone, _) = sim.connect_and_see(&Hello { expiry_s: Some(5), ..Hello::durable("gone") });
    sim.commit();
    sim.cut(gone);
    sim.commit();
    sim.now = sim.now.plus_ms(30_000);
    sim.crash(0);
    let (watcher, _) = sim.connect_and_see(&Hello::durable("w"));
    sim.commit();
    let wills = |seen: Vec<Seen>| -> Vec<String> {
        let topic = |seen| match seen {
            Seen::Publish { topic, .. } => Some(topic),
            _ => None,
        };
        seen.into_iter().filter_map(topic).collect()
    };
    assert_eq!(wills(sim.see(watcher)), ["will/now"]);
    sim.advance(59_000);
    assert!(wills(sim.see(watcher)).is_empty());
    sim.advance(2_000);
    sim.commit();
    assert_eq!(wills(sim.see(watcher)), ["will/late"]);
    let (client, _) = sim.connect_and_see(&Hello::durable("gone"));
    sim.commit();
    assert_eq!(sim.see(client), [Seen::ConnAck(false, ReasonCode::Success)]);
}

#[test]
fn retained_messages_are_what_the_tree_held_at_the_commit() {
    let mut sim = Sim::stored(1);
    let publisher = sim.connect(&Hello::new("p"));
    for payload in ["one", "two"] {
        let publish = Publish {
            retain: true,
            qos: QoS::AtLeastOnce,
            packet_id: Some(id(1)),
            payload: payload.as_bytes(),
            ..Publish::new("a")
        };
        sim.send_publish(publisher, &publish);
    }
    sim.commit();
    sim.crash(0);
    assert_eq!(sim.shared.retained.message("a").unwrap().payload(), b"two");
}

#[test]
fn a_queue_that_is_not_in_memory_is_read_as_its_turn_comes() {
    for workers in [1, 3] {
        let mut sim = Sim::stored(workers);
        sim.set_queue_memory(QueueMemory { connected_bytes: 1000, offline_bytes: 0 });
        let subscriber = sim.open_durable("s");
        sim.subscribe(subscriber, "a", QoS::AtLeastOnce);
        sim.commit();
        sim.cut(subscriber);
        let publisher = sim.open_durable("p");
        for number in 1..=100 {
            sim.publish(publisher, "a", &number.to_string(), QoS::AtLeastOnce, number);
            if number % 10 == 0 {
                sim.commit();
            }
        }
        // After a restart it is as it was before.
        for restarts in [0, 1] {
            if restarts > 0 {
                sim.crash(0);
            }
            let (subscriber, _) = sim.connect_and_see(&Hello::durable("s"));
            let mut got = Vec::new();
            while got.len() < 100 {
                sim.commit();
                let seen = sim.see(subscriber);
                assert!(!seen.is_empty(), "{} came", got.len());
                got.extend(seen.into_iter().filter_map(|seen| match seen {
                    Seen::Publish { payload, .. } => Some(payload.parse::<u16>().unwrap()),
                    _ => None,
                }));
            }
            assert_eq!(got, (1..=100).collect::<Vec<u16>>());
            let counted: u64 = sim.cores.iter().map(|core| core.counters().dropped.total()).sum();
            assert_eq!(counted, 0);
            sim.cut(subscriber);
        }
    }
}

#[test]
fn a_message_that_cannot_be_read_is_counted_and_those_behind_it_come() {
    let mut sim = Sim::stored(1);
    sim.set_queue_memory(QueueMemory { connected_bytes: 1000, offline_bytes: 0 });
    let subscriber = sim.open_durable("s");
    sim.subscribe(subscriber, "a", QoS::AtLeastOnce);
    sim.cut(subscriber);
    let publisher = sim.open_durable("p");
    for number in 1..=3 {
        sim.publish(publisher, "a", &number.to_string(), QoS::AtLeastOnce, number);
    }
    sim.commit();
    sim.disk.damage(|delivery| delivery.message.payload() == b"2");
    let (subscriber, _) = sim.connect_and_see(&Hello::durable("s"));
    sim.commit();
    let payloads: Vec<String> = sim
        .see(subscriber)
        .into_iter()
        .filter_map(|seen| match seen {
            Seen::Publish { payload, .. } => Some(payload),
            _ => None,
        })
        .collect();
    assert_eq!(payloads, ["1", "3"]);
    assert_eq!(sim.cores[0].counters().dropped.damaged, 1);
}

#[test]
fn a_message_that_came_live_and_retained_is_two_deliveries() {
    let mut sim = Sim::stored(1);
    let subscriber = sim.open_durable("s");
    sim.subscribe(subscriber, "a", QoS::ExactlyOnce);
    let publisher = sim.open_durable("p");
    let publish = Publish {
        retain: true,
        qos: QoS::ExactlyOnce,
        packet_id: Some(id(1)),
        payload: b"x",
        ..Publish::new("a")
    };
    sim.send_publish(publisher, &publish);
    sim.subscribe(subscriber, "a", QoS::ExactlyOnce);
    sim.commit();
    sim.see(subscriber);
    sim.crash(0);
    let (client, _) = sim.connect_and_see(&Hello::durable("s"));
    sim.commit();
    let again =
        |id| Seen::Publish { topic: "a".into(), payload: "x".into(), qos: 2, dup: true, retain: id == 2, id };
    assert_eq!(sim.see(client), [Seen::ConnAck(true, ReasonCode::Success), again(1), again(2)]);
}

#[test]
fn what_a_member_holds_that_has_left_goes_to_another_one() {
    let mut sim = Sim::stored(2);
    let [left, stays] = ["left", "stays"].map(|name| {
        let member = sim.open_durable(name);
        sim.subscribe(member, "$share/g/a", QoS::AtLeastOnce);
        sim.cut(member);
        member
    });
    assert_ne!(left, stays);
    let publisher = sim.open_durable("p");
    for packet_id in 1..=4 {
        sim.publish(publisher, "a", &packet_id.to_string(), QoS::AtLeastOnce, packet_id);
    }
    sim.commit();
    // The broker dies when it has noted that the member leaves, and before what it holds has gone to others.
    let sid = sim.disk.sid_of("left");
    let records = vec![Record::Unsubscribed { sid, filter: "$share/g/a".into() }];
    let submission = Submission { sequence: Sequence(1), records };
    sim.disk.write(&submission, |_| None);
    sim.crash(0);
    let (client, _) = sim.connect_and_see(&Hello::durable("stays"));
    sim.commit();
    let count = sim.see(client).iter().filter(|seen| matches!(seen, Seen::Publish { .. })).count();
    assert_eq!(count, 4);
}
