//! Items of the day: what a model says of them while it answers is what it would say over a catalogue that has them, and nothing else
//! changes.

use std::fmt::Write;

use wane::artifact::Artifact;
use wane::events::{EventColumns, EventLog, EventTypeId, History, ItemId, Timestamp, UserId};
use wane::interest::{Catalogue, CatalogueRow, Vectors};
use wane::pipeline::{Live, LiveModel, Sources, fit_as, over_catalogue};
use wane::recommend::{ModelSettings, Query, Recommender, Scores, TraceSettings, Training, score_all};

const ITEMS: usize = 40;
const DIM: usize = 5;

/// Sixty users, each of whom wants the even items or the odd ones.
fn log() -> EventLog {
    let mut columns = EventColumns {
        user_names: (0..60).map(|user| format!("u{user:02}")).collect(),
        item_names: (0..ITEMS).map(|item| format!("i{item:02}")).collect(),
        event_types: vec!["view".into()],
        ..EventColumns::default()
    };
    for user in 0..60_u32 {
        for n in 0..9 {
            columns.users.push(user);
            columns.items.push((user * 7 + n * (user % 5 + 3)) % 20 * 2 + user % 2);
            columns.times.push(Timestamp::from_millis(i64::from(user * 5 + n * 1_440) * 60_000));
            columns.types.push(EventTypeId(0));
        }
    }
    EventLog::from_columns(columns).unwrap()
}

/// Some days after the last event.
fn as_of() -> Timestamp {
    Timestamp::from_millis(12 * 86_400_000)
}

/// An item of one of four categories, whose vector tells its taste.
fn row(item: usize, has_price: bool) -> CatalogueRow {
    let number = |k: usize| match k {
        0 => [1.0, -1.0][item % 2],
        k => (((item * DIM + k) as f32) * 1.3).sin(),
    };
    CatalogueRow {
        title: Some(format!("Thing {item}")),
        categories: vec!["all".into(), format!("kind {}", item % 4)],
        brand: Some(format!("brand {}", item / 4 % 3)),
        price: has_price.then_some(item as f32),
        vector: Some((0..DIM).map(number).collect()),
        ..CatalogueRow::default()
    }
}

fn catalogue(log: &EventLog, has_price: bool) -> Catalogue {
    let vectors = Some(Vectors { dim: DIM, data: vec![0.0; ITEMS * DIM] });
    let nothing = Catalogue { items: log.items().clone(), vectors, ..Catalogue::default() };
    nothing.with_rows(log.items(), (0..ITEMS).map(|item| (ItemId(item as u32), row(item, has_price))))
}

fn fit(settings: TraceSettings, has_price: bool) -> Artifact {
    let log = log();
    let settings = TraceSettings { dim: 8, scales: 2, epochs: 12, batch: 64, ..settings };
    let catalogue = catalogue(&log, has_price);
    fit_as(&Training::new(&log, Some(&catalogue), 3), &ModelSettings::Trace(settings)).unwrap()
}

/// Scores of all items for each user after the last event, by the items' names.
fn scores(model: &dyn Recommender, log: &EventLog) -> Vec<Vec<(String, f32)>> {
    let of_user = |history: History<'_>| {
        let query = Query { history, as_of: as_of(), candidates: None };
        let mut scores = Scores::new(model.n_items());
        model.score(&query, &mut scores);
        let mut named: Vec<(String, f32)> =
            log.items().iter().map(str::to_owned).zip(scores.values().iter().copied()).collect();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        named
    };
    log.histories().map(|(_, history)| of_user(history)).collect()
}

