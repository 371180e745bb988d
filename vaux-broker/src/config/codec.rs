//! How values look in the file: for each kind of value, reading it from TOML, its range, and writing it.
//!
//! Messages follow the name of the key: "must be …".

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::DeValue;
use vaux_mqtt::{QoS, Version};

use super::auth::JwtAlgorithm;
use super::listener::{Bind, CertAndKey, check_host};
use super::network::Network;
use super::units::{format_duration, format_size, parse_duration, parse_size};

/// A kind of value in the file.
pub(super) trait Codec<T> {
    /// Reads what the file says. Its range is left to [`Codec::check`].
    fn read(&self, value: &DeValue<'_>) -> Result<T, String>;

    /// Whether the broker can work with this value.
    fn check(&self, _value: &T) -> Result<(), String> {
        Ok(())
    }

    /// The value as TOML. `None` when it is expressed by leaving the key away.
    fn write(&self, value: &T) -> Option<String>;
}

/// `true` or `false`.
pub(super) struct Switch;

impl Codec<bool> for Switch {
    fn read(&self, value: &DeValue<'_>) -> Result<bool, String> {
        value.as_bool().ok_or_else(|| expected("true or false", value))
    }

    fn write(&self, value: &bool) -> Option<String> {
        Some(value.to_string())
    }
}

/// A value that is `None` when its key is left away.
pub(super) struct Optional<C>(pub(super) C);

impl<T, C: Codec<T>> Codec<Option<T>> for Optional<C> {
    fn read(&self, value: &DeValue<'_>) -> Result<Option<T>, String> {
        self.0.read(value).map(Some)
    }

    fn check(&self, value: &Option<T>) -> Result<(), String> {
        value.as_ref().map_or(Ok(()), |value| self.0.check(value))
    }

    fn write(&self, value: &Option<T>) -> Option<String> {
        value.as_ref().and_then(|value| self.0.write(value))
    }
}

/// A whole number.
pub(super) struct Count(pub(super) RangeInclusive<u64>);

impl<T: Copy + TryFrom<u64> + TryInto<u64>> Codec<T> for Count {
    fn read(&self, value: &DeValue<'_>) -> Result<T, String> {
        let number = integer(value).ok_or_else(|| expected("a whole number", value))?;
        T::try_from(number).map_err(|_| in_range(&self.0, ToString::to_string, &number))
    }

    fn check(&self, value: &T) -> Result<(), String> {
        // All of T's values are u64 values: the types are usize and u16.
        let number = (*value).try_into().unwrap_or(u64::MAX);
        if self.0.contains(&number) { Ok(()) } else { Err(in_range(&self.0, ToString::to_string, &number)) }
    }

    fn write(&self, value: &T) -> Option<String> {
        (*value).try_into().ok().map(|number: u64| number.to_string())
    }
}

/// A number of bytes: `65536` or `"64KiB"`.
pub(super) struct Size(pub(super) RangeInclusive<u64>);

impl Codec<usize> for Size {
    fn read(&self, value: &DeValue<'_>) -> Result<usize, String> {
        let bytes = match value {
            DeValue::String(text) => parse_size(text),
            _ => integer(value),
        };
        let bytes = bytes.ok_or_else(|| expected("a number of bytes or a size such as \"256KiB\"", value))?;
        usize::try_from(bytes).map_err(|_| in_range(&self.0, |bytes| format_size(*bytes), &bytes))
    }

    fn check(&self, value: &usize) -> Result<(), String> {
        let bytes = *value as u64;
        if self.0.contains(&bytes) {
            Ok(())
        } else {
            Err(in_range(&self.0, |bytes| format_size(*bytes), &bytes))
        }
    }

    fn write(&self, value: &usize) -> Option<String> {
        Some(match *value {
            0 => "0".into(),
            bytes => quoted(&format_size(bytes as u64)),
        })
    }
}

/// A number of bytes, or 0 for no limit.
pub(super) struct SizeOrOff(pub(super) Size);

impl Codec<Option<usize>> for SizeOrOff {
    fn read(&self, value: &DeValue<'_>) -> Result<Option<usize>, String> {
        self.0.read(value).map(|bytes| (bytes != 0).then_some(bytes))
    }

    fn check(&self, value: &Option<usize>) -> Result<(), String> {
        value.as_ref().map_or(Ok(()), |bytes| self.0.check(bytes))
    }

    fn write(&self, value: &Option<usize>) -> Option<String> {
        self.0.write(&value.unwrap_or(0))
    }
}

/// A duration such as `"30s"`.
pub(super) struct Time(pub(super) RangeInclusive<Duration>);

impl Codec<Duration> for Time {
    fn read(&self, value: &DeValue<'_>) -> Result<Duration, String> {
        value.as_str().and_then(parse_duration).ok_or_else(|| expected("a duration such as \"30s\"", value))
    }

    fn check(&self, value: &Duration) -> Result<(), String> {
        if self.0.contains(value) {
            Ok(())
        } else {
            Err(in_range(&self.0, |time| format_duration(*time), value))
        }
    }

