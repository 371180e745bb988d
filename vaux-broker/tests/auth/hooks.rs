//! A program that embeds the broker: who may connect is its business, and it is told what happens.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vaux_broker::config::{Bind, Config, ListenerConfig, ListenerKind, StoreEngine};
use vaux_broker::core::{Admission, ConnectRequest, Refusal};
use vaux_broker::observe::{Event, Observe};
use vaux_broker::session::Identity;
use vaux_broker::{Authenticate, Broker, Hooks, Reply};
use vaux_mqtt::{Packet, ReasonCode};

use super::client::{Client, named, nameless};

/// Lets everybody in who has a name. Answers on another thread, and what counted may count no more.
#[derive(Debug, Default)]
struct Names {
    /// The proof that holds.
    holds: AtomicU64,
}

impl Authenticate for Names {
    fn authenticate(&self, request: Box<ConnectRequest>, reply: Reply) {
        let proof = self.holds.load(Ordering::SeqCst);
        std::thread::spawn(move || {
            let verdict = match &request.user_name {
                Some(name) => Ok(Admission::new(Identity::User((**name).into())).proved_by(proof)),
                None => Err(Refusal::new(ReasonCode::Banned, "nobody is not welcome")),
            };
            reply.send(request, verdict);
        });
    }

    fn still_holds(&self, listener: &str, identity: &Identity, proof: u64) -> bool {
        assert_eq!((listener, identity), ("default", &Identity::User("alice".into())));
        proof == self.holds.load(Ordering::SeqCst)
    }
}

#[derive(Debug)]
struct Tell(Mutex<Sender<Event>>);

impl Observe for Tell {
    fn observe(&self, event: &Event) {
        self.0.lock().unwrap().send(event.clone()).unwrap();
    }

    fn wants_publishes(&self) -> bool {
        true
    }
}

fn start(names: &Arc<Names>) -> (Broker, SocketAddr, Receiver<Event>) {
    let bind = Bind { host: "127.0.0.1".to_owned(), port: 0 };
    let listener = ListenerConfig { bind, ..ListenerConfig::new(ListenerKind::Tcp) };
    let mut config = Config { workers: 2, listeners: vec![listener], ..Config::default() };
    config.store.engine = StoreEngine::Memory;
    let (sender, events) = channel();
    let observe: Arc<dyn Observe> = Arc::new(Tell(Mutex::new(sender)));
    let hooks = Hooks { authenticate: Arc::clone(names) as _, observe: Some(observe), ..Hooks::default() };
    let broker = Broker::start_with_hooks(config, vec![None], hooks).unwrap();
    let address = broker.addresses()[0].address.socket_addr().unwrap();
    (broker, address, events)
}

/// An event in the words that it has.
fn words(event: &Event) -> String {
    let Event { kind, client_id, user, topic, cause, .. } = event;
    let words = [client_id.as_deref(), user.as_deref(), topic.as_deref(), *cause];
    let words: Vec<&str> = words.into_iter().flatten().collect();
    format!("{kind:?} {}", words.join(" "))
}

#[test]
fn it_is_told_what_happens_and_ends_what_does_not_count_any_more() {
    let names = Arc::new(Names::default());
    names.holds.store(1, Ordering::SeqCst);
    let (broker, address, events) = start(&names);
    assert_eq!(Client::connect(address, &nameless("n")).err(), Some(ReasonCode::Banned));
    let mut alice = Client::connect(address, &named("a", "alice", "")).unwrap();
    alice.subscribe("x/#");
    alice.publish("y", "1", false);
    alice.publish("$SYS/y", "1", false);
    names.holds.store(2, Ordering::SeqCst);
    broker.review_admissions();
    alice.receive(|packet| match packet {
        Packet::Disconnect(disconnect) => assert_eq!(disconnect.reason, ReasonCode::NotAuthorized),
        other => panic!("{other:?}"),
    });
    let mut alice = Client::connect(address, &named("a", "alice", "")).unwrap();
    broker.review_admissions();
    alice.subscribe("x/#");
    broker.shutdown(Duration::from_secs(60));
    let told: Vec<String> = events.try_iter().map(|event| words(&event)).collect();
    let expected = [
        "Refused n connect-refused",
        "Connect a alice",
        "Subscribe a alice x/#",
        "Publish a alice y",
        "Drop a alice $SYS/y not-authorized",
        "Disconnect a alice credentials-revoked",
        "Connect a alice",
        "Subscribe a alice x/#",
        "Disconnect a alice shutdown",
    ];
    assert_eq!(told, expected);
}
