//! `--step`: a message for each time that Enter is pressed.

use std::io::{self, BufRead, Read};

use tokio::sync::mpsc;

use crate::output::talk::Talk;
use vaux_client::Message;

/// What the person at the keyboard wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// The next message.
    Next,
    /// No more.
    End,
}

/// The keyboard, read by a thread of its own since reading blocks.
#[derive(Debug)]
pub(super) struct Keyboard(mpsc::Receiver<Wish>);

/// Nobody writes a longer word here.
const MAX_WORD_BYTES: u64 = 1024;

impl Keyboard {
    pub(super) fn listen() -> Keyboard {
        let (sender, receiver) = mpsc::channel(1);
        std::thread::spawn(move || {
            let mut stdin = io::stdin().lock();
            let mut word = String::new();
            loop {
                word.clear();
                let read = (&mut stdin).take(MAX_WORD_BYTES).read_line(&mut word);
                let wish = match read {
                    Ok(1..) if !word.trim().eq_ignore_ascii_case("q") => Wish::Next,
                    _ => Wish::End,
                };
                // Nobody waits for more when the receiver is gone.
                if sender.blocking_send(wish).is_err() || wish == Wish::End {
                    return;
                }
            }
        });
        Keyboard(receiver)
    }

    /// Shows the message and waits for a key.
    pub(super) async fn ask(&mut self, message: &Message, talk: Talk) -> Wish {
        let retain = if message.retain { ", retain" } else { "" };
        let (topic, qos, len) = (&message.topic, message.qos.bits(), message.payload.len());
        talk.note(format_args!("{topic} (QoS {qos}{retain}, {len} bytes): Enter publishes it, q ends"));
        self.0.recv().await.unwrap_or(Wish::End)
    }
}
