//! Failed logins, counted for each address: whoever fails too often waits for the next refusal.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hashbrown::HashMap;

/// Who failed lately, and how often.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    addresses: Mutex<HashMap<IpAddr, Failures>>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    since: Instant,
    count: u32,
}

const WINDOW: Duration = Duration::from_secs(60);

/// Beyond it those whose minute has passed are forgotten; if there are none, everybody is.
const MAX_ADDRESSES: usize = 1 << 16;

impl Throttle {
    /// Whether the address has failed more often than `per_minute` in this minute.
    pub(super) fn is_slowed(&self, address: IpAddr, per_minute: u32, now: Instant) -> bool {
        let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.get(&network(address)).is_some_and(|failures| {
            failures.count > per_minute && now.duration_since(failures.since) < WINDOW
        })
    }

    /// Counts a failure. True when the address has failed more often than `per_minute` in this minute.
    pub(super) fn is_too_often(&self, address: IpAddr, per_minute: u32, now: Instant) -> bool {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let key = network(address);
        let is_over = |failures: &Failures| now.duration_since(failures.since) >= WINDOW;
        if addresses.len() >= MAX_ADDRESSES && !addresses.contains_key(&key) {
            addresses.retain(|_, failures| !is_over(failures));
            if addresses.len() >= MAX_ADDRESSES {
                addresses.clear();
            }
        }
        let failures = addresses.entry(key).or_insert(Failures { since: now, count: 0 });
        if is_over(failures) {
            *failures = Failures { since: now, count: 0 };
        }
        failures.count = failures.count.saturating_add(1);
        failures.count > per_minute
    }
}

/// Whoever has one IPv6 address has a network of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_for_a_minute_and_an_address() {
        let throttle = Throttle::default();
        let (now, here) = (Instant::now(), IpAddr::from([192, 0, 2, 1]));
        for _ in 0..3 {
            assert!(!throttle.is_too_often(here, 3, now));
        }
        assert!(!throttle.is_slowed(here, 3, now));
        assert!(throttle.is_too_often(here, 3, now + Duration::from_secs(59)));
        assert!(throttle.is_slowed(here, 3, now) && !throttle.is_slowed(here, 3, now + WINDOW));
        assert!(!throttle.is_too_often(IpAddr::from([192, 0, 2, 2]), 3, now));
        assert!(!throttle.is_too_often(here, 3, now + WINDOW));
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let throttle = Throttle::default();
        let now = Instant::now();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(!throttle.is_too_often(address("2001:db8::1"), 1, now));
        assert!(throttle.is_too_often(address("2001:db8::ffff:2"), 1, now));
        assert!(!throttle.is_too_often(address("2001:db8:0:1::1"), 1, now));
        assert!(!throttle.is_too_often(address("::ffff:192.0.2.1"), 1, now));
        assert!(throttle.is_too_often(address("192.0.2.1"), 1, now));
    }

    #[test]
    fn a_flood_of_addresses_does_not_fill_the_memory() {
        let throttle = Throttle::default();
        let now = Instant::now();
        for number in 0..2 * MAX_ADDRESSES as u32 {
            throttle.is_too_often(IpAddr::from(number.to_be_bytes()), 1, now);
        }
        assert!(throttle.addresses.lock().unwrap().len() <= MAX_ADDRESSES);
    }
}
