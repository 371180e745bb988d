//! Keys come from a thread of their own, as waiting for them blocks.

use std::thread::JoinHandle;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event};
use tokio::sync::mpsc;

/// Keys, the mouse and pasted text.
#[derive(Debug)]
pub(super) struct Keys {
    events: mpsc::Receiver<Event>,
    thread: JoinHandle<()>,
}

/// How long the thread waits before it looks whether keys are still wanted, and `stop` for the thread.
const TURN: Duration = Duration::from_millis(50);

impl Keys {
    /// Reads the terminal from now on.
    pub(super) fn read() -> Keys {
        let (sender, events) = mpsc::channel(64);
        Keys { events, thread: std::thread::spawn(move || read_keys(&sender)) }
    }

    /// The next one, `None` when the terminal is gone.
    pub(super) async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// Leaves the terminal alone from now on: what is typed then is for whoever has it next. Not to be called when the
    /// terminal may be gone, in which the thread would look for keys for ever.
    pub(super) fn stop(mut self) {
        self.events.close();
        // Had it panicked, it would read no more either.
        let _ = self.thread.join();
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
