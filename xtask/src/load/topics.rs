//! The topics of a scenario, and the filters that match them.

use crate::bench::scenario::{Filters, Traffic};

/// How many digits a number has in a topic.
pub(super) const DIGITS: usize = 7;

/// Publishers go through the divisions in steps of this, so that neighbours in a broker's tables do not follow each
/// other. It has no factor in common with any number of divisions.
const STEP: u64 = 7919;

/// The number of a topic, if there are no divisions, else that of a division.
pub(super) fn topic(traffic: &Traffic, number: usize) -> String {
    match traffic.filters {
        Filters::Topic | Filters::Shared => format!("bench/topic/{number:0DIGITS$}"),
        Filters::Wildcards | Filters::Everything => format!("bench/{number:0DIGITS$}/device/value"),
    }
}

/// Where the number begins in any of these topics.
pub(super) fn number_at(topic: &str) -> usize {
    topic.find(|character: char| character.is_ascii_digit()).expect("every topic has a number")
}

/// Which division of topic number `topic` message number `message` belongs to.
pub(super) fn division(traffic: &Traffic, topic: usize, message: u64) -> usize {
    let divisions = traffic.divisions as u64;
    topic * traffic.divisions + (message.wrapping_mul(STEP) % divisions) as usize
}

/// Writes a number over the digits of another.
pub(super) fn write_number(digits: &mut [u8], mut number: usize) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// What the subscribers of topic number `topic` subscribe to.
pub(super) fn filters(traffic: &Traffic, topic_number: usize) -> Vec<String> {
    match traffic.filters {
        Filters::Topic => vec![topic(traffic, topic_number)],
        Filters::Shared => vec![format!("$share/members/{}", topic(traffic, topic_number))],
        Filters::Everything => vec!["bench/#".to_owned()],
        Filters::Wildcards => {
            let first = topic_number * traffic.divisions;
            let mut filters: Vec<String> = (first..first + traffic.divisions).map(wildcard).collect();
            // Brokers that keep a session's filters in order take a million of them sooner.
            filters.sort_unstable();
            filters
        }
    }
}

/// A filter that matches the topic of one division, in one of three shapes.
pub(super) fn wildcard(number: usize) -> String {
    match number % 3 {
        0 => format!("bench/{number:0DIGITS$}/+/value"),
        1 => format!("bench/{number:0DIGITS$}/#"),
        _ => format!("+/{number:0DIGITS$}/device/value"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use vaux_mqtt::topic::{TopicFilter, TopicName};

    use super::*;
    use crate::bench::scenario::Load;
    use crate::bench::table::{ALL, GROWTH};

    fn traffics() -> impl Iterator<Item = Traffic> {
        ALL.into_iter().chain(GROWTH).filter_map(|scenario| match scenario.load {
            Load::Traffic(traffic) if traffic.divisions <= 1000 => Some(traffic),
            _ => None,
        })
    }

    #[test]
    fn one_filter_matches_each_topic_and_it_is_the_subscribers() {
        for traffic in traffics().filter(|traffic| traffic.filters != Filters::Shared) {
            for number in [0, traffic.topics - 1] {
                let topic = topic(&traffic, division(&traffic, number, 77));
                let matching = |of: usize| {
                    let filters = filters(&traffic, of);
                    let name = TopicName::new(&topic).unwrap();
                    filters.iter().filter(|filter| TopicFilter::new(filter).unwrap().matches(name)).count()
                };
                let counts: Vec<usize> = (0..traffic.topics).map(matching).collect();
                assert_eq!(counts[number], 1, "{topic}");
                assert_eq!(counts.iter().sum::<usize>(), 1, "{topic}");
            }
        }
    }

    #[test]
    fn all_divisions_get_messages() {
        for traffic in traffics() {
            let seen: BTreeSet<usize> =
                (0..traffic.divisions as u64).map(|message| division(&traffic, 0, message)).collect();
            assert_eq!(seen.len(), traffic.divisions);
        }
    }

    #[test]
    fn a_number_is_written_over_another() {
        let mut topic = *b"a/0000000/b";
        write_number(&mut topic[2..2 + DIGITS], 1_234_567);
        assert_eq!(&topic, b"a/1234567/b");
        write_number(&mut topic[2..2 + DIGITS], 42);
        assert_eq!(&topic, b"a/0000042/b");
        assert_eq!(number_at("a/0000042/b"), 2);
    }
}
