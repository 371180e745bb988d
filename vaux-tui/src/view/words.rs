//! Numbers, sizes and times in few characters.

/// `12,345`.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `12.3`, `1,234`, `1.23M`: a rate in at most seven characters.
pub(crate) fn rate(value: f64) -> String {
    match value {
        _ if value < 0.05 => "0".to_owned(),
        _ if value < 100.0 => format!("{value:.1}"),
        _ if value < 1e6 => number(value.round() as u64),
        _ if value < 1e9 => format!("{:.2}M", value / 1e6),
        _ => format!("{:.2}G", value / 1e9),
    }
}

/// `12,345`, `1.23M`: a count in at most seven characters.
pub(crate) fn count(value: u64) -> String {
    if value < 100_000 { number(value) } else { rate_of_large(value) }
}

fn rate_of_large(value: u64) -> String {
    match value {
        0..1_000_000 => format!("{}k", value / 1000),
        1_000_000..1_000_000_000 => format!("{:.2}M", value as f64 / 1e6),
        _ => format!("{:.2}G", value as f64 / 1e9),
    }
}

/// `512 B`, `1.5 KiB`.
pub(crate) fn bytes(bytes: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes.max(0.0);
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{value:.0} B"),
        _ if value < 10.0 => format!("{value:.1} {}", UNITS[unit]),
        _ => format!("{value:.0} {}", UNITS[unit]),
    }
}

/// `12 s`, `5 min`, `3 h`, `2 d`.
pub(crate) fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// `850 µs`, `1.2 ms`.
pub(crate) fn microseconds(us: f64) -> String {
    match us {
        _ if us < 1000.0 => format!("{us:.0} µs"),
        _ if us < 1e6 => format!("{:.1} ms", us / 1e3),
        _ => format!("{:.1} s", us / 1e6),
    }
}

/// A number of a payload, with six digits that count: `50.5644`, `1250000`, `1.5e-7`.
pub(crate) fn figure(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e15).contains(&size) {
        return format!("{:e}", format!("{value:.5e}").parse().unwrap_or(value));
    }
    let decimals = if size == 0.0 { 0 } else { 5 - size.log10().floor() as i32 };
    let text = format!("{value:.*}", usize::try_from(decimals).unwrap_or(0));
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// `1 topic`, `12 topics`.
pub(crate) fn plural(count: u64, what: &str) -> String {
    format!("{} {what}{}", number(count), if count == 1 { "" } else { "s" })
}

/// A position in a recording: `1:02:03`.
pub(crate) fn position(us: u64) -> String {
    let s = us / 1_000_000;
    match s / 3600 {
        0 => format!("{}:{:02}", s / 60, s % 60),
        hours => format!("{hours}:{:02}:{:02}", s / 60 % 60, s % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_read_well() {
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!([rate(0.0), rate(12.34), rate(1234.5), rate(1.234e6)], ["0", "12.3", "1,235", "1.23M"]);
        assert_eq!([count(99_999), count(123_456)], ["99,999", "123k"]);
        assert_eq!([bytes(512.0), bytes(1536.0), bytes(64e6)], ["512 B", "1.5 KiB", "61 MiB"]);
        assert_eq!([duration(59), duration(300), duration(200_000)], ["59 s", "5 min", "2 d"]);
        let figures = [0.0, -3.0, 50.56439783014541, 1_234_567.25, 0.1 + 0.2, 0.000_123_456_7];
        assert_eq!(figures.map(figure), ["0", "-3", "50.5644", "1234567", "0.3", "0.000123457"]);
        assert_eq!([1.5e-7, -2e20, f64::MAX].map(figure), ["1.5e-7", "-2e20", "1.79769e308"]);
        assert_eq!([position(62_000_000), position(3_723_000_000)], ["1:02", "1:02:03"]);
    }
}
