//! The flows that the driver carries: all of `fixtures/flows`, by file name without its ending.

/// Names and texts, ordered by name.
pub const FLOWS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/flows.rs"));

#[cfg(test)]
mod tests {
    use super::FLOWS;
    use crate::Flow;

    #[test]
    fn every_flow_can_be_read() {
        for (name, text) in FLOWS {
            let flow = Flow::parse(name, text).unwrap_or_else(|error| panic!("{error}"));
            assert!(!flow.requires.is_empty(), "{name} says no statement that it shows");
        }
        assert!(FLOWS.len() > 40, "the flows are not where the build looks for them");
    }
}
