//! What is written of items speaks in the trace model: of items that nobody has touched, of items that came after the fit, and in
//! learning that goes on.

use rayon::ThreadPoolBuilder;
use wane::events::{EventColumns, EventLog, EventTypeId, ItemId, Timestamp};
use wane::interest::{Catalogue, Vectors};
use wane::recommend::{Query, Recommender, Scores, Start, TraceModel, TraceSettings, Training};

const ITEMS: u32 = 48;
/// From this one on, nobody has touched an item.
const NEW: u32 = 44;

/// Sixty users, each of whom wants the even items or the odd ones.
fn log(n_items: u32) -> EventLog {
    let mut columns = EventColumns {
        user_names: (0..60).map(|user| format!("u{user:02}")).collect(),
        item_names: (0..n_items).map(|item| format!("i{item:02}")).collect(),
        event_types: vec!["view".into()],
        ..EventColumns::default()
    };
    for user in 0..60 {
        for n in 0..9 {
            columns.users.push(user);
            columns.items.push((user * 7 + n * (user % 5 + 3)) % (NEW / 2) * 2 + user % 2);
            columns.times.push(Timestamp::from_millis(i64::from(user * 5 + n * 1_440) * 60_000));
            columns.types.push(EventTypeId(0));
        }
    }
    EventLog::from_columns(columns).unwrap()
}

/// Vectors whose first number tells even items from odd ones, each number with a factor.
fn catalogue(log: &EventLog, factors: [f32; 5]) -> Catalogue {
    let number = |place: usize| {
        let (item, k) = (place / 5, place % 5);
        let taste = if item % 2 == 0 { 1.0 } else { -1.0 };
        factors[k] * if k == 0 { taste } else { (place as f32 * 1.3).sin() }
    };
    let data = (0..log.n_items() * 5).map(number).collect();
    let items = log.items().clone();
    Catalogue { items, vectors: Some(Vectors { dim: 5, data }), ..Catalogue::default() }
}

fn settings() -> TraceSettings {
    TraceSettings { dim: 8, scales: 2, epochs: 12, batch: 64, ..TraceSettings::default() }
}

fn fit(settings: &TraceSettings, log: &EventLog, catalogue: &Catalogue) -> TraceModel {
    settings.fit(&Training::new(log, Some(catalogue), 3)).unwrap()
}

/// Scores of all items for each user after the last event, with those of the explanations.
fn scores(model: &TraceModel, log: &EventLog) -> Vec<Vec<f32>> {
    let of_user = |history| {
        let as_of = log.span().unwrap().1;
        let query = Query { history, as_of, candidates: None };
        let mut scores = Scores::new(model.n_items());
        model.score(&query, &mut scores);
        for item in [ItemId(0), ItemId(model.n_items() as u32 - 1)] {
            let (score, explained) = (f64::from(scores.get(item)), model.explain(&query, item).score);
            assert!(
                (f64::from(explained) - score).abs() < 1e-4 * (1.0 + score.abs()),
                "{explained} for {score}"
            );
        }
        scores.values().to_vec()
    };
    log.histories().map(|(_, history)| of_user(history)).collect()
}

/// Share of users whose list puts the new items of their taste before the others.
fn told_apart(scores: &[Vec<f32>]) -> f64 {
    let is_right = |(user, scores): &(usize, &Vec<f32>)| {
        let of = |taste: usize| {
            let new = (NEW as usize..ITEMS as usize).filter(|item| item % 2 == taste);
            new.map(|item| scores[item]).sum::<f32>()
        };
        of(user % 2) > of(1 - user % 2)
    };
    scores.iter().enumerate().filter(is_right).count() as f64 / scores.len() as f64
}

#[test]
fn items_that_nobody_touched_are_found_by_their_text() {
    let log = log(ITEMS);
    let catalogue = catalogue(&log, [1.0; 5]);
    let told = told_apart(&scores(&fit(&settings(), &log, &catalogue), &log));
    assert!(told > 0.95, "{told}");
    let without = TraceSettings { texts: false, ..settings() };
    let told = told_apart(&scores(&fit(&without, &log, &catalogue), &log));
    assert!(told < 0.7, "{told} without texts");
}

#[test]
fn it_is_the_same_model_on_any_number_of_threads_and_from_its_folder() {
    let log = log(ITEMS);
    let catalogue = catalogue(&log, [1.0; 5]);
    let on = |threads| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fit(&settings(), &log, &catalogue))
    };
    let (one, two) = (on(1), on(2));
    assert_eq!(one.parameters(), two.parameters());
    let load = |parameters| settings().load(parameters, log.n_items(), log.event_types());
    let loaded = load(one.parameters()).unwrap();
    assert_eq!(loaded.parameters(), one.parameters());
    assert_eq!(scores(&loaded, &log), scores(&one, &log));
    let mut damaged = one.parameters();
    damaged.0.insert("text_mean".to_owned(), wane::recommend::Array::F32(vec![0.0; 3]));
    assert!(load(damaged).unwrap_err().to_string().contains("text_axes"));
}

#[test]
fn items_newer_than_the_model_are_known_by_their_text_at_once() {
    let (then, now) = (log(NEW), log(ITEMS));
    let former = catalogue(&then, [1.0; 5]);
    let old = fit(&settings(), &then, &former);
    let start = Start::new(&settings(), old.parameters(), &then, Some(&former)).unwrap();
    let newer = catalogue(&now, [1.0; 5]);
    let new = start.over(&now, Some(&newer)).unwrap();
    let (before, after) = (scores(&old, &then), scores(&new, &now));
    assert!(told_apart(&after) > 0.95, "{}", told_apart(&after));
    // What was known is known as before, but for links to new items that took the place of others.
    let vectors = |model: &TraceModel| {
        model.query_vector(&model.trace(then.history(wane::events::UserId(0))), then.span().unwrap().1)
    };
    for (old, new) in vectors(&old).iter().zip(vectors(&new)) {
        assert!((old - new).abs() < 1e-4 * (1.0 + old.abs()), "{old} became {new}");
    }
    assert!(before.iter().zip(&after).all(|(before, after)| before.len() + 4 == after.len()));
}

