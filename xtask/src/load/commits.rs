//! How long vaux-broker's commits took, from its own histogram at `/metrics`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Outcome;

/// How long the answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What every line of the histogram begins with, up to the end of its bucket.
const BUCKET: &str = "vaux_commit_seconds_bucket{le=\"";

/// How long commits took, in microseconds. Both are the ends of the histogram's buckets, which are powers of two.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CommitTimes {
    /// Half of them took no longer.
    pub(crate) p50: f64,
    /// All but one in a hundred took no longer.
    pub(crate) p99: f64,
}

/// The histogram: the ends of its buckets in microseconds, and how many commits took no longer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Commits(Vec<(f64, u64)>);

impl Commits {
    /// Asks the broker.
    ///
    /// # Errors
    ///
    /// It does not answer, or not with the histogram.
    pub(super) fn read(http: SocketAddr) -> Outcome<Commits> {
        let mut answer = String::new();
        let mut stream =
            TcpStream::connect(http).map_err(|error| format!("cannot connect to {http}: {error}"))?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n\r\n")?;
        stream.read_to_string(&mut answer).map_err(|error| format!("no metrics from {http}: {error}"))?;
        Commits::from_metrics(&answer).ok_or_else(|| format!("{http} has no histogram of commits").into())
    }

    fn from_metrics(metrics: &str) -> Option<Commits> {
        let bucket = |line: &str| -> Option<(f64, u64)> {
            let (end, count) = line.split_once("\"} ")?;
            Some((end.parse::<f64>().ok()? * 1e6, count.trim().parse().ok()?))
        };
        let lines = metrics.lines().filter_map(|line| line.strip_prefix(BUCKET));
        let buckets = lines.map(bucket).collect::<Option<Vec<_>>>()?;
        (!buckets.is_empty()).then_some(Commits(buckets))
    }

    /// How long the commits since `before` took. `None` when there were none, and when the histogram does not say.
    pub(super) fn since(&self, before: &Commits) -> Option<CommitTimes> {
        Some(CommitTimes { p50: self.quantile(before, 0.5)?, p99: self.quantile(before, 0.99)? })
    }

    fn quantile(&self, before: &Commits, share: f64) -> Option<f64> {
        let gained = |(&(end, after), &(_, before)): (&(f64, u64), &(f64, u64))| (end, after - before);
        let mut buckets = self.0.iter().zip(&before.0).map(gained);
        let wanted = (buckets.clone().next_back()?.1 as f64 * share).ceil().max(1.0);
        let (end, _) = buckets.find(|(_, count)| *count as f64 >= wanted)?;
        end.is_finite().then_some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commits(counts: [u64; 4]) -> Commits {
        let [a, b, c, all] = counts;
        let metrics = format!(
            "HTTP/1.1 200 OK\r\n\r\n# TYPE vaux_commit_seconds histogram\n\
             vaux_commit_seconds_sum 0.5\nvaux_commit_seconds_count {all}\n\
             vaux_commit_seconds_bucket{{le=\"0.001023\"}} {a}\nvaux_commit_seconds_bucket{{le=\"0.002047\"}} {b}\n\
             vaux_commit_seconds_bucket{{le=\"0.004095\"}} {c}\nvaux_commit_seconds_bucket{{le=\"+Inf\"}} {all}\n\
             # EOF\n"
        );
        Commits::from_metrics(&metrics).unwrap()
    }

    #[test]
    fn only_commits_since_the_first_reading_count() {
        let before = commits([1000, 1000, 1000, 1000]);
        let times = commits([1000, 1060, 1100, 1100]).since(&before).unwrap();
        assert_eq!((times.p50.round(), times.p99.round()), (2047.0, 4095.0));
        assert_eq!(before.since(&before), None);
    }

    #[test]
    fn what_lies_beyond_the_last_end_is_not_known() {
        assert_eq!(commits([10, 10, 10, 100]).since(&commits([0; 4])), None);
    }

    #[test]
    fn metrics_without_the_histogram_are_none() {
        assert_eq!(Commits::from_metrics("HTTP/1.1 403 Forbidden\r\n\r\n"), None);
        assert_eq!(Commits::from_metrics("vaux_commit_seconds_bucket{le=\"x\"} 1\n"), None);
    }
}
