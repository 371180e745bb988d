//! `--map FROM=TO`: other topics for messages.

use std::str::FromStr;

use vaux_mqtt::topic::{TopicFilter, TopicName};

/// Topics that match a filter, and what they become.
///
/// Each wildcard of TO stands for what the wildcard of FROM at its place matched. Without wildcards both are
/// beginnings of topics, in whole levels: `plant=test/plant` is `plant/#=test/plant/#`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    from: String,
    to: String,
}

impl FromStr for Mapping {
    type Err = String;

    fn from_str(text: &str) -> Result<Mapping, String> {
        let (from, to) = text.split_once('=').ok_or("it is FROM=TO")?;
        let has_wildcard = |filter: &str| filter.contains(['+', '#']);
        let (from, to) = if has_wildcard(from) || has_wildcard(to) {
            (from.to_owned(), to.to_owned())
        } else {
            (format!("{from}/#"), format!("{to}/#"))
        };
        for (filter, written) in [(&from, text), (&to, text)] {
            // Of nothing, the wildcard that was put behind it makes a filter all the same.
            if filter == "/#" && !written.contains('#') {
                return Err("both FROM and TO need a topic; for all topics FROM is #".to_owned());
            }
            TopicFilter::new(filter).map_err(|(rule, _)| format!("{filter:?}: {}", rule.text()))?;
        }
        let count = |filter: &str, wildcard| filter.split('/').filter(|level| *level == wildcard).count();
        if count(&to, "+") > count(&from, "+") || count(&to, "#") > count(&from, "#") {
            return Err("TO has more wildcards than FROM".to_owned());
        }
        Ok(Mapping { from, to })
    }
}

impl Mapping {
    /// What becomes of a topic: `None` when it does not match.
    pub(super) fn apply(&self, topic: &str) -> Option<String> {
        let filter = TopicFilter::new(&self.from).ok()?;
        if !filter.matches(TopicName::new(topic).ok()?) {
            return None;
        }
        let levels: Vec<_> = topic.split('/').collect();
        let mut singles = Vec::new();
        let mut rest: &[&str] = &[];
        for (index, level) in self.from.split('/').enumerate() {
            match level {
                "+" => singles.push(*levels.get(index)?),
                // It matches the level above, too.
                "#" => rest = levels.get(index..).unwrap_or_default(),
                _ => {}
            }
        }
        let mut singles = singles.into_iter();
        let mut mapped = Vec::new();
        for level in self.to.split('/') {
            match level {
                "+" => mapped.push(singles.next()?),
                "#" => mapped.extend_from_slice(rest),
                level => mapped.push(level),
            }
        }
        Some(mapped.join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_mapped_level_by_level() {
        for (mapping, topic, expected) in [
            ("plant=test/plant", "plant/1/temperature", Some("test/plant/1/temperature")),
            ("plant=test/plant", "plant", Some("test/plant")),
            ("plant=test/plant", "plants/1", None),
            ("#=test/#", "a/b", Some("test/a/b")),
            ("#=test/#", "$SYS/uptime", None),
            ("a/#=b/#", "a/", Some("b/")),
            ("a/+/c/+=x/+/+", "a/1/c/2", Some("x/1/2")),
            ("a/+/c=x", "a/1/c", Some("x")),
            ("a/+/#=+/#", "a/1/2/3", Some("1/2/3")),
            ("a=b=c", "a/x", Some("b=c/x")),
        ] {
            let mapping: Mapping = mapping.parse().unwrap();
            assert_eq!(mapping.apply(topic).as_deref(), expected, "{mapping:?} {topic}");
        }
    }

    #[test]
    fn mappings_that_mean_nothing_are_refused() {
        for text in ["a", "=b", "a=", "a/#=b/+", "a/+=b/#", "a#=b", "a=#/b", "+=+/+"] {
            assert!(text.parse::<Mapping>().is_err(), "{text}");
        }
    }
}
