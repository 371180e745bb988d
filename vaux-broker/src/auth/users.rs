//! Who clients are: by a token, by what a service says, by user name and password, or by SCRAM. In this order, as far as
//! the configuration names them.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use vaux_mqtt::ReasonCode;

use super::cache::{Cache, Proof};
use super::hash::PasswordHash;
use super::http::{Answer, Asker, Service, is_user_name};
use super::jwt::{self, Named};
use super::password_file::PasswordFile;
use super::proof::{By, Kind, Proofs};
use super::scram::{self, ScramKeys};
use super::sources::Sources;
use super::threads::{Threads, WaitingRoom};
use super::throttle::Throttle;
use crate::authenticate::{AnonymousOnly, Authenticate};
use crate::core::{Admission, ConnectRequest, ExchangeState, Refusal, Step, StepAnswer};
use crate::peer::Peer;
use crate::session::Identity;
use crate::shard::{Reply, StepReply};

/// Authenticates clients by what the configuration names. What it names can be changed while clients are connected.
#[derive(Debug)]
pub struct Users {
    sources: RwLock<Arc<Sources>>,
    desk: Arc<Desk>,
}

/// What a login needs on its way from one source to the next.
#[derive(Debug)]
struct Desk {
    checker: Arc<Checker>,
    logins: Threads<Login>,
    /// Where services are asked, once there is one. `None`: the system had no thread to give.
    asker: OnceLock<Option<Asker>>,
}

/// A client whose password is to be hashed.
struct Login {
    request: Box<ConnectRequest>,
    reply: Reply,
    passwords: Arc<PasswordFile>,
    failures_per_minute: u32,
    /// When its connection is closed: nobody waits for the answer then.
    gives_up_at: Instant,
}

#[derive(Debug)]
struct Checker {
    cache: Cache,
    proofs: Proofs,
    throttle: Throttle,
    waiting_room: WaitingRoom,
}

/// Hashing at one time. More would take the cores from the workers, and their memory from everybody.
const HASHING_THREADS: usize = 2;

/// Logins that wait to be hashed, from addresses that failed too often and from others.
const MAX_LOGINS: usize = 16_384;

/// How long a refusal waits when its address failed too often. Shorter than clients and the broker wait for CONNACK.
const DELAY: Duration = Duration::from_secs(3);

const NOT_KNOWN: Refusal =
    Refusal::new(ReasonCode::BadUserNameOrPassword, "the user name or the password is wrong");
const NOT_SAID: Refusal = Refusal::new(ReasonCode::NotAuthorized, "a user name and a password are needed");
const NO_LISTENER: Refusal =
    Refusal::new(ReasonCode::NotAuthorized, "this listener is not in the configuration any more");
const NO_METHOD: Refusal =
    Refusal::new(ReasonCode::BadAuthenticationMethod, "this authentication method is not supported");
const NO_ANSWER: Refusal =
    Refusal::new(ReasonCode::ServerUnavailable, "the authentication service gave no answer");
const TOO_BUSY: Refusal = Refusal::new(ReasonCode::ServerBusy, "too many clients are logging in");

impl Users {
    /// Starts the threads that check passwords.
    ///
    /// # Errors
    ///
    /// The system has no thread to give.
    pub fn start(sources: Sources) -> io::Result<Users> {
        let waiting_room = WaitingRoom::open()?;
        let checker = Arc::new(Checker {
            cache: Cache::new(),
            proofs: Proofs::default(),
            throttle: Throttle::default(),
            waiting_room,
        });
        let on_threads = Arc::clone(&checker);
        let log_in = move |login: Login| {
            if Instant::now() < login.gives_up_at {
                on_threads.log_in(login);
            }
        };
        let logins = Threads::start("auth-hash", HASHING_THREADS, MAX_LOGINS, log_in)?;
        let desk = Arc::new(Desk { checker, logins, asker: OnceLock::new() });
        Ok(Users { sources: RwLock::new(Arc::new(sources)), desk })
    }

    /// Goes by other sources from now on. Clients that are connected stay so until they are looked at again, with
    /// [`crate::Broker::review_admissions`].
    pub fn change(&self, sources: Sources) {
        *self.sources.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(sources);
    }
}

