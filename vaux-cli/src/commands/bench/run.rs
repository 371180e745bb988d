//! The phases of a run: connect, subscribe, warm up, measure, wait for what is under way, disconnect.

use std::time::Duration;

use vaux_client::{ConnectError, Connector, PropertyBuffer, ReasonCode, RequestError};
use vaux_mqtt::Error;

use super::clock::{Clock, nanoseconds};
use super::connects::{Connects, Times};
use super::engine::{Engine, Setup, Turn};
use super::failures::What;
use super::progress::Progress;
use super::shape::Mode;
use crate::cli_error::{CliError, Exit};
use crate::connection::{Interrupt, Plan};
use crate::output::talk::Talk;

/// What the flags ask for.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) mode: Mode,
    pub(super) setup: Setup,
    /// What client identifiers begin with.
    pub(super) id_start: String,
    /// Messages a second, or connections of [`Mode::Conn`].
    pub(super) rate: Option<f64>,
    /// Connections a second otherwise.
    pub(super) connect_rate: Option<f64>,
    pub(super) warm_up: Duration,
    pub(super) duration: Duration,
    pub(super) disconnect_properties: PropertyBuffer,
}

/// What is there to report.
pub(super) struct Outcome {
    pub(super) engine: Engine,
    pub(super) connects: Times,
    pub(super) ended: Ended,
    /// How many clients were connected in the end.
    pub(super) still_connected: usize,
    /// How long idle connections were held, in seconds.
    pub(super) held: f64,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Its time was over.
    Done,
    /// A signal, and how the program is to end.
    Interrupted(Exit),
    /// Nobody was left without whom it makes sense.
    Deserted,
}

/// How many connections are under way at once, if nobody says how many a second.
const CONNECTS_AT_ONCE: usize = 64;

/// How long the server may take to answer all subscribers.
const SUBSCRIBE_TIMEOUT: u64 = 20_000_000_000;

/// How long the server may take to close connections.
const CLOSE_TIMEOUT: u64 = 1_000_000_000;

/// One run.
struct Run<'a> {
    task: &'a Task,
    plan: &'a Plan,
    engine: Engine,
    connects: Connects,
    interrupt: Interrupt,
    progress: Progress,
    held: f64,
}

impl Task {
    /// Does it.
    ///
    /// # Errors
    ///
    /// There is no run: the server cannot be reached, refuses, or does not support what is needed.
    pub(super) async fn run(
        &self,
        plan: &Plan,
        progress: Progress,
        talk: Talk,
    ) -> Result<Option<Outcome>, CliError> {
        let mut interrupt = Interrupt::listen()?;
        let clock = Clock::start();
        talk.debug(format_args!("connecting to {}, MQTT {}", plan.server(), plan.version));
        let failed = |error| plan.connect_error(error);
        let mut connector = Connector::new(plan.options.clone()).map_err(failed)?;
        tokio::select! {
            resolved = connector.resolve() => resolved.map_err(failed)?,
            _ = interrupt.wait() => return Ok(None),
        }
        let shape = &self.setup.shape;
        let names = (0..shape.clients()).map(|client| format!("{}{}", self.id_start, shape.name(client)));
        let rate = if self.mode == Mode::Conn { self.rate } else { self.connect_rate };
        let connects = Connects::new(connector, names.collect(), rate, CONNECTS_AT_ONCE, clock);
        let engine = Engine::new(self.setup.clone(), clock);
        let mut run = Run { task: self, plan, engine, connects, interrupt, progress, held: 0.0 };
        let ended = run.go(talk).await;
        run.progress.clear();
        let still_connected = run.engine.connected();
        if ended.is_ok() {
            run.engine.record_unsent();
        }
        run.close().await;
        let ended = ended?;
        let Run { engine, connects, held, .. } = run;
        Ok(Some(Outcome { engine, connects: connects.times, ended, still_connected, held }))
    }
}

