//! Payloads of Sparkplug B, a protocol buffer of metrics: enough of it to read them.

/// A payload.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sparkplug {
    timestamp: Option<u64>,
    sequence: Option<u64>,
    metrics: Vec<Metric>,
}

/// A metric of a payload.
#[derive(Clone, Debug, Default, PartialEq)]
struct Metric {
    name: Option<String>,
    alias: Option<u64>,
    datatype: u64,
    is_historical: bool,
    value: Value,
}

/// What a metric holds.
#[derive(Clone, Debug, Default, PartialEq)]
enum Value {
    #[default]
    Null,
    Integer(i128),
    Float(f64),
    Boolean(bool),
    Text(String),
    /// Something whose inside is not shown: bytes, a data set, a template.
    Other(&'static str, usize),
}

/// Topics of Sparkplug begin with this.
const NAMESPACE: &str = "spBv1.0/";
/// More metrics are not read.
const MAX_METRICS: usize = 1000;

/// A field of a protocol buffer.
enum Field<'a> {
    Number(u64),
    Fixed32([u8; 4]),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
}

/// Reads the fields of a protocol buffer. `None` when it is none.
fn fields<'a>(mut rest: &'a [u8], mut take: impl FnMut(u64, Field<'a>) -> Option<()>) -> Option<()> {
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        let field = match key & 7 {
            0 => Field::Number(varint(&mut rest)?),
            1 => Field::Fixed64(*split(&mut rest, 8)?.first_chunk()?),
            2 => {
                let len = usize::try_from(varint(&mut rest)?).ok()?;
                Field::Bytes(split(&mut rest, len)?)
            }
            5 => Field::Fixed32(*split(&mut rest, 4)?.first_chunk()?),
            _ => return None,
        };
        take(key >> 3, field)?;
    }
    Some(())
}

fn split<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (part, behind) = rest.split_at_checked(len)?;
    *rest = behind;
    Some(part)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *split(rest, 1)?.first()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

impl Sparkplug {
    /// Reads a payload of a topic. `None` when it is not one of Sparkplug.
    pub(crate) fn read(topic: &str, payload: &[u8]) -> Option<Sparkplug> {
        // The state of a host is text or JSON.
        if !topic.starts_with(NAMESPACE) || topic.starts_with("spBv1.0/STATE/") {
            return None;
        }
        let mut read = Sparkplug::default();
        fields(payload, |number, field| {
            match (number, field) {
                (1, Field::Number(timestamp)) => read.timestamp = Some(timestamp),
                (2, Field::Bytes(metric)) if read.metrics.len() < MAX_METRICS => {
                    read.metrics.push(Metric::read(metric)?);
                }
                (3, Field::Number(sequence)) => read.sequence = Some(sequence),
                _ => {}
            }
            Some(())
        })?;
        Some(read)
    }

    /// The payload in lines, one for each metric.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut head = "Sparkplug B".to_owned();
        if let Some(sequence) = self.sequence {
            head.push_str(&format!(" · sequence {sequence}"));
        }
        let time = self.timestamp.and_then(|ms| i64::try_from(ms).ok());
        if let Some(time) = time.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()) {
            head.push_str(&format!(" · {time}"));
        }
        let metrics = self.metrics.iter().map(|metric| {
            let historical = if metric.is_historical { " (historical)" } else { "" };
            format!("{} = {}{historical}", metric.label(), metric.value.text())
        });
        std::iter::once(head).chain(metrics).collect()
    }

    /// The numbers in it with their names.
    pub(crate) fn numbers(&self) -> Vec<(String, f64)> {
        let number = |metric: &Metric| match metric.value {
            Value::Integer(number) => Some((metric.label(), number as f64)),
            Value::Float(number) => Some((metric.label(), number)),
            _ => None,
        };
        self.metrics.iter().filter_map(number).collect()
    }
}