impl Authenticate for Users {
    fn authenticate(&self, request: Box<ConnectRequest>, reply: Reply) {
        let sources = Arc::clone(&self.sources.read().unwrap_or_else(PoisonError::into_inner));
        // It was taken out of the configuration, and is open until the next start.
        if sources.passwords(&request.listener.name).is_none() {
            return reply.send(request, Err(NO_LISTENER));
        }
        let token = request.password.as_deref().and_then(jwt::is_token);
        if let (Some(tokens), Some(token)) = (&sources.tokens, token) {
            let named = tokens.read_token(token, seconds_since_1970());
            let proof = self.desk.checker.proofs.number(Kind::Token, By::Token(&tokens.fingerprint));
            let admission = named.map(|named| by_token(named, proof));
            return self.desk.checker.answer_token(request, reply, admission, sources.failures_per_minute);
        }
        // Where anybody may connect, nobody needs to be asked who somebody is that does not say.
        let is_nobody = request.user_name.is_none() && request.listener.allow_anonymous;
        match sources.service.is_some() && !is_nobody {
            true => self.desk.ask_service(sources, request, reply),
            false => self.desk.check_password(&sources, request, reply),
        }
    }

    fn still_holds(&self, listener: &str, identity: &Identity, proof: u64) -> bool {
        let sources = Arc::clone(&self.sources.read().unwrap_or_else(PoisonError::into_inner));
        self.desk.checker.still_holds(&sources, listener, identity, proof)
    }

    fn exchange(&self, step: Box<Step>, reply: StepReply) {
        let sources = Arc::clone(&self.sources.read().unwrap_or_else(PoisonError::into_inner));
        let passwords = sources.passwords(&step.listener).and_then(Option::as_deref);
        let (Some(passwords), true, scram::METHOD) = (passwords, sources.scram, &*step.method) else {
            return reply.send(StepAnswer::Refuse(NO_METHOD));
        };
        let peer = step.peer;
        match self.desk.checker.scram(passwords, *step) {
            Some(answer) => reply.send(answer),
            None => self.desk.checker.refuse(peer, sources.failures_per_minute, move || {
                reply.send(StepAnswer::Refuse(NOT_KNOWN));
            }),
        }
    }
}

impl Desk {
    /// Has the service say who it is, unless it did so lately.
    fn ask_service(self: &Arc<Desk>, sources: Arc<Sources>, request: Box<ConnectRequest>, reply: Reply) {
        let Some(service) = &sources.service else { return };
        if let Some(answer) = service.remembered(&request) {
            return self.take_answer(&sources, request, reply, Some(answer));
        }
        let asker = self.asker.get_or_init(|| {
            let started = Asker::start();
            started.inspect_err(|error| tracing::error!(%error, "no service can be asked")).ok()
        });
        let is_suspect = self.checker.is_suspect(&request, sources.failures_per_minute);
        let Some(place) = asker.as_ref().and_then(|asker| asker.place(is_suspect)) else {
            return reply.send(request, Err(TOO_BUSY));
        };
        let gives_up_at = Instant::now() + sources.connect_timeout;
        let (desk, sources) = (Arc::clone(self), Arc::clone(&sources));
        place.take(async move {
            let Some(service) = sources.service.as_ref().filter(|_| Instant::now() < gives_up_at) else {
                return;
            };
            let answer = service.ask(&request).await;
            desk.take_answer(&sources, request, reply, answer);
        });
    }

    /// Does what the service says. `None`: it said nothing, and that refuses the client.
    fn take_answer(
        &self,
        sources: &Sources,
        request: Box<ConnectRequest>,
        reply: Reply,
        answer: Option<Answer>,
    ) {
        let peer = request.peer;
        match answer {
            Some(Answer::Allow { user, grants, expires_at }) => {
                let name = user.or_else(|| request.user_name.clone());
                let is_over = expires_at.is_some_and(|at| at <= SystemTime::now());
                if is_over || name.as_deref().is_some_and(|name| !is_user_name(name)) {
                    return self.refuse(sources, request, reply);
                }
                let identity = name.map_or(Identity::Anonymous, |name| Identity::User(name.into()));
                let url = sources.service.as_ref().map_or("", Service::url);
                let proof = self.checker.proofs.number(Kind::Service, By::Service(url));
                reply.send(request, Ok(Admission { identity, grants, expires_at, proof }));
            }
            Some(Answer::Deny) => {
                tracing::info!(%peer, user = ?request.user_name, "login refused by the service");
                self.refuse(sources, request, reply);
            }
            Some(Answer::Ignore) => self.check_password(sources, request, reply),
            None => reply.send(request, Err(NO_ANSWER)),
        }
    }

    fn refuse(&self, sources: &Sources, request: Box<ConnectRequest>, reply: Reply) {
        let peer = request.peer;
        self.checker.refuse(peer, sources.failures_per_minute, move || reply.send(request, Err(NOT_KNOWN)));
    }

