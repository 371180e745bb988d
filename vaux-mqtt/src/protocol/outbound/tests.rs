//! Windows, identifiers and redelivery of [`Outbound`].

use super::*;

fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}

fn connected(window: u16) -> Outbound<&'static str> {
    let mut outbound = Outbound::new();
    outbound.begin_connection(window);
    outbound
}

/// Shows: v5:MQTT-2.2.1-3 v5:MQTT-2.2.1-4
#[test]
fn identifiers_start_at_1_and_count_up() {
    let mut outbound = connected(10);
    assert_eq!(outbound.send(QoS::AtLeastOnce, "a"), Some(id(1)));
    assert_eq!(outbound.handle_puback(id(1)), Some("a"));
    assert_eq!(outbound.send(QoS::ExactlyOnce, "b"), Some(id(2)));
}

#[test]
fn a_full_window_takes_no_message_but_requests_get_identifiers() {
    let mut outbound = connected(1);
    outbound.send(QoS::AtLeastOnce, "a");
    assert_eq!(outbound.send(QoS::AtLeastOnce, "b"), None);
    assert_eq!(outbound.reserve_id(), Some(id(2)));
    outbound.handle_puback(id(1));
    assert_eq!(outbound.send(QoS::AtLeastOnce, "b"), Some(id(3)));
}

#[test]
fn the_window_stays_taken_until_pubcomp() {
    let mut outbound = connected(1);
    outbound.send(QoS::ExactlyOnce, "a");
    assert_eq!(outbound.handle_pubrec(id(1), ReasonCode::Success), PubRecOutcome::Release(Some("a")));
    assert!(!outbound.has_room());
    assert!(outbound.handle_pubcomp(id(1)));
    assert!(outbound.has_room());
}

#[test]
fn a_refusing_pubrec_ends_the_exchange() {
    let mut outbound = connected(1);
    outbound.send(QoS::ExactlyOnce, "a");
    assert_eq!(outbound.handle_pubrec(id(1), ReasonCode::QuotaExceeded), PubRecOutcome::Refused(Some("a")));
    assert!(outbound.has_room());
    assert!(!outbound.handle_pubcomp(id(1)));
}

#[test]
fn a_repeated_pubrec_is_answered_again() {
    let mut outbound = connected(1);
    outbound.send(QoS::ExactlyOnce, "a");
    outbound.handle_pubrec(id(1), ReasonCode::Success);
    assert_eq!(outbound.handle_pubrec(id(1), ReasonCode::Success), PubRecOutcome::Release(None));
}

#[test]
fn acknowledgements_of_the_wrong_kind_change_nothing() {
    let mut outbound = connected(2);
    outbound.send(QoS::AtLeastOnce, "a");
    outbound.send(QoS::ExactlyOnce, "b");
    assert_eq!(outbound.handle_pubrec(id(1), ReasonCode::Success), PubRecOutcome::Unknown);
    assert_eq!(outbound.handle_puback(id(2)), None);
    assert!(!outbound.handle_pubcomp(id(2)));
    assert_eq!(outbound.handle_puback(id(7)), None);
    assert_eq!(outbound.len(), 2);
}

#[test]
fn resumed_messages_go_in_their_first_order_within_the_new_window() {
    let mut outbound = connected(5);
    for message in ["a", "b", "c"] {
        outbound.send(QoS::AtLeastOnce, message);
    }
    outbound.send(QoS::ExactlyOnce, "d");
    outbound.handle_pubrec(id(4), ReasonCode::Success);
    outbound.begin_connection(2);
    let mut sent = Vec::new();
    while let Some(resend) = outbound.next_resend() {
        sent.push(match resend {
            Resend::Publish { packet_id, message, .. } => (packet_id.value(), *message),
            Resend::PubRel(packet_id) => (packet_id.value(), "PUBREL"),
        });
    }
    assert_eq!(sent, [(1, "a"), (2, "b")]);
    assert!(!outbound.has_room());
    outbound.handle_puback(id(2));
    assert!(matches!(outbound.next_resend(), Some(Resend::Publish { message: &mut "c", .. })));
    assert_eq!(outbound.next_resend(), Some(Resend::PubRel(id(4))));
    outbound.handle_puback(id(1));
    outbound.handle_puback(id(3));
    assert!(outbound.has_room());
}