/// The same offline: a catalogue file with the rows takes the place of the model's.
fn offline(artifact: Artifact, rows: &[(String, CatalogueRow)]) -> Vec<Vec<(String, f32)>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("items.jsonl");
    let mut text = String::new();
    for (name, row) in rows {
        let price = row.price.map_or(String::new(), |price| format!(", \"price\": {price}"));
        let (categories, brand, vector) =
            (&row.categories, row.brand.as_ref().unwrap(), row.vector.as_ref().unwrap());
        writeln!(
            text,
            "{{\"item_id\": \"{name}\", \"categories\": {categories:?}, \"brand\": \"{brand}\", \"vector\": {vector:?}{price}}}"
        )
        .unwrap();
    }
    std::fs::write(&path, text).unwrap();
    let sources = Sources { catalogue: Some(path), ..Sources::default() };
    let artifact = over_catalogue(artifact, &sources).unwrap();
    scores(&artifact.recommender().unwrap(), &artifact.log)
}

fn live(model: &LiveModel, rows: &[(String, CatalogueRow)]) -> Live {
    model.over(rows.iter().map(|(name, row)| (&**name, row.clone())).collect(), &model.as_fitted())
}

/// Rows of later items; one of them comes before all others by its name.
fn later(has_price: bool) -> Vec<(String, CatalogueRow)> {
    [(40, "j40"), (41, "a41"), (42, "i20b")]
        .map(|(item, name)| (name.to_owned(), row(item, has_price)))
        .into()
}

fn with_known(has_price: bool, changed: &[(String, CatalogueRow)]) -> Vec<(String, CatalogueRow)> {
    let known = (0..ITEMS).map(|item| (format!("i{item:02}"), row(item, has_price)));
    let is_other = |(name, _): &(String, CatalogueRow)| changed.iter().all(|(own, _)| own != name);
    known.filter(is_other).chain(changed.iter().cloned()).collect()
}

/// The greatest difference of scores.
fn distance(one: &[Vec<(String, f32)>], other: &[Vec<(String, f32)>]) -> f32 {
    let pairs = one.iter().flatten().zip(other.iter().flatten());
    pairs.fold(0.0, |most, (one, other)| {
        assert_eq!(one.0, other.0);
        most.max((one.1 - other.1).abs())
    })
}

/// An index of before, and later and changed items beside it.
#[test]
fn later_items_are_searched_as_if_all_were_scored() {
    let model = LiveModel::new(fit(TraceSettings::default(), true)).unwrap();
    let changed = ("i07".to_owned(), row(22, true));
    let now = live(&model, &[later(true), vec![changed]].concat());
    let mut scores = Scores::new(now.recommender.n_items());
    for (_, history) in now.log.histories() {
        let query = Query { history, as_of: as_of(), candidates: None };
        for keep in [|_: ItemId| true, |item: ItemId| item.0 % 3 != 1, |item: ItemId| item.0 >= 39] {
            for k in [1, 5, 100] {
                let all = score_all(&*now.recommender, &query, k, &keep, &mut scores);
                assert_eq!(now.recommender.best(&query, k, &keep, &mut scores), all);
            }
        }
    }
}

/// With nothing but vectors that speak, so that they are learned.
fn by_vectors() -> TraceSettings {
    TraceSettings { alike: 0, popularity: false, repeats: 0, window: 0, ..TraceSettings::default() }
}

/// What features and texts say is the same, of later items and of known ones that are described anew.
#[test]
fn later_items_are_what_they_are_over_a_newer_catalogue() {
    let all_but_likeness = fit(TraceSettings { alike: 0, ..TraceSettings::default() }, false);
    let model = LiveModel::new(all_but_likeness.clone()).unwrap();
    let now = live(&model, &later(false));
    let moved = distance(
        &scores(&*now.recommender, &now.log),
        &offline(all_but_likeness, &with_known(false, &later(false))),
    );
    assert!(moved < 1e-4, "{moved}");
    let artifact = fit(by_vectors(), false);
    let mut rows = later(false);
    let described = CatalogueRow { brand: Some("brand 2".into()), ..row(5, false) };
    rows.push((
        "i05".to_owned(),
        CatalogueRow { categories: vec!["all".into(), "kind 3".into()], ..described },
    ));
    rows.push(("i06".to_owned(), CatalogueRow { vector: row(9, false).vector, ..row(6, false) }));
    let model = LiveModel::new(artifact.clone()).unwrap();
    let now = live(&model, &rows);
    let (found, expected) =
        (scores(&*now.recommender, &now.log), offline(artifact.clone(), &with_known(false, &rows)));
    let (moved, fitted) =
        (distance(&found, &expected), scores(&artifact.recommender().unwrap(), &artifact.log));
    assert!(moved < 1e-4, "{moved}");
    // They are said something of, and differently from item to item and from before.
    let of = |scores: &[Vec<(String, f32)>], name: &str| {
        scores[3].iter().find(|(own, _)| own == name).map(|(_, score)| *score).unwrap()
    };
    assert_ne!(of(&found, "j40"), of(&found, "a41"));
    assert_ne!(of(&found, "i05"), of(&fitted, "i05"));
    assert_ne!(of(&found, "i06"), of(&fitted, "i06"));
}

