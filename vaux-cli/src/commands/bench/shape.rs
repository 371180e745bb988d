//! The modes: who publishes under which topics, and who subscribes to what.

use clap::ValueEnum;

/// What a benchmark does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Mode {
    /// Only publish
    Pub,
    /// Only subscribe, and measure what arrives from elsewhere
    Sub,
    /// Connect, and stay connected
    Conn,
    /// Pairs of a publisher and a subscriber
    E2e,
    /// One publisher to many subscribers
    Fanout,
    /// Many publishers to one subscriber
    Fanin,
    /// Publishers to a group that shares a subscription
    Shared,
}

/// Who gets the messages of a publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// Nobody of this run.
    Nobody,
    /// The subscriber with the same number.
    Pairs,
    /// Every subscriber.
    Everybody,
    /// One member of the group, whichever the server picks.
    Group,
    /// There is no publisher in this run: whatever arrives, from anybody.
    Anybody,
}

/// The clients of a run. Publishers have the numbers from 0, subscribers those after them, then those that do nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) flow: Flow,
    pub(super) publishers: usize,
    pub(super) subscribers: usize,
    pub(super) idle: usize,
    /// How many topics each publisher publishes under in turn.
    topics: usize,
    /// What all topics begin with; in a run without publishers perhaps a filter.
    base: String,
}

impl Mode {
    /// The name on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Mode::Pub => "pub",
            Mode::Sub => "sub",
            Mode::Conn => "conn",
            Mode::E2e => "e2e",
            Mode::Fanout => "fanout",
            Mode::Fanin => "fanin",
            Mode::Shared => "shared",
        }
    }

    /// How many clients there are if nobody says.
    pub(super) fn default_clients(self) -> usize {
        match self {
            Mode::Pub | Mode::E2e | Mode::Shared => 16,
            Mode::Sub => 1,
            Mode::Conn | Mode::Fanout | Mode::Fanin => 100,
        }
    }

    /// Whether this run publishes.
    pub(super) fn publishes(self) -> bool {
        !matches!(self, Mode::Sub | Mode::Conn)
    }

    /// The clients of a run.
    pub(super) fn shape(self, clients: usize, group: usize, topics: usize, base: String) -> Shape {
        let (flow, publishers, subscribers, idle) = match self {
            Mode::Pub => (Flow::Nobody, clients, 0, 0),
            Mode::Sub => (Flow::Anybody, 0, clients, 0),
            Mode::Conn => (Flow::Nobody, 0, 0, clients),
            Mode::E2e => (Flow::Pairs, clients, clients, 0),
            Mode::Fanout => (Flow::Everybody, 1, clients, 0),
            Mode::Fanin => (Flow::Everybody, clients, 1, 0),
            Mode::Shared => (Flow::Group, clients, group, 0),
        };
        Shape { flow, publishers, subscribers, idle, topics, base }
    }
}

impl Shape {
    /// How many clients there are.
    pub(super) fn clients(&self) -> usize {
        self.publishers + self.subscribers + self.idle
    }

    /// How many times a message is to arrive.
    pub(super) fn copies(&self) -> u64 {
        match self.flow {
            Flow::Nobody | Flow::Anybody => 0,
            Flow::Pairs | Flow::Group => 1,
            Flow::Everybody => self.subscribers as u64,
        }
    }

    /// How many topics each publisher publishes under.
    pub(super) fn topics(&self) -> usize {
        self.topics
    }

    /// The first topic of a publisher. The others differ in the digits at the end only.
    pub(super) fn first_topic(&self, publisher: usize) -> String {
        format!("{}/{publisher}/{:0width$}", self.base, 0, width = self.topic_digits())
    }

    /// How many digits tell the topics of a publisher apart.
    pub(super) fn topic_digits(&self) -> usize {
        (self.topics - 1).checked_ilog10().map_or(1, |digits| digits as usize + 1)
    }

    /// What a subscriber subscribes to.
    pub(super) fn filter(&self, subscriber: usize) -> String {
        let base = &self.base;
        let below = |level: &dyn std::fmt::Display| match self.topics {
            1 => format!("{base}/{level}/0"),
            _ => format!("{base}/{level}/+"),
        };
        match self.flow {
            Flow::Pairs => below(&subscriber),
            Flow::Group => format!("$share/vaux-bench/{}", below(&"+")),
            Flow::Anybody if base.contains(['+', '#']) => base.clone(),
            Flow::Anybody => format!("{base}/#"),
            // One publisher has one name, and needs no wildcard.
            _ if self.publishers == 1 => below(&0),
            _ => below(&"+"),
        }
    }

    /// The client identifier of client `number` behind what all of them have in common.
    pub(super) fn name(&self, number: usize) -> String {
        if number < self.publishers {
            format!("p{number}")
        } else if number < self.publishers + self.subscribers {
            format!("s{}", number - self.publishers)
        } else {
            format!("c{}", number - self.publishers - self.subscribers)
        }
    }

    /// Who takes part, in words.
    pub(super) fn describe(&self) -> String {
        let count = |count: usize, what: &str| {
            let plural = if count == 1 { "" } else { "s" };
            format!("{} {what}{plural}", super::report::grouped(count as u64))
        };
        match self.flow {
            Flow::Nobody if self.idle > 0 => count(self.idle, "connection"),
            Flow::Nobody => count(self.publishers, "publisher"),
            Flow::Anybody => count(self.subscribers, "subscriber"),
            Flow::Group => {
                format!("{} to a group of {}", count(self.publishers, "publisher"), self.subscribers)
            }
            _ => format!(
                "{} to {}",
                count(self.publishers, "publisher"),
                count(self.subscribers, "subscriber")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use vaux_mqtt::topic::{TopicFilter, TopicName};

    use super::*;

    fn shape(mode: Mode, clients: usize, topics: usize) -> Shape {
        mode.shape(clients, clients, topics, "base".into())
    }

    #[test]
    fn filters_match_the_topics_of_those_that_are_to_be_heard() {
        for topics in [1, 2, 1000] {
            for mode in [Mode::E2e, Mode::Fanout, Mode::Fanin, Mode::Shared] {
                let shape = shape(mode, 12, topics);
                for publisher in 0..shape.publishers {
                    let topic = shape.first_topic(publisher);
                    for subscriber in 0..shape.subscribers {
                        let is_heard = shape.flow != Flow::Pairs || publisher == subscriber;
                        let filter = shape.filter(subscriber);
                        let matches =
                            TopicFilter::new(&filter).unwrap().matches(TopicName::new(&topic).unwrap());
                        assert_eq!(matches, is_heard, "{filter} {topic}");
                    }
                }
            }
        }
    }

    #[test]
    fn who_subscribes_only_hears_who_publishes_only() {
        let topic = shape(Mode::Pub, 3, 20).first_topic(2);
        assert_eq!(topic, "base/2/00");
        assert_eq!(shape(Mode::Sub, 1, 1).filter(0), "base/#");
        assert_eq!(Mode::Sub.shape(1, 1, 1, "a/+/b".into()).filter(0), "a/+/b");
    }

    #[test]
    fn clients_have_names_of_their_own() {
        let shape = shape(Mode::E2e, 2, 1);
        let names: Vec<_> = (0..shape.clients()).map(|number| shape.name(number)).collect();
        assert_eq!(names, ["p0", "p1", "s0", "s1"]);
        assert_eq!(self::shape(Mode::Conn, 1, 1).name(0), "c0");
    }
}