    fn write(&self, value: &Duration) -> Option<String> {
        Some(quoted(&format_duration(*value)))
    }
}

/// A duration in whole seconds, as the protocol counts it, or `"never"`.
pub(super) struct SecondsOrNever(pub(super) Time);

impl Codec<Option<Duration>> for SecondsOrNever {
    fn read(&self, value: &DeValue<'_>) -> Result<Option<Duration>, String> {
        match value.as_str() {
            Some("never") => Ok(None),
            Some(text) if parse_duration(text).is_some() => self.0.read(value).map(Some),
            _ => Err(expected("a duration such as \"30s\", or \"never\"", value)),
        }
    }

    fn check(&self, value: &Option<Duration>) -> Result<(), String> {
        match value {
            Some(time) if time.subsec_nanos() != 0 => Err("must be whole seconds".into()),
            Some(time) => self.0.check(time),
            None => Ok(()),
        }
    }

    fn write(&self, value: &Option<Duration>) -> Option<String> {
        value.as_ref().map_or_else(|| Some(quoted("never")), |time| self.0.write(time))
    }
}

/// One of a few words.
pub(super) struct OneOf<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: Copy + PartialEq> Codec<T> for OneOf<T> {
    fn read(&self, value: &DeValue<'_>) -> Result<T, String> {
        let word = value.as_str();
        let found = self.0.iter().find(|(name, _)| Some(*name) == word);
        found.map(|(_, value)| *value).ok_or_else(|| {
            let names: Vec<_> = self.0.iter().map(|(name, _)| quoted(name)).collect();
            expected(&names.join(" or "), value)
        })
    }

    fn write(&self, value: &T) -> Option<String> {
        self.0.iter().find(|(_, known)| known == value).map(|(name, _)| quoted(name))
    }
}

/// A list of texts with a rule for each.
pub(super) struct Texts(pub(super) fn(&str) -> Result<(), String>);

impl Codec<Vec<String>> for Texts {
    fn read(&self, value: &DeValue<'_>) -> Result<Vec<String>, String> {
        let list = value.as_array().ok_or_else(|| expected("a list of texts in quotes", value))?;
        list.iter().map(|text| Text(self.0).read(text.get_ref())).collect()
    }

    fn check(&self, value: &Vec<String>) -> Result<(), String> {
        value.iter().try_for_each(|text| (self.0)(text))
    }

    fn write(&self, value: &Vec<String>) -> Option<String> {
        let texts: Vec<_> = value.iter().map(|text| quoted(text)).collect();
        Some(format!("[{}]", texts.join(", ")))
    }
}

/// A text with a rule of its own.
pub(super) struct Text(pub(super) fn(&str) -> Result<(), String>);

impl Codec<String> for Text {
    fn read(&self, value: &DeValue<'_>) -> Result<String, String> {
        value.as_str().map(str::to_owned).ok_or_else(|| expected("a text in quotes", value))
    }

    fn check(&self, value: &String) -> Result<(), String> {
        (self.0)(value)
    }

    fn write(&self, value: &String) -> Option<String> {
        Some(quoted(value))
    }
}

/// A file or directory.
pub(super) struct Path;

impl Codec<PathBuf> for Path {
    fn read(&self, value: &DeValue<'_>) -> Result<PathBuf, String> {
        value.as_str().map(PathBuf::from).ok_or_else(|| expected("a path in quotes", value))
    }

    fn check(&self, value: &PathBuf) -> Result<(), String> {
        if value.as_os_str().is_empty() { Err("must not be empty".into()) } else { Ok(()) }
    }

    fn write(&self, value: &PathBuf) -> Option<String> {
        Some(quoted(&value.to_string_lossy()))
    }
}

/// Where to listen.
pub(super) struct Address;

impl Codec<Bind> for Address {
    fn read(&self, value: &DeValue<'_>) -> Result<Bind, String> {
        let text = value.as_str().ok_or_else(|| expected("an address such as \"127.0.0.1:1883\"", value))?;
        text.parse().map_err(|problem| format!("is not an address: {problem}"))
    }

    fn check(&self, value: &Bind) -> Result<(), String> {
        check_host(&value.host).map(drop).map_err(|problem| format!("is not an address: {problem}"))
    }

    fn write(&self, value: &Bind) -> Option<String> {
        Some(quoted(&value.to_string()))
    }
}

/// A quality of service.
pub(super) struct Quality;

impl Codec<QoS> for Quality {
    fn read(&self, value: &DeValue<'_>) -> Result<QoS, String> {
        let bits = integer(value).and_then(|number| u8::try_from(number).ok());
        bits.and_then(QoS::from_bits).ok_or_else(|| expected("0, 1 or 2", value))
    }

