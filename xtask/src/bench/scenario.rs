//! The scenarios: who publishes what to whom. [`table`](super::table) lists them.

use vaux_mqtt::QoS;

use super::growth::Place;
use super::table::{ALL, GROWTH};

/// One row of the report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    /// The name on the command line and in the report.
    pub(crate) name: &'static str,
    /// What it is, in a few words.
    pub(crate) about: &'static str,
    /// What the load generator does.
    pub(crate) load: Load,
    /// Clients connect with TLS.
    pub(crate) tls: bool,
    /// What must be set for vaux-broker to hold what the scenario asks of it, as lines of its configuration.
    pub(crate) limits: &'static str,
    /// Where its result belongs among those that show how costs grow.
    pub(crate) growth: Option<Place>,
}

/// What the load generator does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    /// Messages flow.
    Traffic(Traffic),
    /// Messages are published when they are due, whatever became of those before.
    Paced {
        /// Who takes part.
        traffic: Traffic,
        /// Messages that are due in a second, of all publishers together.
        rate: u32,
    },
    /// Messages flow, first alone, then beside clients that could be in their way.
    Disturbed {
        /// Those who are disturbed.
        traffic: Traffic,
        /// Connections that do nothing.
        idle: usize,
        /// What the slow subscriber reads in a second, and what is published for it.
        slow: Slow,
    },
    /// Connections are made and ended, so many at a time.
    Connects {
        /// Connections under way.
        at_once: usize,
    },
    /// Connections with one subscription each do nothing.
    Idle {
        /// How many.
        connections: usize,
    },
    /// One client after the other subscribes to retained messages.
    Retained {
        /// How many there are, each of a topic of its own.
        messages: usize,
    },
    /// Retained messages do nothing.
    RetainedMemory {
        /// How many there are.
        messages: usize,
    },
    /// Filters with wildcards do nothing.
    FilterMemory {
        /// How many clients there are.
        connections: usize,
        /// To how many filters each is subscribed.
        filters_each: usize,
    },
    /// A subscriber comes back to a long queue.
    Drain {
        /// How many messages wait for it.
        messages: usize,
    },
}

/// A subscriber that reads too little of what is published for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slow {
    /// Messages that are published in a second.
    pub(crate) published: u32,
    /// Bytes of payload in each.
    pub(crate) payload_bytes: usize,
    /// Bytes that the subscriber reads in a second.
    pub(crate) read_bytes: u32,
}

/// Publishers and subscribers are dealt out over the topics in turn: publisher and subscriber number n belong to
/// topic n modulo `topics`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic {
    /// How many topics there are.
    pub(crate) topics: usize,
    /// Into how many each of them is divided. A publisher goes through all divisions of its topic.
    pub(crate) divisions: usize,
    /// How many clients publish.
    pub(crate) publishers: usize,
    /// How many clients subscribe, each to one topic with all its divisions.
    pub(crate) subscribers: usize,
    /// By which filters.
    pub(crate) filters: Filters,
    /// QoS of the messages and of the subscriptions.
    pub(crate) qos: QoS,
    /// Bytes of payload in a message.
    pub(crate) payload_bytes: usize,
    /// Version 5.0, and messages carry user properties and a content type.
    pub(crate) properties: bool,
    /// How many messages a publisher may be ahead of the slowest of its subscribers. This keeps the broker busy
    /// without ever letting a queue grow to where it must drop.
    pub(crate) ahead: u64,
    /// With QoS 1 and 2, how many messages of a publisher may be unacknowledged.
    pub(crate) in_flight: u64,
    /// Where the sessions are at home.
    pub(crate) homes: Homes,
    /// What becomes of the sessions of the subscribers. Those of publishers end.
    pub(crate) sessions: Sessions,
    /// How many more clients are connected, with one subscription each, and do nothing.
    pub(crate) idle: usize,
}

/// By which filters subscribers get the messages of their topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filters {
    /// The topic itself, which has one division.
    Topic,
    /// One filter with a wildcard for each division, in three shapes.
    Wildcards,
    /// One filter for everything.
    Everything,
    /// The topic, as members of one shared subscription: each message goes to one of them.
    Shared,
}

/// What becomes of a session when its connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sessions {
    /// It ends.
    End,
    /// It is kept, with all messages for it: that is what a broker with a store has to write to the disk.
    Kept,
}

/// Which thread of the broker the clients of a pair live on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Homes {
    /// Wherever the broker puts them.
    Any,
    /// Publisher and subscriber on different threads, when the broker has more than one.
    Crossing,
}

/// Which engines of vaux-broker's store take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engines {
    /// None is chosen: it runs as it comes.
    AsItComes,
    /// On the disk and in memory, and mosquitto keeps what it can.
    Both,
    /// As it comes and in memory: there is something to keep, but it is not what is measured.
    AlsoMemory,
    /// In memory only.
    Memory,
}

