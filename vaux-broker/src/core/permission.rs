//! What clients may do now. Asked for every message: what a topic matched and who of them may have it is remembered
//! together, until rights or subscriptions change.

use std::sync::Arc;

use super::Core;
use crate::rights::{Action, Authorize, Grants, Subject};
use crate::session::{Session, SessionSlot, SessionTable};

impl Core {
    /// Other rights, for connected clients, too, and for what waits for them.
    pub fn handle_rights(&mut self, rights: Arc<dyn Authorize>) {
        self.rights = rights;
        self.cache.clear();
    }

    /// Whether the owner of a session may do this now. `topic` is as the client knows it, without the mount.
    pub(super) fn may(&self, session: SessionSlot, action: Action, topic: &str) -> bool {
        let state = &self.sessions[session];
        allows(&*self.rights, state.grants.as_ref(), &subject(state), action, topic)
    }

    /// Whether a message of this topic, with the mount in front, may go to a session now.
    pub(super) fn may_receive(&self, session: SessionSlot, topic: &str) -> bool {
        may_receive(&self.sessions, &*self.rights, session, topic)
    }
}

/// The same, for whoever has borrowed another part of core.
pub(super) fn may_receive(
    sessions: &SessionTable,
    rights: &dyn Authorize,
    session: SessionSlot,
    topic: &str,
) -> bool {
    let Some(state) = sessions.get(session) else { return false };
    // What begins with `$` has no mount.
    let topic = state.key.mount.strip(topic).unwrap_or(topic);
    allows(rights, state.grants.as_ref(), &subject(state), Action::Receive, topic)
}

/// Whether somebody may do something: by what he was granted himself, if that was said, else by the rights of all.
pub(super) fn allows(
    rights: &dyn Authorize,
    grants: Option<&Grants>,
    subject: &Subject<'_>,
    action: Action,
    topic: &str,
) -> bool {
    match grants {
        Some(grants) => grants.allows(subject.identity, action, topic),
        None => rights.allows(subject, action, topic),
    }
}

fn subject(session: &Session) -> Subject<'_> {
    Subject {
        identity: &session.identity,
        client_id: &session.key.client_id,
        listener: session.listener.as_ref().map(|listener| &*listener.name),
    }
}
