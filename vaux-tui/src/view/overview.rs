//! Overview.
//!
//! ```text
//! ╭ Messages in ────────╮╭ Messages out ───────╮   from 100 columns on bytes stand beside
//! │ 12,345/s            ││                     │
//! │ ▁▂▃▅▆▇              ││                     │
//! ╰─────────────────────╯╰─────────────────────╯
//! ╭ Totals ────────────────────────────────────╮
//! ╭ Busiest topics ─────╮╭ Worst clients ──────╮   or the busiest; from 120 columns on both
//! ```

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::{Align, Canvas};
use super::layout::Areas;
use super::words::{bytes, count, duration, microseconds, number, rate};
use crate::state::overview::{Metrics, Overview};
use crate::state::series::Series;
use crate::state::{Kind, State};

/// Draws the screen.
pub(super) fn draw(canvas: &mut Canvas<'_>, state: &State, areas: &Areas) {
    if !areas.has_borders {
        return draw_small(canvas, state, areas.body);
    }
    let body = areas.body;
    let totals = totals(state);
    let charts_height = (body.height / 4).clamp(4, 10);
    let columns = (body.width.saturating_sub(2) / TOTAL_WIDTH).max(1);
    let totals_height = (totals.len() as u16).div_ceil(columns) + 2;
    let charts = Rect { height: charts_height, ..body };
    let rest = body.height - charts_height;
    let totals_area = Rect { y: charts.bottom(), height: totals_height.min(rest), ..body };
    let lists = Rect { y: totals_area.bottom(), height: rest - totals_area.height, ..body };
    draw_charts(canvas, state, charts);
    draw_totals(canvas, totals_area, &totals, true);
    draw_lists(canvas, state, lists);
}

/// Without borders: rates and totals, line by line.
fn draw_small(canvas: &mut Canvas<'_>, state: &State, area: Rect) {
    let mut rows = Vec::new();
    for (label, series, is_bytes) in charts(state) {
        rows.push((label.to_owned(), per_second(series.last(), is_bytes), Style::new()));
    }
    rows.extend(totals(state));
    draw_totals(canvas, area, &rows, false);
}

/// What is charted: name, values, whether they are bytes.
fn charts(state: &State) -> Vec<(&'static str, &Series, bool)> {
    let overview = &state.overview;
    if state.replay.is_some() {
        return vec![
            ("Messages", &overview.received, false),
            ("Bytes of payload", &overview.bytes_received, true),
        ];
    }
    vec![
        ("Messages in", &overview.received, false),
        ("Messages out", &overview.sent, false),
        ("Bytes in", &overview.bytes_received, true),
        ("Bytes out", &overview.bytes_sent, true),
    ]
}

fn per_second(value: f64, is_bytes: bool) -> String {
    if is_bytes { format!("{}/s", bytes(value)) } else { format!("{}/s", rate(value)) }
}

fn draw_charts(canvas: &mut Canvas<'_>, state: &State, area: Rect) {
    let all = charts(state);
    let shown = if area.width >= 100 { all.len() as u16 } else { 2 };
    let width = area.width / shown;
    for (index, (label, series, is_bytes)) in (0..shown).zip(all) {
        let x = area.x + index * width;
        let width = if index + 1 == shown { area.right() - x } else { width };
        let inner = canvas.panel(Rect { x, width, ..area }, true, label);
        if !state.overview.has_rates() && state.replay.is_none() {
            canvas.text(inner.x, inner.y, inner.width, "waiting for figures", canvas.theme.dim);
            continue;
        }
        let style = if index % 2 == 0 { canvas.theme.accent } else { canvas.theme.second };
        let now = per_second(series.last(), is_bytes);
        canvas.text(inner.x, inner.y, inner.width, &now, style.patch(canvas.theme.title));
        let peak = format!("peak {}", per_second(series.peak(inner.width.into()), is_bytes));
        // Half a number would be a wrong one.
        if now.len() + 1 + peak.len() <= usize::from(inner.width) {
            canvas.text_right(inner.x, inner.y, inner.width, &peak, canvas.theme.dim);
        }
        let bars = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
        canvas.bars(bars, series, style);
    }
}

/// How wide a label with its value is.
const TOTAL_WIDTH: u16 = 26;

type Total = (String, String, Style);

