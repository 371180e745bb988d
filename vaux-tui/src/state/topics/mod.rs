//! The tree of topics that were seen, within a budget of bytes.
//!
//! Nodes live in one table and refer to each other by number. Each knows how many rows of the tree are visible below it, so
//! that the rows of one screen are found without building the others. Children are sorted when they are looked at, not
//! when they come.

mod rows;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use vaux_client::Message;

use super::cursor::Cursor;
use super::scroll::Scroll;
use super::search::Search;

/// A node's place in the table.
pub(crate) type NodeId = u32;

/// The root, which has no name and no row.
const ROOT: NodeId = 0;

/// One level of a topic.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// The whole topic up to here.
    topic: Arc<str>,
    /// Where this level begins in it.
    name_at: u32,
    parent: NodeId,
    pub(crate) depth: u16,
    pub(crate) is_open: bool,
    /// Whether children are sorted by name.
    is_sorted: bool,
    /// Rows visible below, itself not counted.
    rows_below: u32,
    /// Topics with messages here and below that the filter finds.
    found: u32,
    /// Topics with messages, here and below.
    pub(crate) topics: u32,
    children: Vec<NodeId>,
    /// Messages here and below.
    pub(crate) rate: Rate,
    /// The last message under exactly this topic.
    pub(crate) last: Option<Last>,
}

/// The last message of a topic.
#[derive(Clone, Debug)]
pub(crate) struct Last {
    pub(crate) at: u64,
    /// `None` when it was forgotten to save memory.
    pub(crate) payload: Option<Bytes>,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) len: usize,
}

/// How many messages came, and how many come in a second.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rate {
    pub(crate) count: u64,
    per_s: f32,
    since: u64,
    count_then: u64,
}

impl Rate {
    fn count(&mut self, now: u64) {
        if self.count == 0 {
            self.since = now;
        }
        self.count += 1;
        let elapsed_ms = now.saturating_sub(self.since);
        if elapsed_ms >= 1000 {
            self.per_s = (self.count - self.count_then) as f32 * 1000.0 / elapsed_ms as f32;
            (self.since, self.count_then) = (now, self.count);
        }
    }

    /// Messages in a second.
    pub(crate) fn per_s(&self, now: u64) -> f32 {
        let elapsed_ms = now.saturating_sub(self.since);
        if elapsed_ms < 2000 {
            return self.per_s;
        }
        (self.count - self.count_then) as f32 * 1000.0 / elapsed_ms as f32
    }
}

/// The tree, and what is looked at of it.
#[derive(Clone, Debug)]
pub(crate) struct Topics {
    nodes: Vec<Node>,
    by_topic: HashMap<Arc<str>, NodeId>,
    /// Nodes whose children may have to be sorted.
    unsorted: Vec<NodeId>,
    bytes: usize,
    /// What of it nodes take, which are never forgotten.
    node_bytes: usize,
    budget: usize,
    /// Where the search for payloads to forget goes on.
    hand: usize,
    /// Topics that found no room.
    pub(crate) left_out: u64,
    /// Payloads that were forgotten.
    pub(crate) forgotten: u64,
    pub(crate) search: Search,
    pub(crate) cursor: Cursor,
    /// The selected node.
    pub(crate) selected: Option<NodeId>,
    /// The row in which it was when the cursor was fitted last.
    settled_row: usize,
    /// Payloads of the selected node since it was selected, the newest last.
    pub(crate) history: VecDeque<(u64, Bytes)>,
    history_bytes: usize,
    /// How far the payload is scrolled.
    pub(crate) scroll: Scroll,
    busiest: Vec<NodeId>,
    ranked_at: u64,
}

/// What all topics and their last payloads may take.
pub(crate) const BUDGET_BYTES: usize = 64 << 20;
/// Of a payload no more is kept.
const MAX_PAYLOAD_BYTES: usize = 256 << 10;
/// What a node takes in the table, in the map, and among its siblings.
const NODE_BYTES: usize = size_of::<Node>() + 64;
/// How many payloads of the selected topic are kept, and how many bytes.
const HISTORY: usize = 600;
const HISTORY_BYTES: usize = 4 << 20;
/// So many roots begin open.
const OPEN_ROOTS: usize = 4;
/// No topic is deeper here.
const MAX_DEPTH: usize = 256;

