//! How far a text is scrolled that is longer than its place.

use std::cell::Cell;

/// The first line that is shown. Where the last one is only the drawing knows, so that it corrects what goes too far:
/// otherwise one would have to scroll all that back before anything moved.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scroll(Cell<usize>);

impl Scroll {
    /// Moves by so many lines.
    pub(crate) fn step(&mut self, lines: isize) {
        self.0 = Cell::new(self.0.get().saturating_add_signed(lines));
    }

    /// To the first line.
    pub(crate) fn go_to_top(&mut self) {
        self.0 = Cell::default();
    }

    /// To the last line, wherever that will be.
    pub(crate) fn go_to_bottom(&mut self) {
        self.0 = Cell::new(usize::MAX);
    }

    /// The first line to draw, of so many, where there is room for so many.
    pub(crate) fn first(&self, len: usize, room: usize) -> usize {
        self.0.set(self.0.get().min(len.saturating_sub(room)));
        self.0.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_too_far_has_not_to_be_scrolled_back() {
        let mut scroll = Scroll::default();
        scroll.step(50);
        assert_eq!(scroll.first(20, 5), 15);
        scroll.step(-1);
        assert_eq!(scroll.first(20, 5), 14);
        scroll.go_to_bottom();
        scroll.step(1);
        assert_eq!(scroll.first(20, 5), 15);
        scroll.step(-50);
        assert_eq!(scroll.first(20, 5), 0);
        assert_eq!(scroll.first(3, 5), 0);
    }
}
