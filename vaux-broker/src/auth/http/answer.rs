//! What the service answers, in the form that EMQX understands, too.
//!
//! What is not understood is no answer: a word that restricts must not be lost.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use crate::rights::{Grants, Rule};

/// What the service says of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::auth) enum Answer {
    /// Let it in.
    Allow {
        /// Who it is, if not whom it says.
        user: Option<Box<str>>,
        /// What it may do, instead of what the configuration grants.
        grants: Option<Grants>,
        /// When it is to be asked about again.
        expires_at: Option<SystemTime>,
    },
    /// Refuse it.
    Deny,
    /// Ask somebody else.
    Ignore,
}

#[derive(Deserialize)]
struct Said {
    result: Verdict,
    username: Option<Box<str>>,
    /// Seconds since 1970.
    expire_at: Option<f64>,
    acl: Option<Vec<SaidRule>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Allow,
    Deny,
    Ignore,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SaidRule {
    permission: Permission,
    #[serde(default)]
    action: SaidAction,
    topic: Box<str>,
}

#[derive(PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Permission {
    Allow,
    Deny,
}

#[derive(Default, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SaidAction {
    Publish,
    Subscribe,
    #[default]
    All,
}

/// Reads the body of an answer. The error says what is wrong.
pub(super) fn read(body: &[u8]) -> Result<Answer, String> {
    let said: Said = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    match said.result {
        Verdict::Deny => return Ok(Answer::Deny),
        Verdict::Ignore => return Ok(Answer::Ignore),
        Verdict::Allow => {}
    }
    if said.username.as_deref().is_some_and(|name| !is_user_name(name)) {
        return Err("username is empty, begins with $ or has control characters".into());
    }
    let expires_at = said.expire_at.map(|seconds| {
        let since_epoch = Duration::try_from_secs_f64(seconds).map_err(|_| "expire_at is no time")?;
        UNIX_EPOCH.checked_add(since_epoch).ok_or("expire_at is no time")
    });
    let grants = said.acl.map(|rules| Grants::new(rules.into_iter().map(SaidRule::into_rule).collect()));
    let grants = grants.transpose().map_err(|problem| format!("acl: {problem}"))?;
    Ok(Answer::Allow { user: said.username, grants, expires_at: expires_at.transpose()? })
}

/// Whether somebody may be called so. Names that begin with `$` are the broker's own.
pub(in crate::auth) fn is_user_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('$') && !name.contains(char::is_control)
}

impl SaidRule {
    fn into_rule(self) -> Rule {
        Rule {
            topic: self.topic,
            publish: self.action != SaidAction::Subscribe,
            subscribe: self.action != SaidAction::Publish,
            is_denial: self.permission == Permission::Deny,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rights::Action;
    use crate::session::Identity;

    #[test]
    fn an_answer_says_who_it_is_until_when_and_what_it_may_do() {
        let body = br#"{"result":"allow","username":"u","expire_at":1764148442.5,"is_superuser":true,"acl":[
            {"permission":"allow","action":"publish","topic":"up"},{"permission":"allow","topic":"both/#"},
            {"permission":"deny","action":"subscribe","topic":"both/secret"}]}"#;
        let Ok(Answer::Allow { user, grants: Some(grants), expires_at }) = read(body) else { panic!() };
        assert_eq!(user.as_deref(), Some("u"));
        assert_eq!(expires_at, Some(UNIX_EPOCH + Duration::from_millis(1_764_148_442_500)));
        let allows = |action, topic: &str| grants.allows(&Identity::User("u".into()), action, topic);
        assert!(allows(Action::Publish, "up") && !allows(Action::Receive, "up"));
        assert!(allows(Action::Publish, "both/secret") && !allows(Action::Receive, "both/secret"));
        assert!(!allows(Action::Publish, "else"), "not even for who is called a superuser");
        let bare = Answer::Allow { user: None, grants: None, expires_at: None };
        assert_eq!(read(br#"{"result":"allow"}"#), Ok(bare));
        assert_eq!(read(br#"{"result":"deny","acl":[]}"#), Ok(Answer::Deny));
        assert_eq!(read(br#"{"result":"ignore"}"#), Ok(Answer::Ignore));
    }

    #[test]
    fn what_is_not_understood_is_no_answer() {
        for body in [
            "",
            "allow",
            "{}",
            r#"{"result":true}"#,
            r#"{"result":"Allow"}"#,
            r#"{"result":"allow"} {}"#,
            r#"{"result":"allow","username":"$operator"}"#,
            r#"{"result":"allow","username":""}"#,
            r#"{"result":"allow","username":7}"#,
            r#"{"result":"allow","expire_at":"tomorrow"}"#,
            r#"{"result":"allow","expire_at":-1}"#,
            r#"{"result":"allow","expire_at":1e300}"#,
            r#"{"result":"allow","acl":{}}"#,
            r#"{"result":"allow","acl":[{"topic":"a"}]}"#,
            r#"{"result":"allow","acl":[{"permission":"allow","topic":"a/#/b"}]}"#,
            r#"{"result":"allow","acl":[{"permission":"allow","action":"read","topic":"a"}]}"#,
            r#"{"result":"allow","acl":[{"permission":"allow","topic":"a","qos":[0]}]}"#,
        ] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
    }
}
