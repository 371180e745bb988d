//! Reading the text of a flow.

use std::time::Duration;

use vaux_mqtt::Version;
use vaux_mqtt::packet::PacketType;

use super::{
    Action, Expectation, Flow, FlowError, HexPart, Kind, PacketText, Pattern, Step, Value, Wanted, kind,
};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn parse(file: &str, text: &str) -> Result<Flow, FlowError> {
    let error = |line, what| FlowError { file: file.to_owned(), line, what };
    let mut flow = Flow {
        file: file.to_owned(),
        name: String::new(),
        versions: Vec::new(),
        requires: Vec::new(),
        needs: Vec::new(),
        timeout: DEFAULT_TIMEOUT,
        steps: Vec::new(),
    };
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let read = if flow.steps.is_empty() && is_header(line) {
            header(&mut flow, line)
        } else {
            step(index + 1, line).map(|step| flow.steps.push(step))
        };
        read.map_err(|what| error(index + 1, what))?;
    }
    if flow.name.is_empty() || flow.versions.is_empty() || flow.steps.is_empty() {
        return Err(error(0, "a flow has a name, versions and steps".to_owned()));
    }
    Ok(flow)
}

fn is_header(line: &str) -> bool {
    line.split_once(':').is_some_and(|(key, _)| key.chars().all(|letter| letter.is_ascii_lowercase()))
}

fn header(flow: &mut Flow, line: &str) -> Result<(), String> {
    let (key, value) = line.split_once(':').ok_or("a header line is `key: value`")?;
    let value = value.trim();
    match key {
        "name" => flow.name = value.to_owned(),
        "versions" => flow.versions = versions(value)?,
        "needs" => flow.needs.extend(value.split_whitespace().map(str::to_owned)),
        "requires" => flow.requires.extend(value.split_whitespace().map(str::to_owned)),
        "timeout" => flow.timeout = duration(value)?,
        _ => {
            return Err(format!(
                "`{key}` is no header; there are name, versions, needs, requires and timeout"
            ));
        }
    }
    Ok(())
}

fn versions(text: &str) -> Result<Vec<Version>, String> {
    text.split_whitespace()
        .map(|name| match name {
            "3.1" => Ok(Version::V31),
            "3.1.1" => Ok(Version::V311),
            "5" => Ok(Version::V5),
            _ => Err(format!("`{name}` is no version; there are 3.1, 3.1.1 and 5")),
        })
        .collect()
}

fn duration(text: &str) -> Result<Duration, String> {
    text.strip_suffix('s')
        .and_then(|seconds| seconds.parse().ok())
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| format!("`{text}` is no time; write seconds, such as 1.5s"))
}

fn step(number: usize, line: &str) -> Result<Step, String> {
    let (kept_to, rest) = match line.strip_prefix('[') {
        Some(rest) => {
            let (list, rest) = rest.split_once(']').ok_or("`[` without `]`")?;
            (versions(list)?, rest.trim_start())
        }
        None => (Vec::new(), line),
    };
    let words = words(rest)?;
    let (first, words) = words.split_first().ok_or("there is no step behind `]`")?;
    let (connection, action) = if let Some(connection) = first.strip_suffix('>') {
        (connection, send(words)?)
    } else if let Some(connection) = first.strip_suffix("<?") {
        (connection, expect(words, true)?)
    } else if let Some(connection) = first.strip_suffix('<') {
        (connection, receive(words)?)
    } else if words == ["drop"] {
        (first.as_str(), Action::Drop)
    } else {
        return Err(format!("`{first}` begins no step; write `{first}>`, `{first}<` or `{first} drop`"));
    };
    if connection.is_empty() || !connection.chars().all(|letter| letter.is_ascii_alphanumeric()) {
        return Err("a connection's name is made of letters and digits".to_owned());
    }
    let text = line.to_owned();
    Ok(Step { line: number, text, versions: kept_to, connection: connection.to_owned(), action })
}

