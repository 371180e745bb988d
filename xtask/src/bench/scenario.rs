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
    /// What becomes of the sessions of the subscribers. Those of publishers end.
    pub(crate) sessions: Sessions,
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
    sessions: Sessions::End,
};

/// Many publishers meet in one subscriber, whose queue at the broker must hold what all of them are ahead.
const FAN_IN: Traffic = Traffic { topics: 1, publishers: 100, subscribers: 1, ahead: 200, ..PAIRS };

/// Messages that a broker has to keep, for one connected subscriber of each topic. Each publisher has one message
/// unacknowledged.
const DURABLE: Traffic =
    Traffic { qos: QoS::AtLeastOnce, payload_bytes: 136, in_flight: 1, sessions: Sessions::Kept, ..PAIRS };

/// Every scenario, in the order of the report.
pub(crate) const ALL: [Scenario; 14] = [
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
        name: "durable-qos1-1",
        about: "1 pair, 1 message unacknowledged, QoS 1, the subscriber's session is kept",
        load: Load::Traffic(Traffic { topics: 1, publishers: 1, subscribers: 1, ..DURABLE }),
    },
    Scenario {
        name: "durable-qos1-16",
        about: "16 pairs, 1 message of each unacknowledged, QoS 1, sessions of subscribers are kept",
        load: Load::Traffic(DURABLE),
    },
    Scenario {
        name: "durable-qos1-256",
        about: "16 pairs, 16 messages of each unacknowledged, QoS 1, sessions of subscribers are kept",
        load: Load::Traffic(Traffic { in_flight: 16, ..DURABLE }),
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

impl Scenario {
    /// Whether the sessions of subscribers are kept, which is what a store is for.
    pub(crate) fn is_durable(&self) -> bool {
        matches!(self.load, Load::Traffic(traffic) if traffic.sessions == Sessions::Kept)
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
