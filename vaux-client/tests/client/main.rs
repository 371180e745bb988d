//! The client against a scripted server on a real socket.

mod authenticating;
mod connecting;
mod publishing;
mod reconnecting;
mod server;
mod subscribing;
mod tls;
