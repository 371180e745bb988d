//! A client that keeps changing its subscriptions, and which of them the broker must know.

use fastrand::Rng;
use vaux_mqtt::{PacketId, QoS};

use super::member::{Heard, Member};
use super::report::{Check, Report, Violation};

/// How many filters there are to be subscribed to.
pub(super) const FILTERS: usize = 8;

/// What is known about the subscriptions.
#[derive(Debug)]
pub(super) struct Fickle {
    holds: [Holding; FILTERS],
    /// What is under way: the filter, and what it will be.
    asked: Option<(PacketId, usize, Holding)>,
    /// What came of the probe of each filter.
    pub(super) probed: [Option<Probe>; FILTERS],
}

/// Whether there is a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holding {
    Yes,
    No,
    /// The broker was asked to change it, and did not answer.
    Unknown,
}

/// A message that came by one of the subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    qos: QoS,
    identifier: Option<u32>,
}

impl Fickle {
    /// Without subscriptions.
    pub(super) fn new() -> Self {
        Fickle { holds: [Holding::No; FILTERS], asked: None, probed: [None; FILTERS] }
    }

    /// Changes a subscription, when the last change was answered.
    pub(super) fn change(&mut self, member: &mut Member, rng: &mut Rng) {
        if self.asked.is_some() || !member.is_connected() {
            return;
        }
        let filter = rng.usize(..FILTERS);
        let (packet_id, will_be) = if self.holds[filter] == Holding::Yes {
            (member.unsubscribe(&topic(filter)), Holding::No)
        } else {
            let filters = [(topic(filter), granted(filter))];
            (member.subscribe(&filters, Some(filter as u32 + 1), false), Holding::Yes)
        };
        self.holds[filter] = Holding::Unknown;
        self.asked = packet_id.map(|packet_id| (packet_id, filter, will_be));
    }

    /// Takes in what the broker said.
    pub(super) fn hear(&mut self, heard: &Heard) {
        match heard {
            Heard::Connected { session_present } => {
                self.asked = None;
                if !session_present {
                    self.holds = [Holding::No; FILTERS];
                }
            }
            Heard::Subscribed { packet_id, .. } | Heard::Unsubscribed { packet_id } => {
                if let Some((_, filter, holding)) = self.asked.take_if(|(asked, ..)| asked == packet_id) {
                    self.holds[filter] = holding;
                }
            }
            Heard::Message { topic: name, qos, identifier, .. } => {
                if let Some(filter) = (0..FILTERS).find(|filter| topic(*filter) == *name) {
                    self.probed[filter] = Some(Probe { qos: *qos, identifier: *identifier });
                }
            }
            _ => {}
        }
    }

    /// Whether a change is under way.
    pub(super) fn is_waiting(&self) -> bool {
        self.asked.is_some()
    }

    /// Whether a probe for every subscription has come.
    pub(super) fn is_complete(&self) -> bool {
        self.holds.iter().zip(&self.probed).all(|(holds, probe)| *holds != Holding::Yes || probe.is_some())
    }

    /// Judges what came of the probes, and begins anew with what is known now.
    pub(super) fn judge(&mut self, name: &str, report: &mut Report) {
        for filter in 0..FILTERS {
            report.judge(Check::Subscriptions, 1);
            let probe = self.probed[filter].take();
            let right = Probe { qos: granted(filter), identifier: Some(filter as u32 + 1) };
            let wrong = match (self.holds[filter], probe) {
                (Holding::Yes, None) => Some("is gone".to_owned()),
                (Holding::No, Some(_)) => Some("was ended, and is there again".to_owned()),
                (_, Some(probe)) if probe != right => {
                    Some(format!("delivers {probe:?} instead of {right:?}"))
                }
                _ => None,
            };
            if let Some(wrong) = wrong {
                let what = format!("the subscription of {name} to {} {wrong}", topic(filter));
                report.add(Violation::new(Check::Subscriptions, what));
            }
            self.holds[filter] = if probe.is_some() { Holding::Yes } else { Holding::No };
        }
    }
}

/// The topic that a filter is for.
pub(super) fn topic(filter: usize) -> String {
    format!("probe/{filter}")
}

/// The QoS that a filter is subscribed to with.
fn granted(filter: usize) -> QoS {
    if filter.is_multiple_of(2) { QoS::ExactlyOnce } else { QoS::AtLeastOnce }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(filter: usize) -> Heard {
        Heard::Message {
            topic: topic(filter),
            qos: granted(filter),
            retain: false,
            payload: Vec::new(),
            identifier: Some(filter as u32 + 1),
        }
    }

    fn judged(fickle: &mut Fickle) -> Vec<String> {
        let mut report = Report::default();
        fickle.judge("f", &mut report);
        report.take_words().0
    }

    #[test]
    fn what_was_answered_must_be_so_and_what_was_not_may_be() {
        let mut fickle = Fickle::new();
        fickle.holds[0] = Holding::Yes;
        fickle.holds[1] = Holding::Unknown;
        fickle.holds[2] = Holding::Unknown;
        assert!(!fickle.is_complete());
        fickle.hear(&probe(0));
        fickle.hear(&probe(1));
        assert!(fickle.is_complete());
        assert!(judged(&mut fickle).is_empty());
        assert_eq!(fickle.holds[..3], [Holding::Yes, Holding::Yes, Holding::No]);
    }

    #[test]
    fn a_lost_a_returned_and_a_changed_subscription_are_told() {
        let mut fickle = Fickle::new();
        fickle.holds[0] = Holding::Yes;
        fickle.holds[2] = Holding::Yes;
        fickle.hear(&probe(1));
        fickle.hear(&probe(2));
        fickle.probed[2].as_mut().unwrap().qos = QoS::AtLeastOnce;
        let words = judged(&mut fickle);
        assert_eq!(words.len(), 3);
        assert!(words[0].ends_with("is gone") && words[1].contains("there again"), "{words:?}");
        assert!(words[2].contains("instead of"), "{words:?}");
    }
}
