//! The thread that questions are asked on, so many at one time.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::thread;

use tokio::runtime;
use tokio::sync::{Semaphore, mpsc};

use super::connection::MAX_IDLE;
use crate::config::HttpAuthConfig;

/// Asks in the background. The thread ends when this is dropped and all that was begun is done.
pub(in crate::auth) struct Asker {
    first: mpsc::Sender<Work>,
    /// Those that have to wait until nobody else does.
    last: mpsc::Sender<Work>,
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A place in the queue.
pub(in crate::auth) struct Place<'a>(mpsc::Permit<'a, Work>);

/// Questions at one time: connections that the service has to bear.
const MAX_ASKED: usize = 64;

/// Questions that wait, from addresses that failed too often and from others.
const MAX_WAITING: usize = 16_384;

impl Asker {
    pub(in crate::auth) fn start() -> io::Result<Asker> {
        let (first, firsts) = mpsc::channel(MAX_WAITING);
        let (last, lasts) = mpsc::channel(MAX_WAITING);
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        thread::Builder::new().name("auth-http".into()).spawn(move || {
            runtime.block_on(work(firsts, lasts));
            // The system may still be looking for a name that nobody waits for.
            runtime.shutdown_background();
        })?;
        Ok(Asker { first, last })
    }

    /// A place before or after all of the other lane. `None`: there is no room.
    pub(in crate::auth) fn place(&self, is_last: bool) -> Option<Place<'_>> {
        let lane = if is_last { &self.last } else { &self.first };
        lane.try_reserve().ok().map(Place)
    }
}

/// Descriptors that asking needs at most: a connection for each question, those that are kept, and what the thread waits
/// with.
pub(crate) fn http_descriptors(config: &HttpAuthConfig) -> usize {
    if config.url.is_some() { MAX_ASKED + MAX_IDLE + 4 } else { 0 }
}

impl Place<'_> {
    /// Has this done when its turn comes.
    pub(in crate::auth) fn take(self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.send(Box::pin(work));
    }
}

async fn work(mut firsts: mpsc::Receiver<Work>, mut lasts: mpsc::Receiver<Work>) {
    let room = Arc::new(Semaphore::new(MAX_ASKED));
    loop {
        let place = Arc::clone(&room).acquire_owned().await;
        let next = tokio::select! {
            biased;
            Some(next) = firsts.recv() => next,
            Some(next) = lasts.recv() => next,
            else => break,
        };
        tokio::spawn(async move {
            next.await;
            drop(place);
        });
    }
    // What was begun is done before the thread ends.
    let _ = room.acquire_many(MAX_ASKED as u32).await;
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What waits may hold passwords.
        f.write_str("Asker")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn who_is_last_waits_for_all_others_and_no_more_are_asked_at_one_time_than_allowed() {
        let asker = Asker::start().unwrap();
        let gate = Arc::new(Semaphore::new(0));
        let (done, order) = channel();
        let give = |number: usize, is_last| {
            let (gate, done) = (Arc::clone(&gate), done.clone());
            asker.place(is_last).unwrap().take(async move {
                done.send(number).unwrap();
                let _ = gate.acquire().await;
            });
        };
        (0..MAX_ASKED).for_each(|number| give(number, false));
        let begun: Vec<usize> = order.iter().take(MAX_ASKED).collect();
        assert_eq!(begun, (0..MAX_ASKED).collect::<Vec<_>>());
        give(1000, true);
        give(2000, false);
        assert!(order.try_recv().is_err(), "one more than allowed was begun");
        gate.add_permits(1);
        assert_eq!(order.iter().take(2).collect::<Vec<_>>(), [2000, 1000]);
    }
}