/// Relations of likeness are counted anew over a newer catalogue and not here, so that others stay as they are. What is left between the
/// two is the weight of features (40 items are few), and where rows of links are full, that a link to a later item takes the place of another.
#[test]
fn lists_are_nearly_those_over_a_newer_catalogue() {
    for (alike, has_price, least) in [(60, false, 585), (6, true, 520)] {
        let artifact = fit(TraceSettings { alike, ..TraceSettings::default() }, has_price);
        let model = LiveModel::new(artifact.clone()).unwrap();
        let now = live(&model, &later(has_price));
        let (found, expected) = (
            scores(&*now.recommender, &now.log),
            offline(artifact, &with_known(has_price, &later(has_price))),
        );
        let (mut same, mut new) = (0, 0);
        for (found, expected) in found.iter().zip(&expected) {
            let (found, expected) = (list(found), list(expected));
            same += found.iter().filter(|name| expected.contains(name)).count();
            new += found.iter().filter(|name| ["j40", "a41", "i20b"].contains(&&***name)).count();
        }
        let far = distance(&found, &expected);
        assert!(same >= least && new > 0, "{same} of 600 places are alike, {new} are later items; {far}");
    }
}

/// The ten best.
fn list(scores: &[(String, f32)]) -> Vec<String> {
    let mut scores = scores.to_vec();
    scores.sort_by(|a, b| b.1.total_cmp(&a.1));
    scores.into_iter().take(10).map(|(name, _)| name).collect()
}

/// Whatever comes, others have the scores that they had, to the bit: scored, searched and explained.
#[test]
fn nothing_is_changed_by_an_item_that_comes() {
    let artifact = fit(TraceSettings { alike: 4, ..TraceSettings::default() }, true);
    let log = artifact.log.clone();
    let model = LiveModel::new(artifact).unwrap();
    let (before, now) = (model.as_fitted(), live(&model, &later(true)));
    let (mut some, mut more) = (Scores::new(ITEMS), Scores::new(ITEMS + 3));
    for user in 0..60 {
        let history = log.history(UserId(user));
        let query = Query { history, as_of: as_of(), candidates: None };
        some.clear();
        more.clear();
        before.recommender.score(&query, &mut some);
        now.recommender.score(&query, &mut more);
        assert_eq!(some.values(), &more.values()[..ITEMS]);
        let best = before.recommender.best(&query, 10, &|_| true, &mut some);
        let best_now = now.recommender.best(&query, 10, &|item| item.index() < ITEMS, &mut more);
        assert_eq!(best, best_now);
        for item in [3, 17] {
            assert_eq!(
                before.recommender.explain(&query, ItemId(item)),
                now.recommender.explain(&query, ItemId(item))
            );
        }
        let explained = now.recommender.explain(&query, ItemId(ITEMS as u32 + 1));
        let score = now.recommender.best(&query, 1, &|item| item.index() == ITEMS + 1, &mut more)[0].score;
        assert!((explained.score - score).abs() < 1e-4 * (1.0 + score.abs()));
    }
}

