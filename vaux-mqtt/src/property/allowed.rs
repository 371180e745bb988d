//! Which properties may stand in a packet.

use super::{PropertyId, PropertySet};
use crate::error::Rule;

/// Which properties a list may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed {
    /// Those that fit the packet.
    set: PropertySet,
    /// Those that may appear more than once, besides user properties.
    repeatable: PropertySet,
    /// One that fits the packet but not its sender, and the rule that says so.
    unfit: Option<(PropertyId, Rule)>,
}

impl Allowed {
    /// Each property of `set` once.
    pub(crate) const fn only(set: PropertySet) -> Self {
        Allowed { set, repeatable: PropertySet::EMPTY, unfit: None }
    }

    /// Lets `id` appear more than once.
    pub(crate) const fn repeating(mut self, id: PropertyId) -> Self {
        self.repeatable.insert(id);
        self
    }

    /// Refuses a property for the sender's sake.
    pub(crate) const fn except(mut self, unfit: Option<(PropertyId, Rule)>) -> Self {
        self.unfit = unfit;
        self
    }

    /// The rule that forbids `id` in a list that holds `seen`, to which it is added.
    pub(super) fn rule_against(&self, id: PropertyId, seen: &mut PropertySet) -> Option<Rule> {
        if !self.set.contains(id) {
            return Some(Rule::PropertyNotAllowed);
        }
        if let Some((_, rule)) = self.unfit.filter(|(unfit, _)| *unfit == id) {
            return Some(rule);
        }
        let may_repeat = id == PropertyId::UserProperty || self.repeatable.contains(id);
        if !seen.insert(id) && !may_repeat { Some(Rule::PropertyRepeated) } else { None }
    }
}
