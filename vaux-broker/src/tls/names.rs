//! The names that this machine's broker is reached by.

use std::net::IpAddr;

use rustls::pki_types::ServerName;

use super::TlsError;

/// The names that the server certificate should hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedNames {
    /// Those that listeners are bound to: the certificate must hold them.
    pub required: Vec<ServerName<'static>>,
    /// Those of the machine itself. One that the authority may not vouch for is left out: a changed host name
    /// must not keep the broker from starting.
    pub usual: Vec<ServerName<'static>>,
}

impl ServedNames {
    /// The names of a machine called `host_name` whose listeners are bound to `hosts`.
    ///
    /// # Errors
    ///
    /// A host that cannot stand in a certificate.
    pub fn new<'a>(
        host_name: Option<&str>,
        hosts: impl IntoIterator<Item = &'a str>,
    ) -> Result<ServedNames, TlsError> {
        let usual = ["localhost"].into_iter().chain(host_name).chain(["127.0.0.1", "::1"]);
        let mut names = ServedNames { required: Vec::new(), usual: usual.filter_map(parse).collect() };
        for host in hosts {
            // No client connects to 0.0.0.0: what is bound there is reached by the machine's names.
            if host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified()) {
                continue;
            }
            let name = parse(host).ok_or_else(|| TlsError::NotAName { host: host.to_owned() })?;
            if !names.required.contains(&name) {
                names.required.push(name);
            }
        }
        names.usual.retain(|name| !names.required.contains(name));
        names.usual.dedup();
        Ok(names)
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &ServerName<'static>> {
        self.usual.iter().chain(&self.required)
    }
}

fn parse(name: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(name.to_ascii_lowercase()).ok()
}

/// Whether a host, in a URL or a request, says itself where it is: as an address or `localhost`. What other names stand
/// for is up to whoever answers for them.
pub(crate) fn is_address_or_localhost(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || without_brackets(host).parse::<IpAddr>().is_ok()
}

/// The host without the brackets that an IPv6 address has in a URL.
pub(crate) fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// What this machine is called, if that can stand in a certificate.
pub fn host_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_str().ok()?.to_owned();
    parse(&name).is_some().then_some(name)
}
