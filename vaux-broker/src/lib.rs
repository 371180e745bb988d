//! An MQTT 5.0, 3.1.1 and 3.1 broker: a library, and the `vaux-broker` program.
//!
//! - [`config`]: what can be set, its defaults and limits, the configuration file.
//! - [`auth`]: password files: who may connect.
//! - [`tls`]: the local certificate authority and what rustls needs to serve a listener.
//! - [`Broker`]: the broker itself; [`Hooks`] are what a program that embeds it may decide and be told.
//!   `examples/embedded.rs` is such a program.
//! - [`program`] (feature `program`): command line, data directory, log, signals and exit codes.

mod admin;
pub mod auth;
pub mod authenticate;
mod broker;
mod clock;
pub mod config;
pub mod core;
mod identity;
mod measure;
pub mod message;
pub mod observe;
pub mod operator;
mod peer;
#[cfg(feature = "program")]
pub mod program;
mod rate;
mod retained;
pub mod rights;
pub mod router;
pub mod session;
mod shard;
mod slots;
pub mod store;
mod sync;
pub mod time;
pub mod tls;
mod transport;

pub use admin::TokenError;
pub use authenticate::Authenticate;
pub use broker::{BoundAddress, Broker, Hooks, ListenerAddress, Recovered, StartError};
pub use observe::Observe;
pub use peer::Peer;
pub use rights::Authorize;
pub use shard::{Reply, StepReply};
pub use time::Time;
