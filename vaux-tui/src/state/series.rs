//! The last values of a figure, for a sparkline.

use std::collections::VecDeque;

/// How many values are kept: more than any terminal has columns.
const KEPT: usize = 600;

/// Values, the newest last.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Series(VecDeque<f64>);

impl Series {
    /// Adds the newest value.
    pub(crate) fn push(&mut self, value: f64) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(if value.is_finite() { value.max(0.0) } else { 0.0 });
    }

    /// The newest value.
    pub(crate) fn last(&self) -> f64 {
        self.0.back().copied().unwrap_or(0.0)
    }

    /// The last `count` values, the newest last.
    pub(crate) fn tail(&self, count: usize) -> impl Iterator<Item = f64> {
        self.0.iter().skip(self.0.len().saturating_sub(count)).copied()
    }

    /// The greatest of the last `count` values.
    pub(crate) fn peak(&self, count: usize) -> f64 {
        self.tail(count).fold(0.0, f64::max)
    }
}
