//! The client's side of one connection, without I/O and without a clock.
//!
//! Bytes from the server go in by [`Client::next_frame`] and [`Client::handle_frame`], and come out as an [`Event`];
//! requests go in ([`Client::publish`], [`Client::subscribe`] …) and bytes for the server come out of
//! [`Client::poll_output`]. [`Client::deadline_ms`] says when [`Client::handle_timeout`] is to be called. What
//! outlives the connection is a [`Session`], which [`Client::into_session`] gives back for the next one.
//!
//! What never happens here: sockets, tasks, time-outs of the connection attempt, reconnecting.

mod answers;
mod event;
mod limits;
mod receive;
mod request;
mod session;
#[cfg(test)]
#[cfg(feature = "server")]
mod tests;

pub use event::Event;
pub use limits::ServerLimits;
pub use request::NotSent;
pub use session::{Lost, LostReason, Outgoing, Session};

use alloc::boxed::Box;
use alloc::vec::Vec;

use self::answers::Answers;
use super::{ClientKeepAlive, InboundAliases, KeepAliveAction, OutboundAliases};
use crate::error::{Error, Rule};
use crate::frame::Frame;
use crate::packet::{Connect, Disconnect, PINGREQ, PacketId, PacketType};
use crate::version::Version;

/// One connection of a client.
///
/// `M` is the caller's message; see [`Outgoing`].
#[derive(Debug)]
pub struct Client<M> {
    asked: Asked,
    settings: Settings,
    state: State,
    session: Session<M>,
    limits: ServerLimits,
    keep_alive: ClientKeepAlive,
    inbound_aliases: InboundAliases,
    outbound_aliases: OutboundAliases,
    /// SUBSCRIBE and UNSUBSCRIBE that were not answered.
    requests: Vec<Request>,
    /// Messages with QoS 1 that were not answered by PUBACK.
    pubacks: Answers,
    /// Messages with QoS 2 that were not answered by PUBREC.
    pubrecs: Answers,
    lost: Vec<Lost<M>>,
    output: Vec<u8>,
}

/// What a client decides for itself, beyond what its CONNECT tells the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many messages with QoS above 0 may be unacknowledged, if the server allows so many.
    pub inflight_maximum: u16,
    /// How many topic aliases to use, if the server allows so many.
    pub outgoing_topic_aliases: u16,
    /// The largest packet to accept. In version 5.0 CONNECT should announce the same.
    pub maximum_packet_size: u32,
}

/// What CONNECT asked for, as far as it matters later.
#[derive(Debug)]
struct Asked {
    version: Version,
    clean_start: bool,
    client_id_is_empty: bool,
    keep_alive: u16,
    receive_maximum: u16,
    session_expiry_interval: u32,
    /// Whether the server may explain its answers (Request Problem Information).
    wants_explanations: bool,
    authentication_method: Option<Box<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// CONNECT was written; AUTH may come before CONNACK.
    AwaitConnAck,
    Connected,
    /// Nothing may be sent any more, and what arrives does not matter.
    Closed,
}

/// How many SUBSCRIBE and UNSUBSCRIBE may be unanswered. Packet identifiers are kept free for them, so that a full send
/// window does not delay them (`MQTT-3.3.4-8`).
const REQUESTS_MAX: u16 = 1024;

#[derive(Debug)]
struct Request {
    packet_id: PacketId,
    kind: RequestKind,
    filter_count: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RequestKind {
    Subscribe,
    Unsubscribe,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { inflight_maximum: u16::MAX, outgoing_topic_aliases: 0, maximum_packet_size: u32::MAX }
    }
}

impl<M> Client<M> {
    /// Begins a connection: CONNECT is the first output.
    ///
    /// CONNECT is sent as it is: whoever takes parts of it from elsewhere asks [`Connect::check`] before. `session` is what
    /// an earlier connection left. If CONNECT asks for a clean start it is lost, see
    /// [`Client::take_lost`].
    pub fn new(connect: &Connect<'_>, settings: Settings, mut session: Session<M>, now_ms: u64) -> Self {
        let mut output = Vec::with_capacity(connect.encoded_len());
        connect.encode(&mut output);
        let properties = connect.properties;
        let asked = Asked {
            version: connect.version,
            clean_start: connect.clean_start,
            client_id_is_empty: connect.client_id.is_empty(),
            keep_alive: connect.keep_alive,
            receive_maximum: properties.receive_maximum().unwrap_or(u16::MAX),
            session_expiry_interval: properties.session_expiry_interval().unwrap_or(0),
            wants_explanations: properties.request_problem_information() != Some(0),
            authentication_method: properties.authentication_method().map(Into::into),
        };
        // MQTT-3.1.2-4: a clean start throws away what was there.
        let lost = if connect.clean_start { session.discard() } else { Vec::new() };
        Client {
            asked,
            settings,
            state: State::AwaitConnAck,
            session,
            limits: ServerLimits::default(),
            // Nobody pings before CONNACK: the keep alive begins there.
            keep_alive: ClientKeepAlive::new(0, now_ms),
            inbound_aliases: InboundAliases::new(properties.topic_alias_maximum().unwrap_or(0)),
            outbound_aliases: OutboundAliases::default(),
            requests: Vec::new(),
            pubacks: Answers::default(),
            pubrecs: Answers::default(),
            lost,
            output,
        }
    }