/// What stands under Totals: labels and values.
fn totals(state: &State) -> Vec<Total> {
    let overview = &state.overview;
    if let Some(replay) = &state.replay {
        let row = |label: &str, value: usize| (label.to_owned(), number(value as u64), Style::new());
        return vec![
            row("topics", state.topics.total() as usize),
            row("messages so far", replay.next),
            row("in the recording", replay.recording.messages().len()),
        ];
    }
    match &overview.metrics {
        Some(metrics) => totals_of_vaux(state, metrics),
        None => totals_of_tree(overview),
    }
}

fn totals_of_vaux(state: &State, metrics: &Metrics) -> Vec<Total> {
    let theme = state.theme;
    let plain = Style::new();
    let gauges = &metrics.gauges;
    let warn = |is_bad: bool| if is_bad { theme.warning } else { plain };
    let sign = |is_bad: bool, text: String| if is_bad { format!("! {text}") } else { text };
    let rates = &metrics.rates;
    let dropped: f64 = metrics.counters.dropped.values().sum();
    let dropping: f64 = rates.dropped.values().sum();
    let row = |label: &str, value: String| (label.to_owned(), value, plain);
    let mut rows = vec![
        row("clients", count(gauges.connected)),
        row("sessions", count(gauges.sessions)),
        row("subscriptions", count(gauges.subscriptions)),
        row("shared", count(gauges.shared_subscriptions)),
        row("retained", count(metrics.retained_messages)),
        row("retained size", bytes(metrics.retained_bytes as f64)),
        row("queued", count(gauges.queued_messages)),
        row("queued size", bytes(gauges.queued_bytes as f64)),
        row("unsent", bytes(gauges.outbox_bytes as f64)),
        ("dropped".into(), sign(dropping > 0.0, count(dropped as u64)), warn(dropping > 0.0)),
        row("connects", format!("{}/s", rate(rates.connects))),
        (
            "refused".into(),
            {
                let refused = metrics.counters.refused_connects as u64;
                sign(rates.refused_connects > 0.0, count(refused))
            },
            warn(rates.refused_connects > 0.0),
        ),
        row("delivery p99", latency(metrics.delivery_us.p99)),
        row("delivery p99.9", latency(metrics.delivery_us.p999)),
        row("commit p50", latency(metrics.commit_us.p50)),
        row("commit p99", latency(metrics.commit_us.p99)),
        row("memory", bytes(metrics.resident_bytes as f64)),
    ];
    let is_bad = metrics.store != "good";
    rows.push(("store".into(), sign(is_bad, metrics.store.clone()), if is_bad { theme.bad } else { plain }));
    rows.push(row("workers", number(metrics.workers)));
    rows
}

fn latency(us: Option<f64>) -> String {
    us.map_or_else(|| "none yet".to_owned(), microseconds)
}

fn totals_of_tree(overview: &Overview) -> Vec<Total> {
    let plain = Style::new();
    let names = [
        ("clients", "clients/connected"),
        ("sessions", "clients/total"),
        ("most clients", "clients/maximum"),
        ("expired", "clients/expired"),
        ("subscriptions", "subscriptions/count"),
        ("shared", "shared_subscriptions/count"),
        ("retained", "retained messages/count"),
        ("stored", "store/messages/count"),
        ("messages in", "publish/messages/received"),
        ("messages out", "publish/messages/sent"),
        ("dropped", "publish/messages/dropped"),
    ];
    let sizes = [
        ("stored size", "store/messages/bytes"),
        ("bytes in", "bytes/received"),
        ("bytes out", "bytes/sent"),
        ("memory", "heap/current"),
    ];
    let counts = names
        .into_iter()
        .filter_map(|(label, name)| Some((label.to_owned(), count(overview.number(name)? as u64), plain)));
    let sizes = sizes
        .into_iter()
        .filter_map(|(label, name)| Some((label.to_owned(), bytes(overview.number(name)?), plain)));
    let uptime = overview.number("uptime").map(|s| ("up".to_owned(), duration(s as u64), plain));
    counts.chain(sizes).chain(uptime).collect()
}

fn draw_totals(canvas: &mut Canvas<'_>, area: Rect, rows: &[Total], has_border: bool) {
    let inner = canvas.panel(area, has_border, "Totals");
    let columns = (inner.width / TOTAL_WIDTH).max(1);
    let width = inner.width / columns;
    for (index, (label, value, style)) in rows.iter().enumerate() {
        let (column, line) = ((index as u16) % columns, (index as u16) / columns);
        if line >= inner.height {
            return;
        }
        let (x, y) = (inner.x + column * width, inner.y + line);
        // A space on both sides keeps columns apart.
        let room = width.saturating_sub(2);
        let end = canvas.text(x + u16::from(has_border), y, room, label, canvas.theme.dim);
        let left = (x + width).saturating_sub(end + 2);
        canvas.text_right(end + 1, y, left, value, *style);
    }
}

