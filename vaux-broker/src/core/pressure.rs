//! What is given up when memory runs short: first connections to come, then messages of QoS 0.

use std::sync::atomic::Ordering;

use super::timeout::Timer;
use super::{Core, Effect, Purpose, Shared, WorkerId};
use crate::time::Time;

/// How short memory is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    /// There is enough.
    #[default]
    None,
    /// Over the limit: new connections are closed.
    Refuse,
    /// Over it by a sixteenth, all the same: messages of QoS 0 are dropped, too.
    Shed,
}

impl Pressure {
    fn of(resident_bytes: u64, limit: u64) -> Pressure {
        match resident_bytes {
            bytes if bytes <= limit => Pressure::None,
            bytes if bytes <= limit + limit / 16 => Pressure::Refuse,
            _ => Pressure::Shed,
        }
    }

    /// A sentence for the log.
    pub fn text(self) -> &'static str {
        match self {
            Pressure::None => "memory is below memory_limit again: everything is served",
            Pressure::Refuse => "memory is over memory_limit: new connections are refused",
            Pressure::Shed => "memory is well over memory_limit: messages of QoS 0 are dropped, too",
        }
    }
}

impl Shared {
    /// How short memory is.
    pub fn pressure(&self) -> Pressure {
        match self.pressure.load(Ordering::Relaxed) {
            0 => Pressure::None,
            1 => Pressure::Refuse,
            _ => Pressure::Shed,
        }
    }
}

/// How often memory is looked at while there is a limit.
const LOOK_MS: u64 = 500;

impl Core {
    /// How short memory is.
    pub fn pressure(&self) -> Pressure {
        self.shared.pressure()
    }

    /// Begins to look at memory, if there is a limit. For the first worker, which looks for all.
    pub(super) fn watch_memory(&mut self, now: Time) {
        if self.worker != WorkerId(0) || self.is_watching_memory {
            return;
        }
        if self.settings.limits.memory_limit.is_some() {
            self.is_watching_memory = true;
            self.set_timer(now, Timer::Memory);
        }
    }

    pub(super) fn handle_memory_timer(&mut self, now: Time) {
        self.is_watching_memory = false;
        if self.settings.limits.memory_limit.is_some() {
            self.effects.push_back(Effect::Measure(Purpose::Memory));
            self.is_watching_memory = true;
            self.set_timer(now.plus_ms(LOOK_MS), Timer::Memory);
        } else {
            self.set_pressure(now, Pressure::None);
        }
    }

    /// So much memory is held at present.
    pub(super) fn handle_memory(&mut self, now: Time, resident_bytes: u64) {
        let limit = self.settings.limits.memory_limit;
        let pressure = limit.map_or(Pressure::None, |limit| Pressure::of(resident_bytes, limit as u64));
        self.set_pressure(now, pressure);
    }

    fn set_pressure(&mut self, now: Time, pressure: Pressure) {
        let before = self.shared.pressure();
        self.shared.pressure.store(pressure as u8, Ordering::Relaxed);
        if before != pressure {
            self.effects.push_back(Effect::Pressure(pressure));
            self.handle_event(now, "memory", pressure.text());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_refused_before_messages_are_dropped() {
        for (bytes, pressure) in [
            (0, Pressure::None),
            (1600, Pressure::None),
            (1601, Pressure::Refuse),
            (1700, Pressure::Refuse),
            (1701, Pressure::Shed),
        ] {
            assert_eq!(Pressure::of(bytes, 1600), pressure, "{bytes}");
        }
    }
}
