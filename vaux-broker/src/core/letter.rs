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
    /// Messages for all who subscribed there, their bytes in the parcel.
    Small(Alike),
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
    /// The broker stops, and the worker has published all that it had to.
    NothingMore,
}

/// Messages that follow each other and differ in their properties and payloads only. What a publisher sends at once is
/// mostly so, and what is the same for all of them is then looked up once.
#[derive(Clone, Copy, Debug)]
pub struct Alike {
    publisher: u64,
    expires_at: Time,
    qos: QoS,
    retain: bool,
    topic_start: u32,
    topic_len: u32,
    /// Where the first of them stands in [`Parcel::bytes`], the others behind it.
    start: u32,
    count: u32,
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
            Letter::Small(_)
            | Letter::MemberOnline { .. }
            | Letter::Tour(_)
            | Letter::Watcher
            | Letter::NothingMore => size_of::<Letter>(),
        };
        self.letters.push(letter);
    }

    pub(super) fn push_content(&mut self, content: &Content<'_>) {
        let start = self.bytes.len();
        push_part(&mut self.bytes, content.properties);
        push_part(&mut self.bytes, content.payload);
        self.size_bytes += self.bytes.len() - start;
        if let Some(Letter::Small(last)) = self.letters.last_mut()
            && last.is_like(content, &self.topics)
        {
            last.count += 1;
            return;
        }
        let alike = Alike {
            publisher: content.publisher,
            expires_at: content.expires_at,
            qos: content.qos,
            retain: content.retain,
            topic_start: self.topics.len() as u32,
            topic_len: content.topic.len() as u32,
            start: start as u32,
            count: 1,
        };
        self.topics.push_str(content.topic);
        self.size_bytes += content.topic.len();
        self.push(Letter::Small(alike));
    }

    /// The messages of a letter, in their order.
    fn contents<'a>(&'a self, alike: &Alike) -> impl Iterator<Item = Content<'a>> {
        let all = Content {
            publisher: alike.publisher,
            qos: alike.qos,
            retain: alike.retain,
            expires_at: alike.expires_at,
            topic: alike.topic(&self.topics),
            properties: &[],
            payload: &[],
        };
        let mut rest = &self.bytes[alike.start as usize..];
        (0..alike.count).map(move |_| {
            let (properties, behind) = split_part(rest);
            let (payload, behind) = split_part(behind);
            rest = behind;
            Content { properties, payload, ..all }
        })
    }
}

impl Alike {
    /// Whether this message can be one of them.
    fn is_like(&self, content: &Content<'_>, topics: &str) -> bool {
        self.publisher == content.publisher
            && self.expires_at == content.expires_at
            && self.qos == content.qos
            && self.retain == content.retain
            && self.topic(topics) == content.topic
    }

    fn topic<'a>(&self, topics: &'a str) -> &'a str {
        &topics[self.topic_start as usize..][..self.topic_len as usize]
    }
}

/// Appends the properties or the payload of a message, with the length in front.
fn push_part(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(&(part.len() as u32).to_ne_bytes());
    bytes.extend_from_slice(part);
}

/// What [`push_part`] appended, and what stands behind it.
fn split_part(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (len, behind) = bytes.split_first_chunk().expect("a part begins with its length");
    behind.split_at(u32::from_ne_bytes(*len) as usize)
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
                Letter::Small(alike) => self.deliver_alike(now, &parcel, alike),
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
                Letter::NothingMore => self.handle_nothing_more(now),
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

    fn deliver_alike(&mut self, now: Time, parcel: &Parcel, alike: &Alike) {
        let matched = self.matched(alike.topic(&parcel.topics));
        for content in parcel.contents(alike) {
            let mut publication = Publication::new(content);
            publication.is_last = matched.local.len() == 1;
            self.deliver_here(now, &mut publication, &matched);
        }
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
        let mid = publication.share(&mut self.numbers).mid;
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
