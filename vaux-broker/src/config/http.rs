//! Where operators and their tools look into the broker by HTTP.

use std::path::PathBuf;

use super::Bind;
use super::listener::check_host;

/// Health, metrics and the API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpConfig {
    /// The address and port. `None`: there is none of it.
    pub bind: Option<Bind>,
    /// Holds the token that requests to the API present. `None`: there is no API.
    pub token_file: Option<PathBuf>,
    /// Names of this host, beside `localhost`, the host's own and that of `bind`, that requests may ask for. Addresses
    /// need not be named.
    pub allowed_hosts: Vec<String>,
}

/// What is wrong with a name that requests may ask for.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    check_host(name).map(drop).map_err(|problem| format!("must list names of this host: {problem}"))
}
