//! The queue between the protocol task and whoever reads a stream of messages.
//!
//! A channel of which both ends work in batches: the task puts in what one read of the network brought and wakes the
//! reader once, the reader takes out all there is at once. For small messages that costs a fraction of a channel that
//! hands over one by one.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::task::coop::poll_proceed;

use crate::message::Message;

/// A queue for at most `capacity` messages.
pub(crate) fn stream(capacity: usize) -> (StreamSender, StreamReceiver) {
    let shared = Arc::new(Shared { capacity, state: Mutex::default() });
    (StreamSender(Arc::new(SenderHandle(shared.clone()))), StreamReceiver { shared, batch: VecDeque::new() })
}

struct Shared {
    /// How many messages there may be that the application does not have.
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Message>,
    /// How many messages the reader took out and did not give to the application yet. They count for the capacity.
    in_batch: usize,
    /// The reader wants no more.
    is_closed: bool,
    /// There will be no more.
    has_ended: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Shared {
    fn has_room(&self, state: &State) -> bool {
        state.queue.len() + state.in_batch < self.capacity
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shared {
    /// Without the messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

/// There may be room again, or no use for any.
fn wake_writer(mut state: MutexGuard<'_, State>) {
    let writer = state.writer.take();
    drop(state);
    if let Some(writer) = writer {
        writer.wake();
    }
}

/// The end of the protocol task. The stream ends when all clones are gone.
#[derive(Clone, Debug)]
pub(crate) struct StreamSender(Arc<SenderHandle>);

#[derive(Debug)]
struct SenderHandle(Arc<Shared>);

/// Why a stream did not take a message, which is given back.
#[derive(Debug)]
pub(crate) enum NotTaken {
    /// There is no room.
    Full(Message),
    /// The reader wants no more.
    Closed(Message),
}

impl StreamSender {
    /// Puts a message in. The reader does not notice before [`StreamSender::wake`].
    pub(crate) fn push(&self, message: Message) -> Result<(), NotTaken> {
        let shared = &self.0.0;
        let mut state = shared.lock();
        if state.is_closed {
            return Err(NotTaken::Closed(message));
        }
        if !shared.has_room(&state) {
            return Err(NotTaken::Full(message));
        }
        state.queue.push_back(message);
        Ok(())
    }

    /// Wakes the reader, if it waits.
    pub(crate) fn wake(&self) {
        let reader = self.0.0.lock().reader.take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Whether the reader wants no more.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.0.lock().is_closed
    }

    /// Waits until there is room, or the reader wants no more. Cancelling loses nothing.
    pub(crate) async fn room(&self) {
        poll_fn(|context| {
            let shared = &self.0.0;
            let mut state = shared.lock();
            if state.is_closed || shared.has_room(&state) {
                return Poll::Ready(());
            }
            state.writer = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Drop for SenderHandle {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.has_ended = true;
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}

/// The end of the application.
#[derive(Debug)]
pub(crate) struct StreamReceiver {
    shared: Arc<Shared>,
    /// What was taken out and is next.
    batch: VecDeque<Message>,
}

impl StreamReceiver {
    pub(crate) async fn next(&mut self) -> Option<Message> {
        poll_fn(|context| self.poll_next(context)).await
    }

    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Message>> {
        // A reader that always finds something still lets other tasks run.
        let budget = ready!(poll_proceed(context));
        if let Some(message) = self.try_next() {
            budget.made_progress();
            return Poll::Ready(Some(message));
        }
        let mut state = self.shared.lock();
        // Something may have come just now.
        if state.queue.is_empty() {
            if state.has_ended || state.is_closed {
                return Poll::Ready(None);
            }
            state.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        drop(state);
        budget.made_progress();
        Poll::Ready(self.try_next())
    }

    /// A message that is there already.
    pub(crate) fn try_next(&mut self) -> Option<Message> {
        if self.batch.len() > 1 {
            return self.batch.pop_front();
        }
        let mut state = self.shared.lock();
        let message = match self.batch.pop_front() {
            Some(message) => message,
            None => {
                let message = state.queue.pop_front()?;
                std::mem::swap(&mut state.queue, &mut self.batch);
                message
            }
        };
        state.in_batch = self.batch.len();
        wake_writer(state);
        Some(message)
    }

    /// Takes no more messages. Those that are there already still come.
    pub(crate) fn close(&mut self) {
        let mut state = self.shared.lock();
        state.is_closed = true;
        wake_writer(state);
    }
}

impl Drop for StreamReceiver {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.is_closed = true;
        let unread = std::mem::take(&mut state.queue);
        wake_writer(state);
        drop(unread);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(payload: &'static str) -> Message {
        Message::new("a", payload)
    }

    fn poll(receiver: &mut StreamReceiver) -> Poll<Option<Message>> {
        receiver.poll_next(&mut Context::from_waker(Waker::noop()))
    }

    /// Whether there is room, by the future that waits for it.
    fn has_room(sender: &StreamSender) -> bool {
        let mut room = std::pin::pin!(sender.room());
        room.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn no_more_than_the_capacity_is_ever_there() {
        let (sender, mut receiver) = stream(2);
        sender.push(message("1")).unwrap();
        sender.push(message("2")).unwrap();
        assert!(matches!(sender.push(message("3")), Err(NotTaken::Full(full)) if full == message("3")));
        assert_eq!(receiver.try_next(), Some(message("1")));
        // The second was taken out too, but the application does not have it.
        sender.push(message("3")).unwrap();
        assert!(!has_room(&sender));
        assert_eq!(receiver.try_next(), Some(message("2")));
        assert!(has_room(&sender));
        assert_eq!(receiver.try_next(), Some(message("3")));
        assert_eq!(receiver.try_next(), None);
    }

    #[test]
    fn what_was_put_in_still_comes_after_the_end() {
        let (sender, mut receiver) = stream(2);
        assert_eq!(poll(&mut receiver), Poll::Pending);
        sender.push(message("1")).unwrap();
        drop(sender.clone());
        sender.push(message("2")).unwrap();
        drop(sender);
        assert_eq!(poll(&mut receiver), Poll::Ready(Some(message("1"))));
        assert_eq!(poll(&mut receiver), Poll::Ready(Some(message("2"))));
        assert_eq!(poll(&mut receiver), Poll::Ready(None));
    }

    #[test]
    fn a_closed_stream_takes_nothing_and_ends_when_it_is_empty() {
        let (sender, mut receiver) = stream(1);
        sender.push(message("1")).unwrap();
        receiver.close();
        assert!(sender.is_closed() && has_room(&sender));
        assert!(matches!(sender.push(message("2")), Err(NotTaken::Closed(_))));
        assert_eq!(poll(&mut receiver), Poll::Ready(Some(message("1"))));
        assert_eq!(poll(&mut receiver), Poll::Ready(None));
        drop(receiver);
        assert!(sender.is_closed());
    }
}
