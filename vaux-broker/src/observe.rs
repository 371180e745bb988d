//! Being told what happens: the seam for programs that embed the broker and want to know of its clients.
//!
//! Workers put what happened into a queue at the end of a turn; a thread of its own takes it from there to the observer.
//! However long that takes, no worker waits: when the queue is full, events are counted instead.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Instant, SystemTime};
use std::{io, thread};

use vaux_mqtt::ReasonCode;

use crate::peer::Peer;

/// Is told what happens to clients. Nothing of it costs anything while there is no observer.
pub trait Observe: Debug + Send + Sync {
    /// Takes an event. Called on a thread that does nothing else, for one event after the other: those of one client come
    /// in their order.
    fn observe(&self, event: &Event);

    /// Whether each message that is taken from a client is an event. Asked once, when the broker starts.
    fn wants_publishes(&self) -> bool {
        false
    }
}

/// Something that happened, and what is known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: SystemTime,
    /// What.
    pub kind: EventKind,
    /// The client that it happened to.
    pub client_id: Option<Arc<str>>,
    /// Its user, if it is not anonymous.
    pub user: Option<Arc<str>>,
    /// Where it came from.
    pub address: Option<Peer>,
    /// The topic of the message, or the filter of the subscription.
    pub topic: Option<Box<str>>,
    /// Why, as a word for programs.
    pub cause: Option<&'static str>,
    /// Why, as a sentence for people.
    pub text: Option<&'static str>,
    /// What the client was told, or told.
    pub reason: Option<ReasonCode>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// A client connected.
    Connect,
    /// A client connected whose session had another connection, which was closed.
    Takeover,
    /// A connection ended.
    Disconnect,
    /// A connection or a subscription was refused.
    Refused,
    /// A client subscribed.
    Subscribe,
    /// A client unsubscribed.
    Unsubscribe,
    /// A message of a client was taken ([`Observe::wants_publishes`]).
    Publish,
    /// A message did not get to a client, or went nowhere.
    Drop,
    /// A session ended because its client did not come back in time.
    Expiry,
    /// A client publishes too fast, and is read more slowly.
    Pace,
    /// So many events were not told, because the observer was too slow.
    Missed(u64),
}

impl Event {
    /// Something of which nothing else is known.
    pub(crate) fn new(at: SystemTime, kind: EventKind) -> Event {
        Event {
            at,
            kind,
            client_id: None,
            user: None,
            address: None,
            topic: None,
            cause: None,
            text: None,
            reason: None,
        }
    }
}

/// The queue in front of an observer, and the thread behind it.
#[derive(Debug)]
pub(crate) struct Observer(Arc<Queue>);

/// Where workers put events.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Event>,
    missed: u64,
    /// No more events come.
    is_over: bool,
    /// The thread has ended.
    is_done: bool,
}

/// More events than this do not wait.
const MAX_EVENTS: usize = 1 << 16;

impl Observer {
    pub(crate) fn start(observe: Arc<dyn Observe>) -> io::Result<Observer> {
        let queue = Arc::new(Queue::default());
        let served = Arc::clone(&queue);
        thread::Builder::new().name("observer".into()).spawn(move || served.serve(&*observe))?;
        Ok(Observer(queue))
    }

    pub(crate) fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.0)
    }

    /// Waits until all that was put into the queue is told, or the deadline has come.
    pub(crate) fn finish(&self, deadline: Instant) {
        self.0.end();
        let waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let left = deadline.saturating_duration_since(Instant::now());
        drop(self.0.changed.wait_timeout_while(waiting, left, |waiting| !waiting.is_done));
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Queue {
    /// Puts events behind all others. Those that find no room are counted.
    pub(crate) fn give(&self, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MAX_EVENTS.saturating_sub(waiting.events.len()).min(events.len());
        waiting.missed += (events.len() - room) as u64;
        waiting.events.extend(events.into_iter().take(room));
        self.changed.notify_all();
    }

    fn end(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_over = true;
        self.changed.notify_all();
    }

    fn serve(&self, observe: &dyn Observe) {
        while let Some(events) = self.take() {
            for event in &events {
                // The panic hook has printed what happened. It is the observer's bug, and the broker goes on.
                let _ = catch_unwind(AssertUnwindSafe(|| observe.observe(event)));
            }
        }
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_done = true;
        self.changed.notify_all();
    }

    /// Waits for events. `None` when there will be no more.
    fn take(&self) -> Option<VecDeque<Event>> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_idle = |waiting: &mut Waiting| waiting.events.is_empty() && !waiting.is_over;
        let mut waiting = self.changed.wait_while(waiting, is_idle).unwrap_or_else(PoisonError::into_inner);
        let mut events = std::mem::take(&mut waiting.events);
        let missed = std::mem::take(&mut waiting.missed);
        if missed > 0 {
            events.push_back(Event::new(SystemTime::now(), EventKind::Missed(missed)));
        }
        (!events.is_empty()).then_some(events)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    use super::*;

    /// Tells each event and waits until it may go on.
    #[derive(Debug)]
    struct Slow {
        told: Mutex<Sender<EventKind>>,
        gate: Mutex<Receiver<()>>,
    }

    impl Observe for Slow {
        fn observe(&self, event: &Event) {
            self.told.lock().unwrap().send(event.kind).unwrap();
            let _ = self.gate.lock().unwrap().recv();
            assert_ne!(event.kind, EventKind::Pace, "an observer with a bug");
        }
    }

    fn events(kind: EventKind, count: usize) -> Vec<Event> {
        vec![Event::new(SystemTime::now(), kind); count]
    }

    #[test]
    fn an_observer_that_is_too_slow_is_told_how_much_it_missed_and_nobody_waits_for_it() {
        let ((told, kinds), (open, gate)) = (channel(), channel());
        let slow = Slow { told: Mutex::new(told), gate: Mutex::new(gate) };
        let observer = Observer::start(Arc::new(slow)).unwrap();
        let queue = observer.queue();
        queue.give(events(EventKind::Connect, 1));
        assert_eq!(kinds.recv(), Ok(EventKind::Connect));
        queue.give(events(EventKind::Drop, MAX_EVENTS - 1));
        queue.give(events(EventKind::Pace, 3));
        queue.give(events(EventKind::Drop, 5));
        observer.finish(Instant::now());
        // From now on it is as fast as can be.
        drop(open);
        let rest: Vec<_> = kinds.iter().take(MAX_EVENTS + 1).collect();
        assert_eq!(rest[MAX_EVENTS - 2..], [EventKind::Drop, EventKind::Pace, EventKind::Missed(7)]);
        observer.finish(Instant::now() + Duration::from_secs(60));
        assert!(queue.waiting.lock().unwrap().is_done, "what is in the queue is told before the end");
    }
}
