//! One connection: what its two directions carry, and the packets of MQTT in them.

use std::net::SocketAddr;

use vaux_mqtt::packet::PacketType;
use vaux_mqtt::{Sender, Version};

use super::assembly::{Assembly, Piece};
use super::content::{self, Content, MAX_UNCLEAR_BYTES};
use super::link::Segment;
use super::packets::{Found, Packets, VersionFrom, Versions};
use super::time::Time;
use super::websocket::WebSocket;

/// A packet of a capture.
#[derive(Clone, Debug)]
pub(crate) struct Captured {
    /// Whose it is.
    pub(crate) route: Route,
    /// When its last byte was captured.
    pub(crate) time: Time,
    /// Its first byte, counted from the beginning of its direction.
    pub(crate) at: u64,
    /// Its bytes, as far as they are there.
    pub(crate) bytes: Vec<u8>,
    /// The version of the connection.
    pub(crate) version: Version,
    /// Where the version is known from.
    pub(crate) version_from: VersionFrom,
}

/// A connection and a direction of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// Which connection of the capture it is, from 0, as Wireshark counts them.
    pub(crate) stream: usize,
    /// Who connected.
    pub(crate) client: SocketAddr,
    /// Who was connected to.
    pub(crate) server: SocketAddr,
    /// Which of them sends.
    pub(crate) sender: Sender,
    /// Whether it is known which of them is the client, and not only likely.
    pub(crate) is_certain: bool,
}

/// Something about a connection that people should know.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    /// Whose it is.
    pub(crate) route: Route,
    /// When.
    pub(crate) time: Time,
    /// What.
    pub(crate) text: String,
}

/// What a capture tells.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A packet.
    Packet(Captured),
    /// Something else.
    Note(Note),
}

impl Route {
    /// Who sent.
    pub(crate) fn from(&self) -> SocketAddr {
        if self.sender == Sender::Server { self.server } else { self.client }
    }

    /// Who received.
    pub(crate) fn to(&self) -> SocketAddr {
        if self.sender == Sender::Server { self.client } else { self.server }
    }

    /// Who may have sent a packet, for the rules that tell clients from servers.
    pub(crate) fn known_sender(&self) -> Sender {
        if self.is_certain { self.sender } else { Sender::Any }
    }

    /// `127.0.0.1:50422 → :1883`: the client first, the server's address only when it is another.
    pub(crate) fn text(&self) -> String {
        let arrow = if self.sender == Sender::Server { '←' } else { '→' };
        match self.client.ip() == self.server.ip() {
            true => format!("{} {arrow} :{}", self.client, self.server.port()),
            false => format!("{} {arrow} {}", self.client, self.server),
        }
    }
}

/// What a connection turned out to carry.
#[derive(Debug)]
enum Carries {
    /// Nobody knows yet. What came is held: by direction, 0 from the first end.
    Unknown(Vec<(usize, Piece, Time)>),
    Mqtt,
    WebSocket(Box<[WebSocket; 2]>),
    /// Something that is not read.
    Other,
}

/// A connection. Its two ends have the indexes 0 and 1.
#[derive(Debug)]
pub(super) struct Connection {
    stream: usize,
    ends: [SocketAddr; 2],
    /// Which end is the client.
    client: usize,
    is_client_known: bool,
    /// Whether the capture has its beginning.
    has_start: bool,
    directions: [Assembly; 2],
    carries: Carries,
    packets: [Packets; 2],
    versions: Versions,
    /// With fewer bytes held it is not looked again at what it carries.
    worth_looking: usize,
    is_closed: bool,
    /// The last frame of it, counted over the capture.
    pub(super) last_frame: u64,
}

impl Connection {
    /// The connection of which `segment` is the first that was captured.
    pub(super) fn new(stream: usize, segment: &Segment<'_>, named: Option<Version>) -> Connection {
        let is_answer = segment.is_syn && segment.acknowledged.is_some();
        let is_client_known = segment.is_syn;
        // Servers have the smaller port, mostly.
        let comes_from_server = match is_client_known {
            true => is_answer,
            false => segment.from.port() < segment.to.port(),
        };
        Connection {
            stream,
            ends: [segment.from, segment.to],
            client: usize::from(comes_from_server),
            is_client_known,
            has_start: segment.is_syn,
            directions: Default::default(),
            carries: Carries::Unknown(Vec::new()),
            packets: [Packets::new(segment.is_syn), Packets::new(segment.is_syn)],
            versions: Versions::new(named),
            worth_looking: 0,
            is_closed: false,
            last_frame: 0,
        }
    }

