//! One client: its connection, and the session that it keeps from one connection to the next.
//!
//! The protocol is done by the machine of `vaux-mqtt`: it sends again with DUP what was not acknowledged, and knows a
//! repeated message with QoS 2 by its packet identifier. What happened is handed out as [`Heard`].

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;

use mio::Registry;
use vaux_mqtt::packet::{Connect, Publish, Subscription, SubscriptionOptions, Will};
use vaux_mqtt::property::{Properties, Property};
use vaux_mqtt::protocol::client::{Client, Event, Outgoing, Session, Settings};
use vaux_mqtt::{PacketId, QoS, ReasonCode, Version};

use crate::Outcome;
use crate::load::connection::Connection;

/// A client.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) settings: Connecting,
    link: Option<Link>,
    session: Session<Message>,
    /// What the broker has to say about the session.
    pub(super) presence: Presence,
    /// How many connections there were.
    pub(super) connection: u32,
}

/// What a client's CONNECT says.
#[derive(Clone, Debug)]
pub(super) struct Connecting {
    pub(super) version: Version,
    /// How long the session is kept, in seconds. 0: it ends with the connection, and begins anew with the next.
    /// Before version 5.0 a session is kept without end or not at all.
    pub(super) expiry_s: u32,
    pub(super) receive_maximum: u16,
    pub(super) will: Option<Testament>,
    /// How long the client takes to acknowledge a message, in milliseconds.
    pub(super) answer_ms: u64,
}

/// A will.
#[derive(Clone, Debug)]
pub(super) struct Testament {
    pub(super) topic: Rc<str>,
    pub(super) qos: QoS,
    pub(super) payload: Vec<u8>,
    pub(super) delay_s: u32,
    pub(super) retain: bool,
}

/// What is known about whether the broker has the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Absent,
    Present,
    /// CONNECT was sent, and no answer came.
    Unknown,
}

#[derive(Debug)]
struct Link {
    connection: Connection,
    client: Client<Message>,
    /// Answers to messages, and when each is due.
    answers: VecDeque<(u64, QoS, PacketId)>,
}

/// A message of the ledger.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) lane: u32,
    pub(super) number: u64,
    pub(super) topic: Rc<str>,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) payload: Vec<u8>,
}

impl Outgoing for Message {
    fn publish(&self) -> Publish<'_> {
        Publish { qos: self.qos, retain: self.retain, payload: &self.payload, ..Publish::new(&self.topic) }
    }
}

/// What the broker said.
#[derive(Debug)]
pub(super) enum Heard {
    Connected {
        session_present: bool,
    },
    /// PUBACK or PUBREC for a message of this client, or the refusal of one.
    Acknowledged {
        lane: u32,
        number: u64,
        refused: Option<ReasonCode>,
    },
    /// A message with its QoS and the identifier of its subscription.
    Message {
        topic: String,
        qos: QoS,
        retain: bool,
        payload: Vec<u8>,
        identifier: Option<u32>,
    },
    Subscribed {
        packet_id: PacketId,
        granted: Vec<u8>,
    },
    Unsubscribed {
        packet_id: PacketId,
    },
    /// A message will not be sent again, since the broker knows nothing of the session.
    GivenUp {
        lane: u32,
        number: u64,
    },
}

impl Connecting {
    /// A client of that version that keeps its session for so long.
    pub(super) fn new(version: Version, expiry_s: u32) -> Self {
        Connecting { version, expiry_s, receive_maximum: u16::MAX, will: None, answer_ms: 0 }
    }
}

impl Member {
    /// A client that has not connected yet.
    pub(super) fn new(name: &str, settings: Connecting) -> Self {
        Member {
            name: name.to_owned(),
            settings,
            link: None,
            session: Session::new(),
            presence: Presence::Absent,
            connection: 0,
        }
    }

