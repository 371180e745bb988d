//! What was published, and what became of it as far as its publisher knows.

use super::*;

/// All messages, by their numbers.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) publications: Vec<Publication>,
}

/// A message.
#[derive(Clone, Debug)]
pub(super) struct Publication {
    pub(super) publisher: usize,
    pub(super) topic: String,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    /// The payload that it is known by; none, when it removes a retained message.
    pub(super) payload: String,
    pub(super) has_property: bool,
    pub(super) expiry_s: Option<u32>,
    pub(super) is_will: bool,
    /// When it was first sent; a will counts from the loss of its client.
    pub(super) sent_at: Time,
    /// Behind which byte of which link it stood when it was last sent.
    pub(super) end: (usize, u64),
    /// When core had read it for the first time.
    pub(super) handled_at: Option<Time>,
    /// How often its publisher sent it.
    pub(super) sends: usize,
    pub(super) outcome: Outcome,
}

/// What a publisher knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing. It may have arrived.
    Open,
    /// It is in safe hands.
    Acknowledged,
    /// It was refused, and was sent once.
    Refused,
    /// A will that was taken back, while this incarnation of the broker ran.
    Discarded(u32),
}

impl Ledger {
    /// Adds a message and gives it its payload, which is large in some.
    pub(super) fn add(&mut self, mut publication: Publication, rng: &mut Rng) -> usize {
        let number = self.publications.len();
        if !publication.payload.is_empty() {
            let padding = if rng.u8(..8) == 0 { 1100 } else { rng.usize(..20) };
            publication.payload = format!("{number}:{}", "x".repeat(padding));
        }
        self.publications.push(publication);
        number
    }

    /// The message with this payload, if there is one.
    pub(super) fn find(&self, payload: &str) -> Option<usize> {
        let (number, _) = payload.split_once(':')?;
        let number: usize = number.parse().ok()?;
        (self.publications.get(number)?.payload == payload).then_some(number)
    }

    /// The messages that a publisher retained at a topic, oldest first.
    pub(super) fn retained_at<'a>(
        &'a self,
        topic: &'a str,
    ) -> impl Iterator<Item = (usize, &'a Publication)> {
        let is_there = move |publication: &Publication| publication.retain && publication.topic == topic;
        self.publications.iter().enumerate().filter(move |(_, publication)| is_there(publication))
    }

    /// The last acknowledged message that was retained at a topic.
    pub(super) fn last_acknowledged_at(&self, topic: &str) -> Option<usize> {
        let acknowledged = |publication: &Publication| publication.outcome == Outcome::Acknowledged;
        self.retained_at(topic).filter(|(_, one)| acknowledged(one)).map(|(number, _)| number).last()
    }
}
