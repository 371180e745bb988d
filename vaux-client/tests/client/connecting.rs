//! CONNECT and its outcomes, and the end of connections.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use vaux_client::{
    Client, ConnectError, ConnectErrorKind, ConnectOptions, ConnectStage, ConnectionEvent, Connector,
    Disconnected, Message, Property, PropertyBuffer, QoS, ReasonCode, ReconnectPolicy, RequestError,
    TlsOptions, Version,
};
use vaux_mqtt::frame::Frame;
use vaux_mqtt::packet::{Packet, Sender};

use super::server::{Server, within};

const ALL: [Version; 3] = [Version::V31, Version::V311, Version::V5];

async fn failure(options: ConnectOptions) -> ConnectError {
    within(Client::connect(options)).await.expect_err("there must be no connection")
}

#[tokio::test]
async fn connect_carries_what_the_options_say() {
    let server = Server::start(Version::V5).await;
    let will = Message::new("gone", "bye").qos(QoS::AtLeastOnce).retain(true);
    let options = server
        .options()
        .clean_start(false)
        .keep_alive(7)
        .session_expiry_interval(100)
        .receive_maximum(9)
        .maximum_packet_size(5000)
        .topic_alias_maximum(3)
        .property(Property::UserProperty("a", "b"))
        .unwrap()
        .will(will.property(Property::WillDelayInterval(4)).unwrap())
        .user_name("user")
        .password("secret");
    let server_side = async {
        let mut peer = server.accept().await;
        let bytes = peer.packet().await.unwrap();
        let frame = Frame::split(&bytes).unwrap().unwrap();
        let Packet::Connect(connect) = Packet::decode(&frame, Version::V5, Sender::Client).unwrap() else {
            panic!("the first packet must be CONNECT")
        };
        assert_eq!((connect.version, connect.clean_start, connect.keep_alive), (Version::V5, false, 7));
        assert_eq!((connect.client_id, connect.user_name), ("me", Some("user")));
        assert_eq!(connect.password, Some(&b"secret"[..]));
        let properties = connect.properties;
        assert_eq!(properties.session_expiry_interval(), Some(100));
        assert_eq!(properties.receive_maximum(), Some(9));
        assert_eq!(properties.maximum_packet_size(), Some(5000));
        assert_eq!(properties.topic_alias_maximum(), Some(3));
        assert_eq!(properties.user_properties().next(), Some(("a", "b")));
        let will = connect.will.unwrap();
        assert_eq!(
            (will.topic, will.payload, will.qos, will.retain),
            ("gone", &b"bye"[..], QoS::AtLeastOnce, true)
        );
        assert_eq!(will.properties.will_delay_interval(), Some(4));
        let properties = [Property::ServerKeepAlive(9), Property::ReceiveMaximum(3)];
        peer.connack(true, ReasonCode::Success, &properties).await;
        peer
    };
    let (connected, _peer) = tokio::join!(within(Client::connect(options)), server_side);
    let connected = connected.unwrap().1.connected;
    assert!(connected.session_present);
    assert_eq!((connected.keep_alive, &*connected.client_id), (9, "me"));
    assert_eq!(connected.properties.list().receive_maximum(), Some(3));
}

/// Shows: v5:MQTT-3.14.4-2 v311:MQTT-3.14.4-1 v311:MQTT-7.1.2-1
#[tokio::test]
async fn all_versions_connect_and_disconnect() {
    for version in ALL {
        let server = Server::start(version).await;
        let (client, connection, mut peer) = server.connect(server.options()).await;
        assert_eq!(connection.connected.version, version);
        let (result, ()) = tokio::join!(client.disconnect(), async {
            peer.expect("DISCONNECT 00").await;
            peer.expect_end().await;
        });
        result.unwrap();
        let outcome = client.publish(Message::new("a", "x")).await;
        assert!(matches!(outcome, Err(RequestError::Ended)), "{outcome:?}");
    }
}

#[tokio::test]
async fn the_local_address_can_be_chosen() {
    let server = Server::start(Version::V5).await;
    let address = std::net::IpAddr::from([127, 0, 0, 9]);
    let (_client, _connection, peer) = server.connect(server.options().bind(address)).await;
    assert_eq!(peer.address().ip(), address);
}

