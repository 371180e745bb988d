//! Captures of streams that are cut, mixed up, repeated and wrapped in every way.

use std::io::Cursor;
use std::net::{IpAddr, SocketAddr};

use etherparse::{LinuxSllPacketType, PacketBuilder};
use proptest::prelude::*;
use vaux_mqtt::Version;

use super::{Capture, Event, Time};

/// CONNECT of version 3.1.1, SUBSCRIBE, two PUBLISH, DISCONNECT.
const CLIENT: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01c\x82\x08\x00\x01\x00\x03a/b\x01\
    \x30\x08\x00\x03a/bhi!\x32\x0a\x00\x03a/b\x00\x02hi!\xe0\x00";
/// Where its packets begin, and how long they are.
const CLIENT_PACKETS: [(u64, usize); 5] = [(0, 15), (15, 10), (25, 10), (35, 12), (47, 2)];
/// CONNACK, SUBACK, PUBACK.
const SERVER: &[u8] = b"\x20\x02\x00\x00\x90\x03\x00\x01\x01\x40\x02\x00\x02";

/// A segment: of the client or of the server, flags, its place and its data.
#[derive(Clone, Debug)]
struct Sent {
    is_client: bool,
    is_syn: bool,
    is_fin: bool,
    at: u32,
    data: Vec<u8>,
}

impl Sent {
    fn new(is_client: bool, at: usize, data: &[u8]) -> Sent {
        Sent { is_client, is_syn: false, is_fin: false, at: at as u32, data: data.to_vec() }
    }

    fn syn(is_client: bool) -> Sent {
        Sent { is_syn: true, ..Sent::new(is_client, 0, b"") }
    }
}

const CLIENT_START: u32 = u32::MAX - 20;
const SERVER_START: u32 = 1000;

/// A frame of Ethernet; with `six` of IP version 6.
fn frame(sent: &Sent, six: bool, port: u16) -> Vec<u8> {
    let ports = if sent.is_client { (50422, port) } else { (port, 50422) };
    let start = if sent.is_client { CLIENT_START } else { SERVER_START };
    let sequence = if sent.is_syn { start } else { start.wrapping_add(1 + sent.at) };
    let builder = PacketBuilder::ethernet2([1; 6], [2; 6]);
    let builder = match six {
        false => builder.ipv4([127, 0, 0, 1], [127, 0, 0, 1], 64),
        true => builder.ipv6([1; 16], [1; 16], 64),
    };
    let mut tcp = builder.tcp(ports.0, ports.1, sequence, 64000);
    if sent.is_syn {
        tcp = tcp.syn();
    }
    if sent.is_fin {
        tcp = tcp.fin();
    }
    if !(sent.is_syn && sent.is_client) {
        tcp = tcp.ack(if sent.is_client { SERVER_START } else { CLIENT_START });
    }
    let mut bytes = Vec::new();
    tcp.write(&mut bytes, &sent.data).unwrap();
    bytes
}

/// A capture of frames that come a second apart.
fn pcap(link: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00\0\0\0\0\0\0\0\0\0\0\x04\0".to_vec();
    bytes.extend_from_slice(&link.to_le_bytes());
    for (second, frame) in frames.iter().enumerate() {
        let len = frame.len() as u32;
        for number in [second as u32, 250_000, len, len] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(frame);
    }
    bytes
}

fn read(bytes: Vec<u8>) -> Vec<Event> {
    let mut capture = Capture::of_file(Box::new(Cursor::new(bytes)), None).unwrap();
    events(&mut capture).unwrap()
}

fn events(capture: &mut Capture) -> Result<Vec<Event>, String> {
    let mut events = Vec::new();
    while let Some(event) = capture.next()? {
        events.push(event);
    }
    Ok(events)
}

/// The client's packets, where they begin and how long they are, and what else is told.
fn of_client(events: &[Event]) -> (Vec<(u64, usize)>, Vec<String>) {
    let (mut packets, mut notes) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            Event::Packet(packet) if packet.route.from().port() == 50422 => {
                packets.push((packet.at, packet.bytes.len()));
            }
            Event::Packet(_) => {}
            Event::Note(note) => notes.push(note.text.clone()),
        }
    }
    (packets, notes)
}

/// The whole exchange, each direction in one segment.
fn exchange() -> Vec<Sent> {
    vec![Sent::syn(true), Sent::syn(false), Sent::new(true, 0, CLIENT), Sent::new(false, 0, SERVER)]
}

