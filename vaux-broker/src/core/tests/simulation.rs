//! Random schedules of clients over one to three workers, and what must hold after each.
//!
//! Publishers number their messages. A durable subscriber that connects and disconnects at random must in the end have
//! every acknowledged QoS 1 message at least once, every QoS 2 message exactly once, and the first deliveries of each
//! publisher in their order.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// A publisher publishes its next number.
    Publish { publisher: usize, qos: QoS },
    /// A subscriber answers everything it has received.
    Answer { subscriber: usize },
    /// Its connection breaks.
    Cut { subscriber: usize },
    /// It connects, perhaps while it is connected.
    Connect { subscriber: usize, receive_maximum: u16 },
}

fn step() -> impl Strategy<Value = Step> {
    let qos = prop_oneof![Just(QoS::AtLeastOnce), Just(QoS::ExactlyOnce)];
    prop_oneof![
        5 => (0..2_usize, qos).prop_map(|(publisher, qos)| Step::Publish { publisher, qos }),
        3 => (0..2_usize).prop_map(|subscriber| Step::Answer { subscriber }),
        1 => (0..2_usize).prop_map(|subscriber| Step::Cut { subscriber }),
        2 => (0..2_usize, 1..5_u16)
            .prop_map(|(subscriber, receive_maximum)| Step::Connect { subscriber, receive_maximum }),
    ]
}

/// A subscriber as it remembers things across connections.
#[derive(Default)]
struct Subscriber {
    client: Option<Client>,
    window: usize,
    /// Deliveries that are new: not the resending of one that it has.
    got: Vec<(String, u8)>,
    /// QoS 2 identifiers between PUBLISH and PUBREL.
    held: BTreeSet<u16>,
    /// Answers that it has not sent.
    owed: Vec<(PacketType, u16)>,
}

impl Subscriber {
    fn receive(&mut self, seen: Vec<Seen>) {
        for seen in seen {
            match seen {
                Seen::Publish { payload, qos: 1, id, .. } => {
                    self.got.push((payload, 1));
                    self.owed.push((PacketType::PubAck, id));
                }
                Seen::Publish { payload, qos: 2, id, dup, .. } => {
                    let is_new = self.held.insert(id);
                    assert!(is_new || dup, "an identifier is used twice");
                    if is_new {
                        self.got.push((payload, 2));
                    }
                    self.owed.push((PacketType::PubRec, id));
                }
                Seen::Ack(PacketType::PubRel, id, _) => {
                    self.held.remove(&id);
                    self.owed.push((PacketType::PubComp, id));
                }
                _ => {}
            }
        }
        let publishes = self.owed.iter().filter(|(answer, _)| *answer != PacketType::PubComp).count();
        assert!(publishes <= self.window, "the window is kept");
    }
}

struct Run {
    sim: Sim,
    publishers: Vec<Client>,
    sent: Vec<Vec<QoS>>,
    subscribers: Vec<Subscriber>,
}

impl Run {
    fn new(workers: u16) -> Run {
        let mut sim = Sim::new(workers);
        let publishers = ["p0", "p1"].map(|name| sim.connect(&Hello::new(name))).to_vec();
        let mut run = Run {
            sim,
            publishers,
            sent: vec![Vec::new(), Vec::new()],
            subscribers: vec![Subscriber::default(), Subscriber::default()],
        };
        for subscriber in 0..2 {
            run.connect(subscriber, 3);
            let client = run.subscribers[subscriber].client.unwrap();
            run.sim.subscribe(client, "n/+", QoS::ExactlyOnce);
        }
        run
    }

    fn connect(&mut self, subscriber: usize, receive_maximum: u16) {
        let name = ["s0", "s1"][subscriber];
        let hello = Hello { receive_maximum: Some(receive_maximum), ..Hello::durable(name) };
        let state = &mut self.subscribers[subscriber];
        state.owed.clear();
        state.window = usize::from(receive_maximum);
        let (client, seen) = self.sim.connect_and_see(&hello);
        state.client = Some(client);
        state.receive(seen);
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Publish { publisher, qos } => self.publish(publisher, qos),
            Step::Answer { subscriber } => self.answer(subscriber),
            Step::Cut { subscriber } => {
                if let Some(client) = self.subscribers[subscriber].client.take() {
                    let seen = self.sim.see(client);
                    self.subscribers[subscriber].receive(seen);
                    self.sim.cut(client);
                }
            }
            Step::Connect { subscriber, receive_maximum } => {
                if let Some(client) = self.subscribers[subscriber].client.take() {
                    let seen = self.sim.see(client);
                    self.subscribers[subscriber].receive(seen);
                }
                self.connect(subscriber, receive_maximum);
            }
        }
        for state in &mut self.subscribers {
            if let Some(client) = state.client {
                state.receive(self.sim.see(client));
            }
        }
    }

    fn publish(&mut self, publisher: usize, qos: QoS) {
        let client = self.publishers[publisher];
        let number = self.sent[publisher].len();
        self.sent[publisher].push(qos);
        self.sim.publish(client, &format!("n/{publisher}"), &format!("{publisher} {number}"), qos, 1);
        if qos == QoS::ExactlyOnce {
            self.sim.ack(client, PacketType::PubRel, 1);
        }
        let answers = self.sim.see(client).len();
        assert_eq!(answers, usize::from(qos.bits()), "every message is acknowledged");
    }

    fn answer(&mut self, subscriber: usize) {
        let state = &mut self.subscribers[subscriber];
        let Some(client) = state.client else { return };
        for (packet_type, packet_id) in std::mem::take(&mut state.owed) {
            self.sim.ack(client, packet_type, packet_id);
        }
    }

    /// Lets everything arrive, then checks what did.
    fn finish(mut self) {
        for subscriber in 0..2 {
            self.connect(subscriber, 4);
        }
        for _ in 0..self.sent.iter().map(Vec::len).sum::<usize>() * 3 {
            (0..2).for_each(|subscriber| self.take(&Step::Answer { subscriber }));
        }
        for state in &self.subscribers {
            assert_eq!(state.owed, [], "it has settled");
            for (publisher, sent) in self.sent.iter().enumerate() {
                for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
                    check(state, publisher, sent, qos);
                }
            }
        }
    }
}

fn check(state: &Subscriber, publisher: usize, sent: &[QoS], qos: QoS) {
    let expected: Vec<String> = sent
        .iter()
        .enumerate()
        .filter(|(_, sent)| **sent == qos)
        .map(|(number, _)| format!("{publisher} {number}"))
        .collect();
    let mine = format!("{publisher} ");
    let mut got: Vec<String> = state
        .got
        .iter()
        .filter(|(payload, got)| *got == qos.bits() && payload.starts_with(&mine))
        .map(|(payload, _)| payload.clone())
        .collect();
    if qos == QoS::AtLeastOnce {
        let mut seen = BTreeSet::new();
        got.retain(|payload| seen.insert(payload.clone()));
    }
    assert_eq!(got, expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_acknowledged_is_lost_doubled_or_out_of_order(
        workers in 1..4_u16,
        steps in proptest::collection::vec(step(), 0..60),
    ) {
        let mut run = Run::new(workers);
        steps.iter().for_each(|step| run.take(step));
        run.finish();
    }
}
