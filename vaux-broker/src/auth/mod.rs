//! Who clients are and what they may do, by the files that the configuration names.
//!
//! [`Users`] answers who a client is, [`AccessLists`] what it may do. [`Users`] hashes passwords and asks services on
//! threads of its own, and knows again who was let in.
//! A file is read whole and checked before any of it counts: what is absent, cannot be read or has a mistake lets
//! nobody in. Nothing here knows of sessions or sockets.

mod access;
mod acl;
mod cache;
mod digest;
mod file;
mod hash;
mod http;
mod jwt;
mod password_file;
mod proof;
mod scram;
mod sources;
mod threads;
mod throttle;
mod users;

pub use access::AccessLists;
pub use acl::{Acl, Decision};
pub use file::FileError;
pub use hash::PasswordHash;
pub(crate) use http::http_descriptors;
pub use password_file::{Credentials, PasswordFile, check_user_name, remove_user, set_password};
pub use scram::ScramKeys;
pub use sources::Sources;
pub use users::Users;

/// Bytes that nobody can foresee.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has random numbers, or nothing here is safe");
    bytes
}