#[test]
fn every_link_type_leads_to_the_same_packets() {
    let ethernet: Vec<Vec<u8>> = exchange().iter().map(|sent| frame(sent, false, 1883)).collect();
    let six: Vec<Vec<u8>> = exchange().iter().map(|sent| frame(sent, true, 1883)).collect();
    let behind = |header: &[u8], frames: &[Vec<u8>]| -> Vec<Vec<u8>> {
        frames.iter().map(|frame| [header, &frame[14..]].concat()).collect()
    };
    let vlan: Vec<_> = ethernet
        .iter()
        .map(|frame| [&frame[..12], &[0x81, 0, 0, 5, 0x81, 0, 0, 6], &frame[12..]].concat())
        .collect();
    let mut cooked = Vec::new();
    for sent in exchange() {
        let builder = PacketBuilder::linux_sll(LinuxSllPacketType::OTHERHOST, 6, [0; 8]);
        let (from, to) = if sent.is_client { (50422, 1883) } else { (1883, 50422) };
        let start = if sent.is_client { CLIENT_START } else { SERVER_START };
        let sequence = if sent.is_syn { start } else { start.wrapping_add(1 + sent.at) };
        let tcp = builder.ipv4([127, 0, 0, 1], [127, 0, 0, 1], 64).tcp(from, to, sequence, 64000);
        let mut bytes = Vec::new();
        if sent.is_syn { tcp.syn() } else { tcp }.write(&mut bytes, &sent.data).unwrap();
        cooked.push(bytes);
    }
    let cooked2 = [&[0x08, 0][..], &[0; 18]].concat();
    for (link, frames) in [
        (1, ethernet.clone()),
        (1, six.clone()),
        (1, vlan),
        (101, behind(&[], &ethernet)),
        (229, behind(&[], &six)),
        (0, behind(&[2, 0, 0, 0], &ethernet)),
        (108, behind(&[0, 0, 0, 30], &six)),
        (113, cooked),
        (276, behind(&cooked2, &ethernet)),
    ] {
        let events = read(pcap(link, &frames));
        assert_eq!(of_client(&events), (CLIENT_PACKETS.to_vec(), vec![]), "{link}");
    }
}

