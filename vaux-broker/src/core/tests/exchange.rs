//! Enhanced authentication with a method that asks for a word backwards.

use vaux_mqtt::packet::Auth;

use super::*;

/// The plug-in: the method is called `backwards`, the client has to send `olleh`.
pub(super) fn challenge(step: &Step) -> StepAnswer {
    if &*step.method != "backwards" {
        let reason = ReasonCode::BadAuthenticationMethod;
        return StepAnswer::Refuse(Refusal::new(reason, "this method is not known"));
    }
    match (&step.state, step.data.as_deref()) {
        (None, _) => {
            StepAnswer::Continue { data: Some((*b"hello").into()), state: ExchangeState(Box::new("hello")) }
        }
        (Some(state), Some(answer)) if state.0.downcast_ref() == Some(&"hello") => match answer {
            b"olleh" => StepAnswer::Accept { admission: user("u"), data: Some((*b"well").into()) },
            b"other" => StepAnswer::Accept { admission: user("other"), data: None },
            _ => StepAnswer::Refuse(Refusal::new(ReasonCode::NotAuthorized, "that is not it")),
        },
        _ => StepAnswer::Refuse(Refusal::new(ReasonCode::NotAuthorized, "that is not it")),
    }
}

fn user(name: &str) -> Admission {
    Identity::User(name.into()).into()
}

fn auth(reason: ReasonCode, method: &str, data: &[u8]) -> Vec<u8> {
    let properties = [Property::AuthenticationMethod(method), Property::AuthenticationData(data)];
    let mut bytes = Vec::new();
    Auth { reason, properties: Properties::from_slice(&properties) }.encode(&mut bytes);
    bytes
}

impl Sim {
    /// Sends CONNECT that names a method.
    fn connect_with_method(&mut self, method: &str) -> Client {
        let client = self.open(Version::V5);
        let properties = [Property::AuthenticationMethod(method), Property::SessionExpiryInterval(60)];
        let connect = Connect {
            properties: Properties::from_slice(&properties),
            clean_start: false,
            ..Connect::new(Version::V5, "c")
        };
        let mut bytes = Vec::new();
        connect.encode(&mut bytes);
        self.send_bytes(client, &bytes);
        client
    }

    fn send_auth(&mut self, client: Client, reason: ReasonCode, data: &[u8]) {
        self.send_bytes(client, &auth(reason, "backwards", data));
    }

    /// A client that has proved who it is.
    fn proved(&mut self) -> Client {
        let client = self.connect_with_method("backwards");
        self.send_auth(client, ReasonCode::ContinueAuthentication, b"olleh");
        let seen = self.see(client);
        assert!(matches!(seen[..], [Seen::Auth(..), Seen::ConnAck(_, ReasonCode::Success)]), "{seen:?}");
        client
    }
}

fn asked() -> Seen {
    Seen::Auth(ReasonCode::ContinueAuthentication, "backwards".into(), "hello".into())
}

/// Shows: v5:MQTT-4.12.0-2
#[test]
fn a_client_is_asked_and_let_in() {
    with_workers(|mut sim| {
        let client = sim.connect_with_method("backwards");
        assert_eq!(sim.see(client), [asked()]);
        sim.send_auth(client, ReasonCode::ContinueAuthentication, b"olleh");
        assert_eq!(sim.see(client), [Seen::ConnAck(false, ReasonCode::Success)]);
        assert_eq!(sim.ping(client), [Seen::Pong]);
    });
}

/// Shows: v5:MQTT-4.12.0-1 v5:MQTT-4.12.0-4
#[test]
fn a_wrong_answer_and_an_unknown_method_are_refused() {
    let mut sim = Sim::new(1);
    let client = sim.connect_with_method("backwards");
    sim.send_auth(client, ReasonCode::ContinueAuthentication, b"hello");
    assert_eq!(sim.see(client)[1..], [Seen::ConnAck(false, ReasonCode::NotAuthorized)]);
    assert!(!sim.is_open(client));
    let client = sim.connect_with_method("forwards");
    assert_eq!(sim.see(client), [Seen::ConnAck(false, ReasonCode::BadAuthenticationMethod)]);
    assert_eq!(sim.shared.sessions.load(Ordering::Relaxed), 0, "a refused CONNECT changes nothing");
}

