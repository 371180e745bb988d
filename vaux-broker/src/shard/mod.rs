//! A worker: one thread with its poll, its connections and its core.
//!
//! A turn takes in mail, deadlines, and what sockets have; core makes of it what it makes. At the end of the turn, in
//! this order: the submission goes to the store, parcels go to other workers, and each dirty connection is written
//! once.

mod accept;
mod asked;
mod commits;
mod gate;
mod io;
mod link;
mod links;
mod mailbox;
mod refusal_log;
mod review;

use std::ops::Range;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use vaux_mqtt::ReasonCode;

use crate::authenticate::Authenticate;
use crate::clock::Clock;
use crate::core::{
    ConnectRequest, ConnectionId, Core, Counters, Effect, Measures, Refusal, Settings, Shared, WorkerId,
};
use crate::measure;
use crate::observe;
use crate::store::{Store, StoredSession};
use crate::time::Time;
use crate::tls;

pub(crate) use accept::{ListenerSocket, ShardListener};
pub(crate) use commits::CommitTimes;
pub(crate) use gate::Gate;
pub(crate) use link::Places;
pub(crate) use mailbox::{ListenerTerms, Mail, Mailbox};
pub use mailbox::{Reply, StepReply};

use asked::Asked;
use commits::Commits;
use link::{Link, Stage};
use links::Links;
use mailbox::Handover;
use refusal_log::RefusalLog;

/// A worker.
pub(crate) struct Shard {
    worker: WorkerId,
    core: Core,
    poll: Poll,
    clock: Clock,
    listeners: Vec<ShardListener>,
    /// By the slot of the connection in core.
    links: Links,
    mailboxes: Arc<[Arc<Mailbox>]>,
    authenticate: Arc<dyn Authenticate>,
    store: Box<dyn Store>,
    commits: Commits,
    /// Where sockets are read into.
    buffer: Box<[u8]>,
    /// Connections that may have more to read.
    readable: Vec<u32>,
    /// Listeners that may have more to accept.
    accepting: Vec<usize>,
    /// Listeners at which accepting failed, to be tried again soon.
    failed_accepts: Vec<usize>,
    /// Listeners whose failure was told, and that have accepted nothing since.
    failing: Vec<usize>,
    dirty: Vec<u32>,
    mail: Vec<Mail>,
    /// Connections whose session lives here, until what was on the sockets before them is read.
    arriving: Vec<Handover>,
    /// The slots of those whose certificates are still to be held against what counts since the last reload.
    unreviewed: Range<u32>,
    asked: Asked,
    refusal_log: RefusalLog,
    restored: Vec<StoredSession>,
    all_restored: Arc<Barrier>,
    /// Where it is told what happens, if somebody wants to know.
    observer: Option<Arc<observe::Queue>>,
    is_draining: bool,
    is_stopped: bool,
}

/// What a worker is made of. Core itself is made on the worker's thread, which it never leaves.
pub(crate) struct ShardParts {
    pub(crate) worker: WorkerId,
    pub(crate) shared: Arc<Shared>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) poll: Poll,
    pub(crate) clock: Clock,
    pub(crate) listeners: Vec<ShardListener>,
    pub(crate) mailboxes: Arc<[Arc<Mailbox>]>,
    pub(crate) authenticate: Arc<dyn Authenticate>,
    pub(crate) store: Box<dyn Store>,
    /// Where all workers measure how long the store takes.
    pub(crate) commit_times: CommitTimes,
    /// Sessions of the last run that live here.
    pub(crate) restored: Vec<StoredSession>,
    /// Where workers wait until all have theirs.
    pub(crate) all_restored: Arc<Barrier>,
    /// Where it is told what happens, if somebody wants to know.
    pub(crate) observer: Option<Arc<observe::Queue>>,
    /// Whether he wants to know of each message.
    pub(crate) wants_publishes: bool,
}

/// The token of the waker; listeners and connections follow.
pub(crate) const WAKER: Token = Token(0);

/// How much is read at once. Of small packets that is a thousand, and others wait meanwhile.
const READ_BYTES: usize = 64 << 10;

