//! How the cost of a message grows: along which axis, and where on it.

use serde::{Deserialize, Serialize};

/// What there is more and more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Axis {
    /// Filters with wildcards.
    Filters,
    /// Topics that are published to.
    Topics,
    /// Connections, all but ten of them idle.
    Connections,
    /// Messages that wait for one subscriber.
    Queued,
}

/// Where one scenario lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Along which axis.
    pub(crate) axis: Axis,
    /// How much there is.
    pub(crate) at: usize,
}

impl Axis {
    /// All, in the order of the plot.
    pub(crate) const ALL: [Axis; 4] = [Axis::Filters, Axis::Topics, Axis::Connections, Axis::Queued];

    /// What stands below the axis.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Axis::Filters => "filters with wildcards",
            Axis::Topics => "topics",
            Axis::Connections => "connections, ten of them at work",
            Axis::Queued => "messages queued",
        }
    }
}
