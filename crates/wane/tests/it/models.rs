//! What every model promises: reasons sum to the score, a saved model scores as before, threads change nothing.

use proptest::prelude::*;
use wane::events::{EventColumns, EventLog, EventTypeId, ItemId, Timestamp, UserId};
use wane::interest::{Catalogue, Relation, Vectors};
use wane::recommend::{Backfill, ModelSettings, Query, Recommender, Scores, Training};

const USERS: u32 = 12;
const ITEMS: u32 = 9;

fn log(rows: &[(u32, u32, u8, i64)]) -> EventLog {
    EventLog::from_columns(EventColumns {
        users: rows.iter().map(|row| row.0).collect(),
        items: rows.iter().map(|row| row.1).collect(),
        types: rows.iter().map(|row| EventTypeId(row.2)).collect(),
        times: rows.iter().map(|row| Timestamp::from_millis(row.3 * 3_600_000)).collect(),
        user_names: (0..USERS).map(|user| format!("u{user:02}")).collect(),
        item_names: (0..ITEMS).map(|item| format!("i{item}")).collect(),
        event_types: vec!["view".into(), "purchase".into()],
        ..EventColumns::default()
    })
    .unwrap()
}

fn rows() -> impl Strategy<Value = Vec<(u32, u32, u8, i64)>> {
    proptest::collection::vec((0..USERS, 0..ITEMS, 0u8..2, 0i64..2_000), 20..120)
}

fn catalogue(log: &EventLog) -> Catalogue {
    let links = (0..ITEMS).map(|item| (ItemId(item), ItemId((item * 5 + 2) % ITEMS), 1.0));
    Catalogue {
        items: log.items().clone(),
        relations: vec![Relation::from_links("complement", ITEMS as usize, links)],
        vectors: Some(Vectors { dim: 3, data: (0..ITEMS * 3).map(|x| (x * 7 % 11) as f32 - 5.0).collect() }),
        ..Catalogue::default()
    }
}

fn scores(model: &dyn Recommender, query: &Query<'_>) -> Vec<f32> {
    let mut scores = Scores::new(model.n_items());
    model.score(query, &mut scores);
    scores.values().to_vec()
}

/// Sums of unlike signs can cancel; the error is judged against what was added up.
fn assert_reasons_sum(name: &str, model: &dyn Recommender, query: &Query<'_>) {
    for (item, score) in (0..ITEMS).zip(scores(model, query)) {
        let explanation = model.explain(query, ItemId(item));
        let shares = explanation.reasons.iter().map(|reason| reason.share);
        let shares: Vec<f64> = shares.chain(explanation.remainders.iter().map(|rest| rest.share)).collect();
        let (sum, size): (f64, f64) = (shares.iter().sum(), shares.iter().map(|share| share.abs()).sum());
        let error = (sum - f64::from(score)).abs() / size.max(1e-6);
        assert!(error < 1e-5, "{name}, item {item}: score {score}, shares sum to {sum}");
        assert!((f64::from(explanation.score) - sum).abs() / size.max(1e-6) < 1e-5, "{name}, item {item}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn reasons_sum_to_the_score_and_a_saved_model_scores_as_before(rows in rows(), later in 0i64..5_000) {
        let log = log(&rows);
        let catalogue = catalogue(&log);
        let training = Training::new(&log, Some(&catalogue), 7);
        for settings in ModelSettings::all() {
            let model = settings.fit(&training).unwrap();
            let back = settings.load(model.parameters(), log.n_items(), log.event_types()).unwrap();
            for user in [UserId(0), UserId(5)] {
                let as_of = Timestamp::from_millis((2_000 + later) * 3_600_000);
                let query = Query { history: log.history(user), as_of, candidates: None };
                assert_reasons_sum(settings.name(), &*model, &query);
                let backed = Backfill::new(settings.fit(&training).unwrap(), &log);
                assert_reasons_sum(settings.name(), &backed, &query);
                prop_assert_eq!(scores(&*model, &query), scores(&*back, &query), "{}", settings.name());
            }
        }
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let rows: Vec<_> = (0..600u32)
        .map(|n| (n * 7 % USERS, n * n % ITEMS, (n % 2) as u8, i64::from(n * 37 % 1_999)))
        .collect();
    let log = log(&rows);
    let catalogue = catalogue(&log);
    let training = Training::new(&log, Some(&catalogue), 7);
    for settings in ModelSettings::all() {
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| settings.fit(&training).unwrap().parameters())
        };
        assert_eq!(with(1), with(3), "{}", settings.name());
    }
}

#[test]
fn what_a_model_is_silent_on_is_ordered_by_popularity_below_what_it_says() {
    // Item 1 is the most popular, item 3 the least; the user had item 3 long ago.
    let log =
        log(&[(0, 3, 1, 0), (1, 1, 1, 900), (2, 1, 1, 901), (3, 1, 1, 902), (4, 2, 1, 903), (5, 2, 1, 904)]);
    let settings = r#"{"model": "personal-frequency", "decay": {"half_life": "3h"}}"#;
    let settings: ModelSettings = serde_json::from_str(settings).unwrap();
    let training = Training::new(&log, None, 0);
    let backed = Backfill::new(settings.fit(&training).unwrap(), &log);
    let as_of = Timestamp::from_millis(150 * 3_600_000);
    let query = Query { history: log.history(UserId(0)), as_of, candidates: None };
    let scores = scores(&backed, &query);
    assert!(
        scores[3] < 1e-12 && scores[3] > scores[1] && scores[1] > scores[2] && scores[2] > 0.0,
        "{scores:?}"
    );
    assert_eq!(scores[5], 0.0);
}
