//! The report as people read it, within 80 columns.

use std::fmt::{self, Write};

use super::{Check, Connections, Flown, Report};
use crate::commands::bench::meter::Percentiles;

/// What is told about the processor from here on: a generator that is busy measures itself.
const BUSY_PERCENT: f64 = 90.0;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_head(f)?;
        self.write_flow(f)?;
        self.write_latencies(f)?;
        self.write_check(f)?;
        self.connections.write(f)?;
        if let Some(percent) = self.processor_percent {
            write!(f, "vaux bench used {percent:.0} % of a processor")?;
            let is_busy = percent >= BUSY_PERCENT;
            writeln!(f, "{}", if is_busy { "; the server may be faster than it" } else { "" })?;
        }
        Ok(())
    }
}

impl Report {
    fn write_head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { mode, describe, settings, .. } = self;
        write!(f, "{mode}: {describe}")?;
        if settings.idle == 0 {
            write!(f, ", QoS {}", settings.qos)?;
        }
        if settings.publishers > 0 {
            write!(f, ", {} bytes", grouped(settings.size as u64))?;
            match settings.rate {
                Some(rate) => write!(f, ", {} a second", rounded(rate))?,
                None if settings.subscribers == 0 && settings.qos == 0 => write!(f, ", as fast as it goes")?,
                None => write!(f, ", {} under way each", grouped(settings.window))?,
            }
        }
        writeln!(f)?;
        write!(f, "{}, MQTT {}", self.server, self.protocol)?;
        match self.connections.held_seconds {
            Some(held) => writeln!(f, ", held for {held:.1} s"),
            None => writeln!(f, ", {:.1} s measured after {} s", self.seconds, settings.warmup),
        }
    }

    fn write_flow(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows =
            [("published", self.published), ("acknowledged", self.acknowledged), ("received", self.received)];
        if rows.iter().all(|(_, row)| row.is_none()) {
            return Ok(());
        }
        writeln!(f, "\n{:<14}{:>14}{:>14}{:>12}", "", "messages", "a second", "MB/s")?;
        for (name, row) in rows {
            if let Some(Flown { messages, per_second, payload_bytes }) = row {
                let megabytes = payload_bytes as f64 / self.seconds.max(f64::MIN_POSITIVE) / 1e6;
                let (messages, per_second) = (grouped(messages), rounded(per_second));
                writeln!(f, "{name:<14}{messages:>14}{per_second:>14}{megabytes:>12.2}")?;
            }
        }
        Ok(())
    }

    fn write_latencies(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connections = &self.connections;
        let is_conn = connections.held_seconds.is_some();
        let is_pub = self.received.is_none() && !is_conn;
        let rows = match is_conn {
            true => [
                ("connected", connections.total_us),
                ("  stream", connections.dial_us),
                ("  CONNACK", connections.connack_us),
            ],
            false => [
                ("latency", self.latency_us.filter(|_| !is_pub)),
                ("acknowledged", self.acknowledgement_us),
                ("sent late by", self.schedule_lag_us),
            ],
        };
        if rows.iter().all(|(_, row)| row.is_none()) {
            return Ok(());
        }
        write!(f, "\n{:<14}", "")?;
        for column in ["p50", "p90", "p99", "p99.9", "max"] {
            write!(f, "{column:>11}")?;
        }
        writeln!(f)?;
        for (name, row) in rows {
            let Some(Percentiles { p50, p90, p99, p999, max, .. }) = row else { continue };
            write!(f, "{name:<14}")?;
            for value in [p50, p90, p99, p999, max] {
                write!(f, "{:>11}", in_words(value))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    fn write_check(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        let Some(check) = self.check else { return Ok(()) };
        if self.received.is_some() || check.acknowledged > 0 {
            check.write(f)?;
        }
        for (count, what) in [
            (check.refused, "refused by the server"),
            (check.unsent, "due and not sent: the rate is more than goes"),
            (check.foreign, "of others, not counted"),
        ] {
            if count > 0 {
                writeln!(f, "{} {what}", messages(count))?;
            }
        }
        Ok(())
    }
}

impl Check {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut faults = String::new();
        for (count, what) in [
            (self.lost, "lost"),
            (self.duplicated, "doubled"),
            (self.out_of_order, "out of order"),
            (self.stray, "to the wrong subscriber"),
        ] {
            if count > 0 {
                let separator = if faults.is_empty() { "" } else { ", " };
                write!(faults, "{separator}{} {what}", grouped(count))?;
            }
        }
        let (count, all_well) = match self.expected {
            Some(0) => (self.published - self.refused, "all acknowledged"),
            Some(expected) => (expected, "none lost or doubled, all in order"),
            None => (self.received + self.lost, "none lost or doubled, all in order"),
        };
        let outcome = if faults.is_empty() { all_well } else { faults.as_str() };
        writeln!(f, "{}, warm-up included: {outcome}", messages(count))
    }
}

impl Connections {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (connected, rate) = (grouped(self.connected), rounded(self.per_second));
        write!(f, "{connected} connected in {:.2} s, {rate} a second", self.seconds)?;
        match (self.held_seconds, self.connack_us) {
            (Some(_), _) => write!(f, "; {} in the end", grouped(self.at_end as u64))?,
            (None, Some(connack)) => write!(f, "; CONNACK p99 {}", in_words(connack.p99))?,
            (None, None) => {}
        }
        writeln!(f)
    }
}

