//! The only part that does I/O: keys, messages of the broker, signals and the clock go in, effects are carried out.

mod ask;
mod broker;
mod keys;
mod terminal;

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ratatui::buffer::Buffer;
use ratatui::crossterm::event::Event;
use ratatui::layout::{Rect, Size};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use vaux_client::{Client, ConnectionEvents, Messages};

use crate::pace::Pace;
use crate::state::replay::{Recording, Replay};
use crate::state::{Settings, State};
use crate::update::{Effect, Input, settle, update};
use crate::view::view;
use broker::Broker;
use keys::Keys;
use terminal::Screen;

/// A connection to a broker.
#[derive(Debug)]
pub struct Live {
    /// The client.
    pub client: Client,
    /// What happens to its connection.
    pub events: ConnectionEvents,
    /// Its messages.
    pub messages: Messages,
}

/// How the dashboard ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Somebody quit it.
    Quit,
    /// Ctrl-C.
    Interrupted,
    /// A signal asked for it.
    Terminated,
}

/// The dashboard, before it is run.
#[derive(Debug)]
pub struct Dashboard {
    state: State,
    live: Option<Live>,
    interval: Duration,
    is_guest: bool,
}

/// Without news the screen is drawn this often, since ages grow.
const IDLE: Duration = Duration::from_secs(1);
/// So many messages are taken before keys are looked at again.
const BATCH: usize = 512;

impl Dashboard {
    /// A dashboard of a broker. News are drawn each `interval`.
    pub fn of_broker(settings: Settings, live: Live, interval: Duration) -> Dashboard {
        Dashboard { state: State::new(settings, clock()), live: Some(live), interval, is_guest: false }
    }

    /// A dashboard of a recording.
    pub fn of_recording(settings: Settings, recording: Recording, interval: Duration) -> Dashboard {
        let mut state = State::new(settings, clock());
        state.replay = Some(Replay::new(recording));
        Dashboard { state, live: None, interval, is_guest: false }
    }

    /// The same within a program that goes on afterwards, and stops by itself when `SIGTSTP` tells it to: once heard, that
    /// signal would no longer stop it.
    pub fn as_guest(self) -> Dashboard {
        Dashboard { is_guest: true, ..self }
    }

    /// Whether there is a terminal to be on.
    pub fn has_terminal() -> bool {
        io::stdout().is_terminal() && io::stdin().is_terminal()
    }

    /// Runs until somebody quits. The terminal is as before afterwards.
    ///
    /// # Errors
    ///
    /// The terminal fails.
    pub async fn run(self) -> io::Result<Ended> {
        let screen = Screen::enter()?;
        let (inputs, results) = mpsc::channel(256);
        let (client, events, messages) = match self.live {
            Some(live) => (Some(live.client), Some(live.events), Some(live.messages)),
            None => (None, None, None),
        };
        let broker = client.map(|client| Broker::new(client, inputs));
        let now = Instant::now();
        let mut app = App {
            state: self.state,
            screen,
            broker,
            pace: Pace::new(now),
            interval: self.interval,
            drawn_at: now,
            is_stale: true,
            is_urgent: true,
            ended: None,
        };
        if app.broker.is_some() {
            app.take(Input::Connected)?;
        }
        let signals = Signals::listen(self.is_guest)?;
        let mut sources = Sources { keys: Keys::read(), results, events, messages, signals };
        let ended = app.run(&mut sources).await;
        if self.is_guest && matches!(ended, Ok(Ended::Quit | Ended::Interrupted)) {
            sources.keys.stop();
        }
        if let Some(broker) = &app.broker {
            broker.close().await;
        }
        ended
    }
}

/// Milliseconds since 1970.
fn clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as u64)
}

/// The signals that matter to a program with a terminal of its own.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    /// Where the program around the dashboard stops by itself, nothing is heard.
    stop: Option<Signal>,
    go_on: Signal,
}

/// `SIGTSTP` and `SIGCONT`, which the library has no names for.
const SIGTSTP: i32 = rustix::process::Signal::TSTP.as_raw();
const SIGCONT: i32 = rustix::process::Signal::CONT.as_raw();

impl Signals {
    fn listen(is_guest: bool) -> io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            stop: (!is_guest).then(|| signal(SignalKind::from_raw(SIGTSTP))).transpose()?,
            go_on: signal(SignalKind::from_raw(SIGCONT))?,
        })
    }
}

/// Where inputs come from.
struct Sources {
    keys: Keys,
    results: mpsc::Receiver<Input>,
    events: Option<ConnectionEvents>,
    messages: Option<Messages>,
    signals: Signals,
}

struct App {
    state: State,
    screen: Screen,
    broker: Option<Broker>,
    pace: Pace,
    interval: Duration,
    drawn_at: Instant,
    /// Whether there are news to draw.
    is_stale: bool,
    /// Whether somebody waits for the drawing.
    is_urgent: bool,
    ended: Option<Ended>,
}

