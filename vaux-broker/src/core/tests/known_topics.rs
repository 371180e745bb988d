//! What is remembered of a topic from one message to the next holds for that topic alone, and only as long as it is true.

use super::*;
use crate::rights::{Action, Subject};

/// Everybody may do everything, but for what is listed: who, what, and of which topic.
#[derive(Debug)]
struct AllBut(&'static [(&'static str, Action, &'static str)]);

impl Authorize for AllBut {
    fn allows(&self, subject: &Subject<'_>, action: Action, topic: &str) -> bool {
        !self.0.contains(&(subject.client_id, action, topic))
    }
}

impl Sim {
    fn deny(&mut self, denied: &'static [(&'static str, Action, &'static str)]) {
        self.cores.iter_mut().for_each(|core| core.handle_rights(Arc::new(AllBut(denied))));
    }

    /// Publishes four messages, and says how many of them each member gets.
    fn share_out(&mut self, publisher: Client, members: [Client; 2]) -> [usize; 2] {
        for packet_id in 1..=4 {
            self.publish(publisher, "a", "x", QoS::AtLeastOnce, packet_id);
        }
        members.map(|member| topics(&self.see(member)).len())
    }
}

fn topics(seen: &[Seen]) -> Vec<&str> {
    let mut topics = Vec::new();
    for one in seen {
        if let Seen::Publish { topic, .. } = one {
            topics.push(topic.as_str());
        }
    }
    topics
}

#[test]
fn messages_that_come_together_are_let_in_each_by_its_topic() {
    with_workers(|mut sim| {
        sim.deny(&[("p", Action::Publish, "no")]);
        let publisher = sim.connect(&Hello::new("p"));
        let mut bytes = Vec::new();
        for (packet_id, topic) in (1..).zip(["yes", "yes", "no", "no", "yes", "no", "yes"]) {
            let publish =
                Publish { qos: QoS::AtLeastOnce, packet_id: PacketId::new(packet_id), ..Publish::new(topic) };
            publish.encode(Version::V5, &mut bytes);
        }
        sim.send_bytes(publisher, &bytes);
        let (yes, no) = (ReasonCode::NoMatchingSubscribers, ReasonCode::NotAuthorized);
        let answers = (1..).zip([yes, yes, no, no, yes, no, yes]);
        let answers: Vec<Seen> =
            answers.map(|(packet_id, reason)| Seen::Ack(PacketType::PubAck, packet_id, reason)).collect();
        assert_eq!(sim.see(publisher), answers);
    });
}

#[test]
fn an_alias_that_stands_for_another_topic_is_asked_about() {
    let mut sim = Sim::new(1);
    sim.deny(&[("p", Action::Publish, "no")]);
    let publisher = sim.connect(&Hello::new("p"));
    let mut bytes = Vec::new();
    for (packet_id, topic, alias) in [(1, "yes", 1), (2, "no", 2), (3, "", 1), (4, "", 2), (5, "", 1)] {
        let properties = [Property::TopicAlias(alias)];
        let publish = Publish {
            qos: QoS::AtLeastOnce,
            packet_id: PacketId::new(packet_id),
            properties: Properties::from_slice(&properties),
            ..Publish::new(topic)
        };
        publish.encode(Version::V5, &mut bytes);
    }
    sim.send_bytes(publisher, &bytes);
    let reasons = sim.see(publisher).into_iter().map(|seen| match seen {
        Seen::Ack(PacketType::PubAck, _, reason) => reason == ReasonCode::NotAuthorized,
        other => panic!("{other:?}"),
    });
    assert_eq!(reasons.collect::<Vec<bool>>(), [false, true, false, true, false]);
}

#[test]
fn what_waits_is_sent_each_by_its_topic_and_by_the_rights_of_then() {
    with_workers(|mut sim| {
        let reader = sim.connect(&Hello { receive_maximum: Some(1), ..Hello::new("r") });
        sim.subscribe(reader, "#", QoS::AtLeastOnce);
        let publisher = sim.connect(&Hello::new("p"));
        for (packet_id, topic) in (1..).zip(["a", "a", "secret", "secret", "a", "secret", "b", "b"]) {
            sim.publish(publisher, topic, "x", QoS::AtLeastOnce, packet_id);
        }
        sim.deny(&[("r", Action::Receive, "secret")]);
        let mut seen = sim.see(reader);
        for packet_id in 1..=5 {
            sim.ack(reader, PacketType::PubAck, packet_id);
            seen.extend(sim.see(reader));
        }
        assert_eq!(topics(&seen), ["a", "a", "a", "b", "b"]);
    });
}

#[test]
fn members_of_a_shared_subscription_get_what_they_may_have_by_the_rights_of_now() {
    with_workers(|mut sim| {
        let members = ["m1", "m2"].map(|name| sim.connect(&Hello::new(name)));
        for member in members {
            sim.subscribe(member, "$share/g/#", QoS::AtLeastOnce);
        }
        let publisher = sim.connect(&Hello::new("p"));
        assert_eq!(sim.share_out(publisher, members), [2, 2]);
        sim.deny(&[("m1", Action::Receive, "a")]);
        assert_eq!(sim.share_out(publisher, members), [0, 4]);
        sim.deny(&[("m2", Action::Receive, "a")]);
        assert_eq!(sim.share_out(publisher, members), [4, 0]);
    });
}