/// How much of large packets is read at once: fewer of them are then cut in two, and fewer calls of the system are needed.
const READ_LARGE_BYTES: usize = 256 << 10;

/// How long a worker sleeps at most while publishers wait for a lane that others drain.
const LANE_CHECK: Duration = Duration::from_millis(1);

/// How long a worker sleeps at most while connections wait that could not be accepted.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

impl Shard {
    pub(crate) fn new(parts: ShardParts) -> Shard {
        let ShardParts { worker, shared, settings, poll, clock, commit_times, .. } = parts;
        let ShardParts { listeners, mailboxes, authenticate, store, restored, all_restored, .. } = parts;
        let ShardParts { observer, wants_publishes, .. } = parts;
        let mut core = Core::new(worker, shared, settings, store.recorder());
        if observer.is_some() {
            core.observe(wants_publishes);
        }
        Shard {
            worker,
            core,
            poll,
            clock,
            listeners,
            links: Links::default(),
            mailboxes,
            authenticate,
            store,
            commits: Commits::new(commit_times),
            buffer: vec![0; READ_LARGE_BYTES].into_boxed_slice(),
            readable: Vec::new(),
            accepting: Vec::new(),
            failed_accepts: Vec::new(),
            failing: Vec::new(),
            dirty: Vec::new(),
            mail: Vec::new(),
            arriving: Vec::new(),
            unreviewed: 0..0,
            asked: Asked::default(),
            refusal_log: RefusalLog::default(),
            restored,
            all_restored,
            observer,
            is_draining: false,
            is_stopped: false,
        }
    }

    /// Works until the broker stops, and says what happened.
    pub(crate) fn run(mut self) -> std::io::Result<Counters> {
        let mut events = Events::with_capacity(1024);
        self.restore();
        self.register_listeners()?;
        while !self.is_stopped {
            self.sleep(&mut events)?;
            let turn = Instant::now();
            let sent_before = self.core.counters().messages_sent;
            let now = self.clock.now();
            let arriving = std::mem::take(&mut self.arriving);
            self.take_mail(now);
            let passed = self.clock.passed();
            if self.core.poll_timeout().is_some_and(|at| at <= passed) {
                self.core.handle_timeout(passed);
                self.run_effects(passed);
            }
            self.core.release_paused(now);
            self.run_effects(now);
            for event in events.iter() {
                self.handle_event(event);
            }
            for handover in arriving {
                self.adopt(self.clock.now(), handover);
            }
            self.read_queued();
            self.review_certificates(self.clock.now());
            self.end_turn(self.clock.now());
            self.core.count_turn(turn.elapsed().as_micros() as u64, sent_before);
            if self.is_draining && self.core.connection_count() == 0 {
                break;
            }
        }
        Ok(*self.core.counters())
    }

    /// Takes in the sessions of the last run, and does what became due since, before anybody connects.
    fn restore(&mut self) {
        let now = self.clock.now();
        for session in std::mem::take(&mut self.restored) {
            self.core.restore(now, session);
        }
        if self.worker == WorkerId(0) {
            self.core.watch_retained(now);
        }
        self.all_restored.wait();
        if self.worker == WorkerId(0) {
            self.core.begin_surveys(now);
        }
        self.core.handle_timeout(now);
        self.run_effects(now);
        self.end_turn(now);
        // The others may still have wills to publish: a client here would miss those that are retained.
        self.all_restored.wait();
    }

    fn sleep(&mut self, events: &mut Events) -> std::io::Result<()> {
        let mailbox = &self.mailboxes[usize::from(self.worker.0)];
        let is_busy = !self.readable.is_empty() || !self.accepting.is_empty() || !self.arriving.is_empty();
        let has_work = is_busy || !self.unreviewed.is_empty() || self.core.has_output();
        let timeout = if has_work || !mailbox.prepare_sleep() {
            Some(Duration::ZERO)
        } else {
            let until = self.core.poll_timeout().map(|at| self.clock.until(at));
            let lane_check = self.core.has_paused().then_some(LANE_CHECK);
            let accept_retry = (!self.failed_accepts.is_empty()).then_some(ACCEPT_RETRY);
            until.into_iter().chain(lane_check).chain(accept_retry).min()
        };
        let result = self.poll.poll(events, timeout);
        mailbox.end_sleep();
        self.accepting.append(&mut self.failed_accepts);
        match result {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Ok(()),
            result => result,
        }
    }

