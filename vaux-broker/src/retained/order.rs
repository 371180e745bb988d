//! Topics in the order in which filters are matched against them: by levels, each level right before what is below it.

use std::borrow::Borrow;
use std::cmp::Ordering;

use super::Kept;

/// Stands between levels, and before every other character.
pub(super) const SEPARATOR: u8 = b'/';

/// The character right behind the one that stands between levels, in this order.
pub(super) const BEHIND_SEPARATOR: u8 = 1;

/// What has a place among topics: a message, or a text that is looked for.
pub(super) trait Place {
    /// The topic.
    fn topic(&self) -> &[u8];
}

/// A retained message at the place of its topic, which is kept nowhere else.
#[derive(Debug)]
pub(super) struct Entry(pub(super) Kept);

impl Place for Entry {
    fn topic(&self) -> &[u8] {
        self.0.message.topic()
    }
}

impl Place for &[u8] {
    fn topic(&self) -> &[u8] {
        self
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> Ordering {
        compare(self.topic(), other.topic())
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.topic() == other.topic()
    }
}

impl Eq for Entry {}

/// Entries are looked for by anything with a place.
impl<'a> Borrow<dyn Place + 'a> for Entry {
    fn borrow(&self) -> &(dyn Place + 'a) {
        self
    }
}

impl Ord for dyn Place + '_ {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(self.topic(), other.topic())
    }
}

impl PartialOrd for dyn Place + '_ {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for dyn Place + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.topic() == other.topic()
    }
}

impl Eq for dyn Place + '_ {}

/// Compares two topics. Neither holds U+0000.
pub(super) fn compare(one: &[u8], other: &[u8]) -> Ordering {
    let rank = |byte: u8| if byte == SEPARATOR { 0 } else { byte };
    match first_difference(one, other) {
        Some(at) => rank(one[at]).cmp(&rank(other[at])),
        None => one.len().cmp(&other.len()),
    }
}

/// Where two texts differ, if one is not the beginning of the other. Looks at eight bytes at a time: topics that stand
/// near each other begin with the same.
fn first_difference(one: &[u8], other: &[u8]) -> Option<usize> {
    let len = one.len().min(other.len());
    let (one, other) = (&one[..len], &other[..len]);
    let ((one_words, one_rest), (other_words, other_rest)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    for (index, (one, other)) in one_words.iter().zip(other_words).enumerate() {
        let difference = u64::from_le_bytes(*one) ^ u64::from_le_bytes(*other);
        if difference != 0 {
            return Some(8 * index + difference.trailing_zeros() as usize / 8);
        }
    }
    let at = one_rest.iter().zip(other_rest).position(|(one, other)| one != other)?;
    Some(8 * one_words.len() + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn the_order_is_that_of_texts_with_the_lowest_character_between_levels(
            one in "[ab/!]{0,20}", other in "[ab/!]{0,20}",
        ) {
            let lowest = |text: &str| text.replace('/', "\0");
            let expected = lowest(&one).cmp(&lowest(&other));
            proptest::prop_assert_eq!(compare(one.as_bytes(), other.as_bytes()), expected);
        }
    }
}
