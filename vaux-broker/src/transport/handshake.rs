//! The HTTP request that begins a WebSocket connection, and the answer to it.

use tungstenite::handshake::machine::TryParse as _;
use tungstenite::handshake::server::{Request, create_response, write_response};
use tungstenite::http::header::{HOST, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use tungstenite::http::uri::Authority;
use tungstenite::http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::tls::is_address_or_localhost;

/// What a WebSocket listener lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebSocketRules {
    /// The path of the request.
    pub(crate) path: Box<str>,
    /// The origins of pages that may connect. Requests without an origin do not come from a page.
    pub(crate) allowed_origins: Vec<String>,
    /// Whether a certificate has shown that the host of the request is this one.
    pub(crate) has_tls: bool,
}

/// Longest request.
pub(super) const MAX_REQUEST_BYTES: usize = 8 << 10;

/// What is said to a request.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) bytes: Vec<u8>,
    /// Whether WebSocket frames follow; else the connection is closed.
    pub(super) is_accepted: bool,
}

/// Answers a request, `None` until all of it is there.
pub(super) fn answer(received: &[u8], rules: &WebSocketRules) -> Option<Answer> {
    let request = match Request::try_parse(received) {
        Ok(Some((len, request))) if len == received.len() => request,
        // Frames must not come before the answer.
        Ok(Some(_)) | Err(_) => return Some(refuse(StatusCode::BAD_REQUEST)),
        Ok(None) if received.len() >= MAX_REQUEST_BYTES => {
            return Some(refuse(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
        }
        Ok(None) => return None,
    };
    Some(accept(&request, rules).unwrap_or_else(refuse))
}

fn accept(request: &Request, rules: &WebSocketRules) -> Result<Answer, StatusCode> {
    if request.uri().path() != &*rules.path {
        return Err(StatusCode::NOT_FOUND);
    }
    let headers = request.headers();
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(StatusCode::BAD_REQUEST) };
    let is_allowed = |origin: &HeaderValue| {
        rules.allowed_origins.iter().any(|allowed| origin == allowed.as_str())
            || is_same_host(origin, host, rules.has_tls)
    };
    if !headers.get_all(ORIGIN).iter().all(is_allowed) {
        return Err(StatusCode::FORBIDDEN);
    }
    let mut response = create_response(request).map_err(|_| StatusCode::BAD_REQUEST)?;
    let protocol = subprotocol(headers).ok_or(StatusCode::BAD_REQUEST)?;
    response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    Ok(Answer { bytes: write(&response), is_accepted: true })
}

/// Whether a page of this very host and port asks, or a library that says so, as paho does.
///
/// Without TLS any name can be made to stand for this machine, and a page from there would pass for one of ours: then
/// only an address or `localhost` will do.
fn is_same_host(origin: &HeaderValue, host: &HeaderValue, has_tls: bool) -> bool {
    let (Ok(origin), Ok(host)) = (origin.to_str(), host.to_str()) else { return false };
    let Some((_, origin_host)) = origin.split_once("://") else { return false };
    let is_address =
        || host.parse::<Authority>().is_ok_and(|authority| is_address_or_localhost(authority.host()));
    origin_host.eq_ignore_ascii_case(host) && (has_tls || is_address())
}

/// The subprotocol that is selected: `mqtt`, or the name that MQTT 3.1 had before.
fn subprotocol(headers: &HeaderMap) -> Option<&'static str> {
    let offered = || {
        let lists = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|list| list.to_str().ok());
        lists.flat_map(|list| list.split(',')).map(str::trim)
    };
    ["mqtt", "mqttv3.1"].into_iter().find(|name| offered().any(|offer| offer == *name))
}

fn refuse(status: StatusCode) -> Answer {
    let response = Response::builder()
        .status(status)
        .header("Connection", "close")
        .header("Content-Length", "0")
        .body(())
        .expect("these headers are valid");
    Answer { bytes: write(&response), is_accepted: false }
}