/// The same shop with other names for its items, so that no id means what it meant.
fn renamed(log: &EventLog) -> EventLog {
    let mut columns = EventColumns {
        user_names: log.users().iter().map(str::to_owned).collect(),
        item_names: (0..log.n_items()).map(|item| format!("i{item:02}")).collect(),
        event_types: log.event_types().to_vec(),
        ..EventColumns::default()
    };
    for (user, history) in log.histories() {
        for event in history.iter() {
            columns.users.push(user.0);
            columns.items.push((event.item.0 + 1) % log.n_items() as u32);
            columns.times.push(event.time);
            columns.types.push(event.event_type);
        }
    }
    EventLog::from_columns(columns).unwrap()
}

#[test]
fn a_model_without_ids_speaks_of_another_shops_items() {
    let (here, without_ids) = (log(ITEMS), TraceSettings { id_dropout: 1.0, ..settings() });
    let known = catalogue(&here, [1.0; 5]);
    let there = renamed(&here);
    // Odd ones there are what even ones are here.
    let other = catalogue(&there, [-1.0, 1.0, 1.0, 1.0, 1.0]);
    let told = |settings: &TraceSettings| {
        let start =
            Start::new(settings, fit(settings, &here, &known).parameters(), &here, Some(&known)).unwrap();
        start.over(&there, Some(&other)).map(|model| told_apart(&scores(&model, &there)))
    };
    // The user of an even number wants odd items now.
    let found = told(&without_ids).unwrap();
    assert!(found < 0.05, "{found}");
    let refused = told(&settings()).unwrap_err().to_string();
    assert!(refused.contains("cosine"), "{refused}");
}

#[test]
fn a_model_without_ids_knows_nothing_of_any_one_item() {
    let log = log(ITEMS);
    let mut known = catalogue(&log, [1.0; 5]);
    // Of one item nothing is written, and of two the same.
    let vectors = known.vectors.as_mut().unwrap();
    vectors.data[..5].fill(0.0);
    vectors.data.copy_within(20..25, 30);
    let model = fit(&TraceSettings { id_dropout: 1.0, ..settings() }, &log, &known);
    let parameters = model.parameters();
    let wane::recommend::Array::F32(vectors) = &parameters.0["item_vectors"] else { panic!("no vectors") };
    assert!(vectors[..8].iter().all(|x| *x == 0.0));
    assert_eq!(vectors[4 * 8..5 * 8], vectors[6 * 8..7 * 8]);
    assert!(model.links().iter().all(|link| !link.is_mined()));
    assert!(parameters.0.keys().all(|name| !name.starts_with("popularity_rates") || {
        matches!(&parameters.0[name], wane::recommend::Array::F32(rates) if rates.is_empty())
    }));
}

#[test]
fn vectors_of_an_encoder_of_another_name_are_refused() {
    let log = log(ITEMS);
    let named = |name: &str| {
        let encoders = vec![Some(name.to_owned()); log.n_items()];
        let extra = [(wane::interest::ENCODER.to_owned(), encoders)].into();
        Catalogue { extra, ..catalogue(&log, [1.0; 5]) }
    };
    let (settings, known) = (TraceSettings { id_dropout: 1.0, ..settings() }, named("bert-5-aa+1"));
    let start = Start::new(&settings, fit(&settings, &log, &known).parameters(), &log, Some(&known)).unwrap();
    // Behind a `+` stands what differs from table to table.
    assert!(start.over(&log, Some(&named("bert-5-aa+2"))).is_ok());
    let refused = start.over(&log, Some(&named("bert-5-ab"))).unwrap_err().to_string();
    assert!(refused.ends_with("those of bert-5-ab, not of bert-5-aa+1"), "{refused}");
}

#[test]
fn vectors_of_another_encoder_are_refused_where_learning_goes_on() {
    let log = log(ITEMS);
    let former = catalogue(&log, [1.0; 5]);
    let old = fit(&settings(), &log, &former);
    let start = Start::new(&settings(), old.parameters(), &log, Some(&former)).unwrap();
    let go_on = |catalogue: Option<&Catalogue>| {
        let training = Training { start: Some(&start), ..Training::new(&log, catalogue, 3) };
        TraceSettings { epochs: 1, ..settings() }.fit(&training)
    };
    let vectors = |vectors| Catalogue { vectors, ..former.clone() };
    let refused = |catalogue: Option<&Catalogue>| go_on(catalogue).unwrap_err().to_string();
    assert!(refused(None).contains("`vectors`: expected 5 numbers of each item"));
    assert!(refused(Some(&vectors(None))).ends_with("got none"));
    let shorter = Vectors { dim: 4, data: vec![1.0; log.n_items() * 4] };
    assert!(refused(Some(&vectors(Some(shorter)))).ends_with("got 4"));
    assert!(refused(Some(&catalogue(&log, [-1.0; 5]))).contains("cosine -"));
    // The same words weighed a little otherwise are the same encoder's.
    assert!(go_on(Some(&catalogue(&log, [1.0, 1.1, 0.9, 1.0, 1.1]))).is_ok());
}
