//! Writing on the screen: text that is cut where its place ends, panels, sparklines.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::layout::inside;
use crate::state::State;
use crate::state::series::Series;
use crate::theme::{Glyphs, Theme};

/// The screen with the styles and signs in force.
pub(crate) struct Canvas<'a> {
    pub(crate) buffer: &'a mut Buffer,
    pub(crate) theme: Theme,
    pub(crate) glyphs: Glyphs,
    is_ascii: bool,
}

/// A cell of a row: what it says, how wide it is, whether it stands at the right, its style.
pub(crate) type Cell<'a> = (&'a str, u16, Align, Style);

/// Where a cell's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

impl<'a> Canvas<'a> {
    /// A canvas over a buffer.
    pub(crate) fn new(buffer: &'a mut Buffer, state: &State) -> Canvas<'a> {
        Canvas { buffer, theme: state.theme, glyphs: state.glyphs, is_ascii: state.settings.ascii }
    }

    /// Writes a text of at most `width` columns. Gives the column behind it.
    pub(crate) fn text(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        let area = self.buffer.area;
        if y < area.top() || y >= area.bottom() || x < area.left() || x >= area.right() || width == 0 {
            return x;
        }
        let width = width.min(area.right() - x);
        let text = self.fit(text, width);
        let (end, _) = self.buffer.set_stringn(x, y, &text, width.into(), style);
        end
    }

    /// Writes a text at the right end of its place.
    pub(crate) fn text_right(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) {
        let used = (text.width().min(width.into())) as u16;
        self.text(x + (width - used), y, used, text, style);
    }

    /// The text without anything that a terminal would act upon, cut to so many columns.
    fn fit(&self, text: &str, width: u16) -> String {
        let width = usize::from(width);
        let mut fitted = String::with_capacity(text.len().min(4 * width));
        let mut used = 0;
        for character in text.chars() {
            let character = self.printable(character);
            let columns = character.width().unwrap_or(0);
            if used + columns > width {
                while used + 1 > width {
                    used -= fitted.pop().and_then(UnicodeWidthChar::width).unwrap_or(1);
                }
                fitted.push_str(self.glyphs.more);
                return fitted;
            }
            used += columns;
            fitted.push(character);
        }
        fitted
    }

    fn printable(&self, character: char) -> char {
        match character {
            _ if character.is_control() => self.glyphs.dot.chars().next().unwrap_or(' '),
            // Characters that turn the direction of others around have no business here.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '?',
            '·' if self.is_ascii => '-',
            '…' if self.is_ascii => '~',
            '↑' if self.is_ascii => '^',
            '↓' if self.is_ascii => 'v',
            '←' if self.is_ascii => '<',
            '→' if self.is_ascii => '>',
            _ if self.is_ascii && !character.is_ascii() && !self.is_glyph(character) => '?',
            _ => character,
        }
    }

    fn is_glyph(&self, character: char) -> bool {
        self.glyphs.bars.iter().any(|bar| bar.contains(character))
    }

    /// Writes cells beside each other, with a space between them.
    pub(crate) fn row(&mut self, area: Rect, y: u16, cells: &[Cell<'_>]) {
        let mut x = area.x;
        for &(text, width, align, style) in cells {
            let width = width.min(area.right().saturating_sub(x));
            match align {
                Align::Left => {
                    self.text(x, y, width, text, style);
                }
                Align::Right => self.text_right(x, y, width, text, style),
            }
            x = x.saturating_add(width + 1);
            if x >= area.right() {
                return;
            }
        }
    }

    /// Draws a panel. Gives its inside.
    pub(crate) fn panel(&mut self, area: Rect, has_border: bool, title: &str) -> Rect {
        if !has_border || area.width < 2 || area.height < 2 {
            return area;
        }
        let (set, style) = (self.glyphs.border, self.theme.dim);
        let (right, bottom) = (area.right() - 1, area.bottom() - 1);
        for x in area.x + 1..right {
            self.text(x, area.y, 1, set.horizontal_top, style);
            self.text(x, bottom, 1, set.horizontal_bottom, style);
        }
        for y in area.y + 1..bottom {
            self.text(area.x, y, 1, set.vertical_left, style);
            self.text(right, y, 1, set.vertical_right, style);
        }
        for (x, y, corner) in [
            (area.x, area.y, set.top_left),
            (right, area.y, set.top_right),
            (area.x, bottom, set.bottom_left),
            (right, bottom, set.bottom_right),
        ] {
            self.text(x, y, 1, corner, style);
        }
        if area.width > 6 && !title.is_empty() {
            let end = self.text(area.x + 2, area.y, area.width - 5, &format!(" {title}"), self.theme.title);
            self.text(end, area.y, 1, " ", self.theme.title);
        }
        inside(area, true)
    }

    /// Empties an area.
    pub(crate) fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        for position in area.positions() {
            self.buffer[position].reset();
        }
    }

    /// Draws the newest values as bars, the newest at the right.
    pub(crate) fn bars(&mut self, area: Rect, series: &Series, style: Style) {
        let peak = series.peak(area.width.into());
        let values: Vec<f64> = series.tail(area.width.into()).collect();
        self.scaled_bars(area, &values, 0.0, peak, style);
    }

    /// Draws values as bars between `low` and `high`.
    pub(crate) fn scaled_bars(&mut self, area: Rect, values: &[f64], low: f64, high: f64, style: Style) {
        let span = if high > low { high - low } else { 1.0 };
        let start = area.right().saturating_sub(values.len() as u16);
        for (index, value) in values.iter().enumerate() {
            let x = start + index as u16;
            let eighths = ((value - low) / span * f64::from(area.height) * 8.0).round().max(0.0) as u16;
            // Something is not nothing, however small it is.
            let eighths = if *value > low && eighths == 0 { 1 } else { eighths };
            for row in 0..area.height {
                let level = eighths.saturating_sub(8 * row).min(8);
                if level > 0 {
                    let bar = self.glyphs.bars[usize::from(level)];
                    self.text(x, area.bottom() - 1 - row, 1, bar, style);
                }
            }
        }
    }
}
