//! The rights of the clients of each listener, by the access lists that the configuration names.

use std::path::PathBuf;
use std::sync::Arc;

use hashbrown::HashMap;

use super::acl::Acl;
use super::file::FileError;
use crate::config::Config;
use crate::rights::{Action, Authorize, DefaultRights, Subject};

/// What clients may do, by access lists, or by [`DefaultRights`] where there is none, and for the operator.
#[derive(Debug, Default)]
pub struct AccessLists {
    /// By the name of the listener. There are few.
    by_listener: Vec<(Box<str>, Option<Arc<Acl>>)>,
}

impl AccessLists {
    /// Reads all files that the configuration names.
    ///
    /// # Errors
    ///
    /// The first file that cannot be used.
    pub fn read(config: &Config) -> Result<AccessLists, FileError> {
        let mut files: HashMap<PathBuf, Arc<Acl>> = HashMap::new();
        let mut by_listener = Vec::new();
        for listener in &config.listeners {
            let path = listener.acl_file.as_ref().or(config.auth.acl_file.as_ref());
            let acl = match path.map(|path| (path, files.get(path))) {
                None => None,
                Some((_, Some(acl))) => Some(Arc::clone(acl)),
                Some((path, None)) => {
                    let acl = Arc::new(Acl::read(path)?);
                    files.insert(path.clone(), Arc::clone(&acl));
                    Some(acl)
                }
            };
            by_listener.push((listener.name.as_str().into(), acl));
        }
        Ok(AccessLists { by_listener })
    }
}

impl Authorize for AccessLists {
    fn allows(&self, subject: &Subject<'_>, action: Action, topic: &str) -> bool {
        if subject.identity.is_operator() {
            return DefaultRights.allows(subject, action, topic);
        }
        let allows = |acl: &Option<Arc<Acl>>| match acl {
            Some(acl) => acl.decide(subject, action, topic).is_allowed,
            None => DefaultRights.allows(subject, action, topic),
        };
        match subject.listener {
            // One that was taken out of the configuration grants nothing, though it is open until the next start.
            Some(name) => self.by_listener.iter().any(|(listener, acl)| **listener == *name && allows(acl)),
            // Its session is of the last run, and may have come by any.
            None => !self.by_listener.is_empty() && self.by_listener.iter().all(|(_, acl)| allows(acl)),
        }
    }
}
