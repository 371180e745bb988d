//! The state machines of the protocol, used by broker and client alike.
//!
//! What outlives a connection (messages under way, packet identifiers) and what does not (windows, aliases) is kept
//! apart: `begin_connection` starts a new connection on old state. Time is a number of milliseconds that the caller
//! passes in.

#[cfg(feature = "client")]
pub mod client;
pub mod inbound;
pub mod keep_alive;
pub mod outbound;
pub mod topic_alias;

pub use inbound::{Inbound, Receipt};
pub use keep_alive::{ClientKeepAlive, KeepAliveAction, server_deadline_ms};
pub use outbound::{InFlight, Outbound, PubRecOutcome, Resend, SendState};
pub use topic_alias::{InboundAliases, OutboundAlias, OutboundAliases};
