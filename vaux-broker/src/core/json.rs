//! How values look in the JSON that the broker writes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::time::Time;

/// A point in time, as RFC 3339 with milliseconds.
pub(super) fn timestamp(time: Time) -> String {
    // The clock is anchored to the system's; the year 9999 is as far as this goes.
    let ms = i64::try_from(time.0).unwrap_or(i64::MAX);
    let timestamp = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
    format!("{timestamp:.3}")
}

/// Puts a payload into an object: as text when it is, else as base64.
pub(super) fn put_payload(object: &mut Map<String, Value>, payload: &[u8]) {
    match std::str::from_utf8(payload) {
        Ok(text) => object.insert("payload".to_owned(), json!(text)),
        Err(_) => object.insert("payload_base64".to_owned(), json!(STANDARD.encode(payload))),
    };
}

/// A payload as [`put_payload`] writes it. `None` when it is no base64.
pub(super) fn read_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// A client identifier as a level of a topic: all but `A-Za-z0-9-_.~` percent-encoded.
pub(super) fn percent_encoded(client_id: &str) -> String {
    let mut encoded = String::with_capacity(client_id.len());
    for byte in client_id.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
                encoded.push('%');
                encoded.push(char::from(DIGITS[usize::from(byte >> 4)]));
                encoded.push(char::from(DIGITS[usize::from(byte & 15)]));
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_become_one_level_without_wildcards() {
        assert_eq!(percent_encoded("dev-1_a.b~C"), "dev-1_a.b~C");
        assert_eq!(percent_encoded("a/b+#%é"), "a%2Fb%2B%23%25%C3%A9");
    }

    #[test]
    fn times_have_milliseconds_even_when_they_are_round() {
        assert_eq!(timestamp(Time(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(timestamp(Time(1_764_148_442_110)), "2025-11-26T09:14:02.110Z");
    }
}
