//! All clients of a run, in one task: what comes in is counted and answered, and publishers publish what they may.
//!
//! `receiving` says what packets mean for the run, `publishing` who may publish; when something happens is up to
//! `run`.

mod publishing;
mod receiving;

use tokio::task::yield_now;
use vaux_client::{
    Accepted, Disconnected, PropertyBuffer, QoS, ReasonCode, RetainHandling, SubscriptionOptions, Version,
};
use vaux_mqtt::PacketId;
use vaux_mqtt::error::Rule;
use vaux_mqtt::packet::{Subscribe, Subscription, Subscriptions};

use super::arrivals::Arrivals;
use super::clock::Clock;
use super::failures::Failures;
use super::link::{Link, READ_BUFFER_BYTES};
use super::meter::Meter;
use super::publisher::{Kind, Publisher};
use super::ready::Ready;
use super::schedule::Schedule;
use super::shape::{Flow, Shape};
use super::timer::Timer;

/// What a run is to do, as far as the clients are concerned.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) shape: Shape,
    pub(super) version: Version,
    pub(super) qos: QoS,
    pub(super) payload_bytes: usize,
    /// How many messages of a publisher may be under way: not acknowledged, and without a schedule not delivered.
    pub(super) window: u64,
    /// How long messages are waited for when none comes, in nanoseconds.
    pub(super) patience: u64,
    pub(super) publish_properties: PropertyBuffer,
    pub(super) subscribe_properties: PropertyBuffer,
    /// Tells the messages of this run from others.
    pub(super) run: u32,
}

/// All clients of a run.
pub(super) struct Engine {
    pub(super) setup: Setup,
    pub(super) clock: Clock,
    pub(super) meter: Meter,
    pub(super) arrivals: Arrivals,
    pub(super) failures: Failures,
    ready: Ready,
    timer: Timer,
    /// By client; none for those that are not connected.
    links: Vec<Option<Link>>,
    connected: usize,
    publishers: Vec<Publisher>,
    /// What the server said to SUBSCRIBE, by subscriber.
    granted: Vec<Option<ReasonCode>>,
    schedule: Option<Schedule>,
    phase: Phase,
    next_tick: u64,
    /// Publishers that may be able to publish.
    listed: Vec<usize>,
    /// Clients that have something to do; kept for its memory.
    taken: Vec<usize>,
    buffer: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nobody publishes.
    Silent,
    /// Publishers publish what is due until then, or what they may.
    Publishing { until: u64 },
    /// What was due is still sent, until then.
    Draining { until: u64 },
    /// Whatever comes does not matter.
    Closing,
}

/// What a turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Something may have happened.
    Worked,
    /// A second has passed.
    Second,
}

const SECOND: u64 = 1_000_000_000;

impl Engine {
    /// An engine without clients.
    pub(super) fn new(setup: Setup, clock: Clock) -> Engine {
        let shape = &setup.shape;
        let kind = Kind {
            shape,
            version: setup.version,
            qos: setup.qos,
            payload_bytes: setup.payload_bytes,
            properties: &setup.publish_properties,
            run: setup.run,
        };
        Engine {
            clock,
            meter: Meter::new(),
            arrivals: Arrivals::new(shape, setup.run),
            failures: Failures::default(),
            ready: Ready::default(),
            timer: Timer::new(clock),
            links: (0..shape.clients()).map(|_| None).collect(),
            connected: 0,
            publishers: (0..shape.publishers).map(|number| Publisher::new(number, &kind)).collect(),
            granted: vec![None; shape.subscribers],
            schedule: None,
            phase: Phase::Silent,
            next_tick: clock.now() + SECOND,
            listed: Vec::new(),
            taken: Vec::new(),
            buffer: vec![0; READ_BUFFER_BYTES],
            setup,
        }
    }

    /// Takes over the connection of a client. A subscriber subscribes.
    ///
    /// # Errors
    ///
    /// The server does not support what the run needs.
    pub(super) fn admit(&mut self, client: usize, accepted: Accepted) -> Result<(), Rule> {
        let limits = accepted.limits;
        let mut link = Link::new(accepted, self.ready.bell(client), self.clock.now() / 1_000_000);
        if let Some(publisher) = self.publishers.get_mut(client) {
            if self.setup.qos > limits.maximum_qos {
                return Err(Rule::QosNotSupported);
            }
            if publisher.packet_bytes() > limits.maximum_packet_size as usize {
                return Err(Rule::PacketTooLarge);
            }
            publisher.max_unacknowledged = self.setup.window.min(limits.receive_maximum.into());
        } else if client < self.setup.shape.publishers + self.setup.shape.subscribers {
            if self.setup.shape.flow == Flow::Group && !limits.shared_subscription_available {
                return Err(Rule::SharedNotSupported);
            }
            self.subscribe(client - self.setup.shape.publishers, &mut link);
        }
        self.links[client] = Some(link);
        self.connected += 1;
        self.flush(client);
        Ok(())
    }

