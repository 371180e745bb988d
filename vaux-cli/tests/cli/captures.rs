//! `vaux decode` of captures: real clients, recorded by dumpcap and tcpdump.

use std::path::PathBuf;

use insta::assert_snapshot;
use serde_json::Value as Json;

use crate::program::{run, run_with_input};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/captures").join(name)
}

fn decode(args: &[&str], name: &str) -> crate::program::Run {
    let path = fixture(name);
    run(&[&["decode"], args, &[path.to_str().expect("paths of fixtures are text")]].concat())
}

#[test]
fn connections_are_told_packet_by_packet_in_their_order() {
    for name in ["mosquitto-311.pcap", "paho-5.pcapng", "websocket-5.pcapng", "tcpdump-X.txt"] {
        let run = decode(&["--show", "line"], name);
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{name}");
        assert_snapshot!(name, run.stdout);
    }
}

#[test]
fn every_byte_of_a_capture_is_named() {
    assert_snapshot!(decode(&[], "vaux-5.pcap").stdout);
    assert_snapshot!(decode(&["--show", "tree"], "vaux-5.pcap").stdout);
}

#[test]
fn json_says_who_sent_a_packet_and_when() {
    let run = decode(&["--json"], "websocket-5.pcapng");
    let without_fields = run.stdout.lines().map(|line| {
        let mut packet: Json = serde_json::from_str(line).unwrap();
        packet.as_object_mut().unwrap().remove("fields");
        format!("{packet}\n")
    });
    assert_snapshot!(without_fields.collect::<String>());
}

#[test]
fn a_capture_comes_back_as_the_packets_in_it() {
    for name in ["mosquitto-311.pcap", "paho-5.pcapng", "vaux-5.pcap", "websocket-5.pcapng"] {
        let decoded = decode(&["--json", "--secrets"], name).stdout;
        let encoded = run_with_input(&["encode"], decoded.as_bytes());
        assert_eq!((encoded.code, encoded.stderr.as_str()), (Some(0), ""), "{name}");
        let lens = decoded.lines().map(|line| serde_json::from_str::<Json>(line).unwrap()["len"].as_u64());
        assert!(encoded.stdout.lines().map(|packet| Some(packet.len() as u64 / 2)).eq(lens), "{name}");
    }
}

#[test]
fn a_capture_may_come_through_a_pipe_and_be_cut_short() {
    let capture = std::fs::read(fixture("mosquitto-311.pcap")).unwrap();
    let whole = run_with_input(&["decode", "-", "--show", "line"], &capture);
    assert_eq!(whole.stdout, decode(&["--show", "line"], "mosquitto-311.pcap").stdout);
    let cut = run_with_input(&["decode", "--show", "line"], &capture[..capture.len() - 3]);
    assert_eq!(cut.code, Some(8));
    assert!(cut.stderr.contains("ends in the middle of a frame"), "{}", cut.stderr);
    assert!(cut.stdout.starts_with("#1 "), "{}", cut.stdout);
}

#[test]
fn strict_stops_at_the_first_error_of_a_capture() {
    // The reserved flags of the first CONNECT are set.
    let mut capture = std::fs::read(fixture("mosquitto-311.pcap")).unwrap();
    let connect = capture.windows(8).position(|window| window == b"\x10\x17\0\x04MQTT").unwrap();
    capture[connect] = 0x11;
    let run = run_with_input(&["decode", "--show", "line", "--strict"], &capture);
    assert_eq!((run.code, run.stdout.lines().count()), (Some(6), 2), "{}", run.stdout);
    assert!(run.stdout.contains("MQTT-2.2.2-2\n"), "{}", run.stdout);
    assert!(
        run.stdout.ends_with("1 error (input: pcap; from 2026-11-26T03:02:00.876164Z)\n"),
        "{}",
        run.stdout
    );
}

#[test]
fn what_is_wrong_with_a_capture_is_told() {
    let path = fixture("mosquitto-311.pcap");
    let path = path.to_str().unwrap();
    let header = b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0\x69\0\0\0";
    let wireless = [&header[..], &[0; 8], &[1, 0, 0, 0, 1, 0, 0, 0, 9]].concat();
    for (args, input, code, text) in [
        (&["decode", "--offset", "2", path][..], &b""[..], 2, "--offset has no meaning"),
        (&["decode", "--in", "pcap"], b"c000", 2, "this is no capture"),
        (&["decode", "--in", "pcap"], b"\xd4\xc3\xb2\xa1\0\0", 2, "ends within its header"),
        (&["decode", "--in", "tcpdump"], b"\xff", 2, "is not text"),
        (&["decode", "--in", "tcpdump"], b"0x0000:  4500\n0x0004:  4500\n", 2, "line 2: the offset"),
        (&["decode"], &wireless, 0, "frames of link type 105 are not read"),
    ] {
        let run = run_with_input(args, input);
        assert_eq!(run.code, Some(code), "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(text), "{args:?}: {}", run.stderr);
    }
}
