//! Which row of a list is selected, and which is the first one on the screen.

/// A place in a list whose length is known elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The selected row.
    pub(crate) selected: usize,
    /// The first row on the screen.
    pub(crate) offset: usize,
    /// How many rows the screen had last, which is how far a page goes.
    height: usize,
}

impl Cursor {
    /// Moves by so many rows.
    pub(crate) fn step(&mut self, rows: isize) {
        self.selected = self.selected.saturating_add_signed(rows);
    }

    /// Moves by so many screens.
    pub(crate) fn page(&mut self, pages: isize) {
        let rows = isize::try_from(self.height.saturating_sub(1).max(1)).unwrap_or(1);
        self.step(rows * pages);
    }

    /// Moves the rows under the selection, as a wheel does.
    pub(crate) fn scroll(&mut self, rows: isize) {
        self.offset = self.offset.saturating_add_signed(rows);
        self.step(rows);
    }

    /// To the first row.
    pub(crate) fn go_to_top(&mut self) {
        self.selected = 0;
    }

    /// To the last row, wherever that will be.
    pub(crate) fn go_to_bottom(&mut self) {
        self.selected = usize::MAX;
    }

    /// Fits the cursor to a list and a screen.
    pub(crate) fn settle(&mut self, len: usize, height: usize) {
        self.height = height;
        self.selected = self.selected.min(len.saturating_sub(1));
        self.offset = self.offset.min(len.saturating_sub(height)).min(self.selected);
        if height > 0 && self.selected >= self.offset + height {
            self.offset = self.selected + 1 - height;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selection_stays_on_the_screen_and_in_the_list() {
        let mut cursor = Cursor::default();
        cursor.go_to_bottom();
        cursor.settle(100, 10);
        assert_eq!((cursor.selected, cursor.offset), (99, 90));
        cursor.page(-1);
        cursor.settle(100, 10);
        assert_eq!((cursor.selected, cursor.offset), (90, 90));
        cursor.step(-1);
        cursor.settle(100, 10);
        assert_eq!((cursor.selected, cursor.offset), (89, 89));
        cursor.settle(5, 10);
        assert_eq!((cursor.selected, cursor.offset), (4, 0));
        cursor.settle(0, 0);
        assert_eq!((cursor.selected, cursor.offset), (0, 0));
    }
}
