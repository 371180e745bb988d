//! What a connection carries, told by its first bytes rather than by its port.

use std::net::SocketAddr;

use vaux_mqtt::frame::Frame;
use vaux_mqtt::packet::Packet;
use vaux_mqtt::{Sender, Version};

/// What the beginning of a direction looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Too little to tell.
    Unclear,
    /// MQTT.
    Mqtt,
    /// A request that asks for WebSocket with MQTT inside.
    WebSocket,
    /// Something else; in words, what.
    Other(&'static str),
}

/// The type of CONNECT, the upper half of its first byte.
const CONNECT: u8 = 1;

/// The port that is registered for MQTT: there even what reads badly is MQTT.
const MQTT_PORT: u16 = 1883;

/// So many bytes that are no packet yet are no MQTT.
pub(super) const MAX_UNCLEAR_BYTES: usize = 16 << 10;

/// What the bytes look like. `is_start` says that they are the first of the connection.
pub(super) fn of(bytes: &[u8], is_start: bool, ends: [SocketAddr; 2]) -> Content {
    if bytes.is_empty() {
        return Content::Unclear;
    }
    if let Some(other) = other(bytes) {
        return other;
    }
    let is_mqtt = match (is_start, bytes[0] >> 4) {
        (true, CONNECT) => begins_connect(bytes),
        (true, _) => begins_packet(bytes),
        // In the middle a packet may begin anywhere.
        (false, _) => packets_begin(bytes).map(|_| true),
    };
    match is_mqtt {
        Some(true) => Content::Mqtt,
        _ if ends.iter().any(|end| end.port() == MQTT_PORT) => Content::Mqtt,
        None if bytes.len() < MAX_UNCLEAR_BYTES => Content::Unclear,
        _ => Content::Other("not MQTT"),
    }
}

/// What other protocols begin with. None of them is the beginning of a valid packet.
fn other(bytes: &[u8]) -> Option<Content> {
    const METHODS: [&[u8]; 8] =
        [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ", b"OPTIONS ", b"CONNECT ", b"PATCH "];
    if let [0x14..=0x17, 0x03, 0x00..=0x04, ..] = bytes {
        return Some(Content::Other("TLS, which hides what it carries"));
    }
    if bytes.starts_with(b"GET ") {
        return Some(match head(bytes) {
            Some((head, _)) if asks_for_mqtt(head) => Content::WebSocket,
            None if bytes.len() < MAX_UNCLEAR_BYTES => Content::Unclear,
            _ => Content::Other("HTTP"),
        });
    }
    let is_http = METHODS.iter().any(|method| bytes.starts_with(method)) || bytes.starts_with(b"HTTP/1.");
    if is_http || bytes.starts_with(b"PRI * HTTP/2.0") {
        return Some(Content::Other("HTTP"));
    }
    bytes.starts_with(b"SSH-").then_some(Content::Other("SSH"))
}

/// The head of a request or an answer of HTTP, and where what follows it begins.
pub(super) fn head(bytes: &[u8]) -> Option<(&str, usize)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((str::from_utf8(&bytes[..end]).ok()?, end + 4))
}

fn asks_for_mqtt(head: &str) -> bool {
    let has = |name: &str, value: &str| {
        head.lines().filter_map(|line| line.split_once(':')).any(|(found, text)| {
            found.eq_ignore_ascii_case(name)
                && text.split(',').any(|word| word.trim().to_ascii_lowercase().starts_with(value))
        })
    };
    has("upgrade", "websocket") && has("sec-websocket-protocol", "mqtt")
}

/// Whether the bytes begin with CONNECT; `None` while they may.
fn begins_connect(bytes: &[u8]) -> Option<bool> {
    let length_len = 1 + bytes[1..].iter().take(4).take_while(|&&byte| byte & 0x80 != 0).count();
    let Some(name) = bytes.get(1 + length_len..).filter(|name| !name.is_empty()) else {
        return (bytes.len() > 5).then_some(false);
    };
    let begins = |whole: &[u8]| name.iter().zip(whole).all(|(byte, expected)| byte == expected);
    match begins(b"\0\x04MQTT") || begins(b"\0\x06MQIsdp") {
        true if name.len() >= 6 => Some(true),
        true => None,
        false => Some(false),
    }
}

