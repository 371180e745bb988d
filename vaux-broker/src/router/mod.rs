//! Which subscriptions a topic matches: plain data, without I/O.
//!
//! [`FilterMap`] finds the filters that match a topic. All workers share one, which says where subscribers are
//! ([`interest`]); who of its own sessions subscribed, each worker keeps for itself ([`local`]). What a topic matched is
//! remembered in a cache ([`cache`]) until an epoch says that something changed.

pub mod cache;
mod filter_map;
pub mod interest;
pub mod local;

pub use filter_map::{FilterId, FilterMap, Search};