    /// Opens a connection and sends CONNECT. The answer is [`Heard::Connected`].
    ///
    /// # Errors
    ///
    /// The broker accepts no connection.
    pub(super) fn connect(
        &mut self,
        broker: SocketAddr,
        registry: &Registry,
        token: usize,
        now_ms: u64,
    ) -> Outcome {
        self.cut();
        let stream = TcpStream::connect(broker)
            .map_err(|error| format!("{} cannot connect to {broker}: {error}", self.name))?;
        stream.set_nodelay(true)?;
        let connection = Connection::new(stream, self.settings.version, registry, token)?;
        let mut session = std::mem::take(&mut self.session);
        if self.presence == Presence::Unknown && !session.exists() {
            session = Session::resumed();
        }
        let client = self.settings.begin(&self.name, session, now_ms);
        self.link = Some(Link { connection, client, answers: VecDeque::new() });
        self.connection += 1;
        if self.settings.expiry_s > 0 && self.presence == Presence::Absent {
            self.presence = Presence::Unknown;
        }
        self.flush(now_ms)
    }

    /// Whether there is a connection, be it that CONNECT was not answered yet.
    pub(super) fn is_linked(&self) -> bool {
        self.link.is_some()
    }

    /// Whether the broker has accepted the connection.
    pub(super) fn is_connected(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.client.is_connected())
    }

    /// How many messages of this client are under way.
    pub(super) fn in_flight(&self) -> usize {
        self.link.as_ref().map_or(self.session.in_flight_count(), |link| link.client.in_flight_count())
    }

    /// Closes the socket without a word, and keeps the session.
    pub(super) fn cut(&mut self) {
        if let Some(Link { mut client, answers, .. }) = self.link.take() {
            // It has these messages, although it has not said so: when they come again, they are not new.
            for (_, qos, packet_id) in answers {
                client.acknowledge(qos, packet_id, ReasonCode::Success);
            }
            self.session = client.into_session();
        }
    }

    /// Says goodbye, then closes the socket. The session is kept for as long as it was to be.
    pub(super) fn disconnect(&mut self, now_ms: u64) {
        if let Some(link) = &mut self.link {
            // A connection that has ended needs no goodbye.
            let _ = link.client.disconnect(ReasonCode::Success, Properties::EMPTY);
            let _ = self.flush(now_ms);
        }
        self.cut();
    }

    /// Reads all there is.
    ///
    /// # Errors
    ///
    /// The connection has ended, for whatever reason. What came before is in `heard`.
    pub(super) fn receive(&mut self, buffer: &mut [u8], now_ms: u64, heard: &mut Vec<Heard>) -> Outcome {
        let Some(Link { connection, client, answers }) = &mut self.link else { return Ok(()) };
        let answer_ms = self.settings.answer_ms;
        let received = connection.receive_frames(buffer, |frame, _| {
            let event = client.handle_frame(&frame, now_ms)?;
            match &event {
                Some(Event::Refused(packet)) => return Err(format!("refused: {}", packet.reason).into()),
                Some(Event::Disconnected(packet)) => {
                    return Err(format!("DISCONNECT: {}", packet.reason).into());
                }
                _ => {}
            }
            let Some((event, answer)) = event.and_then(take_down) else { return Ok(()) };
            if let Some((qos, packet_id)) = answer {
                answers.push_back((now_ms + answer_ms, qos, packet_id));
            }
            heard.push(event);
            Ok(())
        });
        let lost = client.take_lost();
        let lost = lost.into_iter().filter_map(|lost| lost.message);
        heard.extend(lost.map(|message| Heard::GivenUp { lane: message.lane, number: message.number }));
        received?;
        self.flush(now_ms)
    }

    /// Sends what waits to be sent and is due, as far as the socket takes it.
    ///
    /// # Errors
    ///
    /// The connection has ended.
    pub(super) fn flush(&mut self, now_ms: u64) -> Outcome {
        let Some(Link { connection, client, answers }) = &mut self.link else { return Ok(()) };
        while let Some((_, qos, packet_id)) = answers.pop_front_if(|(due_ms, ..)| *due_ms <= now_ms) {
            client.acknowledge(qos, packet_id, ReasonCode::Success);
        }
        connection.outgoing_mut().append(client.poll_output(now_ms));
        connection.flush()
    }

    /// Publishes a message, unless there is no room for it.
    pub(super) fn publish(&mut self, message: Message) -> bool {
        self.link.as_mut().is_some_and(|link| link.client.publish(message).is_ok())
    }

    /// Whether a message can be published now.
    pub(super) fn has_room(&self, in_flight: usize) -> bool {
        self.in_flight() < in_flight
            && self.link.as_ref().is_some_and(|link| link.client.has_room(QoS::ExactlyOnce))
    }

    /// Subscribes. Retained messages are not asked for unless `retained`.
    pub(super) fn subscribe(
        &mut self,
        filters: &[(String, QoS)],
        identifier: Option<u32>,
        retained: bool,
    ) -> Option<PacketId> {
        let client = &mut self.link.as_mut()?.client;
        let options = |qos| SubscriptionOptions {
            retain_as_published: true,
            retain_handling: if retained {
                Default::default()
            } else {
                vaux_mqtt::packet::RetainHandling::DoNotSend
            },
            ..SubscriptionOptions::with_qos(qos)
        };
        let plain = !client.version().has_properties();
        let subscriptions: Vec<Subscription<'_>> = filters
            .iter()
            .map(|(filter, qos)| Subscription {
                filter,
                options: if plain { SubscriptionOptions::with_qos(*qos) } else { options(*qos) },
            })
            .collect();
        let list: Vec<_> =
            identifier.filter(|_| !plain).map(Property::SubscriptionIdentifier).into_iter().collect();
        client.subscribe(&subscriptions, Properties::from_slice(&list)).ok()
    }

    /// Ends a subscription.
    pub(super) fn unsubscribe(&mut self, filter: &str) -> Option<PacketId> {
        self.link.as_mut()?.client.unsubscribe(&[filter], Properties::EMPTY).ok()
    }
}

