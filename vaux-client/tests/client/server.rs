//! A server that does what a test tells it, packet by packet.
//!
//! What the client sends is compared as short texts, such as `PUBLISH 1 q1 a=x` (identifier, QoS, topic, payload).

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use vaux_client::{Client, ConnectOptions, Connection, PacketId, Property, QoS, ReasonCode, Version};
use vaux_mqtt::frame::Frame;
use vaux_mqtt::packet::{Ack, ConnAck, Disconnect, Packet, PacketType, Publish, Sender, SubAck, UnsubAck};
use vaux_mqtt::property::Properties;

/// A test that takes longer hangs.
const HANG: Duration = Duration::from_secs(20);

/// A listening server.
pub(crate) struct Server {
    listener: TcpListener,
    version: Version,
}

/// A connection of a client.
pub(crate) struct Peer {
    stream: TcpStream,
    version: Version,
    received: Vec<u8>,
}

impl Server {
    pub(crate) async fn start(version: Version) -> Self {
        Server { listener: TcpListener::bind("127.0.0.1:0").await.unwrap(), version }
    }

    pub(crate) fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    /// Options to connect to this server.
    pub(crate) fn options(&self) -> ConnectOptions {
        ConnectOptions::new("127.0.0.1", self.port()).version(self.version).client_id("me")
    }

