//! Who clients are: by user name and password, by a token, or by SCRAM.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use vaux_mqtt::ReasonCode;

use super::cache::{Cache, Proof};
use super::jwt;
use super::password_file::PasswordFile;
use super::scram;
use super::sources::Sources;
use super::threads::{Threads, WaitingRoom};
use super::throttle::Throttle;
use crate::authenticate::{AnonymousOnly, Authenticate};
use crate::core::{ConnectRequest, ExchangeState, Refusal, Step, StepAnswer};
use crate::peer::Peer;
use crate::session::Identity;
use crate::shard::{Reply, StepReply};

/// Authenticates clients by what the configuration names. What it names can be changed while clients are connected.
#[derive(Debug)]
pub struct Users {
    sources: RwLock<Arc<Sources>>,
    checker: Arc<Checker>,
    logins: Threads<Login>,
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
const TOO_BUSY: Refusal = Refusal::new(ReasonCode::ServerBusy, "too many clients are logging in");

impl Users {
    /// Starts the threads that check passwords.
    ///
    /// # Errors
    ///
    /// The system has no thread to give.
    pub fn start(sources: Sources) -> io::Result<Users> {
        let waiting_room = WaitingRoom::open()?;
        let checker = Arc::new(Checker { cache: Cache::new(), throttle: Throttle::default(), waiting_room });
        let on_threads = Arc::clone(&checker);
        let log_in = move |login: Login| {
            if Instant::now() < login.gives_up_at {
                on_threads.log_in(login);
            }
        };
        let logins = Threads::start("auth-hash", HASHING_THREADS, MAX_LOGINS, log_in)?;
        Ok(Users { sources: RwLock::new(Arc::new(sources)), checker, logins })
    }

    /// Goes by other sources from now on. Clients that are connected stay so.
    pub fn change(&self, sources: Sources) {
        *self.sources.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(sources);
    }
}

impl Authenticate for Users {
    fn authenticate(&self, request: Box<ConnectRequest>, reply: Reply) {
        let sources = Arc::clone(&self.sources.read().unwrap_or_else(PoisonError::into_inner));
        // It was taken out of the configuration, and is open until the next start.
        let Some(passwords) = sources.passwords(&request.listener.name) else {
            return reply.send(request, Err(NO_LISTENER));
        };
        let token = request.password.as_deref().and_then(jwt::is_token);
        if let (Some(tokens), Some(token)) = (&sources.tokens, token) {
            let user = tokens.user(token, seconds_since_1970());
            return self.checker.answer_token(request, reply, user, sources.failures_per_minute);
        }
        let Some(passwords) = passwords else {
            return match (&sources.tokens, &request.user_name, &request.password) {
                (None, ..) | (_, None, None) => AnonymousOnly.authenticate(request, reply),
                _ => self.checker.answer_token(request, reply, None, sources.failures_per_minute),
            };
        };
        let verdict = match (&request.user_name, &request.password) {
            (None, _) if request.listener.allow_anonymous => Some(Ok(Identity::Anonymous)),
            (Some(name), Some(password)) => self.checker.remembered(passwords, name, password).map(Ok),
            // Nothing is to be learnt from this: it says nothing about who is known.
            _ => Some(Err(NOT_SAID)),
        };
        if let Some(verdict) = verdict {
            return reply.send(request, verdict);
        }
        let login = Login {
            request,
            reply,
            passwords: Arc::clone(passwords),
            failures_per_minute: sources.failures_per_minute,
            gives_up_at: Instant::now() + sources.connect_timeout,
        };
        // Who guesses does not keep others waiting.
        let is_suspect = self.checker.throttle.is_slowed(
            source_of(login.request.peer),
            login.failures_per_minute,
            Instant::now(),
        );
        if let Err(login) = self.logins.give(login, is_suspect) {
            login.reply.send(login.request, Err(TOO_BUSY));
        }
    }

    fn exchange(&self, step: Box<Step>, reply: StepReply) {
        let sources = Arc::clone(&self.sources.read().unwrap_or_else(PoisonError::into_inner));
        let passwords = sources.passwords(&step.listener).and_then(Option::as_deref);
        let (Some(passwords), true, scram::METHOD) = (passwords, sources.scram, &*step.method) else {
            return reply.send(StepAnswer::Refuse(NO_METHOD));
        };
        let peer = step.peer;
        match self.checker.scram(passwords, *step) {
            Some(answer) => reply.send(answer),
            None => self.checker.refuse(peer, sources.failures_per_minute, move || {
                reply.send(StepAnswer::Refuse(NOT_KNOWN));
            }),
        }
    }
}

/// What failures are counted by. Those whose address is not known are one source.
fn source_of(peer: Peer) -> IpAddr {
    peer.ip().unwrap_or(Ipv4Addr::UNSPECIFIED.into())
}

impl Checker {
    /// Who it is, if this password was found right before.
    fn remembered(&self, passwords: &PasswordFile, name: &str, password: &[u8]) -> Option<Identity> {
        let (name, hash) = passwords.user(name)?;
        let proof = self.cache.proof(name, password, hash);
        self.cache.contains(proof).then(|| Identity::User(Arc::clone(name)))
    }

    fn log_in(&self, login: Login) {
        let Login { request, reply, passwords, failures_per_minute, .. } = login;
        let (name, password) = (request.user_name.as_deref(), request.password.as_deref());
        let identity = self.check(&passwords, name.unwrap_or_default(), password.unwrap_or_default());
        if let Some(identity) = identity {
            return reply.send(request, Ok(identity));
        }
        let peer = request.peer;
        tracing::info!(%peer, user = ?name.unwrap_or_default(), "login refused");
        self.refuse(peer, failures_per_minute, move || reply.send(request, Err(NOT_KNOWN)));
    }

    fn answer_token(
        &self,
        request: Box<ConnectRequest>,
        reply: Reply,
        user: Option<String>,
        failures_per_minute: u32,
    ) {
        if let Some(user) = user {
            return reply.send(request, Ok(Identity::User(user.into())));
        }
        let peer = request.peer;
        tracing::info!(%peer, "login refused: no good token");
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
        let (name, _) = passwords.scram(&exchange.user)?;
        let identity = Identity::User(Arc::clone(name));
        Some(StepAnswer::Accept { identity, data: Some(proof.into()) })
    }

    /// Hashes the password, of an unknown user, too.
    fn check(&self, passwords: &PasswordFile, name: &str, password: &[u8]) -> Option<Identity> {
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
        Some(Identity::User(Arc::clone(name)))
    }
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
        Checker { cache: Cache::new(), throttle: Throttle::default(), waiting_room }
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
        let alice = Some(Identity::User("alice".into()));
        assert_eq!(checker.check(&passwords, "alice", b"pw"), alice);
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
