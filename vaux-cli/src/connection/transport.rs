//! Which server, and whether TLS and WebSocket are spoken to it.

use std::net::IpAddr;
use std::path::PathBuf;

use super::args::ConnectArgs;
use crate::cli_error::CliError;

const TLS_PORT: u16 = 8883;
const WEB_SOCKET_TLS_PORT: u16 = 443;

/// A server and how to reach it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    /// Instead of host and port.
    pub(super) unix_socket: Option<PathBuf>,
    pub(super) tls: bool,
    /// The path to ask for, if WebSocket is spoken.
    pub(super) web_socket_path: Option<String>,
}

impl Target {
    /// The scheme of the URL decides; else `--plain`; else any TLS flag means TLS; else the port; else it is TLS.
    pub(super) fn new(args: &ConnectArgs) -> Target {
        let url = args.url.as_ref().map(|url| &url.server);
        let tls = match (url, args.port) {
            // Of one layer they agree; `--plain` from an upper layer wins.
            (Some(url), _) => url.tls && !args.plain,
            (None, _) if args.plain || args.unix.is_some() => false,
            (None, _) if args.tls.first().is_some() => true,
            (None, Some(port)) => port == TLS_PORT || (args.web_socket.ws && port == WEB_SOCKET_TLS_PORT),
            (None, None) => true,
        };
        let host = args.host.clone().or_else(|| url.map(|url| url.host.clone()));
        let port = args.port.or_else(|| url.map(|url| url.port));
        let url_path = url.and_then(|url| url.web_socket_path.clone());
        let web_socket_path = (args.web_socket.ws || url_path.is_some())
            .then(|| args.web_socket.ws_path.clone().or(url_path).unwrap_or_else(|| "/mqtt".into()));
        let default_port = match (web_socket_path.is_some(), tls) {
            (false, false) => 1883,
            (false, true) => TLS_PORT,
            (true, false) => 80,
            (true, true) => WEB_SOCKET_TLS_PORT,
        };
        Target {
            host: host.unwrap_or_else(|| "localhost".into()),
            port: port.unwrap_or(default_port),
            unix_socket: args.unix.clone(),
            tls,
            web_socket_path,
        }
    }

