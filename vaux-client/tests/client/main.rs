//! The client against a scripted server on a real socket.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod acknowledging;
mod authenticating;
mod blocking;
mod connecting;
mod offline;
mod proxy;
mod publishing;
mod reconnecting;
mod server;
mod subscribing;
mod tls;
mod web_socket;