    /// The version spoken.
    pub fn version(&self) -> Version {
        self.asked.version
    }

    /// Whether CONNACK was received and nothing has ended the connection.
    pub fn is_connected(&self) -> bool {
        self.state == State::Connected
    }

    /// Whether the connection is over: write the output that is left, then close.
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// What the server said about itself in CONNACK.
    pub fn limits(&self) -> &ServerLimits {
        &self.limits
    }

    /// The keep alive in force, in seconds. Valid once connected.
    pub fn keep_alive(&self) -> u16 {
        self.limits.keep_alive.unwrap_or(self.asked.keep_alive)
    }

    /// How many messages to the server are under way.
    pub fn in_flight_count(&self) -> usize {
        self.session.in_flight_count()
    }

    /// Messages that will not be delivered, because the session that they belonged to is gone or the server of this
    /// connection does not take them. To be asked for after [`Client::new`] and [`Event::Connected`].
    pub fn take_lost(&mut self) -> Vec<Lost<M>> {
        core::mem::take(&mut self.lost)
    }

    /// Bytes for the server, to be taken from the front. Whatever is there counts as sent at `now_ms`.
    pub fn poll_output(&mut self, now_ms: u64) -> &mut Vec<u8> {
        if !self.output.is_empty() {
            self.keep_alive.handle_sent(now_ms);
        }
        &mut self.output
    }

    /// How many bytes wait in the output.
    pub fn output_len(&self) -> usize {
        self.output.len()
    }

    /// When [`Client::handle_timeout`] has to be called, if nothing happens before.
    pub fn deadline_ms(&self) -> Option<u64> {
        if self.state == State::Connected { self.keep_alive.deadline_ms() } else { None }
    }

    /// Whether [`Client::handle_timeout`] would end the connection at `now_ms`. For callers who may not have read what has
    /// come: the answer may be there.
    pub fn is_ping_overdue(&self, now_ms: u64) -> bool {
        self.state == State::Connected && self.keep_alive.is_overdue(now_ms)
    }

    /// Sends PINGREQ when it is time.
    ///
    /// # Errors
    ///
    /// The server did not answer the last one: close, there is nobody to tell.
    pub fn handle_timeout(&mut self, now_ms: u64) -> Result<(), PingTimeout> {
        if self.state != State::Connected {
            return Ok(());
        }
        match self.keep_alive.poll(now_ms) {
            Some(KeepAliveAction::Ping) => self.output.extend_from_slice(&PINGREQ),
            Some(KeepAliveAction::Close) => {
                self.state = State::Closed;
                return Err(PingTimeout);
            }
            None => {}
        }
        Ok(())
    }

    /// Counts PINGRESP as received. For callers that stopped reading for a while: it may be among the bytes that they
    /// have not read.
    pub fn excuse_ping(&mut self) {
        self.keep_alive.handle_pingresp();
    }

    /// Ends the connection without a word, if it has not ended, and gives back what outlives it.
    ///
    /// A message with QoS 2 that was not acknowledged counts as never received: when the server sends it again, it is
    /// new. One that was acknowledged is remembered, whether or not PUBREC left.
    pub fn into_session(mut self) -> Session<M> {
        for packet_id in self.pubrecs.without_success() {
            self.session.inbound.release(packet_id);
        }
        self.session
    }

    /// The next packet in `bytes`, `None` while it is not whole.
    ///
    /// # Errors
    ///
    /// A packet that cannot be or that is too large: the connection is over.
    pub fn next_frame<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<Frame<'a>>, Error> {
        // Not only once it is whole: what a server of another protocol says may look like the start of a long packet.
        if let Some(Err(rule)) = bytes.first().map(|&first_byte| self.check_first_byte(first_byte)) {
            return Err(self.violation(rule));
        }
        let promised_len = match Frame::promised_len(bytes) {
            Ok(Some(len)) => len,
            Ok(None) => return Ok(None),
            Err(error) => return Err(self.fail(error)),
        };
        if promised_len > self.settings.maximum_packet_size as usize {
            return Err(self.violation(Rule::PacketTooLarge));
        }
        Frame::split(bytes).map_err(|error| self.fail(error))
    }

    /// Before CONNACK only AUTH may come.
    fn check_first_byte(&self, first_byte: u8) -> Result<(), Rule> {
        match (self.state, PacketType::from_first_byte(first_byte)) {
            (State::AwaitConnAck, Some(PacketType::ConnAck | PacketType::Auth)) => Ok(()),
            (State::AwaitConnAck, _) => Err(Rule::FirstPacketNotConnAck),
            _ => Ok(()),
        }
    }

    /// Ends the connection because the server broke `rule`.
    fn violation(&mut self, rule: Rule) -> Error {
        self.fail(Error::new(rule, self.asked.version, 0))
    }

    fn fail(&mut self, error: Error) -> Error {
        fail(&mut self.state, &mut self.output, self.asked.version, error)
    }
}

/// The server did not answer PINGREQ within the keep alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PingTimeout;

/// Ends a connection and tells the server why, where the version has words for it (U5-50). Takes the fields one by
/// one for callers that have lent out the others.
fn fail(state: &mut State, output: &mut Vec<u8>, version: Version, error: Error) -> Error {
    if *state != State::Closed && version.has_properties() {
        Disconnect::new(error.reason_code()).encode(version, output);
    }
    *state = State::Closed;
    error
}
