//! A pair of well-behaved clients that must not notice what others do.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use vaux_broker::Broker;
use vaux_mqtt::QoS;

use crate::harness::*;

/// A publisher and a subscriber who talk until they are told to stop.
pub(crate) struct Pair {
    is_over: Arc<AtomicBool>,
    talk: JoinHandle<()>,
}

impl Pair {
    pub(crate) fn begin(broker: &Broker) -> Pair {
        Pair::begin_at(address(broker))
    }

    pub(crate) fn begin_at(address: SocketAddr) -> Pair {
        Pair::begin_as(address, "healthy")
    }

    /// A pair whose client identifiers and topic begin with `name`.
    pub(crate) fn begin_as(address: SocketAddr, name: &str) -> Pair {
        let is_over = Arc::new(AtomicBool::new(false));
        let (mut subscriber, mut publisher) = (open_at(address), open_at(address));
        for (stream, role) in [(&mut subscriber, "s"), (&mut publisher, "p")] {
            stream.write_all(&connect_bytes(&format!("{name}-{role}"))).unwrap();
            expect(stream, &[0x20, 2, 0, 0]);
        }
        subscriber.write_all(&subscribe_bytes(&format!("{name}/+"), QoS::AtLeastOnce)).unwrap();
        expect(&mut subscriber, &[0x90, 3, 0, 1, 1]);
        let stop = Arc::clone(&is_over);
        let topic = format!("{name}/a");
        let talk = thread::spawn(move || {
            let mut count = 0;
            loop {
                count += 1;
                say(&mut publisher, &mut subscriber, &topic, count);
                // However soon it is over, they have spoken to the end.
                if stop.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        Pair { is_over, talk }
    }

    /// Ends their talk, in which every message has arrived, in order and once.
    pub(crate) fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.talk.join().expect("the healthy pair was disturbed");
    }
}

fn say(publisher: &mut TcpStream, subscriber: &mut TcpStream, topic: &str, number: u32) {
    let packet_id = (number % 65_535 + 1) as u16;
    let payload = number.to_string();
    publisher.write_all(&publish_bytes(topic, payload.as_bytes(), QoS::AtLeastOnce, packet_id)).unwrap();
    let [high, low] = packet_id.to_be_bytes();
    expect(publisher, &[0x40, 2, high, low]);
    let delivered_id = ((number - 1) % 65_535 + 1) as u16;
    expect(subscriber, &publish_bytes(topic, payload.as_bytes(), QoS::AtLeastOnce, delivered_id));
    let [high, low] = delivered_id.to_be_bytes();
    subscriber.write_all(&[0x40, 2, high, low]).unwrap();
}
