//! Where everything stands, for the drawing and for the mouse.
//!
//! ```text
//! title      vaux top  mqtts://localhost:8883 …            ● connected
//! names      1 Overview  2 Topics  3 Sessions …
//! body       list, with rows in it                 │ side, from 100 columns on
//! time line  only in a recording
//! footer     keys, a notice, or what is typed
//! ```

use ratatui::layout::{Position, Rect};

use crate::state::{SCREENS, Screen, State};

/// From this width on the detail stands beside the list.
const SIDE_WIDTH: u16 = 100;

/// The parts of the screen. What finds no room is empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Areas {
    pub(crate) title: Rect,
    pub(crate) body: Rect,
    pub(crate) time_line: Rect,
    pub(crate) footer: Rect,
    /// The list with its border.
    pub(crate) list: Rect,
    /// The rows of the list.
    pub(crate) rows: Rect,
    /// The detail with its border, when it is shown.
    pub(crate) side: Option<Rect>,
    /// Whether panels have borders.
    pub(crate) has_borders: bool,
    /// Where the name of each screen stands.
    pub(crate) names: Vec<(Rect, Screen)>,
}

impl Areas {
    /// The parts of the screen in this state.
    pub(crate) fn new(state: &State) -> Areas {
        let whole = Rect::new(0, 0, state.size.width, state.size.height);
        let mut rest = whole;
        let mut top = |wanted: bool| take_row(&mut rest, wanted, false);
        let title = top(whole.height >= 3);
        let tabs = top(whole.height >= 4);
        let footer = take_row(&mut rest, whole.height >= 2, true);
        let time_line = take_row(&mut rest, state.replay.is_some() && whole.height >= 6, true);
        let body = rest;
        let has_borders = body.height >= 10 && body.width >= 50;
        let has_side = matches!(state.screen, Screen::Topics | Screen::Sessions | Screen::Inspect);
        let (list, side) = match (state.is_detail, has_side && body.width >= SIDE_WIDTH) {
            (true, _) => (Rect { width: 0, height: 0, ..body }, Some(body)),
            (false, true) => {
                let share = if state.screen == Screen::Sessions { 68 } else { 52 };
                let width = (u32::from(body.width) * share / 100) as u16;
                let side = Rect { x: body.x + width, width: body.width - width, ..body };
                (Rect { width, ..body }, Some(side))
            }
            (false, false) => (body, None),
        };
        // While the detail has it all, the list keeps its height for when it comes back.
        let inner = inside(if state.is_detail { body } else { list }, has_borders);
        let headings = u16::from(inner.height >= 3);
        let rows = Rect { y: inner.y + headings, height: inner.height - headings, ..inner };
        let names = names(tabs, state.screen);
        Areas { title, body, time_line, footer, list, rows, side, has_borders, names }
    }

    /// The screen whose name stands there.
    pub(crate) fn tab_at(&self, at: Position) -> Option<Screen> {
        self.names.iter().find(|(area, _)| area.contains(at)).map(|(_, screen)| *screen)
    }
}

fn take_row(rest: &mut Rect, wanted: bool, at_end: bool) -> Rect {
    if !wanted || rest.height == 0 {
        return Rect { height: 0, ..*rest };
    }
    rest.height -= 1;
    if at_end {
        return Rect { y: rest.y + rest.height, height: 1, ..*rest };
    }
    rest.y += 1;
    Rect { y: rest.y - 1, height: 1, ..*rest }
}

/// What a panel leaves.
pub(crate) fn inside(area: Rect, has_border: bool) -> Rect {
    match has_border && area.width >= 2 && area.height >= 2 {
        true => Rect { x: area.x + 1, y: area.y + 1, width: area.width - 2, height: area.height - 2 },
        false => area,
    }
}

/// Where the names stand: all of them when there is room, else the numbers, and the name of this one.
fn names(tabs: Rect, current: Screen) -> Vec<(Rect, Screen)> {
    let full: u16 = SCREENS.iter().map(|screen| screen.name().len() as u16 + 4).sum();
    let mut x = tabs.x;
    let mut names = Vec::new();
    for screen in SCREENS {
        let is_named = tabs.width >= full || screen == current;
        let width = if is_named { screen.name().len() as u16 + 4 } else { 3 };
        let width = width.min(tabs.right().saturating_sub(x));
        names.push((Rect { x, width, ..tabs }, screen));
        x += width;
    }
    names
}
