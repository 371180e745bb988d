//! The results of a suite, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::statements::{self, Row};
use crate::suite::{Case, Verdict, totals};
use crate::transcript::{Direction, Entry};

/// A case that failed: where, why, and the exchange with each byte explained.
pub fn failure(case: &Case<'_>) -> String {
    let Verdict::Fail(failure) = &case.verdict else { return String::new() };
    let flow = case.flow;
    let mut text = format!("FAIL  {:<6} {}\n", case.version.to_string(), flow.file);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "      {} ({})", flow.name, flow.requires.join(" "));
    let _ = writeln!(text, "      line {}: {}", failure.line, failure.step);
    let _ = writeln!(text, "      {}", failure.why);
    text.push_str(&case.transcript.text("        "));
    text
}

/// One line for each statement, then the totals.
pub fn table(cases: &[Case<'_>]) -> String {
    let rows = statements::table(cases);
    let mut text = String::new();
    for Row { statement, result, cases } in &rows {
        let _ = writeln!(text, "{:<12} {:<20} {}", result.text(), statement.id, statement.summary);
        for case in cases {
            match &case.verdict {
                Verdict::Fail(_) => {
                    let _ = writeln!(text, "{:33} failed: {} {}", "", case.flow.file, case.version);
                }
                Verdict::NotTestable(why) if *result == statements::Result::NotTestable => {
                    let _ = writeln!(text, "{:33} {}: {why}", "", case.flow.file);
                }
                _ => {}
            }
        }
    }
    let count = |wanted| rows.iter().filter(|row| row.result == wanted).count();
    let _ = writeln!(
        text,
        "\n{} statements passed, {} failed, {} not testable on this broker",
        count(statements::Result::Pass),
        count(statements::Result::Fail),
        count(statements::Result::NotTestable)
    );
    text.push_str(&summary(cases));
    text
}

/// The last line.
pub fn summary(cases: &[Case<'_>]) -> String {
    let totals = totals(cases);
    match totals.not_testable {
        0 => format!("{} passed, {} failed\n", totals.passed, totals.failed),
        count => format!("{} passed, {} failed, {count} not testable\n", totals.passed, totals.failed),
    }
}

/// A case as one JSON object.
pub fn json(case: &Case<'_>) -> Value {
    let mut object = json!({
        "flow": case.flow.file,
        "name": case.flow.name,
        "version": case.version.to_string(),
        "requires": case.flow.requires,
        "seconds": case.elapsed.as_secs_f64(),
    });
    match &case.verdict {
        Verdict::Pass => object["status"] = json!("pass"),
        Verdict::NotTestable(why) => {
            object["status"] = json!("not testable");
            object["why"] = json!(why);
        }
        Verdict::Fail(failure) => {
            object["status"] = json!("fail");
            object["line"] = json!(failure.line);
            object["step"] = json!(failure.step);
            object["why"] = json!(failure.why);
            object["exchange"] = case.transcript.entries.iter().map(entry).collect();
        }
    }
    object
}

fn entry(entry: &Entry) -> Value {
    let what = match entry.direction {
        Direction::Sent => "sent",
        Direction::Received => "received",
        Direction::Dropped => "dropped",
        Direction::Closed => "closed",
    };
    let hex: String = entry.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "connection": entry.connection, "what": what, "hex": hex })
}

/// All cases as JUnit writes them, which most services that run tests can read.
pub fn junit(cases: &[Case<'_>]) -> String {
    let totals = totals(cases);
    let seconds: f64 = cases.iter().map(|case| case.elapsed.as_secs_f64()).sum();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites>\n<testsuite name=\"vaux test\" tests=\"{}\" failures=\"{}\" skipped=\"{}\" time=\"{seconds:.3}\">\n",
        cases.len(),
        totals.failed,
        totals.not_testable
    );
    for case in cases {
        let _ = write!(
            text,
            "<testcase classname=\"mqtt {}\" name=\"{}\" time=\"{:.3}\"",
            case.version,
            escape(&case.flow.file),
            case.elapsed.as_secs_f64()
        );
        let _ = match &case.verdict {
            Verdict::Pass => writeln!(text, "/>"),
            Verdict::NotTestable(why) => {
                writeln!(text, "><skipped message=\"{}\"/></testcase>", escape(why))
            }
            Verdict::Fail(found) => writeln!(
                text,
                "><failure message=\"{}\">{}</failure></testcase>",
                escape(&found.why),
                escape(&failure(case))
            ),
        };
    }
    text.push_str("</testsuite>\n</testsuites>\n");
    text
}

/// The text as XML takes it. Characters that XML does not have become U+FFFD.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(letter),
            '\u{0}'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}' => escaped.push('\u{FFFD}'),
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use vaux_mqtt::Version;

    use super::*;
    use crate::play::Failure;
    use crate::transcript::Transcript;
    use crate::{Flow, Target};

    fn cases(flows: &[Flow]) -> Vec<Case<'_>> {
        let failure = Failure { line: 4, step: "c< close".into(), why: "PINGRESP came: \"<&>\u{1}\"".into() };
        let verdicts =
            [Verdict::Pass, Verdict::Fail(failure), Verdict::NotTestable("shared is not offered".into())];
        let case = |(flow, verdict)| Case {
            flow,
            version: Version::V5,
            verdict,
            transcript: Transcript::default(),
            elapsed: Duration::from_millis(1500),
        };
        flows.iter().zip(verdicts).map(case).collect()
    }

    fn flows() -> Vec<Flow> {
        let flow = |file: &str, ids: &str| {
            let text = format!("name: a fact\nversions: 5\nrequires: {ids}\nc> CONNECT\n");
            Flow::parse(file, &text).unwrap_or_else(|error| panic!("{error}"))
        };
        vec![
            flow("passes", "v5:MQTT-3.1.0-2 v5:MQTT-3.12.4-1 v311:MQTT-3.12.4-1"),
            flow("fails", "v5:MQTT-3.12.4-1"),
            flow("lacks", "v5:MQTT-4.8.2-5"),
        ]
    }

    #[test]
    fn the_table_has_a_line_for_each_statement() {
        let flows = flows();
        let text = table(&cases(&flows));
        let words: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words[0][..2], ["pass", "v5:MQTT-3.1.0-2"]);
        assert_eq!(words[1][..2], ["FAIL", "v5:MQTT-3.12.4-1"]);
        assert_eq!(words[2], ["failed:", "fails", "5.0"]);
        assert_eq!(words[3][..3], ["not", "testable", "v5:MQTT-4.8.2-5"]);
        assert!(text.ends_with(
            "\n1 statements passed, 1 failed, 1 not testable on this broker\n\
             1 passed, 1 failed, 1 not testable\n"
        ));
    }

    #[test]
    fn junit_is_well_formed_whatever_the_broker_sent() {
        let flows = flows();
        let text = junit(&cases(&flows));
        assert!(text.contains("tests=\"3\" failures=\"1\" skipped=\"1\" time=\"4.500\""), "{text}");
        assert!(text.contains("message=\"PINGRESP came: &quot;&lt;&amp;&gt;\u{FFFD}&quot;\""), "{text}");
        assert!(text.contains("<skipped message=\"shared is not offered\"/>"), "{text}");
        assert!(Target::parse("mqtt://localhost", None, false).is_ok());
    }
}
