//! SCRAM-SHA-256 between vaux's own client and the broker.

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use vaux_broker::auth::{Credentials, set_password};
use vaux_client::{
    Authenticator, Client, ConnectError, ConnectErrorKind, ConnectOptions, Connection, Message, QoS,
    ReasonCode, ReconnectPolicy, ScramSha256,
};

use super::serving::{LISTENER, Serving};

fn start(auth: &str) -> (Serving, u16) {
    let home = tempfile::tempdir().unwrap();
    let users = home.path().join("users");
    set_password(&users, "alice", &Credentials::new(b"secret", true), false).unwrap();
    set_password(&users, "bob, =b", &Credentials::new("pässword".as_bytes(), true), false).unwrap();
    set_password(&users, "carol", &Credentials::new(b"secret", false), false).unwrap();
    let toml = format!("{LISTENER}[auth]\npassword_file = \"users\"\n{auth}");
    let serving = Serving::start_in(home, &[("broker.toml", &toml)]);
    let port = serving.address().port();
    (serving, port)
}

fn options<A: Authenticator + 'static>(
    port: u16,
    make: impl Fn() -> A + Send + Sync + 'static,
) -> ConnectOptions {
    ConnectOptions::new("127.0.0.1", port).reconnect(ReconnectPolicy::NEVER).authenticator(make)
}

async fn connect(
    port: u16,
    name: &'static str,
    password: &'static str,
) -> Result<(Client, Connection), ConnectError> {
    Client::connect(options(port, move || ScramSha256::new(name, password))).await
}

/// Tells how each exchange ended.
struct Watched(ScramSha256, UnboundedSender<Result<(), String>>);

impl Authenticator for Watched {
    fn method(&self) -> &str {
        self.0.method()
    }

    fn begin(&mut self) -> Result<Option<Bytes>, String> {
        self.0.begin()
    }

    fn step(&mut self, data: Option<&[u8]>) -> Result<Option<Bytes>, String> {
        self.0.step(data)
    }

    fn finish(&mut self, data: Option<&[u8]>) -> Result<(), String> {
        let result = self.0.finish(data);
        self.1.send(result.clone()).unwrap();
        result
    }
}

#[tokio::test]
async fn users_with_keys_are_let_in_and_prove_themselves_again() {
    let (_serving, port) = start("");
    connect(port, "bob, =b", "pässword").await.unwrap();
    let (told, mut finished) = unbounded_channel();
    let options = options(port, move || Watched(ScramSha256::new("alice", "secret"), told.clone()));
    let (client, _connection) = Client::connect(options).await.unwrap();
    assert_eq!(finished.recv().await, Some(Ok(())));
    for _ in 0..2 {
        client.re_authenticate().await.unwrap();
        assert_eq!(finished.recv().await, Some(Ok(())));
    }
    client.publish(Message::new("a", "still there").qos(QoS::AtLeastOnce)).await.unwrap();
}

#[tokio::test]
async fn others_are_not() {
    let (_serving, port) = start("");
    for (name, password) in
        [("alice", "Secret"), ("alice", ""), ("carol", "secret"), ("dave", "secret"), ("$operator", "secret")]
    {
        let error = connect(port, name, password).await.unwrap_err();
        assert_eq!(error.kind(), ConnectErrorKind::Authentication, "{name}: {error}");
        assert_eq!(error.reason(), Some(ReasonCode::BadUserNameOrPassword), "{name}");
    }
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let (_serving, port) = start("scram = false\n");
    let error = connect(port, "alice", "secret").await.unwrap_err();
    assert_eq!(error.reason(), Some(ReasonCode::BadAuthenticationMethod), "{error}");
}
