//! Messages with QoS above 0 that arrive: the receive set of QoS 2 and the receive maximum.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use crate::error::Rule;
use crate::packet::PacketId;
use crate::version::QoS;

/// The receiver's half of QoS 1 and 2.
///
/// A message with QoS 1 counts from its PUBLISH until its PUBACK is sent, one with QoS 2 until its PUBCOMP is.
/// Identifiers of QoS 2 messages outlive the connection; the count does not.
#[derive(Clone, Debug, Default)]
pub struct Inbound {
    /// Identifiers of QoS 2 messages between PUBLISH and PUBREL. Most sessions have none, and there may be very many
    /// sessions.
    received: Option<Box<ReceivedIds>>,
    /// Messages with QoS 1 whose PUBACK is not sent yet.
    unacknowledged: u16,
    receive_maximum: u16,
}

/// A client of version 3 may have all 65,535 identifiers here, so nothing in it is looked for one by one.
#[derive(Clone, Debug, Default)]
struct ReceivedIds {
    /// In the order of the identifiers: new ones mostly go to the back, released ones mostly come from the front.
    ids: VecDeque<Received>,
    /// How many of them arrived on this connection.
    current: usize,
}

#[derive(Clone, Copy, Debug)]
struct Received {
    packet_id: PacketId,
    on_this_connection: bool,
}

/// Whether a message is to be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// It is new.
    New,
    /// It has QoS 2 and came before: it is acknowledged again and not delivered.
    Duplicate,
}

impl Inbound {
    /// A session that received nothing, with a receive maximum of 0 until [`Inbound::begin_connection`].
    pub fn new() -> Self {
        Inbound::default()
    }

    /// A new connection of the session, on which at most `receive_maximum` messages may be unacknowledged.
    pub fn begin_connection(&mut self, receive_maximum: u16) {
        self.receive_maximum = receive_maximum;
        self.unacknowledged = 0;
        if let Some(received) = &mut self.received {
            received.ids.iter_mut().for_each(|id| id.on_this_connection = false);
            received.current = 0;
        }
    }

    /// What an arriving PUBLISH is, without changing anything.
    ///
    /// # Errors
    ///
    /// The receive maximum is exceeded.
    pub fn check(&self, qos: QoS, packet_id: PacketId) -> Result<Receipt, Rule> {
        let received = self.received.as_ref();
        if qos == QoS::ExactlyOnce && received.is_some_and(|received| received.find(packet_id).is_ok()) {
            return Ok(Receipt::Duplicate);
        }
        let unreleased = received.map_or(0, |received| received.current);
        if unreleased + usize::from(self.unacknowledged) >= usize::from(self.receive_maximum) {
            return Err(Rule::ReceiveMaximumExceeded);
        }
        Ok(Receipt::New)
    }

    /// Notes a message that [`Inbound::check`] found to be new.
    pub fn receive(&mut self, qos: QoS, packet_id: PacketId) {
        match qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => self.unacknowledged = self.unacknowledged.saturating_add(1),
            QoS::ExactlyOnce => self.note(Received { packet_id, on_this_connection: true }),
        }
    }

    /// PUBACK is sent.
    pub fn acknowledge(&mut self) {
        self.unacknowledged = self.unacknowledged.saturating_sub(1);
    }

    /// PUBREL arrived, or PUBREC with a failure is sent: the identifier is free. False when it was not in use.
    pub fn release(&mut self, packet_id: PacketId) -> bool {
        self.received.as_mut().is_some_and(|received| received.remove(packet_id))
    }

    /// Notes an identifier that a store remembers.
    pub fn restore(&mut self, packet_id: PacketId) {
        self.note(Received { packet_id, on_this_connection: false });
    }

    /// The identifiers of QoS 2 messages that were not released, in their order.
    pub fn unreleased_ids(&self) -> impl Iterator<Item = PacketId> {
        self.received.iter().flat_map(|received| &received.ids).map(|received| received.packet_id)
    }

    fn note(&mut self, received: Received) {
        self.received.get_or_insert_default().insert(received);
    }
}

