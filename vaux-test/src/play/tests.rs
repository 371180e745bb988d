//! Flows played against a broker that is a list of answers.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use super::*;

/// A broker that takes connections for ever and answers each packet with the bytes that `answer` gives; `None` closes.
fn broker(answer: fn(&[u8]) -> Option<Vec<u8>>) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("mqtt://{}", listener.local_addr().expect("it is bound"));
    thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.expect("a connection");
            thread::spawn(move || {
                let mut buffer = [0; 1024];
                while let Ok(len @ 1..) = socket.read(&mut buffer) {
                    match answer(&buffer[..len]) {
                        Some(bytes) => socket.write_all(&bytes).expect("the flow reads"),
                        None => return,
                    }
                }
            });
        }
    });
    Target::parse(&url, None, false).expect("the address is right")
}

/// Accepts everybody, acknowledges nothing, answers pings.
fn polite(packet: &[u8]) -> Option<Vec<u8>> {
    match packet[0] {
        0x10 => Some(vec![0x20, 3, 0, 0, 0]),
        0xc0 => Some(vec![0xd0, 0]),
        0xe0 => None,
        _ => Some(Vec::new()),
    }
}

/// Like [`polite`], and answers PUBREL with two PUBCOMPs.
fn talkative(packet: &[u8]) -> Option<Vec<u8>> {
    match packet[0] {
        0x62 => Some(vec![0x70, 2, 0, 1, 0x70, 2, 0, 2]),
        _ => polite(packet),
    }
}

fn play_steps(target: &Target, steps: &str, strict: bool) -> Result<(), String> {
    let text = format!("name: test\nversions: 5\n{steps}");
    let flow = Flow::parse("test", &text).expect("the flow is right");
    play(&flow, Version::V5, target, strict).failure.map_or(Ok(()), |failure| Err(failure.why))
}

#[test]
fn what_is_expected_passes() {
    let steps = "c> CONNECT\nc< CONNACK reason=00\nc< nothing\nc> DISCONNECT\nc< close\nc> CONNECT\nc< hex 20 03 00 .. 00";
    assert_eq!(play_steps(&broker(polite), steps, true), Ok(()));
}

#[test]
fn another_packet_is_a_failure() {
    let steps = "c> CONNECT\nc< CONNACK reason=80";
    assert_eq!(
        play_steps(&broker(polite), steps, false),
        Err("CONNACK session_present=0 reason=00 came: reason is 00, not 80".to_owned())
    );
}

#[test]
fn silence_is_a_failure_and_so_is_a_close() {
    let target = broker(polite);
    let wait = "timeout: 1s\nc> CONNECT\nc< CONNACK\nc> PUBLISH topic=\"a\" qos=1 id=1\nc< PUBACK";
    assert_eq!(play_steps(&target, wait, false), Err("nothing came in time: PUBACK was wanted".to_owned()));
    let closed = "c> CONNECT\nc< CONNACK\nc> DISCONNECT\nc< PINGRESP";
    let why = play_steps(&target, closed, false).expect_err("the broker closed");
    assert_eq!(why, "the broker closed the connection: PINGRESP was wanted");
    let open = "timeout: 1s\nc> CONNECT\nc< CONNACK\nc< close";
    let why = play_steps(&target, open, false).expect_err("the broker did not close");
    assert_eq!(why, "nothing came in time: the connection was to be closed");
}

#[test]
fn what_is_left_unsaid_at_the_end_is_a_failure() {
    let steps = "c> CONNECT\nc< CONNACK\nc> PUBREL id=1\nc< PUBCOMP id=1";
    let why = play_steps(&broker(talkative), steps, false).expect_err("there is one more");
    assert_eq!(why, "c: PUBCOMP id=2 reason=00 came instead of PINGRESP alone");
}

#[test]
fn packets_in_any_order_are_each_wanted_once() {
    let target = broker(talkative);
    let begin = "c> CONNECT\nc< CONNACK\nc> PUBREL id=1\n";
    assert_eq!(play_steps(&target, &format!("{begin}c< PUBCOMP id=2 & PUBCOMP id=1"), false), Ok(()));
    assert_eq!(
        play_steps(&target, &format!("{begin}c< PUBCOMP id=2 skip=PUBREC & PUBCOMP id=$x"), false),
        Ok(())
    );
    let twice = play_steps(&target, &format!("{begin}c< PUBCOMP id=1 & PUBCOMP id=1"), false);
    assert_eq!(twice, Err("PUBCOMP id=2 reason=00 came: id is 2, not 1".to_owned()));
}

