//! Work off the workers' threads: a few threads with what waits for them in two lanes, and one where refusals wait.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::mpsc::TrySendError::{Disconnected, Full};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

/// Threads that do one piece of work after another. They end when this is dropped.
pub(super) struct Threads<T>(Arc<Lanes<T>>);

struct Lanes<T> {
    waiting: Mutex<Waiting<T>>,
    changed: Condvar,
    max_waiting: usize,
}

struct Waiting<T> {
    first: VecDeque<T>,
    /// Those that have to wait until nobody else does.
    last: VecDeque<T>,
    is_over: bool,
}

impl<T: Send + 'static> Threads<T> {
    /// Starts threads. In each lane there is room for `max_waiting` pieces.
    pub(super) fn start(
        name: &str,
        threads: usize,
        max_waiting: usize,
        work: impl Fn(T) + Clone + Send + 'static,
    ) -> io::Result<Threads<T>> {
        let waiting = Waiting { first: VecDeque::new(), last: VecDeque::new(), is_over: false };
        let lanes = Arc::new(Lanes { waiting: Mutex::new(waiting), changed: Condvar::new(), max_waiting });
        let started = Threads(Arc::clone(&lanes));
        for number in 0..threads {
            let (lanes, work) = (Arc::clone(&lanes), work.clone());
            let run = move || {
                while let Some(piece) = lanes.next() {
                    work(piece);
                }
            };
            thread::Builder::new().name(format!("{name}-{number}")).spawn(run)?;
        }
        Ok(started)
    }

    /// Has a piece of work done, before or after all of the other lane. It comes back when there is no room.
    pub(super) fn give(&self, piece: T, is_last: bool) -> Result<(), T> {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = if is_last { &mut waiting.last } else { &mut waiting.first };
        if lane.len() >= self.0.max_waiting {
            return Err(piece);
        }
        lane.push_back(piece);
        self.0.changed.notify_one();
        Ok(())
    }
}

impl<T> Lanes<T> {
    /// Waits for the next piece. `None` when there will be no more.
    fn next(&self) -> Option<T> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if waiting.is_over {
                return None;
            }
            if let Some(piece) = waiting.first.pop_front() {
                return Some(piece);
            }
            if let Some(piece) = waiting.last.pop_front() {
                return Some(piece);
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<T> fmt::Debug for Threads<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What waits may hold passwords.
        f.write_str("Threads")
    }
}

impl<T> Drop for Threads<T> {
    fn drop(&mut self) {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_over = true;
        self.0.changed.notify_all();
    }
}

/// Where refusals wait.
#[derive(Clone, Debug)]
pub(super) struct WaitingRoom(SyncSender<(Instant, Refuse)>);

type Refuse = Box<dyn FnOnce() + Send>;

const MAX_WAITING: usize = 16_384;

impl WaitingRoom {
    pub(super) fn open() -> io::Result<WaitingRoom> {
        let (sender, refusals) = sync_channel::<(Instant, Refuse)>(MAX_WAITING);
        let wait = move || {
            for (at, refuse) in refusals {
                thread::sleep(at.saturating_duration_since(Instant::now()));
                refuse();
            }
        };
        thread::Builder::new().name("auth-wait".into()).spawn(wait)?;
        Ok(WaitingRoom(sender))
    }

    /// Refuses later. `at` must not be much before that of earlier calls. At once, if too many wait already.
    pub(super) fn enter(&self, at: Instant, refuse: impl FnOnce() + Send + 'static) {
        if let Err(Full((_, refuse)) | Disconnected((_, refuse))) = self.0.try_send((at, Box::new(refuse))) {
            refuse();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn who_is_last_waits_for_all_others_and_what_has_no_room_comes_back() {
        let (done, pieces) = channel();
        let (open, gate) = channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let threads = Threads::start("test", 1, 2, move |piece: u32| {
            if piece == 0 {
                gate.lock().unwrap().recv().unwrap();
            }
            done.send(piece).unwrap();
        });
        let threads = threads.unwrap();
        threads.give(0, false).unwrap();
        for (piece, is_last) in [(10, true), (11, true), (1, false)] {
            threads.give(piece, is_last).unwrap();
        }
        assert_eq!(threads.give(12, true), Err(12));
        open.send(()).unwrap();
        let order: Vec<u32> = pieces.iter().take(4).collect();
        assert_eq!(order, [0, 1, 10, 11]);
    }
}
