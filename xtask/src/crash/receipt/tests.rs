//! What the checker makes of deliveries, right and wrong.

use super::*;
use crate::crash::ledger::Ledger;

const LANE: u32 = 0;

struct Case {
    ledger: Ledger,
    receipt: Receipt,
    connection: u32,
}

impl Case {
    /// Three messages were sent and acknowledged, to a subscriber that was there before.
    fn new(qos: QoS, is_will: bool) -> Case {
        let mut ledger = Ledger::default();
        ledger.add_lane("p", "t", qos, is_will);
        let receipt = Receipt::new("s", ledger.lane(LANE).unwrap(), QoS::ExactlyOnce);
        for number in 0..3 {
            assert_eq!(ledger.send(LANE, false), number);
            ledger.acknowledge(LANE, number);
        }
        Case { ledger, receipt, connection: 1 }
    }

    /// The violation that these deliveries end with.
    fn receive(&mut self, numbers: &[u64]) -> Option<Check> {
        let lane = self.ledger.lane(LANE).unwrap();
        let mut receive = |&number| self.receipt.receive(lane, number, self.connection, 1000);
        numbers.iter().find_map(|number| receive(number).err()).map(|violation| violation.check)
    }

    fn owed(&mut self) -> u64 {
        self.receipt.owed(self.ledger.lane(LANE).unwrap())
    }
}

#[test]
fn everything_once_and_in_order_is_right() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut case = Case::new(qos, false);
        assert_eq!(case.owed(), 3);
        assert_eq!(case.receive(&[0, 1, 2]), None);
        assert_eq!(case.owed(), 0);
    }
}

#[test]
fn an_acknowledged_message_that_does_not_come_is_lost_and_told_once() {
    let mut case = Case::new(QoS::AtLeastOnce, false);
    assert_eq!(case.receive(&[0, 2]), None);
    assert_eq!(case.owed(), 1);
    let lane = case.ledger.lane(LANE).unwrap();
    let lost = case.receipt.declare_lost(lane).unwrap();
    assert_eq!((lost.check, lost.count), (Check::Delivered, 1));
    assert!(lost.what.contains("(number 1), acknowledged, never came to s"), "{}", lost.what);
    assert_eq!(case.receipt.declare_lost(lane), None);
}

#[test]
fn what_was_not_acknowledged_is_not_owed() {
    let mut case = Case::new(QoS::ExactlyOnce, false);
    case.ledger.send(LANE, false);
    assert_eq!(case.receive(&[0, 1, 2]), None);
    assert_eq!(case.owed(), 0);
}

#[test]
fn qos_2_twice_is_wrong_even_on_another_connection() {
    let mut case = Case::new(QoS::ExactlyOnce, false);
    assert_eq!(case.receive(&[0, 1]), None);
    case.connection += 1;
    assert_eq!(case.receive(&[1]), Some(Check::Once));
}

#[test]
fn qos_1_may_come_again_with_each_connection_and_each_sending_but_not_otherwise() {
    let mut case = Case::new(QoS::AtLeastOnce, false);
    assert_eq!(case.receive(&[0, 1]), None);
    case.connection += 1;
    assert_eq!(case.receive(&[0, 1, 2]), None);
    assert_eq!(case.receive(&[2]), Some(Check::Once));

    let mut case = Case::new(QoS::AtLeastOnce, false);
    case.ledger.send(LANE, false);
    case.ledger.resend(&[LANE]);
    assert_eq!(case.receive(&[0, 1, 2, 3, 3]), None);
    assert_eq!(case.receive(&[3]), Some(Check::Once));
}

#[test]
fn a_message_after_a_later_one_is_out_of_order() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        assert_eq!(Case::new(qos, false).receive(&[0, 2, 1]), Some(Check::Order));
    }
    // Copies have their order too.
    let mut case = Case::new(QoS::AtLeastOnce, false);
    assert_eq!(case.receive(&[0, 1, 2]), None);
    case.connection += 1;
    assert_eq!(case.receive(&[1, 0]), Some(Check::Order));
}

#[test]
fn a_message_that_nobody_sent_is_wrong() {
    assert_eq!(Case::new(QoS::AtLeastOnce, false).receive(&[3]), Some(Check::Unchanged));
}

#[test]
fn a_will_is_wrong_twice_too_early_and_when_its_client_returned() {
    let mut case = Case::new(QoS::ExactlyOnce, true);
    assert_eq!(case.receive(&[0]), None);
    assert_eq!(case.receive(&[0]), Some(Check::Wills));
    case.ledger.set(LANE, 1, State::Forbidden);
    assert_eq!(case.receive(&[1]), Some(Check::Wills));
    case.ledger.set_not_before(LANE, 2, 1001);
    assert_eq!(case.receive(&[2]), Some(Check::Wills));
    let mut case = Case::new(QoS::ExactlyOnce, true);
    let lost = case.receipt.declare_lost(case.ledger.lane(LANE).unwrap()).unwrap();
    assert_eq!((lost.check, lost.count), (Check::Wills, 3));
}

#[test]
fn a_subscription_that_begins_anew_owes_nothing_from_before() {
    let mut case = Case::new(QoS::ExactlyOnce, false);
    case.receipt.begin(case.ledger.lane(LANE).unwrap());
    assert_eq!(case.owed(), 0);
    assert_eq!(case.receive(&[1, 0]), None);
    let number = case.ledger.send(LANE, false);
    case.ledger.acknowledge(LANE, number);
    assert_eq!(case.owed(), 1);
    assert_eq!(case.receive(&[number]), None);
}