    pub(crate) async fn accept(&self) -> Peer {
        let (stream, _) = within(self.listener.accept()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Peer { stream, version: self.version, received: Vec::new() }
    }

    /// A connection whose CONNECT was read.
    pub(crate) async fn accept_connect(&self) -> Peer {
        let mut peer = self.accept().await;
        peer.expect("CONNECT").await;
        peer
    }

    /// A connection that was accepted with these properties of CONNACK.
    pub(crate) async fn accept_session(&self, session_present: bool, properties: &[Property<'_>]) -> Peer {
        let mut peer = self.accept_connect().await;
        peer.connack(session_present, ReasonCode::Success, properties).await;
        peer
    }

    /// A client that is connected, and the connection.
    pub(crate) async fn connect(&self, options: ConnectOptions) -> (Client, Connection, Peer) {
        self.connect_with(options, &[]).await
    }

    /// The same, with these properties of CONNACK.
    pub(crate) async fn connect_with(
        &self,
        options: ConnectOptions,
        properties: &[Property<'_>],
    ) -> (Client, Connection, Peer) {
        let (connected, peer) =
            tokio::join!(within(Client::connect(options)), self.accept_session(false, properties));
        let (client, connection) = connected.unwrap();
        (client, connection, peer)
    }
}

impl Peer {
    /// Where the client connected from.
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.stream.peer_addr().unwrap()
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        within(self.stream.write_all(bytes)).await.unwrap();
    }

    /// Sends as much of `bytes` as the network takes without waiting, and says how much that was.
    pub(crate) fn send_some(&self, bytes: &[u8]) -> usize {
        self.stream.try_write(bytes).unwrap_or(0)
    }

    pub(crate) async fn connack(
        &mut self,
        session_present: bool,
        reason: ReasonCode,
        properties: &[Property<'_>],
    ) {
        let mut bytes = Vec::new();
        ConnAck { session_present, reason, properties: Properties::from_slice(properties) }
            .encode(self.version, &mut bytes);
        self.send(&bytes).await;
    }

    pub(crate) async fn ack(&mut self, packet_type: PacketType, id: u16, reason: ReasonCode) {
        let mut bytes = Vec::new();
        Ack::new(packet_id(id), reason).encode(packet_type, self.version, &mut bytes);
        self.send(&bytes).await;
    }

    pub(crate) async fn puback(&mut self, id: u16) {
        self.ack(PacketType::PubAck, id, ReasonCode::Success).await;
    }

    pub(crate) async fn suback(&mut self, id: u16, reason_codes: &[u8]) {
        let mut bytes = Vec::new();
        SubAck { packet_id: packet_id(id), properties: Properties::EMPTY, reason_codes }
            .encode(self.version, &mut bytes);
        self.send(&bytes).await;
    }

    pub(crate) async fn unsuback(&mut self, id: u16, reason_codes: &[u8]) {
        let mut bytes = Vec::new();
        UnsubAck { packet_id: packet_id(id), properties: Properties::EMPTY, reason_codes }
            .encode(self.version, &mut bytes);
        self.send(&bytes).await;
    }

    pub(crate) async fn disconnect(&mut self, reason: ReasonCode) {
        let mut bytes = Vec::new();
        Disconnect::new(reason).encode(self.version, &mut bytes);
        self.send(&bytes).await;
    }

    /// Sends messages with these payloads at once, with identifiers from 1 if the QoS asks for them.
    pub(crate) async fn publish(&mut self, topic: &str, qos: QoS, payloads: &[&str]) {
        self.publish_with(topic, qos, payloads, &[]).await;
    }

    /// The same, with properties.
    pub(crate) async fn publish_with(
        &mut self,
        topic: &str,
        qos: QoS,
        payloads: &[&str],
        properties: &[Property<'_>],
    ) {
        let mut bytes = Vec::new();
        for (index, payload) in payloads.iter().enumerate() {
            Publish {
                qos,
                packet_id: (qos != QoS::AtMostOnce).then(|| packet_id(index as u16 + 1)),
                payload: payload.as_bytes(),
                properties: Properties::from_slice(properties),
                ..Publish::new(topic)
            }
            .encode(self.version, &mut bytes);
        }
        self.send(&bytes).await;
    }

    /// The bytes of the client's next packet, `None` when it has closed.
    pub(crate) async fn packet(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(frame) = Frame::split(&self.received).unwrap() {
                let bytes = frame.bytes().to_vec();
                self.received.drain(..bytes.len());
                return Some(bytes);
            }
            match within(self.stream.read_buf(&mut self.received)).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The client's next packet as text, empty when it has closed.
    pub(crate) async fn next(&mut self) -> String {
        let Some(bytes) = self.packet().await else { return String::new() };
        let frame = Frame::split(&bytes).unwrap().unwrap();
        describe(&Packet::decode(&frame, self.version, Sender::Client).unwrap())
    }

    pub(crate) async fn expect(&mut self, text: &str) {
        assert_eq!(self.next().await, text);
    }

    pub(crate) async fn expect_all(&mut self, texts: &[&str]) {
        for text in texts {
            self.expect(text).await;
        }
    }

    /// The client has closed the connection, and sent nothing before.
    pub(crate) async fn expect_end(&mut self) {
        self.expect("").await;
    }
}

pub(crate) fn packet_id(id: u16) -> PacketId {
    PacketId::new(id).unwrap()
}

/// Fails the test instead of hanging.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(HANG, future).await.expect("nothing happened")
}

fn describe(packet: &Packet<'_>) -> String {
    let name = packet.packet_type().name();
    match packet {
        Packet::Publish(publish) => {
            let id = publish.packet_id.map_or(String::new(), |id| format!("{id} "));
            let payload = String::from_utf8_lossy(publish.payload);
            let dup = if publish.dup { " dup" } else { "" };
            format!("{name} {id}q{}{dup} {}={payload}", publish.qos.bits(), publish.topic)
        }
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubRel(ack) | Packet::PubComp(ack) => {
            format!("{name} {} {:02x}", ack.packet_id, ack.reason.value())
        }
        Packet::Subscribe(subscribe) => {
            let filters: Vec<_> = subscribe.subscriptions.iter().map(|one| one.filter).collect();
            format!("{name} {} {}", subscribe.packet_id, filters.join(" "))
        }
        Packet::Unsubscribe(unsubscribe) => {
            let filters: Vec<_> = unsubscribe.filters.iter().collect();
            format!("{name} {} {}", unsubscribe.packet_id, filters.join(" "))
        }
        Packet::Disconnect(disconnect) => format!("{name} {:02x}", disconnect.reason.value()),
        Packet::Auth(auth) => {
            let data = auth.properties.authentication_data().unwrap_or_default();
            format!("{name} {:02x} {}", auth.reason.value(), String::from_utf8_lossy(data))
        }
        _ => name.to_owned(),
    }
}