    /// Whether `segment` begins another connection between the same ends.
    pub(super) fn is_followed_by(&self, segment: &Segment<'_>) -> bool {
        let direction = &self.directions[self.end_of(segment.from)];
        segment.is_syn
            && segment.acknowledged.is_none()
            && (self.is_closed || direction.is_other(segment.sequence.wrapping_add(1)))
    }

    /// Whether MQTT was found in it.
    pub(super) fn is_mqtt(&self) -> bool {
        matches!(self.carries, Carries::Mqtt | Carries::WebSocket(_))
    }

    /// Whether its end was captured.
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// How much of it waits for what is to come.
    pub(super) fn held_bytes(&self) -> usize {
        let unread: usize = self.directions.iter().map(Assembly::waiting_bytes).sum();
        let unfinished: usize = self.packets.iter().map(Packets::held_bytes).sum();
        match &self.carries {
            Carries::Unknown(held) => {
                held.iter().map(|(_, piece, _)| piece_len(piece)).sum::<usize>() + unread
            }
            _ => unread + unfinished,
        }
    }

    /// How many segments brought nothing new, and how many came early.
    pub(super) fn disorder(&self) -> (u64, u64) {
        let sum = |count: fn(&Assembly) -> u64| self.directions.iter().map(count).sum();
        (sum(|direction| direction.repeated), sum(|direction| direction.early))
    }

    /// Takes a segment of it.
    pub(super) fn take(&mut self, segment: &Segment<'_>, time: Time, out: &mut Vec<Event>) {
        if self.is_closed {
            return;
        }
        let end = self.end_of(segment.from);
        let (mut sent, mut other) = (Vec::new(), Vec::new());
        let first = segment.sequence.wrapping_add(u32::from(segment.is_syn));
        let direction = &mut self.directions[end];
        direction.begin(first);
        if !matches!(self.carries, Carries::Other) {
            direction.push(first, segment.data, segment.uncaptured, &mut sent);
        }
        if segment.is_fin {
            let len = segment.data.len() + segment.uncaptured;
            direction.finish_at(first.wrapping_add(len as u32), &mut sent);
        }
        if let Some(acknowledged) = segment.acknowledged {
            self.directions[1 - end].acknowledge(acknowledged);
        }
        self.directions[end].lose_patience(&mut sent);
        self.directions[1 - end].lose_patience(&mut other);
        self.handle(1 - end, other, time, out);
        self.handle(end, sent, time, out);
        if segment.is_reset {
            self.close(time, out);
        }
    }

    /// Tells what is left: nothing more comes.
    pub(super) fn close(&mut self, time: Time, out: &mut Vec<Event>) {
        for end in 0..2 {
            let mut pieces = Vec::new();
            self.directions[end].close(&mut pieces);
            self.handle(end, pieces, time, out);
        }
        self.is_closed = true;
        self.decide(true, time, out);
    }

    fn end_of(&self, address: SocketAddr) -> usize {
        usize::from(address != self.ends[0])
    }

    fn handle(&mut self, end: usize, pieces: Vec<Piece>, time: Time, out: &mut Vec<Event>) {
        for piece in pieces {
            match &mut self.carries {
                Carries::Unknown(held) => {
                    held.push((end, piece, time));
                    self.decide(false, time, out);
                }
                Carries::Mqtt | Carries::WebSocket(_) => self.read(end, piece, time, out),
                Carries::Other => {}
            }
        }
    }

    /// Looks at what is held. `is_last` says that nothing more comes.
    fn decide(&mut self, is_last: bool, time: Time, out: &mut Vec<Event>) {
        let Carries::Unknown(held) = &self.carries else { return };
        let held_bytes: usize = held.iter().map(|(_, piece, _)| piece_len(piece)).sum();
        let is_full = held_bytes > 2 * MAX_UNCLEAR_BYTES || held.len() > MAX_UNCLEAR_BYTES;
        if held_bytes < self.worth_looking && !is_last && !is_full {
            return;
        }
        // Where bytes come one by one, to look each time would take for ever.
        self.worth_looking = held_bytes + held_bytes / 4 + 1;
        // The client speaks first. Of its server nothing is told before.
        let mut content = Content::Unclear;
        for end in [self.client, 1 - self.client] {
            let (bytes, has_gap) = beginning(held, end);
            let is_start = self.has_start && !has_gap;
            if content == Content::Unclear && (end == self.client || !is_start || is_last || bytes.len() >= 4)
            {
                content = content::of(&bytes, is_start, self.ends);
            }
        }
        self.carries = match content {
            Content::Unclear if (is_last || is_full) && held_bytes > 0 => {
                self.note(self.client, time, "not MQTT, or too little of it to tell".to_owned(), out);
                Carries::Other
            }
            Content::Unclear => return,
            Content::Other(what) => {
                self.note(self.client, time, what.to_owned(), out);
                Carries::Other
            }
            Content::Mqtt => self.begin_reading(Carries::Mqtt, out),
            Content::WebSocket => self.begin_reading(Carries::WebSocket(Box::default()), out),
        };
    }