    fn subscribe(&self, subscriber: usize, link: &mut Link) {
        let filter = self.setup.shape.filter(subscriber);
        let options = SubscriptionOptions {
            retain_handling: RetainHandling::DoNotSend,
            ..SubscriptionOptions::with_qos(self.setup.qos)
        };
        Subscribe {
            packet_id: PacketId::FIRST,
            properties: self.setup.subscribe_properties.list(),
            subscriptions: Subscriptions::from_slice(&[Subscription { filter: &filter, options }]),
        }
        .encode(self.setup.version, link.outgoing_mut());
    }

    /// How many clients are connected.
    pub(super) fn connected(&self) -> usize {
        self.connected
    }

    /// Whether the server has answered all subscribers that are connected.
    pub(super) fn is_subscribed(&self) -> bool {
        let links = &self.links[self.setup.shape.publishers..];
        self.granted.iter().zip(links).all(|(granted, link)| granted.is_some() || link.is_none())
    }

    /// What the server said to subscriptions.
    pub(super) fn granted(&self) -> impl Iterator<Item = ReasonCode> {
        self.granted.iter().flatten().copied()
    }

    /// Disconnects all clients. Turns then end when the server has closed the connections.
    pub(super) fn close(&mut self, properties: &PropertyBuffer) {
        self.phase = Phase::Closing;
        for link in &mut self.links {
            if link.as_mut().is_some_and(|link| link.disconnect(properties).is_err()) {
                *link = None;
                self.connected -= 1;
            }
        }
    }

    /// Whether those are gone without whom a run makes no sense.
    pub(super) fn is_deserted(&self) -> bool {
        let shape = &self.setup.shape;
        let (publishers, others) = self.links.split_at(shape.publishers);
        let all_gone = |links: &[Option<Link>]| !links.is_empty() && links.iter().all(Option::is_none);
        all_gone(publishers) || all_gone(others)
    }

    /// Waits until something happens, at most until `until`, and handles it.
    pub(super) async fn turn(&mut self, until: u64) -> Turn {
        let now = self.clock.now();
        self.meter.poll(now);
        self.publish(now);
        if self.listed.is_empty() {
            let wake_at = until.min(self.next_tick).min(self.next_due()).min(self.meter.next_poll());
            tokio::select! {
                () = self.ready.wait() => {}
                () = self.timer.wait_until(wake_at) => {}
            }
        } else {
            // Somebody can go on at once; others may have something to do, too.
            yield_now().await;
        }
        self.handle_ready();
        let now = self.clock.now();
        if now < self.next_tick {
            return Turn::Worked;
        }
        self.next_tick = now + SECOND;
        self.tick(now);
        Turn::Second
    }

    /// What is to be looked at once a second.
    fn tick(&mut self, now: u64) {
        for client in 0..self.links.len() {
            let Some(link) = &mut self.links[client] else { continue };
            if let Err(why) = link.keep_alive(now / 1_000_000) {
                self.lose(client, why);
            }
        }
        if self.schedule.is_none() && matches!(self.phase, Phase::Publishing { .. }) {
            (0..self.publishers.len()).for_each(|publisher| self.give_up_waiting(publisher, now));
        }
    }

    fn flush(&mut self, client: usize) {
        let Some(link) = &mut self.links[client] else { return };
        if let Err(why) = link.flush() {
            self.lose(client, why);
        }
    }

    fn lose(&mut self, client: usize, why: Disconnected) {
        self.links[client] = None;
        self.connected -= 1;
        if self.phase != Phase::Closing {
            self.failures.add_lost(why);
        }
    }

    fn handle_ready(&mut self) {
        let mut taken = std::mem::take(&mut self.taken);
        self.ready.take(&mut taken);
        for &client in &taken {
            self.handle_client(client);
        }
        taken.clear();
        self.taken = taken;
    }
}

/// Puts a publisher on the list of those that may be able to publish.
fn list(publishers: &mut [Publisher], listed: &mut Vec<usize>, publisher: usize) {
    if !std::mem::replace(&mut publishers[publisher].is_listed, true) {
        listed.push(publisher);
    }
}