#[tokio::test]
async fn an_assigned_client_identifier_is_used_again() {
    let server = Server::start(Version::V5).await;
    let options = server.options().client_id("").reconnect(quick());
    let assigned = [Property::AssignedClientIdentifier("given")];
    let (_client, connection, peer) = server.connect_with(options, &assigned).await;
    assert_eq!(&*connection.connected.client_id, "given");
    drop(peer);
    let bytes = server.accept().await.packet().await.unwrap();
    assert!(bytes.windows(5).any(|window| window == b"given"));
}

pub(crate) fn quick() -> ReconnectPolicy {
    ReconnectPolicy::backoff(Duration::from_millis(1), Duration::from_millis(5))
}

#[tokio::test]
async fn a_refusal_says_why() {
    for (version, reason, kind) in [
        (Version::V31, ReasonCode::BadUserNameOrPassword, ConnectErrorKind::Authentication),
        (Version::V311, ReasonCode::NotAuthorized, ConnectErrorKind::Authentication),
        (Version::V311, ReasonCode::ServerUnavailable, ConnectErrorKind::Refused),
        (Version::V5, ReasonCode::Banned, ConnectErrorKind::Authentication),
        (Version::V5, ReasonCode::QuotaExceeded, ConnectErrorKind::Refused),
    ] {
        let server = Server::start(version).await;
        let (error, _peer) = tokio::join!(failure(server.options()), async {
            let mut peer = server.accept_connect().await;
            peer.connack(false, reason, &[]).await;
            peer
        });
        assert_eq!((error.kind(), error.reason()), (kind, Some(reason)), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_closes_without_an_answer_refuses() {
    let server = Server::start(Version::V311).await;
    let (error, ()) = tokio::join!(failure(server.options()), async {
        server.accept_connect().await;
    });
    assert!(matches!(error, ConnectError::ClosedByServer), "{error}");
    assert_eq!(error.kind(), ConnectErrorKind::Refused);
}

#[tokio::test]
async fn a_wrong_answer_is_a_protocol_error_and_version_5_says_so() {
    for (version, bytes, answer) in [
        (Version::V5, &b"HTTP/1.1 400 Bad Request\r\n"[..], "DISCONNECT 82"),
        (Version::V5, &[0xd0, 0], "DISCONNECT 82"),
        (Version::V5, &[0x20, 0xff, 0xff, 0xff, 0xff], "DISCONNECT 81"),
        (Version::V311, &[0x20, 2, 0, 9], ""),
    ] {
        let server = Server::start(version).await;
        let (error, ()) = tokio::join!(failure(server.options()), async {
            let mut peer = server.accept_connect().await;
            peer.send(bytes).await;
            peer.expect(answer).await;
        });
        assert_eq!(error.kind(), ConnectErrorKind::Protocol, "{error}");
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_named() {
    let server = Server::start(Version::V5).await;
    let options = server.options();
    drop(server);
    let error = failure(options).await;
    assert!(matches!(error, ConnectError::Tcp { .. }), "{error}");
    assert_eq!(error.kind(), ConnectErrorKind::Unreachable);
    // No name server is asked about a label of more than 63 characters.
    let error = failure(ConnectOptions::new("x".repeat(64), 1883)).await;
    assert!(matches!(error, ConnectError::Resolve { .. }), "{error}");
    assert_eq!(error.kind(), ConnectErrorKind::Unreachable);
}

/// Shows: U5-29
#[tokio::test]
async fn a_silent_server_is_given_up() {
    let server = Server::start(Version::V5).await;
    let options = server.options().connect_timeout(Duration::from_millis(50));
    let (error, _peer) = tokio::join!(failure(options), server.accept_connect());
    assert!(matches!(error, ConnectError::Timeout(ConnectStage::ConnAck)), "{error}");
    assert_eq!(error.kind(), ConnectErrorKind::Timeout);
}

/// Shows: v311:MQTT-3.1.3-7
#[tokio::test]
async fn options_that_cannot_work_are_refused_before_anything_is_tried() {
    let options = || ConnectOptions::new("host.invalid", 1883).client_id("me");
    let v3 = || options().version(Version::V311);
    for (options, part) in [
        (v3().session_expiry_interval(1), "need version 5.0"),
        (v3().topic_alias_maximum(1), "need version 5.0"),
        (v3().password("x"), "needs version 5.0"),
        (v3().client_id("").clean_start(false), "client identifier"),
        (options().version(Version::V31).client_id("x".repeat(24)), "1 to 23"),
        (options().client_id("a\0"), "U+0000"),
        (options().user_name("x".repeat(65_536)), "65,535"),
        (options().receive_maximum(0), "receive maximum"),
        (options().maximum_packet_size(0), "maximum packet size"),
        (options().property(Property::ContentType("x")).unwrap(), "CONNECT cannot carry"),
        (options().will(Message::new("a/#", "")), "the will"),
        (options().will(Message::new("a", vec![0; 65_536])), "65,535"),
        (options().message_capacity(0), "at least 1"),
    ] {
        let error = failure(options).await;
        assert!(matches!(error, ConnectError::Options(_)), "{error}");
        assert!(error.to_string().contains(part), "{error} does not say {part}");
    }
}

#[tokio::test]
async fn the_servers_disconnect_is_told_with_its_reason() {
    let server = Server::start(Version::V5).await;
    let (_client, mut connection, mut peer) =
        server.connect(server.options().reconnect(ReconnectPolicy::NEVER)).await;
    peer.disconnect(ReasonCode::ServerShuttingDown).await;
    let event = within(connection.events.next()).await.unwrap();
    let ConnectionEvent::Disconnected(disconnected) = event else { panic!("{event:?}") };
    assert_eq!(disconnected.reason(), Some(ReasonCode::ServerShuttingDown));
    assert!(matches!(within(connection.events.next()).await, Some(ConnectionEvent::Ended)));
    assert!(within(connection.events.next()).await.is_none());
    assert_eq!(within(connection.messages.next()).await, None);
}

#[tokio::test]
async fn bytes_that_are_no_packet_end_the_connection_with_a_reason() {
    let server = Server::start(Version::V5).await;
    let (_client, mut connection, mut peer) =
        server.connect(server.options().reconnect(ReconnectPolicy::NEVER)).await;
    peer.send(&[0x00, 0x00]).await;
    peer.expect("DISCONNECT 81").await;
    peer.expect_end().await;
    let event = within(connection.events.next()).await.unwrap();
    assert!(matches!(event, ConnectionEvent::Disconnected(Disconnected::Protocol(_))), "{event:?}");
}

/// Shows: U5-29
#[tokio::test]
async fn a_server_that_does_not_answer_a_ping_is_given_up() {
    let server = Server::start(Version::V311).await;
    let options = server.options().keep_alive(1).reconnect(ReconnectPolicy::NEVER);
    let (_client, mut connection, mut peer) = server.connect(options).await;
    peer.expect("PINGREQ").await;
    peer.send(&[0xd0, 0]).await;
    peer.expect("PINGREQ").await;
    let event = within(connection.events.next()).await.unwrap();
    assert!(matches!(event, ConnectionEvent::Disconnected(Disconnected::KeepAliveTimeout)), "{event:?}");
}

#[tokio::test]
async fn an_answer_to_a_ping_counts_though_the_application_kept_it_from_being_read() {
    let server = Server::start(Version::V311).await;
    let options = server.options().keep_alive(1).reconnect(ReconnectPolicy::NEVER);
    let (client, _connection, mut peer) = server.connect(options).await;
    peer.expect("PINGREQ").await;
    peer.send(&[0xd0, 0]).await;
    // The application computes for longer than the keep alive, on the thread that the client needs.
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(1200) {
        std::hint::spin_loop();
    }
    client.queue(Message::new("a", "x")).await.unwrap();
    peer.expect("PUBLISH q0 a=x").await;
    peer.expect("PINGREQ").await;
}

#[tokio::test]
async fn disconnect_carries_reason_and_properties_or_is_refused() {
    let server = Server::start(Version::V5).await;
    let (client, _connection, mut peer) = server.connect(server.options().session_expiry_interval(5)).await;
    let refused = client.disconnect_with(ReasonCode::ServerBusy, PropertyBuffer::new()).await;
    assert!(matches!(refused, Err(RequestError::Invalid(_))), "{refused:?}");
    let mut properties = PropertyBuffer::new();
    properties.push(Property::SessionExpiryInterval(9)).unwrap();
    let (result, ()) =
        tokio::join!(client.disconnect_with(ReasonCode::DisconnectWithWill, properties), async {
            assert_eq!(peer.packet().await.unwrap(), [0xe0, 7, 4, 5, 0x11, 0, 0, 0, 9]);
            drop(peer);
        });
    result.unwrap();
}

#[tokio::test]
async fn a_client_without_handles_finishes_its_work_and_leaves() {
    let server = Server::start(Version::V5).await;
    let (client, _connection, mut peer) = server.connect(server.options()).await;
    let ticket = client.start_publish(Message::new("a", "x").qos(QoS::AtLeastOnce)).await.unwrap();
    drop(client);
    peer.expect("PUBLISH 1 q1 a=x").await;
    peer.puback(1).await;
    peer.expect("DISCONNECT 00").await;
    assert!(within(ticket).await.is_ok());
}

#[tokio::test]
async fn a_unix_socket_is_spoken_through_and_only_in_the_clear() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mqtt.sock");
    let options = || ConnectOptions::new("nowhere.invalid", 1).client_id("me").unix_socket(&path);
    assert!(matches!(failure(options()).await, ConnectError::Unix { .. }));
    assert!(matches!(failure(options().tls(TlsOptions::new())).await, ConnectError::Options(_)));
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let server_side = async {
        let (mut stream, _) = within(listener.accept()).await.unwrap();
        let mut connect = [0; 64];
        assert!(stream.read(&mut connect).await.unwrap() > 0);
        assert_eq!(connect[0], 0x10);
        stream.write_all(&[0x20, 3, 0, 0, 0]).await.unwrap();
        stream
    };
    let (connected, _stream) = tokio::join!(within(Client::connect(options())), server_side);
    connected.unwrap();
}

/// As one does that wants TLS and is sent CONNECT in the clear.
#[tokio::test]
async fn a_server_that_answers_with_a_tls_alert_is_told_from_one_that_breaks_the_protocol() {
    for (answer, is_tls) in [(&[0x15, 3, 3, 0, 2, 2, 10][..], true), (&[0x15, 0], false), (&[0xd0, 0], false)]
    {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_u8().await.unwrap();
            stream.write_all(answer).await.unwrap();
            // Until the client leaves.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        };
        let connect = Client::connect(ConnectOptions::new("127.0.0.1", port));
        let (result, ()) = within(async { tokio::join!(connect, serve) }).await;
        let error = result.expect_err("there is no connection");
        assert_eq!(matches!(error, ConnectError::AnswersWithTls), is_tls, "{error}");
        let kind = if is_tls { ConnectErrorKind::Unreachable } else { ConnectErrorKind::Protocol };
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[tokio::test]
async fn a_connector_hands_over_connections_after_connack() {
    let server = Server::start(Version::V5).await;
    let mut connector = Connector::new(server.options()).unwrap();
    within(connector.resolve()).await.unwrap();
    let server_side = async {
        let mut peer = server.accept_session(false, &[Property::ReceiveMaximum(3)]).await;
        peer.disconnect(ReasonCode::ServerBusy).await;
        peer
    };
    let (accepted, mut peer) = tokio::join!(within(connector.connect("one")), server_side);
    let mut accepted = accepted.unwrap();
    assert_eq!((&*accepted.connected.client_id, accepted.limits.receive_maximum), ("one", 3));
    // What comes behind CONNACK is the caller's, be it that it was read already.
    let mut bytes = accepted.unread.to_vec();
    while Frame::split(&bytes).unwrap().is_none() {
        within(accepted.stream.read_buf(&mut bytes)).await.unwrap();
    }
    assert_eq!(bytes[0], 0xe0);
    accepted.stream.write_all(&[0xe0, 0]).await.unwrap();
    peer.expect("DISCONNECT 00").await;

    let server_side = async {
        let mut peer = server.accept_connect().await;
        peer.connack(false, ReasonCode::Banned, &[]).await;
    };
    let (refused, ()) = tokio::join!(within(connector.connect("two")), server_side);
    assert_eq!(refused.unwrap_err().reason(), Some(ReasonCode::Banned));
    let too_long = within(connector.connect(&"i".repeat(70_000))).await.unwrap_err();
    assert_eq!(too_long.kind(), ConnectErrorKind::Options);
}