    /// Host and port, as they stand in a URL.
    pub(super) fn address(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// Whether the name stands for this machine whatever a name server says.
    pub(super) fn is_loopback(&self) -> bool {
        if self.unix_socket.is_some() {
            return true;
        }
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => {
                let name = self.host.trim_end_matches('.').to_ascii_lowercase();
                name == "localhost" || name.ends_with(".localhost")
            }
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(path) = &self.unix_socket {
            return write!(f, "{}", path.display());
        }
        let scheme = scheme(self.web_socket_path.is_some(), self.tls);
        write!(f, "{scheme}://{}", self.address())?;
        self.web_socket_path.as_ref().map_or(Ok(()), |path| f.write_str(path))
    }
}

/// Refuses as a host what says more than that.
pub(super) fn check_host(host: &str) -> Result<(), CliError> {
    let hint = match host.rsplit_once(':') {
        _ if host.contains("://") => format!("-L {host} takes a URL"),
        _ if host.starts_with('[') => {
            "an address of IPv6 stands without brackets, and the port is -p".to_owned()
        }
        Some((name, port)) if !name.contains(':') => format!("-h {name} -p {port} names host and port"),
        _ => return Ok(()),
    };
    Err(CliError::usage_with_hint(format!("--host cannot be {host}: it is a host and nothing else"), hint))
}

/// The scheme of a URL.
pub(super) fn scheme(is_web_socket: bool, tls: bool) -> &'static str {
    match (is_web_socket, tls) {
        (false, false) => "mqtt",
        (false, true) => "mqtts",
        (true, false) => "ws",
        (true, true) => "wss",
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    #[command(no_binary_name = true, disable_help_flag = true)]
    struct Flags {
        #[command(flatten)]
        connect: ConnectArgs,
    }

    fn flags(line: &str) -> ConnectArgs {
        Flags::try_parse_from(line.split_whitespace())
            .unwrap_or_else(|error| panic!("{line}: {error}"))
            .connect
    }

    fn target(line: &str) -> Target {
        Target::new(&flags(line))
    }

    #[test]
    fn the_scheme_then_plain_then_tls_flags_then_the_port_decide() {
        for (line, expected) in [
            ("", "mqtts://localhost:8883"),
            ("-h broker", "mqtts://broker:8883"),
            ("--plain", "mqtt://localhost:1883"),
            ("--plain -p 8883", "mqtt://localhost:8883"),
            ("-p 1883", "mqtt://localhost:1883"),
            ("-p 8883", "mqtts://localhost:8883"),
            ("-p 2000", "mqtt://localhost:2000"),
            ("-p 2000 --cafile ca.pem", "mqtts://localhost:2000"),
            ("--insecure", "mqtts://localhost:8883"),
            ("-L mqtt://broker", "mqtt://broker:1883"),
            ("--unix /run/mqtt.sock", "/run/mqtt.sock"),
            ("-L mqtts://broker/a/b", "mqtts://broker:8883"),
            ("-L mqtts://[::1]:99", "mqtts://[::1]:99"),
            ("--ws", "wss://localhost:443/mqtt"),
            ("--ws --plain --ws-path /x", "ws://localhost:80/x"),
            ("--ws -p 443", "wss://localhost:443/mqtt"),
            ("--ws -p 8083", "ws://localhost:8083/mqtt"),
            ("-p 443", "mqtt://localhost:443"),
            ("-L ws://broker", "ws://broker:80/mqtt"),
            ("-L wss://broker:8084/a/b", "wss://broker:8084/a/b"),
            ("-L wss://broker/a --ws-path /b", "wss://broker:443/b"),
        ] {
            assert_eq!(target(line).to_string(), expected, "{line}");
        }
    }

    #[test]
    fn upper_flags_win_over_lower_ones() {
        for (upper, lower, expected) in [
            ("-p 99", "-h broker", "mqtt://broker:99"),
            ("-L mqtt://a", "-h b -p 99 --plain", "mqtt://a:1883"),
            ("-h a", "-L mqtt://me:pw@b:99", "mqtts://a:8883"),
            ("--plain", "-L mqtts://b:99", "mqtt://b:99"),
            ("-p 98", "-L mqtts://b:99", "mqtts://b:98"),
            ("-L mqtt://a", "--cafile ca.pem", "mqtt://a:1883"),
            ("-L mqtt://a", "--ws --ws-path /x", "mqtt://a:1883"),
            ("-p 8083", "--ws --ws-path /x", "ws://localhost:8083/x"),
            ("--unix /s", "-L mqtts://b:99 --cafile ca.pem", "/s"),
            ("-h a --plain", "--unix /s", "mqtt://a:1883"),
        ] {
            let merged = flags(upper).over(flags(lower));
            assert_eq!(Target::new(&merged).to_string(), expected, "{upper} over {lower}");
        }
    }

    #[test]
    fn another_host_does_not_get_the_credentials_of_a_url() {
        assert_eq!(flags("-h a").over(flags("-L mqtt://me:pw@b")).url, None);
    }

    #[test]
    fn flags_that_contradict_each_other_are_refused() {
        for line in [
            "--plain --cafile x",
            "--plain -L mqtts://a",
            "--plain -L wss://a",
            "-L mqtt://a --insecure",
            "-L ws://a --insecure",
            "-L mqtt://a --ws",
            "--unix /s --cafile x",
        ] {
            assert!(flags(line).check().is_err(), "{line}");
        }
        for line in [
            "--unix /s -h a",
            "--unix /s --ws",
            "-L mqtt://a -p 1",
            "-i a -I b",
            "--cafile x --insecure",
            "-P x --password-file y",
        ] {
            assert!(Flags::try_parse_from(line.split_whitespace()).is_err(), "{line}");
        }
        flags("--plain -L mqtt://a").check().unwrap();
    }

    #[test]
    fn loopback_names_are_known() {
        let is_loopback = |host: &str| Target { host: host.into(), ..target("") }.is_loopback();
        for host in [
            "localhost",
            "LOCALHOST.",
            "broker.localhost",
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example", "10.0.0.1", "broker", "::"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
