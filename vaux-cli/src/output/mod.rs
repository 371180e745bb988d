//! What people and programs see: packets as text and as JSON, payloads as hex, colours.

pub(crate) mod color;
pub(crate) mod format;
pub(crate) mod hex;
pub(crate) mod json;
pub(crate) mod message;
mod message_json;
pub(crate) mod packet_json;
pub(crate) mod screen;
mod sparkplug;
pub(crate) mod talk;
pub(crate) mod text;
