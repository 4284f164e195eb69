//! The best items of a trace model without scoring every item.
//!
//! - A score is `q . e_j + o_j`. Most items' `o_j` is the offset `b_j + sum_h p_h log(1 + c_jh)` of the moment; relations add
//!   to it for a few thousand items. That is what [`SearchIndex`] finds.
//! - The exact index is given all `o_j`: a copy of the offsets, kept from question to question, with what relations add. Familiar items,
//!   of which relations say most and whose vectors are at hand, are scored beforehand. The approximate
//!   one knows what its cells usually promise: it is asked for the best of the items of which no relation speaks, those of which one does
//!   are scored one by one, and the two lists are merged.
//! - A model over items that came after the fit searches the index of the fitted one, and beside it scores the few items that differ: an
//!   index takes a fifth of a second for 100,000 items, and an item is to be recommended at once.
//! - The filter is asked within both searches, so a list is as long as the filter lets it be.
//! - Offsets change with the bins of the popularity table only. The last bin holds every moment after the training
//!   log, thus nearly every question of a server: its offsets are kept. An earlier moment costs a pass over the items.
//! - Scores are summed as [`Recommender::score`](crate::recommend::Recommender::score) sums them, to the bit.

use std::sync::{Arc, OnceLock};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::TraceModel;
use super::past::Past;
use crate::events::{EventTypeId, History, ItemId, Timestamp};
use crate::recommend::search::dot;
use crate::recommend::sums::Sums;
use crate::recommend::top_k::top_touched;
use crate::recommend::{ItemOffsets, Query, Scored, Scores, SearchIndex, Usual};

/// Seed of the cells of an approximate index, and of made-up users.
const SEED: u64 = 1;
/// Made-up users.
const QUESTIONS: usize = 300;
/// How many events they have, by turns.
const LENGTHS: [usize; 3] = [2, 20, 200];

/// What searching needs beside the model, made by the first question that needs it: training never pays for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Searching {
    /// Offsets in the last bin.
    offsets: OnceLock<Arc<ItemOffsets>>,
    /// Nothing where vectors are of a length that no index takes.
    index: OnceLock<Option<SearchIndex>>,
    /// The index is that of another model, which has the same vectors for all items but these, in their order.
    other: Option<(Arc<TraceModel>, Vec<ItemId>)>,
}

impl Searching {
    /// What a model needs that differs from another in some items: it searches the other's index, and these beside.
    pub(super) fn beside(other: Arc<TraceModel>, mut items: Vec<ItemId>) -> Self {
        items.sort_unstable();
        Self { other: Some((other, items)), ..Self::default() }
    }

    /// The items that are searched beside the index.
    fn beside_index(&self) -> &[ItemId] {
        self.other.as_ref().map_or(&[], |(_, items)| items)
    }
}

impl TraceModel {
    /// The index that answers a question, if one can.
    pub(super) fn index_for(&self, query: &Query<'_>) -> Option<&SearchIndex> {
        if query.candidates.is_some() {
            return None;
        }
        match &self.searching.other {
            Some((other, _)) => other.index_for(query),
            None => self.searching.index.get_or_init(|| apart(|| self.build_index())).as_ref(),
        }
    }

    /// What [`search`](crate::recommend::Recommender::search) gives, by the past of the question.
    pub(super) fn search_index(
        &self,
        index: &SearchIndex,
        query: &Query<'_>,
        past: &Past,
        (k, keep): (usize, &dyn Fn(ItemId) -> bool),
        scores: &mut Scores,
    ) -> Vec<Scored> {
        let vector = self.mixed(&past.state, |_| 1.0);
        let usual = self.offsets(index, query.as_of);
        let mut sums = scores.take_sums();
        let best = match index {
            SearchIndex::Exact(index) => {
                let mut offsets = scores.take_offsets(&usual);
                self.speak_of_links(past, None, &mut sums, |shares| offsets.add(shares));
                let scored = self.take_at_hand(query.as_of, past, &vector, (&mut offsets, &mut sums));
                let best = index.best_beside(&vector, &offsets, &scored, k, keep);
                scores.give_back_offsets(usual, offsets);
                best
            }
            SearchIndex::Approximate(index) => {
                scores.clear();
                self.speak(query.as_of, past, None, &mut sums, |shares| {
                    for &(item, share) in shares {
                        if !scores.is_touched(item) {
                            scores.set(item, usual.get(item));
                        }
                        scores.add(item, share);
                    }
                });
                for &item in self.searching.beside_index() {
                    if !scores.is_touched(item) {
                        scores.set(item, usual.get(item));
                    }
                }
                self.add_vectors(&vector, scores);
                let is_number = |item| !scores.get(item).is_nan() && keep(item);
                let scored = top_touched(scores, k, is_number);
                let is_other = |item| !scores.is_touched(item) && keep(item);
                merged(scored, index.best(&vector, &usual, k, is_other), k)
            }
        };
        scores.give_back_sums(sums);
        best
    }

