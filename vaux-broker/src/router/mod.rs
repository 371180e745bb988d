//! Which subscriptions a topic matches: plain data, without I/O.
//!
//! [`FilterMap`] finds the filters that match a topic. Each worker keeps one for its own sessions ([`local`]), all
//! workers share one that says where else subscribers are ([`interest`]). What a topic matched is remembered in a
//! cache ([`cache`]) until an epoch says that something changed.

pub mod cache;
mod filter_map;
pub mod interest;
pub mod local;

pub use filter_map::FilterMap;
