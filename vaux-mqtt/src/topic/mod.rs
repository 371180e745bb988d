//! Topic names and topic filters: what is valid, and what matches what.

mod filter;
mod name;

pub use filter::{SharedFilter, TopicFilter};
pub use name::TopicName;
pub(crate) use name::wildcard;

/// The levels of a topic name or filter, split at `/`. Empty levels count.
pub fn levels(text: &str) -> core::str::Split<'_, char> {
    text.split('/')
}

/// The same as bytes, for whoever only compares them.
pub fn level_bytes(text: &str) -> impl Iterator<Item = &[u8]> {
    // No other character has this byte in it.
    text.as_bytes().split(|byte| *byte == b'/')
}
