//! Memory for the payloads of messages that arrive.
//!
//! Small payloads share blocks, which saves an allocation for each. A block is small, so that an application which
//! keeps one message out of many does not keep much else with it; and a large payload has its own memory.

use bytes::{Bytes, BytesMut};

/// How large a block is.
const BLOCK_BYTES: usize = 4096;

/// Larger payloads have their own memory.
const SHARED_MAX: usize = 512;

/// Memory for payloads.
#[derive(Debug, Default)]
pub(super) struct Payloads {
    /// What is left of the block.
    block: BytesMut,
}

impl Payloads {
    /// A copy of a payload.
    pub(super) fn copy(&mut self, payload: &[u8]) -> Bytes {
        if payload.is_empty() {
            return Bytes::new();
        }
        if payload.len() > SHARED_MAX {
            return Bytes::copy_from_slice(payload);
        }
        if self.block.capacity() < payload.len() {
            self.block = BytesMut::with_capacity(BLOCK_BYTES);
        }
        self.block.extend_from_slice(payload);
        self.block.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_of_any_length_are_copied_and_small_ones_share_a_block() {
        let mut payloads = Payloads::default();
        for len in [0, 1, 64, SHARED_MAX, SHARED_MAX + 1, 2 * BLOCK_BYTES] {
            let payload = vec![len as u8; len];
            let copies: Vec<_> = (0..20).map(|_| payloads.copy(&payload)).collect();
            assert!(copies.iter().all(|copy| copy == &payload));
        }
        let (first, second) = (payloads.copy(&[1; 8]), payloads.copy(&[2; 8]));
        assert_eq!(first.as_ptr() as usize + 8, second.as_ptr() as usize);
    }
}
