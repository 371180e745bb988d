//! Whatever a server sends: no panic, and the same meaning in whatever pieces it comes.

use proptest::prelude::*;

use super::*;
use crate::packet::Subscription;

/// PINGRESP, SUBACK, UNSUBACK, DISCONNECT, CONNACK.
const OTHER: &[&[u8]] =
    &[&[0xd0, 0], &[0x90, 4, 0, 4, 0, 0], &[0xb0, 4, 0, 5, 0, 0], &[0xe0, 0], &[0x20, 3, 0, 0, 0]];

/// Packets that a server could send, and some bytes that are none.
fn server_bytes() -> impl Strategy<Value = Vec<u8>> {
    let publish = (0..3u8, 1..4u16, 0..3u16, any::<bool>()).prop_map(|(qos, id, alias, has_topic)| {
        let list = [Property::TopicAlias(alias)];
        let properties = if alias == 0 { &list[1..] } else { &list[..] };
        let mut bytes = Vec::new();
        Publish {
            qos: QoS::from_bits(qos).unwrap(),
            packet_id: PacketId::new(id),
            properties: Properties::from_slice(properties),
            ..Publish::new(if has_topic { "in" } else { "" })
        }
        .encode(Version::V5, &mut bytes);
        bytes
    });
    let ack = (4..8u8, 1..6u8, prop::sample::select(&[0x00, 0x10, 0x80, 0x92][..]))
        .prop_map(|(kind, id, reason)| alloc::vec![kind << 4 | u8::from(kind == 6) << 1, 3, 0, id, reason]);
    let other = prop::sample::select(OTHER).prop_map(<[u8]>::to_vec);
    let noise = prop::collection::vec(any::<u8>(), 0..12);
    let piece = prop_oneof![6 => publish, 6 => ack, 1 => other, 1 => noise];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

/// A client with requests of all kinds under way.
fn busy() -> Pair {
    let mut pair = Pair::begin(Version::V5, true, &[Property::TopicAliasMaximum(2)], Session::new());
    pair.connack(false, ReasonCode::Success, &[]).unwrap();
    for note in [q1("1"), q2("2"), q2("3")] {
        pair.client.publish(note).unwrap();
    }
    let subscription = Subscription { filter: "in", options: Default::default() };
    pair.client.subscribe(&[subscription], Properties::EMPTY).unwrap();
    pair.client.unsubscribe(&["out"], Properties::EMPTY).unwrap();
    pair.sent();
    pair
}

/// Feeds `bytes` in pieces of `step`: what came of it, and what the client sent.
fn feed(bytes: &[u8], step: usize) -> (Vec<String>, Vec<String>) {
    let mut pair = busy();
    let mut outcome = Vec::new();
    let mut buffer = Vec::new();
    for piece in bytes.chunks(step) {
        buffer.extend_from_slice(piece);
        loop {
            let len = match pair.client.next_frame(&buffer) {
                Ok(Some(frame)) => frame.bytes().len(),
                Ok(None) => break,
                Err(error) => {
                    outcome.push(error.to_string());
                    return (outcome, pair.sent());
                }
            };
            let packet: Vec<_> = buffer.drain(..len).collect();
            match pair.receive(&packet) {
                Ok(mut events) => outcome.append(&mut events),
                Err(error) => {
                    outcome.push(error.to_string());
                    assert!(pair.client.is_closed());
                    return (outcome, pair.sent());
                }
            }
        }
    }
    (outcome, pair.sent())
}

proptest! {
    #[test]
    fn pieces_mean_what_the_whole_means(bytes in server_bytes(), step in 1..9usize) {
        prop_assert_eq!(feed(&bytes, step), feed(&bytes, usize::MAX));
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64), step in 1..9usize) {
        feed(&bytes, step);
    }
}
