//! A connection between a client and the broker: bytes under way in both directions.

use std::collections::VecDeque;

use super::*;

/// A connection, from the time that a client opens it.
#[derive(Debug)]
pub(super) struct Link {
    /// Whose it is.
    pub(super) client: usize,
    /// Worker and slot. `None` while it moves, and when the broker has given it up.
    pub(super) place: Option<(usize, u32)>,
    /// On their way to the broker.
    pub(super) to_server: VecDeque<u8>,
    /// Read by a worker and not used.
    pub(super) unused: Vec<u8>,
    /// On their way to the client.
    pub(super) to_client: VecDeque<u8>,
    /// How many bytes fit under way to the client.
    pub(super) capacity: usize,
    /// How many bytes the client sent, and how many of them core has used.
    pub(super) sent_bytes: u64,
    pub(super) used_bytes: u64,
    /// Its client had a CONNACK on it.
    pub(super) is_let_in: bool,
    /// The network failed, or the client closed.
    pub(super) is_cut: bool,
    /// The broker closes it when its outbox is written.
    pub(super) is_closing: bool,
    /// Nothing more fits under way to the client.
    pub(super) is_blocked: bool,
    /// When the broker gave it up.
    pub(super) given_up_at: Option<Time>,
}

impl Link {
    pub(super) fn new(client: usize, place: (usize, u32), capacity: usize) -> Link {
        Link {
            client,
            place: Some(place),
            to_server: VecDeque::new(),
            unused: Vec::new(),
            to_client: VecDeque::new(),
            capacity,
            sent_bytes: 0,
            used_bytes: 0,
            is_let_in: false,
            is_cut: false,
            is_closing: false,
            is_blocked: false,
            given_up_at: None,
        }
    }

    /// Cuts the connection: of what is under way, any part still arrives.
    pub(super) fn cut(&mut self, rng: &mut Rng) {
        self.is_cut = true;
        self.to_server.truncate(rng.usize(..=self.to_server.len()));
        self.to_client.truncate(rng.usize(..=self.to_client.len()));
    }

    /// Whether nothing more will come from the broker.
    pub(super) fn is_over(&self) -> bool {
        self.to_client.is_empty() && (self.is_cut || self.given_up_at.is_some())
    }
}
