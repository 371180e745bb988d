//! How the run is going, once a second on standard error.

use std::fmt::Display;
use std::io::{IsTerminal, Write, stderr};

use super::engine::Engine;
use super::meter::Counters;
use super::report::{grouped, in_words};
use super::shape::Flow;

/// Draws a line that is drawn over by the next one, or writes lines.
#[derive(Debug)]
pub(super) struct Progress {
    kind: Kind,
    last: Counters,
    last_at: u64,
    is_drawn: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    None,
    Line,
    Lines,
}

impl Progress {
    /// On a terminal a line, elsewhere nothing unless it is asked for.
    pub(super) fn new(is_wanted: bool, is_quiet: bool) -> Progress {
        let kind = match (is_quiet, stderr().is_terminal(), is_wanted) {
            (true, ..) | (_, false, false) => Kind::None,
            (_, true, _) => Kind::Line,
            (_, false, true) => Kind::Lines,
        };
        Progress { kind, last: Counters::default(), last_at: 0, is_drawn: false }
    }

    /// Tells how many clients are connected.
    pub(super) fn draw_connecting(&mut self, stage: &str, connected: usize, clients: usize) {
        self.draw(format_args!("{stage} {} of {}", grouped(connected as u64), grouped(clients as u64)));
    }

    /// Tells what happened in the last second. `stage` says what is being done.
    pub(super) fn draw_traffic(&mut self, stage: impl Display, engine: &mut Engine) {
        let (now, counters) = (engine.clock.now(), engine.meter.counters);
        let seconds = (now - self.last_at) as f64 / 1e9;
        let rate = |now: u64, before: u64| grouped(((now - before) as f64 / seconds).round() as u64);
        let flow = engine.setup.shape.flow;
        let mut text = format!("{stage:<18}");
        if flow != Flow::Anybody {
            text += &format!(" sent {:>9}/s", rate(counters.published, self.last.published));
        }
        if flow == Flow::Nobody {
            text += &format!("  acknowledged {:>9}/s", rate(counters.acknowledged, self.last.acknowledged));
        } else {
            text += &format!("  received {:>9}/s", rate(counters.received, self.last.received));
        }
        let acknowledged = engine.meter.acknowledgement.take_recent_p99();
        let p99 = engine.meter.delivery.take_recent_p99().or(acknowledged);
        if let Some(p99) = p99 {
            text += &format!("  p99 {}", in_words(p99 as f64 / 1e3));
        }
        (self.last, self.last_at) = (counters, now);
        self.draw(text);
    }

    fn draw(&mut self, text: impl Display) {
        // A terminal that is gone shows nothing.
        let _ = match self.kind {
            Kind::None => return,
            Kind::Line => write!(stderr(), "\r{text}\x1b[K"),
            Kind::Lines => writeln!(stderr(), "{text}"),
        };
        self.is_drawn = true;
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if self.kind == Kind::Line && std::mem::take(&mut self.is_drawn) {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
