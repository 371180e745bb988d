//! What comes through real sockets that should not, or not so: the broker stays up, stays small, and serves others.
#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod abuse;
mod descriptors;
mod harness;
mod healthy;
mod limits;
mod malformed;
#[cfg(target_os = "linux")]
mod memory;
mod program;
mod proxy;
mod reload;
mod survival;
mod tls_stalls;
mod unix_socket;
mod web_socket;
