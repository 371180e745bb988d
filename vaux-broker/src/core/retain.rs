//! Retained messages: setting them, and replaying them to new subscriptions.

use vaux_mqtt::topic::TopicFilter;

use super::Core;
use super::deliver::Publication;
use super::observe::VAUX;
use super::pump::{Replay, Source};
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
        let tells_sessions = self.tells_sessions();
        let mut begin = |source| {
            self.connections[slot as usize].replays.push_back(Replay {
                filter: subscription.filter.clone(),
                source,
                qos: subscription.options.qos,
                identifiers: Identifiers::new(
                    (subscription.identifier != 0).then_some(subscription.identifier).into_iter(),
                ),
            });
        };
        begin(Source::Retained(Position::default()));
        if may_match_sessions(&subscription.filter) && tells_sessions {
            begin(Source::Sessions { worker: 0, index: 0, is_awaited: false });
        }
    }
}

/// Whether a filter may match the topic of a session's report.
fn may_match_sessions(filter: &str) -> bool {
    let topic = format!("{VAUX}sessions/+");
    let mut wanted = vaux_mqtt::topic::levels(filter);
    for level in vaux_mqtt::topic::levels(&topic) {
        match wanted.next() {
            Some("#") => return true,
            Some("+") => {}
            Some(_) if level == "+" => {}
            Some(other) if other == level => {}
            _ => return false,
        }
    }
    matches!(wanted.next(), None | Some("#"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_that_match_reports_of_sessions() {
        let filters = [
            "$SYS/#",
            "$SYS/broker/vaux/#",
            "$SYS/+/vaux/sessions/+",
            "$SYS/broker/vaux/sessions/a",
            "$SYS/broker/vaux/sessions/a/#",
        ];
        assert!(filters.into_iter().all(may_match_sessions));
        let others =
            ["#", "+/broker/#", "$SYS/broker/vaux/sessions", "$SYS/broker/vaux/+", "$SYS/broker/uptime"];
        assert!(others[2..].iter().all(|filter| !may_match_sessions(filter)));
    }
}
