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
