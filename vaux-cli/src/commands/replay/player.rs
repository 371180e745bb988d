//! Playing: each message is handed over when it is due.

use std::io::{IsTerminal, Write, stderr, stdout};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::mpsc;
use vaux_client::ReconnectPolicy;

use super::lag::Lags;
use super::schedule::{Cue, Schedule, Speed};
use super::step::{Keyboard, Wish};
use crate::cli_error::{CliError, Exit};
use crate::connection::{Failure, Interrupt, Place, Plan, Publisher, Session, close};
use crate::output::talk::Talk;
use crate::recording::Missing;

/// How many messages are read ahead.
const READ_AHEAD: usize = 256;

/// How often the progress is drawn anew.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// What the flags ask for.
pub(super) struct Player {
    pub(super) step: bool,
    pub(super) json: bool,
    pub(super) speed: Speed,
    /// What the report calls it.
    pub(super) verb: &'static str,
    pub(super) talk: Talk,
}

impl Player {
    pub(super) async fn run(self, plan: Plan, schedule: Schedule) -> Result<Exit, CliError> {
        let talk = self.talk;
        let mut interrupt = Interrupt::listen()?;
        let mut session = tokio::select! {
            session = Session::open(&plan, ReconnectPolicy::NEVER, talk) => session?,
            exit = interrupt.wait() => return Ok(exit),
        };
        let mut cues = Cues::read(schedule);
        let mut playing = Playing {
            publisher: Publisher::new(session.client.clone(), false, talk),
            lags: Lags::new(),
            start: Instant::now(),
            progress: Progress::new(self.step || self.json),
            keeps_properties: plan.version.has_properties(),
        };
        let outcome = tokio::select! {
            outcome = self.play(&mut playing, &mut cues) => outcome.map(|()| Exit::Ok),
            exit = interrupt.wait() => Ok(exit),
        };
        playing.progress.clear();
        let disconnect = plan.properties.of(Place::Disconnect);
        let exit = match outcome {
            Ok(exit) => {
                close(&session.client, disconnect, talk).await;
                exit
            }
            Err(Failure::Input(error)) => {
                close(&session.client, disconnect, talk).await;
                return Err(error);
            }
            Err(Failure::Request(error)) => return Err(session.request_error("not published", error).await),
        };
        cues.missing.texts().for_each(|text| talk.warning(text));
        self.report(&playing)?;
        let refused = playing.publisher.finish();
        if exit == Exit::Ok { refused } else { Ok(exit) }
    }

    async fn play(&self, playing: &mut Playing, cues: &mut Cues) -> Result<(), Failure> {
        let mut keyboard = self.step.then(Keyboard::listen);
        playing.start = Instant::now();
        while let Some(cue) = cues.next().await {
            let mut cue = cue.map_err(Failure::Input)?;
            match &mut keyboard {
                Some(keyboard) => {
                    if keyboard.ask(&cue.message, self.talk).await == Wish::End {
                        break;
                    }
                }
                None => playing.wait_for(&cue).await?,
            }
            if !playing.keeps_properties {
                cue.message.properties = vaux_client::PropertyBuffer::new();
            }
            let due = cue.due;
            playing.publisher.start(cue.message).await?;
            if self.is_scheduled() {
                playing.lags.record(playing.start.elapsed().saturating_sub(due));
            } else if self.step {
                playing.publisher.settle(0).await?;
            }
        }
        playing.publisher.settle(0).await
    }

    /// Whether messages are due at times.
    fn is_scheduled(&self) -> bool {
        !self.step && self.speed != Speed::Max
    }

    fn report(&self, playing: &Playing) -> Result<(), CliError> {
        let published = playing.publisher.published();
        let refused = playing.publisher.refused();
        let seconds = playing.start.elapsed().as_secs_f64();
        let lags = &playing.lags;
        let has_lags = self.is_scheduled() && published + refused > 0;
        if self.json {
            let lag = has_lags.then(
                || json!({ "p50": lags.percentile(50.0), "p99": lags.percentile(99.0), "max": lags.max() }),
            );
            let report =
                json!({ "published": published, "refused": refused, "seconds": seconds, "lag_us": lag });
            return writeln!(stdout(), "{report}").map_err(CliError::Stdio);
        }
        let messages = if published == 1 { "message" } else { "messages" };
        let mut report = format!("{} {published} {messages} in {seconds:.3} s", self.verb);
        if refused > 0 {
            report.push_str(&format!(", {refused} refused"));
        }
        if has_lags {
            let ms = |us: u64| us as f64 / 1e3;
            let (p50, p99, max) = (ms(lags.percentile(50.0)), ms(lags.percentile(99.0)), ms(lags.max()));
            report.push_str(&format!("; lag {p50:.1} ms median, {p99:.1} ms 99 %, {max:.1} ms at most"));
        }
        self.talk.note(report);
        Ok(())
    }
}

/// The state of playing.
struct Playing {
    publisher: Publisher,
    lags: Lags,
    start: Instant,
    progress: Progress,
    /// Before version 5 there are none.
    keeps_properties: bool,
}

impl Playing {
    /// Waits until the message is due, and looks at outcomes meanwhile.
    async fn wait_for(&mut self, cue: &Cue) -> Result<(), Failure> {
        self.progress.draw(self.publisher.published(), cue.fraction);
        self.publisher.wait_until(self.start.checked_add(cue.due)).await
    }
}

/// The messages, read by a thread of their own since reading blocks.
struct Cues {
    receiver: mpsc::Receiver<Result<Item, CliError>>,
    missing: Missing,
}

enum Item {
    Cue(Cue),
    /// All is read, except for this.
    End(Missing),
}

impl Cues {
    fn read(mut schedule: Schedule) -> Cues {
        let (sender, receiver) = mpsc::channel(READ_AHEAD);
        std::thread::spawn(move || {
            loop {
                let item = schedule.next().map(|cue| cue.map_or(Item::End(schedule.missing()), Item::Cue));
                let is_last = !matches!(item, Ok(Item::Cue(_)));
                // Nobody wants more when the receiver is gone.
                if sender.blocking_send(item).is_err() || is_last {
                    return;
                }
            }
        });
        Cues { receiver, missing: Missing::default() }
    }

    async fn next(&mut self) -> Option<Result<Cue, CliError>> {
        match self.receiver.recv().await? {
            Ok(Item::Cue(cue)) => Some(Ok(cue)),
            Ok(Item::End(missing)) => {
                self.missing = missing;
                None
            }
            Err(error) => Some(Err(error)),
        }
    }
}

/// How far the recording is played, on a terminal.
struct Progress {
    is_shown: bool,
    drawn: Option<Instant>,
}

impl Progress {
    fn new(is_hidden: bool) -> Progress {
        Progress { is_shown: !is_hidden && stderr().is_terminal(), drawn: None }
    }

    fn draw(&mut self, published: u64, fraction: Option<f64>) {
        const WIDTH: usize = 30;
        if !self.is_shown || self.drawn.is_some_and(|drawn| drawn.elapsed() < PROGRESS_INTERVAL) {
            return;
        }
        self.drawn = Some(Instant::now());
        let bar = fraction.map_or(String::new(), |fraction| {
            let full = ((fraction * WIDTH as f64) as usize).min(WIDTH);
            format!("[{}{}] {:3.0} % ", "#".repeat(full), "-".repeat(WIDTH - full), fraction * 100.0)
        });
        // A terminal that is gone shows nothing.
        let _ = write!(stderr(), "\r{bar}{published} messages\x1b[K");
    }

    fn clear(&mut self) {
        if self.drawn.take().is_some() {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
