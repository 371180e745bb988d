//! Messages flow, first alone, then beside idle connections and a slow subscriber of a fast publisher.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Poll};
use vaux_mqtt::QoS;

use super::message::{Form, Message};
use super::stream::Stream;
use super::target::Target;
use super::traffic::{Clients, TURN};
use super::window::Window;
use super::{Arguments, Measurement, Stamp, handshake};
use crate::Outcome;
use crate::bench::scenario::{Sessions, Slow, Traffic};

/// The topic of the messages that hardly anybody reads.
const TOPIC: &str = "slow/0000000";

/// More than this is not kept of what the broker has not taken yet: the publisher is slower then.
const MAX_OUTGOING_BYTES: usize = 64 << 10;

/// Runs the scenario.
///
/// # Errors
///
/// The broker did something that ends the run.
pub(super) fn run(arguments: &Arguments, traffic: &Traffic, idle: usize, slow: Slow) -> Outcome<Measurement> {
    let target = Target::of(arguments)?;
    let mut poll = Poll::new()?;
    let (mut clients, _) = Clients::connect(arguments, traffic, poll.registry())?;
    let mut events = Events::with_capacity(1024);
    let mut flow = |clients: &mut Clients, mut beside: Option<&mut SlowPair>| -> Outcome<Measurement> {
        let mut window = Window::after_warm_up(arguments);
        loop {
            clients.publish(traffic)?;
            if let Some(slow) = beside.as_mut() {
                slow.go_on()?;
            }
            clients.turn(&mut poll, &mut events, TURN)?;
            if let Some(measured) = window.poll(clients.delivered())? {
                return Ok(measured);
            }
        }
    };
    let alone = flow(&mut clients, None)?;
    let _idle = target.idle(0..idle)?;
    let mut slow = SlowPair::connect(&target, slow)?;
    let beside = flow(&mut clients, Some(&mut slow))?;
    drop(slow);
    clients.drain(&mut poll, &mut events)?;
    let rate_alone = Some(alone.count as f64 / alone.seconds);
    Ok(Measurement { faults: clients.faults(), rate_alone, ..beside })
}

/// A publisher, and a subscriber that reads little of what is published. What it misses is no fault: messages of QoS 0
/// may be dropped for who does not read them.
struct SlowPair {
    slow: Slow,
    publisher: Stream<TcpStream>,
    subscriber: Stream<TcpStream>,
    message: Message,
    began: Instant,
    published: u64,
    read_bytes: u64,
    outgoing: Vec<u8>,
}

impl SlowPair {
    fn connect(target: &Target, slow: Slow) -> Outcome<SlowPair> {
        let mut subscriber = target.connect("bench-slow-subscriber", Sessions::End)?.stream;
        let filters = [TOPIC.to_owned()];
        handshake::subscribe(&mut subscriber, target.version, &filters, QoS::AtMostOnce)?;
        let form = Form {
            version: target.version,
            topic: TOPIC,
            qos: QoS::AtMostOnce,
            retain: false,
            payload_bytes: slow.payload_bytes,
            properties: false,
        };
        Ok(SlowPair {
            slow,
            publisher: target.connect("bench-fast-publisher", Sessions::End)?.stream.into_nonblocking()?,
            subscriber: subscriber.into_nonblocking()?,
            message: Message::new(&form),
            began: Instant::now(),
            published: 0,
            read_bytes: 0,
            outgoing: Vec::new(),
        })
    }

    /// Publishes and reads what is due.
    fn go_on(&mut self) -> Outcome {
        let due = due(self.began.elapsed(), self.slow.published);
        while self.published < due && self.outgoing.len() < MAX_OUTGOING_BYTES {
            let stamp = Stamp { publisher: 0, number: self.published };
            self.message.append(stamp, None, &mut self.outgoing);
            self.published += 1;
        }
        match self.publisher.write(&self.outgoing) {
            Ok(count) => drop(self.outgoing.drain(..count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(format!("the fast publisher's connection broke: {error}").into()),
        }
        let mut buffer = [0; 8192];
        while self.read_bytes < due_bytes(self.began.elapsed(), self.slow.read_bytes) {
            match self.subscriber.read(&mut buffer) {
                Ok(0) => return Err("the broker closed the slow subscriber's connection".into()),
                Ok(count) => self.read_bytes += count as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(format!("the slow subscriber's connection broke: {error}").into()),
            }
        }
        Ok(())
    }
}

fn due(elapsed: Duration, in_a_second: u32) -> u64 {
    (elapsed.as_secs_f64() * f64::from(in_a_second)) as u64
}

/// As [`due`], in pieces that are worth a read.
fn due_bytes(elapsed: Duration, in_a_second: u32) -> u64 {
    due(elapsed, in_a_second) / 8192 * 8192
}
