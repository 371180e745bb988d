//! What is said besides the configuration itself.

use std::fmt::Display;

use super::read::Directive;

/// What has no equal: things to know, and things in the way.
#[derive(Debug, Default)]
pub(super) struct Report {
    remarks: Vec<Remark>,
}

#[derive(Debug)]
struct Remark {
    /// Where it belongs among the others.
    order: usize,
    text: String,
    is_refusal: bool,
}

impl Report {
    /// A directive that is left out, or means something else than before.
    pub(super) fn note(&mut self, directive: &Directive, text: impl Display) {
        self.add(directive, text, false);
    }

    /// A directive about security that cannot be carried over, and must not be left out.
    pub(super) fn refuse(&mut self, directive: &Directive, text: impl Display) {
        self.add(directive, text, true);
    }

    /// Something that no single directive says.
    pub(super) fn note_at_end(&mut self, text: impl Display) {
        self.push(Remark { order: usize::MAX, text: text.to_string(), is_refusal: false });
    }

    fn add(&mut self, directive: &Directive, text: impl Display, is_refusal: bool) {
        let Directive { name, place, .. } = directive;
        self.push(Remark { order: place.order, text: format!("{place}: {name}: {text}"), is_refusal });
    }

    fn push(&mut self, remark: Remark) {
        let at = self.remarks.partition_point(|other| other.order <= remark.order);
        self.remarks.insert(at, remark);
    }

    pub(super) fn notes(&self) -> impl Iterator<Item = &str> {
        self.remarks.iter().filter(|remark| !remark.is_refusal).map(|remark| remark.text.as_str())
    }

    pub(super) fn refusals(&self) -> impl Iterator<Item = &str> {
        self.remarks.iter().filter(|remark| remark.is_refusal).map(|remark| remark.text.as_str())
    }

    pub(super) fn has_refusals(&self) -> bool {
        self.refusals().next().is_some()
    }
}
