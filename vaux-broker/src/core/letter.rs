//! What workers send each other, gathered into one parcel for each worker and turn.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use vaux_mqtt::QoS;

use super::deliver::Publication;
use super::shared_subscription::terms_of;
use super::tour::Tour;
use super::{Core, Effect, LANE_LOW_BYTES, WorkerId};
use crate::message::{Content, Message};
use crate::router::cache::Matched;
use crate::router::interest::GroupKey;
use crate::store::Record;
use crate::time::Time;

/// Letters of one turn for one worker, in their order.
#[derive(Debug, Default)]
pub struct Parcel {
    letters: Vec<Letter>,
    /// The topics of small messages, one behind the other, and each once for those who follow one another.
    topics: String,
    /// What else they hold, one behind the other: one copy for each worker, no allocation for each message.
    bytes: Vec<u8>,
    size_bytes: usize,
}

/// What one worker tells another.
#[derive(Debug)]
pub enum Letter {
    /// A message for all who subscribed there, its bytes in the parcel.
    Small(Small),
    /// A message for all who subscribed there that is large, or kept for somebody here already.
    Message(Message),
    /// The same, and these sessions are recorded to get it.
    Recorded(Message, Box<[u64]>),
    /// A message for a member of a shared subscription.
    Picked(Box<Picked>),
    /// A member of these shared subscriptions has come online: offline members give up what waits for them.
    MemberOnline {
        /// The session that holds messages back.
        holder: u64,
    },
    /// An errand that comes by.
    Tour(Box<Tour>),
    /// Somebody has subscribed below `$SYS/`.
    Watcher,
}

/// A message whose bytes are in the parcel.
#[derive(Clone, Copy, Debug)]
pub struct Small {
    publisher: u64,
    qos: QoS,
    retain: bool,
    expires_at: Time,
    topic_start: u32,
    topic_len: u32,
    start: u32,
    properties_len: u32,
    payload_len: u32,
}

/// A message that a member of a shared subscription is to get.
#[derive(Debug)]
pub struct Picked {
    /// The message.
    pub message: Message,
    /// The member.
    pub sid: u64,
    /// The shared subscription.
    pub group: Arc<GroupKey>,
    /// The QoS that was granted to it.
    pub qos: QoS,
    /// Whether the message keeps its RETAIN flag.
    pub retain_as_published: bool,
    /// Its subscription identifier, 0 for none.
    pub identifier: u32,
    /// Whether this is the second choice already.
    pub is_repicked: bool,
    /// Whether it is recorded that the member is to get it.
    pub is_recorded: bool,
}

/// Emptied parcels on their way back from those who read them to those who fill them: a worker that only sends would
/// otherwise make new ones for ever, and have them grow from nothing.
#[derive(Debug, Default)]
pub(super) struct SpareParcels(Mutex<Vec<Parcel>>);

impl SpareParcels {
    fn take(&self) -> Parcel {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give(&self, mut parcel: Parcel) {
        const MAX_PARCELS: usize = 16;
        const MAX_BYTES: usize = 1 << 20;
        let bytes = parcel.topics.capacity() + parcel.bytes.capacity();
        let is_small = bytes + parcel.letters.capacity() * size_of::<Letter>() <= MAX_BYTES;
        parcel.letters.clear();
        parcel.topics.clear();
        parcel.bytes.clear();
        parcel.size_bytes = 0;
        let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if is_small && spare.len() < MAX_PARCELS {
            spare.push(parcel);
        }
    }
}

impl Picked {
    /// The sessions that are recorded to get it.
    pub(super) fn recorded(&self) -> &[u64] {
        if self.is_recorded { std::slice::from_ref(&self.sid) } else { &[] }
    }
}

impl Parcel {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    /// The bytes of messages in it.
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    pub(super) fn push(&mut self, letter: Letter) {
        self.size_bytes += match &letter {
            Letter::Message(message) => message.size_bytes(),
            Letter::Recorded(message, sids) => message.size_bytes() + size_of_val(&**sids),
            Letter::Picked(picked) => picked.message.size_bytes(),
            Letter::Small(_) | Letter::MemberOnline { .. } | Letter::Tour(_) | Letter::Watcher => {
                size_of::<Letter>()
            }
        };
        self.letters.push(letter);
    }

    pub(super) fn push_content(&mut self, content: &Content<'_>) {
        let small = Small {
            publisher: content.publisher,
            qos: content.qos,
            retain: content.retain,
            expires_at: content.expires_at,
            topic_start: self.push_topic(content.topic) as u32,
            topic_len: content.topic.len() as u32,
            start: self.bytes.len() as u32,
            properties_len: content.properties.len() as u32,
            payload_len: content.payload.len() as u32,
        };
        self.bytes.extend_from_slice(content.properties);
        self.bytes.extend_from_slice(content.payload);
        self.size_bytes += content.topic.len() + content.properties.len() + content.payload.len();
        self.push(Letter::Small(small));
    }

    /// Where in [`Parcel::topics`] the topic of the next message stands.
    fn push_topic(&mut self, topic: &str) -> usize {
        if let Some(Letter::Small(last)) = self.letters.last()
            && self.topic(last) == topic
        {
            return last.topic_start as usize;
        }
        let start = self.topics.len();
        self.topics.push_str(topic);
        start
    }