/// Shows: v5:MQTT-2.2.1-3 v5:MQTT-2.2.1-4 v5:MQTT-4.3.2-1 v5:MQTT-4.3.3-1 v311:MQTT-2.3.1-2 v311:MQTT-2.3.1-4
#[test]
fn identifiers_in_use_are_skipped_after_65535() {
    let mut outbound = connected(10);
    outbound.send(QoS::AtLeastOnce, "stays");
    outbound.send(QoS::AtLeastOnce, "stays too");
    for _ in 0..65533 {
        let packet_id = outbound.send(QoS::AtLeastOnce, "goes").unwrap();
        assert_eq!(outbound.handle_puback(packet_id), Some("goes"));
    }
    assert_eq!(outbound.send(QoS::AtLeastOnce, "next"), Some(id(3)));
    assert_eq!(outbound.handle_puback(id(2)), Some("stays too"));
    assert_eq!(outbound.handle_puback(id(3)), Some("next"));
    assert_eq!(outbound.handle_puback(id(1)), Some("stays"));
    assert!(outbound.is_empty());
}

/// Sends and acknowledges as many messages as bring the identifiers to `last`.
fn come_around_to(outbound: &mut Outbound<&'static str>, last: u16) {
    loop {
        let packet_id = outbound.send(QoS::AtLeastOnce, "goes").unwrap();
        assert_eq!(outbound.handle_puback(packet_id), Some("goes"));
        if packet_id == id(last) {
            return;
        }
    }
}

#[test]
fn a_message_that_others_overtake_hides_none_of_them() {
    let mut outbound = connected(10);
    outbound.send(QoS::ExactlyOnce, "slow");
    come_around_to(&mut outbound, 65_534);
    assert_eq!(outbound.send(QoS::AtLeastOnce, "last of its turn"), Some(id(65_535)));
    assert_eq!(outbound.send(QoS::AtLeastOnce, "first of the next"), Some(id(2)));
    assert_eq!(outbound.handle_puback(id(2)), Some("first of the next"));
    // All of them are slow now, for another turn.
    assert_eq!(outbound.send(QoS::AtLeastOnce, "slow, too"), Some(id(3)));
    come_around_to(&mut outbound, 65_534);
    assert_eq!(outbound.send(QoS::AtLeastOnce, "neither 65,535 nor 1"), Some(id(2)));
    assert_eq!(outbound.send(QoS::AtLeastOnce, "not 3"), Some(id(4)));
    let slow = outbound.in_flight().map(|entry| entry.packet_id.value());
    assert!(slow.eq([1, 65_535, 3, 2, 4]));
    assert_eq!(outbound.handle_puback(id(4)), Some("not 3"));
    assert_eq!(outbound.handle_puback(id(65_535)), Some("last of its turn"));
    assert_eq!(outbound.handle_puback(id(2)), Some("neither 65,535 nor 1"));
    assert_eq!(outbound.handle_puback(id(3)), Some("slow, too"));
    assert_eq!(outbound.handle_pubrec(id(1), ReasonCode::Success), PubRecOutcome::Release(Some("slow")));
    assert!(outbound.handle_pubcomp(id(1)));
    assert!(outbound.is_empty());
}

#[test]
fn messages_that_were_overtaken_are_found_after_a_restart() {
    let mut outbound = Outbound::new();
    for packet_id in [1, 65_535, 2, 3].map(id) {
        let state = SendState::AwaitPubAck;
        outbound.restore(InFlight { packet_id, state, message: Some("kept") });
    }
    outbound.begin_connection(10);
    while outbound.next_resend().is_some() {}
    assert_eq!(outbound.send(QoS::AtLeastOnce, "new"), Some(id(4)));
    for packet_id in [65_535, 2, 1, 3] {
        assert_eq!(outbound.handle_puback(id(packet_id)), Some("kept"), "{packet_id}");
    }
    assert_eq!(outbound.handle_puback(id(4)), Some("new"));
}

#[test]
fn nothing_more_is_sent_to_a_peer_that_leaves_very_many_messages_behind() {
    let mut outbound = connected(u16::MAX);
    for _ in 0..OVERTAKEN_MAX {
        outbound.send(QoS::AtLeastOnce, "left behind");
    }
    come_around_to(&mut outbound, 65_534);
    assert_eq!(outbound.send(QoS::AtLeastOnce, "last of its turn"), Some(id(65_535)));
    assert_eq!(outbound.send(QoS::AtLeastOnce, "first of the next"), Some(id(OVERTAKEN_MAX + 1)));
    assert_eq!(outbound.send(QoS::AtLeastOnce, "one too many"), None);
    assert_eq!(outbound.handle_puback(id(7)), Some("left behind"));
    assert_eq!(outbound.send(QoS::AtLeastOnce, "after all"), Some(id(OVERTAKEN_MAX + 2)));
}

#[test]
fn extracted_messages_free_their_room() {
    let mut outbound = connected(2);
    outbound.send(QoS::AtLeastOnce, "mine");
    outbound.send(QoS::AtLeastOnce, "shared");
    let extracted = outbound.extract(|entry| entry.message == Some("shared"));
    assert_eq!(extracted.len(), 1);
    assert!(outbound.has_room());
    assert_eq!(outbound.handle_puback(id(1)), Some("mine"));
}
