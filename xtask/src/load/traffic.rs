//! Messages from publishers to subscribers, in a closed loop.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Registry};

use super::connection::{Connection, READ_BUFFER_BYTES};
use super::handshake::Accepted;
use super::publisher::Publisher;
use super::subscriber::Subscriber;
use super::window::Window;
use super::{Arguments, Faults, Measurement, handshake, homes};
use crate::Outcome;
use crate::bench::scenario::{Homes, Sessions, Traffic};

/// How long nothing may arrive before the rest counts as lost.
const STALL: Duration = Duration::from_secs(5);

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
        clients.turn(&mut poll, &mut events)?;
        if let Some(measured) = window.poll(clients.delivered())? {
            break measured;
        }
    };
    clients.drain(&mut poll, &mut events)?;
    Ok(Measurement { faults: clients.faults(), crossing_pairs, ..measured })
}

/// Everyone who takes part. Publishers have the tokens from 0, subscribers those after them.
struct Clients {
    publishers: Vec<Publisher>,
    subscribers: Vec<Subscriber>,
    topics: usize,
    buffer: Vec<u8>,
}

impl Clients {
    fn connect(
        arguments: &Arguments,
        traffic: &Traffic,
        registry: &Registry,
    ) -> Outcome<(Clients, Option<usize>)> {
        let version = arguments.settings.version();
        let (streams, crossing_pairs) = match traffic.homes {
            Homes::Any => (Streams::anywhere(arguments, traffic)?, None),
            Homes::Crossing => {
                let (streams, crossing) = Streams::crossing(arguments, traffic)?;
                (streams, Some(crossing))
            }
        };
        let mut clients = Clients {
            publishers: Vec::with_capacity(traffic.publishers),
            subscribers: Vec::with_capacity(traffic.subscribers),
            topics: traffic.topics,
            buffer: vec![0; READ_BUFFER_BYTES],
        };
        for (number, mut accepted) in streams.subscribers.into_iter().enumerate() {
            let topic = number % traffic.topics;
            handshake::subscribe(&mut accepted.stream, version, &topic_name(topic), traffic.qos)?;
            let connection =
                Connection::new(accepted.stream, version, registry, traffic.publishers + number)?;
            let place = (topic, traffic.topics);
            let publishers = traffic.publishers_per_topic();
            clients.subscribers.push(Subscriber::new(connection, version, traffic.qos, place, publishers));
        }
        for (number, accepted) in streams.publishers.into_iter().enumerate() {
            let topic = topic_name(number % traffic.topics);
            let number = u32::try_from(number)?;
            clients.publishers.push(Publisher::new(accepted, version, registry, number, &topic, traffic)?);
        }
        Ok((clients, crossing_pairs))
    }

    /// Lets every publisher fill its windows.
    fn publish(&mut self, traffic: &Traffic) -> Outcome {
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

    /// How many messages of a publisher have reached all of its subscribers.
    fn slowest(&self, publisher: usize) -> u64 {
        let of_topic = self.subscribers.iter().skip(publisher % self.topics).step_by(self.topics);
        of_topic.map(|subscriber| subscriber.sequence(publisher).next()).min().unwrap_or(0)
    }

    /// Waits for events and handles them.
    fn turn(&mut self, poll: &mut Poll, events: &mut Events) -> Outcome {
        // Short enough for the end of the window to be seen when nothing moves.
        match poll.poll(events, Some(Duration::from_millis(10))) {
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
        Ok(())
    }

    /// Waits until everything has arrived that was sent, or nothing more comes.
    fn drain(&mut self, poll: &mut Poll, events: &mut Events) -> Outcome {
        let mut progress = (0, Instant::now());
        while !self.is_idle() && progress.1.elapsed() < STALL {
            self.turn(poll, events)?;
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

    fn delivered(&self) -> u64 {
        self.subscribers.iter().map(Subscriber::delivered).sum()
    }

    fn faults(&self) -> Faults {
        let mut faults = Faults::default();
        for (number, publisher) in self.publishers.iter().enumerate() {
            faults.out_of_order += publisher.out_of_order();
            for subscriber in self.subscribers.iter().skip(number % self.topics).step_by(self.topics) {
                faults += subscriber.sequence(number).faults(publisher.sent());
            }
        }
        faults
    }
}

fn topic_name(topic: usize) -> String {
    format!("bench/topic/{topic:04}")
}

/// Connections that the broker has accepted, in the order of their numbers.
struct Streams {
    publishers: Vec<Accepted>,
    subscribers: Vec<Accepted>,
}

impl Streams {
    fn anywhere(arguments: &Arguments, traffic: &Traffic) -> Outcome<Streams> {
        let all = |kind: &str, count: usize, sessions: Sessions| -> Outcome<Vec<Accepted>> {
            (0..count).map(|number| connect(arguments, &format!("bench-{kind}-{number}"), sessions)).collect()
        };
        Ok(Streams {
            publishers: all("publisher", traffic.publishers, Sessions::End)?,
            subscribers: all("subscriber", traffic.subscribers, traffic.sessions)?,
        })
    }

    /// Pairs of which as many as possible have their clients on different threads, and how many have.
    ///
    /// Clients come in as they are and are sorted by their home; those left over leave again.
    fn crossing(arguments: &Arguments, traffic: &Traffic) -> Outcome<(Streams, usize)> {
        let mut by_home: Vec<(u32, Vec<Accepted>)> = Vec::new();
        // Twice as many as are needed, so that one thread is hardly ever short.
        for number in 0..2 * (traffic.publishers + traffic.subscribers) {
            let mut client = connect(arguments, &format!("bench-client-{number}"), Sessions::End)?;
            let home = homes::home(&mut client.stream, arguments.process)?;
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

fn connect(arguments: &Arguments, client_id: &str, sessions: Sessions) -> Outcome<Accepted> {
    handshake::connect(arguments.broker, arguments.settings.version(), client_id, sessions)
}
