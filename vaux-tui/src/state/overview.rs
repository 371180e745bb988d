//! The figures of the whole broker: what vaux tells in one object, or what mosquitto's tree holds.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::series::Series;

/// What Overview shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overview {
    /// Messages from clients in a second.
    pub(crate) received: Series,
    /// Messages to clients in a second.
    pub(crate) sent: Series,
    /// Bytes from clients in a second.
    pub(crate) bytes_received: Series,
    /// Bytes to clients in a second.
    pub(crate) bytes_sent: Series,
    /// Messages in a second that were not delivered.
    pub(crate) dropped: Series,
    /// The last object that vaux told.
    pub(crate) metrics: Option<Metrics>,
    /// The topics with the most messages.
    pub(crate) top_topics: Vec<TopRow>,
    /// The clients with the most messages.
    pub(crate) top_clients: Vec<TopRow>,
    /// How many messages were dropped for whom, as far as events told, and why last.
    pub(crate) worst: HashMap<String, (u64, String)>,
    /// Mosquitto's tree, without `$SYS/broker/`.
    pub(crate) tree: BTreeMap<String, String>,
    /// What the counters of the tree were when it told its uptime last, and when that was.
    tree_before: Option<(u64, [Option<f64>; 5])>,
}

/// The last object of `$SYS/broker/vaux/metrics`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Metrics {
    pub(crate) version: String,
    pub(crate) uptime_s: u64,
    pub(crate) workers: u64,
    pub(crate) counters: Counters,
    pub(crate) rates: Counters,
    pub(crate) gauges: Gauges,
    pub(crate) retained_messages: u64,
    pub(crate) retained_bytes: u64,
    pub(crate) resident_bytes: u64,
    pub(crate) store: String,
    pub(crate) delivery_us: Latency,
    pub(crate) commit_us: Latency,
}

/// Counters, and what they gain in a second.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Counters {
    pub(crate) bytes_received: f64,
    pub(crate) bytes_sent: f64,
    pub(crate) messages_received: f64,
    pub(crate) messages_sent: f64,
    pub(crate) connects: f64,
    pub(crate) refused_connects: f64,
    pub(crate) dropped: BTreeMap<String, f64>,
}

/// What there is at present.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Gauges {
    pub(crate) connections: u64,
    pub(crate) sessions: u64,
    pub(crate) connected: u64,
    pub(crate) subscriptions: u64,
    pub(crate) shared_subscriptions: u64,
    pub(crate) queued_messages: u64,
    pub(crate) queued_bytes: u64,
    pub(crate) outbox_bytes: u64,
}

/// How long something takes, in microseconds; nothing before it happened.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Latency {
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    pub(crate) p999: Option<f64>,
}

/// A topic or a client, and what it comes to in a second.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(crate) struct TopRow {
    #[serde(alias = "topic", alias = "client_id")]
    pub(crate) name: String,
    pub(crate) messages_per_s: f64,
    pub(crate) bytes_per_s: f64,
}

/// A tree that somebody fills with more is no broker's.
const MAX_TREE: usize = 1000;
/// No value of the tree is longer.
const MAX_VALUE_BYTES: usize = 256;
/// How many clients are remembered for their drops.
const MAX_WORST: usize = 1000;

/// What rates are made of, in the order of the series.
const RATED: [&str; 5] = [
    "publish/messages/received",
    "publish/messages/sent",
    "bytes/received",
    "bytes/sent",
    "publish/messages/dropped",
];

impl Overview {
    /// Takes an object of vaux.
    pub(crate) fn take_metrics(&mut self, metrics: Metrics) {
        let rates = &metrics.rates;
        self.received.push(rates.messages_received);
        self.sent.push(rates.messages_sent);
        self.bytes_received.push(rates.bytes_received);
        self.bytes_sent.push(rates.bytes_sent);
        self.dropped.push(rates.dropped.values().sum());
        self.metrics = Some(metrics);
    }

    /// Takes a value of mosquitto's tree.
    pub(crate) fn take_tree(&mut self, now: u64, name: &str, value: &str) {
        if value.len() > MAX_VALUE_BYTES || (self.tree.len() >= MAX_TREE && !self.tree.contains_key(name)) {
            return;
        }
        self.tree.insert(name.to_owned(), value.to_owned());
        // The uptime changes each time, whether or not anything else does.
        if name == "uptime" {
            self.rate_tree(now);
        }
    }

    fn rate_tree(&mut self, now: u64) {
        let counts = RATED.map(|name| self.number(name));
        if let Some((at, before)) = self.tree_before.replace((now, counts))
            && now > at
        {
            let elapsed_s = (now - at) as f64 / 1000.0;
            let all = [
                &mut self.received,
                &mut self.sent,
                &mut self.bytes_received,
                &mut self.bytes_sent,
                &mut self.dropped,
            ];
            for (series, (count, before)) in all.into_iter().zip(counts.into_iter().zip(before)) {
                // What was not told yet was not nothing.
                let gained = count.zip(before).map_or(0.0, |(count, before)| count - before);
                series.push(gained / elapsed_s);
            }
        }
    }

    /// Whether rates are known.
    pub(crate) fn has_rates(&self) -> bool {
        self.metrics.is_some() || self.received.tail(1).next().is_some()
    }

    /// A number of the tree.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        self.tree.get(name)?.split_whitespace().next()?.parse().ok()
    }

    /// A message was dropped for a client.
    pub(crate) fn count_drop(&mut self, client_id: &str, count: u64, cause: &str) {
        if self.worst.len() >= MAX_WORST && !self.worst.contains_key(client_id) {
            return;
        }
        let entry = self.worst.entry(client_id.to_owned()).or_default();
        entry.0 = entry.0.saturating_add(count);
        cause.clone_into(&mut entry.1);
    }

    /// The clients for whom the most was dropped.
    pub(crate) fn worst_clients(&self, count: usize) -> Vec<(&str, u64, &str)> {
        let mut all: Vec<_> =
            self.worst.iter().map(|(name, (count, cause))| (name.as_str(), *count, cause.as_str())).collect();
        all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        all.truncate(count);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_of_a_tree_are_differences_between_two_uptimes() {
        let mut overview = Overview::default();
        overview.take_tree(0, "publish/messages/received", "100");
        overview.take_tree(0, "uptime", "10 seconds");
        assert!(!overview.has_rates());
        overview.take_tree(9000, "publish/messages/received", "600");
        overview.take_tree(10_000, "uptime", "20 seconds");
        assert_eq!(overview.received.last(), 50.0);
        assert_eq!(overview.number("uptime"), Some(20.0));
    }

    #[test]
    fn a_counter_that_is_told_after_the_uptime_did_not_begin_at_nothing() {
        let mut overview = Overview::default();
        overview.take_tree(0, "uptime", "10 seconds");
        overview.take_tree(0, "publish/messages/received", "1000000");
        overview.take_tree(10_000, "uptime", "20 seconds");
        assert_eq!(overview.received.peak(10), 0.0);
    }

    #[test]
    fn a_tree_does_not_grow_without_bound() {
        let mut overview = Overview::default();
        (0..2 * MAX_TREE).for_each(|n| overview.take_tree(0, &format!("x/{n}"), "1"));
        overview.take_tree(0, "uptime", &"9".repeat(1000));
        assert_eq!(overview.tree.len(), MAX_TREE);
    }
}
