//! Retained messages: setting them, and replaying them to new subscriptions.

use std::sync::Arc;

use vaux_mqtt::topic::TopicFilter;

use super::Core;
use super::deliver::Publication;
use super::observe::VAUX;
use super::permission::allows;
use super::pump::{Replay, ReplaySource};
use crate::retained::{Kept, NoRoom, Position, Source};
use crate::rights::{Action, Subject};
use crate::session::{Identifiers, SessionSlot, SessionSubscription};
use crate::store::{Record, Sequence};

impl Core {
    /// Sets or removes the retained message of the publication's topic, before it is matched: a subscriber then sees
    /// it retained, live, or both, never neither.
    ///
    /// # Errors
    ///
    /// There is no room for it.
    pub(super) fn retain(
        &mut self,
        publication: &mut Publication<'_>,
        source: Option<&Source>,
    ) -> Result<Sequence, NoRoom> {
        let message = publication.share(&mut self.numbers);
        let expires_at = message.expires_at;
        let limits = &self.settings.limits;
        let (max_messages, max_bytes) = (limits.max_retained_messages, limits.max_retained_bytes);
        self.shared.retained.set(message, source, max_messages, max_bytes)?;
        self.watch_retained(expires_at);
        let topic = publication.content.topic;
        Ok(self.recorder.record(|| Record::Retained { topic: topic.into() }))
    }

    /// Who publishes, to be asked about later.
    pub(super) fn source_of(&self, session: SessionSlot) -> Source {
        let state = &self.sessions[session];
        Source {
            key: state.key.clone(),
            identity: state.identity.clone(),
            listener: state.listener.as_ref().map(|listener| Arc::clone(&listener.name)),
            grants: state.grants.clone(),
        }
    }

    /// Whether who published a retained message may still publish there. What the broker or its operator published need
    /// not be asked about, nor does anything if the configuration says so.
    pub(super) fn is_source_allowed(&self, kept: &Kept) -> bool {
        let Some(source) = kept.source.as_deref().filter(|_| self.settings.mqtt.check_retain_source) else {
            return true;
        };
        let Source { key, identity, listener, grants } = source;
        let topic = kept.message.content().topic;
        let topic = topic.strip_prefix(&*key.mount).unwrap_or(topic);
        let subject = Subject { identity, client_id: &key.client_id, listener: listener.as_deref() };
        allows(&*self.rights, grants.as_ref(), &subject, Action::Publish, topic)
    }

    /// Begins to send the retained messages that a subscription matches.
    pub(super) fn begin_replay(&mut self, slot: u32, subscription: &SessionSubscription) {
        if TopicFilter::new(&subscription.filter).is_err() {
            return;
        }
        let tells_sessions = self.tells_sessions();
        let mut begin = |source| {
            self.connections[slot as usize].extras_mut().replays.push_back(Replay {
                filter: subscription.filter.clone(),
                source,
                qos: subscription.options.qos,
                identifiers: Identifiers::new(
                    (subscription.identifier != 0).then_some(subscription.identifier).into_iter(),
                ),
            });
        };
        begin(ReplaySource::Retained(Position::default()));
        if may_match_sessions(&subscription.filter) && tells_sessions {
            begin(ReplaySource::Sessions { worker: 0, index: 0, is_awaited: false });
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
