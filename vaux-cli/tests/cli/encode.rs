//! `vaux encode`, and that it undoes `vaux decode`.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value as Json;

use crate::program::{run, run_with_input, vaux};

/// The valid packets of each file of a version, in hex, and in front of each the shortest for what it says.
fn valid_packets(version: &str) -> Vec<Vec<(String, String)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/packets").join(version);
    let files = fs::read_dir(folder).unwrap().map(|entry| {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let blocks = text.split("\n\n").filter(|block| block.contains("\npacket:"));
        let packets = blocks.map(|block| {
            let bytes = |key| block.lines().find_map(|line| line.strip_prefix(key)).map(hex);
            let packet = bytes("bytes:").unwrap();
            (bytes("encodes:").unwrap_or_else(|| packet.clone()), packet)
        });
        packets.collect::<Vec<_>>()
    });
    let files: Vec<_> = files.filter(|packets| !packets.is_empty()).collect();
    assert!(files.iter().map(Vec::len).sum::<usize>() > 50);
    files
}

/// The JSON of packets of one type.
fn decoded(packets: &[(String, String)], version: &str) -> String {
    let input: String = packets.iter().map(|(_, packet)| format!("{packet}\n")).collect();
    let args = ["decode", "--in", "hex", "-V", version, "--json", "--secrets"];
    let run = run_with_input(&args, input.as_bytes());
    assert_eq!((run.code, run.stdout.lines().count()), (Some(0), packets.len()), "{}", run.stderr);
    run.stdout
}

/// The packets in hex.
fn encoded(json: &str) -> String {
    let run = run_with_input(&["encode"], json.as_bytes());
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    run.stdout
}

/// Hex as the fixtures write it: with spaces, and `61*200` for one byte 200 times.
fn hex(text: &str) -> String {
    let words = text.split_whitespace().map(|word| {
        let (digits, times) = word.split_once('*').unwrap_or((word, "1"));
        digits.repeat(times.parse().unwrap())
    });
    words.collect()
}

#[test]
fn every_valid_packet_comes_back_byte_by_byte() {
    for (folder, version) in [("v31", "31"), ("v311", "311"), ("v5", "5")] {
        for packets in valid_packets(folder) {
            let encoded = encoded(&decoded(&packets, version));
            assert!(encoded.lines().eq(packets.iter().map(|(_, packet)| packet)), "{version}: {encoded}");
        }
    }
}

/// What is decoded, without its fields: only what it says of the packets is left.
fn without_fields(decoded: &str) -> String {
    let lines = decoded.lines().map(|line| {
        let mut object: Json = serde_json::from_str(line).unwrap();
        object.as_object_mut().unwrap().remove("fields").unwrap();
        format!("{object}\n")
    });
    lines.collect()
}

#[test]
fn without_fields_packets_are_encoded_as_short_as_they_can_be() {
    for (folder, version) in [("v31", "31"), ("v311", "311"), ("v5", "5")] {
        for packets in valid_packets(folder) {
            let encoded = encoded(&without_fields(&decoded(&packets, version)));
            assert!(encoded.lines().eq(packets.iter().map(|(shortest, _)| shortest)), "{version}: {encoded}");
        }
    }
}

#[test]
fn what_was_changed_by_hand_counts() {
    let decoded = run(&["decode", "--json", "30080003612f62006869"]).stdout;
    let changed = decoded.replace(r#""payload":"hi""#, r#""payload":"hello""#);
    assert_ne!(changed, decoded);
    assert_eq!(run_with_input(&["encode"], changed.as_bytes()).stdout, "300b0003612f620068656c6c6f\n");
    let pretty = "{ \"type\": \"PUBLISH\",\n \"version\": \"3.1.1\", \"topic\": \"a/b\",\n\n \"payload_base64\": \"/wA=\"\n}";
    assert_eq!(run_with_input(&["encode"], pretty.as_bytes()).stdout, "30070003612f62ff00\n");
}

#[test]
fn packets_come_out_as_hex_base64_or_bytes() {
    let input = b"{\"type\":\"PINGREQ\"}{\"type\":\"PINGRESP\"}";
    for (form, output) in [("hex", "c000\nd000\n"), ("base64", "wADQAA==\n")] {
        assert_eq!(run_with_input(&["encode", "--out", form], input).stdout, output);
    }
    let bytes = vaux(&["encode", "--out", "bin", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut bytes = bytes.unwrap();
    bytes.stdin.take().unwrap().write_all(input).unwrap();
    assert_eq!(bytes.wait_with_output().unwrap().stdout, b"\xc0\0\xd0\0");
}

#[test]
fn what_makes_no_packet_is_told() {
    let masked = run(&["decode", "--json", "101500044d51545405c2003c0000016100016200026364"]).stdout;
    assert!(masked.contains("\"password\":null"), "{masked}");
    let malformed = run(&["decode", "--json", "3602"]).stdout;
    for (input, code, text) in [
        (masked.as_str(), 2, "vaux decode --secrets"),
        (&malformed, 2, "no valid packet"),
        (r#"{"type":"PUBLISH","topic":"a/#"}"#, 6, "MQTT-3.3.2-2"),
        (r#"{"type":"PUBLISH","topic":"a","qos":1}"#, 2, "packet_id is missing"),
        (r#"{"type":"PUBLISH","topic":"a","qos":3}"#, 2, "qos"),
        (r#"{"type":"SUBSCRIBE","packet_id":1,"subscriptions":[]}"#, 6, "MQTT-3.8.3-2"),
        (r#"{"type":"AUTH","version":"3.1.1"}"#, 2, "version 5"),
        (r#"{"type":"PUBLISH","version":"4","topic":"a"}"#, 2, "the version"),
        (r#"{"type":"NOTHING"}"#, 2, "NOTHING"),
        (r#"{"type":"PINGREQ"} {"type":"#, 8, "packet 2"),
        ("[]", 2, "no object"),
        ("c000", 2, "packet 1"),
        (
            r#"{"type":"PINGREQ","fields":[{"name":"type","at":0,"len":99999999999,"value":1}],"version":"5"}"#,
            0,
            "",
        ),
    ] {
        let run = run_with_input(&["encode"], input.as_bytes());
        assert_eq!(run.code, Some(code), "{input}: {}{}", run.stdout, run.stderr);
        assert!(run.stderr.contains(text), "{input}: {}", run.stderr);
    }
    let text = format!(r#"{{"type":"PUBLISH","topic":"{}"}}"#, "a".repeat(65_536));
    assert_eq!(run_with_input(&["encode"], text.as_bytes()).code, Some(2));
    assert_eq!(run(&["encode", "/no/such/file"]).code, Some(1));
}