    /// Goes by the password file, if the listener has one: the last source.
    fn check_password(&self, sources: &Sources, request: Box<ConnectRequest>, reply: Reply) {
        let Some(Some(passwords)) = sources.passwords(&request.listener.name) else {
            let has_source = sources.tokens.is_some() || sources.service.is_some();
            let says_nothing = request.user_name.is_none() && request.password.is_none();
            return match has_source && !says_nothing {
                false => AnonymousOnly.authenticate(request, reply),
                true => self.checker.answer_token(request, reply, None, sources.failures_per_minute),
            };
        };
        let verdict = match (&request.user_name, &request.password) {
            (None, _) if request.listener.allow_anonymous => Some(Ok(Identity::Anonymous.into())),
            (Some(name), Some(password)) => self.checker.remembered(passwords, name, password).map(Ok),
            // Nothing is to be learnt from this: it says nothing about who is known.
            _ => Some(Err(NOT_SAID)),
        };
        if let Some(verdict) = verdict {
            return reply.send(request, verdict);
        }
        // Who guesses does not keep others waiting.
        let is_suspect = self.checker.is_suspect(&request, sources.failures_per_minute);
        let login = Login {
            request,
            reply,
            passwords: Arc::clone(passwords),
            failures_per_minute: sources.failures_per_minute,
            gives_up_at: Instant::now() + sources.connect_timeout,
        };
        if let Err(login) = self.logins.give(login, is_suspect) {
            login.reply.send(login.request, Err(TOO_BUSY));
        }
    }
}

/// What failures are counted by. Those whose address is not known are one source.
fn source_of(peer: Peer) -> IpAddr {
    peer.ip().unwrap_or(Ipv4Addr::UNSPECIFIED.into())
}

impl Checker {
    /// Whether the client's address has failed too often.
    fn is_suspect(&self, request: &ConnectRequest, failures_per_minute: u32) -> bool {
        self.throttle.is_slowed(source_of(request.peer), failures_per_minute, Instant::now())
    }

    /// Who it is, if this password was found right before.
    fn remembered(&self, passwords: &PasswordFile, name: &str, password: &[u8]) -> Option<Admission> {
        let (name, hash) = passwords.user(name)?;
        let proof = self.cache.proof(name, password, hash);
        self.cache.contains(proof).then(|| self.by_password(name, hash))
    }

    fn log_in(&self, login: Login) {
        let Login { request, reply, passwords, failures_per_minute, .. } = login;
        let (name, password) = (request.user_name.as_deref(), request.password.as_deref());
        let admission = self.check(&passwords, name.unwrap_or_default(), password.unwrap_or_default());
        if let Some(admission) = admission {
            return reply.send(request, Ok(admission));
        }
        let peer = request.peer;
        tracing::info!(%peer, user = ?name.unwrap_or_default(), "login refused");
        self.refuse(peer, failures_per_minute, move || reply.send(request, Err(NOT_KNOWN)));
    }

    fn answer_token(
        &self,
        request: Box<ConnectRequest>,
        reply: Reply,
        admission: Option<Admission>,
        failures_per_minute: u32,
    ) {
        if let Some(admission) = admission {
            return reply.send(request, Ok(admission));
        }
        let peer = request.peer;
        tracing::info!(%peer, "login refused: no source knows the client");
        self.refuse(peer, failures_per_minute, move || reply.send(request, Err(NOT_KNOWN)));
    }

    /// Refuses now, or later when this address failed too often.
    fn refuse(&self, peer: Peer, failures_per_minute: u32, refuse: impl FnOnce() + Send + 'static) {
        let now = Instant::now();
        match self.throttle.is_too_often(source_of(peer), failures_per_minute, now) {
            true => self.waiting_room.enter(now + DELAY, refuse),
            false => refuse(),
        }
    }

    /// Answers a step of SCRAM. `None`: the client is not who it says, or does not speak it.
    fn scram(&self, passwords: &PasswordFile, step: Step) -> Option<StepAnswer> {
        let data = step.data.as_deref()?;
        let Some(state) = step.state else {
            let name = scram::named_user(data)?;
            // Who gives a name in CONNECT, too, gives the same.
            if step.user_name.is_some_and(|user_name| *user_name != *name) {
                return None;
            }
            let keys = passwords.scram(&name).map(|(_, keys)| keys.clone());
            let (exchange, answer) =
                scram::Exchange::begin(data, keys.ok_or_else(|| self.cache.secret(&name)))?;
            let state = ExchangeState(Box::new(exchange));
            return Some(StepAnswer::Continue { data: Some(answer.into()), state });
        };
        let exchange = state.0.downcast::<scram::Exchange>().ok()?;
        let Some(proof) = exchange.finish(data) else {
            tracing::info!(peer = %step.peer, user = ?exchange.user, "login refused");
            return None;
        };
        // The user may have been taken out of the file meanwhile.
        let (name, keys) = passwords.scram(&exchange.user)?;
        let admission =
            Admission::new(Identity::User(Arc::clone(name))).proved_by(self.scram_proof(name, keys));
        Some(StepAnswer::Accept { admission, data: Some(proof.into()) })
    }

