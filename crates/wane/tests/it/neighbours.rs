//! Neighbourhood models against scores worked out by hand, and what must hold of all of them on any log.

use proptest::prelude::*;
use wane::decay::DecaySettings;
use wane::events::{EventColumns, EventLog, EventTypeId, ItemId, Timestamp, UserId};
use wane::recommend::{
    Backfill, ItemKnnSettings, PersonalFrequencySettings, Query, Recommender, Scores, TifuKnnSettings,
    Training, VmisKnnSettings,
};

const ITEMS: u32 = 5;
const USERS: u32 = 4;

/// A log of (user, item, hour).
fn log(events: &[(u32, u32, i64)]) -> EventLog {
    EventLog::from_columns(EventColumns {
        users: events.iter().map(|event| event.0).collect(),
        items: events.iter().map(|event| event.1).collect(),
        times: events.iter().map(|event| Timestamp::from_millis(event.2 * 3_600_000)).collect(),
        types: vec![EventTypeId(0); events.len()],
        user_names: (0..USERS).map(|user| format!("u{user}")).collect(),
        item_names: (0..ITEMS).map(|item| format!("i{item}")).collect(),
        event_types: vec!["view".into()],
        ..EventColumns::default()
    })
    .unwrap()
}

fn training(log: &EventLog) -> Training<'_> {
    Training::new(log, None, 1)
}

fn ask(log: &EventLog, user: u32) -> Query<'_> {
    let history = log.history(UserId(user));
    Query { history, as_of: Timestamp::from_millis(i64::from(u32::MAX)), candidates: None }
}

fn scores(model: &dyn Recommender, query: &Query<'_>) -> Vec<f32> {
    let mut scores = Scores::new(model.n_items());
    model.score(query, &mut scores);
    scores.values().to_vec()
}

fn assert_close(got: &[f32], expected: &[f64]) {
    assert_eq!(got.len(), expected.len());
    for (got, expected) in got.iter().zip(expected) {
        assert!((f64::from(*got) - expected).abs() < 1e-6, "{got} where {expected} was expected");
    }
}

#[test]
fn vmis_knn_weighs_as_worked_out_by_hand() {
    // Sessions {0, 1}, {0, 2}, {1, 3}; asked: item 0, then item 1.
    let known = log(&[(0, 0, 0), (0, 1, 1), (1, 0, 2), (1, 2, 3), (2, 1, 4), (2, 3, 5)]);
    let asked = log(&[(3, 0, 6), (3, 1, 7)]);
    let settings = VmisKnnSettings { last_events: 2, ..VmisKnnSettings::default() };
    let model = settings.fit(&training(&known)).unwrap();
    // d(newest) = 2/2, d(before) = 1/2. Similarities: {0,1} 1.5, {0,2} .5, {1,3} 1. Match weights: .9, .8, .9.
    // idf: six session items; items 0 and 1 in two sessions, 2 and 3 in one. Item 1 is the newest and not shown.
    let (common, rare) = (3f64.ln(), 6f64.ln());
    let expected = [(0.9 * 1.5 + 0.8 * 0.5) * common, 0.0, 0.8 * 0.5 * rare, 0.9 * rare, 0.0];
    assert_close(&scores(&model, &ask(&asked, 3)), &expected);
}

#[test]
fn vmis_knn_keeps_the_newest_sessions_and_the_most_similar_of_them() {
    let known = log(&[(0, 0, 0), (0, 1, 0), (1, 0, 1), (1, 2, 1), (2, 0, 2), (2, 3, 2)]);
    let asked = log(&[(3, 0, 6)]);
    let shown = |settings: VmisKnnSettings| {
        let model = settings.fit(&training(&known)).unwrap();
        let scores = scores(&model, &ask(&asked, 3));
        (0..ITEMS).filter(|&item| scores[item as usize] > 0.0).collect::<Vec<_>>()
    };
    assert_eq!(shown(VmisKnnSettings::default()), [1, 2, 3]);
    assert_eq!(shown(VmisKnnSettings { sessions: 2, ..VmisKnnSettings::default() }), [2, 3]);
    assert_eq!(shown(VmisKnnSettings { neighbours: 1, ..VmisKnnSettings::default() }), [3]);
}

#[test]
fn tifu_knn_wanes_baskets_and_blends_neighbours_as_worked_out_by_hand() {
    // The user's baskets, oldest first: {0}, {0, 1}, {2}; groups of two from the newest: [{2}, {0, 1}], [{0}].
    // The like user's only basket: {2, 3}.
    let known = log(&[(0, 0, 0), (0, 0, 1), (0, 1, 1), (0, 2, 2), (1, 2, 0), (1, 3, 0)]);
    let settings = TifuKnnSettings {
        neighbours: 1,
        group_size: 2,
        basket_decay: 0.5,
        group_decay: 0.25,
        own_weight: 0.6,
        decay: DecaySettings::without_decay(),
    };
    let own = [0.25 / 2.0 + 0.5 / 4.0, 0.5 / 4.0, 1.0 / 4.0];
    let asked = log(&[(3, 0, 0), (3, 0, 1), (3, 1, 1), (3, 2, 2)]);
    let others = log(&[(1, 2, 0), (1, 3, 0)]);
    let model = settings.fit(&training(&others)).unwrap();
    let expected = [0.6 * own[0], 0.6 * own[1], 0.6 * own[2] + 0.4, 0.4, 0.0];
    assert_close(&scores(&model, &ask(&asked, 3)), &expected);
    // Among the users of this log the one with the very same baskets is nearest.
    let model = settings.fit(&training(&known)).unwrap();
    assert_close(&scores(&model, &ask(&asked, 3)), &[own[0], own[1], own[2], 0.0, 0.0]);
}

