//! `vaux decode`.

use insta::assert_snapshot;

use crate::program::{run, run_with_input};

const SESSION: &str = "10 17 00 04 4d 51 54 54 05 02 00 3c 05 11 00 00 0e 10 00 05 64 65 76 2d 31 c0 00";

#[test]
fn every_byte_of_a_session_is_named() {
    let run = run(&["decode", SESSION]);
    assert_eq!(
        run.stdout,
        "\
#1 CONNECT v5 · 25 bytes · clean start · keep alive 60 s · client \"dev-1\"
  0000  10                type CONNECT, flags 0000
  0001  17                remaining length 23
  0002  00044d515454      protocol name \"MQTT\"
  0008  05                protocol version 5
  0009  02                connect flags: clean start
  000a  003c              keep alive 60 s
  000c  05                properties, 5 bytes
  000d  1100000e10        ├ session expiry interval 3600 s
  0012  00056465762d31    client identifier \"dev-1\"
#2 PINGREQ · 2 bytes
  0019  c0                type PINGREQ, flags 0000
  001a  00                remaining length 0
27 bytes, 2 packets, 0 errors (input: hex)
"
    );
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
}

#[test]
fn an_error_points_at_the_byte_and_names_the_statement() {
    let run = run(&["decode", "c000 360d 0003 612f62 0001 6869 20 74 68 65 72"]);
    let error = "\
#2 PUBLISH · 15 bytes
  0002  36                ^^ QoS bits are 11 (bits 2-1 of byte 0x0002)
        MQTT-3.3.1-4: both QoS bits must not be set · receiver: v5 DISCONNECT 0x81, v3.1.1 closes
";
    assert!(run.stdout.contains(error), "{}", run.stdout);
    assert_eq!(run.code, Some(6));
}

/// A malformed PUBLISH between two PINGREQ, then a packet that is cut short.
const BROKEN: &str = "c000 3005 0003 612f23 c000 3206 0001 61";

#[test]
fn decoding_resumes_behind_an_error() {
    assert_snapshot!(run(&["decode", BROKEN]).transcript());
}

#[test]
fn strict_stops_at_the_first_error() {
    assert_snapshot!(run(&["decode", "--strict", BROKEN]).transcript());
}

#[test]
fn a_malformed_packet_wins_over_one_that_is_cut_short() {
    assert_eq!(run(&["decode", BROKEN]).code, Some(6));
    assert_eq!(run(&["decode", "c000 3206 0001 61"]).code, Some(8));
    assert_eq!(run(&["decode", "c0"]).code, Some(8));
}

/// CONNECT with a will, a user name and a password.
const SECRET: &str = "\
    102d 0004 4d515454 05 c6 003c 00 0001 61 05 18 0000000a 0005 77 2f 61 2f 62 0002 6279 0002 6d65 \
    0008 73 65 63 72 65 74 21 ff";

#[test]
fn passwords_are_masked_unless_asked_for() {
    let masked = run(&["decode", SECRET]);
    assert_eq!(masked.code, Some(0), "{}", masked.stdout);
    assert_snapshot!(masked.transcript());
    for args in
        [&["decode", SECRET][..], &["decode", "--json", SECRET], &["decode", "--show", "tree", SECRET]]
    {
        let text = run(args).stdout;
        assert!(!text.contains("secret") && !text.contains("736563") && !text.contains("c2VjcmV0"), "{text}");
    }
    let shown = run(&["decode", "--secrets", SECRET]).stdout;
    assert!(shown.contains("password 0x73656372657421ff"), "{shown}");
}

#[test]
fn the_tree_shows_fields_without_bytes() {
    assert_snapshot!(run(&["decode", "--show", "tree", SECRET, BROKEN]).transcript());
}

#[test]
fn a_line_a_packet_is_enough_for_some() {
    assert_snapshot!(run(&["decode", "--show", "line", SECRET, BROKEN]).transcript());
}