fn write(response: &Response<()>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_response(&mut bytes, response).expect("a Vec takes everything");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(path: &str, headers: &str) -> String {
        status_of("localhost", path, headers, false)
    }

    fn status_of(host: &str, path: &str, headers: &str, has_tls: bool) -> String {
        let rules = WebSocketRules {
            path: "/mqtt".into(),
            allowed_origins: vec!["https://a.example".into(), "https://b.example:8443".into()],
            has_tls,
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        assert!(answer(&request.as_bytes()[..request.len() - 1], &rules).is_none());
        let answer = answer(request.as_bytes(), &rules).unwrap();
        let text = String::from_utf8(answer.bytes).unwrap();
        assert_eq!(answer.is_accepted, text.starts_with("HTTP/1.1 101"), "{text}");
        text
    }

    const MQTT: &str = "Sec-WebSocket-Protocol: mqtt\r\n";

    #[test]
    fn the_subprotocol_is_selected() {
        let text = status("/mqtt", "Sec-WebSocket-Protocol: other, mqttv3.1,mqtt\r\n").to_lowercase();
        assert!(text.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{text}");
        assert!(text.contains("sec-websocket-protocol: mqtt\r\n"), "{text}");
        let text = status("/mqtt", "Sec-WebSocket-Protocol: mqttv3.1\r\n").to_lowercase();
        assert!(text.contains("sec-websocket-protocol: mqttv3.1\r\n"), "{text}");
        assert!(status("/mqtt", "").starts_with("HTTP/1.1 400"));
        assert!(status("/mqtt", "Sec-WebSocket-Protocol: other\r\n").starts_with("HTTP/1.1 400"));
    }

    #[test]
    fn a_page_from_elsewhere_is_refused() {
        assert!(status("/mqtt", &format!("{MQTT}Origin: https://a.example\r\n")).starts_with("HTTP/1.1 101"));
        for origin in ["https://c.example", "null", "http://a.example", "https://a.example.evil"] {
            let text = status("/mqtt", &format!("{MQTT}Origin: {origin}\r\n"));
            assert!(text.starts_with("HTTP/1.1 403"), "{text}");
        }
        let two = format!("{MQTT}Origin: https://a.example\r\nOrigin: https://c.example\r\n");
        assert!(status("/mqtt", &two).starts_with("HTTP/1.1 403"));
    }

    #[test]
    fn a_page_of_the_same_host_may_connect_unless_its_name_proves_nothing() {
        for (host, origin, has_tls, is_allowed) in [
            ("127.0.0.1:8083", "https://127.0.0.1:8083", false, true),
            ("[::1]:8083", "http://[::1]:8083", false, true),
            ("localhost:8083", "http://LOCALHOST:8083", false, true),
            ("localhost:8083", "http://localhost:8084", false, false),
            ("rebound.example:8083", "http://rebound.example:8083", false, false),
            ("broker.example:8084", "https://broker.example:8084", true, true),
            ("broker.example:8084", "https://evil.example:8084", true, false),
            ("null", "null", true, false),
        ] {
            let text = status_of(host, "/mqtt", &format!("{MQTT}Origin: {origin}\r\n"), has_tls);
            let wanted = if is_allowed { "HTTP/1.1 101" } else { "HTTP/1.1 403" };
            assert!(text.starts_with(wanted), "{host} {origin} {has_tls}: {text}");
        }
    }

    #[test]
    fn another_path_is_not_found() {
        assert!(status("/", MQTT).starts_with("HTTP/1.1 404"));
        assert!(status("/mqtt?a=b", MQTT).starts_with("HTTP/1.1 101"));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let rules = WebSocketRules { path: "/mqtt".into(), allowed_origins: Vec::new(), has_tls: false };
        let status = |bytes: &[u8]| String::from_utf8(answer(bytes, &rules).unwrap().bytes).unwrap();
        assert!(status(b"\x10\x10\x00\x04MQTT\r\n\r\n").starts_with("HTTP/1.1 400"));
        assert!(status(b"GET /mqtt HTTP/1.1\r\nHost: a\r\n\r\n").starts_with("HTTP/1.1 400"));
        let endless = [b"GET /mqtt HTTP/1.1\r\n".to_vec(), b"A: b\r\n".repeat(2000)].concat();
        assert!(status(&endless[..MAX_REQUEST_BYTES]).starts_with("HTTP/1.1 4"));
    }
}
