//! Whom to trust: the broker of this machine by the authority in its data directory, others by the system's.

use std::path::{Path, PathBuf};

use vaux_client::TlsOptions;

use super::args::{TlsArgs, TlsVersion};
use super::transport::Target;

/// What certificates are checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// The files that the user named.
    Named,
    /// The authority of the broker on this machine.
    Local(PathBuf),
    /// The system's authorities, though it is this machine: there is no such file.
    LocalMissing(PathBuf),
    /// The system's authorities.
    System,
    /// Nothing is checked.
    Nobody,
}

impl Trust {
    /// The authority of the local broker is trusted for this machine only: that it is on this machine is all that it
    /// can vouch for.
    pub(super) fn new(tls: &TlsArgs, target: &Target, data_dir: Option<&Path>) -> Trust {
        if tls.insecure {
            return Trust::Nobody;
        }
        if tls.cafile.is_some() || tls.capath.is_some() {
            return Trust::Named;
        }
        match data_dir {
            Some(data_dir) if target.is_loopback() || is_own_name(&target.host) => {
                let authority = data_dir.join("tls").join("ca.pem");
                if authority.exists() { Trust::Local(authority) } else { Trust::LocalMissing(authority) }
            }
            _ => Trust::System,
        }
    }
}

/// The options of a TLS connection.
pub(super) fn tls_options(args: &TlsArgs, trust: &Trust) -> TlsOptions {
    let mut options = TlsOptions::new();
    match trust {
        Trust::Nobody => options = options.danger_accept_any_certificate(),
        Trust::Local(authority) => options = options.ca_file(authority),
        Trust::Named | Trust::LocalMissing(_) | Trust::System => {}
    }
    if let Some(file) = &args.cafile {
        options = options.ca_file(file);
    }
    if let Some(directory) = &args.capath {
        options = options.ca_directory(directory);
    }
    if let (Some(cert), Some(key)) = (&args.cert, &args.key) {
        options = options.client_certificate(cert, key);
    }
    if let Some(protocol) = &args.tls_alpn {
        options = options.alpn(protocol.as_str());
    }
    if args.tls_version == Some(TlsVersion::V13) {
        options = options.only_tls13();
    }
    options
}

fn is_own_name(host: &str) -> bool {
    vaux_broker::tls::host_name().is_some_and(|name| name.eq_ignore_ascii_case(host.trim_end_matches('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trust(host: &str, tls: &TlsArgs, data_dir: &Path) -> Trust {
        let target =
            Target { host: host.into(), port: 8883, unix_socket: None, tls: true, web_socket_path: None };
        Trust::new(tls, &target, Some(data_dir))
    }

    #[test]
    fn the_local_authority_is_trusted_for_this_machine_only() {
        let data_dir = tempfile::tempdir().unwrap();
        let authority = data_dir.path().join("tls/ca.pem");
        let tls = TlsArgs::default();
        assert_eq!(trust("localhost", &tls, data_dir.path()), Trust::LocalMissing(authority.clone()));
        std::fs::create_dir(data_dir.path().join("tls")).unwrap();
        std::fs::write(&authority, "").unwrap();
        assert_eq!(trust("localhost", &tls, data_dir.path()), Trust::Local(authority.clone()));
        assert_eq!(trust("::1", &tls, data_dir.path()), Trust::Local(authority.clone()));
        let own_name = vaux_broker::tls::host_name().unwrap();
        assert_eq!(trust(&own_name, &tls, data_dir.path()), Trust::Local(authority));
        assert_eq!(trust("broker.example", &tls, data_dir.path()), Trust::System);
        assert_eq!(trust("10.0.0.1", &tls, data_dir.path()), Trust::System);
    }

    #[test]
    fn what_the_user_names_comes_first() {
        let data_dir = tempfile::tempdir().unwrap();
        let named = TlsArgs { cafile: Some("ca.pem".into()), ..TlsArgs::default() };
        assert_eq!(trust("localhost", &named, data_dir.path()), Trust::Named);
        let insecure = TlsArgs { insecure: true, ..TlsArgs::default() };
        assert_eq!(trust("localhost", &insecure, data_dir.path()), Trust::Nobody);
    }
}