    /// Hashes the password, of an unknown user, too.
    fn check(&self, passwords: &PasswordFile, name: &str, password: &[u8]) -> Option<Admission> {
        let Some((name, hash)) = passwords.user(name) else {
            let stand_in = passwords.stand_in(self.cache.number(name))?;
            let proof: Proof = self.cache.proof(name, password, stand_in);
            // The same work as for a known user, and never a yes.
            let _ = self.cache.contains(proof) | stand_in.verify(password);
            return None;
        };
        let proof = self.cache.proof(name, password, hash);
        // Another connection of the same user may have been first.
        if !self.cache.contains(proof) {
            if !hash.verify(password) {
                return None;
            }
            self.cache.insert(proof);
        }
        Some(self.by_password(name, hash))
    }

    /// A user of the password file is let in.
    fn by_password(&self, name: &Arc<str>, hash: &PasswordHash) -> Admission {
        Admission::new(Identity::User(Arc::clone(name))).proved_by(self.password_proof(name, hash))
    }

    fn password_proof(&self, name: &str, hash: &PasswordHash) -> u64 {
        self.proofs.number(Kind::Password, By::Secret(name, &hash.to_string()))
    }

    fn scram_proof(&self, name: &str, keys: &ScramKeys) -> u64 {
        self.proofs.number(Kind::Scram, By::Secret(name, &keys.to_string()))
    }

    /// Whether a client could log in again by what it logged in with.
    fn still_holds(&self, sources: &Sources, listener: &str, identity: &Identity, proof: u64) -> bool {
        let Some(passwords) = sources.passwords(listener) else { return false };
        let user = match identity {
            Identity::User(name) => passwords.as_deref().map(|passwords| (passwords, &**name)),
            Identity::Anonymous => None,
        };
        let now = match Kind::of(proof) {
            Some(Kind::Password) => user
                .and_then(|(passwords, name)| passwords.user(name))
                .map(|(name, hash)| self.password_proof(name, hash)),
            Some(Kind::Scram) => user
                .filter(|_| sources.scram)
                .and_then(|(passwords, name)| passwords.scram(name))
                .map(|(name, keys)| self.scram_proof(name, keys)),
            Some(Kind::Token) => sources
                .tokens
                .as_ref()
                .map(|tokens| self.proofs.number(Kind::Token, By::Token(&tokens.fingerprint))),
            Some(Kind::Service) => sources
                .service
                .as_ref()
                .map(|service| self.proofs.number(Kind::Service, By::Service(service.url()))),
            None => None,
        };
        now == Some(proof)
    }
}

/// The user of a token is let in until its end.
fn by_token(named: Named, proof: u64) -> Admission {
    let Named { user, until_s } = named;
    // What is too far away to be a time is as good as never.
    let until = Duration::try_from_secs_f64(until_s).ok();
    let expires_at = until.and_then(|until| UNIX_EPOCH.checked_add(until));
    Admission { identity: Identity::User(user.into()), grants: None, expires_at, proof }
}

fn seconds_since_1970() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::super::password_file::{Credentials, set_password};
    use super::*;

    fn checker() -> Checker {
        let waiting_room = WaitingRoom::open().unwrap();
        Checker {
            cache: Cache::new(),
            proofs: Proofs::default(),
            throttle: Throttle::default(),
            waiting_room,
        }
    }

    fn passwords() -> PasswordFile {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("passwords");
        set_password(&path, "alice", &Credentials::new(b"pw", false), false).unwrap();
        PasswordFile::read(&path).unwrap()
    }

    #[test]
    fn a_right_password_is_remembered_and_a_wrong_one_is_not() {
        let (checker, passwords) = (checker(), passwords());
        assert_eq!(checker.remembered(&passwords, "alice", b"pw"), None);
        assert_eq!(checker.check(&passwords, "alice", b"wrong"), None);
        assert_eq!(checker.remembered(&passwords, "alice", b"wrong"), None);
        let alice = checker.check(&passwords, "alice", b"pw");
        assert_eq!(alice.as_ref().map(|alice| &alice.identity), Some(&Identity::User("alice".into())));
        assert_eq!(checker.remembered(&passwords, "alice", b"pw"), alice);
    }

    #[test]
    fn an_unknown_user_is_not_let_in_by_the_password_of_another() {
        let (checker, passwords) = (checker(), passwords());
        for _ in 0..2 {
            assert_eq!(checker.check(&passwords, "bob", b"pw"), None);
            assert_eq!(checker.check(&passwords, "", b"pw"), None);
        }
    }

    #[test]
    fn a_password_that_was_changed_is_not_remembered() {
        let (checker, old, new) = (checker(), passwords(), passwords());
        checker.check(&old, "alice", b"pw").unwrap();
        assert_eq!(checker.remembered(&new, "alice", b"pw"), None, "another salt is another hash");
    }
}
