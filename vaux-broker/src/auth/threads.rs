//! Work off the workers' threads: a few threads with a list of what waits for them, and one where refusals wait.

use std::io;
use std::sync::mpsc::TrySendError::{Disconnected, Full};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

/// Starts threads that do one piece of work after another. They end with the last sender. What does not fit into the
/// list is given back by it.
pub(super) fn start<T: Send + 'static>(
    name: &str,
    threads: usize,
    max_waiting: usize,
    work: impl Fn(T) + Clone + Send + 'static,
) -> io::Result<SyncSender<T>> {
    let (sender, pieces) = sync_channel(max_waiting);
    let pieces = Arc::new(Mutex::new(pieces));
    for number in 0..threads {
        let (pieces, work) = (Arc::clone(&pieces), work.clone());
        thread::Builder::new().name(format!("{name}-{number}")).spawn(move || run(&pieces, work))?;
    }
    Ok(sender)
}

fn run<T>(pieces: &Mutex<Receiver<T>>, work: impl Fn(T)) {
    loop {
        // The lock is held while waiting, and free while working.
        let piece = pieces.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match piece {
            Ok(piece) => work(piece),
            Err(_) => return,
        }
    }
}

/// Where refusals wait.
#[derive(Clone, Debug)]
pub(super) struct WaitingRoom(SyncSender<(Instant, Refuse)>);

type Refuse = Box<dyn FnOnce() + Send>;

const MAX_WAITING: usize = 16_384;

impl WaitingRoom {
    pub(super) fn open() -> io::Result<WaitingRoom> {
        let wait = |(at, refuse): (Instant, Refuse)| {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            refuse();
        };
        start("auth-wait", 1, MAX_WAITING, wait).map(WaitingRoom)
    }

    /// Refuses later. `at` must not be much before that of earlier calls. At once, if too many wait already.
    pub(super) fn enter(&self, at: Instant, refuse: impl FnOnce() + Send + 'static) {
        if let Err(Full((_, refuse)) | Disconnected((_, refuse))) = self.0.try_send((at, Box::new(refuse))) {
            refuse();
        }
    }
}