/// A later item in a history speaks, as over a newer catalogue.
#[test]
fn events_with_a_later_item_count() {
    let artifact = fit(by_vectors(), false);
    let model = LiveModel::new(artifact.clone()).unwrap();
    let now = live(&model, &later(false));
    let ask = |item: u32, n_items: usize| {
        let (items, times, kinds) =
            ([ItemId(3), ItemId(item)], [Timestamp::from_millis(0); 2], [EventTypeId(0); 2]);
        let history = History::new(&items, &times, &kinds).unwrap();
        let query = Query { history, as_of: Timestamp::from_millis(60_000), candidates: None };
        let mut scores = Scores::new(n_items);
        now.recommender.score(&query, &mut scores);
        let reasons = now.recommender.explain(&query, ItemId(0)).reasons.len();
        (scores.values().to_vec(), reasons)
    };
    let n = ITEMS + 3;
    let (with, without) = (ask(ITEMS as u32, n), ask(9_999, n));
    assert_ne!(with.0, without.0);
    assert!(with.1 > without.1);
}

/// The same rows make the same model, however often it was made before and whichever rows came first; what a model is not made of leaves
/// it as it is.
#[test]
fn the_same_rows_make_the_same_model() {
    let artifact = fit(TraceSettings { alike: 4, ..TraceSettings::default() }, true);
    let model = LiveModel::new(artifact).unwrap();
    let rows = later(true);
    let refs = |rows: &[(String, CatalogueRow)]| {
        rows.iter().map(|(name, row)| (name.clone(), row.clone())).collect::<Vec<_>>()
    };
    let mut live_one = live(&model, &rows[..1]);
    for n in 2..=3 {
        let some = refs(&rows[..n]);
        live_one = model.over(some.iter().map(|(name, row)| (&**name, row.clone())).collect(), &live_one);
    }
    let at_once = live(&model, &rows);
    assert_eq!(scores(&*live_one.recommender, &live_one.log), scores(&*at_once.recommender, &at_once.log));
    assert_eq!(live_one.catalogue, at_once.catalogue);
    // Described otherwise for a while, one of them gone meanwhile: what was found for the former rows is not taken for these.
    let otherwise: Vec<_> = rows[1..].iter().map(|(name, _)| (&**name, row(21, true))).collect();
    let changed = model.over(otherwise.clone(), &at_once);
    let untouched =
        LiveModel::new(fit(TraceSettings { alike: 4, ..TraceSettings::default() }, true)).unwrap();
    let expected = untouched.over(otherwise, &untouched.as_fitted());
    assert_eq!(scores(&*changed.recommender, &changed.log), scores(&*expected.recommender, &expected.log));
    let back = model.over(rows.iter().map(|(name, row)| (&**name, row.clone())).collect(), &changed);
    assert_eq!(scores(&*back.recommender, &back.log), scores(&*at_once.recommender, &at_once.log));
    let titled: Vec<_> = rows
        .iter()
        .map(|(name, row)| {
            (&**name, CatalogueRow { title: Some("New".into()), available: Some(false), ..row.clone() })
        })
        .collect();
    let titled = model.over(titled, &at_once);
    assert!(std::sync::Arc::ptr_eq(&titled.recommender, &at_once.recommender));
    assert_eq!(titled.catalogue.unwrap().row(ItemId(41)).title.as_deref(), Some("New"));
    assert!(std::sync::Arc::ptr_eq(
        &model.over(Vec::new(), &at_once).recommender,
        &model.as_fitted().recommender
    ));
}

/// What only filters and lists are told of an item makes no other model.
#[test]
fn the_model_is_not_made_anew_for_what_it_does_not_hear() {
    let model = LiveModel::new(fit(TraceSettings::default(), true)).unwrap();
    let fitted = model.as_fitted();
    let gone = CatalogueRow { available: Some(false), title: None, ..row(5, true) };
    let now = model.over(vec![("i05", gone)], &fitted);
    assert!(std::sync::Arc::ptr_eq(&now.recommender, &fitted.recommender));
    assert_eq!(now.catalogue.unwrap().available[5], Some(false));
    let dearer = CatalogueRow { price: Some(99.0), ..row(5, true) };
    let now = model.over(vec![("i05", dearer)], &fitted);
    assert!(!std::sync::Arc::ptr_eq(&now.recommender, &fitted.recommender));
}

