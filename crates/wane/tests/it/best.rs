//! The search for the best items gives what scoring all of them gives: same items, same scores, same order.

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use wane::events::{EventColumns, EventLog, EventTypeId, History, ItemId, Timestamp};
use wane::interest::{Departments, Features, Mined, Pairing, Relation};
use wane::recommend::{Backfill, Goal, Query, Recommender, Scores, TraceModel, score_all};
use wane::train::{Group, Link, LinkRows, PopularityTable, Shape, Weights};

const ITEMS: usize = 40;
const DAY: i64 = 86_400_000;

/// A model with random numbers, every kind of relation, and popularity over ten days.
fn model(seed: u64, dim: usize, goal: Goal) -> TraceModel {
    let mut random = StdRng::seed_from_u64(seed);
    let links = relations(&mut random);
    let shape = Shape {
        items: ITEMS,
        features: 0,
        dim,
        scales: 3,
        types: 2,
        links: links.len(),
        fashions: 2,
        departments: 0,
    };
    let mut weights = Weights::start(shape, &[0.1, 2.0, 40.0], seed);
    // Few different numbers, so that scores tie.
    let mut fill =
        |values: &mut [f32]| values.iter_mut().for_each(|value| *value = random.random_range(-3i8..4).into());
    fill(&mut weights.vectors);
    fill(&mut weights.bias);
    for group in [Group::Kernels, Group::Gains, Group::Fashions] {
        fill(weights.group_mut(group));
    }
    let mut events: Vec<(Timestamp, ItemId)> = (0..200)
        .map(|_| {
            (Timestamp::from_millis(random.random_range(0..10 * DAY)), ItemId(random.random_range(0..30)))
        })
        .collect();
    events.sort_unstable();
    let popularity = PopularityTable::new(&events, ITEMS, &[1.0, f32::INFINITY]);
    TraceModel::new(weights, &Features::default(), links, popularity, events, goal)
}

fn relations(random: &mut StdRng) -> Vec<Link> {
    let mut relation = |name: &str| {
        let mut item = || ItemId(random.random_range(0..ITEMS as u32));
        let pairs: Vec<_> = (0..120).map(|place| (item(), item(), (place % 4) as f32 / 2.0)).collect();
        Relation::from_links(name, ITEMS, pairs)
    };
    let given = relation("complement");
    let follows = Mined { relation: relation("follows"), out: vec![3.0; ITEMS], into: vec![2.0; ITEMS] };
    let precedes = follows.reversed(usize::MAX);
    let pairing = Pairing::Follows(2);
    let link = |name: &str, reach, rows| Link { name: name.to_owned(), reach, rows };
    vec![
        link("self", 9, LinkRows::Repeat(Departments::default())),
        link("complement", 3, LinkRows::Given(given)),
        link("follows", 4, LinkRows::Mined { mined: follows, pairing, is_reversed: false }),
        link("precedes", 4, LinkRows::Mined { mined: precedes, pairing, is_reversed: true }),
    ]
}

/// The log behind a model's backfill: how often each item was wanted.
fn log(n_events: usize) -> EventLog {
    EventLog::from_columns(EventColumns {
        users: vec![0; n_events],
        items: (0..n_events).map(|event| (event * event % ITEMS) as u32).collect(),
        times: (0..n_events as i64).map(Timestamp::from_millis).collect(),
        types: vec![EventTypeId(0); n_events],
        user_names: vec!["u".to_owned()],
        item_names: (0..ITEMS).map(|item| format!("i{item:02}")).collect(),
        event_types: vec!["view".to_owned()],
        ..EventColumns::default()
    })
    .unwrap()
}

proptest! {
    #[test]
    fn the_list_is_that_of_all_scores(
        seed in 0u64..1_000,
        dim in 1usize..20,
        by_basket in any::<bool>(),
        events in proptest::collection::vec((0..ITEMS as u32, 0i64..11 * DAY, 0u8..2), 0..25),
        later in 0i64..9 * DAY,
        (k, kept) in (0usize..50, 0u32..6),
        n_backed in 0usize..50,
    ) {
        let mut events = events;
        events.sort_by_key(|event| event.1);
        let items: Vec<_> = events.iter().map(|event| ItemId(event.0)).collect();
        let times: Vec<_> = events.iter().map(|event| Timestamp::from_millis(event.1)).collect();
        let types: Vec<_> = events.iter().map(|event| EventTypeId(event.2)).collect();
        let history = History::new(&items, &times, &types).unwrap();
        let as_of = Timestamp::from_millis(events.last().map_or(0, |event| event.1) + later);
        let model = model(seed, dim, if by_basket { Goal::NextBasket } else { Goal::NextItem });
        let query = Query { history, as_of, candidates: None };
        let keep = |item: ItemId| item.0 % 5 < kept;
        // The table as another question left it.
        let mut scores = Scores::new(ITEMS);
        model.score(&Query { history: history.first(3), ..query }, &mut scores);
        let all = score_all(&model, &query, k, &keep, &mut scores);
        let candidates: Vec<ItemId> = (0..ITEMS as u32).rev().map(ItemId).collect();
        prop_assert_eq!(&model.search(&query, k, &keep, &mut scores).unwrap(), &all);
        // What a question writes on a table that is kept, it takes back.
        model.search(&Query { history: history.first(3), ..query }, k, &keep, &mut scores);
        prop_assert_eq!(&model.best(&query, k, &keep, &mut scores), &all);
        let items: Vec<ItemId> = all.iter().map(|scored| scored.item).collect();
        let explained = (all.clone(), model.explain_best(&query, &items, 3));
        prop_assert_eq!(model.search_and_explain(&query, k, &keep, 3, &mut scores).unwrap(), explained);
        let named = Query { candidates: Some(&candidates), ..query };
        prop_assert_eq!(&score_all(&model, &named, k, &keep, &mut scores), &all);
        prop_assert!(model.search(&named, k, &keep, &mut scores).is_none());
        let backed = Backfill::new(Box::new(model), &log(n_backed));
        let all = score_all(&backed, &query, k, &keep, &mut scores);
        prop_assert_eq!(&backed.best(&query, k, &keep, &mut scores), &all);
        if let Some((found, explanations)) = backed.search_and_explain(&query, k, &keep, 3, &mut scores) {
            let items: Vec<ItemId> = found.iter().map(|scored| scored.item).collect();
            prop_assert_eq!((found, explanations), (all, backed.explain_best(&query, &items, 3)));
        }
    }
}

/// Each question of a pool's threads needs the index at once.
#[test]
fn many_threads_wait_for_one_index() {
    use rayon::prelude::*;
    let model = model(1, 8, Goal::NextItem);
    let (items, times, types) = ([ItemId(3)], [Timestamp::from_millis(5)], [EventTypeId(0)]);
    let history = History::new(&items, &times, &types).unwrap();
    let query = Query { history, as_of: Timestamp::from_millis(11 * DAY), candidates: None };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
    let lists: Vec<_> = pool.install(|| {
        (0..64).into_par_iter().map(|_| model.best(&query, 5, &|_| true, &mut Scores::new(ITEMS))).collect()
    });
    assert_eq!(lists[0].len(), 5);
    assert!(lists.iter().all(|list| list == &lists[0]));
}
