//! Rows of the tree: which there are, which of them a screen shows, which is selected.

use super::{NodeId, ROOT, Topics};
use crate::state::order;
use crate::state::search::Search;

impl Topics {
    /// Sets the filter, and opens what it finds as long as that fits on some screens.
    pub(crate) fn look_for(&mut self, search: Search) {
        const OPENED: u32 = 500;
        self.search = search;
        for node in &mut self.nodes {
            let is_found = node.last.is_some() && self.search.finds_topic(&node.topic);
            node.found = u32::from(is_found);
        }
        // Children have greater numbers than their parents.
        for index in (1..self.nodes.len()).rev() {
            let (found, parent) = (self.nodes[index].found, self.nodes[index].parent);
            self.nodes[parent as usize].found += found;
        }
        if !self.search.is_empty() && self.nodes[ROOT as usize].found <= OPENED {
            self.nodes.iter_mut().filter(|node| node.found > 0).for_each(|node| node.is_open = true);
        }
        let unsorted = (0..).zip(&self.nodes).filter(|(_, node)| node.is_open && !node.is_sorted);
        self.unsorted.extend(unsorted.map(|(id, _)| id));
        self.count_rows();
        self.reveal_selected();
    }

    fn count_rows(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.rows_below = 0);
        for index in (1..self.nodes.len()).rev() {
            let node = &self.nodes[index];
            if node.found > 0 {
                let (rows, parent) = (1 + node.shown_below(), node.parent);
                self.nodes[parent as usize].rows_below += rows;
            }
        }
    }

    /// How many topics the filter finds.
    pub(crate) fn found(&self) -> u32 {
        self.nodes[ROOT as usize].found
    }

    /// Opens or closes a node.
    pub(crate) fn set_open(&mut self, node: NodeId, is_open: bool) {
        let this = &mut self.nodes[node as usize];
        if this.is_open == is_open || this.children.is_empty() || node == ROOT {
            return;
        }
        this.is_open = is_open;
        if !this.is_sorted {
            self.unsorted.push(node);
        }
        let (rows, parent) = (i64::from(this.rows_below), this.parent);
        if this.found > 0 {
            self.grow(parent, if is_open { rows } else { -rows });
        }
    }

    /// Whether a node can be opened.
    pub(crate) fn has_children(&self, node: NodeId) -> bool {
        !self.nodes[node as usize].children.is_empty()
    }

    /// How many rows the tree has.
    pub(crate) fn len(&self) -> usize {
        self.nodes[ROOT as usize].rows_below as usize
    }

    /// The way to a row: each node on it, with the place of the next among its children.
    fn way_to(&self, row: usize) -> Option<Vec<(NodeId, usize)>> {
        let mut row = u32::try_from(row).ok().filter(|row| (*row as usize) < self.len())?;
        let mut way = Vec::new();
        let mut node = ROOT;
        'down: loop {
            for (index, &child) in self.nodes[node as usize].children.iter().enumerate() {
                let this = &self.nodes[child as usize];
                if this.found == 0 {
                    continue;
                }
                let rows = 1 + this.shown_below();
                if row < rows {
                    way.push((node, index));
                    if row == 0 {
                        return Some(way);
                    }
                    row -= 1;
                    node = child;
                    continue 'down;
                }
                row -= rows;
            }
            return None;
        }
    }

    pub(super) fn at_row(&self, row: usize) -> Option<NodeId> {
        let (node, index) = *self.way_to(row)?.last()?;
        self.nodes[node as usize].children.get(index).copied()
    }

    /// The row of a node that is visible.
    pub(super) fn row_of(&self, node: NodeId) -> Option<usize> {
        let mut row = 0;
        let mut at = node;
        while at != ROOT {
            let this = &self.nodes[at as usize];
            let parent = &self.nodes[this.parent as usize];
            if this.found == 0 || !parent.is_open {
                return None;
            }
            for &sibling in parent.children.iter().take_while(|&&sibling| sibling != at) {
                let sibling = &self.nodes[sibling as usize];
                if sibling.found > 0 {
                    row += 1 + sibling.shown_below() as usize;
                }
            }
            row += usize::from(this.parent != ROOT);
            at = this.parent;
        }
        Some(row)
    }

    /// The nodes of the rows from `first` on. No others are looked at but those that stand before them among siblings.
    pub(crate) fn rows(&self, first: usize, count: usize) -> Vec<NodeId> {
        let mut rows = Vec::new();
        let Some(mut way) = self.way_to(first) else { return rows };
        while let Some((node, index)) = way.last_mut().filter(|_| rows.len() < count) {
            let children = &self.nodes[*node as usize].children;
            let Some(&child) = children.get(*index) else {
                way.pop();
                if let Some((_, index)) = way.last_mut() {
                    *index += 1;
                }
                continue;
            };
            let this = &self.nodes[child as usize];
            if this.found > 0 {
                rows.push(child);
                if this.is_open && !this.children.is_empty() {
                    way.push((child, 0));
                    continue;
                }
            }
            *index += 1;
        }
        rows
    }

    /// Sorts what is looked at, and fits the cursor to it.
    pub(crate) fn settle(&mut self, height: usize) {
        for node in std::mem::take(&mut self.unsorted) {
            if self.nodes[node as usize].is_open {
                self.sort_children(node);
            }
        }
        // Rows that came in above move the selection with its topic.
        if let Some(row) = self.selected.and_then(|node| self.row_of(node))
            && self.cursor.selected != usize::MAX
        {
            let moved = row as isize - self.settled_row as isize;
            self.cursor.scroll(moved);
        }
        self.cursor.settle(self.len(), height);
        self.settled_row = self.cursor.selected;
        self.select(self.at_row(self.cursor.selected));
    }

    fn sort_children(&mut self, node: NodeId) {
        let this = &mut self.nodes[node as usize];
        if this.is_sorted {
            return;
        }
        this.is_sorted = true;
        let mut children = std::mem::take(&mut this.children);
        children.sort_by(|a, b| {
            let (a, b) = (&self.nodes[*a as usize], &self.nodes[*b as usize]);
            order::natural(a.name(), b.name())
        });
        self.nodes[node as usize].children = children;
    }

    /// Selects a node, whose payloads are remembered from now on.
    fn select(&mut self, node: Option<NodeId>) {
        if self.selected == node {
            return;
        }
        self.selected = node;
        self.history.clear();
        self.history_bytes = 0;
        self.scroll.go_to_top();
        let last = node.and_then(|node| self.nodes[node as usize].last.as_ref());
        if let Some((at, payload)) = last.and_then(|last| Some((last.at, last.payload.clone()?))) {
            self.remember(at, payload);
        }
    }

    /// Goes to the node above the selected one.
    pub(crate) fn go_to_parent(&mut self) {
        let parent = self.selected.map(|node| self.nodes[node as usize].parent);
        if let Some(row) = parent.filter(|parent| *parent != ROOT).and_then(|parent| self.row_of(parent)) {
            self.cursor.selected = row;
        }
    }

    /// Opens or closes every node, or all below the selected one.
    pub(crate) fn set_all_open(&mut self, is_open: bool) {
        for index in 1..self.nodes.len() {
            let node = &mut self.nodes[index];
            node.is_open = is_open && !node.children.is_empty();
            if node.is_open && !node.is_sorted {
                self.unsorted.push(index as NodeId);
            }
        }
        self.count_rows();
        self.reveal_selected();
    }

    /// Keeps the selection on its topic, or on what of the way to it is visible.
    fn reveal_selected(&mut self) {
        let mut node = self.selected.unwrap_or(ROOT);
        while node != ROOT {
            if let Some(row) = self.row_of(node) {
                self.selected = Some(node);
                (self.cursor.selected, self.settled_row) = (row, row);
                return;
            }
            node = self.nodes[node as usize].parent;
        }
        (self.cursor.selected, self.settled_row) = (0, 0);
        self.select(None);
    }
}
