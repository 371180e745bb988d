//! Setting, replaying and expiring retained messages.

use proptest::prelude::*;
use vaux_mqtt::QoS;
use vaux_mqtt::topic::TopicName;

use super::*;
use crate::message::Content;
use crate::session::{Identity, SessionKey};

fn message(topic: &str, payload: &[u8], expires_at: Time) -> Message {
    let content = Content {
        publisher: 0,
        qos: QoS::AtMostOnce,
        retain: true,
        expires_at,
        topic,
        properties: &[],
        payload,
    };
    Message::new(1, &content)
}

fn retained(topics: &[&str]) -> Retained {
    let retained = Retained::default();
    for topic in topics {
        retained.set(message(topic, b"x", Time::NEVER), None, usize::MAX, usize::MAX).unwrap();
    }
    retained
}

/// Reads all matches, a few at a time.
fn matches(retained: &Retained, filter: &str) -> Vec<String> {
    let filter = TopicFilter::new(filter).unwrap();
    let mut position = Position::default();
    let mut found = Vec::new();
    loop {
        let some = retained.next(filter, &mut position, 2, Time(0));
        found.extend(some.iter().map(|kept| kept.message.content().topic.to_owned()));
        if some.len() < 2 {
            return found;
        }
    }
}

#[test]
fn a_filter_finds_what_it_matches_in_order() {
    let retained = retained(&["a", "a/b", "a/b/c", "a/c", "a-b", "b/c", "$SYS/x", "/"]);
    assert_eq!(matches(&retained, "a/#"), ["a", "a/b", "a/b/c", "a/c"]);
    assert_eq!(matches(&retained, "+/c"), ["a/c", "b/c"]);
    assert_eq!(matches(&retained, "a/b"), ["a/b"]);
    assert_eq!(matches(&retained, "#"), ["/", "a", "a/b", "a/b/c", "a/c", "a-b", "b/c"]);
    assert_eq!(matches(&retained, "+"), ["a", "a-b"]);
    assert_eq!(matches(&retained, "+/+"), ["/", "a/b", "a/c", "b/c"]);
    assert_eq!(matches(&retained, "$SYS/#"), ["$SYS/x"]);
}

#[test]
fn the_last_message_of_a_topic_is_kept_and_an_empty_one_removes_it() {
    let retained = retained(&["a"]);
    retained.set(message("a", b"new", Time::NEVER), None, 1, usize::MAX).unwrap();
    let found = retained.next(TopicFilter::new("a").unwrap(), &mut Position::default(), 9, Time(0));
    assert_eq!(found[0].message.payload(), b"new");
    retained.set(message("a", b"", Time::NEVER), None, 1, usize::MAX).unwrap();
    assert!(retained.is_empty());
    assert_eq!(retained.messages.read().unwrap().bytes, 0);
}

#[test]
fn limits_hold_but_a_kept_topic_may_change() {
    let retained = retained(&["a"]);
    assert_eq!(retained.set(message("b", b"x", Time::NEVER), None, 1, usize::MAX), Err(NoRoom));
    assert_eq!(retained.set(message("a", b"y", Time::NEVER), None, 1, usize::MAX), Ok(()));
    assert_eq!(retained.set(message("a", &[0; 1000], Time::NEVER), None, 9, 500), Err(NoRoom));
    assert_eq!(matches(&retained, "#"), ["a"]);
}

#[test]
fn expired_messages_are_absent_and_then_removed() {
    let retained = Retained::default();
    retained.set(message("a", b"x", Time(1000)), None, 9, usize::MAX).unwrap();
    retained.set(message("b", b"x", Time(2000)), None, 9, usize::MAX).unwrap();
    let found = retained.next(TopicFilter::new("#").unwrap(), &mut Position::default(), 9, Time(1000));
    assert_eq!(found.len(), 1);
    assert_eq!(retained.remove_expired(Time(1000), |_| ()), Some(Time(2000)));
    assert_eq!(retained.len(), 1);
    assert_eq!(retained.remove_expired(Time(5000), |_| ()), None);
    assert!(retained.is_empty());
}

#[test]
fn a_publisher_is_kept_once_and_for_as_long_as_one_of_its_messages_is() {
    let source = |client_id: &str, listener: &str| Source {
        key: SessionKey { mount: "".into(), client_id: client_id.into() },
        identity: Identity::User("u".into()),
        listener: Some(listener.into()),
        grants: None,
    };
    let retained = Retained::default();
    let set = |topic, payload: &[u8], source: &Source| {
        retained.set(message(topic, payload, Time::NEVER), Some(source), 9, usize::MAX).unwrap();
    };
    let known = || retained.messages.read().unwrap().sources.len();
    for topic in ["a", "b", "a"] {
        set(topic, b"x", &source("c", "l"));
        assert_eq!(known(), 1);
    }
    let (a, b) = (retained.kept("a").unwrap(), retained.kept("b").unwrap());
    assert!(Arc::ptr_eq(&a.source.unwrap(), &b.source.unwrap()));
    set("a", b"x", &source("c", "other"));
    set("c", b"x", &source("d", "l"));
    assert_eq!(known(), 3);
    set("b", b"", &source("e", "l"));
    set("c", b"x", &source("c", "other"));
    assert_eq!(known(), 1);
    set("a", b"", &source("e", "l"));
    retained.set_own(message("c", b"x", Time::NEVER));
    assert_eq!(known(), 0);
}

proptest! {
    /// The naive matcher of vaux-mqtt is the judge.
    #[test]
    fn agrees_with_the_naive_matcher(
        topics in proptest::collection::btree_set("[ab$!]{0,2}(/[ab!]{0,2}){0,3}", 0..30),
        filter in "([ab]{0,2}|[+])(/([ab]{1,2}|[+]?)){0,3}(/#)?",
    ) {
        prop_assume!(!filter.is_empty());
        let topics: Vec<&str> = topics.iter().map(String::as_str).filter(|topic| !topic.is_empty()).collect();
        let judge = TopicFilter::new(&filter).unwrap();
        let mut expected: Vec<String> = topics
            .iter()
            .filter(|topic| judge.matches(TopicName::new(topic).unwrap()))
            .map(|topic| topic.to_string())
            .collect();
        let mut found = matches(&retained(&topics), &filter);
        expected.sort();
        found.sort();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn messages_of_the_broker_itself_count_against_no_limit() {
    let retained = Retained::default();
    for payload in [&b"1"[..], b"12"] {
        retained.set_own(message("$SYS/broker/uptime", payload, Time::NEVER));
    }
    assert_eq!(retained.counts(), Counts { messages: 0, bytes: 0, own: 1 });
    assert_eq!(retained.set(message("a", b"x", Time::NEVER), None, 1, 300), Ok(()));
    assert_eq!(retained.set(message("b", b"x", Time::NEVER), None, 1, usize::MAX), Err(NoRoom));
    assert_eq!(retained.counts().messages, 1);
    // Who may publish anywhere may take one away.
    retained.set(message("$SYS/broker/uptime", b"", Time::NEVER), None, 9, usize::MAX).unwrap();
    assert_eq!(retained.counts().own, 0);
}