impl ReceivedIds {
    /// Where an identifier is, or where it would be.
    fn find(&self, packet_id: PacketId) -> Result<usize, usize> {
        // The usual case, and the only look that it takes.
        if self.ids.back().is_none_or(|last| last.packet_id < packet_id) {
            return Err(self.ids.len());
        }
        self.ids.binary_search_by_key(&packet_id, |received| received.packet_id)
    }

    fn insert(&mut self, received: Received) {
        if let Err(index) = self.find(received.packet_id) {
            self.ids.insert(index, received);
            self.current += usize::from(received.on_this_connection);
        }
    }

    fn remove(&mut self, packet_id: PacketId) -> bool {
        let Some(removed) = self.find(packet_id).ok().and_then(|index| self.ids.remove(index)) else {
            return false;
        };
        self.current -= usize::from(removed.on_this_connection);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: PacketId = PacketId::FIRST;

    fn connected(receive_maximum: u16) -> Inbound {
        let mut inbound = Inbound::new();
        inbound.begin_connection(receive_maximum);
        inbound
    }

    #[test]
    fn a_repeated_qos_2_message_is_a_duplicate_until_released() {
        let mut inbound = connected(5);
        inbound.receive(QoS::ExactlyOnce, ID);
        assert_eq!(inbound.check(QoS::ExactlyOnce, ID), Ok(Receipt::Duplicate));
        assert!(inbound.release(ID));
        assert!(!inbound.release(ID));
        assert_eq!(inbound.check(QoS::ExactlyOnce, ID), Ok(Receipt::New));
    }

    #[test]
    fn a_qos_1_message_is_new_whatever_its_identifier() {
        let mut inbound = connected(5);
        inbound.receive(QoS::AtLeastOnce, ID);
        assert_eq!(inbound.check(QoS::AtLeastOnce, ID), Ok(Receipt::New));
    }

    #[test]
    fn the_receive_maximum_counts_both_levels() {
        let mut inbound = connected(2);
        inbound.receive(QoS::AtLeastOnce, ID);
        inbound.receive(QoS::ExactlyOnce, ID.next());
        assert_eq!(inbound.check(QoS::AtLeastOnce, ID.next().next()), Err(Rule::ReceiveMaximumExceeded));
        assert_eq!(inbound.check(QoS::ExactlyOnce, ID.next()), Ok(Receipt::Duplicate));
        inbound.acknowledge();
        assert_eq!(inbound.check(QoS::AtLeastOnce, ID), Ok(Receipt::New));
    }

    #[test]
    fn identifiers_outlive_the_connection_but_do_not_count_in_the_next() {
        let mut inbound = connected(1);
        inbound.receive(QoS::ExactlyOnce, ID);
        inbound.begin_connection(1);
        assert_eq!(inbound.check(QoS::ExactlyOnce, ID), Ok(Receipt::Duplicate));
        assert_eq!(inbound.check(QoS::ExactlyOnce, ID.next()), Ok(Receipt::New));
    }

    #[test]
    fn identifiers_may_come_and_go_in_any_order() {
        let mut inbound = connected(u16::MAX);
        let id = |number| PacketId::new(number).unwrap();
        for number in [65_535, 1, 7, 3, 2] {
            assert_eq!(inbound.check(QoS::ExactlyOnce, id(number)), Ok(Receipt::New));
            inbound.receive(QoS::ExactlyOnce, id(number));
        }
        assert!(inbound.release(id(3)) && !inbound.release(id(4)) && inbound.release(id(65_535)));
        assert!(inbound.unreleased_ids().eq([id(1), id(2), id(7)]));
        assert_eq!(inbound.check(QoS::ExactlyOnce, id(7)), Ok(Receipt::Duplicate));
        assert_eq!(inbound.check(QoS::ExactlyOnce, id(3)), Ok(Receipt::New));
    }
}
