//! The messages in a capture of a network.
//!
//! What clients published is what happened; what the server delivered are copies of it. Only where no client published
//! anything, since the capture is one of a subscriber, are its deliveries the messages.

use std::collections::{HashMap, HashSet};
use std::io::Read;

use vaux_client::Message;
use vaux_mqtt::Sender;
use vaux_mqtt::frame::Frame;
use vaux_mqtt::packet::{Packet, Publish};

use super::{Origin, Record, lasting, line};
use crate::capture::{Capture, Captured, Event, Time};
use crate::cli_error::CliError;

/// The most that the messages of a capture may take: they are read before the first is published.
const MAX_BYTES: usize = 1 << 30;

/// What a message takes besides its topic and its payload, at least.
const MESSAGE_BYTES: usize = 128;

/// The messages of a capture.
#[derive(Debug, Default)]
pub(super) struct Messages {
    pub(super) origin: Origin,
    pub(super) records: Vec<Record>,
    /// How many messages are not whole, or cannot be understood without what came before.
    pub(super) cut: u64,
    pub(super) is_torn: bool,
}

/// Reads a capture to its end.
pub(super) fn read(input: Box<dyn Read + Send>, name: &str) -> Result<Messages, CliError> {
    let wrong = |why| CliError::Capture { name: name.to_owned(), why };
    let mut capture = Capture::of_file(input, None).map_err(wrong)?;
    let mut collector = Collector::default();
    while let Some(event) = capture.next().map_err(wrong)? {
        if let Event::Packet(packet) = event {
            collector.take(&packet);
        }
        if collector.bytes > MAX_BYTES {
            return Err(wrong("its messages take more than 1 GiB".to_owned()));
        }
    }
    Ok(collector.finish(capture.is_cut()))
}

/// Messages as they come out of a capture.
#[derive(Debug, Default)]
struct Collector {
    published: Vec<(Time, Message)>,
    delivered: Vec<(Time, Message)>,
    /// Host and port of the server of the first message.
    broker: Option<String>,
    cut: u64,
    bytes: usize,
    /// The names of clients by connection.
    clients: HashMap<usize, String>,
    /// Topics by connection, direction and alias.
    aliases: HashMap<(usize, bool, u16), String>,
    /// What was published with an acknowledgement, to know it when it comes again.
    seen: HashSet<(String, u16)>,
}

impl Collector {
    fn take(&mut self, captured: &Captured) {
        let Ok(Some(frame)) = Frame::split(&captured.bytes) else {
            // The type of PUBLISH, in the upper half of the first byte.
            self.cut += u64::from(captured.bytes.first().is_some_and(|byte| byte >> 4 == 3));
            return;
        };
        match Packet::decode(&frame, captured.version, captured.route.known_sender()) {
            Ok(Packet::Connect(connect)) if !connect.client_id.is_empty() => {
                self.clients.insert(captured.route.stream, connect.client_id.to_owned());
            }
            Ok(Packet::Publish(publish)) => self.take_publish(captured, &publish),
            _ => {}
        }
    }

    fn take_publish(&mut self, captured: &Captured, publish: &Publish<'_>) {
        let is_delivery = captured.route.sender == Sender::Server;
        let Some(topic) = self.topic(captured.route.stream, is_delivery, publish) else {
            self.cut += 1;
            return;
        };
        if !is_delivery && self.is_repeated(captured.route.stream, publish) {
            return;
        }
        if is_delivery && !self.published.is_empty() {
            return;
        }
        self.bytes += topic.len() + publish.payload.len() + MESSAGE_BYTES;
        let payload = publish.payload.to_vec();
        let Ok(mut message) = line::message(topic, payload, publish.qos.bits(), publish.retain) else {
            return;
        };
        message.properties = lasting(&publish.properties);
        self.broker.get_or_insert_with(|| captured.route.server.to_string());
        let messages = if is_delivery { &mut self.delivered } else { &mut self.published };
        messages.push((captured.time, message));
        if !is_delivery {
            self.delivered.clear();
        }
    }

    /// The topic, also where an alias stands for it; `None` when what it stands for was not captured.
    fn topic(&mut self, stream: usize, is_delivery: bool, publish: &Publish<'_>) -> Option<String> {
        let key = publish.properties.topic_alias().map(|alias| (stream, is_delivery, alias));
        match key {
            Some(key) if publish.topic.is_empty() => self.aliases.get(&key).cloned(),
            Some(key) => {
                self.aliases.insert(key, publish.topic.to_owned());
                Some(publish.topic.to_owned())
            }
            None => Some(publish.topic.to_owned()),
        }
    }

    /// Whether a client sends a message again that it sent before, perhaps on another connection.
    fn is_repeated(&mut self, stream: usize, publish: &Publish<'_>) -> bool {
        let Some(packet_id) = publish.packet_id else { return false };
        let client = self.clients.get(&stream).cloned();
        // No client is called so: there is a control character in it.
        let client = client.unwrap_or_else(|| format!("\0{stream}"));
        !self.seen.insert((client, packet_id.value())) && publish.dup
    }

    fn finish(self, is_torn: bool) -> Messages {
        let messages = if self.published.is_empty() { self.delivered } else { self.published };
        let first = messages.first().map_or(Time::Unknown, |(time, _)| *time);
        let since_first = |time: Time| match (time.us(), first.us()) {
            (Some(us), Some(first)) => u64::try_from(us.saturating_sub(first)).unwrap_or_default(),
            _ => 0,
        };
        let start = if let Time::Known(start) = first { Some(start) } else { None };
        let records =
            messages.into_iter().map(|(time, message)| Record { us: since_first(time), message }).collect();
        Messages { origin: Origin { start, broker: self.broker }, records, cut: self.cut, is_torn }
    }
}
