//! MQTT in captures of a network: files of tcpdump and Wireshark, and what tcpdump prints.
//!
//! Frames go in, packets of MQTT come out, each with its connection, its direction and its time, in the order in which
//! they became whole. In between stand the layers of the network, one file each: `file` and `text` give frames, `link`
//! finds the TCP segment in a frame, `assembly` puts the segments of one direction in order, `content` tells what a
//! connection carries, `websocket` takes MQTT out of WebSocket, `packets` cuts a stream into packets. `connection`
//! joins them for both directions, `connections` for all connections.
//!
//! A capture may be larger than the memory, and may never end: what is held is limited everywhere.

mod assembly;
mod connection;
mod connections;
mod content;
mod file;
mod link;
mod packets;
mod source;
mod text;
mod time;
mod websocket;

#[cfg(test)]
mod tests;

pub(crate) use connection::{Captured, Event, Note};
pub(crate) use connections::Counts;
pub(crate) use file::is_capture;
pub(crate) use packets::VersionFrom;
pub(crate) use source::Capture;
pub(crate) use text::looks_like_frames;
pub(crate) use time::Time;

/// The largest packet that is explained; of a larger one the beginning is.
const MAX_PACKET_BYTES: usize = 16 << 20;