#[test]
fn only_auth_in_turn_and_with_the_same_method_comes_before_connack() {
    let early = [
        vaux_mqtt::packet::PINGREQ.to_vec(),
        auth(ReasonCode::ContinueAuthentication, "forwards", b"olleh"),
        auth(ReasonCode::ReAuthenticate, "backwards", b"olleh"),
    ];
    for bytes in early {
        let mut sim = Sim::new(1);
        let client = sim.connect_with_method("backwards");
        sim.send_bytes(client, &bytes);
        assert_eq!(sim.see(client)[1..], [Seen::ConnAck(false, ReasonCode::ProtocolError)]);
        assert!(!sim.is_open(client));
    }
}

#[test]
fn a_client_that_does_not_answer_is_closed() {
    let mut sim = Sim::new(1);
    let client = sim.connect_with_method("backwards");
    sim.advance(9_999);
    assert!(sim.is_open(client));
    sim.advance(1);
    assert!(!sim.is_open(client));
}

/// Shows: U5-49
#[test]
fn a_connected_client_proves_itself_anew_while_everything_else_goes_on() {
    with_workers(|mut sim| {
        let client = sim.proved();
        sim.send_auth(client, ReasonCode::ReAuthenticate, b"");
        assert_eq!(sim.see(client), [asked()]);
        assert_eq!(sim.subscribe(client, "a", QoS::AtMostOnce), [Seen::SubAck(vec![0])]);
        sim.send_auth(client, ReasonCode::ContinueAuthentication, b"olleh");
        assert_eq!(sim.see(client), [Seen::Auth(ReasonCode::Success, "backwards".into(), "well".into())]);
        sim.advance(20_000);
        assert!(sim.is_open(client));
    });
}

/// Shows: v5:MQTT-4.12.1-2
#[test]
fn a_connected_client_that_cannot_prove_itself_is_disconnected() {
    let cases: [(&[u8], u64); 3] = [(b"wrong", 0), (b"other", 0), (b"", 10_000)];
    for (answer, wait_ms) in cases {
        let mut sim = Sim::new(1);
        let client = sim.proved();
        sim.send_auth(client, ReasonCode::ReAuthenticate, b"");
        match wait_ms {
            0 => sim.send_auth(client, ReasonCode::ContinueAuthentication, answer),
            _ => sim.advance(wait_ms),
        }
        assert_eq!(sim.see(client)[1..], [Seen::Disconnect(ReasonCode::NotAuthorized)]);
        assert!(!sim.is_open(client));
    }
}

/// Shows: U5-26
#[test]
fn auth_out_of_turn_is_a_protocol_error() {
    let cases = [
        auth(ReasonCode::ContinueAuthentication, "backwards", b"olleh"),
        auth(ReasonCode::ReAuthenticate, "forwards", b""),
    ];
    for bytes in cases {
        let mut sim = Sim::new(1);
        let client = sim.proved();
        sim.send_bytes(client, &bytes);
        assert_eq!(sim.see(client), [Seen::Disconnect(ReasonCode::ProtocolError)]);
    }
}

#[test]
fn clients_are_sent_to_another_server() {
    let mut sim = Sim::new(1);
    let new = sim.connect(&Hello::new("new"));
    let old = sim.connect(&Hello { version: Version::V311, ..Hello::new("old") });
    sim.cores[0].handle_redirect(sim.now, ReasonCode::UseAnotherServer, "other:1883");
    sim.settle();
    assert_eq!(sim.see(new), [Seen::Disconnect(ReasonCode::UseAnotherServer)]);
    assert_eq!(sim.see(old), []);
    assert!(!sim.is_open(new) && !sim.is_open(old));
}
