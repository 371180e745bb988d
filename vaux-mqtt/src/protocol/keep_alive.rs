//! Keep alive, seen from both sides.

/// When a server gives up a connection that was last heard of at `last_received_ms`: one and a half times the keep
/// alive later. `None` when a keep alive of 0 switches it off.
pub const fn server_deadline_ms(keep_alive_s: u16, last_received_ms: u64) -> Option<u64> {
    match keep_alive_s {
        0 => None,
        seconds => Some(last_received_ms + seconds as u64 * 1500),
    }
}

/// When a client sends PINGREQ, and when it gives up waiting for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientKeepAlive {
    interval_ms: u64,
    last_sent_ms: u64,
    ping_sent_ms: Option<u64>,
}

/// What a client has to do about its keep alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAliveAction {
    /// Send PINGREQ.
    Ping,
    /// No PINGRESP came in time: close.
    Close,
}

impl ClientKeepAlive {
    /// A keep alive of `keep_alive_s` seconds, 0 for none, beginning at `now_ms`.
    pub const fn new(keep_alive_s: u16, now_ms: u64) -> Self {
        ClientKeepAlive { interval_ms: keep_alive_s as u64 * 1000, last_sent_ms: now_ms, ping_sent_ms: None }
    }

    /// A packet was sent.
    pub const fn handle_sent(&mut self, now_ms: u64) {
        self.last_sent_ms = now_ms;
    }

    /// PINGRESP arrived.
    pub const fn handle_pingresp(&mut self) {
        self.ping_sent_ms = None;
    }

    /// When [`ClientKeepAlive::poll`] has to be called next.
    pub const fn deadline_ms(&self) -> Option<u64> {
        match (self.interval_ms, self.ping_sent_ms) {
            (0, _) => None,
            (interval, Some(sent)) => Some(sent + interval),
            (interval, None) => Some(self.last_sent_ms + interval),
        }
    }

    /// Whether PINGRESP should have come by `now_ms`, so that [`ClientKeepAlive::poll`] would close.
    pub fn is_overdue(&self, now_ms: u64) -> bool {
        self.ping_sent_ms.is_some() && self.deadline_ms().is_some_and(|deadline| now_ms >= deadline)
    }

    /// What is to be done at `now_ms`. A ping counts as sent.
    pub fn poll(&mut self, now_ms: u64) -> Option<KeepAliveAction> {
        if now_ms < self.deadline_ms()? {
            return None;
        }
        if self.ping_sent_ms.is_some() {
            return Some(KeepAliveAction::Close);
        }
        self.ping_sent_ms = Some(now_ms);
        self.last_sent_ms = now_ms;
        Some(KeepAliveAction::Ping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_waits_one_and_a_half_times() {
        assert_eq!(server_deadline_ms(60, 1000), Some(91_000));
        assert_eq!(server_deadline_ms(0, 1000), None);
    }

    #[test]
    fn a_client_pings_when_it_sent_nothing_and_closes_when_nothing_answers() {
        let mut keep_alive = ClientKeepAlive::new(10, 0);
        keep_alive.handle_sent(5_000);
        assert_eq!(keep_alive.poll(10_000), None);
        assert_eq!(keep_alive.poll(15_000), Some(KeepAliveAction::Ping));
        keep_alive.handle_sent(20_000);
        assert!(!keep_alive.is_overdue(24_999) && keep_alive.is_overdue(25_000));
        assert_eq!(keep_alive.poll(25_000), Some(KeepAliveAction::Close));
        keep_alive.handle_pingresp();
        assert_eq!(keep_alive.deadline_ms(), Some(30_000));
        assert!(!keep_alive.is_overdue(30_000));
    }
}
