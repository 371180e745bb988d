//! A message as the broker keeps it: what does not depend on who receives it.

use std::ops::Deref;

use arrayvec::ArrayVec;
use triomphe::ThinArc;
use vaux_mqtt::QoS;
use vaux_mqtt::packet::Publish;
use vaux_mqtt::property::{Properties, Property, PropertyId};

use crate::time::Time;

/// A message that is queued, retained, sent to several subscribers or to another worker. All clones are one message.
///
/// It lies in one piece: what a message costs that waits in a long queue is mostly how many places of memory have to be
/// fetched for it.
#[derive(Clone, Debug)]
pub struct Message(ThinArc<Head, u8>);

/// What a message is, apart from its bytes.
#[derive(Debug)]
pub struct Head {
    /// The number of the message, never used again.
    pub mid: u64,
    /// The session that published it, 0 for none.
    pub publisher: u64,
    /// When it is of no use any more.
    pub expires_at: Time,
    /// A payload too large to be copied twice. Any other stands behind topic and properties.
    large: Option<Box<Large>>,
    topic_len: u32,
    properties_len: u32,
    /// The QoS it was published with.
    pub qos: QoS,
    /// Whether it was published to be retained.
    pub retain: bool,
}

#[derive(Debug)]
struct Large(Box<[u8]>);

/// Topic, properties and payload of up to so many bytes are put together before memory is taken for them.
const SMALL_BYTES: usize = 1024;

impl Deref for Message {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.0.header.header
    }
}

/// A message on its way through core, borrowed from the packet that brought it or from a [`Message`].
///
/// The properties are those that are forwarded as they came: neither topic alias, nor subscription identifiers, nor
/// the expiry interval, which counts down.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// The session that published it, 0 for none.
    pub publisher: u64,
    /// The QoS it was published with.
    pub qos: QoS,
    /// Whether it was published to be retained.
    pub retain: bool,
    /// When it is of no use any more.
    pub expires_at: Time,
    /// The topic, with the mount of the publisher's listener in front.
    pub topic: &'a str,
    /// Properties that are forwarded, as bytes.
    pub properties: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
}

impl Message {
    /// Copies `content`.
    pub fn new(mid: u64, content: &Content<'_>) -> Message {
        let Content { topic, properties, payload, .. } = *content;
        let head = |large| Head {
            mid,
            publisher: content.publisher,
            expires_at: content.expires_at,
            large,
            topic_len: topic.len() as u32,
            properties_len: properties.len() as u32,
            qos: content.qos,
            retain: content.retain,
        };
        let parts = [topic.as_bytes(), properties, payload];
        let mut small = ArrayVec::<u8, SMALL_BYTES>::new();
        if parts.iter().all(|part| small.try_extend_from_slice(part).is_ok()) {
            return Message(ThinArc::from_header_and_slice(head(None), &small));
        }
        let large = Box::new(Large(payload.into()));
        Message(ThinArc::from_header_and_slice(head(Some(large)), &parts[..2].concat()))
    }

    /// What the message holds.
    pub fn content(&self) -> Content<'_> {
        self.content_with(std::str::from_utf8(self.topic()).expect("the topic was copied from a string"))
    }

    /// What the message holds, for those who have its topic as a string: to make one of its bytes takes longer than to
    /// compare them with the topic of the message before it.
    pub(crate) fn content_with<'a>(&'a self, topic: &'a str) -> Content<'a> {
        let rest = &self.0.slice[self.topic_len as usize..];
        let (properties, payload) = rest.split_at(self.properties_len as usize);
        Content {
            publisher: self.publisher,
            qos: self.qos,
            retain: self.retain,
            expires_at: self.expires_at,
            topic,
            properties,
            payload: self.large.as_ref().map_or(payload, |large| &large.0),
        }
    }

    /// The topic, as bytes.
    pub fn topic(&self) -> &[u8] {
        &self.0.slice[..self.topic_len as usize]
    }

    /// The payload.
    pub fn payload(&self) -> &[u8] {
        let payload = &self.0.slice[(self.topic_len + self.properties_len) as usize..];
        self.large.as_ref().map_or(payload, |large| &large.0)
    }

    /// Looks at the beginning and the end, so that both are in the processor's caches soon.
    pub(crate) fn touch(&self) {
        std::hint::black_box((self.mid, self.0.slice.last()));
    }

    /// What the message counts against limits of bytes: its own bytes and what keeps them.
    pub fn size_bytes(&self) -> usize {
        let large = self.large.as_ref().map_or(0, |large| large.0.len());
        Message::size_bytes_with(self.0.slice.len() + large)
    }

    /// What a message with so many bytes of its own counts.
    pub(crate) fn size_bytes_with(bytes: usize) -> usize {
        // How often it is shared, and how many bytes follow.
        2 * size_of::<usize>() + size_of::<Head>() + bytes
    }
}

impl Content<'_> {
    /// Seconds until the message expires, as they are forwarded: what was received minus whole seconds waited, at
    /// least 1. `None` when it never expires.
    pub fn expiry_interval(&self, now: Time) -> Option<u32> {
        if self.expires_at == Time::NEVER {
            return None;
        }
        let seconds = self.expires_at.ms_since(now).div_ceil(1000).max(1);
        Some(u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    /// Whether the message must not be sent any more.
    pub fn is_expired(&self, now: Time) -> bool {
        self.expires_at <= now
    }
}

/// The properties of `publish` that are forwarded unchanged, as bytes. Borrowed when all of them are; else copied to
/// `scratch` without the others.
pub(crate) fn forwarded_properties<'a>(publish: &Publish<'a>, scratch: &'a mut Vec<u8>) -> &'a [u8] {
    const NOT_FORWARDED: [PropertyId; 3] =
        [PropertyId::TopicAlias, PropertyId::SubscriptionIdentifier, PropertyId::MessageExpiryInterval];
    if publish.properties.is_empty() {
        return &[];
    }
    copy_properties(publish.properties, &NOT_FORWARDED, scratch)
}

/// The properties of a will that are forwarded unchanged.
pub(crate) fn will_properties(properties: Properties<'_>) -> Vec<u8> {
    const NOT_FORWARDED: [PropertyId; 2] = [PropertyId::WillDelayInterval, PropertyId::MessageExpiryInterval];
    copy_properties(properties, &NOT_FORWARDED, &mut Vec::new()).to_vec()
}

fn copy_properties<'a>(
    properties: Properties<'a>,
    left_out: &[PropertyId],
    scratch: &'a mut Vec<u8>,
) -> &'a [u8] {
    if let Some(wire) = properties.as_wire()
        && !left_out.iter().any(|id| properties.contains(*id))
    {
        return wire;
    }
    scratch.clear();
    let stays = |property: &Property<'_>| !left_out.contains(&property.id());
    properties.iter().filter(stays).for_each(|property| property.encode(scratch));
    scratch
}
