//! How many connections a listener takes, and how fast: from everywhere, and from one address.
//!
//! All workers accept for a listener, so they share its gate. It is passed once for each connection, and not at all while
//! there are no such limits.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use super::accept::NotAdmitted;
use crate::core::Overrun;
use crate::rate::TokenBucket;
use crate::time::Time;

/// The limits of one listener; 0 is off.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct GateLimits {
    pub(super) connect_rate: u64,
    pub(super) connect_rate_per_ip: u64,
    pub(super) max_connections_per_ip: usize,
}

/// What a listener remembers of connections.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<Passed>);

#[derive(Debug, Default)]
struct Passed {
    all: Option<Rate>,
    /// The keys are chosen by clients: the hashes are keyed at random.
    sources: HashMap<IpAddr, Source>,
    /// When there are so many sources, those that need not be remembered are forgotten.
    prune_at: usize,
}

#[derive(Debug, Default)]
struct Source {
    connections: usize,
    rate: Option<Rate>,
}

/// Connections that are served, and those that are told why they are not. Both have the same rate; what is more is
/// closed without a word, since words cost a TLS handshake.
#[derive(Clone, Copy, Debug)]
struct Rate {
    served: TokenBucket,
    told: TokenBucket,
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passage {
    Served,
    Told,
    Closed,
}

impl Rate {
    fn pass(rate: &mut Option<Rate>, now: Time, per_second: u64) -> Passage {
        if per_second == 0 {
            return Passage::Served;
        }
        let full = TokenBucket::new(now, per_second);
        let rate = rate.get_or_insert(Rate { served: full, told: full });
        if rate.served.take(now, per_second) {
            Passage::Served
        } else if rate.told.take(now, per_second) {
            Passage::Told
        } else {
            Passage::Closed
        }
    }

    fn is_forgettable(&self, now: Time, per_second: u64) -> bool {
        self.served.is_full(now, per_second) && self.told.is_full(now, per_second)
    }
}

/// Counts a connection among those of its address, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    gate: Arc<Gate>,
    address: IpAddr,
}

const FIRST_PRUNE: usize = 1024;

impl Gate {
    /// A connection arrives at the listener.
    pub(super) fn enter(&self, now: Time, limits: &GateLimits) -> Result<Overrun, NotAdmitted> {
        if limits.connect_rate == 0 {
            return Ok(Overrun::None);
        }
        let mut passed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match Rate::pass(&mut passed.all, now, limits.connect_rate) {
            Passage::Served => Ok(Overrun::None),
            Passage::Told => Ok(Overrun::ConnectRate),
            Passage::Closed => Err(NotAdmitted::CONNECT_RATE),
        }
    }

    /// It is known where it comes from.
    pub(super) fn enter_from(
        self: &Arc<Self>,
        now: Time,
        limits: &GateLimits,
        address: Option<IpAddr>,
    ) -> Result<(Overrun, Option<Box<Seat>>), NotAdmitted> {
        let has_limits = limits.connect_rate_per_ip > 0 || limits.max_connections_per_ip > 0;
        let Some(address) = address.filter(|_| has_limits) else { return Ok((Overrun::None, None)) };
        let address = source_of(address);
        let mut passed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        passed.prune(now, limits);
        let source = passed.sources.entry(address).or_default();
        let overrun = match Rate::pass(&mut source.rate, now, limits.connect_rate_per_ip) {
            Passage::Served => Overrun::None,
            Passage::Told => Overrun::ConnectRatePerIp,
            Passage::Closed => return Err(NotAdmitted::CONNECT_RATE_PER_IP),
        };
        if limits.max_connections_per_ip == 0 {
            return Ok((overrun, None));
        }
        if source.connections >= limits.max_connections_per_ip {
            return Err(NotAdmitted::TOO_MANY_PER_IP);
        }
        source.connections += 1;
        Ok((overrun, Some(Box::new(Seat { gate: Arc::clone(self), address }))))
    }
}

impl Passed {
    /// Forgets addresses without connections and with all their rate left. What stays is bounded by the connections there
    /// may be, and by those that came in the last second.
    fn prune(&mut self, now: Time, limits: &GateLimits) {
        if self.sources.len() < self.prune_at.max(FIRST_PRUNE) {
            return;
        }
        let per_second = limits.connect_rate_per_ip;
        self.sources.retain(|_, source| {
            source.connections > 0
                || source.rate.as_ref().is_some_and(|rate| !rate.is_forgettable(now, per_second))
        });
        self.prune_at = 2 * self.sources.len();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut passed = self.gate.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = passed.sources.get_mut(&self.address) {
            source.connections -= 1;
        }
    }
}

/// What counts as one address: of IPv6 the network of 64 bits that everybody has for himself.
fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time(1_000_000);

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn over_the_rate_as_many_are_told_and_the_rest_is_closed() {
        let gate = Gate::default();
        let limits = GateLimits { connect_rate: 3, ..GateLimits::default() };
        let passages: Vec<_> = (0..8).map(|_| gate.enter(NOW, &limits).ok()).collect();
        let told = Some(Overrun::ConnectRate);
        let served = Some(Overrun::None);
        assert_eq!(passages, [served, served, served, told, told, told, None, None]);
        assert_eq!(gate.enter(NOW.plus_ms(334), &limits).ok(), served);
    }

    #[test]
    fn each_address_has_its_own_rate_and_a_network_of_ipv6_is_one() {
        let gate = Arc::new(Gate::default());
        let limits = GateLimits { connect_rate_per_ip: 1, ..GateLimits::default() };
        let enter = |address| gate.enter_from(NOW, &limits, ip(address)).ok().map(|(overrun, _)| overrun);
        assert_eq!(enter("192.0.2.1"), Some(Overrun::None));
        assert_eq!(enter("192.0.2.2"), Some(Overrun::None));
        assert_eq!(enter("::ffff:192.0.2.1"), Some(Overrun::ConnectRatePerIp));
        assert_eq!(enter("192.0.2.1"), None);
        assert_eq!(enter("2001:db8::1"), Some(Overrun::None));
        assert_eq!(enter("2001:db8::2:1"), Some(Overrun::ConnectRatePerIp));
        assert_eq!(enter("2001:db8:0:1::1"), Some(Overrun::None));
    }

    #[test]
    fn a_connection_that_ends_makes_room_for_another_of_its_address() {
        let gate = Arc::new(Gate::default());
        let limits = GateLimits { max_connections_per_ip: 2, ..GateLimits::default() };
        let enter = |address| gate.enter_from(NOW, &limits, ip(address));
        let first = enter("192.0.2.1").unwrap();
        let _second = enter("192.0.2.1").unwrap();
        assert!(enter("192.0.2.1").is_err());
        assert!(enter("192.0.2.2").is_ok());
        drop(first);
        assert!(enter("192.0.2.1").is_ok());
        assert!(gate.enter_from(NOW, &limits, None).is_ok_and(|(_, seat)| seat.is_none()), "unix sockets");
    }

    #[test]
    fn a_flood_of_addresses_is_forgotten() {
        let gate = Arc::new(Gate::default());
        let limits =
            GateLimits { connect_rate_per_ip: 1, max_connections_per_ip: 1, ..GateLimits::default() };
        for number in 0..50_000u32 {
            let now = NOW.plus_ms(u64::from(number));
            let seat = gate.enter_from(now, &limits, Some(IpAddr::V4(number.into())));
            assert!(seat.is_ok());
        }
        assert!(gate.0.lock().unwrap().sources.len() < 5_000);
    }
}
