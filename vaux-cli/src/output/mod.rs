//! What people and programs see: packets as text and as JSON, payloads as hex, colours.

pub(crate) mod color;
pub(crate) mod json;
pub(crate) mod packet_json;
pub(crate) mod text;
