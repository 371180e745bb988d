//! MQTT 3.1, 3.1.1 and 5.0 without I/O: the wire format and the protocol's state machines.
//!
//! Bytes go in and borrowed packets come out; packets go in and bytes come out. Nothing here opens a socket, reads
//! a clock or spawns a task, so that a broker, a client, a decoder, a simulator and a fuzzer run the same code.
//!
//! - [`Packet`] and the types in [`packet`]: one type per control packet, for all versions; [`Version`] is an
//!   argument. Decoding borrows from the frame and never allocates.
//!   Encoding trusts the packet; `check` says beforehand whether it can be written as it is.
//! - [`frame::Frame::split`] finds the next packet in a buffer.
//! - [`topic`]: names, filters, shared subscriptions.
//! - [`protocol`] (feature `alloc`): packet identifiers, send window, receive set, topic aliases, keep alive, and the
//!   client's connection as a machine.
//! - `explain` (feature `explain`): a packet byte by byte, for people.
//! - [`error::Error`]: what was wrong, at which byte, under which statement of the specification.
//!
//! # Example
//!
//! ```
//! use vaux_mqtt::{Packet, Sender, Version, frame::Frame};
//!
//! let bytes = [0x30, 0x07, 0x00, 0x03, b'a', b'/', b'b', 0x00, b'x'];
//! let frame = Frame::split(&bytes)?.expect("the packet is whole");
//! let Packet::Publish(publish) = Packet::decode(&frame, Version::V5, Sender::Any)? else { panic!() };
//! assert_eq!((publish.topic, publish.payload), ("a/b", &b"x"[..]));
//! # Ok::<(), vaux_mqtt::Error>(())
//! ```
//!
//! # Features
//!
//! `client` and `server` (both on by default) select which side's code is built: a client encodes CONNECT and decodes
//! CONNACK, a server the reverse. `alloc` adds what needs an allocator, `std` adds nothing but `std::error::Error`
//! for older bounds, `bytes` encodes into `BytesMut`, `explain` names every byte of a packet.
#![no_std]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod error;
#[cfg(feature = "explain")]
pub mod explain;
pub mod frame;
pub mod packet;
pub mod property;
#[cfg(feature = "alloc")]
pub mod protocol;
mod reader;
pub mod reason;
mod string;
pub mod topic;
mod varint;
mod version;
pub mod writer;

pub use error::Error;
pub use packet::{Packet, PacketId, Sender};
pub use reason::ReasonCode;
pub use version::{QoS, Version};
