//! Which host a request may ask for, and which pages it may come from.
//!
//! Any name can be made to stand for this machine, and a page from there would reach the broker through the browser of
//! somebody who is let in. So a request has to ask for a name that is known to be ours, or for an address.

use std::net::IpAddr;

use hyper::header::{HOST, ORIGIN};
use hyper::http::uri::Authority;
use hyper::{HeaderMap, Request, Version};

use crate::config::HttpConfig;
use crate::tls::{host_name, is_address_or_localhost, without_brackets};

/// The names of this host, in small letters.
#[derive(Debug)]
pub(super) struct Hosts {
    names: Vec<String>,
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stranger {
    /// No host, or several, or something that is none.
    Unclear,
    /// The name of another host.
    Host,
    /// A page of another host.
    Origin,
}

impl Hosts {
    pub(super) fn new(config: &HttpConfig) -> Hosts {
        let bound = config.bind.iter().map(|bind| bind.host.clone());
        let names = config.allowed_hosts.iter().cloned().chain(host_name()).chain(bound);
        Hosts { names: names.map(|name| plain(&name)).collect() }
    }

    /// Lets a request pass, or says what is strange about it.
    pub(super) fn check<B>(&self, request: &Request<B>) -> Result<(), Stranger> {
        let host = match requested_host(request)? {
            Some(host) if !self.knows(&host) => return Err(Stranger::Host),
            host => host,
        };
        let is_ours = |origin: &str| self.is_own_page(origin, host.as_deref());
        let origins = request.headers().get_all(ORIGIN);
        match origins.iter().all(|origin| origin.to_str().is_ok_and(is_ours)) {
            true => Ok(()),
            false => Err(Stranger::Origin),
        }
    }

    fn knows(&self, host: &str) -> bool {
        is_address_or_localhost(host) || self.names.iter().any(|name| name == host)
    }

    /// An address alone makes no page ours: it has to be the one that the request asks for, or of this machine.
    fn is_own_page(&self, origin: &str, requested: Option<&str>) -> bool {
        let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        let Some(host) = rest.and_then(host_of) else { return false };
        match without_brackets(&host).parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback() || requested == Some(&host),
            Err(_) => self.knows(&host),
        }
    }
}

/// The host that is asked for. Requests of version 1.0 may leave it away: no browser does.
fn requested_host<B>(request: &Request<B>) -> Result<Option<String>, Stranger> {
    let named = header_host(request.headers())?;
    if named.is_none() && request.version() != Version::HTTP_10 {
        return Err(Stranger::Unclear);
    }
    // RFC 9112, 3.2.2: a host in the target is the one that counts.
    match request.uri().authority() {
        Some(authority) => host_of(authority.as_str()).map(Some).ok_or(Stranger::Unclear),
        None => Ok(named),
    }
}

fn header_host(headers: &HeaderMap) -> Result<Option<String>, Stranger> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => Ok(None),
        (Some(host), None) => host.to_str().ok().and_then(host_of).map(Some).ok_or(Stranger::Unclear),
        (Some(_), Some(_)) => Err(Stranger::Unclear),
    }
}

/// The host of `host:port`, as names are kept here.
fn host_of(authority: &str) -> Option<String> {
    let authority: Authority = authority.parse().ok()?;
    (!authority.host().is_empty() && !authority.as_str().contains('@')).then(|| plain(authority.host()))
}

fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, origin: Option<&str>) -> Result<(), Stranger> {
        let config = HttpConfig {
            bind: Some("vaux.internal:8888".parse().unwrap()),
            token_file: None,
            allowed_hosts: vec!["Broker.example".into()],
        };
        let mut request = Request::builder().uri("/metrics").header(HOST, host);
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        Hosts::new(&config).check(&request.body(()).unwrap())
    }

    #[test]
    fn addresses_and_names_of_this_host_pass() {
        let own = host_name().unwrap();
        for host in [
            "127.0.0.1",
            "192.0.2.1:8888",
            "[::1]:8888",
            "LOCALHOST:1",
            "broker.example.",
            "vaux.internal:8888",
            &own,
        ] {
            assert_eq!(check(host, None), Ok(()), "{host}");
        }
    }

    #[test]
    fn other_names_do_not() {
        for host in
            ["rebound.example", "broker.example.evil", "localhost.evil", "127.0.0.1.evil", "1270.0.0.1"]
        {
            assert_eq!(check(host, None), Err(Stranger::Host), "{host}");
        }
        for host in ["", "evil@localhost", "a b", ":80", "localhost:80:80"] {
            assert_eq!(check(host, None), Err(Stranger::Unclear), "{host:?}");
        }
    }

    #[test]
    fn pages_have_to_be_of_this_host() {
        for origin in
            ["http://localhost:3000", "https://broker.example", "http://127.0.0.1", "http://192.0.2.1:8888"]
        {
            assert_eq!(check("192.0.2.1:8888", Some(origin)), Ok(()), "{origin}");
        }
        for origin in [
            "null",
            "",
            "http://evil.example",
            "http://192.0.2.2",
            "file://localhost",
            "localhost",
            "http://",
        ] {
            assert_eq!(check("192.0.2.1:8888", Some(origin)), Err(Stranger::Origin), "{origin}");
        }
    }

    #[test]
    fn a_request_says_once_which_host_it_means() {
        let hosts = Hosts::new(&HttpConfig::default());
        let request = |version| Request::builder().uri("/").version(version);
        let plain = |version| request(version).body(()).unwrap();
        assert_eq!(hosts.check(&plain(Version::HTTP_11)), Err(Stranger::Unclear));
        assert_eq!(hosts.check(&plain(Version::HTTP_10)), Ok(()));
        let two =
            request(Version::HTTP_11).header(HOST, "localhost").header(HOST, "localhost").body(()).unwrap();
        assert_eq!(hosts.check(&two), Err(Stranger::Unclear));
        let target =
            Request::builder().uri("http://evil.example/").header(HOST, "localhost").body(()).unwrap();
        assert_eq!(hosts.check(&target), Err(Stranger::Host));
    }
}
