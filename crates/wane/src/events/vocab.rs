//! Names both ways: dense number to id text and back.
//!
//! A vocabulary is the *sorted* list of its names in one buffer. Sorting makes a log independent of the order of
//! rows in its file, makes "ties by item id" a comparison of integers, and lets a name be found by binary search
//! without a second copy in a hash map.
//!
//! Names that come while a model answers follow after the sorted ones, in the order in which they came: numbers that are in use stay as
//! they are.

use std::sync::Arc;

use rayon::prelude::*;

/// A sorted table of distinct names, and perhaps later ones after them; a name's place is its dense number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vocab {
    text: String,
    /// `ends[i]` is where name `i` ends in `text`.
    ends: Vec<usize>,
    /// Places of the later names, in the order of the names.
    later: Vec<u32>,
}

impl Vocab {
    /// Builds a vocabulary from names in any order; duplicates are merged.
    pub fn from_names<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        let mut names: Vec<S> = names.into_iter().collect();
        names.sort_unstable_by(|a, b| a.as_ref().cmp(b.as_ref()));
        names.dedup_by(|a, b| a.as_ref() == b.as_ref());
        let mut vocab = Self::default();
        for name in &names {
            vocab.text.push_str(name.as_ref());
            vocab.ends.push(vocab.text.len());
        }
        vocab
    }

    /// Builds a vocabulary and says, for each place in `names`, its place in the vocabulary.
    ///
    /// Names are compared by their first eight bytes as one number before their text is looked at, which it seldom
    /// is.
    pub(super) fn ranked(names: Vec<String>) -> (Self, Vec<u32>) {
        let mut order: Vec<(u64, u32)> =
            (0u32..).zip(&names).map(|(place, name)| (prefix(name), place)).collect();
        let name = |place: u32| names[place as usize].as_str();
        order.par_sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| name(a.1).cmp(name(b.1))));
        let mut vocab = Self::default();
        let mut places = vec![0u32; names.len()];
        let mut last = None;
        for (_, place) in order {
            if last.replace(name(place)) != Some(name(place)) {
                vocab.text.push_str(name(place));
                vocab.ends.push(vocab.text.len());
            }
            // Not more than the number of names, which is counted in u32.
            places[place as usize] = (vocab.ends.len() - 1) as u32;
        }
        (vocab, places)
    }

    /// Number of names.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no names.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The name at a place; an empty string where there is none.
    pub fn name(&self, place: usize) -> &str {
        let start = place.checked_sub(1).and_then(|p| self.ends.get(p)).copied().unwrap_or(0);
        self.ends.get(place).and_then(|&end| self.text.get(start..end)).unwrap_or("")
    }

    /// The same with later names after its own, in their order; those that it has already are passed over.
    #[must_use]
    pub fn with_later<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut vocab = self.clone();
        for name in names {
            if let (None, Err(rank), Ok(place)) =
                (self.position(name), vocab.later_rank(name), u32::try_from(vocab.len()))
            {
                vocab.text.push_str(name);
                vocab.ends.push(vocab.text.len());
                vocab.later.insert(rank, place);
            }
        }
        vocab
    }

    /// The place of a name, by binary search.
    pub fn position(&self, name: &str) -> Option<u32> {
        let (mut low, mut high) = (0, self.len() - self.later.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.name(middle).cmp(name) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return u32::try_from(middle).ok(),
            }
        }
        self.later_rank(name).ok().map(|rank| self.later[rank])
    }

    /// Where a name stands among the later ones, or where it would.
    fn later_rank(&self, name: &str) -> Result<usize, usize> {
        self.later.binary_search_by(|&place| self.name(place as usize).cmp(name))
    }

    /// All names in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|place| self.name(place))
    }

    /// Bytes held in memory.
    pub fn bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<usize>()
    }

    /// Wraps the vocabulary for sharing between logs, catalogues and models.
    pub fn shared(self) -> Arc<Self> {
        Arc::new(self)
    }
}

/// The first eight bytes, padded with zeros: comparing these numbers never contradicts comparing names.
fn prefix(name: &str) -> u64 {
    let mut first = [0u8; 8];
    first.iter_mut().zip(name.as_bytes()).for_each(|(to, &from)| *to = from);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn later_names_follow_in_the_order_in_which_they_came() {
        let vocab = Vocab::from_names(["b", "d"]).with_later(["e", "a", "d", "a", "c"]);
        assert_eq!(vocab.iter().collect::<Vec<_>>(), ["b", "d", "e", "a", "c"]);
        let more = vocab.with_later(["0", "c"]);
        assert_eq!(
            ["0", "a", "b", "c", "d", "e", "f"].map(|name| more.position(name)),
            [Some(5), Some(3), Some(0), Some(4), Some(1), Some(2), None]
        );
    }

    proptest! {
        #[test]
        fn names_and_places_are_inverse(names in proptest::collection::vec(".{0,6}", 0..40)) {
            let vocab = Vocab::from_names(&names);
            for name in &names {
                let place = vocab.position(name).unwrap();
                prop_assert_eq!(vocab.name(place as usize), name.as_str());
            }
            let (ranked, places) = Vocab::ranked(names.clone());
            prop_assert_eq!(&ranked, &vocab);
            for (name, place) in names.iter().zip(places) {
                prop_assert_eq!(vocab.position(name), Some(place));
            }
            let sorted: Vec<_> = vocab.iter().collect();
            prop_assert!(sorted.windows(2).all(|w| w[0] < w[1]));
            prop_assert_eq!(vocab.position("\u{10ffff}no such name"), None);
        }
    }
}
