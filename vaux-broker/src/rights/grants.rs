//! What one client may do, said by whoever let it in: it takes the place of what the configuration grants.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::filter::{Names, RuleFilter, check_rule_filter};
use super::{Action, is_never_anonymous};
use crate::identity::Identity;

/// What one client may do. What no rule grants is denied, and a rule that denies counts before all that grant.
///
/// The rules are tried one after the other: there should be few.
#[derive(Clone, Debug)]
pub struct Grants(Arc<Rules>);

#[derive(Debug)]
struct Rules {
    rules: Vec<Rule>,
    filters: Vec<RuleFilter>,
}

/// A rule of [`Grants`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The topics that it is about, as a filter. Only one that begins with `$` is about topics that do.
    pub topic: Box<str>,
    /// Whether it is about publishing.
    pub publish: bool,
    /// Whether it is about subscribing, and what comes by that.
    pub subscribe: bool,
    /// Whether it denies.
    pub is_denial: bool,
}

/// So many rules a client may have.
const MAX_RULES: usize = 256;

impl Grants {
    /// Grants what these rules say. Without any rule, nothing.
    ///
    /// # Errors
    ///
    /// A rule has no valid filter, or there are more than 256 of them. The text says what is wrong.
    pub fn new(rules: Vec<Rule>) -> Result<Grants, String> {
        if rules.len() > MAX_RULES {
            return Err(format!("there are more than {MAX_RULES} rules"));
        }
        let filter =
            |rule: &Rule| check_rule_filter(&rule.topic).map(|()| RuleFilter::new(&rule.topic, false));
        let filters = rules.iter().map(filter).collect::<Result<_, _>>()?;
        Ok(Grants(Arc::new(Rules { rules, filters })))
    }

    /// Whether a client may do this. `topic` is the filter when it is about subscribing: one is allowed that something
    /// could come by which is granted; what then comes is decided for each message.
    pub fn allows(&self, identity: &Identity, action: Action, topic: &str) -> bool {
        if *identity == Identity::Anonymous && is_never_anonymous(topic) {
            return false;
        }
        // Nothing stands in.
        let names = Names { user: None, client_id: "" };
        let is_subscribing = action == Action::Subscribe;
        let any = |is_denial, matches: fn(&RuleFilter, &str, Names<'_>) -> bool| {
            let Rules { rules, filters } = &*self.0;
            rules.iter().zip(filters).any(|(rule, filter)| {
                let is_about_it = if action == Action::Publish { rule.publish } else { rule.subscribe };
                rule.is_denial == is_denial && is_about_it && matches(filter, topic, names)
            })
        };
        let (denies, grants): (fn(&RuleFilter, &str, Names<'_>) -> bool, _) = match is_subscribing {
            true => (RuleFilter::covers, RuleFilter::overlaps as fn(&RuleFilter, &str, Names<'_>) -> bool),
            false => (RuleFilter::matches, RuleFilter::matches as _),
        };
        !any(true, denies) && any(false, grants)
    }

    /// What they take, roughly.
    pub(crate) fn size_bytes(&self) -> usize {
        let rules = self.0.rules.iter().map(|rule| size_of::<(Rule, RuleFilter)>() + 2 * rule.topic.len());
        rules.sum()
    }

    /// As they are stored.
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(&self.0.rules).expect("texts and truth values have a form in JSON")
    }

    /// Reads what was stored.
    pub(crate) fn from_text(text: &str) -> Option<Grants> {
        Grants::new(serde_json::from_str(text).ok()?).ok()
    }
}

impl PartialEq for Grants {
    fn eq(&self, other: &Grants) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.rules == other.0.rules
    }
}

impl Eq for Grants {}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(topic: &str, publish: bool, subscribe: bool, is_denial: bool) -> Rule {
        Rule { topic: topic.into(), publish, subscribe, is_denial }
    }

    #[test]
    fn a_denial_counts_before_all_that_grants_and_what_nothing_grants_is_denied() {
        let grants = Grants::new(vec![
            rule("a/#", true, true, false),
            rule("a/secret", false, true, true),
            rule("up", true, false, false),
            rule("$SYS/#", false, true, false),
            rule("$CONTROL/#", true, false, false),
        ]);
        let grants = grants.unwrap();
        let user = Identity::User("u".into());
        for (identity, action, topic, is_allowed) in [
            (&user, Action::Publish, "a/b", true),
            (&user, Action::Publish, "a/secret", true),
            (&user, Action::Receive, "a/secret", false),
            (&user, Action::Subscribe, "a/secret", false),
            (&user, Action::Subscribe, "a/+", true),
            (&user, Action::Subscribe, "#", true),
            (&user, Action::Receive, "up", false),
            (&user, Action::Publish, "b", false),
            (&user, Action::Receive, "$SYS/broker/vaux/events", true),
            (&Identity::Anonymous, Action::Receive, "$SYS/broker/vaux/events", false),
            (&Identity::Anonymous, Action::Receive, "$SYS/broker/uptime", true),
            (&Identity::Anonymous, Action::Publish, "$CONTROL/vaux/v1", false),
        ] {
            assert_eq!(grants.allows(identity, action, topic), is_allowed, "{identity:?} {action:?} {topic}");
        }
        let everything = Grants::new(vec![rule("#", true, true, false)]).unwrap();
        assert!(!everything.allows(&user, Action::Publish, "$CONTROL/vaux/v1"));
        assert!(!Grants::new(Vec::new()).unwrap().allows(&user, Action::Publish, "a"));
    }

    #[test]
    fn they_read_back_and_what_is_no_filter_is_refused() {
        let grants = Grants::new(vec![rule("a \"b\"/+", true, false, false)]).unwrap();
        assert_eq!(Grants::from_text(&grants.to_text()), Some(grants));
        for wrong in ["a/#/b", "", "$share/g/a"] {
            assert!(Grants::new(vec![rule(wrong, true, false, false)]).is_err(), "{wrong}");
        }
        assert_eq!(Grants::from_text("{"), None);
        assert!(Grants::new(vec![rule("a", true, false, false); 257]).is_err());
    }
}
