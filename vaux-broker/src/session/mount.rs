//! What a listener puts in front of topics.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// What a listener puts in front of the topics of its clients; mostly nothing. Every session has one, so that it takes no
/// more than a pointer.
#[derive(Clone, Default)]
pub struct Mount(Option<Arc<Text>>);

struct Text(Box<str>);

impl Mount {
    /// A topic as clients know it. `None`: it is not one of theirs.
    #[inline]
    pub fn strip<'t>(&self, topic: &'t str) -> Option<&'t str> {
        match &self.0 {
            // To compare nothing with nothing is slow: for an empty text there is no valid address, and a processor
            // that masks its loads has to find that out, at a tenth of what a message costs.
            None => Some(topic),
            Some(text) => topic.strip_prefix(&*text.0),
        }
    }
}

impl Deref for Mount {
    type Target = str;

    fn deref(&self) -> &str {
        self.0.as_ref().map_or("", |text| &text.0)
    }
}

impl From<&str> for Mount {
    fn from(text: &str) -> Mount {
        Mount((!text.is_empty()).then(|| Arc::new(Text(text.into()))))
    }
}

impl PartialEq for Mount {
    fn eq(&self, other: &Mount) -> bool {
        **self == **other
    }
}

impl Eq for Mount {}

impl Hash for Mount {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}
