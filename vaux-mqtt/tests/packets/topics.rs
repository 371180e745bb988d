//! Matching of topics, and the byte of subscription options.

use proptest::prelude::*;
use vaux_mqtt::packet::SubscriptionOptions;
use vaux_mqtt::topic::{TopicFilter, TopicName};

use crate::arbitrary;

/// The rules of section 4.7 as they are told there, one level at a time.
fn matches_naively(filter: &[&str], topic: &[&str]) -> bool {
    match (filter, topic) {
        (["#"], _) => true,
        ([], []) => true,
        (["+", filter @ ..], [_, topic @ ..]) => matches_naively(filter, topic),
        ([level, filter @ ..], [name, topic @ ..]) => level == name && matches_naively(filter, topic),
        _ => false,
    }
}

fn matches(filter: &str, topic: &str) -> bool {
    TopicFilter::new(filter).expect(filter).matches(TopicName::new(topic).expect(topic))
}

proptest! {
    #[test]
    fn matching_agrees_with_the_naive_rules(filter in arbitrary::filter(), topic in arbitrary::topic()) {
        let plain = filter.strip_prefix("$share/group/").unwrap_or(filter);
        let hidden = topic.starts_with('$') && plain.starts_with(['+', '#']);
        let filter_levels: Vec<&str> = plain.split('/').collect();
        let topic_levels: Vec<&str> = topic.split('/').collect();
        prop_assert_eq!(matches(filter, topic), !hidden && matches_naively(&filter_levels, &topic_levels));
    }

    #[test]
    fn filter_made_from_a_topic_matches_it(topic in arbitrary::topic(), level in any::<prop::sample::Index>()) {
        prop_assume!(!topic.starts_with('$'));
        let mut levels: Vec<&str> = topic.split('/').collect();
        let at = level.index(levels.len());
        levels[at] = "+";
        prop_assert!(matches(&levels.join("/"), topic));
        levels.truncate(at);
        levels.push("#");
        prop_assert!(matches(&levels.join("/"), topic));
    }
}

#[test]
fn examples_of_the_specification_match() {
    for (filter, topic, is_match) in [
        ("sport/tennis/player1/#", "sport/tennis/player1", true),
        ("sport/tennis/player1/#", "sport/tennis/player1/ranking", true),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
        ("sport/#", "sport", true),
        ("sport/tennis/+", "sport/tennis/player1", true),
        ("sport/tennis/+", "sport/tennis/player1/ranking", false),
        ("sport/+", "sport", false),
        ("sport/+", "sport/", true),
        ("+/+", "/finance", true),
        ("/+", "/finance", true),
        ("+", "/finance", false),
        ("#", "$SYS/x", false),
        ("+/monitor/Clients", "$SYS/monitor/Clients", false),
        ("$SYS/#", "$SYS/x", true),
        ("$SYS/monitor/+", "$SYS/monitor/Clients", true),
        ("ACCOUNTS", "Accounts", false),
        ("$share/g//x", "/x", true),
        ("$share/g/#", "$SYS/x", false),
    ] {
        assert_eq!(matches(filter, topic), is_match, "{filter} and {topic}");
    }
}

#[test]
fn options_keep_their_bits() {
    for bits in 0..=u8::MAX {
        let is_valid = bits & 0b11 != 3 && bits >> 4 & 0b11 != 3 && bits >> 6 == 0;
        let options = SubscriptionOptions::from_bits(bits);
        assert_eq!(options.is_some(), is_valid, "{bits:08b}");
        assert_eq!(options.map_or(bits, SubscriptionOptions::bits), bits);
    }
}