/// Splits at white space that is not in quotes. Quotes stay.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    let mut escaped = false;
    for letter in text.chars() {
        let is_gap = letter.is_whitespace() && !quoted;
        match words.last_mut() {
            Some(word) if !is_gap => word.push(letter),
            Some(word) if !word.is_empty() => words.push(String::new()),
            _ => {}
        }
        quoted ^= letter == '"' && !escaped;
        escaped = letter == '\\' && quoted && !escaped;
    }
    if quoted {
        return Err("a quote is not closed".to_owned());
    }
    words.retain(|word| !word.is_empty());
    Ok(words)
}

fn send(words: &[String]) -> Result<Action, String> {
    if words.first().is_some_and(|word| word == "hex") {
        let parts = hex_parts(&words[1..])?;
        if parts.contains(&HexPart::AnyByte) {
            return Err("`..` cannot be sent".to_owned());
        }
        return Ok(Action::SendHex(parts));
    }
    let packet = packet(words)?;
    let is_series = |name: &str| packet.packet_type == PacketType::Publish && name == "id";
    let is_sendable = |(name, pattern): &&(String, Pattern)| match pattern {
        Pattern::Is(_) | Pattern::Variable(_) => true,
        Pattern::Range(..) => is_series(name),
        Pattern::OneOf(_) | Pattern::Absent | Pattern::IfThere(_) => false,
    };
    match packet.fields.iter().find(|field| !is_sendable(field)) {
        Some((name, _)) => Err(format!("`{name}` needs one value to be sent")),
        None => Ok(Action::Send(packet)),
    }
}

fn receive(words: &[String]) -> Result<Action, String> {
    match words {
        [word] if word == "nothing" => Ok(Action::Nothing),
        [word, time] if word == "silence" => Ok(Action::Silence(duration(time)?)),
        _ => expect(words, false),
    }
}

fn expect(words: &[String], recommended: bool) -> Result<Action, String> {
    let mut after = None;
    let mut skip = None;
    let mut wanted = Vec::new();
    for words in words.split(|word| word == "&") {
        let mut words = words.to_vec();
        if let Some(index) = words.iter().position(|word| word.starts_with("after=")) {
            after = Some(duration(&words.remove(index)["after=".len()..])?);
        }
        if let Some(index) = words.iter().position(|word| word.starts_with("skip=")) {
            skip = Some(packet_type(&words.remove(index)["skip=".len()..])?);
        }
        wanted.push(match words.as_slice() {
            [word] if word == "close" => Wanted::Close,
            [word, parts @ ..] if word == "hex" => Wanted::Hex(hex_parts(parts)?),
            words => Wanted::Packet(packet(words)?),
        });
    }
    if recommended && !matches!(wanted.as_slice(), [Wanted::Packet(_)]) {
        return Err("`<?` takes one packet".to_owned());
    }
    Ok(Action::Expect(Expectation { wanted, recommended, after, skip }))
}

fn hex_parts(words: &[String]) -> Result<Vec<HexPart>, String> {
    if words.is_empty() {
        return Err("`hex` needs bytes".to_owned());
    }
    words
        .iter()
        .map(|word| match word.as_str() {
            ".." => Ok(HexPart::AnyByte),
            word if word.starts_with('"') => text(word).map(HexPart::Bytes),
            word => bytes(word).map(HexPart::Bytes),
        })
        .collect()
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return Err(format!("`{text}` is not made of two hexadecimal digits a byte"));
    }
    (0..text.len()).step_by(2).map(|at| number(&text[at..at + 2], 16).map(|byte| byte as u8)).collect()
}

fn packet(words: &[String]) -> Result<PacketText, String> {
    let (name, words) = words.split_first().ok_or("a packet is missing")?;
    let packet_type = packet_type(name)?;
    let fields = words.iter().map(|word| field(packet_type, word)).collect::<Result<_, _>>()?;
    Ok(PacketText { packet_type, fields })
}

fn packet_type(name: &str) -> Result<PacketType, String> {
    PacketType::ALL
        .into_iter()
        .find(|packet_type| packet_type.name() == name)
        .ok_or_else(|| format!("`{name}` is no packet"))
}

fn field(packet_type: PacketType, word: &str) -> Result<(String, Pattern), String> {
    let (name, value) = word.split_once('=').unwrap_or((word, "1"));
    let kind =
        kind(packet_type, name).ok_or_else(|| format!("{} has no field `{name}`", packet_type.name()))?;
    Ok((name.to_owned(), pattern(kind, value)?))
}