impl Metric {
    fn read(metric: &[u8]) -> Option<Metric> {
        let mut read = Metric::default();
        let mut raw = None;
        fields(metric, |number, field| {
            match (number, field) {
                (1, Field::Bytes(name)) => read.name = Some(String::from_utf8(name.to_vec()).ok()?),
                (2, Field::Number(alias)) => read.alias = Some(alias),
                (4, Field::Number(datatype)) => read.datatype = datatype,
                (5, Field::Number(flag)) => read.is_historical = flag != 0,
                (10 | 11, Field::Number(number)) => raw = Some(number),
                (12, Field::Fixed32(bytes)) => read.value = Value::Float(f32::from_le_bytes(bytes).into()),
                (13, Field::Fixed64(bytes)) => read.value = Value::Float(f64::from_le_bytes(bytes)),
                (14, Field::Number(flag)) => read.value = Value::Boolean(flag != 0),
                (15, Field::Bytes(text)) => {
                    read.value = Value::Text(String::from_utf8_lossy(text).into_owned());
                }
                (16, Field::Bytes(bytes)) => read.value = Value::Other("bytes", bytes.len()),
                (17, Field::Bytes(bytes)) => read.value = Value::Other("data set", bytes.len()),
                (18, Field::Bytes(bytes)) => read.value = Value::Other("template", bytes.len()),
                _ => {}
            }
            Some(())
        })?;
        if let Some(raw) = raw {
            read.value = Value::Integer(integer(read.datatype, raw));
        }
        Some(read)
    }

    /// The name; data messages may have an alias only.
    fn label(&self) -> String {
        match (&self.name, self.alias) {
            (Some(name), _) => name.clone(),
            (None, Some(alias)) => format!("alias {alias}"),
            (None, None) => "unnamed".to_owned(),
        }
    }
}

/// Signed numbers are kept as unsigned ones of their size; the type says which they are.
fn integer(datatype: u64, raw: u64) -> i128 {
    match datatype {
        1 => i128::from(raw as u8 as i8),
        2 => i128::from(raw as u16 as i16),
        3 => i128::from(raw as u32 as i32),
        4 => i128::from(raw as i64),
        _ => i128::from(raw),
    }
}

impl Value {
    fn text(&self) -> String {
        match self {
            Value::Null => "null".to_owned(),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Boolean(flag) => flag.to_string(),
            Value::Text(text) => format!("{text:?}"),
            Value::Other(what, len) => format!("{what}, {len} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Timestamp 1000, sequence 2, and metrics: `temp` = 21.5 (float), alias 7 = -2 (Int16), `on` = true.
    const PAYLOAD: &[u8] = b"\x08\xe8\x07\
        \x12\x0d\x0a\x04temp\x20\x09\x65\x00\x00\xac\x41\
        \x12\x08\x10\x07\x20\x02\x50\xfe\xff\x03\
        \x12\x08\x0a\x02on\x20\x0b\x70\x01\
        \x18\x02";

    #[test]
    fn metrics_become_lines_and_numbers() {
        let read = Sparkplug::read("spBv1.0/plant/DDATA/line/motor", PAYLOAD).unwrap();
        assert_eq!(
            read.lines(),
            ["Sparkplug B · sequence 2 · 1970-01-01T00:00:01Z", "temp = 21.5", "alias 7 = -2", "on = true"]
        );
        assert_eq!(read.numbers(), [("temp".to_owned(), 21.5), ("alias 7".to_owned(), -2.0)]);
    }

    #[test]
    fn what_is_cut_short_or_of_another_topic_is_none() {
        assert_eq!(Sparkplug::read("plant/motor", PAYLOAD), None);
        assert_eq!(Sparkplug::read("spBv1.0/STATE/host", b"ONLINE"), None);
        for len in (1..PAYLOAD.len()).filter(|len| ![3, 18, 28, 38].contains(len)) {
            assert_eq!(Sparkplug::read("spBv1.0/a/NDATA/b", &PAYLOAD[..len]), None, "{len}");
        }
    }
}