/// The scenarios that a word on the command line stands for: one, or all that show how costs grow.
///
/// # Errors
///
/// There is none; the message lists all names.
pub(crate) fn chosen(word: &str) -> Result<Vec<Scenario>, String> {
    if word == "growth" { Ok(GROWTH.to_vec()) } else { Ok(vec![named(word)?]) }
}

/// The scenario of that name.
///
/// # Errors
///
/// There is none; the message lists all names.
pub(crate) fn named(name: &str) -> Result<Scenario, String> {
    let mut all = ALL.iter().chain(&GROWTH);
    let names = || ALL.iter().map(|scenario| scenario.name).collect::<Vec<_>>().join(", ");
    let scenario = all.find(|scenario| scenario.name == name).copied();
    scenario.ok_or_else(|| format!("the scenarios are {}, growth", names()))
}

impl Scenario {
    /// Whether the sessions of subscribers are kept, which is what a store is for.
    pub(crate) fn is_durable(&self) -> bool {
        matches!(self.load, Load::Traffic(traffic) if traffic.sessions == Sessions::Kept)
    }

    /// Whether pairs are to cross between threads.
    pub(crate) fn crosses(&self) -> bool {
        matches!(self.load, Load::Traffic(traffic) if traffic.homes == Homes::Crossing)
    }

    /// Whether the send windows of subscribers fill, since many publish to few.
    pub(crate) fn fills_windows(&self) -> bool {
        matches!(self.load, Load::Traffic(traffic)
            if traffic.qos != QoS::AtMostOnce && traffic.publishers > traffic.subscribers)
    }

    /// Whether it needs version 5.0.
    pub(crate) fn needs_v5(&self) -> bool {
        matches!(self.load, Load::Traffic(traffic) if traffic.properties)
    }

    /// Which engines of vaux-broker's store take part.
    pub(crate) fn engines(&self) -> Engines {
        match self.load {
            Load::Retained { .. } | Load::RetainedMemory { .. } => Engines::AlsoMemory,
            Load::Drain { .. } => Engines::Memory,
            _ if self.is_durable() => Engines::Both,
            _ => Engines::AsItComes,
        }
    }
}

impl Traffic {
    /// How many publishers publish to each topic.
    pub(crate) fn publishers_per_topic(&self) -> usize {
        self.publishers / self.topics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for scenario in ALL.into_iter().chain(GROWTH) {
            assert_eq!(named(scenario.name).unwrap().about, scenario.about);
        }
        assert!(named("pairs").unwrap_err().contains("pairs-qos0"));
        assert_eq!(chosen("growth").unwrap().len(), GROWTH.len());
        assert_eq!(chosen("pairs-qos0").unwrap().len(), 1);
    }

    #[test]
    fn clients_divide_evenly_over_the_topics() {
        for scenario in ALL.into_iter().chain(GROWTH) {
            let Load::Traffic(traffic) = scenario.load else { continue };
            assert_eq!(traffic.publishers % traffic.topics, 0, "{}", scenario.name);
            assert_eq!(traffic.subscribers % traffic.topics, 0, "{}", scenario.name);
        }
    }

    #[test]
    fn durable_scenarios_say_how_many_messages_are_unacknowledged() {
        let durable: Vec<Scenario> = ALL.into_iter().filter(Scenario::is_durable).collect();
        assert_eq!(durable.len(), 3);
        for scenario in durable {
            let Load::Traffic(traffic) = scenario.load else { panic!("{} is no traffic", scenario.name) };
            let unacknowledged = traffic.publishers as u64 * traffic.in_flight;
            assert_eq!(scenario.name, format!("durable-qos1-{unacknowledged}"));
        }
    }

    #[test]
    fn windows_fill_where_many_publish_to_few() {
        let filling: Vec<&str> =
            ALL.iter().filter(|scenario| scenario.fills_windows()).map(|scenario| scenario.name).collect();
        assert_eq!(filling, ["fanin-qos1", "shared-qos1"]);
    }

    /// By default vaux-broker drops over 10,000 messages queued for a session, which messages of QoS 0 are not, and
    /// messages of QoS 0 over 4 MiB of output for a connection.
    #[test]
    fn what_is_ahead_fits_the_queue_of_a_subscriber() {
        for scenario in ALL {
            let Load::Traffic(traffic) = scenario.load else { continue };
            let ahead = traffic.ahead * traffic.publishers_per_topic() as u64;
            assert!(ahead * (traffic.payload_bytes as u64 + 32) <= 2 << 20, "{}", scenario.name);
            // Members of a shared subscription divide what is ahead.
            let ahead =
                if traffic.filters == Filters::Shared { ahead / traffic.subscribers as u64 } else { ahead };
            assert!(traffic.qos == QoS::AtMostOnce || ahead <= 5_000, "{}: {ahead} messages", scenario.name);
        }
    }
}
