//! Keys come from a thread of their own, as waiting for them blocks. Once nobody wants keys any more it leaves the terminal
//! alone: what is typed then is for whoever has the terminal next.

use std::thread::JoinHandle;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event};
use tokio::sync::mpsc;

/// Keys, the mouse and pasted text, until it is dropped.
#[derive(Debug)]
pub(super) struct Keys {
    events: mpsc::Receiver<Event>,
    thread: Option<JoinHandle<()>>,
}

/// How long the thread waits before it looks whether keys are still wanted, and the end of the dashboard for the thread.
const TURN: Duration = Duration::from_millis(50);

impl Keys {
    /// Reads the terminal from now on.
    pub(super) fn read() -> Keys {
        let (sender, events) = mpsc::channel(64);
        Keys { events, thread: Some(std::thread::spawn(move || read_keys(&sender))) }
    }

    /// The next one, `None` when the terminal is gone.
    pub(super) async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.events.close();
        if let Some(thread) = self.thread.take() {
            // Had it panicked, it would read no more either.
            let _ = thread.join();
        }
    }
}

fn read_keys(sender: &mpsc::Sender<Event>) {
    while !sender.is_closed() {
        let event = match event::poll(TURN) {
            Ok(true) => event::read(),
            Ok(false) => continue,
            Err(_) => return,
        };
        let Ok(event) = event else { return };
        if sender.blocking_send(event).is_err() {
            return;
        }
    }
}
