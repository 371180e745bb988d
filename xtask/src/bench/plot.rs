//! How the cost of a message grows, drawn as SVG: a panel for each axis, a line for each broker, both scales logarithmic.

use std::fmt::Write as _;

use super::growth::Axis;
use super::report::Report;

const PANEL: (f64, f64) = (400.0, 260.0);
/// Room at the left, right, top and bottom of a panel.
const ROOM: (f64, f64, f64, f64) = (56.0, 16.0, 26.0, 44.0);
const LEGEND: f64 = 28.0;

/// Colours that differ for those who see fewer of them too; what they mean is also told by the marks.
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// The points of one broker in one panel: how much there is, and what a message costs.
type Line = Vec<(f64, f64)>;

/// The drawing, if there is anything to draw.
pub(super) fn growth(report: &Report) -> Option<String> {
    let brokers = brokers(report);
    if brokers.is_empty() {
        return None;
    }
    let (width, height) = (2.0 * PANEL.0, 2.0 * PANEL.1 + LEGEND);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (place, axis) in Axis::ALL.into_iter().enumerate() {
        let corner = ((place % 2) as f64 * PANEL.0, (place / 2) as f64 * PANEL.1);
        let lines: Vec<Line> = brokers.iter().map(|broker| line(report, axis, broker)).collect();
        panel(&mut svg, corner, axis, &lines);
    }
    for (place, broker) in brokers.iter().enumerate() {
        let at = (ROOM.0 + place as f64 * 120.0, 2.0 * PANEL.1 + LEGEND / 2.0);
        mark(&mut svg, at, place);
        text(&mut svg, (at.0 + 10.0, at.1 + 4.0), "start", broker);
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

/// Who has anything to draw. vaux's engines are one line: none takes part in a scenario beside another.
fn brokers(report: &Report) -> Vec<String> {
    let mut brokers: Vec<String> = Vec::new();
    for contender in report.rows.iter().filter(|row| row.growth.is_some()).flat_map(|row| &row.contenders) {
        let name = line_name(&contender.broker);
        if contender.figure(0).is_some() && !brokers.iter().any(|known| known == name) {
            brokers.push(name.to_owned());
        }
    }
    brokers
}

fn line_name(broker: &str) -> &str {
    broker.split(',').next().unwrap_or(broker)
}

fn line(report: &Report, axis: Axis, broker: &str) -> Line {
    let mut points = Vec::new();
    for row in &report.rows {
        let Some(place) = row.growth.filter(|place| place.axis == axis) else { continue };
        // What is lost costs nothing.
        let mut clean = row.contenders.iter().filter(|contender| !contender.faults().any());
        let contender = clean.find(|contender| line_name(&contender.broker) == broker);
        if let Some(figure) = contender.and_then(|contender| contender.figure(0)) {
            points.push((place.at as f64, figure.spread.median));
        }
    }
    points
}

/// A scale from powers of ten to pixels.
struct Scale {
    decades: (i32, i32),
    pixels: (f64, f64),
}

impl Scale {
    /// A scale that holds all of these values, of which none is 0.
    fn of(values: impl Iterator<Item = f64> + Clone, pixels: (f64, f64)) -> Scale {
        let least = values.clone().fold(f64::INFINITY, f64::min).max(1e-6);
        let greatest = values.fold(1e-6, f64::max);
        let low = least.log10().floor() as i32;
        Scale { decades: (low, (greatest.log10().ceil() as i32).max(low + 1)), pixels }
    }

    fn at(&self, value: f64) -> f64 {
        let (low, high) = self.decades;
        let share = (value.max(1e-6).log10() - f64::from(low)) / f64::from(high - low);
        self.pixels.0 + share * (self.pixels.1 - self.pixels.0)
    }

    fn ticks(&self) -> impl Iterator<Item = f64> {
        (self.decades.0..=self.decades.1).map(|decade| 10_f64.powi(decade))
    }
}

fn panel(svg: &mut String, corner: (f64, f64), axis: Axis, lines: &[Line]) {
    let points = || lines.iter().flatten();
    if points().next().is_none() {
        return;
    }
    let (left, right) = (corner.0 + ROOM.0, corner.0 + PANEL.0 - ROOM.1);
    let (top, bottom) = (corner.1 + ROOM.2, corner.1 + PANEL.1 - ROOM.3);
    let x = Scale::of(points().map(|point| point.0), (left, right));
    let y = Scale::of(points().map(|point| point.1), (bottom, top));
    for tick in y.ticks() {
        let at = y.at(tick);
        stroke(svg, "#ddd", 1.0, &[(left, at), (right, at)]);
        text(svg, (left - 6.0, at + 4.0), "end", &short(tick));
    }
    for tick in x.ticks() {
        text(svg, (x.at(tick), bottom + 16.0), "middle", &short(tick));
    }
    stroke(svg, "#444", 1.0, &[(left, top), (left, bottom), (right, bottom)]);
    text(svg, (f64::midpoint(left, right), bottom + 34.0), "middle", axis.title());
    text(svg, (left - 6.0, top - 10.0), "start", "CPU µs/message");
    for (place, points) in lines.iter().enumerate() {
        let pixels: Vec<(f64, f64)> = points.iter().map(|point| (x.at(point.0), y.at(point.1))).collect();
        stroke(svg, COLOURS[place % COLOURS.len()], 1.5, &pixels);
        pixels.into_iter().for_each(|at| mark(svg, at, place));
    }
}

fn stroke(svg: &mut String, colour: &str, width: f64, points: &[(f64, f64)]) {
    let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let points = points.join(" ");
    write(
        svg,
        format_args!(
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>"
        ),
    );
}

/// Each of four brokers has a shape of its own.
fn mark(svg: &mut String, (x, y): (f64, f64), place: usize) {
    let colour = COLOURS[place % COLOURS.len()];
    match place % 4 {
        0 => write(svg, format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{colour}\"/>")),
        1 => {
            let (x, y) = (x - 3.5, y - 3.5);
            write(
                svg,
                format_args!("<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"7\" height=\"7\" fill=\"{colour}\"/>"),
            );
        }
        2 => write(svg, format_args!("<path d=\"M{x:.1} {:.1} l4.5 8 h-9 z\" fill=\"{colour}\"/>", y - 5.0)),
        _ => write(
            svg,
            format_args!("<path d=\"M{x:.1} {:.1} l5 5 l-5 5 l-5 -5 z\" fill=\"{colour}\"/>", y - 5.0),
        ),
    }
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    write(svg, format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"));
}

fn write(svg: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(svg, "{line}").expect("a String takes any text");
}

/// 1000 as 1k.
fn short(value: f64) -> String {
    if value >= 1e6 {
        format!("{}M", value / 1e6)
    } else if value >= 1e3 {
        format!("{}k", value / 1e3)
    } else {
        format!("{value}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_holds_its_values() {
        let scale = Scale::of([0.2, 3.0, 40.0].into_iter(), (100.0, 0.0));
        assert_eq!(scale.decades, (-1, 2));
        assert_eq!((scale.at(0.1), scale.at(100.0)), (100.0, 0.0));
        assert_eq!(scale.ticks().map(short).collect::<Vec<_>>(), ["0.1", "1", "10", "100"]);
    }

    #[test]
    fn one_value_has_a_scale_too() {
        let scale = Scale::of([1.0].into_iter(), (0.0, 10.0));
        assert_eq!((scale.at(1.0), scale.decades), (0.0, (0, 1)));
    }

    #[test]
    fn large_numbers_are_short() {
        assert_eq!([1.0, 1e3, 1e5, 1e6].map(short), ["1", "1k", "100k", "1M"]);
    }
}