impl Connecting {
    fn begin(&self, name: &str, session: Session<Message>, now_ms: u64) -> Client<Message> {
        let has_properties = self.version.has_properties();
        let list =
            [Property::SessionExpiryInterval(self.expiry_s), Property::ReceiveMaximum(self.receive_maximum)];
        let delay = [Property::WillDelayInterval(self.will.as_ref().map_or(0, |will| will.delay_s))];
        let (properties, will_properties) = if has_properties {
            (Properties::from_slice(&list), Properties::from_slice(&delay))
        } else {
            (Properties::EMPTY, Properties::EMPTY)
        };
        let connect = Connect {
            clean_start: self.expiry_s == 0,
            properties,
            will: self.will.as_ref().map(|will| Will {
                qos: will.qos,
                retain: will.retain,
                properties: will_properties,
                topic: &will.topic,
                payload: &will.payload,
            }),
            ..Connect::new(self.version, name)
        };
        Client::new(&connect, Settings::default(), session, now_ms)
    }
}

/// What is kept of an event, and the answer that it asks for.
fn take_down(event: Event<'_, Message>) -> Option<(Heard, Option<(QoS, PacketId)>)> {
    let heard = match event {
        Event::Connected(connack) => Heard::Connected { session_present: connack.session_present },
        Event::Message(publish) => {
            let heard = Heard::Message {
                topic: publish.topic.to_owned(),
                qos: publish.qos,
                retain: publish.retain,
                payload: publish.payload.to_vec(),
                identifier: publish.properties.subscription_identifiers().next(),
            };
            return Some((heard, publish.packet_id.map(|packet_id| (publish.qos, packet_id))));
        }
        Event::Acknowledged { message, ack } => Heard::Acknowledged {
            lane: message.lane,
            number: message.number,
            refused: ack.reason.is_error().then_some(ack.reason),
        },
        Event::Received { message, .. } => {
            Heard::Acknowledged { lane: message.lane, number: message.number, refused: None }
        }
        Event::Subscribed(suback) => {
            Heard::Subscribed { packet_id: suback.packet_id, granted: suback.reason_codes.to_vec() }
        }
        Event::Unsubscribed(unsuback) => Heard::Unsubscribed { packet_id: unsuback.packet_id },
        Event::Completed(_) | Event::Auth(_) | Event::Refused(_) | Event::Disconnected(_) => return None,
    };
    Some((heard, None))
}