/// All neighbourhood models with settings that bring every part of them into play.
fn models(log: &EventLog) -> Vec<(&'static str, Box<dyn Recommender>)> {
    let training = training(log);
    let vmis = VmisKnnSettings { sessions: 3, neighbours: 2, last_events: 3, ..VmisKnnSettings::default() };
    let tifu = TifuKnnSettings { neighbours: 2, group_size: 2, ..TifuKnnSettings::default() };
    let waning = TifuKnnSettings { decay: DecaySettings::default(), ..tifu.clone() };
    let item_knn = ItemKnnSettings { repeat: Some(0.5), neighbours: 2, ..ItemKnnSettings::default() };
    let backed = Backfill::new(Box::new(vmis.fit(&training).unwrap()), log);
    vec![
        ("personal-frequency", Box::new(PersonalFrequencySettings::default().fit(&training).unwrap())),
        ("item-knn", Box::new(item_knn.fit(&training).unwrap())),
        ("vmis-knn", Box::new(vmis.fit(&training).unwrap())),
        ("tifu-knn", Box::new(tifu.fit(&training).unwrap())),
        ("tifu-knn by the clock", Box::new(waning.fit(&training).unwrap())),
        ("vmis-knn with a backfill", Box::new(backed)),
    ]
}

fn events() -> impl Strategy<Value = Vec<(u32, u32, i64)>> {
    proptest::collection::vec((0..USERS, 0..ITEMS, 0i64..200), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn shares_sum_to_the_score(events in events(), user in 0..USERS) {
        let log = log(&events);
        let query = ask(&log, user);
        for (name, model) in models(&log) {
            let scores = scores(model.as_ref(), &query);
            for item in (0..ITEMS).map(ItemId) {
                let explanation = model.explain(&query, item);
                let sum: f64 = explanation.reasons.iter().map(|reason| reason.share).sum::<f64>()
                    + explanation.remainders.iter().map(|remainder| remainder.share).sum::<f64>();
                let score = f64::from(scores[item.index()]);
                let tolerance = 1e-5 * score.abs() + 1e-12;
                prop_assert!((sum - score).abs() <= tolerance, "{}: {} beside {}", name, sum, score);
                prop_assert!((f64::from(explanation.score) - score).abs() <= tolerance, "{}", name);
                prop_assert!(explanation.reasons.iter().all(|reason| reason.event < query.history.len()));
            }
        }
    }

    #[test]
    fn many_items_are_explained_as_each_of_them_is(events in events(), user in 0..USERS, most in 0usize..4) {
        let log = log(&events);
        let query = ask(&log, user);
        let items: Vec<ItemId> = (0..=ITEMS).map(ItemId).collect();
        for (name, model) in models(&log) {
            let each: Vec<_> = items.iter().map(|&item| model.explain(&query, item).shortened(most)).collect();
            // As text, for that tells 0 from -0 too.
            prop_assert_eq!(format!("{:?}", model.explain_best(&query, &items, most)), format!("{each:?}"), "{}", name);
        }
    }

    #[test]
    fn the_same_log_gives_the_same_bits(events in events(), user in 0..USERS) {
        let log = log(&events);
        let query = ask(&log, user);
        for ((name, once), (_, again)) in models(&log).iter().zip(models(&log)) {
            prop_assert_eq!(once.parameters(), again.parameters(), "{}", name);
            prop_assert_eq!(scores(once.as_ref(), &query), scores(again.as_ref(), &query), "{}", name);
        }
    }

    #[test]
    fn a_saved_model_scores_alike(events in events(), user in 0..USERS) {
        let log = log(&events);
        let (query, training) = (ask(&log, user), training(&log));
        let vmis = VmisKnnSettings { sessions: 3, neighbours: 2, ..VmisKnnSettings::default() };
        let (fitted, n_items) = (vmis.fit(&training).unwrap(), log.n_items());
        let back = vmis.load(fitted.parameters(), n_items).unwrap();
        prop_assert_eq!(scores(&back, &query), scores(&fitted, &query));
        let tifu = TifuKnnSettings { neighbours: 2, decay: DecaySettings::default(), ..TifuKnnSettings::default() };
        let fitted = tifu.fit(&training).unwrap();
        let back = tifu.load(fitted.parameters(), log.event_types(), n_items).unwrap();
        prop_assert_eq!(scores(&back, &query), scores(&fitted, &query));
    }
}
