//! Who may do what: the seam for authorization, and what holds when nothing else is configured.

pub(crate) mod filter;
mod grants;

use std::fmt::Debug;

use crate::identity::Identity;

pub use grants::{Grants, Rule};

/// What a client wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Publish under a topic.
    Publish,
    /// Subscribe with a filter; of a shared one, the part behind the share name.
    Subscribe,
    /// Receive a message of a topic, by a subscription that was allowed.
    Receive,
}

/// Who wants to.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The user.
    pub identity: &'a Identity,
    /// The client identifier.
    pub client_id: &'a str,
    /// The listener that it is, or was last, connected to. `None`: not since the broker started.
    pub listener: Option<&'a str>,
}

/// Decides what clients may do. Asked on the path of every message: it must not block.
///
/// What it answers must not change while it is in force; for other answers, give the broker another one with
/// [`crate::Broker::change_rights`].
pub trait Authorize: Debug + Send + Sync {
    /// Whether a client may do this. `topic` is as the client wrote it, without the listener's mount.
    fn allows(&self, subject: &Subject<'_>, action: Action, topic: &str) -> bool;
}

/// The rights of a client that was let in while no access list is configured: every topic that does not start with
/// `$`, and reading `$SYS/broker/` except what lies below `$SYS/broker/vaux/`. The operator may read that, too, and
/// publish requests to the broker.
#[derive(Clone, Copy, Debug, Default)]
pub struct DefaultRights;

impl Authorize for DefaultRights {
    fn allows(&self, subject: &Subject<'_>, action: Action, topic: &str) -> bool {
        if !topic.starts_with('$') {
            return true;
        }
        match action {
            Action::Publish => subject.identity.is_operator() && topic == "$CONTROL/vaux/v1",
            Action::Subscribe | Action::Receive => {
                let is_open = topic != "$SYS/broker/vaux" && !topic.starts_with("$SYS/broker/vaux/");
                topic.starts_with("$SYS/") && (is_open || subject.identity.is_operator())
            }
        }
    }
}

/// Nothing opens these to somebody without a name.
pub(crate) fn is_never_anonymous(topic: &str) -> bool {
    topic.starts_with('$') && (topic.starts_with("$CONTROL") || topic.starts_with("$SYS/broker/vaux"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(action: Action, topic: &str) -> bool {
        let subject = Subject { identity: &Identity::Anonymous, client_id: "c", listener: None };
        DefaultRights.allows(&subject, action, topic)
    }

    #[test]
    fn plain_topics_are_free() {
        assert!(allows(Action::Publish, "a/$b"));
        assert!(allows(Action::Subscribe, "#"));
        assert!(allows(Action::Receive, "a/$b"));
    }

    /// Shows: U5-46
    #[test]
    fn dollar_topics_can_be_read_below_sys_only() {
        assert!(allows(Action::Subscribe, "$SYS/#"));
        assert!(allows(Action::Subscribe, "$SYS/broker/uptime"));
        assert!(allows(Action::Receive, "$SYS/broker/uptime"));
        assert!(!allows(Action::Subscribe, "$SYS/broker/vaux/sessions/#"));
        assert!(!allows(Action::Receive, "$SYS/broker/vaux/metrics"));
        assert!(!allows(Action::Subscribe, "$CONTROL/vaux/v1"));
        assert!(!allows(Action::Publish, "$SYS/broker/uptime"));
    }
}
