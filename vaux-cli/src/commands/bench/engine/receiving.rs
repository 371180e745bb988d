//! What packets from the server mean for the run.

use vaux_client::{Disconnected, QoS, ReasonCode, Version};
use vaux_mqtt::error::Rule;
use vaux_mqtt::packet::{Ack, PacketType, Publish};
use vaux_mqtt::{Error, Packet};

use super::{Engine, Phase, Setup, list};
use crate::commands::bench::arrivals::{Arrival, Arrivals};
use crate::commands::bench::clock::Clock;
use crate::commands::bench::failures::Failures;
use crate::commands::bench::meter::Meter;
use crate::commands::bench::publisher::{Acknowledged, Publisher};
use crate::commands::bench::shape::Flow;
use crate::commands::bench::stamp::Stamp;

/// What packets can change: all of the engine but the connections that they come from.
struct Books<'a> {
    setup: &'a Setup,
    clock: Clock,
    meter: &'a mut Meter,
    arrivals: &'a mut Arrivals,
    failures: &'a mut Failures,
    publishers: &'a mut [Publisher],
    granted: &'a mut [Option<ReasonCode>],
    listed: &'a mut Vec<usize>,
}

impl Engine {
    /// Handles all that a client has received.
    pub(super) fn handle_client(&mut self, client: usize) {
        let Some(link) = &mut self.links[client] else { return };
        link.reset_bell();
        let (is_closing, version) = (self.phase == Phase::Closing, link.version());
        let mut books = Books {
            setup: &self.setup,
            clock: self.clock,
            meter: &mut self.meter,
            arrivals: &mut self.arrivals,
            failures: &mut self.failures,
            publishers: &mut self.publishers,
            granted: &mut self.granted,
            listed: &mut self.listed,
        };
        let outcome = link.receive(&mut self.buffer, self.clock, |packet, now, outgoing| match is_closing {
            true => Ok(()),
            false => books.handle(client, version, &packet, now, outgoing),
        });
        match outcome.and_then(|()| link.flush()) {
            // The socket may have room again for one that has more to send.
            Ok(()) if client < self.publishers.len() => {
                list(&mut self.publishers, &mut self.listed, client);
            }
            Ok(()) => {}
            Err(why) => self.lose(client, why),
        }
    }
}

impl Books<'_> {
    /// Notes a packet that came at `now`, and answers it.
    fn handle(
        &mut self,
        client: usize,
        version: Version,
        packet: &Packet<'_>,
        now: u64,
        outgoing: &mut Vec<u8>,
    ) -> Result<(), Disconnected> {
        let is_publisher = client < self.publishers.len();
        let subscriber =
            client.checked_sub(self.publishers.len()).filter(|&number| number < self.granted.len());
        let answer = match (packet, subscriber) {
            (Packet::Publish(publish), Some(subscriber)) => {
                self.note_message(subscriber, publish, now);
                let Some(packet_id) = publish.packet_id else { return Ok(()) };
                let is_exactly_once = publish.qos == QoS::ExactlyOnce;
                (packet_id, if is_exactly_once { PacketType::PubRec } else { PacketType::PubAck })
            }
            (Packet::PubRel(ack), Some(_)) => (ack.packet_id, PacketType::PubComp),
            (Packet::PubAck(_) | Packet::PubRec(_) | Packet::PubComp(_), _) if is_publisher => {
                let acknowledged = self.publishers[client].acknowledge(packet, outgoing);
                self.note_acknowledged(client, acknowledged, now);
                return Ok(());
            }
            (Packet::SubAck(suback), Some(subscriber)) => {
                self.granted[subscriber] = suback.reasons().next();
                return Ok(());
            }
            _ => return Err(Disconnected::Protocol(Error::new(Rule::UnexpectedPacket, version, 0))),
        };
        let (packet_id, packet_type) = answer;
        Ack::new(packet_id, ReasonCode::Success).encode(packet_type, version, outgoing);
        Ok(())
    }

    fn note_message(&mut self, subscriber: usize, publish: &Publish<'_>, now: u64) {
        let stamp = Stamp::from_payload(publish.payload);
        let arrival = match publish.retain {
            true => self.arrivals.note_foreign(),
            false => self.arrivals.note(subscriber, stamp.as_ref()),
        };
        if arrival != Arrival::Expected {
            return;
        }
        self.meter.counters.received += 1;
        self.meter.counters.received_bytes += publish.payload.len() as u64;
        let Some(stamp) = stamp else { return };
        // When a message of another process was due may be another clock's time: when it arrived decides.
        let is_anybodys = self.setup.shape.flow == Flow::Anybody;
        let decides = if is_anybodys { now } else { self.clock.at_unix(stamp.due_ns) };
        if self.meter.is_measured(decides) {
            self.meter.delivery.record(stamp.due_ns, self.clock.to_unix(now));
        }
        if !is_anybodys {
            list(self.publishers, self.listed, stamp.publisher as usize);
        }
    }

    fn note_acknowledged(&mut self, publisher: usize, acknowledged: Option<Acknowledged>, now: u64) {
        match acknowledged {
            Some(Acknowledged::Done(due)) => {
                self.meter.counters.acknowledged += 1;
                if self.meter.is_measured(due) {
                    self.meter.acknowledgement.record(due, now);
                }
            }
            Some(Acknowledged::Refused(reason)) => {
                self.meter.counters.refused += 1;
                self.failures.add_refused(reason);
            }
            // What nothing was sent for says nothing.
            Some(Acknowledged::Halfway) | None => return,
        }
        list(self.publishers, self.listed, publisher);
    }
}
