//! A client of version 5.0 that says what it gets in one line for each packet.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use vaux_mqtt::frame::Frame;
use vaux_mqtt::packet::{
    Ack, Connect, PacketType, Publish, Sender, Subscribe, Subscription, SubscriptionOptions, Subscriptions,
};
use vaux_mqtt::{Packet, PacketId, QoS, ReasonCode, Version};

/// A test that waits for longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    version: Version,
}

impl Client {
    pub(crate) fn open(address: SocketAddr, connect: &Connect<'_>) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Client { stream, buffer: Vec::new(), version: connect.version };
        client.send(|out| connect.encode(out));
        client
    }

    /// A client that has connected, or what CONNACK said.
    pub(crate) fn connect(address: SocketAddr, connect: &Connect<'_>) -> Result<Client, ReasonCode> {
        let mut client = Client::open(address, connect);
        match client.connack() {
            ReasonCode::Success => Ok(client),
            reason => Err(reason),
        }
    }

    pub(crate) fn connack(&mut self) -> ReasonCode {
        self.receive(|packet| match packet {
            Packet::ConnAck(connack) => connack.reason,
            other => panic!("{other:?}"),
        })
    }

    pub(crate) fn subscribe(&mut self, filter: &str) -> ReasonCode {
        let list = [Subscription { filter, options: SubscriptionOptions::with_qos(QoS::AtLeastOnce) }];
        let version = self.version;
        self.send(|out| {
            Subscribe {
                packet_id: PacketId::FIRST,
                properties: Default::default(),
                subscriptions: Subscriptions::from_slice(&list),
            }
            .encode(version, out);
        });
        loop {
            let reason = self.receive(|packet| match packet {
                Packet::SubAck(suback) => suback.reasons().next(),
                // By a subscription of before.
                Packet::Publish(_) => None,
                other => panic!("{other:?}"),
            });
            if let Some(reason) = reason {
                return reason;
            }
        }
    }

    /// Publishes with QoS 1 and says what PUBACK said.
    pub(crate) fn publish(&mut self, topic: &str, payload: &str, retain: bool) -> ReasonCode {
        let version = self.version;
        self.send(|out| {
            Publish {
                qos: QoS::AtLeastOnce,
                packet_id: PacketId::new(9),
                payload: payload.as_bytes(),
                retain,
                ..Publish::new(topic)
            }
            .encode(version, out);
        });
        self.receive(|packet| match packet {
            Packet::PubAck(ack) => ack.reason,
            other => panic!("{other:?}"),
        })
    }

    /// The topic and payload of the next message, which is acknowledged.
    pub(crate) fn message(&mut self) -> String {
        let (message, packet_id) = self.receive(|packet| match packet {
            Packet::Publish(publish) => {
                let payload = String::from_utf8_lossy(publish.payload);
                (format!("{} {payload}", publish.topic), publish.packet_id)
            }
            other => panic!("{other:?}"),
        });
        if let Some(packet_id) = packet_id {
            let version = self.version;
            let ack = Ack::new(packet_id, ReasonCode::Success);
            self.send(|out| ack.encode(PacketType::PubAck, version, out));
        }
        message
    }

    /// Whether the broker has closed the connection without another word. Waits until it says or does something.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && matches!(self.stream.read(&mut [0]), Ok(0))
    }

    pub(crate) fn send(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = Vec::new();
        write(&mut bytes);
        self.stream.write_all(&bytes).unwrap();
    }

    pub(crate) fn receive<T>(&mut self, read: impl FnOnce(&Packet<'_>) -> T) -> T {
        loop {
            if let Some(frame) = Frame::split(&self.buffer).unwrap() {
                let len = frame.bytes().len();
                let result = read(&Packet::decode(&frame, self.version, Sender::Server).unwrap());
                self.buffer.drain(..len);
                return result;
            }
            let mut bytes = [0; 4096];
            let len = self.stream.read(&mut bytes).unwrap();
            assert_ne!(len, 0, "closed");
            self.buffer.extend_from_slice(&bytes[..len]);
        }
    }
}

pub(crate) fn named<'a>(client_id: &'a str, user_name: &'a str, password: &'a str) -> Connect<'a> {
    Connect {
        clean_start: true,
        user_name: Some(user_name),
        password: Some(password.as_bytes()),
        ..Connect::new(Version::V5, client_id)
    }
}

pub(crate) fn nameless(client_id: &str) -> Connect<'_> {
    Connect { clean_start: true, ..Connect::new(Version::V5, client_id) }
}