fn draw_lists(canvas: &mut Canvas<'_>, state: &State, area: Rect) {
    if area.height < 3 {
        return;
    }
    let has_worst = !state.overview.worst.is_empty();
    let has_three = has_worst && area.width >= 120;
    let width = area.width / if has_three { 3 } else { 2 };
    draw_topics(canvas, state, Rect { width, ..area });
    let mut rest = Rect { x: area.x + width, width: area.width - width, ..area };
    if has_three {
        draw_clients(canvas, state, Rect { width, ..rest });
        rest = Rect { x: rest.x + width, width: rest.width - width, ..rest };
    }
    match has_worst {
        true => draw_worst(canvas, state, rest),
        false => draw_clients(canvas, state, rest),
    }
}

/// A name, and what it comes to in a second.
fn top_row(canvas: &mut Canvas<'_>, inner: Rect, y: u16, name: &str, per_s: f64, size: Option<f64>) {
    let plain = Style::new();
    // Where it is narrow the name matters more than the size.
    let size = size.filter(|_| inner.width >= 50);
    let fixed = if size.is_some() { 22 } else { 11 };
    let width = inner.width.saturating_sub(fixed);
    let messages = format!("{}/s", rate(per_s));
    let size = size.map(|size| format!("{}/s", bytes(size))).unwrap_or_default();
    let all = [(name, width, Align::Left, plain), (messages.as_str(), 10, Align::Right, canvas.theme.accent)];
    canvas.row(inner, y, &all);
    if !size.is_empty() {
        canvas.text_right(inner.right() - 10, y, 10, &size, canvas.theme.dim);
    }
}

fn draw_topics(canvas: &mut Canvas<'_>, state: &State, area: Rect) {
    let inner = canvas.panel(area, true, "Busiest topics");
    let lines = (inner.y..inner.bottom()).zip(0..);
    if !state.overview.top_topics.is_empty() {
        for ((y, _), row) in lines.zip(&state.overview.top_topics) {
            top_row(canvas, inner, y, &row.name, row.messages_per_s, Some(row.bytes_per_s));
        }
        return;
    }
    let busiest = state.topics.busiest_topics();
    if busiest.is_empty() {
        let text = match (&state.kind, state.replay.is_some()) {
            (_, true) => "nothing at present",
            (Kind::Tree, _) if state.filters.is_empty() => {
                "this broker does not tell; s subscribes, and then they are counted"
            }
            _ => "nothing at present",
        };
        super::explain(canvas, inner, &[text]);
    }
    for ((y, _), node) in lines.zip(busiest) {
        let node = state.topics.node(*node);
        top_row(canvas, inner, y, node.topic(), node.rate.per_s(state.now).into(), None);
    }
}

fn draw_clients(canvas: &mut Canvas<'_>, state: &State, area: Rect) {
    let inner = canvas.panel(area, true, "Busiest clients");
    if state.overview.top_clients.is_empty() {
        let text = match (&state.kind, state.replay.is_some()) {
            (_, true) => "a recording does not tell",
            (Kind::Tree, _) => "this broker does not tell",
            _ => "nothing at present",
        };
        return super::explain(canvas, inner, &[text]);
    }
    for (y, row) in (inner.y..inner.bottom()).zip(&state.overview.top_clients) {
        top_row(canvas, inner, y, &row.name, row.messages_per_s, Some(row.bytes_per_s));
    }
}

/// For whom the most was dropped since the dashboard looks.
fn draw_worst(canvas: &mut Canvas<'_>, state: &State, area: Rect) {
    let inner = canvas.panel(area, true, "Worst clients: dropped messages");
    let worst = state.overview.worst_clients(inner.height.into());
    for (y, (name, dropped, cause)) in (inner.y..inner.bottom()).zip(worst) {
        let width = inner.width.saturating_sub(24);
        let dropped = count(dropped);
        let warning = canvas.theme.warning;
        canvas.row(
            inner,
            y,
            &[
                (canvas.glyphs.warning, 1, Align::Left, warning),
                (name, width.saturating_sub(2), Align::Left, Style::new()),
                (&dropped, 8, Align::Right, warning),
                (cause, 13, Align::Left, canvas.theme.dim),
            ],
        );
    }
}
