//! Input forms, told apart and read.

use proptest::prelude::*;

use super::error::Place;
use super::{Form, InputError, MAX_INPUT_BYTES, is_wholly_hex, read};

const CONNECT: &[u8] = b"\x10\x17\x00\x04MQTT\x05\x02\x00\x3c\x05\x11\x00\x00\x0e\x10\x00\x05dev-1\xc0\x00";

fn detected(text: &str) -> (Form, Vec<u8>) {
    read(text.as_bytes().to_vec(), None).unwrap()
}

fn refused(text: &str, form: Option<Form>) -> InputError {
    read(text.as_bytes().to_vec(), form).unwrap_err()
}

#[test]
fn hex_is_read_in_every_usual_dress() {
    for text in [
        "c0001017",
        "C0 00 10 17",
        "c0:00:10:17\n",
        "c0, 00, 10, 17",
        "0xc0,0x00,0x10,0x17",
        "0xC0001017",
        "0xc0 0x0 0x10 0x17",
        r"\xc0\x00\x10\x17",
        r#""\xc0\x00\x10\x17""#,
        "C0-00-10-17",
        "c000\r\n1017\r\n",
        "\u{feff}c0001017",
    ] {
        assert_eq!(detected(text), (Form::Hex, vec![0xc0, 0x00, 0x10, 0x17]), "{text:?}");
    }
}

#[test]
fn hex_with_a_digit_left_over_names_the_place() {
    let error = refused("c0 00\nc", None);
    assert_eq!(error, InputError::OddDigits { place: Place { line: 2, column: 1 } });
}

#[test]
fn an_argument_is_hex_only_when_all_of_it_is() {
    for hex in ["c000", "c0 00", "0xc0,0x00", "c00", "10:17"] {
        assert!(is_wholly_hex(hex), "{hex:?}");
    }
    for name in ["./c000", "capture.bin", "2026-11-22", "", " ", ":", "0x", "c0-0"] {
        assert!(!is_wholly_hex(name), "{name:?}");
    }
}

#[test]
fn dumps_of_xxd_and_hexdump_are_read() {
    let xxd = "\
00000000: 1017 0004 4d51 5454 0502 003c 0511 0000  ....MQTT...<....
00000010: 0e10 0005 6465 762d 31c0 00              ....dev-1..
";
    let hexdump = "\
00000000  10 17 00 04 4d 51 54 54  05 02 00 3c 05 11 00 00  |....MQTT...<....|
00000010  0e 10 00 05 64 65 76 2d  31 c0 00                 |....dev-1..|
0000001b
";
    let wireshark = "\
0000   10 17 00 04 4d 51 54 54 05 02 00 3c 05 11 00 00   ....MQTT...<....
0010   0e 10 00 05 64 65 76 2d 31 c0 00                  ....dev-1..
";
    for text in [xxd, hexdump, wireshark] {
        assert_eq!(detected(text), (Form::Xxd, CONNECT.to_vec()), "{text}");
    }
    let od = "000000 c0 00 c0 00\n000004 c0 00\n000006\n";
    assert_eq!(read(od.into(), Some(Form::Xxd)).unwrap().1, [0xc0, 0, 0xc0, 0, 0xc0, 0]);
}

#[test]
fn a_bar_in_the_text_column_of_xxd_is_no_end() {
    assert_eq!(detected("00000000: 7c7c 7c7c  ||||\n").1, *b"||||");
}

#[test]
fn a_star_repeats_the_line_before_it() {
    let dump = "\
00000000  61 61 61 61 61 61 61 61  61 61 61 61 61 61 61 61  |aaaaaaaaaaaaaaaa|
*
00000040  62                                                |b|
00000041
";
    let mut expected = vec![b'a'; 64];
    expected.push(b'b');
    assert_eq!(detected(dump).1, expected);
}

#[test]
fn a_star_cannot_ask_for_all_memory() {
    let dump = "00000000  61 61  |aa|\n*\nfffffffffff0\n";
    assert_eq!(refused(dump, None), InputError::TooLarge);
}

#[test]
fn an_offset_that_jumps_is_an_error() {
    let dump = "00000000: c000  ..\n00000010: c000  ..\n";
    assert_eq!(refused(dump, None), InputError::OffsetJumps { place: Place { line: 2, column: 1 } });
}

#[test]
fn words_of_hexdump_without_c_are_refused_since_their_bytes_are_swapped() {
    let error = refused("0000000 1710 0400\n0000004\n", Some(Form::Xxd));
    assert_eq!(
        error,
        InputError::UnexpectedCharacter { form: Form::Xxd, found: '1', place: Place { line: 1, column: 9 } }
    );
}

