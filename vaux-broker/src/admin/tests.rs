//! The server through real sockets, with a broker that answers what the test wants.

mod http;
mod monitoring;
mod openapi;
mod requests;
mod sockets;