#[test]
fn json_is_one_object_a_packet() {
    let run = run(&["decode", "--json", SESSION, "3206000361236200", "36"]);
    assert_snapshot!(run.transcript());
    for line in run.stdout.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

#[test]
fn json_of_every_packet_type_says_what_the_packet_says() {
    let packets = [
        "10 17 0004 4d515454 05 02 003c 09 15 0001 6d 16 0002 ff00 0001 61",
        "20 03 00 00 00",
        "32 17 0003 612f62 0007 0c 26 0001 6b 0001 76 09 0002 ff fe ff fe 00",
        "40 02 0007",
        "50 03 0007 10",
        "62 02 0007",
        "70 02 0007",
        "82 09 0001 00 0003 612f2b 2e",
        "90 04 0001 00 02",
        "a2 08 0001 00 0003 612f2b",
        "b0 04 0001 00 11",
        "c0 00",
        "d0 00",
        "e0 02 04 00",
        "f0 09 18 07 15 0001 6d 16 0000",
    ];
    let run = run(&["decode", "--json", &packets.concat()]);
    assert_eq!(run.code, Some(0), "{}", run.stdout);
    let without_fields = run.stdout.lines().map(|line| {
        let mut packet: serde_json::Value = serde_json::from_str(line).unwrap();
        packet.as_object_mut().unwrap().remove("fields");
        format!("{packet}\n")
    });
    assert_snapshot!(without_fields.collect::<String>());
}

#[test]
fn without_a_connect_it_says_which_version_fits() {
    let last_line = |hex: &str| run(&["decode", hex]).stdout.lines().last().unwrap().to_owned();
    assert_eq!(
        last_line("3007 0001 61 32312e35"),
        "9 bytes, 1 packet, 0 errors (input: hex; version: v3.1.1 fits, v5 does not)"
    );
    assert_eq!(
        last_line("3007 0001 61 02 01 01 78"),
        "9 bytes, 1 packet, 0 errors (input: hex; version: v5 and v3.1.1 both fit, read as v5)"
    );
    assert_eq!(
        last_line("20 03 00 00 00"),
        "5 bytes, 1 packet, 0 errors (input: hex; version: v5 fits, v3.1.1 does not)"
    );
    assert_eq!(
        last_line("36 00"),
        "2 bytes, 1 packet, 1 error (input: hex; version: neither v5 nor v3.1.1 fits, read as v5)"
    );
    let named = run(&["decode", "-V", "311", "3007 0001 61 02 01 01 78"]).stdout;
    assert!(named.contains("payload 0x02010178"), "{named}");
    assert!(named.ends_with("0 errors (input: hex)\n"), "{named}");
}

#[test]
fn standard_input_is_read_in_any_form() {
    let last_line = |args: &[&str], input: &[u8]| {
        let run = run_with_input(args, input);
        assert_eq!(run.code, Some(0), "{run:?}");
        run.stdout.lines().last().unwrap().to_owned()
    };
    let totals = "27 bytes, 2 packets, 0 errors";
    let packets = b"\x10\x17\x00\x04MQTT\x05\x02\x00\x3c\x05\x11\x00\x00\x0e\x10\x00\x05dev-1\xc0\x00";
    let xxd = b"\
00000000: 1017 0004 4d51 5454 0502 003c 0511 0000  ....MQTT...<....
00000010: 0e10 0005 6465 762d 31c0 00              ....dev-1..
";
    let base64 = b"EBcABE1RVFQFAgA8BREAAA4QAAVkZXYtMcAA\n";
    assert_eq!(last_line(&["decode"], SESSION.as_bytes()), format!("{totals} (input: hex)"));
    assert_eq!(last_line(&["decode", "-"], packets), format!("{totals} (input: bin)"));
    assert_eq!(last_line(&["decode"], xxd), format!("{totals} (input: xxd)"));
    assert_eq!(last_line(&["decode"], base64), format!("{totals} (input: base64)"));
    assert_eq!(last_line(&["decode", "--in", "base64"], base64), format!("{totals} (input: base64)"));
    assert!(last_line(&["decode"], b"{0xc0, 0x00}").contains("(input: c; "));
    assert!(last_line(&["decode", "--in", "base64", "wAA="], b"").contains("(input: base64; "));
}

#[test]
fn hex_arguments_are_one_input_and_need_no_quotes() {
    let mut args = vec!["decode"];
    args.extend(SESSION.split(' '));
    assert_eq!(run(&args), run(&["decode", SESSION]));
}

#[test]
fn a_name_that_is_hex_is_a_file_only_with_its_directory() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("c000"), [0xd0, 0x00]).unwrap();
    let in_directory = |args: &[&str]| {
        let output = crate::program::vaux(args).current_dir(&directory).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(in_directory(&["decode", "c000"]).starts_with("#1 PINGREQ"));
    assert!(in_directory(&["decode", "./c000"]).starts_with("#1 PINGRESP"));
    let both = in_directory(&["decode", "c000", "./c000"]);
    assert_snapshot!(both);
}