    fn take_mail(&mut self, now: Time) {
        let mut mail = std::mem::take(&mut self.mail);
        self.mailboxes[usize::from(self.worker.0)].take(&mut mail);
        for letter in mail.drain(..) {
            self.handle_mail(now, letter);
            self.run_effects(now);
        }
        self.mail = mail;
    }

    fn handle_mail(&mut self, now: Time, mail: Mail) {
        match mail {
            Mail::Parcel(from, parcel) => self.core.handle_parcel(now, from, parcel),
            // In the next turn: a client that came back at once must not lose what it sent on its last connection, and
            // what had arrived there before this letter is among the next events.
            Mail::Handover(handover) => self.arriving.push(*handover),
            Mail::Verdict(connection, request, verdict) => {
                self.core.handle_verdict(now, connection, request, verdict);
                self.review(now, self.core.slot_of(connection));
            }
            Mail::StepAnswer(connection, answer) => {
                self.core.handle_step_answer(now, connection, answer);
                self.review(now, self.core.slot_of(connection));
            }
            Mail::Redirect(reason, server_reference) => {
                self.core.handle_redirect(now, reason, &server_reference);
            }
            Mail::Review => self.review_all(now),
            Mail::Rights(rights) => self.core.handle_rights(rights),
            Mail::Settings(settings) => self.core.handle_settings(now, settings),
            Mail::Listener(index, terms) => {
                if let Some(listener) = self.listeners.get_mut(index) {
                    let ListenerTerms { settings, tls, web_socket, proxies, max_connections_per_ip } = *terms;
                    listener.max_connections_per_ip = max_connections_per_ip;
                    (listener.settings, listener.tls) = (settings, tls);
                    (listener.web_socket, listener.proxies) = (web_socket, proxies);
                }
            }
            Mail::ListenerGone(index, settings) => {
                if let Some(listener) = self.listeners.get_mut(index) {
                    listener.settings = settings;
                }
            }
            Mail::Request(request, to) => {
                let token = self.asked.insert_request(to);
                self.core.handle_request(now, token, &request);
            }
            Mail::Totals(to) => {
                let token = self.asked.insert_totals(to);
                self.core.handle_totals_request(token);
            }
            Mail::Event(name, text) => self.core.handle_event(now, name, &text),
            // The end of the turn looks at how far the store has come.
            Mail::Stored => {
                for page in self.store.take_pages() {
                    self.core.handle_page(now, page);
                }
            }
            Mail::Shutdown => {
                self.is_draining = true;
                self.listeners.clear();
                self.core.handle_shutdown(now);
            }
            Mail::Stop => self.is_stopped = true,
        }
    }

    /// Takes in a connection whose session lives here.
    fn adopt(&mut self, now: Time, handover: Handover) {
        let Handover { link, request, admission } = handover;
        if self.is_draining {
            return;
        }
        let slot = self.core.handle_adoption(now, *request, admission);
        self.insert_link(now, slot, link);
        self.review(now, Some(slot));
        self.queue_read(slot);
    }

    fn end_turn(&mut self, now: Time) {
        self.core.publish_events(now);
        self.submit(now);
        for worker in 0..self.mailboxes.len() {
            if let Some(parcel) = self.core.take_parcel(WorkerId(worker as u16)) {
                self.mailboxes[worker].post(Mail::Parcel(self.worker, parcel));
            }
        }
        // Before the clients know it themselves: what one does then is told behind it, wherever that happens.
        self.tell_observer();
        self.flush_dirty(now);
        self.tell_observer();
    }

    fn tell_observer(&mut self) {
        if let Some(observer) = &self.observer {
            observer.give(self.core.take_observed());
        }
    }

