//! Reading messages one packet after the other, in a run that has nothing else to do.

use std::io::{ErrorKind, Read};

use vaux_mqtt::frame::Frame;
use vaux_mqtt::packet::Publish;
use vaux_mqtt::{Packet, Sender, Version};

use super::connection::READ_BUFFER_BYTES;
use crate::Outcome;

/// What has been read of a connection.
pub(super) struct Inflow {
    version: Version,
    buffer: Vec<u8>,
    /// How much of the buffer is the beginning of a packet.
    kept: usize,
}

impl Inflow {
    pub(super) fn new(version: Version) -> Inflow {
        Inflow { version, buffer: vec![0; READ_BUFFER_BYTES], kept: 0 }
    }

    /// Waits until there is something and hands each message to `handle`. Other packets are of no interest. False when
    /// nothing comes for as long as the connection waits for an answer.
    ///
    /// # Errors
    ///
    /// The connection has ended, or `handle` failed.
    pub(super) fn read(
        &mut self,
        stream: &mut impl Read,
        mut handle: impl FnMut(&Publish<'_>) -> Outcome,
    ) -> Outcome<bool> {
        let count = match stream.read(&mut self.buffer[self.kept..]) {
            Ok(0) => return Err("the broker closed the connection of a subscriber".into()),
            Ok(count) => count,
            // A socket whose time is up reports one or the other.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok(false);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(true),
            Err(error) => return Err(format!("a connection broke: {error}").into()),
        };
        let filled = self.kept + count;
        let mut used = 0;
        while let Some(frame) = Frame::split(&self.buffer[used..filled])? {
            used += frame.bytes().len();
            if let Packet::Publish(publish) = Packet::decode(&frame, self.version, Sender::Server)? {
                handle(&publish)?;
            }
        }
        self.buffer.copy_within(used..filled, 0);
        self.kept = filled - used;
        Ok(true)
    }
}
