//! Messages from publishers to subscribers, in a closed loop.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Registry};

use super::connection::{Connection, READ_BUFFER_BYTES};
use super::group::Union;
use super::handshake::Accepted;
use super::publisher::Publisher;
use super::subscriber::Subscriber;
use super::target::Target;
use super::window::Window;
use super::{Arguments, Faults, Measurement, Stamp, handshake, homes, topics};
use crate::Outcome;
use crate::bench::scenario::{Filters, Homes, Sessions, Traffic};

/// How long nothing may arrive before the rest counts as lost.
const STALL: Duration = Duration::from_secs(5);

/// How long a turn waits when nothing moves: short enough for the end of the window to be seen.
pub(super) const TURN: Duration = Duration::from_millis(10);

/// Runs the scenario.
///
/// # Errors
///
/// The broker did something that ends the run.
pub(super) fn run(arguments: &Arguments, traffic: &Traffic) -> Outcome<Measurement> {
    let mut poll = Poll::new()?;
    let (mut clients, crossing_pairs) = Clients::connect(arguments, traffic, poll.registry())?;
    let mut events = Events::with_capacity(1024);
    let mut window = Window::after_warm_up(arguments);
    let measured = loop {
        clients.publish(traffic)?;
        clients.turn(&mut poll, &mut events, TURN)?;
        if let Some(measured) = window.poll(clients.delivered())? {
            break measured;
        }
    };
    clients.drain(&mut poll, &mut events)?;
    Ok(Measurement { faults: clients.faults(), crossing_pairs, ..measured })
}

/// Everyone who takes part. Publishers have the tokens from 0, subscribers those after them.
pub(super) struct Clients {
    publishers: Vec<Publisher>,
    subscribers: Vec<Subscriber>,
    /// What the members of a shared subscription have got of each publisher, if that is what subscribers are.
    group: Option<Vec<Union>>,
    topics: usize,
    buffer: Vec<u8>,
    /// Those who do nothing.
    _idle: Vec<Accepted>,
}

impl Clients {
    /// Everyone of a scenario, and how many pairs cross between threads where that is arranged.
    ///
    /// # Errors
    ///
    /// Somebody is not let in, or not subscribed.
    pub(super) fn connect(
        arguments: &Arguments,
        traffic: &Traffic,
        registry: &Registry,
    ) -> Outcome<(Clients, Option<usize>)> {
        let target = Target::of(arguments)?;
        let version = target.version;
        let (streams, crossing_pairs) = match traffic.homes {
            Homes::Any => (Streams::anywhere(&target, traffic)?, None),
            Homes::Crossing => {
                let (streams, crossing) = Streams::crossing(&target, arguments.process, traffic)?;
                (streams, Some(crossing))
            }
        };
        let shared = traffic.filters == Filters::Shared;
        let mut clients = Clients {
            publishers: Vec::with_capacity(traffic.publishers),
            subscribers: Vec::with_capacity(traffic.subscribers),
            group: shared.then(|| (0..traffic.publishers).map(|_| Union::default()).collect()),
            topics: traffic.topics,
            buffer: vec![0; READ_BUFFER_BYTES],
            _idle: target.idle(0..traffic.idle)?,
        };
        for (number, mut accepted) in streams.subscribers.into_iter().enumerate() {
            let topic = number % traffic.topics;
            let filters = topics::filters(traffic, topic);
            handshake::subscribe(&mut accepted.stream, version, &filters, traffic.qos)?;
            let connection =
                Connection::new(accepted.stream, version, registry, traffic.publishers + number)?;
            clients.subscribers.push(Subscriber::new(connection, version, topic, traffic));
        }
        for (number, accepted) in streams.publishers.into_iter().enumerate() {
            let number = u32::try_from(number)?;
            clients.publishers.push(Publisher::new(accepted, version, registry, number, traffic)?);
        }
        if shared {
            clients.note_arrivals();
        }
        Ok((clients, crossing_pairs))
    }

    /// From now on, what arrives is also kept for [`Clients::take_arrivals`].
    pub(super) fn note_arrivals(&mut self) {
        self.subscribers.iter_mut().for_each(Subscriber::note_arrivals);
    }

    /// What has arrived since the last time.
    pub(super) fn take_arrivals(&mut self) -> impl Iterator<Item = Stamp> {
        self.subscribers
            .iter_mut()
            .filter_map(Subscriber::arrivals_mut)
            .flat_map(|arrivals| arrivals.drain(..))
    }

    /// Publishes what is due of so many messages of all publishers in turn, and not published yet.
    ///
    /// # Errors
    ///
    /// A connection has ended.
    pub(super) fn publish_due(&mut self, due: u64) -> Outcome {
        let publishers = self.publishers.len() as u64;
        for (number, publisher) in (0..).zip(&mut self.publishers) {
            let due = (due + publishers - 1 - number) / publishers;
            let count = due.saturating_sub(publisher.sent());
            if count > 0 {
                publisher.publish(count.min(publisher.room()))?;
            }
        }
        Ok(())
    }

    /// Lets every publisher fill its windows.
    ///
    /// # Errors
    ///
    /// A connection has ended.
    pub(super) fn publish(&mut self, traffic: &Traffic) -> Outcome {
        for number in 0..self.publishers.len() {
            let publisher = &self.publishers[number];
            let mut room = publisher.room();
            // Looking at all subscribers costs something where there are many.
            if room > 0 {
                let ahead = publisher.sent().saturating_sub(self.slowest(number));
                room = room.min(traffic.ahead.saturating_sub(ahead));
            }
            if room > 0 {
                self.publishers[number].publish(room)?;
            }
        }
        Ok(())
    }