#[test]
fn a_packet_says_who_sent_it_to_whom_when_and_in_which_version() {
    let frames: Vec<_> = exchange().iter().map(|sent| frame(sent, false, 7777)).collect();
    let events = read(pcap(1, &frames));
    let [Event::Packet(connect), .., Event::Packet(puback)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(connect.route.text(), "127.0.0.1:50422 → :7777");
    assert_eq!(puback.route.text(), "127.0.0.1:50422 ← :7777");
    let address = |port| SocketAddr::new(IpAddr::from([127, 0, 0, 1]), port);
    assert_eq!((puback.route.from(), puback.route.to()), (address(7777), address(50422)));
    assert_eq!(connect.time.text().as_deref(), Some("1970-01-01T00:00:02.250000Z"));
    assert!(matches!(connect.time, Time::Known(_)));
    assert_eq!((puback.version, puback.version_from.name()), (Version::V311, "connect"));
}

#[test]
fn a_connection_that_begins_in_the_middle_is_read_from_the_next_packet_on() {
    let sent = [
        Sent::new(true, 17, &CLIENT[17..]),
        Sent::new(false, 0, SERVER),
        Sent::new(true, CLIENT.len(), b"\xc0\0"),
    ];
    let frames: Vec<_> = sent.iter().map(|sent| frame(sent, false, 7777)).collect();
    let (packets, notes) = of_client(&read(pcap(1, &frames)));
    assert_eq!(packets, [(8, 10), (18, 12), (30, 2), (32, 2)]);
    assert_eq!(notes, ["8 bytes of a packet that began before"]);
}

#[test]
fn what_was_not_captured_is_told_and_the_next_packet_found() {
    let mut sent = exchange();
    sent[2] = Sent::new(true, 0, &CLIENT[..20]);
    sent.insert(3, Sent::new(true, 30, &CLIENT[30..]));
    let frames: Vec<_> = sent.iter().map(|sent| frame(sent, false, 1883)).collect();
    let (packets, notes) = of_client(&read(pcap(1, &frames)));
    assert_eq!(packets, [(0, 15), (15, 5), (35, 12), (47, 2)]);
    assert_eq!(notes, ["10 bytes missing in the capture", "5 bytes of a packet that began before"]);
}

#[test]
fn frames_that_were_captured_in_part_leave_a_gap() {
    let frames: Vec<_> = exchange().iter().map(|sent| frame(sent, false, 1883)).collect();
    let cut: Vec<_> =
        frames.iter().map(|frame| frame[..frame.len().min(14 + 20 + 20 + 20)].to_vec()).collect();
    let (packets, notes) = of_client(&read(pcap(1, &cut)));
    assert_eq!(packets, [(0, 15), (15, 5)]);
    assert_eq!(notes, ["29 bytes missing in the capture"]);
}

#[test]
fn a_port_that_is_used_again_is_another_connection() {
    let mut sent = exchange();
    sent.push(Sent { is_fin: true, ..Sent::new(true, CLIENT.len(), b"") });
    let mut frames: Vec<_> = sent.iter().map(|sent| frame(sent, false, 1883)).collect();
    let again = frames.clone();
    // Another initial sequence number.
    for frame in &again {
        let mut frame = frame.clone();
        frame[38] ^= 0x10;
        frames.push(frame);
    }
    let streams: Vec<_> = read(pcap(1, &frames))
        .iter()
        .filter_map(|event| if let Event::Packet(packet) = event { Some(packet.route.stream) } else { None })
        .collect();
    assert_eq!(streams, [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
}

#[test]
fn what_tcpdump_prints_is_read() {
    let frames: Vec<_> = exchange().iter().map(|sent| frame(sent, false, 7777)).collect();
    let mut text = String::new();
    for (index, frame) in frames.iter().enumerate() {
        text.push_str(&format!("21:00:0{index}.123456 IP 127.0.0.1.50422 > 127.0.0.1.7777: Flags [P.]\n"));
        for (row, bytes) in frame[14..].chunks(16).enumerate() {
            let digits: String = bytes.chunks(2).map(|pair| format!("{} ", hex(pair))).collect();
            text.push_str(&format!("\t0x{:04x}:  {digits:40} E..4\n", row * 16));
        }
    }
    let mut capture = Capture::of_text(&text, None).unwrap();
    let events = events(&mut capture).unwrap();
    assert_eq!(of_client(&events), (CLIENT_PACKETS.to_vec(), vec![]));
    assert_eq!(capture.start().text().as_deref(), Some("21:00:00.123456"));
    assert!(super::looks_like_frames(&text));
    assert!(!super::looks_like_frames(
        "00000000: 1017 0004 4d51 5454 0502 003c 0511 0000  ....MQTT...<....\n"
    ));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The client's stream in segments that overlap, come again and come in any order.
fn mixed_up() -> impl Strategy<Value = Vec<Sent>> {
    let len = CLIENT.len();
    let part = (0..len, 1..20usize).prop_map(move |(start, size)| (start, len.min(start + size)));
    (prop::collection::vec(part, 0..40), 1..9usize).prop_flat_map(move |(mut parts, size)| {
        // Every byte comes at least once.
        parts.extend((0..len).step_by(size).map(|start| (start, len.min(start + size))));
        Just(parts).prop_shuffle().prop_map(|parts| {
            parts.into_iter().map(|(start, end)| Sent::new(true, start, &CLIENT[start..end])).collect()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn segments_in_any_order_give_the_same_packets(sent in mixed_up()) {
        let all = [Sent::syn(true), Sent::syn(false)].into_iter().chain(sent);
        let frames: Vec<_> = all.map(|sent| frame(&sent, false, 1883)).collect();
        prop_assert_eq!(of_client(&read(pcap(1, &frames))), (CLIENT_PACKETS.to_vec(), vec![]));
    }

    #[test]
    fn a_capture_that_is_damaged_anywhere_is_read_or_refused(
        damage in prop::collection::vec((0..600usize, any::<u8>()), 0..12),
        len in 0..700usize,
    ) {
        let frames: Vec<_> = exchange().iter().map(|sent| frame(sent, false, 1883)).collect();
        let mut bytes = pcap(1, &frames);
        for (at, byte) in damage {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        bytes.truncate(len);
        if let Ok(mut capture) = Capture::of_file(Box::new(Cursor::new(bytes)), None) {
            let _ = events(&mut capture);
        }
    }
}