impl Topics {
    /// An empty tree that takes at most `budget` bytes.
    pub(crate) fn new(budget: usize) -> Topics {
        let root = Node {
            topic: "".into(),
            name_at: 0,
            parent: ROOT,
            depth: 0,
            is_open: true,
            is_sorted: true,
            rows_below: 0,
            found: 0,
            topics: 0,
            children: Vec::new(),
            rate: Rate::default(),
            last: None,
        };
        Topics {
            nodes: vec![root],
            by_topic: HashMap::new(),
            unsorted: Vec::new(),
            bytes: 0,
            node_bytes: 0,
            budget,
            hand: 0,
            left_out: 0,
            forgotten: 0,
            search: Search::default(),
            cursor: Cursor::default(),
            selected: None,
            settled_row: 0,
            history: VecDeque::new(),
            history_bytes: 0,
            scroll: Scroll::default(),
            busiest: Vec::new(),
            ranked_at: 0,
        }
    }

    /// Forgets all topics.
    pub(crate) fn clear(&mut self) {
        let search = std::mem::take(&mut self.search);
        *self = Topics { search, ..Topics::new(self.budget) };
    }

    /// Takes a message.
    pub(crate) fn take(&mut self, now: u64, message: &Message) {
        let node = match self.by_topic.get(&message.topic) {
            Some(&node) => node,
            None => match self.add(&message.topic) {
                Some(node) => node,
                None => {
                    self.left_out += 1;
                    return;
                }
            },
        };
        let payload = message.payload.slice(..message.payload.len().min(MAX_PAYLOAD_BYTES));
        if self.selected == Some(node) {
            self.remember(now, payload.clone());
        }
        self.bytes += payload.len();
        let last = Last {
            at: now,
            payload: Some(payload),
            qos: message.qos.bits(),
            retain: message.retain,
            len: message.payload.len(),
        };
        match self.nodes[node as usize].last.replace(last) {
            Some(Last { payload: Some(old), .. }) => self.bytes -= old.len(),
            Some(_) => {}
            None => self.count_topic(node),
        }
        self.count_message(now, node);
        self.make_room();
    }

    fn count_message(&mut self, now: u64, mut node: NodeId) {
        loop {
            self.nodes[node as usize].rate.count(now);
            if node == ROOT {
                return;
            }
            node = self.nodes[node as usize].parent;
        }
    }

    /// A node has a message for the first time.
    fn count_topic(&mut self, node: NodeId) {
        let found = u32::from(self.search.finds_topic(&self.nodes[node as usize].topic));
        let mut at = node;
        loop {
            let this = &mut self.nodes[at as usize];
            this.topics += 1;
            let was_hidden = this.found == 0;
            this.found += found;
            let appears = was_hidden && found > 0;
            if at == ROOT {
                return;
            }
            let parent = this.parent;
            if appears {
                let rows = 1 + this.shown_below();
                self.grow(parent, i64::from(rows));
            }
            at = parent;
        }
    }

    /// Adds rows below a node, and below all above it up to the first that is closed.
    fn grow(&mut self, mut node: NodeId, rows: i64) {
        loop {
            let this = &mut self.nodes[node as usize];
            this.rows_below = (i64::from(this.rows_below) + rows).max(0) as u32;
            if !this.is_open || node == ROOT || this.found == 0 {
                return;
            }
            node = this.parent;
        }
    }

    /// Makes the nodes of a topic. `None` when there is no room for them.
    fn add(&mut self, topic: &str) -> Option<NodeId> {
        if topic.split('/').count() > MAX_DEPTH {
            return None;
        }
        let mut node = ROOT;
        let mut start = 0;
        for end in topic.match_indices('/').map(|(at, _)| at).chain([topic.len()]) {
            node = match self.by_topic.get(&topic[..end]) {
                Some(&known) => known,
                None => self.add_node(node, &topic[..end], start)?,
            };
            start = end + 1;
        }
        Some(node)
    }

