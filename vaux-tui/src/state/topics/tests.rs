//! Tests of the tree.

use proptest::prelude::*;

use super::*;

fn take(topics: &mut Topics, topic: &str, payload: &str) {
    topics.take(0, &Message::new(topic, payload.to_owned()));
}

fn names(topics: &Topics) -> Vec<String> {
    let rows = topics.rows(0, usize::MAX);
    rows.iter()
        .map(|row| topics.node(*row))
        .map(|node| format!("{}{}", "·".repeat(node.depth.into()), node.name()))
        .collect()
}

#[test]
fn rows_are_those_of_open_nodes_in_order() {
    let mut topics = Topics::new(1 << 20);
    for topic in ["b/2", "b/1", "a", "b/1/x"] {
        take(&mut topics, topic, "");
    }
    topics.settle(10);
    assert_eq!(names(&topics), ["a", "b", "·1", "·2"]);
    let b = topics.by_topic["b"];
    topics.set_open(b, false);
    topics.settle(10);
    assert_eq!(names(&topics), ["a", "b"]);
    assert_eq!(topics.total(), 4);
}

#[test]
fn the_selection_stays_on_its_topic_when_others_come_before_it() {
    let mut topics = Topics::new(1 << 20);
    take(&mut topics, "m", "1");
    topics.settle(10);
    take(&mut topics, "a", "1");
    take(&mut topics, "m", "2");
    topics.settle(10);
    assert_eq!(topics.node(topics.selected.unwrap()).topic(), "m");
    assert_eq!(topics.cursor.selected, 1);
    assert_eq!(topics.history.len(), 2);
}

#[test]
fn a_filter_shows_the_way_to_what_it_finds() {
    let mut topics = Topics::new(1 << 20);
    for topic in ["a/1/t", "a/1/h", "a/2/t", "b/t"] {
        take(&mut topics, topic, "");
    }
    topics.look_for(Search::new("a/+/t"));
    topics.settle(10);
    assert_eq!(names(&topics), ["a", "·1", "··t", "·2", "··t"]);
    take(&mut topics, "a/3/h", "");
    take(&mut topics, "a/3/t", "");
    topics.settle(10);
    assert_eq!(names(&topics), ["a", "·1", "··t", "·2", "··t", "·3"]);
}

#[test]
fn payloads_go_before_topics_do_and_nothing_exceeds_the_budget() {
    const BUDGET: usize = 1 << 20;
    let mut topics = Topics::new(BUDGET);
    for n in 0..20_000 {
        take(&mut topics, &format!("t/{n}"), &"x".repeat(300));
        assert!(topics.bytes() <= BUDGET);
    }
    assert!(topics.left_out > 0 && topics.forgotten > 0);
    assert!(topics.total() > 1000);
}

#[test]
fn the_busiest_come_first() {
    let mut topics = Topics::new(1 << 20);
    for ms in 0..2000 {
        topics.take(ms, &Message::new("fast", ""));
        if ms % 10 == 0 {
            topics.take(ms, &Message::new("slow", ""));
        }
    }
    topics.busiest(2000, 10);
    let names: Vec<_> = topics.busiest_topics().iter().map(|node| topics.node(*node).topic()).collect();
    assert_eq!(names, ["fast", "slow"]);
    let rate = topics.node(topics.busiest_topics()[0]).rate.per_s(2000);
    assert!((rate - 1000.0).abs() < 5.0, "{rate}");
}

/// The rows as a tree that is simply walked has them.
fn walked(topics: &Topics, node: NodeId, rows: &mut Vec<NodeId>) {
    for &child in &topics.nodes[node as usize].children {
        if topics.nodes[child as usize].found > 0 {
            rows.push(child);
            if topics.nodes[child as usize].is_open {
                walked(topics, child, rows);
            }
        }
    }
}

proptest! {
    #[test]
    fn rows_agree_with_a_plain_walk(steps in proptest::collection::vec((0..6u8, "[abc](/[abc]){0,3}"), 1..80)) {
        let mut topics = Topics::new(1 << 20);
        for (step, topic) in steps {
            match (step, topics.by_topic.get(topic.as_str()).copied()) {
                (0, Some(node)) => topics.set_open(node, true),
                (1, Some(node)) => topics.set_open(node, false),
                (2, _) => topics.look_for(Search::new(&topic[..1])),
                (3, _) => topics.set_all_open(topic.len() > 2),
                _ => take(&mut topics, &topic, "x"),
            }
            topics.settle(5);
            let mut expected = Vec::new();
            walked(&topics, ROOT, &mut expected);
            prop_assert_eq!(topics.len(), expected.len());
            prop_assert_eq!(&topics.rows(0, usize::MAX), &expected);
            for (row, node) in expected.iter().enumerate() {
                prop_assert_eq!(topics.row_of(*node), Some(row));
                prop_assert_eq!(topics.at_row(row), Some(*node));
                prop_assert_eq!(topics.rows(row, 2), &expected[row..expected.len().min(row + 2)]);
            }
        }
    }
}