    fn submit(&mut self, now: Time) {
        self.submit_records();
        self.core.handle_store_state(now, self.store.state());
        self.core.handle_store_backlog(self.store.backlog_bytes());
        self.run_effects(now);
        let durable = self.store.durable();
        self.commits.durable(durable);
        if self.core.is_waiting_for(durable) {
            self.core.handle_durable(now, durable);
            self.run_effects(now);
        }
        self.request_pages();
    }

    fn submit_records(&mut self) {
        if let Some(submission) = self.core.take_submission() {
            self.commits.submitted(submission.sequence);
            self.store.submit(submission);
        }
    }

    /// Asks the store for parts of queues: behind what was recorded of the messages in them.
    fn request_pages(&mut self) {
        if !self.core.has_page_requests() {
            return;
        }
        self.submit_records();
        for request in self.core.take_page_requests() {
            self.store.request_page(request);
        }
    }

    /// Does what core wants done. Called after every input, so that slots mean what they meant to core.
    fn run_effects(&mut self, now: Time) {
        while let Some(effect) = self.core.poll_effect() {
            match effect {
                Effect::Authenticate { connection, request } => {
                    self.authenticate(now, connection, request);
                }
                Effect::Exchange { connection, step } => {
                    let mailbox = Arc::clone(&self.mailboxes[usize::from(self.worker.0)]);
                    self.authenticate.exchange(step, StepReply { connection, mailbox });
                }
                Effect::Handover { slot, home, request, admission } => {
                    if let Some(mut link) = self.take_link(slot) {
                        // It is registered anew at its home. Failing to forget it here costs an idle event.
                        let _ = self.poll.registry().deregister(link.transport.source());
                        let handover = Handover { link, request, admission };
                        self.mailboxes[usize::from(home.0)].post(Mail::Handover(Box::new(handover)));
                    }
                }
                Effect::Resume(slot) => self.queue_read(slot),
                Effect::Close(slot) => {
                    if let Some(link) = self.link_mut(slot) {
                        link.stage = Stage::Closing;
                    }
                }
                Effect::Abort(slot) => self.drop_link(now, slot),
                Effect::Measure(purpose) => {
                    let (resident_bytes, peak_resident_bytes) = measure::resident_bytes();
                    let (store_state, commit) = (self.store.state(), self.commits.times());
                    let measures = Measures { resident_bytes, peak_resident_bytes, store_state, commit };
                    self.core.handle_measures(now, purpose, measures);
                }
                Effect::Pressure(pressure) => tracing::warn!("{}", pressure.text()),
                Effect::Refused { peer, text } => self.refusal_log.write(now, peer, text),
                Effect::Answer { token, answer } => self.asked.answer(token, answer),
                Effect::Totals { token, totals } => self.asked.give(token, *totals),
            }
        }
    }

    fn authenticate(&mut self, now: Time, connection: ConnectionId, mut request: Box<ConnectRequest>) {
        let Some(link) = self.link_mut(connection.slot) else { return };
        let certificate = link.transport.peer_certificates().and_then(<[_]>::first);
        request.certificate_common_name = certificate.and_then(tls::certificate_common_name);
        let user = certificate.map_or(Ok(None), |der| tls::user_name(der, request.listener.username_from));
        match user {
            Ok(user) => request.certificate_user = user,
            Err(text) => {
                let refusal = Refusal::new(ReasonCode::NotAuthorized, text);
                return self.core.handle_verdict(now, connection, request, Err(refusal));
            }
        }
        let mailbox = Arc::clone(&self.mailboxes[usize::from(self.worker.0)]);
        self.authenticate.authenticate(request, Reply { connection, mailbox });
    }

    fn link_mut(&mut self, slot: u32) -> Option<&mut Link> {
        self.links.get_mut(slot)
    }

    fn take_link(&mut self, slot: u32) -> Option<Link> {
        self.links.take(slot)
    }

    /// Closes the socket at once and tells core.
    fn drop_link(&mut self, now: Time, slot: u32) {
        // Dropping the link closes its socket, which takes it off the poll.
        if self.take_link(slot).is_some() {
            self.core.handle_closed(now, slot);
            self.run_effects(now);
        }
    }
}
