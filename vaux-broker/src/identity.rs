//! Who a client is.

use std::sync::Arc;

/// Who a client is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// It did not say, and did not have to.
    Anonymous,
    /// A user who was authenticated.
    User(Arc<str>),
}

/// The user who may do everything: he can read what only the owner of the data directory can.
pub const OPERATOR: &str = "$operator";

impl Identity {
    /// Whether this is the operator.
    pub fn is_operator(&self) -> bool {
        matches!(self, Identity::User(name) if **name == *OPERATOR)
    }
}
