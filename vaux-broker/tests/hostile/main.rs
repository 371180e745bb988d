//! What comes through real sockets that should not, or not so: the broker stays up, stays small, and serves others.
#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod harness;
mod limits;
mod proxy;
mod survival;
mod unix_socket;
