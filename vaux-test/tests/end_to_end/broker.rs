//! A vaux broker in this process, on a port that the system chose.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use vaux_broker::authenticate::AnonymousOnly;
use vaux_broker::config::{Bind, Config, ListenerConfig, ListenerKind, ListenerTls};
use vaux_broker::core::{ConnectRequest, ExchangeState, Refusal, Step, StepAnswer};
use vaux_broker::session::Identity;
use vaux_broker::tls::{Authority, ServedNames, server_config};
use vaux_broker::{Authenticate, Broker, Hooks, Reply, StepReply};
use vaux_mqtt::ReasonCode;
use vaux_test::Target;

/// Knows the method `vaux-test` of enhanced authentication: whoever sends `challenge` backwards is let in.
#[derive(Debug)]
struct Challenge;

impl Authenticate for Challenge {
    fn authenticate(&self, request: Box<ConnectRequest>, reply: Reply) {
        AnonymousOnly.authenticate(request, reply);
    }

    fn exchange(&self, step: Box<Step>, reply: StepReply) {
        let refuse = |reason| StepAnswer::Refuse(Refusal::new(reason, "that is not it"));
        reply.send(match (&*step.method, &step.state, step.data.as_deref()) {
            ("vaux-test", None, _) => StepAnswer::Continue {
                data: Some((*b"challenge").into()),
                state: ExchangeState(Box::new(())),
            },
            ("vaux-test", Some(_), Some(b"egnellahc")) => {
                StepAnswer::Accept { admission: Identity::User("tester".into()).into(), data: None }
            }
            ("vaux-test", _, _) => refuse(ReasonCode::NotAuthorized),
            _ => refuse(ReasonCode::BadAuthenticationMethod),
        });
    }
}

/// A running broker. It ends with this value.
pub(crate) struct TestBroker {
    broker: Broker,
    kind: ListenerKind,
    port: u16,
    /// Of the authority, when the listener speaks TLS.
    cafile: Option<PathBuf>,
    _data_dir: TempDir,
}

impl TestBroker {
    /// A broker with one listener and this many workers.
    pub(crate) fn start(kind: ListenerKind, workers: usize) -> TestBroker {
        let data_dir = TempDir::new().expect("a temporary folder");
        let bind = Bind { host: "127.0.0.1".to_owned(), port: 0 };
        let listener = ListenerConfig { bind, ..ListenerConfig::new(kind) };
        let (tls, cafile) = match kind {
            ListenerKind::Tls | ListenerKind::Wss => {
                let authority = Authority::new(data_dir.path());
                let names = ServedNames::new(None, []).expect("there are no names to refuse");
                let server = authority.ensure(&names, SystemTime::now()).expect("certificates can be made");
                let config = server_config(&server.cert, &server.key, kind, &ListenerTls::default());
                (Some(config.expect("they can be served")), Some(authority.certificate()))
            }
            _ => (None, None),
        };
        let config = Config {
            data_dir: Some(data_dir.path().to_owned()),
            workers,
            listeners: vec![listener],
            ..Config::default()
        };
        let hooks = Hooks { authenticate: Arc::new(Challenge), ..Hooks::default() };
        let broker = Broker::start_with_hooks(config, vec![tls], hooks).expect("the broker starts");
        let port = broker.addresses()[0].address.socket_addr().expect("it listens on TCP").port();
        TestBroker { broker, kind, port, cafile, _data_dir: data_dir }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        let (scheme, path) = match self.kind {
            ListenerKind::Tcp | ListenerKind::Unix => ("mqtt", ""),
            ListenerKind::Tls => ("mqtts", ""),
            ListenerKind::Ws => ("ws", "/mqtt"),
            ListenerKind::Wss => ("wss", "/mqtt"),
        };
        format!("{scheme}://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn target(&self) -> Target {
        Target::parse(&self.url(), self.cafile.as_deref(), false).expect("the address is right")
    }
}

impl Drop for TestBroker {
    fn drop(&mut self) {
        self.broker.shutdown(Duration::from_secs(10));
    }
}
