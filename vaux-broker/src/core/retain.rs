//! Retained messages: setting them, and replaying them to new subscriptions.

use vaux_mqtt::topic::TopicFilter;

use super::Core;
use super::deliver::Publication;
use super::pump::Replay;
use super::timeout::Timer;
use crate::retained::{NoRoom, Position};
use crate::session::{Identifiers, SessionSubscription};
use crate::store::{Record, Sequence};
use crate::time::Time;

impl Core {
    /// Sets or removes the retained message of the publication's topic, before it is matched: a subscriber then sees
    /// it retained, live, or both, never neither.
    ///
    /// # Errors
    ///
    /// There is no room for it.
    pub(super) fn retain(&mut self, publication: &mut Publication<'_>) -> Result<Sequence, NoRoom> {
        let message = publication.share(&self.shared);
        let expires_at = message.expires_at;
        let limits = &self.settings.limits;
        self.shared.retained.set(message, limits.max_retained_messages, limits.max_retained_bytes)?;
        if expires_at != Time::NEVER {
            self.set_timer(expires_at, Timer::Retained);
        }
        let topic = publication.content.topic;
        Ok(self.recorder.record(|| Record::Retained { topic: topic.into() }))
    }

    /// Begins to send the retained messages that a subscription matches.
    pub(super) fn begin_replay(&mut self, slot: u32, subscription: &SessionSubscription) {
        if TopicFilter::new(&subscription.filter).is_err() {
            return;
        }
        self.connections[slot as usize].replays.push_back(Replay {
            filter: subscription.filter.clone(),
            position: Position::default(),
            qos: subscription.options.qos,
            identifiers: Identifiers::new(
                (subscription.identifier != 0).then_some(subscription.identifier).into_iter(),
            ),
        });
    }
}
