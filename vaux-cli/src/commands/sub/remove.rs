//! `--remove-retained`: an empty retained message for each retained message that arrived.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use vaux_client::{Message, QoS};

use crate::connection::Link;
use crate::output::talk::Talk;

/// Removes retained messages in a task of its own: whoever reads messages must not wait for acknowledgements, which
/// come behind those messages.
#[derive(Debug)]
pub(super) struct Remover {
    topics: mpsc::UnboundedSender<Arc<str>>,
    task: JoinHandle<()>,
}

impl Remover {
    pub(super) fn start(link: Link, talk: Talk) -> Remover {
        // The server decides how many retained messages there are; this keeps their topics only.
        let (topics, mut to_remove) = mpsc::unbounded_channel::<Arc<str>>();
        let task = tokio::spawn(async move {
            let mut tickets = Vec::new();
            while let Some(topic) = to_remove.recv().await {
                let message = Message::new(topic.clone(), "").qos(QoS::AtLeastOnce).retain(true);
                match link.start_publish(message).await {
                    Ok(ticket) => tickets.push((topic, ticket)),
                    Err(error) => return talk.warning(format_args!("not removed: {error}")),
                }
            }
            for (topic, ticket) in tickets {
                match ticket.await {
                    Ok(_) => talk.debug(format_args!("removed {topic}")),
                    Err(error) => talk.warning(format_args!("{topic} was not removed: {error}")),
                }
            }
        });
        Remover { topics, task }
    }

    /// Has the retained message of this one's topic removed.
    pub(super) fn remove(&self, message: &Message) {
        // Fails only when the client has ended, which the task has told.
        let _ = self.topics.send(message.topic.clone());
    }

    /// Waits until the server has acknowledged all removals.
    pub(super) async fn finish(self) {
        drop(self.topics);
        // The task does not panic, and nobody cancels it.
        let _ = self.task.await;
    }
}