    fn add_node(&mut self, parent: NodeId, topic: &str, name_at: usize) -> Option<NodeId> {
        let bytes = NODE_BYTES + topic.len();
        // Payloads can be forgotten, nodes can not: they get at most three quarters.
        if self.node_bytes + bytes > self.budget / 4 * 3 {
            return None;
        }
        let id = NodeId::try_from(self.nodes.len()).ok()?;
        let topic: Arc<str> = topic.into();
        let parent_node = &mut self.nodes[parent as usize];
        parent_node.children.push(id);
        if std::mem::replace(&mut parent_node.is_sorted, false) {
            self.unsorted.push(parent);
        }
        let depth = if parent == ROOT { 0 } else { parent_node.depth + 1 };
        // A tree with few roots begins with something to see.
        let is_open = parent == ROOT && parent_node.children.len() <= OPEN_ROOTS;
        self.nodes.push(Node {
            topic: topic.clone(),
            name_at: name_at as u32,
            parent,
            depth,
            is_open,
            is_sorted: true,
            rows_below: 0,
            found: 0,
            topics: 0,
            children: Vec::new(),
            rate: Rate::default(),
            last: None,
        });
        self.by_topic.insert(topic, id);
        self.bytes += bytes;
        self.node_bytes += bytes;
        Some(id)
    }

    /// Forgets payloads, one after the other around the table, until all fits.
    fn make_room(&mut self) {
        let mut looked_at = 0;
        while self.bytes > self.budget && looked_at < self.nodes.len() {
            self.hand = (self.hand + 1) % self.nodes.len();
            looked_at += 1;
            if let Some(payload) = self.nodes[self.hand].last.as_mut().and_then(|last| last.payload.take()) {
                self.bytes -= payload.len();
                self.forgotten += 1;
            }
        }
    }

    fn remember(&mut self, now: u64, payload: Bytes) {
        self.history_bytes += payload.len();
        self.history.push_back((now, payload));
        while self.history.len() > HISTORY || (self.history_bytes > HISTORY_BYTES && self.history.len() > 2) {
            if let Some((_, oldest)) = self.history.pop_front() {
                self.history_bytes -= oldest.len();
            }
        }
    }

    /// How many topics have messages.
    pub(crate) fn total(&self) -> u32 {
        self.nodes[ROOT as usize].topics
    }

    /// How many bytes are taken.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A node.
    pub(crate) fn node(&self, node: NodeId) -> &Node {
        &self.nodes[node as usize]
    }

    /// The topics with the most messages in a second, found anew at most every second.
    pub(crate) fn busiest(&mut self, now: u64, count: usize) {
        if now.saturating_sub(self.ranked_at) < 1000 && self.ranked_at > 0 {
            return;
        }
        self.ranked_at = now.max(1);
        let mut ranked: Vec<(f32, NodeId)> = (0..)
            .zip(&self.nodes)
            .filter(|(_, node)| node.last.is_some() && node.children.is_empty())
            .map(|(id, node)| (node.rate.per_s(now), id))
            .filter(|(rate, _)| *rate >= 0.05)
            .collect();
        let by_rate = |a: &(f32, NodeId), b: &(f32, NodeId)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        if ranked.len() > count {
            ranked.select_nth_unstable_by(count, by_rate);
            ranked.truncate(count);
        }
        ranked.sort_by(by_rate);
        self.busiest = ranked.into_iter().map(|(_, node)| node).collect();
    }

    /// What was found to be the busiest.
    pub(crate) fn busiest_topics(&self) -> &[NodeId] {
        &self.busiest
    }
}

impl Node {
    /// The last level of the topic.
    pub(crate) fn name(&self) -> &str {
        &self.topic[self.name_at as usize..]
    }

    /// The topic up to here.
    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    fn shown_below(&self) -> u32 {
        if self.is_open { self.rows_below } else { 0 }
    }
}