fn pattern(kind: Kind, text: &str) -> Result<Pattern, String> {
    let radix = if matches!(kind, Kind::Hex | Kind::Codes) { 16 } else { 10 };
    let numbers =
        |separator| text.split(separator).map(|part| number(part, radix)).collect::<Result<Vec<_>, _>>();
    if text == "none" {
        return Ok(Pattern::Absent);
    }
    if let Some(text) = text.strip_suffix('?') {
        return Ok(Pattern::IfThere(Box::new(pattern(kind, text)?)));
    }
    if let Some(name) = text.strip_prefix('$') {
        return Ok(Pattern::Variable(name.to_owned()));
    }
    Ok(match kind {
        Kind::Text => Pattern::Is(Value::Text(self::text(text)?)),
        Kind::Texts => Pattern::Is(Value::Texts(vec![self::text(text)?])),
        Kind::Codes => Pattern::Is(Value::Codes(numbers(',')?)),
        Kind::Identifiers => {
            let mut identifiers = numbers(',')?;
            identifiers.sort_unstable();
            Pattern::Is(Value::Identifiers(identifiers))
        }
        Kind::Hex | Kind::Number if text.contains('|') => Pattern::OneOf(numbers('|')?),
        Kind::Hex | Kind::Number => match text.split_once("..") {
            Some((low, high)) => Pattern::Range(number(low, radix)?, number(high, radix)?),
            None => Pattern::Is(Value::Number(number(text, radix)?)),
        },
    })
}

fn number(text: &str, radix: u32) -> Result<u64, String> {
    u64::from_str_radix(text, radix)
        .map_err(|_| format!("`{text}` is no {} number", if radix == 16 { "hexadecimal" } else { "decimal" }))
}

/// `"…"`, `"…"*1000` or `hex:00ff`.
fn text(word: &str) -> Result<Vec<u8>, String> {
    if let Some(digits) = word.strip_prefix("hex:") {
        return bytes(digits);
    }
    let is_not_text = || format!("`{word}` is no text; write it in quotes");
    let inner = word.strip_prefix('"').ok_or_else(is_not_text)?;
    let (inner, times) = inner.rsplit_once('"').ok_or_else(is_not_text)?;
    let times = match times.strip_prefix('*') {
        Some(times) => number(times, 10)?,
        None if times.is_empty() => 1,
        None => return Err(is_not_text()),
    };
    if times > 1 << 20 {
        return Err("a text is repeated at most 1,048,576 times".to_owned());
    }
    Ok(unescape(inner)?.repeat(times as usize))
}

fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut unescaped = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let replaced = match letter {
            '\\' => match letters.next() {
                Some('n') => '\n',
                Some('0') => '\0',
                Some('u') => code_point(&mut letters)?,
                Some(letter @ ('"' | '\\')) => letter,
                _ => return Err(r#"there are the escapes \" \\ \n \0 and \u{…}"#.to_owned()),
            },
            letter => letter,
        };
        unescaped.push(replaced);
    }
    Ok(unescaped.into_bytes())
}

