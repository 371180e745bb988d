//! What a TLS listener needs: its certificate and key, either from files that the operator names or from the local
//! authority of the data directory, which clients it lets in by theirs, and the rustls configuration made of all this.
//!
//! Connections are not made here.

mod authority;
mod by_name;
mod client_auth;
mod error;
mod files;
mod issue;
mod names;
mod server_config;

#[cfg(test)]
mod tests;

pub(crate) use client_auth::{certificate_common_name, is_accepted, user_name};
pub(crate) use issue::provider;

pub use authority::{Authority, ServerCertificate};
pub use error::TlsError;
pub use names::{ServedNames, host_name};
pub(crate) use names::{is_address_or_localhost, without_brackets};
pub use server_config::{ServerTls, server_config};