#[test]
fn offset_skips_what_stands_in_front() {
    let run = run(&["decode", "--offset", "0x2", "ffff c000"]);
    assert!(run.stdout.starts_with("#1 PINGREQ · 2 bytes\n  0002  c0"), "{}", run.stdout);
    assert_eq!(run.code, Some(0));
}

#[test]
fn a_long_payload_is_shortened_and_says_so() {
    let mut publish = vec![0x30, 0x87, 0x08, 0, 1, b'a', 0];
    publish.resize(7 + 1028, b'x');
    publish[1..3].copy_from_slice(&[0x88, 0x08]);
    let run = run_with_input(&["decode", "-V", "5"], &publish);
    assert_eq!(run.code, Some(0), "{}", run.stdout);
    assert!(run.stdout.contains("  … 772 more bytes\n"), "{}", run.stdout);
    assert_eq!(run.stdout.lines().count(), 1 + 4 + 32 + 1 + 1);
}

#[test]
fn inputs_that_cannot_be_read_are_told() {
    for (args, input, code, message) in [
        (&["decode", "missing.bin"][..], "", 1, "error: cannot read missing.bin: "),
        (
            &["decode", "c00"],
            "",
            2,
            "error: argument: line 1, column 1: hex digits must come in pairs\nhint: ",
        ),
        (
            &["decode"],
            "hello, world",
            2,
            "error: standard input: this is neither hex, a dump, a C array nor base64: ",
        ),
        (
            &["decode", "--in", "hex"],
            "c0 0g",
            2,
            "error: standard input: line 1, column 5: 'g' has no place in hex",
        ),
    ] {
        let run = run_with_input(args, input.as_bytes());
        assert!(run.stderr.starts_with(message), "{args:?}: {}", run.stderr);
        assert_eq!((run.code, run.stdout.as_str()), (Some(code), ""), "{args:?}");
    }
}

/// A timestamp, three metrics and a sequence number of Sparkplug; the same cut short; the state of a host.
const SPARKPLUG: &str = "\
    3054001e73704276312e302f706c616e742f44444154412f6c696e652f6d6f746f72000890bf88b9a13412140a0474656d7018a8b788b9a1342009650000ac4112081007200250feff0312080a026f6e200b70011802 \
    303f001e73704276312e302f706c616e742f44444154412f6c696e652f6d6f746f72000890bf88b9a13412140a0474656d7018a8b788b9a1342009650000ac4112 \
    303f001373704276312e302f53544154452f7363616461007b226f6e6c696e65223a747275652c2274696d657374616d70223a313739353638343434323030307d";

#[test]
fn metrics_of_sparkplug_are_explained_and_a_broken_payload_is_told() {
    for view in ["bytes", "tree", "line"] {
        let run = run(&["decode", "-V", "5", "--show", view, SPARKPLUG]);
        assert_eq!(run.code, Some(0));
        assert_snapshot!(format!("sparkplug_{view}"), run.stdout);
    }
    let decoded = run(&["decode", "-V", "5", "--json", SPARKPLUG]).stdout;
    let sparkplug = decoded.lines().map(|line| {
        let packet: serde_json::Value = serde_json::from_str(line).unwrap();
        format!("{}\n", packet["sparkplug"])
    });
    assert_snapshot!("sparkplug_json", sparkplug.collect::<String>());
    let encoded = run_with_input(&["encode"], decoded.as_bytes()).stdout;
    assert_eq!(encoded.replace('\n', ""), SPARKPLUG.replace(' ', ""));
}

#[test]
fn an_empty_input_holds_no_packets() {
    let run = run(&["decode"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "0 bytes, 0 packets, 0 errors (input: hex)\n"));
}

#[test]
fn fields_have_one_colour_each_when_colours_are_wanted() {
    assert_snapshot!(run(&["decode", "--color", "always", "c000 36"]).stdout.replace('\x1b', "␛"));
    assert!(!run(&["decode", SESSION]).stdout.contains('\x1b'));
}
