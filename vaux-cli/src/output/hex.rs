//! Bytes as people read them on a terminal: offset, hex, and what is text in them.

use std::io::{self, Write};

use super::color::Palette;

const ROW_BYTES: usize = 16;

/// Whether bytes can be shown on a terminal as they are: text without characters that a terminal acts upon.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    let acts = |character: char| character.is_control() && !matches!(character, '\n' | '\t' | '\r');
    str::from_utf8(bytes).is_ok_and(|text| !text.contains(acts))
}

/// Writes bytes in rows of sixteen, each ending a line.
pub(crate) fn write_view(out: &mut impl Write, bytes: &[u8], palette: Palette) -> io::Result<()> {
    for (row, bytes) in bytes.chunks(ROW_BYTES).enumerate() {
        let mut digits = String::with_capacity(3 * ROW_BYTES + 1);
        for (index, byte) in bytes.iter().enumerate() {
            let gap = if index == ROW_BYTES / 2 { "  " } else { " " };
            digits.push_str(if index == 0 { "" } else { gap });
            digits.push_str(&format!("{byte:02x}"));
        }
        let text: String =
            bytes.iter().map(|&byte| if is_printable(byte) { byte as char } else { '.' }).collect();
        let offset = palette.dim(&format!("{:08x}", row * ROW_BYTES));
        writeln!(out, "{offset}  {digits:<48}  |{text}|")?;
    }
    Ok(())
}

fn is_printable(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_view_is_the_one_of_hexdump() {
        let mut out = Vec::new();
        write_view(&mut out, b"\x00\x01MQTT over wires\xff", Palette::new(false)).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\
00000000  00 01 4d 51 54 54 20 6f  76 65 72 20 77 69 72 65  |..MQTT over wire|
00000010  73 ff                                             |s.|
"
        );
    }

    #[test]
    fn what_a_terminal_acts_upon_is_no_text() {
        for text in [&b"plain"[..], "°C\n".as_bytes(), b""] {
            assert!(is_text(text));
        }
        for bytes in [&b"\x1b[2J"[..], b"\xff", b"a\0", "\u{9b}2J".as_bytes()] {
            assert!(!is_text(bytes));
        }
    }
}