fn messages(count: u64) -> String {
    format!("{} message{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// A rate: whole numbers once there are some.
fn rounded(rate: f64) -> String {
    if rate < 10.0 { format!("{rate:.1}") } else { grouped(rate.round() as u64) }
}

/// A number with commas between groups of three digits.
pub(in crate::commands::bench) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time given in microseconds, with three digits and the unit that fits.
pub(in crate::commands::bench) fn in_words(microseconds: f64) -> String {
    let (value, unit) = match microseconds {
        us if us < 999.5 => (us, "µs"),
        us if us < 999_500.0 => (us / 1e3, "ms"),
        us => (us / 1e6, "s"),
    };
    let digits = match value {
        value if value < 9.995 => 2,
        value if value < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    #[test]
    fn numbers_are_grouped_and_times_have_three_digits() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        let times = [0.0, 9.994, 9.996, 99.96, 999.6, 1_234.0, 99_990.0, 1_500_000.0].map(in_words);
        let expected = ["0.00 µs", "9.99 µs", "10.0 µs", "100 µs", "1.00 ms", "1.23 ms", "100 ms", "1.50 s"];
        assert_eq!(times, expected);
    }

    fn percentiles(p50: f64) -> Option<Percentiles> {
        let [min, mean, p90, p99, p999, max] = [0.5, 1.1, 1.5, 3.0, 10.0, 812.0].map(|factor| factor * p50);
        Some(Percentiles { count: 200_000, min, mean, p50, p90, p99, p999, max })
    }

    fn report() -> Report {
        let flown = |messages| {
            Some(Flown { messages, per_second: messages as f64 / 10.0, payload_bytes: messages * 64 })
        };
        Report {
            mode: "e2e",
            server: "mqtts://localhost:8883".into(),
            protocol: "5.0".into(),
            settings: Settings {
                run: "00000001".into(),
                publishers: 100,
                subscribers: 100,
                idle: 0,
                topics: 1,
                qos: 1,
                size: 64,
                rate: Some(20_000.0),
                window: 100,
                warmup: 1.0,
                duration: 10.0,
                drain: 2.0,
                fail_p99_ms: None,
                max_loss: None,
            },
            connections: Connections {
                wanted: 200,
                connected: 200,
                failed: 0,
                lost: 0,
                at_end: 200,
                seconds: 0.08,
                per_second: 2_500.0,
                held_seconds: None,
                total_us: percentiles(310.0),
                dial_us: percentiles(100.0),
                connack_us: percentiles(210.0),
            },
            seconds: 10.0,
            published: flown(200_000),
            acknowledged: flown(200_000),
            received: flown(199_988),
            latency_us: percentiles(123.4),
            acknowledgement_us: percentiles(99.0),
            schedule_lag_us: percentiles(2.25),
            check: Some(Check {
                published: 220_000,
                acknowledged: 220_000,
                refused: 0,
                expected: Some(220_000),
                received: 219_988,
                lost: 12,
                duplicated: 1,
                out_of_order: 0,
                stray: 0,
                foreign: 7,
                unsent: 0,
            }),
            processor_percent: Some(93.0),
            errors: Vec::new(),
            exit_reason: "done",
            exit_code: 0,
            exit: crate::cli_error::Exit::Ok,
            describe: "100 publishers to 100 subscribers".into(),
        }
    }

    #[test]
    fn a_report_reads_well_on_80_columns() {
        let text = report().to_string();
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        insta::assert_snapshot!(text, @"
        e2e: 100 publishers to 100 subscribers, QoS 1, 64 bytes, 20,000 a second
        mqtts://localhost:8883, MQTT 5.0, 10.0 s measured after 1 s

                            messages      a second        MB/s
        published            200,000        20,000        1.28
        acknowledged         200,000        20,000        1.28
        received             199,988        19,999        1.28

                              p50        p90        p99      p99.9        max
        latency            123 µs     185 µs     370 µs    1.23 ms     100 ms
        acknowledged      99.0 µs     148 µs     297 µs     990 µs    80.4 ms
        sent late by      2.25 µs    3.38 µs    6.75 µs    22.5 µs    1.83 ms

        220,000 messages, warm-up included: 12 lost, 1 doubled
        7 messages of others, not counted
        200 connected in 0.08 s, 2,500 a second; CONNACK p99 630 µs
        vaux bench used 93 % of a processor; the server may be faster than it
        ");
    }

    #[test]
    fn of_connections_it_is_told_how_many_stayed() {
        let mut report = report();
        (report.mode, report.describe) = ("conn", "200 connections".into());
        (report.settings.publishers, report.settings.subscribers, report.settings.idle) = (0, 0, 200);
        (report.published, report.acknowledged, report.received, report.check) = (None, None, None, None);
        report.connections.held_seconds = Some(10.0);
        report.processor_percent = None;
        insta::assert_snapshot!(report.to_string(), @"
        conn: 200 connections
        mqtts://localhost:8883, MQTT 5.0, held for 10.0 s

                              p50        p90        p99      p99.9        max
        connected          310 µs     465 µs     930 µs    3.10 ms     252 ms
          stream           100 µs     150 µs     300 µs    1.00 ms    81.2 ms
          CONNACK          210 µs     315 µs     630 µs    2.10 ms     171 ms

        200 connected in 0.08 s, 2,500 a second; 200 in the end
        ");
    }
}
