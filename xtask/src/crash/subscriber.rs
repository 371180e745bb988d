//! A client with a session that is kept, and what it received.

use vaux_mqtt::topic::{TopicFilter, TopicName};
use vaux_mqtt::{PacketId, QoS};

use super::ledger::{self, Ledger};
use super::member::{Heard, Member};
use super::receipt::Receipt;
use super::report::{Check, Report, Violation};

/// What a subscriber wants and what it got.
#[derive(Debug)]
pub(super) struct Subscriber {
    filters: Vec<(String, QoS)>,
    pub(super) habit: Habit,
    /// SUBSCRIBE under way.
    asked: Option<PacketId>,
    is_subscribed: bool,
    /// For each lane, if a filter matches it.
    receipts: Vec<Option<Receipt>>,
}

/// When a subscriber is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// Always.
    Online,
    /// It loses its connection and comes back.
    Restless,
    /// Rarely.
    Seldom,
}

impl Subscriber {
    /// A subscriber to everything in the ledger that its filters match. No two filters may match the same topic.
    pub(super) fn new(name: &str, filters: &[(&str, QoS)], habit: Habit, ledger: &Ledger) -> Self {
        let granted =
            |topic: &str| filters.iter().find(|(filter, _)| matches(filter, topic)).map(|(_, qos)| *qos);
        let receipts = ledger
            .lanes()
            .iter()
            .map(|lane| granted(&lane.topic).map(|qos| Receipt::new(name, lane, qos)))
            .collect();
        let filters = filters.iter().map(|(filter, qos)| ((*filter).to_owned(), *qos)).collect();
        Subscriber { filters, habit, asked: None, is_subscribed: false, receipts }
    }

    /// Takes in what the broker said.
    pub(super) fn hear(
        &mut self,
        member: &mut Member,
        heard: Heard,
        ledger: &Ledger,
        report: &mut Report,
        now_ms: u64,
    ) {
        match heard {
            Heard::Connected { session_present } => {
                if !session_present {
                    self.declare_lost(ledger, report);
                    self.is_subscribed = false;
                }
                if !self.is_subscribed {
                    self.asked = member.subscribe(&self.filters, None, false);
                }
            }
            Heard::Subscribed { packet_id, granted } if self.asked == Some(packet_id) => {
                self.asked = None;
                self.is_subscribed = true;
                if granted.iter().ne(self
                    .filters
                    .iter()
                    .map(|(_, qos)| qos.bits())
                    .collect::<Vec<_>>()
                    .iter())
                {
                    let what = format!("{} was granted {granted:?} for {:?}", member.name, self.filters);
                    report.add(Violation::new(Check::Protocol, what));
                }
                for (receipt, lane) in self.receipts.iter_mut().zip(ledger.lanes()) {
                    receipt.iter_mut().for_each(|receipt| receipt.begin(lane));
                }
            }
            Heard::Message { topic, qos, payload, .. } => {
                self.receive(member, (&topic, qos, &payload), ledger, report, now_ms);
            }
            _ => {}
        }
    }

    fn receive(
        &mut self,
        member: &Member,
        (topic, qos, payload): (&str, QoS, &[u8]),
        ledger: &Ledger,
        report: &mut Report,
        now_ms: u64,
    ) {
        report.judge(Check::Unchanged, 1);
        let found = ledger::read_payload(payload).and_then(|(lane, number)| {
            let receipt = self.receipts.get_mut(lane as usize)?.as_mut()?;
            Some((receipt, ledger.lane(lane).filter(|lane| *lane.topic == *topic)?, number))
        });
        let Some((receipt, lane, number)) = found else {
            let what =
                format!("{} received {} bytes on {topic} that nobody sent there", member.name, payload.len());
            return report.add(Violation::new(Check::Unchanged, what));
        };
        if qos != receipt.qos() {
            let what = format!("number {number} of {lane} came to {} with QoS {}", member.name, qos.bits());
            report.add(Violation::new(Check::Subscriptions, what));
        }
        let once = if lane.is_will { Check::Wills } else { Check::Once };
        report.judge(once, 1);
        report.judge(Check::Order, 1);
        match receipt.receive(lane, number, member.connection, now_ms) {
            Ok(is_new) if !lane.is_will => report.judge(Check::Delivered, u64::from(is_new)),
            Ok(_) => {}
            Err(violation) => report.add(violation),
        }
    }

    /// Whether SUBSCRIBE was answered.
    pub(super) fn is_subscribed(&self) -> bool {
        self.is_subscribed
    }

    /// How many messages have to come still.
    pub(super) fn owed(&mut self, ledger: &Ledger) -> u64 {
        if !self.is_subscribed {
            return 0;
        }
        let pairs = self.receipts.iter_mut().zip(ledger.lanes());
        pairs.filter_map(|(receipt, lane)| Some(receipt.as_mut()?.owed(lane))).sum()
    }

    /// Gives up what is owed, and reports it.
    pub(super) fn declare_lost(&mut self, ledger: &Ledger, report: &mut Report) {
        if !self.is_subscribed {
            return;
        }
        for (receipt, lane) in self.receipts.iter_mut().zip(ledger.lanes()) {
            let Some(violation) = receipt.as_mut().and_then(|receipt| receipt.declare_lost(lane)) else {
                continue;
            };
            report.judge(violation.check, violation.count);
            report.add(violation);
        }
    }

    /// Whether a message has come here.
    pub(super) fn has_come(&self, lane: u32, number: u64) -> bool {
        self.receipts
            .get(lane as usize)
            .and_then(Option::as_ref)
            .is_some_and(|receipt| receipt.has_come(number))
    }
}

/// Whether a filter is for a topic.
pub(super) fn matches(filter: &str, topic: &str) -> bool {
    TopicFilter::new(filter)
        .is_ok_and(|filter| TopicName::new(topic).is_ok_and(|topic| filter.matches(topic)))
}
