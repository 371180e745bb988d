//! Pages: parts of long queues, on their way from the store into memory.

use crate::session::Delivery;

/// Messages of a queue that are to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// The session whose queue it is.
    pub sid: u64,
    /// The numbers of the messages, in the order of the queue.
    pub mids: Vec<u64>,
}

/// What was read.
#[derive(Clone, Debug)]
pub struct Page {
    /// The session whose queue it is.
    pub sid: u64,
    /// The messages that were asked for, in the same order. `None`: it cannot be read.
    pub deliveries: Vec<(u64, Option<Delivery>)>,
}