/// A model that knows items by their events alone knows no later ones, and heeds what is said of its own.
#[test]
fn a_model_of_events_alone_has_no_later_items() {
    let log = log();
    let catalogue = catalogue(&log, true);
    let settings = ModelSettings::named("item-knn").unwrap();
    let model =
        LiveModel::new(fit_as(&Training::new(&log, Some(&catalogue), 1), &settings).unwrap()).unwrap();
    let mut rows = later(true);
    rows.push(("i05".into(), CatalogueRow { available: Some(false), ..row(5, true) }));
    let now = live(&model, &rows);
    assert!(!model.takes_new_items());
    assert_eq!((now.log.n_items(), now.recommender.n_items()), (ITEMS, ITEMS));
    assert_eq!(now.catalogue.unwrap().available[5], Some(false));
    assert_eq!((model.row("j40"), model.row("i05")), (None, Some(row(5, true))));
}

/// Who is left out leaves nothing in the counts, and with nobody left out every model stays as it is, bit for bit.
#[test]
fn counts_are_without_those_who_are_left_out() {
    let log = log();
    let catalogue = catalogue(&log, false);
    let is_left_out = |user: UserId| user.0.is_multiple_of(3);
    let left = log.filter(|user, _, _| !is_left_out(user));
    for settings in ModelSettings::all() {
        if settings.needs_relations() || matches!(settings, ModelSettings::Trace(_)) {
            continue;
        }
        let fit = |log: &EventLog| fit_as(&Training::new(log, Some(&catalogue), 3), &settings).unwrap();
        let model = LiveModel::new(fit(&log)).unwrap();
        let all = scores(&*model.as_fitted().recommender, &log);
        assert_eq!(scores(&*model.without(|_| false).unwrap().as_fitted().recommender, &log), all);
        let without = model.without(is_left_out).unwrap();
        let anew = LiveModel::new(fit(&left)).unwrap();
        assert_eq!(
            scores(&*without.as_fitted().recommender, &log),
            scores(&*anew.as_fitted().recommender, &log),
            "{}",
            settings.name()
        );
    }
}

/// What a trace model learned stays; its popularity and its mined relations know nothing of who was left out.
#[test]
fn a_trace_model_learned_what_it_learned_and_counts_without_those_who_are_left_out() {
    let model = LiveModel::new(fit(TraceSettings::default(), false)).unwrap();
    let all = model.as_fitted();
    let nobody = model.without(|_| false).unwrap().as_fitted();
    assert_eq!(scores(&*nobody.recommender, &nobody.log), scores(&*all.recommender, &all.log));
    // Only even users touched even items: without them nothing is counted of these.
    let odd = model.without(|user| user.0.is_multiple_of(2)).unwrap().as_fitted();
    let counted = |live: &Live| {
        let items: Vec<ItemId> = (0..6).map(|n| ItemId(2 * n)).collect();
        let times = vec![Timestamp::from_millis(11 * 86_400_000); items.len()];
        let history = History::new(&items, &times, &[EventTypeId(0); 6]).unwrap();
        let query = Query { history, as_of: as_of(), candidates: None };
        let (mut popularity, mut pairs) = (0.0, 0);
        for item in (0..ITEMS as u32).step_by(2) {
            let explanation = live.recommender.explain(&query, ItemId(item));
            let own = explanation.remainders.iter().filter(|own| own.name == "popularity");
            popularity += own.map(|own| own.share.abs()).sum::<f64>();
            pairs += explanation
                .reasons
                .iter()
                .filter(|reason| ["follows", "precedes"].contains(&&*reason.relation))
                .count();
        }
        (popularity > 0.0, pairs > 0)
    };
    assert_eq!((counted(&all), counted(&odd)), ((true, true), (false, false)));
}
