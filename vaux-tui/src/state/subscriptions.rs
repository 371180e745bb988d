//! Who subscribed to what, as the broker answers when it is asked.

use serde::Deserialize;
use serde_json::Value;

use super::cursor::Cursor;
use super::search::Search;

/// The list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Subscriptions {
    pub(crate) all: Vec<Subscription>,
    /// What comes in before all pages are there.
    incoming: Vec<Subscription>,
    /// The places in the list that the filter finds.
    found: Vec<usize>,
    pub(crate) search: Search,
    pub(crate) cursor: Cursor,
    /// Whether pages are under way.
    pub(crate) is_loading: bool,
    /// When the list was complete last.
    pub(crate) loaded_at: Option<u64>,
    /// Why there is no list.
    pub(crate) error: Option<String>,
    /// Whether the broker has more than are kept.
    pub(crate) is_cut: bool,
}

/// A subscription.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
pub(crate) struct Subscription {
    pub(crate) client_id: String,
    pub(crate) filter: String,
    pub(crate) qos: u8,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    pub(crate) retain_handling: Value,
    pub(crate) identifier: Option<u32>,
}

/// More are not asked for.
const MAX_SUBSCRIPTIONS: usize = 50_000;

impl Subscriptions {
    /// A first page is asked for.
    pub(crate) fn begin(&mut self) {
        self.incoming.clear();
        self.is_loading = true;
        self.error = None;
    }

    /// Takes a page. Gives the cursor of the next one.
    pub(crate) fn take_page(&mut self, now: u64, answer: &Value) -> Option<Value> {
        let page = answer.get("subscriptions").and_then(Value::as_array);
        let page = page.into_iter().flatten().filter_map(|one| Subscription::deserialize(one).ok());
        self.incoming.extend(page);
        let next = answer.get("next").filter(|next| !next.is_null()).cloned();
        self.is_cut = next.is_some() && self.incoming.len() >= MAX_SUBSCRIPTIONS;
        match next.filter(|_| !self.is_cut) {
            Some(next) => Some(next),
            None => {
                self.all = std::mem::take(&mut self.incoming);
                self.all.sort_by(|a, b| (&a.filter, &a.client_id).cmp(&(&b.filter, &b.client_id)));
                self.is_loading = false;
                self.loaded_at = Some(now);
                self.find();
                None
            }
        }
    }

    /// There is no answer.
    pub(crate) fn fail(&mut self, error: String) {
        self.is_loading = false;
        self.error = Some(error);
    }

    /// Sets the filter.
    pub(crate) fn look_for(&mut self, search: Search) {
        self.search = search;
        self.find();
    }

    fn find(&mut self) {
        let is_found = |one: &Subscription| {
            // `a/+` looks for the filter `a/+` itself, and for topics in filters without wildcards.
            self.search.finds(&one.filter)
                || self.search.finds(&one.client_id)
                || self.search.finds_topic(&one.filter)
        };
        self.found =
            self.all.iter().enumerate().filter(|(_, one)| is_found(one)).map(|(index, _)| index).collect();
    }

    /// How many the filter finds.
    pub(crate) fn len(&self) -> usize {
        self.found.len()
    }

    /// The subscription in a row.
    pub(crate) fn row(&self, row: usize) -> Option<&Subscription> {
        self.all.get(*self.found.get(row)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pages_become_one_list_when_the_last_is_there() {
        let mut list = Subscriptions::default();
        list.begin();
        let page = json!({"subscriptions": [{"client_id": "b", "filter": "x/#", "qos": 1}], "next": "c1"});
        assert_eq!(list.take_page(0, &page), Some(json!("c1")));
        assert_eq!(list.len(), 0);
        let page = json!({"subscriptions": [{"client_id": "a", "filter": "a/+", "qos": 0}]});
        assert_eq!(list.take_page(5, &page), None);
        assert_eq!(list.row(0).unwrap().filter, "a/+");
        assert_eq!((list.len(), list.loaded_at), (2, Some(5)));
        list.look_for(Search::new("x/#"));
        assert_eq!(list.len(), 1);
    }
}
