//! The scenarios: who publishes what to whom, as one table.

use vaux_mqtt::QoS;

/// One row of the report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    /// The name on the command line and in the report.
    pub(crate) name: &'static str,
    /// What it is, in a few words.
    pub(crate) about: &'static str,
    /// What the load generator does.
    pub(crate) load: Load,
}

/// What the load generator does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    /// Messages flow.
    Traffic(Traffic),
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
}

/// Publishers and subscribers are dealt out over the topics in turn: publisher and subscriber number n belong to
/// topic n modulo `topics`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic {
    /// How many topics there are.
    pub(crate) topics: usize,
    /// How many clients publish.
    pub(crate) publishers: usize,
    /// How many clients subscribe, each to one topic.
    pub(crate) subscribers: usize,
    /// QoS of the messages and of the subscriptions.
    pub(crate) qos: QoS,
    /// Bytes of payload in a message.
    pub(crate) payload_bytes: usize,
    /// How many messages a publisher may be ahead of the slowest of its subscribers. This keeps the broker busy
    /// without ever letting a queue grow to where it must drop.
    pub(crate) ahead: u64,
    /// With QoS 1 and 2, how many messages of a publisher may be unacknowledged.
    pub(crate) in_flight: u64,
    /// Where the sessions are at home.
    pub(crate) homes: Homes,
}

/// Which thread of the broker the clients of a pair live on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Homes {
    /// Wherever the broker puts them.
    Any,
    /// Publisher and subscriber on different threads, when the broker has more than one.
    Crossing,
}

/// 16 pairs, from which the others differ.
const PAIRS: Traffic = Traffic {
    topics: 16,
    publishers: 16,
    subscribers: 16,
    qos: QoS::AtMostOnce,
    payload_bytes: 64,
    ahead: 1000,
    in_flight: 100,
    homes: Homes::Any,
};

/// Many publishers meet in one subscriber, whose queue at the broker must hold what all of them are ahead.
const FAN_IN: Traffic = Traffic { topics: 1, publishers: 100, subscribers: 1, ahead: 200, ..PAIRS };

/// Every scenario, in the order of the report.
pub(crate) const ALL: [Scenario; 11] = [
    Scenario {
        name: "pairs-qos0",
        about: "16 publishers, 16 subscribers, QoS 0",
        load: Load::Traffic(PAIRS),
    },
    Scenario {
        name: "pairs-qos1",
        about: "16 publishers, 16 subscribers, QoS 1",
        load: Load::Traffic(Traffic { qos: QoS::AtLeastOnce, ..PAIRS }),
    },
    Scenario {
        name: "pairs-qos2",
        about: "16 publishers, 16 subscribers, QoS 2",
        load: Load::Traffic(Traffic { qos: QoS::ExactlyOnce, ..PAIRS }),
    },
    Scenario {
        name: "fanout",
        about: "1 publisher, 100 subscribers, QoS 0",
        load: Load::Traffic(Traffic { topics: 1, publishers: 1, subscribers: 100, ..PAIRS }),
    },
    Scenario {
        name: "fanin-qos0",
        about: "100 publishers, 1 subscriber, QoS 0",
        load: Load::Traffic(FAN_IN),
    },
    Scenario {
        name: "fanin-qos1",
        about: "100 publishers, 1 subscriber, QoS 1",
        load: Load::Traffic(Traffic { qos: QoS::AtLeastOnce, ahead: 50, in_flight: 50, ..FAN_IN }),
    },
    Scenario {
        name: "pairs-1-in-flight",
        about: "64 pairs, one message under way each, QoS 0",
        load: Load::Traffic(Traffic {
            topics: 64,
            publishers: 64,
            subscribers: 64,
            ahead: 1,
            in_flight: 1,
            ..PAIRS
        }),
    },
    Scenario {
        name: "pairs-cross",
        about: "16 pairs, QoS 0, publisher and subscriber on different workers",
        load: Load::Traffic(Traffic { homes: Homes::Crossing, ..PAIRS }),
    },
    Scenario {
        name: "pairs-cross-qos1",
        about: "16 pairs, QoS 1, publisher and subscriber on different workers",
        load: Load::Traffic(Traffic { homes: Homes::Crossing, qos: QoS::AtLeastOnce, ..PAIRS }),
    },
    Scenario {
        name: "connects",
        about: "connect, be accepted, disconnect; 64 at once",
        load: Load::Connects { at_once: 64 },
    },
    Scenario {
        name: "idle",
        about: "10,000 idle connections, one subscription each",
        load: Load::Idle { connections: 10_000 },
    },
];

/// The scenario of that name.
///
/// # Errors
///
/// There is none; the message lists all names.
pub(crate) fn named(name: &str) -> Result<Scenario, String> {
    let names = || ALL.map(|scenario| scenario.name).join(", ");
    ALL.into_iter()
        .find(|scenario| scenario.name == name)
        .ok_or_else(|| format!("the scenarios are {}", names()))
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
        for scenario in ALL {
            assert_eq!(named(scenario.name).unwrap().about, scenario.about);
        }
        assert!(named("pairs").unwrap_err().contains("pairs-qos0"));
    }

    #[test]
    fn clients_divide_evenly_over_the_topics() {
        for scenario in ALL {
            let Load::Traffic(traffic) = scenario.load else { continue };
            assert_eq!(traffic.publishers % traffic.topics, 0, "{}", scenario.name);
            assert_eq!(traffic.subscribers % traffic.topics, 0, "{}", scenario.name);
        }
    }

    /// By default vaux-broker drops over 10,000 messages queued for a session, which messages of QoS 0 are not, and
    /// messages of QoS 0 over 4 MiB of output for a connection.
    #[test]
    fn what_is_ahead_fits_the_queue_of_a_subscriber() {
        for scenario in ALL {
            let Load::Traffic(traffic) = scenario.load else { continue };
            let ahead = traffic.ahead * traffic.publishers_per_topic() as u64;
            assert!(ahead * (traffic.payload_bytes as u64 + 32) <= 2 << 20, "{}", scenario.name);
            assert!(traffic.qos == QoS::AtMostOnce || ahead <= 5_000, "{}: {ahead} messages", scenario.name);
        }
    }
}
