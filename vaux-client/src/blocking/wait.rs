//! Waiting for a future without a runtime.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

thread_local! {
    static WAKER: Waker = Waker::from(Arc::new(Unpark(thread::current())));
}

/// Waits for `future` on this thread.
pub(super) fn wait<F: Future>(future: F) -> F::Output {
    wait_until(future, None).expect("without a deadline it goes on until there is an output")
}

/// Waits for `future` on this thread, but no longer than until `deadline`.
pub(super) fn wait_until<F: Future>(future: F, deadline: Option<Instant>) -> Option<F::Output> {
    // Should the caller be in a tokio task after all: its budget would never be refilled here.
    let mut future = pin!(tokio::task::coop::unconstrained(future));
    let waker = WAKER.with(Waker::clone);
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
            None => thread::park(),
            Some(left) if left.is_zero() => return None,
            Some(left) => thread::park_timeout(left),
        }
    }
}