impl Run<'_> {
    async fn go(&mut self, talk: Talk) -> Result<Ended, CliError> {
        let connected = self.connect().await?;
        if connected != Ended::Done {
            return Ok(connected);
        }
        talk.debug(format_args!("{} clients connected", self.engine.connected()));
        if self.task.mode == Mode::Conn {
            return Ok(self.hold().await);
        }
        let subscribed = self.subscribe().await?;
        if subscribed != Ended::Done {
            return Ok(subscribed);
        }
        if self.engine.granted().next().is_some() {
            talk.debug(format_args!("subscribed to {}", self.task.setup.shape.filter(0)));
        }
        let measured = self.measure().await;
        self.engine.meter.stop(self.engine.clock.now());
        if measured == Ended::Deserted {
            return Ok(measured);
        }
        let drained = self.drain().await;
        Ok(if measured == Ended::Done { drained } else { measured })
    }

    /// Connects all clients. Where connections are what is measured one may fail, but not the first.
    async fn connect(&mut self) -> Result<Ended, CliError> {
        let clients = self.task.setup.shape.clients();
        loop {
            tokio::select! {
                attempt = self.connects.next() => {
                    let Some(attempt) = attempt else { break };
                    match attempt.outcome {
                        Ok(accepted) => self
                            .engine
                            .admit(attempt.client, accepted)
                            .map_err(|rule| self.unsupported(rule))?,
                        Err(error) if self.task.mode == Mode::Conn && self.engine.connected() > 0 => {
                            self.engine.failures.add_not_connected(error, self.plan);
                        }
                        Err(error) => return Err(self.not_connected(error)),
                    }
                }
                turn = self.engine.turn(u64::MAX) => {
                    if turn == Turn::Second {
                        self.progress.draw_connecting("connected", self.engine.connected(), clients);
                    }
                }
                exit = self.interrupt.wait() => return Ok(Ended::Interrupted(exit)),
            }
        }
        // Who is lost before it begins would spoil the figures.
        if self.task.mode != Mode::Conn && self.engine.failures.count(What::ConnectionLost) > 0 {
            return Ok(Ended::Deserted);
        }
        Ok(Ended::Done)
    }

    fn not_connected(&self, error: ConnectError) -> CliError {
        let connected = self.engine.connected();
        let ports_are_used_up = matches!(
            &error,
            ConnectError::Tcp { source, .. }
                if source.kind() == std::io::ErrorKind::AddrNotAvailable
        );
        match self.plan.connect_error(error) {
            CliError::Connect { server, source, hint } => {
                let hint = match ports_are_used_up {
                    true => Some(
                        "a local address has so many ports only (net.ipv4.ip_local_port_range); -A gives another one"
                            .to_owned(),
                    ),
                    false => hint,
                };
                let server = match connected {
                    0 => server,
                    _ => format!("{server}, with {connected} clients connected"),
                };
                CliError::Connect { server, source, hint }
            }
            error => error,
        }
    }

    fn unsupported(&self, rule: vaux_mqtt::error::Rule) -> CliError {
        let source = RequestError::Invalid(Error::new(rule, self.plan.version, 0));
        CliError::Request { what: "the server does not support this run".to_owned(), source }
    }

    /// Waits until the server has answered all subscribers.
    async fn subscribe(&mut self) -> Result<Ended, CliError> {
        let until = self.engine.clock.now() + SUBSCRIBE_TIMEOUT;
        while !self.engine.is_subscribed() {
            tokio::select! {
                _ = self.engine.turn(until) => {}
                exit = self.interrupt.wait() => return Ok(Ended::Interrupted(exit)),
            }
            if self.engine.is_deserted() {
                return Ok(Ended::Deserted);
            }
            if self.engine.clock.now() >= until {
                let what = "the server did not answer SUBSCRIBE".to_owned();
                return Err(CliError::Request { what, source: RequestError::Disconnected });
            }
        }
        let qos = self.task.setup.qos.bits();
        match self.engine.granted().find(|reason| reason.value() != qos) {
            Some(reason) => Err(not_granted(reason, qos)),
            None => Ok(Ended::Done),
        }
    }

    /// Warms up and measures.
    async fn measure(&mut self) -> Ended {
        let task = self.task;
        let begins = self.engine.clock.now();
        let from = begins + nanoseconds(task.warm_up);
        let until = from + nanoseconds(task.duration);
        self.engine.meter.measure(from, until);
        self.engine.begin(begins, until, task.rate);
        loop {
            let turn = tokio::select! {
                turn = self.engine.turn(until) => turn,
                exit = self.interrupt.wait() => return Ended::Interrupted(exit),
            };
            let now = self.engine.clock.now();
            if now >= until {
                return Ended::Done;
            }
            if self.engine.is_deserted() {
                return Ended::Deserted;
            }
            if turn == Turn::Second {
                let stage = match now < from {
                    true => "warm-up".to_owned(),
                    false => format!("{} of {} s", (now - from) / 1_000_000_000, task.duration.as_secs_f64()),
                };
                self.progress.draw_traffic(stage, &mut self.engine);
            }
        }
    }

    /// Waits for what is under way.
    async fn drain(&mut self) -> Ended {
        self.engine.drain();
        let mut last = (self.engine.meter.counters, self.engine.clock.now());
        while !self.engine.is_drained() {
            let now = self.engine.clock.now();
            if self.engine.meter.counters != last.0 {
                last = (self.engine.meter.counters, now);
            }
            let until = last.1 + self.task.setup.patience;
            if now >= until {
                break;
            }
            let turn = tokio::select! {
                turn = self.engine.turn(until) => turn,
                exit = self.interrupt.wait() => return Ended::Interrupted(exit),
            };
            if turn == Turn::Second {
                self.progress.draw_traffic("waiting for rest", &mut self.engine);
            }
        }
        Ended::Done
    }

    /// Does nothing with connections but keep them alive.
    async fn hold(&mut self) -> Ended {
        let began = self.engine.clock.now();
        let until = began + nanoseconds(self.task.duration);
        let ended = loop {
            let turn = tokio::select! {
                turn = self.engine.turn(until) => turn,
                exit = self.interrupt.wait() => break Ended::Interrupted(exit),
            };
            if self.engine.clock.now() >= until {
                break Ended::Done;
            }
            if self.engine.is_deserted() {
                break Ended::Deserted;
            }
            if turn == Turn::Second {
                let clients = self.task.setup.shape.clients();
                self.progress.draw_connecting("holding", self.engine.connected(), clients);
            }
        };
        self.held = (self.engine.clock.now() - began) as f64 / 1e9;
        ended
    }

    /// Disconnects, and waits a little for the server to see it.
    async fn close(&mut self) {
        let until = self.engine.clock.now() + CLOSE_TIMEOUT;
        self.engine.close(&self.task.disconnect_properties);
        while self.engine.connected() > 0 && self.engine.clock.now() < until {
            tokio::select! {
                _ = self.engine.turn(until) => {}
                _ = self.interrupt.wait() => return,
            }
        }
    }
}

/// A subscription that was refused, or granted with less than was asked for: the figures would be of something else.
fn not_granted(reason: ReasonCode, qos: u8) -> CliError {
    if reason.is_error() {
        let source = RequestError::Refused { reasons: vec![reason], properties: PropertyBuffer::new() };
        return CliError::Request { what: "not subscribed".to_owned(), source };
    }
    CliError::usage(format!("the server grants QoS {} and not QoS {qos}", reason.value()))
}
