//! Taking in the sessions that outlived the last run.
//!
//! Clients that were connected count as disconnected now. What became due meanwhile (ends of sessions, wills, expired
//! messages) is left to timers, so that it happens once all sessions are there to hear of it.

use std::collections::VecDeque;

use vaux_mqtt::protocol::{InFlight, SendState};
use vaux_mqtt::{PacketId, QoS};

use super::Core;
use crate::session::{Delivery, SessionSlot, SessionSubscription, Stored};
use crate::store::{Record, SessionRecord, StoredSession, Waiting};
use crate::time::Time;

impl Core {
    /// Takes in a session that lives here.
    pub fn restore(&mut self, now: Time, stored: StoredSession) {
        let StoredSession { session: record, subscriptions, deliveries, waiting, releasing, received } =
            stored;
        let session = self.insert_session_with(record.sid, record.key.clone(), record.identity.clone());
        let state = &mut self.sessions[session];
        state.grants = record.grants.clone();
        state.stored = if record.expiry_ms > 0 { Stored::Session } else { Stored::Will };
        received.into_iter().for_each(|packet_id| state.inbound.restore(packet_id));
        let (sent, queued) = split(deliveries, releasing);
        sent.into_iter().for_each(|entry| state.outbound.restore(entry));
        let mut queued = queued.into_iter().peekable();
        for Waiting { mid, size_bytes } in waiting {
            while let Some(delivery) = queued.next_if(|delivery| delivery.message.mid < mid) {
                state.queue.restore(delivery);
            }
            state.queue.push_away(mid, size_bytes);
        }
        queued.for_each(|delivery| state.queue.restore(delivery));
        self.restore_deadlines(now, session, record);
        for subscription in subscriptions {
            self.restore_subscription(now, session, subscription);
        }
        if !self.sessions[session].queue.is_empty() {
            self.list_backlog(session);
        }
        self.count_in_flight(session);
        self.look_at_shared(now, session);
    }

    /// What a session holds of shared subscriptions that it has left is offered to their members, once they are all
    /// there.
    fn look_at_shared(&mut self, now: Time, session: SessionSlot) {
        let state = &mut self.sessions[session];
        if state.queue.iter().any(|delivery| delivery.group.is_some()) {
            state.more_mut().member.get_or_insert_default();
            self.watch_session(now, session);
        }
    }

    fn restore_subscription(&mut self, now: Time, session: SessionSlot, subscription: SessionSubscription) {
        self.link_subscription(session, &subscription);
        self.count_subscription(now, &subscription);
    }

    fn restore_deadlines(&mut self, now: Time, session: SessionSlot, record: SessionRecord) {
        let state = &mut self.sessions[session];
        let SessionRecord { sid, expiry_ms, is_connected, .. } = record;
        state.expiry_ms = expiry_ms;
        state.ends_at = if is_connected { now.plus_ms(expiry_ms) } else { record.ends_at };
        state.will = record.will;
        let ends_at = state.ends_at;
        let will_due_at = state.will.as_mut().map_or(Time::NEVER, |will| {
            if is_connected {
                will.due_at = now.plus_seconds(will.delay_s).min(ends_at);
            }
            will.due_at
        });
        if is_connected {
            self.recorder.record(|| Record::Absent { sid, expiry_ms, ends_at, will_due_at });
        }
        self.watch_absence(session);
    }
}

/// What is in flight, in the order of first sending, and what waits to be sent for the first time.
fn split(
    deliveries: Vec<(Delivery, Option<PacketId>)>,
    releasing: Vec<PacketId>,
) -> (VecDeque<InFlight<Option<Delivery>>>, Vec<Delivery>) {
    let mut sent: Vec<InFlight<Option<Delivery>>> = releasing
        .into_iter()
        .map(|packet_id| InFlight { packet_id, state: SendState::AwaitPubComp, message: None })
        .collect();
    let mut queued = Vec::new();
    for (delivery, packet_id) in deliveries {
        let Some(packet_id) = packet_id else {
            queued.push(delivery);
            continue;
        };
        let state = match delivery.qos {
            QoS::ExactlyOnce => SendState::AwaitPubRec,
            _ => SendState::AwaitPubAck,
        };
        sent.push(InFlight { packet_id, state, message: Some(Some(delivery)) });
    }
    (in_sending_order(sent), queued)
}

/// Packet identifiers count up and begin anew behind the last: what was sent first stands behind the widest gap.
fn in_sending_order<M>(mut sent: Vec<InFlight<M>>) -> VecDeque<InFlight<M>> {
    sent.sort_by_key(|entry| entry.packet_id);
    let before = |index: usize| sent[(index + sent.len() - 1) % sent.len()].packet_id.value();
    let gap = |index: &usize| sent[*index].packet_id.value().wrapping_sub(before(*index)).wrapping_sub(1);
    let first = (0..sent.len()).max_by_key(gap).unwrap_or(0);
    let mut sent = VecDeque::from(sent);
    sent.rotate_left(first);
    sent
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(ids: &[u16]) -> Vec<u16> {
        let entry = |&id| InFlight {
            packet_id: PacketId::new(id).unwrap(),
            state: SendState::AwaitPubAck,
            message: Some(()),
        };
        in_sending_order(ids.iter().map(entry).collect())
            .into_iter()
            .map(|entry| entry.packet_id.value())
            .collect()
    }

    #[test]
    fn what_was_sent_first_comes_first_even_across_the_end_of_the_identifiers() {
        assert!(order(&[]).is_empty());
        assert_eq!(order(&[7]), [7]);
        assert_eq!(order(&[3, 1, 2]), [1, 2, 3]);
        assert_eq!(order(&[2, 65_535, 1, 65_530]), [65_530, 65_535, 1, 2]);
    }
}