    /// Scores the items whose vectors are at hand, the familiar ones, and those beside the index, and takes them out of the offsets.
    /// Relations say most of familiar items: so the bar is high from the beginning.
    fn take_at_hand(
        &self,
        as_of: Timestamp,
        past: &Past,
        query: &[f32],
        (offsets, sums): (&mut ItemOffsets, &mut Sums),
    ) -> Vec<Scored> {
        let mut scored = Vec::new();
        self.each_familiar(
            as_of,
            past,
            None,
            sums,
            #[inline(always)]
            |item, share, own| {
                let score = dot(query, own) + (offsets.take(item) + share);
                scored.push(Scored { item, score });
            },
        );
        for &item in self.searching.beside_index() {
            let offset = offsets.take(item);
            let is_familiar = offset == f32::NEG_INFINITY && scored.iter().any(|own| own.item == item);
            if !is_familiar {
                scored.push(Scored { item, score: dot(query, self.vector(item)) + offset });
            }
        }
        offsets.settle();
        scored
    }

    /// Writes bias and popularity of every item at a moment.
    pub(super) fn write_offsets(&self, as_of: Timestamp, offsets: &mut [f32]) {
        let items = offsets.len() as u32;
        offsets.copy_from_slice(&self.weights.bias);
        self.add_popularity(as_of, 0..items, offsets);
    }

    /// The offsets of a moment, in the order of the index that this model searches.
    fn offsets(&self, index: &SearchIndex, as_of: Timestamp) -> Arc<ItemOffsets> {
        let write = || Arc::new(index.offsets(&self.offsets_by_item(as_of)));
        let end = Timestamp::from_millis(i64::MAX);
        if self.popularity.bin(as_of) == self.popularity.bin(end) {
            Arc::clone(self.searching.offsets.get_or_init(write))
        } else {
            write()
        }
    }

    fn offsets_by_item(&self, as_of: Timestamp) -> Vec<f32> {
        let mut offsets = vec![0.0; self.weights.bias.len()];
        self.write_offsets(as_of, &mut offsets);
        offsets
    }

    fn build_index(&self) -> Option<SearchIndex> {
        let offsets = self.offsets_by_item(Timestamp::from_millis(i64::MAX));
        let usual = Usual { offsets: &offsets, questions: &self.usual_questions() };
        SearchIndex::build(Arc::clone(&self.vectors), self.weights.shape.dim, usual, SEED).ok()
    }

    /// Questions of made-up users, for whom an index is made: few and many items, with their times, from the events of all, done in ways drawn
    /// evenly; asked at once and long after.
    fn usual_questions(&self) -> Vec<f32> {
        let mut random = StdRng::seed_from_u64(SEED);
        let (Some(first), Some(last)) = (self.events.first(), self.events.last()) else {
            return Vec::new();
        };
        let long_after = last.0.plus_days(last.0.days_since(first.0).max(1.0));
        let types = u8::try_from(self.weights.shape.types).unwrap_or(u8::MAX);
        let mut questions = Vec::new();
        for number in 0..QUESTIONS {
            let n_events = LENGTHS[number % LENGTHS.len()];
            let mut places: Vec<usize> =
                (0..n_events).map(|_| random.random_range(0..self.events.len())).collect();
            places.sort_unstable();
            let (times, items): (Vec<_>, Vec<_>) = places.iter().map(|&place| self.events[place]).unzip();
            let types: Vec<_> =
                (0..n_events).map(|_| EventTypeId(random.random_range(0..types.max(1)))).collect();
            let Ok(history) = History::new(&items, &times, &types) else { continue };
            for as_of in [times[n_events - 1], long_after] {
                let past = self.past(&Query { history, as_of, candidates: None });
                questions.extend(self.mixed(&past.state, |_| 1.0));
            }
        }
        questions
    }
}