    fn write(&self, value: &QoS) -> Option<String> {
        Some(value.bits().to_string())
    }
}

/// A list of ranges of addresses.
pub(super) struct Networks;

impl Codec<Vec<Network>> for Networks {
    fn read(&self, value: &DeValue<'_>) -> Result<Vec<Network>, String> {
        let list = value.as_array().ok_or_else(|| expected("a list such as [\"10.0.0.0/8\"]", value))?;
        let read = |value: &DeValue<'_>| match value.as_str() {
            Some(text) => text.parse(),
            None => Err(expected("a list of texts in quotes", value)),
        };
        list.iter().map(|network| read(network.get_ref())).collect()
    }

    fn write(&self, value: &Vec<Network>) -> Option<String> {
        let networks: Vec<_> = value.iter().map(|network| quoted(&network.to_string())).collect();
        Some(format!("[{}]", networks.join(", ")))
    }
}

/// A list of certificates with their keys.
pub(super) struct CertsAndKeys;

impl Codec<Vec<CertAndKey>> for CertsAndKeys {
    fn read(&self, value: &DeValue<'_>) -> Result<Vec<CertAndKey>, String> {
        let wanted = || expected("a list such as [{ cert = \"a.pem\", key = \"a.key\" }]", value);
        let read = |element: &DeValue<'_>| {
            let table = element.as_table().filter(|table| table.len() == 2).ok_or_else(wanted)?;
            let path =
                |name: &str| table.get(name).and_then(|value| value.get_ref().as_str()).map(PathBuf::from);
            Ok(CertAndKey { cert: path("cert").ok_or_else(wanted)?, key: path("key").ok_or_else(wanted)? })
        };
        value.as_array().ok_or_else(wanted)?.iter().map(|element| read(element.get_ref())).collect()
    }

    fn check(&self, value: &Vec<CertAndKey>) -> Result<(), String> {
        value.iter().flat_map(|pair| [&pair.cert, &pair.key]).try_for_each(|path| Path.check(path))
    }

    fn write(&self, value: &Vec<CertAndKey>) -> Option<String> {
        let path = |path: &PathBuf| quoted(&path.to_string_lossy());
        let pair =
            |pair: &CertAndKey| format!("{{ cert = {}, key = {} }}", path(&pair.cert), path(&pair.key));
        Some(format!("[{}]", value.iter().map(pair).collect::<Vec<_>>().join(", ")))
    }
}

/// A list of protocol versions.
pub(super) struct Versions;

const VERSIONS: OneOf<Version> =
    OneOf(&[("3.1", Version::V31), ("3.1.1", Version::V311), ("5", Version::V5)]);

impl Codec<Vec<Version>> for Versions {
    fn read(&self, value: &DeValue<'_>) -> Result<Vec<Version>, String> {
        let list = value.as_array().ok_or_else(|| expected("a list such as [\"3.1.1\", \"5\"]", value))?;
        list.iter().map(|version| VERSIONS.read(version.get_ref())).collect()
    }

    fn check(&self, value: &Vec<Version>) -> Result<(), String> {
        if value.is_empty() {
            return Err("must name at least one version".into());
        }
        let repeated = value.iter().enumerate().find(|(index, version)| value[..*index].contains(version));
        repeated.map_or(Ok(()), |(_, version)| Err(format!("names version {version} twice")))
    }

    fn write(&self, value: &Vec<Version>) -> Option<String> {
        let versions: Vec<_> = value.iter().filter_map(|version| VERSIONS.write(version)).collect();
        Some(format!("[{}]", versions.join(", ")))
    }
}

/// A list of algorithms that tokens are signed with.
pub(super) struct Algorithms;

impl Codec<Vec<JwtAlgorithm>> for Algorithms {
    fn read(&self, value: &DeValue<'_>) -> Result<Vec<JwtAlgorithm>, String> {
        let list =
            value.as_array().ok_or_else(|| expected("a list such as [\"RS256\", \"ES256\"]", value))?;
        let read = |value: &DeValue<'_>| {
            let found = JwtAlgorithm::ALL.into_iter().find(|known| value.as_str() == Some(known.name()));
            found.ok_or_else(|| expected("a list of RS256, ES256, EdDSA and HS256", value))
        };
        list.iter().map(|algorithm| read(algorithm.get_ref())).collect()
    }

    fn check(&self, value: &Vec<JwtAlgorithm>) -> Result<(), String> {
        if value.is_empty() { Err("must name at least one algorithm".into()) } else { Ok(()) }
    }

    fn write(&self, value: &Vec<JwtAlgorithm>) -> Option<String> {
        let names: Vec<_> = value.iter().map(|algorithm| quoted(algorithm.name())).collect();
        Some(format!("[{}]", names.join(", ")))
    }
}

fn integer(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn expected(what: &str, value: &DeValue<'_>) -> String {
    let found = match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(integer) if integer.radix() == 10 => integer.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        other => format!("a TOML {}", other.type_str()),
    };
    format!("must be {what}, not {found}")
}

fn in_range<T>(range: &RangeInclusive<T>, show: impl Fn(&T) -> String, found: &T) -> String {
    format!("must be from {} to {}, not {}", show(range.start()), show(range.end()), show(found))
}

/// A TOML basic string.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