#[test]
fn arrays_of_several_languages_are_read() {
    for text in [
        "unsigned char connect[] = {\n  0xc0, 0x00, 0x10, 0x17\n};\nunsigned int connect_len = 4;\n",
        "const uint8_t a[2] = {0xC0, 0}; /* {1} */ const uint8_t b[2] = {020, 23u}; // {2}",
        "[0xc0, 0x00, 16, 0x17]",
        "[]byte{0xc0, 0x00, 0x10, 0x17,}",
        "let bytes: [u8; 4] = [0xc0u8, 0b0, 0x10_u8, 23];",
        "new byte[] { (byte) 0xC0, 0, (byte)16, 23 }",
        "{ -64, '\\0', '\\x10', 0x17 }",
    ] {
        assert_eq!(detected(text), (Form::C, vec![0xc0, 0x00, 0x10, 0x17]), "{text:?}");
    }
}

#[test]
fn array_elements_that_are_no_bytes_are_named() {
    let error = refused("{1, 256}", None);
    assert_eq!(error, InputError::NotAByte { number: "256".into(), place: Place { line: 1, column: 5 } });
    assert_eq!(refused("{1, 2", Some(Form::C)), InputError::NoArray);
    assert_eq!(refused("1, 2", Some(Form::C)), InputError::NoArray);
    assert!(matches!(refused("{1, x}", None), InputError::UnexpectedCharacter { found: 'x', .. }));
}

#[test]
fn base64_is_read_with_both_alphabets_padded_or_not() {
    for text in ["wAD/+w==", "wAD_-w==", "wAD/+w", "wAD/\n+w==\n"] {
        assert_eq!(detected(text), (Form::Base64, vec![0xc0, 0x00, 0xff, 0xfb]), "{text:?}");
    }
    assert_eq!(refused("wAD/+", None), InputError::NoWholeForm);
    assert_eq!(refused("wAD/+", Some(Form::Base64)), InputError::Base64Torn);
}

#[test]
fn what_is_no_text_is_binary() {
    assert_eq!(read(CONNECT.to_vec(), None).unwrap(), (Form::Bin, CONNECT.to_vec()));
    assert_eq!(read(vec![0xc0, 0x00], None).unwrap().0, Form::Bin);
    assert_eq!(read(vec![0x30, 0x00], None).unwrap().0, Form::Bin);
    assert_eq!(read(vec![0xff], Some(Form::Hex)).unwrap_err(), InputError::NotText { form: Form::Hex });
}

#[test]
fn text_in_no_form_says_where() {
    let error = refused("hello, world!", None);
    assert_eq!(error, InputError::NoForm { found: ',', place: Place { line: 1, column: 6 } });
}

#[test]
fn an_input_over_the_limit_is_refused() {
    assert_eq!(read(vec![0; MAX_INPUT_BYTES + 1], None).unwrap_err(), InputError::TooLarge);
}

fn forms() -> impl Strategy<Value = Option<Form>> {
    prop::sample::select(vec![
        None,
        Some(Form::Hex),
        Some(Form::Xxd),
        Some(Form::C),
        Some(Form::Base64),
        Some(Form::Bin),
    ])
}

proptest! {
    #[test]
    fn no_bytes_panic_or_grow(bytes in prop::collection::vec(any::<u8>(), 0..300), form in forms()) {
        if let Ok((_, read)) = read(bytes.clone(), form) {
            prop_assert!(read.len() <= bytes.len());
        }
    }

    #[test]
    fn no_text_panics(text in "[0-9a-fA-FxX\\\\ :,;*|'\"{}()\\[\\]\n=+/_-]{0,120}", form in forms()) {
        let _ = read(text.into_bytes(), form);
    }

    #[test]
    fn what_is_written_in_a_form_reads_back(bytes in prop::collection::vec(any::<u8>(), 1..80)) {
        let spaced: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        prop_assert_eq!(detected(&spaced.join(" ")), (Form::Hex, bytes.clone()));
        let dump: String = spaced.chunks(16).enumerate().map(|(row, chunk)| {
            let text: String = bytes[row * 16..].iter().take(16)
                .map(|&byte| if (32..127).contains(&byte) { byte as char } else { '.' }).collect();
            format!("{:08x}  {:<47}  |{text}|\n", row * 16, chunk.join(" "))
        }).collect();
        prop_assert_eq!(detected(&dump), (Form::Xxd, bytes.clone()));
        let array = format!("{{{}}}", bytes.iter().map(|byte| format!("{byte:#x}")).collect::<Vec<_>>().join(", "));
        prop_assert_eq!(detected(&array), (Form::C, bytes));
    }
}