/// The best of two lists without common items.
fn merged(mut one: Vec<Scored>, other: Vec<Scored>, k: usize) -> Vec<Scored> {
    one.extend(other);
    one.sort_unstable_by(Scored::best_first);
    one.truncate(k);
    one
}

/// Runs parallel work in threads of its own. Among those of the caller, one that waits for its part would meanwhile take up
/// another question, and that would wait for the index that its own thread is building: for ever.
fn apart<T: Send>(work: impl FnOnce() -> Option<T> + Send) -> Option<T> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(rayon::current_num_threads()).build().ok()?;
    std::thread::scope(|scope| scope.spawn(|| pool.install(work)).join().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interest::{Features, Relation};
    use crate::recommend::{ApproximateIndex, Goal, Recommender, score_all};
    use crate::train::{Group, Link, LinkRows, PopularityTable, Shape, Weights};

    const ITEMS: usize = 6_000;
    const DIM: usize = 8;

    fn wave(place: usize) -> f32 {
        (place as f32 * 0.618).sin() + 0.3 * (place as f32 * 12.9).sin()
    }

    /// Items in forty groups, each linked to 25 others, with an index that is approximate in spite of their number.
    fn model() -> TraceModel {
        let links = (0..ITEMS as u32).flat_map(|item| {
            (1..26).map(move |place| (ItemId(item), ItemId((item + place * 241) % ITEMS as u32), 0.5))
        });
        let rows = LinkRows::Given(Relation::from_links("complement", ITEMS, links));
        let links = vec![Link { name: "complement".to_owned(), reach: 20, rows }];
        let shape = Shape {
            items: ITEMS,
            features: 0,
            dim: DIM,
            scales: 2,
            types: 1,
            links: 1,
            fashions: 1,
            departments: 0,
        };
        let mut weights = Weights::start(shape, &[1.0, 30.0], 1);
        let centre = |place: usize| wave(place / DIM % 40 * 77 + place % DIM);
        weights.vectors = (0..ITEMS * DIM).map(|place| centre(place) + 0.4 * wave(place + 9)).collect();
        weights.bias = (0..ITEMS).map(|item| 0.3 * wave(item * 3)).collect();
        weights.group_mut(Group::Fashions).fill(0.2);
        weights.group_mut(Group::Familiar).fill(0.3);
        let events: Vec<_> = (0..ITEMS as i64)
            .map(|place| (Timestamp::from_millis(place * 9_000_000), ItemId((place * place % 5_003) as u32)))
            .collect();
        let popularity = PopularityTable::new(&events, ITEMS, &[f32::INFINITY]);
        let model = TraceModel::new(weights, &Features::default(), links, popularity, events, Goal::NextItem);
        let offsets = model.offsets_by_item(Timestamp::from_millis(i64::MAX));
        let index = ApproximateIndex::build(
            Arc::clone(&model.vectors),
            DIM,
            Usual { offsets: &offsets, ..Usual::default() },
            SEED,
        )
        .unwrap();
        let index = OnceLock::from(Some(SearchIndex::Approximate(index)));
        TraceModel { searching: Searching { index, ..Searching::default() }, ..model }
    }

    #[test]
    fn large_catalogues_are_searched_nearly_and_what_relations_speak_of_surely() {
        let model = model();
        let (mut scores, mut sums) = (Scores::new(ITEMS), Sums::default());
        let keep = |item: ItemId| !item.0.is_multiple_of(3);
        let (mut hits, mut asked) = (0, 0);
        for user in 0..60 {
            let items: Vec<_> = (0..6).map(|place| ItemId((user * 97 + place * 40) % ITEMS as u32)).collect();
            let times: Vec<_> = (0..6).map(|place| Timestamp::from_millis(place * 86_400_000)).collect();
            let history = History::new(&items, &times, &[EventTypeId(0); 6]).unwrap();
            // Half of the questions are from within the log.
            let as_of = Timestamp::from_millis(86_400_000 * if user % 2 == 0 { 10 } else { 1_000 });
            let query = Query { history, as_of, candidates: None };
            let all = score_all(&model, &query, 20, &keep, &mut scores);
            let found = model.search(&query, 20, &keep, &mut scores).unwrap();
            assert_eq!(found.len(), 20);
            assert!(found.is_sorted_by(|one, other| one.best_first(other).is_lt()));
            assert!(found.iter().all(|scored| keep(scored.item)));
            let mut spoken_of = Vec::new();
            let past = model.past(&query);
            model.speak(as_of, &past, None, &mut sums, |shares| {
                spoken_of.extend(shares.iter().map(|(item, _)| *item));
            });
            let is_sure = |scored: &&Scored| spoken_of.contains(&scored.item);
            assert!(all.iter().filter(is_sure).all(|scored| found.contains(scored)));
            hits += all.iter().filter(|scored| found.contains(scored)).count();
            asked += all.len();
        }
        assert!(hits as f64 >= 0.95 * asked as f64, "{hits} of {asked}");
    }

    /// Relations speak of more items whose score is no number than the list has places.
    #[test]
    fn what_is_no_number_takes_no_place() {
        let mut model = model();
        let is_odd = |item: ItemId| item.0 % 10 < 9;
        (0..ITEMS as u32).filter(|&item| is_odd(ItemId(item))).for_each(|item| {
            model.weights.bias[item as usize] = f32::NAN;
        });
        let mut scores = Scores::new(ITEMS);
        let items: Vec<_> = (0..30).map(|place| ItemId(place * 97)).collect();
        let times: Vec<_> = (0..30).map(|place| Timestamp::from_millis(place * 86_400_000)).collect();
        let history = History::new(&items, &times, &[EventTypeId(0); 30]).unwrap();
        let query = Query { history, as_of: times[29].plus_days(1.0), candidates: None };
        let found = model.search(&query, 20, &|_| true, &mut scores).unwrap();
        assert_eq!(found, model.search(&query, 20, &|item| !is_odd(item), &mut scores).unwrap());
        assert_eq!(found.len(), 20);
    }

    /// Of old events nothing is left in the fast scale, and of an item's events together as much as of each.
    #[test]
    fn the_state_of_a_question_is_the_trace() {
        let model = model();
        let scales = model.basis().len();
        for days in [0.5, 5.0, 4_000.0] {
            let items: Vec<_> = (0..90u32).map(|place| ItemId(place * place % 70)).collect();
            let times: Vec<_> = (0..90).map(|place| Timestamp::from_millis(place * 40_000_000)).collect();
            let history = History::new(&items, &times, &[EventTypeId(0); 90]).unwrap();
            let as_of = times[89].plus_days(days);
            let past = model.past(&Query { history, as_of, candidates: None });
            let mut streamed = vec![0.0; scales * DIM];
            model.trace(history).at(model.basis(), as_of, &mut streamed);
            let size = streamed.iter().fold(0.0f32, |size, value| size.max(value.abs()));
            for (own, streamed) in past.state.iter().zip(&streamed) {
                assert!((own - streamed).abs() <= 1e-5 * size + 1e-9, "{own} for {streamed}");
            }
            let n_left = past.scales_left(89).count();
            assert!(n_left < scales && (days > 1_000.0 || past.scales_left(0).count() == scales), "{n_left}");
        }
    }

    #[test]
    fn only_the_last_bin_is_kept() {
        let model = model();
        let index = model.build_index().unwrap();
        let offsets = |days| model.offsets(&index, Timestamp::from_millis(0).plus_days(days));
        assert!(Arc::ptr_eq(&offsets(1_000.0), &offsets(1_000.0)));
        assert!(!Arc::ptr_eq(&offsets(300.0), &offsets(300.0)));
        let of_all = |days| (0..ITEMS as u32).map(|item| offsets(days).get(ItemId(item))).collect::<Vec<_>>();
        assert_ne!(of_all(300.0), of_all(1_000.0));
    }
}
