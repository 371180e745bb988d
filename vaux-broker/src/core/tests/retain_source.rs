//! Retained messages, measured by the rights of who published them.

use serde_json::json;

use super::observe::ask;
use super::*;
use crate::config::Mqtt;
use crate::rights::{Action, Grants, Rule, Subject};

/// Only these users may publish, each below a topic of its own name; `-` is everybody without a name.
#[derive(Debug)]
struct Publishers(&'static [&'static str]);

impl Authorize for Publishers {
    fn allows(&self, subject: &Subject<'_>, action: Action, topic: &str) -> bool {
        let name = match subject.identity {
            Identity::User(name) => &**name,
            Identity::Anonymous => "-",
        };
        action != Action::Publish || self.0.contains(&name) && topic.split('/').next() == Some(name)
    }
}

impl Sim {
    fn retain(&mut self, client: Client, topic: &str) {
        let publish = Publish { retain: true, payload: b"x", ..Publish::new(topic) };
        self.send_publish(client, &publish);
        self.commit();
    }

    fn change_rights(&mut self, publishers: &'static [&'static str]) {
        self.cores.iter_mut().for_each(|core| core.handle_rights(Arc::new(Publishers(publishers))));
    }

    /// The topics of what a new subscription gets.
    fn retained_topics(&mut self) -> Vec<String> {
        let reader = self.connect(&Hello::new("reader"));
        let seen = self.subscribe(reader, "#", QoS::AtMostOnce);
        self.cut(reader);
        let topic = |seen| match seen {
            Seen::Publish { topic, retain: true, .. } => Some(topic),
            _ => None,
        };
        seen.into_iter().filter_map(topic).collect()
    }
}

#[test]
fn it_is_delivered_only_while_its_publisher_may_write_there_also_after_a_crash() {
    for workers in [1, 3] {
        let mut sim = Sim::stored(workers);
        for name in ["alice", "bob", "-"] {
            let user_name = Some(name).filter(|name| *name != "-");
            let client = sim.connect(&Hello { user_name, ..Hello::new(name) });
            sim.retain(client, &format!("{name}/1"));
            sim.retain(client, &format!("{name}/2"));
        }
        for crash in [false, true] {
            if crash {
                sim.crash(0);
            }
            sim.change_rights(&["alice", "bob", "-"]);
            assert_eq!(sim.retained_topics(), ["-/1", "-/2", "alice/1", "alice/2", "bob/1", "bob/2"]);
            sim.change_rights(&["bob"]);
            assert_eq!(sim.retained_topics(), ["bob/1", "bob/2"]);
            sim.change_rights(&["-"]);
            assert_eq!(sim.retained_topics(), ["-/1", "-/2"]);
        }
    }
}

#[test]
fn why_tells_who_did_not_get_it_and_how_often() {
    for workers in [1, 3] {
        let mut sim = Sim::new(workers);
        for name in ["alice", "bob"] {
            let client = sim.connect(&Hello { user_name: Some(name), ..Hello::new(name) });
            sim.retain(client, &format!("{name}/1"));
        }
        sim.change_rights(&["bob"]);
        for count in 1..=2 {
            assert_eq!(sim.retained_topics(), ["bob/1"]);
            let answer = ask(&mut sim, &json!({"command": "why", "topic": "alice/1"}));
            let [incident] = &answer["incidents"].as_array().unwrap()[..] else { panic!("{answer}") };
            assert_eq!(incident["client_id"], "reader");
            assert_eq!(incident["cause"], "retain-source");
            assert_eq!(incident["limit"], "check_retain_source");
            assert_eq!(incident["count"].as_u64().unwrap_or(1), count);
            let refused: u64 = sim.cores.iter().map(|core| core.counters().dropped.refused).sum();
            assert_eq!(refused, count);
        }
        sim.change_rights(&["alice", "bob"]);
        assert_eq!(sim.retained_topics(), ["alice/1", "bob/1"]);
        let answer = ask(&mut sim, &json!({"command": "why", "topic": "alice/1"}));
        assert_eq!(answer["incidents"][0]["count"], 2, "nothing was held back any more");
    }
}

#[test]
fn it_is_delivered_all_the_same_when_that_is_not_to_be_checked() {
    let mqtt = Mqtt { check_retain_source: false, ..Mqtt::default() };
    let mut sim = Sim::with(1, Settings { mqtt, ..Settings::default() }, Recorder::discarding);
    let client = sim.connect(&Hello { user_name: Some("alice"), ..Hello::new("c") });
    sim.retain(client, "alice/1");
    sim.change_rights(&[]);
    assert_eq!(sim.retained_topics(), ["alice/1"]);
}

#[test]
fn what_a_client_was_granted_itself_counts_for_what_it_published_and_outlives_a_crash() {
    let grants = |topic: &str| {
        let rule = Rule { topic: topic.into(), publish: true, subscribe: true, is_denial: false };
        Some(Grants::new(vec![rule]).unwrap())
    };
    let mut sim = Sim::stored(1);
    sim.admission = Some(Admission { grants: grants("own/#"), ..Identity::User("u".into()).into() });
    let client = sim.open_durable("c");
    sim.subscribe(client, "own/#", QoS::AtLeastOnce);
    sim.commit();
    assert_eq!(sim.see(client), [Seen::SubAck(vec![1])]);
    sim.retain(client, "own/1");
    sim.retain(client, "else/1");
    sim.commit();
    sim.admission = None;
    for crash in [false, true] {
        if crash {
            sim.crash(0);
        }
        // Nobody else may publish; what it was granted itself is not asked of these rights.
        sim.change_rights(&["publisher"]);
        assert_eq!(sim.retained_topics(), ["own/1"]);
    }
    let session = sim.cores[0].sessions.iter().next().unwrap().1;
    assert_eq!(session.grants, grants("own/#"), "it waits with its rights");
}