/// Whether the bytes begin with a valid packet; `None` while they may.
fn begins_packet(bytes: &[u8]) -> Option<bool> {
    match Frame::split(bytes) {
        Ok(Some(frame)) => Some(VERSIONS.iter().any(|&version| is_valid(&frame, version))),
        Ok(None) => None,
        Err(_) => Some(false),
    }
}

/// Where packets begin in bytes that may begin in the middle of one: the first place from where valid packets, two at
/// least, follow one another up to the end.
///
/// A place at which only one does is believed when nothing follows it, and it is no more than three bytes in the middle of
/// something else.
pub(super) fn packets_begin(bytes: &[u8]) -> Option<usize> {
    (0..bytes.len()).find(|&at| {
        let (packets, end) = chain(&bytes[at..]);
        match packets {
            0 => false,
            1 => at + end == bytes.len() && (at == 0 || end > 3),
            _ => true,
        }
    })
}

/// How many valid packets the bytes begin with, and where they end; 0 when something else follows them.
fn chain(bytes: &[u8]) -> (usize, usize) {
    const ENOUGH: usize = 8;
    let mut ended = (0, 0);
    for version in VERSIONS {
        let (mut packets, mut end) = (0, 0);
        while packets < ENOUGH
            && let Ok(Some(frame)) = Frame::split(&bytes[end..])
        {
            if !is_valid(&frame, version) {
                packets = 0;
                break;
            }
            (packets, end) = (packets + 1, end + frame.bytes().len());
        }
        if packets > ended.0 {
            ended = (packets, end);
        }
    }
    ended
}

/// Those that are tried: 3.1 reads like 3.1.1.
const VERSIONS: [Version; 2] = [Version::V5, Version::V311];

fn is_valid(frame: &Frame<'_>, version: Version) -> bool {
    Packet::decode(frame, version, Sender::Any).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_client(bytes: &[u8], is_start: bool) -> Content {
        of(bytes, is_start, ["127.0.0.1:50000".parse().unwrap(), "127.0.0.1:2000".parse().unwrap()])
    }

    #[test]
    fn protocols_are_told_by_their_first_bytes() {
        let connect = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00";
        for len in 1..8 {
            assert_eq!(of_client(&connect[..len], true), Content::Unclear, "{len}");
        }
        let web_socket = b"GET /mqtt HTTP/1.1\r\nHost: x\r\nupgrade: WebSocket\r\nSec-WebSocket-Protocol: mqttv3.1, mqtt\r\n\r\n";
        for (bytes, content) in [
            (&connect[..8], Content::Mqtt),
            (b"\x16\x03\x01\x02\x00\x01", Content::Other("TLS, which hides what it carries")),
            (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", Content::Other("HTTP")),
            (b"POST / HTTP/1.1\r\n", Content::Other("HTTP")),
            (web_socket, Content::WebSocket),
            (&web_socket[..40], Content::Unclear),
            (b"SSH-2.0-OpenSSH\r\n", Content::Other("SSH")),
            (b"\x00\x01\x02\x03\x04", Content::Other("not MQTT")),
            (b"", Content::Unclear),
        ] {
            assert_eq!(of_client(bytes, true), content, "{bytes:?}");
        }
        let ends = ["127.0.0.1:50000".parse().unwrap(), "127.0.0.1:1883".parse().unwrap()];
        assert_eq!(of(b"\x00\x01\x02\x03\x04", true, ends), Content::Mqtt);
    }

    #[test]
    fn packets_are_found_in_the_middle_of_a_stream() {
        let mut bytes = b"rest of a payload \x30".to_vec();
        let start = bytes.len();
        bytes.extend_from_slice(b"\x32\x09\x00\x03a/b\x00\x07hi\xc0\x00\x30\x20\x00\x03a/b");
        assert_eq!(packets_begin(&bytes), Some(start));
        assert_eq!(of_client(&bytes, false), Content::Mqtt);
        assert_eq!(packets_begin(b"nothing of the kind, only text"), None);
    }
}