    /// Reads what was held.
    fn begin_reading(&mut self, carries: Carries, out: &mut Vec<Event>) -> Carries {
        if matches!(carries, Carries::WebSocket(_)) {
            self.packets = [Packets::new(true), Packets::new(true)];
        }
        let Carries::Unknown(held) = std::mem::replace(&mut self.carries, carries) else {
            return Carries::Other;
        };
        for (end, piece, time) in held {
            self.read(end, piece, time, out);
        }
        std::mem::replace(&mut self.carries, Carries::Other)
    }

    /// Reads the next piece of a direction.
    fn read(&mut self, end: usize, piece: Piece, time: Time, out: &mut Vec<Event>) {
        let mut found = Vec::new();
        let packets = &mut self.packets[end];
        match (&mut self.carries, piece) {
            (Carries::WebSocket(web_sockets), Piece::Data(data)) => match web_sockets[end].push(&data) {
                Ok(inside) => packets.push(&inside, &mut found),
                Err(why) => {
                    found.push(Found::Note(why));
                    self.carries = Carries::Other;
                }
            },
            // Where the next frame begins is lost with what is missing.
            (Carries::WebSocket(_), Piece::Gap(len)) => {
                packets.gap(len, &mut found);
                found.push(Found::Note("WebSocket cannot be read behind what is missing".to_owned()));
                self.carries = Carries::Other;
            }
            (_, Piece::Data(data)) => packets.push(&data, &mut found),
            (_, Piece::Gap(len)) => packets.gap(len, &mut found),
            (_, Piece::End) => packets.end(&mut found),
        }
        for found in found {
            match found {
                Found::Packet { at, bytes } => {
                    self.learn_client(end, &bytes);
                    let (version, version_from) = self.versions.of(&bytes);
                    let route = self.route(end);
                    out.push(Event::Packet(Captured { route, time, at, bytes, version, version_from }));
                }
                Found::Note(text) => self.note(end, time, text, out),
            }
        }
    }

    /// Only one of the two sends packets of some types.
    fn learn_client(&mut self, end: usize, bytes: &[u8]) {
        if self.is_client_known {
            return;
        }
        let packet_type = bytes.first().and_then(|&byte| PacketType::from_first_byte(byte));
        let client = match packet_type {
            Some(
                PacketType::Connect | PacketType::Subscribe | PacketType::Unsubscribe | PacketType::PingReq,
            ) => end,
            Some(PacketType::ConnAck | PacketType::SubAck | PacketType::UnsubAck | PacketType::PingResp) => {
                1 - end
            }
            _ => return,
        };
        (self.client, self.is_client_known) = (client, true);
    }

    fn note(&self, end: usize, time: Time, text: String, out: &mut Vec<Event>) {
        out.push(Event::Note(Note { route: self.route(end), time, text }));
    }

    fn route(&self, end: usize) -> Route {
        Route {
            stream: self.stream,
            client: self.ends[self.client],
            server: self.ends[1 - self.client],
            sender: if end == self.client { Sender::Client } else { Sender::Server },
            is_certain: self.is_client_known,
        }
    }
}

/// The first bytes that are held of a direction, up to the first gap behind them, and whether one is in front of them.
fn beginning(held: &[(usize, Piece, Time)], end: usize) -> (Vec<u8>, bool) {
    let (mut bytes, mut has_gap) = (Vec::new(), false);
    for (_, piece, _) in held.iter().filter(|(of, ..)| *of == end) {
        match piece {
            Piece::Data(data) => bytes.extend_from_slice(data),
            Piece::Gap(_) if bytes.is_empty() => has_gap = true,
            Piece::Gap(_) | Piece::End => break,
        }
    }
    (bytes, has_gap)
}

fn piece_len(piece: &Piece) -> usize {
    if let Piece::Data(data) = piece { data.len() } else { 0 }
}
