//! Who is let in and what they may do, through real sockets.
#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod client;
mod every_file;
mod fails_closed;
mod hooks;
mod matrix;
mod mutual_tls;
mod passwords;
mod scram;
mod service;
mod serving;
mod tokens;
mod web;