/// The rest of `\u{308}`.
fn code_point(letters: &mut std::str::Chars<'_>) -> Result<char, String> {
    letters
        .as_str()
        .strip_prefix('{')
        .and_then(|rest| rest.split_once('}'))
        .and_then(|(digits, rest)| {
            *letters = rest.chars();
            char::from_u32(u32::from_str_radix(digits, 16).ok()?)
        })
        .ok_or_else(|| "a code point is written \\u{308}".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(steps: &str) -> Result<Vec<Step>, FlowError> {
        Flow::parse("test", &format!("name: test\nversions: 5\n{steps}")).map(|flow| flow.steps)
    }

    fn action(step: &str) -> Action {
        parsed(step).expect("the step is right").remove(0).action
    }

    fn wrong(step: &str) -> String {
        parsed(step).expect_err("the step is wrong").what
    }

    #[test]
    fn a_header_says_what_is_shown_and_where() {
        let text = "# Why.\nname: a fact\nversions: 3.1 5\nrequires: v5:A-1 U5-2\ntimeout: 0.5s\n\nc drop\n";
        let flow = Flow::parse("file", text).expect("the flow is right");
        assert_eq!(flow.name, "a fact");
        assert_eq!(flow.versions, [Version::V31, Version::V5]);
        assert_eq!(flow.requires, ["v5:A-1", "U5-2"]);
        assert_eq!(flow.timeout, Duration::from_millis(500));
        assert_eq!(flow.steps[0].line, 7);
    }

    #[test]
    fn a_flow_without_a_needed_part_is_refused() {
        assert_eq!(Flow::parse("file", "name: x\nversions: 5\n").expect_err("no steps").line, 0);
        assert_eq!(Flow::parse("file", "name: x\nc drop\n").expect_err("no versions").line, 0);
        assert!(Flow::parse("file", "title: x\n").expect_err("unknown").what.contains("no header"));
    }

    #[test]
    fn steps_are_kept_to_versions() {
        let steps = parsed("[3.1 3.1.1] c drop\nc drop").expect("the steps are right");
        assert_eq!(steps[0].versions, [Version::V31, Version::V311]);
        assert!(steps[1].versions.is_empty());
    }

    #[test]
    fn fields_have_the_kind_of_their_name() {
        let Action::Send(packet) = action(r#"c> PUBLISH topic="a b" qos=1 retain payload=hex:00ff"#) else {
            panic!("it is something to send")
        };
        assert_eq!(
            packet.fields,
            [
                ("topic".to_owned(), Pattern::Is(Value::Text(b"a b".to_vec()))),
                ("qos".to_owned(), Pattern::Is(Value::Number(1))),
                ("retain".to_owned(), Pattern::Is(Value::Number(1))),
                ("payload".to_owned(), Pattern::Is(Value::Text(vec![0, 0xff]))),
            ]
        );
    }

    #[test]
    fn expectations_know_more_than_one_value() {
        let Action::Expect(expectation) = action(
            "c< PUBLISH message_expiry_interval=1..9 id=$id & DISCONNECT reason=81|82 after=1.5s skip=PUBACK",
        ) else {
            panic!("it is an expectation")
        };
        assert_eq!(expectation.after, Some(Duration::from_millis(1500)));
        assert_eq!(expectation.skip, Some(PacketType::PubAck));
        let [Wanted::Packet(publish), Wanted::Packet(disconnect)] = expectation.wanted.as_slice() else {
            panic!("there are two packets")
        };
        assert_eq!(publish.fields[0].1, Pattern::Range(1, 9));
        assert_eq!(publish.fields[1].1, Pattern::Variable("id".to_owned()));
        assert_eq!(disconnect.fields[0].1, Pattern::OneOf(vec![0x81, 0x82]));
    }

    #[test]
    fn bytes_may_hold_text_and_wildcards() {
        assert_eq!(
            action(r#"c> hex 30 0102 "a\"\u{308}b""#),
            Action::SendHex(vec![
                HexPart::Bytes(vec![0x30]),
                HexPart::Bytes(vec![1, 2]),
                HexPart::Bytes("a\"\u{308}b".as_bytes().to_vec())
            ])
        );
        assert_eq!(wrong("c> hex .."), "`..` cannot be sent");
        assert!(matches!(action("c< hex 40 .."), Action::Expect(_)));
    }

    #[test]
    fn what_is_not_understood_is_said() {
        assert!(wrong("c> PUBLICH").contains("no packet"));
        assert!(wrong("c> PUBLISH colour=1").contains("no field `colour`"));
        assert!(wrong("c> PUBLISH topic=a").contains("in quotes"));
        assert!(wrong("c> PUBLISH qos=1..2").contains("one value"));
        assert!(wrong("c> PUBLISH topic=\"a").contains("not closed"));
        assert!(wrong("c wait").contains("begins no step"));
        assert!(wrong("c< silence 1").contains("no time"));
        assert!(wrong("c<? close").contains("takes one packet"));
        assert!(wrong("c> hex 3").contains("hexadecimal"));
        assert!(wrong("[6] c drop").contains("no version"));
    }
}
