//! Answers wait for a store that keeps what is recorded.

use vaux_mqtt::QoS::{AtLeastOnce, ExactlyOnce};

use super::*;

fn slow() -> Sim {
    Sim::stored(1)
}

#[test]
fn the_acknowledgement_of_a_message_for_a_durable_session_waits_for_the_commit() {
    let mut sim = slow();
    let subscriber = sim.open_durable("s");
    sim.subscribe(subscriber, "a", AtLeastOnce);
    sim.commit();
    assert_eq!(sim.see(subscriber), [Seen::SubAck(vec![1])]);
    let publisher = sim.connect(&Hello::new("p"));
    sim.publish(publisher, "a", "x", AtLeastOnce, 1);
    assert_eq!(sim.see(publisher), []);
    sim.commit();
    assert_eq!(sim.see(publisher), [puback(1)]);
}

#[test]
fn nothing_waits_when_no_durable_session_is_in_play() {
    let mut sim = slow();
    let subscriber = sim.connect(&Hello::new("s"));
    assert_eq!(sim.subscribe(subscriber, "a", AtLeastOnce), [Seen::SubAck(vec![1])]);
    let publisher = sim.connect(&Hello::new("p"));
    sim.publish(publisher, "a", "x", AtLeastOnce, 1);
    assert_eq!(sim.see(publisher), [puback(1)]);
    assert_eq!(sim.see(subscriber), [message("a", "x", 1, 1)]);
}

#[test]
fn answers_keep_the_order_of_what_they_answer() {
    let mut sim = slow();
    let subscriber = sim.open_durable("s");
    sim.subscribe(subscriber, "kept", AtLeastOnce);
    let publisher = sim.connect(&Hello::new("p"));
    sim.commit();
    sim.publish(publisher, "kept", "x", AtLeastOnce, 1);
    sim.publish(publisher, "unwanted", "x", AtLeastOnce, 2);
    assert_eq!(sim.ping(publisher), [Seen::Pong], "what answers no message does not wait");
    sim.commit();
    assert_eq!(
        sim.see(publisher),
        [puback(1), Seen::Ack(PacketType::PubAck, 2, ReasonCode::NoMatchingSubscribers)]
    );
}

#[test]
fn connack_of_a_durable_session_waits_and_input_waits_for_it() {
    let mut sim = slow();
    let (client, seen) = sim.connect_and_see(&Hello::durable("c"));
    assert_eq!(seen, []);
    let (worker, slot) = sim.places[&client];
    assert!(!sim.cores[worker].takes_input(slot));
    sim.commit();
    assert_eq!(sim.see(client), [Seen::ConnAck(false, ReasonCode::Success)]);
    assert!(sim.cores[worker].takes_input(slot));
}

#[test]
fn receiving_and_releasing_a_qos_2_message_of_a_durable_session_is_durable_first() {
    let mut sim = slow();
    let publisher = sim.open_durable("p");
    sim.publish(publisher, "a", "x", ExactlyOnce, 1);
    assert_eq!(sim.see(publisher), []);
    sim.commit();
    assert!(matches!(sim.see(publisher)[..], [Seen::Ack(PacketType::PubRec, 1, _)]));
    sim.ack(publisher, PacketType::PubRel, 1);
    assert_eq!(sim.see(publisher), []);
    sim.commit();
    assert!(matches!(sim.see(publisher)[..], [Seen::Ack(PacketType::PubComp, 1, _)]));
}

#[test]
fn a_retained_message_is_acknowledged_when_it_is_durable() {
    let mut sim = slow();
    let publisher = sim.connect(&Hello::new("p"));
    let publish = Publish {
        retain: true,
        qos: AtLeastOnce,
        packet_id: Some(id(1)),
        payload: b"x",
        ..Publish::new("a")
    };
    sim.send_publish(publisher, &publish);
    assert_eq!(sim.see(publisher), []);
    sim.commit();
    assert!(matches!(sim.see(publisher)[..], [Seen::Ack(PacketType::PubAck, 1, _)]));
}

#[test]
fn a_connection_taken_over_before_its_connack_is_closed_without_a_word() {
    let mut sim = slow();
    let (first, _) = sim.connect_and_see(&Hello::durable("c"));
    let (second, _) = sim.connect_and_see(&Hello::durable("c"));
    sim.commit();
    assert_eq!(sim.see(first), []);
    assert!(!sim.is_open(first));
    assert_eq!(sim.see(second), [Seen::ConnAck(true, ReasonCode::Success)]);
}

