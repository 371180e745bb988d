//! URLs of servers: `mqtt://[user[:password]@]host[:port]`, `mqtts://…`, and `ws://…[/path]`, `wss://…`.

use crate::error::ConnectError;

/// What the URL of a server says, for applications that decide themselves whom to trust.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerUrl {
    /// Whether the scheme asks for TLS.
    pub tls: bool,
    /// The host name or address, without brackets.
    pub host: String,
    /// The port, or the default one of the scheme.
    pub port: u16,
    /// The path of a WebSocket URL, with the slash in front and perhaps a query; `/mqtt` when the URL has none. `None`
    /// without WebSocket.
    pub web_socket_path: Option<String>,
    /// The user name, percent-decoded.
    pub user_name: Option<String>,
    /// The password, percent-decoded.
    pub password: Option<Vec<u8>>,
}

impl std::fmt::Debug for ServerUrl {
    /// Without the credentials: it may end up in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerUrl")
            .field("tls", &self.tls)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("web_socket_path", &self.web_socket_path)
            .finish_non_exhaustive()
    }
}

/// The path that servers of MQTT over WebSocket have in common.
const WEB_SOCKET_PATH: &str = "/mqtt";

impl ServerUrl {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// Text that is no such URL; the message does not show credentials.
    pub fn parse(url: &str) -> Result<Self, ConnectError> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(error(url, "has no scheme; write mqtt:// or mqtts:// in front"));
        };
        let (tls, is_web_socket, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "mqtt" => (false, false, 1883),
            "mqtts" => (true, false, 8883),
            "ws" => (false, true, 80),
            "wss" => (true, true, 443),
            _ => return Err(error(url, "must begin with mqtt://, mqtts://, ws:// or wss://")),
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let web_socket_path = match path {
            "" | "/" => is_web_socket.then(|| WEB_SOCKET_PATH.to_owned()),
            _ if !is_web_socket => return Err(error(url, "must end after the port")),
            _ if path.contains('#') => return Err(error(url, "must not have a # in its path")),
            _ => Some(path.to_owned()),
        };
        // The last `@`, so that a password may hold one.
        let (credentials, server) = match authority.rsplit_once('@') {
            Some((credentials, server)) => (Some(credentials), server),
            None => (None, authority),
        };
        let (user_name, password) = match credentials {
            Some(credentials) => parse_credentials(url, credentials)?,
            None => (None, None),
        };
        let (host, port) = parse_server(url, server)?;
        let port = port.unwrap_or(default_port);
        Ok(ServerUrl { tls, host: host.to_owned(), port, web_socket_path, user_name, password })
    }
}

pub(crate) type Credentials = (Option<String>, Option<Vec<u8>>);

pub(crate) fn parse_credentials(url: &str, credentials: &str) -> Result<Credentials, ConnectError> {
    let decode = |text| percent_decode(text).ok_or_else(|| error(url, "has a broken %-sequence"));
    let (user_name, password) = match credentials.split_once(':') {
        Some((user_name, password)) => (user_name, Some(decode(password)?)),
        None => (credentials, None),
    };
    let user_name =
        String::from_utf8(decode(user_name)?).map_err(|_| error(url, "has a user name that is not UTF-8"))?;
    Ok((Some(user_name).filter(|name| !name.is_empty()), password))
}

pub(crate) fn parse_server<'a>(url: &str, server: &'a str) -> Result<(&'a str, Option<u16>), ConnectError> {
    let (host, port) = match server.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or_else(|| error(url, "lacks a ]"))?;
            match rest {
                "" => (host, None),
                _ => (host, Some(rest.strip_prefix(':').ok_or_else(|| error(url, "has text after the ]"))?)),
            }
        }
        None => match server.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (server, None),
        },
    };
    if host.is_empty() {
        return Err(error(url, "names no host"));
    }
    let port = match port {
        Some(text) => Some(
            text.parse()
                .ok()
                .filter(|&port| port != 0)
                .ok_or_else(|| error(url, "has a port that is no number from 1 to 65535"))?,
        ),
        None => None,
    };
    Ok((host, port))
}

fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
        decoded.push(digit(bytes.next()?)? << 4 | digit(bytes.next()?)?);
    }
    Some(decoded)
}

/// The credentials are left out of the message: it may end up in a log.
fn error(url: &str, text: &str) -> ConnectError {
    let shown = match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, server))) => format!("{scheme}://…@{server}"),
        _ => url.to_owned(),
    };
    ConnectError::Options(format!("the URL {shown} {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> (bool, String, u16) {
        let url = ServerUrl::parse(url).unwrap();
        (url.tls, url.host, url.port)
    }

    #[test]
    fn scheme_host_and_port_are_read() {
        assert_eq!(server("mqtt://localhost"), (false, "localhost".into(), 1883));
        assert_eq!(server("MQTTS://example.org/"), (true, "example.org".into(), 8883));
        assert_eq!(server("mqtt://10.0.0.1:2000"), (false, "10.0.0.1".into(), 2000));
        assert_eq!(server("mqtts://[::1]"), (true, "::1".into(), 8883));
        assert_eq!(server("mqtts://[::1]:99"), (true, "::1".into(), 99));
    }

    #[test]
    fn web_sockets_have_a_path() {
        let parsed = |url: &str| {
            let url = ServerUrl::parse(url).unwrap();
            (url.tls, url.host, url.port, url.web_socket_path.unwrap())
        };
        assert_eq!(parsed("ws://h"), (false, "h".into(), 80, "/mqtt".into()));
        assert_eq!(parsed("WSS://h/"), (true, "h".into(), 443, "/mqtt".into()));
        assert_eq!(parsed("ws://[::1]:99/a/b?c=d@e"), (false, "::1".into(), 99, "/a/b?c=d@e".into()));
        assert_eq!(ServerUrl::parse("mqtt://h").unwrap().web_socket_path, None);
    }

    #[test]
    fn credentials_are_percent_decoded() {
        let url = ServerUrl::parse("mqtt://me%40home:a:b@c%2f%00@host:1").unwrap();
        assert_eq!(url.user_name.as_deref(), Some("me@home"));
        assert_eq!(url.password.as_deref(), Some(&b"a:b@c/\0"[..]));
        assert_eq!(url.host, "host");
        assert_eq!(ServerUrl::parse("mqtt://:pw@host").unwrap().user_name, None);
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_a_reason() {
        for (url, part) in [
            ("localhost", "no scheme"),
            ("http://x", "must begin with"),
            ("ws://x/a#b", "#"),
            ("mqtt://", "names no host"),
            ("mqtt://x:0", "port"),
            ("mqtt://x:99999", "port"),
            ("mqtt://[::1", "]"),
            ("mqtt://x/topic", "must end"),
            ("mqtt://a%4@x", "%-sequence"),
        ] {
            let text = ServerUrl::parse(url).unwrap_err().to_string();
            assert!(text.contains(part), "{url}: {text}");
        }
    }

    #[test]
    fn an_error_does_not_show_the_password() {
        let text = ServerUrl::parse("mqtt://me:secret@host:0").unwrap_err().to_string();
        assert!(!text.contains("secret"), "{text}");
    }
}