    /// How many messages of a publisher have reached all of its subscribers, or any of them if they share.
    fn slowest(&self, publisher: usize) -> u64 {
        if let Some(group) = &self.group {
            return group[publisher].count();
        }
        let of_topic = self.subscribers.iter().skip(publisher % self.topics).step_by(self.topics);
        let next = of_topic.filter_map(|subscriber| Some(subscriber.sequence(publisher)?.next()));
        next.min().unwrap_or(0)
    }

    /// Waits for events and handles them.
    ///
    /// # Errors
    ///
    /// A connection has ended, or somebody got what it should not.
    pub(super) fn turn(&mut self, poll: &mut Poll, events: &mut Events, wait: Duration) -> Outcome {
        match poll.poll(events, Some(wait)) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(()),
            result => result?,
        }
        for event in events.iter() {
            let token = event.token().0;
            if let Some(publisher) = self.publishers.get_mut(token) {
                if event.is_readable() {
                    publisher.receive(&mut self.buffer)?;
                }
                if event.is_writable() {
                    publisher.flush()?;
                }
            } else {
                let subscriber = &mut self.subscribers[token - self.publishers.len()];
                if event.is_readable() {
                    subscriber.receive(&mut self.buffer)?;
                }
                if event.is_writable() {
                    subscriber.flush()?;
                }
            }
        }
        self.share()
    }

    /// Notes what the members of a shared subscription got together.
    fn share(&mut self) -> Outcome {
        let Some(group) = &mut self.group else { return Ok(()) };
        for arrivals in self.subscribers.iter_mut().filter_map(Subscriber::arrivals_mut) {
            for stamp in arrivals.drain(..) {
                group[stamp.publisher as usize].arrived(stamp.number)?;
            }
        }
        Ok(())
    }

    /// Waits until everything has arrived that was sent, or nothing more comes.
    ///
    /// # Errors
    ///
    /// As [`Clients::turn`].
    pub(super) fn drain(&mut self, poll: &mut Poll, events: &mut Events) -> Outcome {
        let mut progress = (0, Instant::now());
        while !self.is_idle() && progress.1.elapsed() < STALL {
            self.turn(poll, events, TURN)?;
            let delivered = self.delivered();
            if delivered != progress.0 {
                progress = (delivered, Instant::now());
            }
        }
        Ok(())
    }

    fn is_idle(&self) -> bool {
        (0..self.publishers.len()).all(|number| {
            let publisher = &self.publishers[number];
            publisher.in_flight() == 0 && publisher.is_flushed() && self.slowest(number) == publisher.sent()
        })
    }

    /// How many messages have been delivered, to all subscribers together.
    pub(super) fn delivered(&self) -> u64 {
        self.subscribers.iter().map(Subscriber::delivered).sum()
    }

    /// The faults, once everything has arrived that was ever to arrive.
    pub(super) fn faults(&self) -> Faults {
        let mut faults = Faults::default();
        for (number, publisher) in self.publishers.iter().enumerate() {
            faults.out_of_order += publisher.out_of_order();
            for subscriber in self.subscribers.iter().skip(number % self.topics).step_by(self.topics) {
                let sequence = subscriber.sequence(number);
                faults += sequence.map(|sequence| sequence.faults(publisher.sent())).unwrap_or_default();
            }
        }
        for (union, publisher) in self.group.iter().flatten().zip(&self.publishers) {
            faults += union.faults(publisher.sent());
        }
        faults.out_of_order += self.subscribers.iter().map(Subscriber::out_of_order).sum::<u64>();
        faults
    }
}

/// Connections that the broker has accepted, in the order of their numbers.
struct Streams {
    publishers: Vec<Accepted>,
    subscribers: Vec<Accepted>,
}

impl Streams {
    fn anywhere(target: &Target, traffic: &Traffic) -> Outcome<Streams> {
        let all = |kind: &str, count: usize, sessions: Sessions| -> Outcome<Vec<Accepted>> {
            (0..count).map(|number| target.connect(&format!("bench-{kind}-{number}"), sessions)).collect()
        };
        Ok(Streams {
            publishers: all("publisher", traffic.publishers, Sessions::End)?,
            subscribers: all("subscriber", traffic.subscribers, traffic.sessions)?,
        })
    }

    /// Pairs of which as many as possible have their clients on different threads, and how many have.
    ///
    /// Clients come in as they are and are sorted by their home; those left over leave again.
    fn crossing(target: &Target, process: u32, traffic: &Traffic) -> Outcome<(Streams, usize)> {
        let mut by_home: Vec<(u32, Vec<Accepted>)> = Vec::new();
        // Twice as many as are needed, so that one thread is hardly ever short.
        for number in 0..2 * (traffic.publishers + traffic.subscribers) {
            let mut client = target.connect(&format!("bench-client-{number}"), Sessions::End)?;
            let home = homes::home(&mut client.stream, process)?;
            match by_home.iter_mut().find(|(known, _)| *known == home) {
                Some((_, clients)) => clients.push(client),
                None => by_home.push((home, vec![client])),
            }
        }
        let mut streams = Streams { publishers: Vec::new(), subscribers: Vec::new() };
        let mut crossing = 0;
        for pair in 0..traffic.publishers {
            by_home.sort_by_key(|(_, clients)| Reverse(clients.len()));
            let other = if by_home.get(1).is_some_and(|(_, clients)| !clients.is_empty()) { 1 } else { 0 };
            let first = by_home[0].1.pop().ok_or("too few clients")?;
            let second = by_home[other].1.pop().ok_or("too few clients")?;
            crossing += usize::from(other != 0);
            // Messages cross both ways.
            let (publisher, subscriber) = if pair % 2 == 0 { (first, second) } else { (second, first) };
            streams.publishers.push(publisher);
            streams.subscribers.push(subscriber);
        }
        Ok((streams, crossing))
    }
}