/// Shows: v5:MQTT-3.14.0-1
#[test]
fn nobody_is_told_goodbye_before_connack() {
    let ends: [fn(&mut Sim); 3] = [
        |sim| sim.cores[0].handle_shutdown(sim.now),
        |sim| sim.cores[0].handle_store_state(sim.now, StoreState::Failed),
        |sim| sim.cores[0].handle_redirect(sim.now, ReasonCode::UseAnotherServer, "elsewhere"),
    ];
    for end in ends {
        let mut sim = slow();
        let (client, seen) = sim.connect_and_see(&Hello::durable("c"));
        assert_eq!(seen, []);
        end(&mut sim);
        sim.settle();
        assert_eq!(sim.see(client), []);
        assert!(!sim.is_open(client));
    }
}

#[test]
fn a_broker_that_stops_gives_the_answers_that_are_waited_for_before_it_says_goodbye() {
    let mut sim = Sim::stored(1);
    let subscriber = sim.open_durable("s");
    sim.subscribe(subscriber, "a", AtLeastOnce);
    sim.commit();
    sim.see(subscriber);
    let [publisher, idle] = ["p", "idle"].map(|name| sim.connect(&Hello::new(name)));
    sim.publish(publisher, "a", "x", AtLeastOnce, 1);
    sim.cores[0].handle_shutdown(sim.now);
    sim.settle();
    let goodbye = Seen::Disconnect(ReasonCode::ServerShuttingDown);
    assert_eq!(sim.see(idle), std::slice::from_ref(&goodbye));
    assert_eq!(sim.see(publisher), []);
    let slot = sim.places[&publisher].1;
    assert!(!sim.cores[0].takes_input(slot), "nothing more is read");
    sim.commit();
    assert_eq!(sim.see(publisher), [puback(1), goodbye]);
    assert_eq!(sim.cores[0].connection_count(), 0);
}

#[test]
fn a_store_that_fails_meanwhile_keeps_nobody_from_leaving() {
    let mut sim = Sim::stored(1);
    let subscriber = sim.open_durable("s");
    sim.subscribe(subscriber, "a", AtLeastOnce);
    sim.commit();
    let publisher = sim.connect(&Hello::new("p"));
    sim.publish(publisher, "a", "x", AtLeastOnce, 1);
    sim.cores[0].handle_shutdown(sim.now);
    sim.settle();
    assert!(sim.is_open(publisher));
    sim.cores[0].handle_store_state(sim.now, StoreState::Failed);
    sim.settle();
    assert_eq!(sim.see(publisher), [Seen::Disconnect(ReasonCode::ServerShuttingDown)]);
    assert_eq!(sim.cores[0].connection_count(), 0);
}

#[test]
fn what_a_durable_result_leads_to_asks_for_another_turn() {
    let mut sim = slow();
    let subscriber = sim.open_durable("s");
    sim.subscribe(subscriber, "a", ExactlyOnce);
    sim.commit();
    sim.cut(subscriber);
    let publisher = sim.open_durable("p");
    sim.publish(publisher, "a", "x", ExactlyOnce, 1);
    sim.commit();
    sim.connect_and_see(&Hello::durable("s"));
    let core = &mut sim.cores[0];
    assert!(!core.has_output());
    let (_, submission) = sim.submitted.pop_back().unwrap();
    core.handle_durable(sim.now, submission.sequence);
    // The message is sent now, which has to be durable before it leaves.
    core.take_dirty(&mut Vec::new());
    assert!(core.has_output());
}

#[test]
fn publishers_are_not_read_while_much_waits_for_the_disk() {
    let mut sim = Sim::stored(1);
    let offline = sim.open_durable("offline");
    sim.subscribe(offline, "kept", AtLeastOnce);
    sim.commit();
    let publisher = sim.connect(&Hello::new("p"));
    let (worker, slot) = sim.places[&publisher];
    sim.cores[worker].handle_store_backlog(64 << 20);
    sim.publish(publisher, "nobody's", "x", AtLeastOnce, 1);
    assert!(sim.cores[worker].takes_input(slot), "what is not kept waits for nothing");
    sim.publish(publisher, "kept", "x", AtLeastOnce, 2);
    assert!(!sim.cores[worker].takes_input(slot));
    sim.cores[worker].handle_store_backlog(33 << 20);
    sim.cores[worker].release_paused(sim.now);
    assert!(!sim.cores[worker].takes_input(slot), "it is not low yet");
    sim.cores[worker].handle_store_backlog(31 << 20);
    sim.cores[worker].release_paused(sim.now);
    assert!(sim.cores[worker].takes_input(slot));
}
