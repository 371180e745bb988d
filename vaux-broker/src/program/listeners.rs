//! What listeners need before the broker can open them: addresses instead of names, the rule about anonymous clients,
//! and TLS.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::SystemTime;

use super::error::ProgramError;
use crate::admin::Token;
use crate::auth::{AccessLists, Sources};
use crate::config::{Bind, Config, ListenerConfig, ListenerKind, UsernameFrom};
use crate::tls::{Authority, ServedNames, ServerTls, host_name, server_config};

/// A configuration whose listeners can be opened.
pub(super) struct Prepared {
    /// Every host is an address, and every listener says whether it takes anonymous clients.
    pub(super) config: Config,
    /// TLS for each listener that has it.
    pub(super) tls: Vec<Option<ServerTls>>,
    /// Whether the local authority issued a certificate for this.
    pub(super) has_new_certificate: bool,
}

/// Resolves, applies the rules and loads certificates. The local authority makes what it has to.
pub(super) fn prepare(
    config: Config,
    authority: &Authority,
    now: SystemTime,
) -> Result<Prepared, ProgramError> {
    let hosts = config.listeners.iter().filter(|listener| needs_authority(listener));
    let hosts: Vec<_> = hosts.map(|listener| listener.bind.host.clone()).collect();
    let config = resolve(config)?;
    let is_closed = |listener: &&ListenerConfig| {
        listener.allow_anonymous != Some(true)
            && !config.auth.authenticates(listener)
            && listener.tls.username_from == UsernameFrom::None
    };
    for listener in config.listeners.iter().filter(is_closed) {
        tracing::warn!("nobody can connect to listener {:?}: there is no authentication", listener.name);
    }
    let mut issued = None;
    if !hosts.is_empty() {
        let names = ServedNames::new(host_name().as_deref(), hosts.iter().map(String::as_str));
        let names = names.map_err(ProgramError::Authority)?;
        issued = Some(authority.ensure(&names, now).map_err(ProgramError::Authority)?);
    }
    if let Some(issued) = &issued {
        for name in &issued.left_out {
            tracing::warn!(
                "clients cannot reach the broker as {}: the local authority was made for other names",
                name.to_str()
            );
        }
    }
    let tls = config.listeners.iter().map(|listener| match (listener.kind, &issued) {
        (kind, _) if !kind.has_tls() => Ok(None),
        (_, Some(issued)) if needs_authority(listener) => {
            let tls = server_config(&issued.cert, &issued.key, listener.kind, &listener.tls);
            tls.map(Some).map_err(ProgramError::Authority)
        }
        _ => load(listener),
    });
    let tls = tls.collect::<Result<_, _>>()?;
    Ok(Prepared { config, tls, has_new_certificate: issued.is_some_and(|issued| issued.is_new) })
}

/// Everything that [`prepare`] checks, without making or locking anything.
pub(super) fn check(config: Config) -> Result<(), ProgramError> {
    check_token(&config)?;
    let config = resolve(config)?;
    for listener in &config.listeners {
        load(listener)?;
    }
    Sources::read(&config).map_err(ProgramError::Security)?;
    AccessLists::read(&config).map_err(ProgramError::Security)?;
    Ok(())
}

/// Whether the token of the API can be read, if there is to be one.
pub(super) fn check_token(config: &Config) -> Result<(), ProgramError> {
    Token::configured(&config.http).map(drop).map_err(ProgramError::Token)
}

/// Whether the local authority makes this listener's certificate.
pub(super) fn needs_authority(listener: &ListenerConfig) -> bool {
    listener.kind.has_tls() && listener.tls.cert.is_none()
}

/// TLS from the files that the operator names.
fn load(listener: &ListenerConfig) -> Result<Option<ServerTls>, ProgramError> {
    match (listener.kind.has_tls(), &listener.tls.cert, &listener.tls.key) {
        (true, Some(cert), Some(key)) => server_config(cert, key, listener.kind, &listener.tls)
            .map(Some)
            .map_err(ProgramError::Certificate),
        _ => Ok(None),
    }
}

/// Puts addresses in the place of names and decides who may connect without a name. Both once: what is checked
/// here is what is bound.
fn resolve(mut config: Config) -> Result<Config, ProgramError> {
    for listener in &mut config.listeners {
        let mut is_local = !listener.proxy_protocol;
        if listener.kind != ListenerKind::Unix {
            let address = address_of(&listener.bind)?;
            is_local &= address.ip().to_canonical().is_loopback();
            listener.bind = Bind::from(address);
        }
        let has_authentication = config.auth.authenticates(listener);
        let allows_anonymous = listener.allows_anonymous(is_local, has_authentication);
        let names_all = has_authentication || listener.tls.names_every_client();
        if !allows_anonymous && !names_all && !is_local {
            return Err(ProgramError::Usage(format!(
                "listener {:?} on {} can be reached from other machines, and there is no authentication; name a \
                 password_file in [auth], give --allow-anonymous (in the file: allow_anonymous = true) if anyone may \
                 connect, or listen on 127.0.0.1",
                listener.name, listener.bind
            )));
        }
        listener.allow_anonymous = Some(allows_anonymous);
    }
    Ok(config)
}

/// The address to bind: for a name its first IPv4 address, else its first IPv6 address.
fn address_of(bind: &Bind) -> Result<SocketAddr, ProgramError> {
    if let Some(ip) = bind.ip() {
        return Ok(SocketAddr::new(ip, bind.port));
    }
    let unresolved = |problem: String| ProgramError::Unresolved { host: bind.host.clone(), problem };
    let found = (bind.host.as_str(), bind.port).to_socket_addrs();
    let found: Vec<_> = found.map_err(|error| unresolved(error.to_string()))?.collect();
    let address = found.iter().find(|address| address.is_ipv4()).or(found.first());
    address.copied().ok_or_else(|| unresolved("the name has no address".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(host: &str, allow_anonymous: Option<bool>) -> Result<ListenerConfig, String> {
        let mut listener = ListenerConfig::new(ListenerKind::Tcp);
        listener.bind.host = host.into();
        listener.allow_anonymous = allow_anonymous;
        let config = resolve(Config { listeners: vec![listener], ..Config::default() });
        config.map(|mut config| config.listeners.remove(0)).map_err(|error| error.message())
    }

    #[test]
    fn loopback_takes_anonymous_clients_unless_told_otherwise() {
        for host in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "localhost"] {
            assert_eq!(resolved(host, None).unwrap().allow_anonymous, Some(true), "{host}");
            assert_eq!(resolved(host, Some(false)).unwrap().allow_anonymous, Some(false), "{host}");
        }
    }

    #[test]
    fn other_addresses_are_refused_unless_anyone_may_connect() {
        for host in ["0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1"] {
            for allow_anonymous in [None, Some(false)] {
                let error = resolved(host, allow_anonymous).unwrap_err();
                assert!(error.contains("can be reached from other machines"), "{error}");
            }
            assert_eq!(resolved(host, Some(true)).unwrap().allow_anonymous, Some(true), "{host}");
        }
    }

    #[test]
    fn a_name_becomes_an_address() {
        let listener = resolved("localhost", None).unwrap();
        assert_eq!(listener.bind.to_string(), "127.0.0.1:1883");
    }

    #[test]
    fn a_name_without_an_address_is_an_error() {
        let error = resolved("no-such-host.invalid", None).unwrap_err();
        assert!(error.starts_with("cannot listen on no-such-host.invalid: "), "{error}");
    }
}
