//! A metric: its name, its type and its value.

use alloc::format;
use alloc::string::{String, ToString};
use core::ops::Range;

use super::wire::{Broken, Field, Message, text};
use crate::explain::field::{Show, bytes};

/// How many bytes of a value are told.
const SHOWN_BYTES: usize = 120;

/// A metric of a payload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metric<'a> {
    /// Its name; data messages may have an alias only.
    pub name: Option<&'a str>,
    /// A number that stands for the name.
    pub alias: Option<u64>,
    /// When it was measured, in milliseconds since 1970.
    pub timestamp: Option<u64>,
    /// The number of its type, for [`datatype_name`].
    pub datatype: Option<u64>,
    /// Whether it was measured before the payload was made, and kept.
    pub is_historical: bool,
    /// Whether it is not to be kept.
    pub is_transient: bool,
    /// What it holds; `None` when the payload does not say.
    pub value: Option<MetricValue<'a>>,
    at: usize,
    len: usize,
}

/// What a metric holds.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricValue<'a> {
    /// It says that there is none.
    Null,
    /// An integer, with the sign that its type gives it.
    Integer(i128),
    /// A number with a fraction.
    Float(f64),
    /// True or false.
    Boolean(bool),
    /// A text.
    Text(&'a str),
    /// Bytes, also those of a file or of an array.
    Bytes(&'a [u8]),
    /// A table.
    DataSet {
        /// How many columns it has.
        columns: u64,
        /// How many rows it has.
        rows: usize,
    },
    /// Metrics inside.
    Template {
        /// How many there are.
        metrics: usize,
    },
    /// Something else, of so many bytes.
    Extension(usize),
}

impl<'a> Metric<'a> {
    /// Reads a metric whose message begins at `at` of the payload; with its key it stands in `range`.
    pub(super) fn read(bytes: &'a [u8], at: usize, range: Range<usize>) -> Result<Metric<'a>, Broken> {
        let mut metric = Metric { at: range.start, len: range.len(), ..Metric::default() };
        let (mut raw, mut is_null) = (None, false);
        let mut message = Message::new(bytes, at);
        while let Some((number, field, _)) = message.next()? {
            match (number, field) {
                (1, Field::Bytes(name, at)) => metric.name = Some(text(name, at)?),
                (2, Field::Number(alias)) => metric.alias = Some(alias),
                (3, Field::Number(timestamp)) => metric.timestamp = Some(timestamp),
                (4, Field::Number(datatype)) => metric.datatype = Some(datatype),
                (5, Field::Number(flag)) => metric.is_historical = flag != 0,
                (6, Field::Number(flag)) => metric.is_transient = flag != 0,
                (7, Field::Number(flag)) => is_null = flag != 0,
                (10 | 11, Field::Number(number)) => raw = Some(number),
                (12, Field::Fixed32(bytes)) => {
                    metric.value = Some(MetricValue::Float(f32::from_le_bytes(bytes).into()));
                }
                (13, Field::Fixed64(bytes)) => {
                    metric.value = Some(MetricValue::Float(f64::from_le_bytes(bytes)))
                }
                (14, Field::Number(flag)) => metric.value = Some(MetricValue::Boolean(flag != 0)),
                (15, Field::Bytes(inside, at)) => metric.value = Some(MetricValue::Text(text(inside, at)?)),
                (16, Field::Bytes(inside, _)) => metric.value = Some(MetricValue::Bytes(inside)),
                (17, Field::Bytes(inside, at)) => metric.value = Some(data_set(inside, at)?),
                (18, Field::Bytes(inside, at)) => {
                    metric.value = Some(MetricValue::Template { metrics: count(inside, at, 2)? });
                }
                (19, Field::Bytes(inside, _)) => metric.value = Some(MetricValue::Extension(inside.len())),
                _ => {}
            }
        }
        if let Some(raw) = raw {
            metric.value = Some(MetricValue::Integer(integer(metric.datatype, raw)));
        }
        if is_null {
            metric.value = Some(MetricValue::Null);
        }
        Ok(metric)
    }

    /// Where it stands in the payload.
    pub fn range(&self) -> Range<usize> {
        self.at..self.at + self.len
    }

    /// Its name, else its alias.
    pub fn label(&self) -> String {
        match (self.name, self.alias) {
            // Names come from others: nothing in them is for a terminal to act upon.
            (Some(name), _) => name.escape_debug().collect(),
            (None, Some(alias)) => format!("alias {alias}"),
            (None, None) => String::from("unnamed"),
        }
    }

    /// It in words, but for its time: `temperature = 21.5 (Float)`.
    pub fn text(&self) -> String {
        let mut text = self.label();
        if let (Some(_), Some(alias)) = (self.name, self.alias) {
            text.push_str(&format!(" (alias {alias})"));
        }
        if let Some(value) = &self.value {
            text.push_str(" = ");
            text.push_str(&value.text());
        }
        if let Some(datatype) = self.datatype {
            match datatype_name(datatype) {
                Some(name) => text.push_str(&format!(" ({name})")),
                None => text.push_str(&format!(" (type {datatype})")),
            }
        }
        if self.is_historical {
            text.push_str(", historical");
        }
        if self.is_transient {
            text.push_str(", transient");
        }
        text
    }

    /// Its value, when it is a number.
    pub fn number(&self) -> Option<f64> {
        match self.value {
            Some(MetricValue::Integer(number)) => Some(number as f64),
            Some(MetricValue::Float(number)) => Some(number),
            _ => None,
        }
    }
}

impl MetricValue<'_> {
    /// It in words.
    pub fn text(&self) -> String {
        match self {
            MetricValue::Null => String::from("null"),
            MetricValue::Integer(number) => number.to_string(),
            MetricValue::Float(number) => number.to_string(),
            MetricValue::Boolean(flag) => flag.to_string(),
            MetricValue::Text(text) => super::super::field::quoted(text, SHOW),
            MetricValue::Bytes(value) => bytes(value, SHOW),
            MetricValue::DataSet { columns, rows } => format!("data set, {columns} columns, {rows} rows"),
            MetricValue::Template { metrics } => format!("template, {metrics} metrics"),
            MetricValue::Extension(len) => format!("extension, {len} bytes"),
        }
    }
}

const SHOW: Show = Show { secrets: false, limit: SHOWN_BYTES };

/// The name of a type of metrics; `None` when the number stands for none.
pub fn datatype_name(datatype: u64) -> Option<&'static str> {
    const NAMES: [&str; 35] = [
        "Unknown",
        "Int8",
        "Int16",
        "Int32",
        "Int64",
        "UInt8",
        "UInt16",
        "UInt32",
        "UInt64",
        "Float",
        "Double",
        "Boolean",
        "String",
        "DateTime",
        "Text",
        "UUID",
        "DataSet",
        "Bytes",
        "File",
        "Template",
        "PropertySet",
        "PropertySetList",
        "Int8Array",
        "Int16Array",
        "Int32Array",
        "Int64Array",
        "UInt8Array",
        "UInt16Array",
        "UInt32Array",
        "UInt64Array",
        "FloatArray",
        "DoubleArray",
        "BooleanArray",
        "StringArray",
        "DateTimeArray",
    ];
    NAMES.get(usize::try_from(datatype).ok()?).copied()
}

/// Signed numbers are kept as unsigned ones of their size; the type says which they are.
fn integer(datatype: Option<u64>, raw: u64) -> i128 {
    match datatype {
        Some(1) => i128::from(raw as u8 as i8),
        Some(2) => i128::from(raw as u16 as i16),
        Some(3) => i128::from(raw as u32 as i32),
        Some(4) => i128::from(raw as i64),
        _ => i128::from(raw),
    }
}

fn data_set<'a>(bytes: &'a [u8], at: usize) -> Result<MetricValue<'a>, Broken> {
    let mut columns = 0;
    let mut message = Message::new(bytes, at);
    while let Some((number, field, _)) = message.next()? {
        if let (1, Field::Number(number)) = (number, field) {
            columns = number;
        }
    }
    Ok(MetricValue::DataSet { columns, rows: count(bytes, at, 4)? })
}

/// How many fields of a number a message has.
fn count(bytes: &[u8], at: usize, wanted: u64) -> Result<usize, Broken> {
    let (mut count, mut message) = (0, Message::new(bytes, at));
    while let Some((number, ..)) = message.next()? {
        count += usize::from(number == wanted);
    }
    Ok(count)
}