#[test]
fn a_recommended_packet_may_be_left_out_unless_strict() {
    let target = broker(polite);
    let steps = "c> CONNECT\nc< CONNACK\nc> DISCONNECT\nc<? DISCONNECT reason=8b\nc< close";
    assert_eq!(play_steps(&target, steps, false), Ok(()));
    let why = play_steps(&target, steps, true).expect_err("it did not come");
    assert_eq!(why, "the broker closed the connection: DISCONNECT was wanted");
    let wrong = "c> CONNECT\nc<? CONNACK reason=80\nc< nothing";
    play_steps(&target, wrong, false).expect_err("it came, and was another");
}

#[test]
fn waiting_for_what_is_only_recommended_leaves_nothing_behind() {
    let steps =
        "timeout: 1s\nc> CONNECT\nc< CONNACK\nc> PUBLISH topic=\"a\" qos=1 id=1\nc<? PUBACK\nc< nothing";
    assert_eq!(play_steps(&broker(polite), steps, false), Ok(()));
}

#[test]
fn others_of_a_type_are_passed_over_when_asked_for() {
    let steps = "c> CONNECT\nc< CONNACK\nc> PUBREL id=1\nc< PUBCOMP id=2 skip=PUBCOMP";
    assert_eq!(play_steps(&broker(talkative), steps, false), Ok(()));
    let wrong = "timeout: 1s\nc> CONNECT\nc< CONNACK\nc> PUBREL id=1\nc< PUBCOMP id=3 skip=PUBCOMP";
    let why = play_steps(&broker(talkative), wrong, false).expect_err("there is no third");
    assert_eq!(why, "nothing came in time: PUBCOMP was wanted");
}

#[test]
fn what_comes_too_early_is_a_failure() {
    let why =
        play_steps(&broker(polite), "c> CONNECT\nc< CONNACK after=30s", false).expect_err("it came at once");
    assert_eq!(why, "CONNACK session_present=0 reason=00 came too early");
}

#[test]
fn silence_is_broken_by_any_packet() {
    let target = broker(talkative);
    assert_eq!(play_steps(&target, "c> CONNECT\nc< CONNACK\nc< silence 0.01s", false), Ok(()));
    let why = play_steps(&target, "c> CONNECT\nc< silence 5s", false).expect_err("CONNACK comes");
    assert_eq!(why, "CONNACK session_present=0 reason=00 came instead of silence");
}

#[test]
fn steps_of_other_versions_are_left_out() {
    let steps = "[3.1.1] c> PINGREQ\nc> CONNECT\nc< CONNACK\n[3.1 3.1.1] c< close";
    assert_eq!(play_steps(&broker(polite), steps, false), Ok(()));
}

#[test]
fn a_connection_that_is_not_open_is_said() {
    let target = broker(polite);
    assert_eq!(play_steps(&target, "c< CONNACK", false), Err("the connection c is not open".to_owned()));
    assert_eq!(play_steps(&target, "c drop", false), Err("the connection c is not open".to_owned()));
}

#[test]
fn invalid_packets_of_a_broker_are_failures() {
    let target = broker(|_| Some(vec![0x20, 3, 9, 0, 0]));
    let why = play_steps(&target, "c> CONNECT\nc< CONNACK", false).expect_err("the flags are wrong");
    assert!(why.contains("MQTT-3.2.2-1"), "{why}");
    let target = broker(|_| Some(vec![0x20, 0xff, 0xff, 0xff, 0xff, 1]));
    let why = play_steps(&target, "c> CONNECT\nc< CONNACK", false).expect_err("there is no such length");
    assert!(why.starts_with("the broker sent no packet"), "{why}");
}

#[test]
fn each_run_has_its_own_letters() {
    let (one, other) = (unique_id(), unique_id());
    assert_ne!(one, other);
    assert!(one.len() == 8 && one.bytes().all(|byte| byte.is_ascii_alphanumeric()));
}