impl App {
    async fn run(&mut self, sources: &mut Sources) -> io::Result<Ended> {
        let mut tick_at = Instant::now();
        loop {
            let now = Instant::now();
            if now >= tick_at {
                self.take(Input::Tick)?;
                tick_at = now + self.interval;
            }
            self.draw_when_due(now)?;
            if let Some(ended) = self.ended {
                return Ok(ended);
            }
            let wake_at = if self.is_urgent { tick_at.min(self.pace.ready_at(now)) } else { tick_at };
            tokio::select! {
                biased;
                _ = sources.signals.interrupt.recv() => self.ended = Some(Ended::Interrupted),
                _ = sources.signals.terminate.recv() => self.ended = Some(Ended::Terminated),
                _ = sources.signals.hang_up.recv() => self.ended = Some(Ended::Terminated),
                () = stopped(&mut sources.signals.stop) => self.screen.suspend()?,
                _ = sources.signals.go_on.recv() => self.resume()?,
                event = sources.keys.next() => match event {
                    Some(event) => self.take_event(event)?,
                    // The terminal is gone.
                    None => self.ended = Some(Ended::Terminated),
                },
                Some(input) = sources.results.recv() => {
                    self.take(input)?;
                    self.is_urgent = true;
                }
                event = next_event(&mut sources.events) => match event.map(broker::news) {
                    Some(news) => {
                        if let Some(input) = news {
                            self.take(input)?;
                        }
                    }
                    None => sources.events = None,
                },
                message = next_message(&mut sources.messages) => match message {
                    Some(message) => self.take_messages(message, &mut sources.messages)?,
                    None => sources.messages = None,
                },
                () = tokio::time::sleep_until(wake_at.into()) => {}
            }
        }
    }

    fn take_event(&mut self, event: Event) -> io::Result<()> {
        let input = match event {
            Event::Key(key) => Input::Key(key),
            Event::Mouse(mouse) => Input::Mouse(mouse),
            Event::Paste(text) => Input::Paste(text),
            Event::Resize(width, height) => Input::Resized(Size::new(width, height)),
            Event::FocusGained | Event::FocusLost => return Ok(()),
        };
        self.is_urgent = true;
        self.take(input)
    }

    fn take_messages(
        &mut self,
        first: vaux_client::Message,
        messages: &mut Option<Messages>,
    ) -> io::Result<()> {
        let mut next = Some(first);
        for _ in 0..BATCH {
            let Some(message) = next else { return Ok(()) };
            if !self.broker.as_ref().is_some_and(|broker| broker.is_own(&message.topic)) {
                self.take(Input::Arrived(message))?;
            }
            next = messages.as_mut().and_then(Messages::try_next);
        }
        match next {
            Some(message) => self.take(Input::Arrived(message)),
            None => Ok(()),
        }
    }

    fn take(&mut self, input: Input) -> io::Result<()> {
        self.is_stale |= !matches!(input, Input::Tick);
        for effect in update(&mut self.state, clock(), input) {
            self.carry_out(effect)?;
        }
        Ok(())
    }

    fn carry_out(&mut self, effect: Effect) -> io::Result<()> {
        match effect {
            Effect::Quit => self.ended = Some(Ended::Quit),
            Effect::Interrupt => self.ended = Some(Ended::Interrupted),
            Effect::Suspend => self.screen.suspend()?,
            Effect::Mouse(is_ours) => self.screen.set_mouse(is_ours)?,
            Effect::Copy(text) => {
                let told = match self.screen.copy(&text) {
                    Ok(true) => Input::Done(format!(
                        "{} bytes are in the clipboard, if the terminal allows it",
                        text.len()
                    )),
                    Ok(false) => Input::Undone("this is too much for the clipboard of a terminal".to_owned()),
                    Err(error) => return Err(error),
                };
                self.take(told)?;
            }
            Effect::Export(path) => {
                let told = match self.export(&path) {
                    Ok(()) => Input::Done(format!("written to {path}")),
                    Err(error) => Input::Undone(format!("{path}: {error}")),
                };
                self.take(told)?;
            }
            Effect::Subscribe(_) | Effect::Unsubscribe(_) => {
                let is_refused =
                    self.broker.as_ref().is_some_and(|broker| !broker.change_subscriptions(effect));
                if is_refused {
                    self.take(Input::Undone("too many requests wait for the connection".to_owned()))?;
                }
            }
            effect => {
                if let Some(broker) = &self.broker {
                    broker.carry_out(effect);
                }
            }
        }
        Ok(())
    }

    /// Writes the screen into a new file.
    fn export(&mut self, path: &str) -> io::Result<()> {
        use io::Write as _;
        settle(&mut self.state);
        let size = self.state.size;
        let mut buffer = Buffer::empty(Rect::new(0, 0, size.width, size.height));
        view(&self.state, &mut buffer);
        let mut text = String::new();
        for y in 0..size.height {
            let line: String = (0..size.width).map(|x| buffer[(x, y)].symbol()).collect();
            text.push_str(line.trim_end());
            text.push('\n');
        }
        // Nothing is overwritten.
        let mut file = std::fs::File::options().write(true).create_new(true).open(path)?;
        file.write_all(text.as_bytes())
    }

    fn draw_when_due(&mut self, now: Instant) -> io::Result<()> {
        let since = now.saturating_duration_since(self.drawn_at);
        let is_due = self.is_urgent || (self.is_stale && since >= self.interval) || since >= IDLE;
        if !is_due || self.screen.is_suspended() || !self.pace.take(now) {
            return Ok(());
        }
        let size = self.screen.size()?;
        self.state.size = size;
        settle(&mut self.state);
        self.screen.draw(|buffer| view(&self.state, buffer))?;
        (self.is_urgent, self.is_stale, self.drawn_at) = (false, false, now);
        Ok(())
    }

    fn resume(&mut self) -> io::Result<()> {
        self.screen.resume(self.state.has_mouse)?;
        self.is_urgent = true;
        Ok(())
    }
}

async fn stopped(stop: &mut Option<Signal>) {
    match stop {
        Some(stop) => drop(stop.recv().await),
        None => std::future::pending().await,
    }
}

async fn next_event(events: &mut Option<ConnectionEvents>) -> Option<vaux_client::ConnectionEvent> {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

async fn next_message(messages: &mut Option<Messages>) -> Option<vaux_client::Message> {
    match messages {
        Some(messages) => messages.next().await,
        None => std::future::pending().await,
    }
}
