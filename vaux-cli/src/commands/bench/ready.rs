//! Which connections have something to do: the wakers of all of them end in one list.
//!
//! A task for each client would cost more than the broker's own work for a message. So all connections belong to one
//! task, which looks only at those whose waker was called.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Wake, Waker};

/// The list.
#[derive(Debug, Default)]
pub(super) struct Ready {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    rung: Vec<usize>,
    waiter: Option<Waker>,
}

/// Puts one connection on the list, once until it is taken off.
#[derive(Debug)]
pub(super) struct Bell {
    client: usize,
    is_rung: AtomicBool,
    shared: Arc<Shared>,
}

impl Ready {
    /// A bell for the connection of a client.
    pub(super) fn bell(&self, client: usize) -> Arc<Bell> {
        Arc::new(Bell { client, is_rung: AtomicBool::new(false), shared: Arc::clone(&self.shared) })
    }

    /// Waits until somebody is on the list.
    pub(super) async fn wait(&self) {
        std::future::poll_fn(|context| {
            let mut list = self.shared.list();
            if list.rung.is_empty() {
                list.waiter = Some(context.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Takes everybody off the list, who must then be looked at. `taken` is empty, and its memory is used again.
    pub(super) fn take(&self, taken: &mut Vec<usize>) {
        std::mem::swap(&mut self.shared.list().rung, taken);
    }
}

impl Shared {
    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().expect("nobody panics while holding the list")
    }
}

impl Bell {
    /// From now on ringing counts again. To be called before looking at the connection.
    pub(super) fn reset(&self) {
        self.is_rung.store(false, Ordering::Release);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_rung.swap(true, Ordering::AcqRel) {
            return;
        }
        let waiter = {
            let mut list = self.shared.list();
            list.rung.push(self.client);
            list.waiter.take()
        };
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_rings_twice_is_on_the_list_once_until_looked_at() {
        let ready = Ready::default();
        let bells = [ready.bell(0), ready.bell(7)];
        let mut taken = Vec::new();
        bells[1].wake_by_ref();
        bells[1].wake_by_ref();
        bells[0].wake_by_ref();
        ready.take(&mut taken);
        assert_eq!(taken, [7, 0]);
        taken.clear();
        bells[1].reset();
        bells[1].wake_by_ref();
        bells[0].wake_by_ref();
        ready.take(&mut taken);
        assert_eq!(taken, [7]);
    }
}
