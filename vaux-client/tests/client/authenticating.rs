//! Enhanced authentication.

use bytes::Bytes;
use vaux_client::{
    Authenticator, Client, ConnectError, ConnectErrorKind, ConnectionEvent, Disconnected, Property,
    ReasonCode, ReconnectPolicy, Version,
};
use vaux_mqtt::packet::Auth;
use vaux_mqtt::property::Properties;

use super::server::{Peer, Server, within};

/// Answers each challenge by repeating it, and wants to hear "well done".
struct Echo;

impl Authenticator for Echo {
    fn method(&self) -> &str {
        "ECHO"
    }

    fn begin(&mut self) -> Result<Option<Bytes>, String> {
        Ok(Some("hello".into()))
    }

    fn step(&mut self, data: Option<&[u8]>) -> Result<Option<Bytes>, String> {
        match data {
            Some(b"trap") => Err("it is a trap".into()),
            data => Ok(data.map(Bytes::copy_from_slice)),
        }
    }

    fn finish(&mut self, data: Option<&[u8]>) -> Result<(), String> {
        if data == Some(b"well done") { Ok(()) } else { Err("not well done".into()) }
    }
}

async fn auth(peer: &mut Peer, reason: ReasonCode, data: &[u8]) {
    let list = [Property::AuthenticationMethod("ECHO"), Property::AuthenticationData(data)];
    let mut bytes = Vec::new();
    Auth { reason, properties: Properties::from_slice(&list) }.encode(&mut bytes);
    peer.send(&bytes).await;
}

async fn connack(peer: &mut Peer, data: &[u8]) {
    let list = [Property::AuthenticationMethod("ECHO"), Property::AuthenticationData(data)];
    peer.connack(false, ReasonCode::Success, &list).await;
}

#[tokio::test]
async fn client_and_server_talk_until_both_are_content_and_may_do_so_again() {
    let server = Server::start(Version::V5).await;
    let options = server.options().authenticator(|| Echo).reconnect(ReconnectPolicy::NEVER);
    let (connected, mut peer) = tokio::join!(within(Client::connect(options)), async {
        let mut peer = server.accept().await;
        let connect = peer.packet().await.unwrap();
        assert!(connect.windows(4).any(|part| part == b"ECHO"));
        assert!(connect.windows(5).any(|part| part == b"hello"));
        auth(&mut peer, ReasonCode::ContinueAuthentication, b"one").await;
        peer.expect("AUTH 18 one").await;
        auth(&mut peer, ReasonCode::ContinueAuthentication, b"two").await;
        peer.expect("AUTH 18 two").await;
        connack(&mut peer, b"well done").await;
        peer
    });
    let (client, mut connection) = connected.unwrap();
    client.re_authenticate().await.unwrap();
    peer.expect("AUTH 19 hello").await;
    auth(&mut peer, ReasonCode::ContinueAuthentication, b"three").await;
    peer.expect("AUTH 18 three").await;
    auth(&mut peer, ReasonCode::Success, b"well done").await;
    client.re_authenticate().await.unwrap();
    peer.expect("AUTH 19 hello").await;
    auth(&mut peer, ReasonCode::ContinueAuthentication, b"trap").await;
    peer.expect("DISCONNECT 80").await;
    let event = within(connection.events.next()).await.unwrap();
    assert!(matches!(event, ConnectionEvent::Disconnected(Disconnected::Authentication(_))), "{event:?}");
}

#[tokio::test]
async fn a_client_that_is_not_content_does_not_connect() {
    for is_trap in [true, false] {
        let server = Server::start(Version::V5).await;
        let options = server.options().authenticator(|| Echo);
        let (error, _peer) = tokio::join!(within(Client::connect(options)), async {
            let mut peer = server.accept_connect().await;
            match is_trap {
                true => auth(&mut peer, ReasonCode::ContinueAuthentication, b"trap").await,
                false => connack(&mut peer, b"so so").await,
            }
            peer
        });
        let error = error.expect_err("there must be no connection");
        assert!(matches!(error, ConnectError::Authentication(_)), "{error}");
        assert_eq!(error.kind(), ConnectErrorKind::Authentication);
    }
}
