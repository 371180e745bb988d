//! Messages with QoS above 0 that arrive: the receive set of QoS 2 and the receive maximum.

use alloc::boxed::Box;
use alloc::vec::Vec;

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

#[derive(Clone, Debug, Default)]
struct ReceivedIds(Vec<Received>);

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
        self.received.iter_mut().flat_map(|ids| &mut ids.0).for_each(|id| id.on_this_connection = false);
    }

    /// What an arriving PUBLISH is, without changing anything.
    ///
    /// # Errors
    ///
    /// The receive maximum is exceeded.
    pub fn check(&self, qos: QoS, packet_id: PacketId) -> Result<Receipt, Rule> {
        if qos == QoS::ExactlyOnce && self.position(packet_id).is_some() {
            return Ok(Receipt::Duplicate);
        }
        if self.unreleased() + usize::from(self.unacknowledged) >= usize::from(self.receive_maximum) {
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
        let (Some(index), Some(ids)) = (self.position(packet_id), &mut self.received) else { return false };
        ids.0.swap_remove(index);
        true
    }

    /// Notes an identifier that a store remembers.
    pub fn restore(&mut self, packet_id: PacketId) {
        self.note(Received { packet_id, on_this_connection: false });
    }

    /// The identifiers of QoS 2 messages that were not released, in no order.
    pub fn unreleased_ids(&self) -> impl Iterator<Item = PacketId> {
        self.received().iter().map(|received| received.packet_id)
    }

    fn note(&mut self, received: Received) {
        self.received.get_or_insert_default().0.push(received);
    }

    fn received(&self) -> &[Received] {
        self.received.as_ref().map_or(&[], |ids| &ids.0)
    }

    fn unreleased(&self) -> usize {
        self.received().iter().filter(|received| received.on_this_connection).count()
    }

    fn position(&self, packet_id: PacketId) -> Option<usize> {
        self.received().iter().position(|received| received.packet_id == packet_id)
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
}
