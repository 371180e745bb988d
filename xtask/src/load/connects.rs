//! Connections that come and go: connect, CONNECT, CONNACK, DISCONNECT, and the broker closes.
//!
//! The broker closes first, as it must after DISCONNECT, so that the ports of this side are free again at once.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token};
use vaux_mqtt::frame::Frame;
use vaux_mqtt::packet::Disconnect;
use vaux_mqtt::{Packet, ReasonCode, Sender, Version};

use super::target::Target;
use super::window::Window;
use super::{Arguments, Measurement, handshake};
use crate::Outcome;
use crate::bench::scenario::Sessions;

/// How long nothing may happen before the run fails.
const STALL: Duration = Duration::from_secs(10);

/// Runs the scenario.
///
/// # Errors
///
/// The broker did something that ends the run.
pub(super) fn run(arguments: &Arguments, at_once: usize) -> Outcome<Measurement> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(at_once);
    let script = Script::new(arguments)?;
    let mut slots = (0..at_once)
        .map(|number| Slot::new(number, &script, poll.registry()))
        .collect::<Outcome<Vec<_>>>()?;
    let mut window = Window::after_warm_up(arguments);
    let mut count = 0;
    let mut last_event = Instant::now();
    loop {
        match poll.poll(&mut events, Some(Duration::from_millis(10))) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in events.iter() {
            let slot = &mut slots[event.token().0];
            if slot.go_on(&script)? {
                count += 1;
                *slot = Slot::new(event.token().0, &script, poll.registry())?;
            }
            last_event = Instant::now();
        }
        if last_event.elapsed() > STALL {
            return Err("the broker neither accepts nor closes connections any more".into());
        }
        if let Some(measured) = window.poll(count)? {
            return Ok(measured);
        }
    }
}

/// What every connection says.
struct Script {
    broker: SocketAddr,
    version: Version,
    disconnect: Vec<u8>,
}

impl Script {
    fn new(arguments: &Arguments) -> Outcome<Self> {
        let version = Target::of(arguments)?.version;
        let mut disconnect = Vec::new();
        Disconnect::new(ReasonCode::Success).encode(version, &mut disconnect);
        Ok(Script { broker: arguments.broker, version, disconnect })
    }
}

/// One connection on its way, of those at once.
struct Slot {
    stream: TcpStream,
    connect: Vec<u8>,
    answer: Vec<u8>,
    state: State,
}

/// What a connection waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Established,
    Answer,
    Close,
}

impl Slot {
    fn new(number: usize, script: &Script, registry: &Registry) -> Outcome<Slot> {
        let mut stream = TcpStream::connect(script.broker)?;
        registry.register(&mut stream, Token(number), Interest::READABLE | Interest::WRITABLE)?;
        let connect = handshake::connect_packet(script.version, &format!("connects-{number}"), Sessions::End);
        Ok(Slot { stream, connect, answer: Vec::new(), state: State::Established })
    }

    /// Goes on as far as it can. True when the connection has come and gone.
    fn go_on(&mut self, script: &Script) -> Outcome<bool> {
        if self.state == State::Established {
            if let Some(error) = self.stream.take_error()? {
                return Err(format!("cannot connect: {error}").into());
            }
            match self.stream.write(&self.connect) {
                Ok(count) if count == self.connect.len() => self.state = State::Answer,
                Ok(_) => return Err("a new socket does not take a CONNECT at once".into()),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {}
                Err(error) => return Err(format!("cannot connect: {error}").into()),
            }
            return Ok(false);
        }
        let mut part = [0; 256];
        loop {
            match self.stream.read(&mut part) {
                Ok(0) if self.state == State::Close => return Ok(true),
                Ok(0) => return Err("the broker closed a connection instead of accepting it".into()),
                Ok(count) => self.answered(&part[..count], script)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("a connection broke: {error}").into()),
            }
        }
    }

    fn answered(&mut self, bytes: &[u8], script: &Script) -> Outcome {
        self.answer.extend_from_slice(bytes);
        let Some(frame) = Frame::split(&self.answer)? else { return Ok(()) };
        match Packet::decode(&frame, script.version, Sender::Server)? {
            Packet::ConnAck(connack) if connack.reason == ReasonCode::Success => {}
            other => return Err(format!("CONNECT was answered by {other:?}").into()),
        }
        self.answer.clear();
        self.state = State::Close;
        self.stream.write_all(&script.disconnect).map_err(|error| format!("a connection broke: {error}"))?;
        Ok(())
    }
}
