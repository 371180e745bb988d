//! What is checked after a restart, beyond what clients see by themselves: retained messages, subscriptions, and
//! sessions that run out.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use vaux_mqtt::{QoS, Version};

use super::cast;
use super::crowd::{Crowd, Part};
use super::fickle;
use super::ledger;
use super::member::{Connecting, Heard, Member, Message};
use super::report::{Check, Report, Violation};
use super::retained::{Found, KeptTopic};
use super::visitor::Visitor;
use crate::Outcome;

/// How long retained messages may take to come.
const RETAINED_TIMEOUT: Duration = Duration::from_secs(15);

/// The topic of a message that is known to come last.
const FENCE: &str = "fence";

/// Looks at all retained messages, before any publisher has returned.
///
/// # Errors
///
/// The broker does not talk to the inspector.
pub(super) fn retained(broker: SocketAddr, crowd: &mut Crowd, topics: &mut [KeptTopic]) -> Outcome {
    let mut inspector = Visitor::new(cast::inspector())?;
    inspector.connect(broker)?;
    let filters = ["kept/#", "will/#", FENCE].map(|filter| (filter.to_owned(), QoS::AtLeastOnce));
    inspector.member.subscribe(&filters, None, true).ok_or("SUBSCRIBE cannot be sent")?;
    let mut found = vec![Found::Nothing; topics.len()];
    let mut wanted = topics.iter().filter(|topic| topic.must_have(&crowd.ledger)).count();
    if wanted > 0 {
        inspector.hear(RETAINED_TIMEOUT, |heard| {
            let place = take_down(heard, topics, &mut found);
            wanted -= usize::from(place.is_some_and(|place| topics[place].must_have(&crowd.ledger)));
            wanted == 0
        })?;
    }
    // What comes although it need not comes before this.
    inspector.member.publish(message(FENCE, QoS::AtLeastOnce));
    inspector.hear(RETAINED_TIMEOUT, |heard| {
        take_down(heard, topics, &mut found);
        matches!(heard, Heard::Message { topic, .. } if topic == FENCE)
    })?;
    inspector.say_goodbye();
    for (topic, found) in topics.iter_mut().zip(found) {
        topic.judge(&crowd.ledger, found, &mut crowd.report);
    }
    Ok(())
}

/// Notes a retained message, and says at which topic.
fn take_down(heard: &Heard, topics: &[KeptTopic], found: &mut [Found]) -> Option<usize> {
    let Heard::Message { topic, payload, retain: true, .. } = heard else { return None };
    let place = topics.iter().position(|known| *known.topic == **topic)?;
    let is_new = found[place] == Found::Nothing;
    found[place] =
        ledger::read_payload(payload).map_or(Found::Strange, |(lane, number)| Found::Message(lane, number));
    is_new.then_some(place)
}

/// Publishes to every filter of the fickle client, and sees what comes to it.
///
/// # Errors
///
/// The broker does not talk to the inspector.
pub(super) fn subscriptions(broker: SocketAddr, crowd: &mut Crowd) -> Outcome {
    let mut inspector = Visitor::new(cast::inspector())?;
    inspector.connect(broker)?;
    for filter in 0..fickle::FILTERS {
        inspector.member.publish(message(&fickle::topic(filter), QoS::ExactlyOnce));
        inspector.answer("PUBLISH", |heard| matches!(heard, Heard::Acknowledged { .. }).then_some(()))?;
    }
    inspector.say_goodbye();
    let deadline = Instant::now() + RETAINED_TIMEOUT;
    // One turn more than it needs, for what should not come.
    let mut is_complete = false;
    while !is_complete && Instant::now() < deadline {
        is_complete = fickle_of(crowd).is_none_or(|(_, fickle)| fickle.is_complete());
        crowd.turn(Duration::from_millis(20))?;
    }
    let mut report = std::mem::take(&mut crowd.report);
    if let Some((name, fickle)) = fickle_of(crowd) {
        fickle.judge(&name, &mut report);
    }
    crowd.report = report;
    Ok(())
}

fn fickle_of(crowd: &mut Crowd) -> Option<(String, &mut fickle::Fickle)> {
    crowd.clients.iter_mut().find_map(|client| match &mut client.part {
        Part::Fickle(fickle) => Some((client.member.name.clone(), fickle)),
        _ => None,
    })
}

/// A message that is in no ledger.
fn message(topic: &str, qos: QoS) -> Message {
    Message { lane: u32::MAX, number: 0, topic: topic.into(), qos, retain: false, payload: vec![b'.'] }
}

/// How long the sessions of [`Expiring`] are kept.
const EXPIRY: Duration = Duration::from_secs(2);

/// How much later than due a session may end.
const SLACK: Duration = Duration::from_millis(1500);

/// Three clients with sessions that run out soon: two connected when the broker ends, of which one returns in time, and
/// one that left before.
pub(super) struct Expiring {
    returns: Visitor,
    stays_away: [Visitor; 2],
}

impl Expiring {
    /// Connects them.
    ///
    /// # Errors
    ///
    /// The broker does not accept.
    pub(super) fn begin(broker: SocketAddr, round: u32) -> Outcome<Self> {
        let visit = |number: u32| {
            let settings = Connecting::new(Version::V5, EXPIRY.as_secs() as u32);
            let mut visitor = Visitor::new(Member::new(&format!("expiring-{round}-{number}"), settings))?;
            visitor.connect(broker)?;
            Ok::<_, Box<dyn std::error::Error>>(visitor)
        };
        let (returns, stays, mut leaves) = (visit(0)?, visit(1)?, visit(2)?);
        leaves.say_goodbye();
        Ok(Expiring { returns, stays_away: [stays, leaves] })
    }

    /// The broker has ended.
    pub(super) fn lose(&mut self) {
        self.returns.member.cut();
        self.stays_away.iter_mut().for_each(|visitor| visitor.member.cut());
    }

    /// One returns before its session has run out, if this comes in time. A broker that was killed counts clients as
    /// disconnected from its start, one that ended in good order from their end.
    ///
    /// # Errors
    ///
    /// The broker does not accept.
    pub(super) fn judge_early(
        &mut self,
        broker: SocketAddr,
        disconnected: Instant,
        report: &mut Report,
    ) -> Outcome {
        let is_present = self.returns.connect(broker)?;
        if disconnected.elapsed() < EXPIRY {
            report.judge(Check::SessionExpired, 1);
            if !is_present {
                let what = format!("the session of {} ended too early", self.returns.member.name);
                report.add(Violation::new(Check::SessionExpired, what));
            }
        }
        self.returns.say_goodbye();
        Ok(())
    }

    /// The others return when their sessions have run out.
    ///
    /// # Errors
    ///
    /// The broker does not accept.
    pub(super) fn judge_late(&mut self, broker: SocketAddr, ready: Instant, crowd: &mut Crowd) -> Outcome {
        while ready.elapsed() < EXPIRY + SLACK {
            crowd.turn(Duration::from_millis(20))?;
        }
        for visitor in &mut self.stays_away {
            crowd.report.judge(Check::SessionExpired, 1);
            if visitor.connect(broker)? {
                let what = format!("the session of {} is still there though it ran out", visitor.member.name);
                crowd.report.add(Violation::new(Check::SessionExpired, what));
            }
            visitor.say_goodbye();
        }
        Ok(())
    }
}