    fn topic(&self, small: &Small) -> &str {
        &self.topics[small.topic_start as usize..][..small.topic_len as usize]
    }

    fn content(&self, small: &Small) -> Content<'_> {
        let (properties, rest) = self.bytes[small.start as usize..].split_at(small.properties_len as usize);
        Content {
            publisher: small.publisher,
            qos: small.qos,
            retain: small.retain,
            expires_at: small.expires_at,
            topic: self.topic(small),
            properties,
            payload: &rest[..small.payload_len as usize],
        }
    }
}

impl Core {
    /// Takes the parcel for a worker, counting it as under way. `None` when there is nothing for it.
    pub fn take_parcel(&mut self, worker: WorkerId) -> Option<Parcel> {
        let parcel = &mut self.lanes[usize::from(worker.0)];
        if parcel.is_empty() {
            return None;
        }
        let parcel = std::mem::replace(parcel, self.shared.spare_parcels.take());
        self.shared.lane(self.worker, worker).fetch_add(parcel.size_bytes, Ordering::Relaxed);
        Some(parcel)
    }

    /// Handles a parcel of another worker.
    pub fn handle_parcel(&mut self, now: Time, from: WorkerId, mut parcel: Parcel) {
        let mut letters = std::mem::take(&mut parcel.letters);
        for letter in letters.drain(..) {
            match &letter {
                Letter::Small(small) => {
                    let mut publication = Publication::new(parcel.content(small));
                    self.deliver_forwarded(now, &mut publication);
                }
                Letter::Message(message) => {
                    self.deliver_forwarded(now, &mut Publication::of(message));
                }
                Letter::Recorded(message, sids) => {
                    let mut publication = Publication::of(message).recorded_for(sids);
                    self.deliver_forwarded(now, &mut publication);
                }
                Letter::Picked(picked) => self.handle_picked(now, picked),
                Letter::MemberOnline { holder } => {
                    if let Some(session) = self.sessions.of_sid(*holder) {
                        self.repick_of(now, session);
                    }
                }
                Letter::Watcher => self.handle_watcher(now),
                Letter::Tour(_) => {
                    if let Letter::Tour(tour) = letter {
                        self.handle_tour(now, tour);
                    }
                }
            }
        }
        parcel.letters = letters;
        self.shared.lane(from, self.worker).fetch_sub(parcel.size_bytes, Ordering::Relaxed);
        self.shared.spare_parcels.give(parcel);
    }

    /// Lets publishers go on when their lanes and the store have drained.
    pub fn release_paused(&mut self, now: Time) {
        if self.paused.is_empty() || self.is_store_behind || !self.are_lanes_low() {
            return;
        }
        for id in std::mem::take(&mut self.paused) {
            let Some(slot) = self.slot_of(id) else { continue };
            let connection = &mut self.connections[slot as usize];
            connection.is_paused = false;
            // Nothing could be heard from it meanwhile.
            connection.last_received = now;
            self.watch(slot);
            self.effects.push_back(Effect::Resume(slot));
        }
    }

    /// Whether publishers wait for lanes or the store to drain: then [`Core::release_paused`] is to be called again soon.
    pub fn has_paused(&self) -> bool {
        !self.paused.is_empty()
    }

    fn are_lanes_low(&self) -> bool {
        (0..self.shared.workers)
            .all(|to| self.shared.lane(self.worker, WorkerId(to)).load(Ordering::Relaxed) < LANE_LOW_BYTES)
    }

    fn deliver_forwarded(&mut self, now: Time, publication: &mut Publication<'_>) {
        let matched = self.matched(publication.content.topic);
        publication.is_last = matched.local.len() == 1 && publication.recorded.is_empty();
        self.deliver_here(now, publication, &matched);
        if !publication.recorded.is_empty() {
            self.drop_unwanted(publication, &matched);
        }
    }

    /// Sessions that unsubscribed or ended before a message for them came: that it was to come is forgotten.
    fn drop_unwanted(&mut self, publication: &mut Publication<'_>, matched: &Matched) {
        let mid = publication.share(&self.shared).mid;
        for &sid in publication.recorded {
            let session = self.sessions.of_sid(sid);
            if !session.is_some_and(|session| matched.local.iter().any(|target| target.session == session)) {
                self.recorder.record(|| Record::Delivered { sid, mid });
            }
        }
    }

    fn handle_picked(&mut self, now: Time, picked: &Picked) {
        let Some(session) = self.sessions.of_sid(picked.sid) else {
            return self.repick(now, picked);
        };
        let state = &self.sessions[session];
        let is_allowed = self.may_receive(session, picked.message.content().topic);
        if (state.connection().is_none() || !is_allowed) && !picked.is_repicked {
            return self.repick(now, picked);
        }
        let terms = terms_of(picked.qos, picked.retain_as_published, picked.identifier);
        self.frames.clear();
        let recorded = picked.recorded();
        let mut publication = Publication::of(&picked.message).recorded_for(recorded);
        self.deliver(now, &mut publication, session, &terms, Some(&picked.group), is_allowed);
        if self.sessions[session].connection().is_none() {
            // Who came online while it was on its way did not see that it would wait here.
            self.repick_of(now, session);
        }
    }
}
