//! Interrupted trainings end as uninterrupted ones do, and fitted models go on learning.

use std::sync::Mutex;

use wane::Error;
use wane::eval::{JudgeSettings, Span, Split, Targets, judge};
use wane::events::{EventColumns, EventLog, ItemId, Timestamp, join};
use wane::interest::Catalogue;
use wane::recommend::{
    Checkpoint, Goal, Identity, Parameters, Query, Recommender, Scores, Start, TraceModel, TraceSettings,
    Training,
};
use wane::simulate::{Shop, ShopSettings, simulate};
use wane::train::{Group, Unmonitored};

fn shop() -> Shop {
    simulate(&ShopSettings { users: 50, items: 40, days: 40.0, ..ShopSettings::default() }, 5).unwrap()
}

fn settings() -> TraceSettings {
    TraceSettings { dim: 4, scales: 2, epochs: 3, batch: 4_096, ..TraceSettings::default() }
}

/// Keeps the last state, and ends the process, as it were, when it has kept so many.
struct Memory {
    kept: Mutex<Option<(Identity, Parameters)>>,
    left: Mutex<u32>,
}

impl Memory {
    fn new(left: u32) -> Self {
        Self { kept: Mutex::new(None), left: Mutex::new(left) }
    }
}

impl Checkpoint for Memory {
    fn load(&self, of: &Identity) -> wane::Result<Option<Parameters>> {
        let kept = self.kept.lock().unwrap();
        let Some((identity, state)) = &*kept else { return Ok(None) };
        let differences = of.differences(identity);
        if differences.is_empty() {
            Ok(Some(state.clone()))
        } else {
            Err(Error::setting("checkpoint", "the same training", differences.join(", ")))
        }
    }

    fn save(&self, of: &Identity, state: &Parameters) -> wane::Result<()> {
        let mut left = self.left.lock().unwrap();
        if *left == 0 {
            return Err(Error::setting("power", "on", "off"));
        }
        *left -= 1;
        *self.kept.lock().unwrap() = Some((of.clone(), state.clone()));
        Ok(())
    }
}

#[test]
fn an_interrupted_training_ends_with_the_same_bits() {
    let shop = shop();
    for goal in [Goal::NextItem, Goal::NextBasket] {
        let training = Training { goal, ..Training::new(&shop.log, Some(&shop.catalogue), 3) };
        let at_once = settings().fit(&training).unwrap().parameters();
        let uninterrupted = Memory::new(u32::MAX);
        let kept = settings().fit(&Training { checkpoint: Some(&uninterrupted), ..training }).unwrap();
        assert_eq!(kept.parameters(), at_once);
        let epochs = u32::MAX - *uninterrupted.left.lock().unwrap();
        assert!(epochs > 3, "both trainings were kept: {epochs} epochs");
        for after in 0..epochs {
            let memory = Memory::new(after);
            let training = Training { checkpoint: Some(&memory), ..training };
            assert!(settings().fit(&training).is_err(), "interrupted after epoch {after}");
            *memory.left.lock().unwrap() = u32::MAX;
            assert_eq!(settings().fit(&training).unwrap().parameters(), at_once, "after epoch {after}");
            let run = u32::MAX - *memory.left.lock().unwrap();
            assert_eq!(run, epochs - after, "only what was left is done");
            // What is done is not done again.
            assert_eq!(settings().fit(&training).unwrap().parameters(), at_once);
            assert_eq!(u32::MAX - *memory.left.lock().unwrap(), run);
        }
    }
}

#[test]
fn the_state_of_another_training_is_refused_by_what_differs() {
    let shop = shop();
    let memory = Memory::new(1);
    let training =
        Training { checkpoint: Some(&memory), ..Training::new(&shop.log, Some(&shop.catalogue), 3) };
    settings().fit(&training).unwrap_err();
    let refused = |settings: TraceSettings, training: Training<'_>| {
        settings.fit(&training).expect_err("another training").to_string()
    };
    let shorter = shop.log.before(shop.log.span().unwrap().1);
    for (message, expected) in [
        (refused(TraceSettings { dropout: 0.5, ..settings() }, training), "dropout is "),
        (refused(settings(), Training { seed: 4, ..training }), "seed is 3, not 4"),
        (refused(settings(), Training { goal: Goal::NextBasket, ..training }), "goal is next-item"),
        (refused(settings(), Training { log: &shorter, ..training }), "the events"),
        (refused(settings(), Training { catalogue: None, ..training }), "the catalogue"),
    ] {
        assert!(message.contains(expected), "{expected}: {message}");
    }
}

/// A shop's log up to a share of its span, and what came after.
fn days(shop: &Shop, share: f64) -> (EventLog, EventLog) {
    let (first, last) = shop.log.span().unwrap();
    let span = (last.millis() - first.millis()) as f64;
    let end = Timestamp::from_millis(first.millis() + (span * share) as i64);
    let later = shop.log.filter(|_, _, event| event.time >= end);
    (shop.log.before(end), later)
}

fn start(settings: &TraceSettings, model: &TraceModel, log: &EventLog, catalogue: &Catalogue) -> Start {
    Start::new(settings, model.parameters(), log, Some(catalogue)).unwrap()
}

fn ndcg(model: &dyn Recommender, split: &Split, catalogue: &Catalogue) -> f64 {
    let how = JudgeSettings { exclude_seen: false, seed: 1 };
    let judged = judge("model", model, split, &split.test, Some(catalogue), how, &Unmonitored);
    judged.result.metrics["ndcg@10"].value
}

/// Learned on 60 %, then on 20 % more, and asked about the last 20 %, in the middle of which nobody learned.
#[test]
fn going_on_is_better_than_standing_still_and_close_to_beginning_anew() {
    let shop =
        simulate(&ShopSettings { users: 400, items: 150, days: 90.0, ..ShopSettings::default() }, 5).unwrap();
    let settings = TraceSettings { dim: 8, scales: 3, epochs: 6, ..TraceSettings::default() };
    let catalogue = &shop.catalogue;
    let split = Split::by_time(shop.log.clone(), Span::Share(0.1), Span::Share(0.1), Targets::All).unwrap();
    let whole = &split.test.training;
    let (early, _) = days(&shop, 0.6);
    let old = settings.fit(&Training::new(&early, Some(catalogue), 3)).unwrap();
    let start = start(&settings, &old, &early, catalogue);
    let training = Training::new(whole, Some(catalogue), 3);
    let onward = settings.fit(&Training { start: Some(&start), ..training }).unwrap();
    let anew = settings.fit(&training).unwrap();
    let [old, onward, anew] = [&old, &onward, &anew].map(|model| ndcg(model, &split, catalogue));
    assert!(onward > old, "{onward} is not better than {old}");
    assert!(onward > 0.95 * anew, "{onward} is far from {anew}");
}

fn scores(model: &TraceModel, query: &Query<'_>) -> Vec<f32> {
    let mut scores = Scores::new(model.n_items());
    model.score(query, &mut scores);
    scores.values().to_vec()
}

/// A start that does not learn answers as before: everything is found again under its new number.
#[test]
fn what_was_learned_is_found_again_by_name() {
    let shop = shop();
    let (early, later) = days(&shop, 0.8);
    let old = settings().fit(&Training::new(&early, Some(&shop.catalogue), 3)).unwrap();
    let start = start(&settings(), &old, &early, &shop.catalogue);
    // A new item before all others, a new user, and a new event type.
    let stranger = EventLog::from_columns(EventColumns {
        users: vec![0, 0],
        items: vec![0, 1],
        times: vec![later.span().unwrap().1; 2],
        types: vec![wane::events::EventTypeId(0); 2],
        user_names: vec!["a stranger".into()],
        item_names: vec!["a new item".into(), early.items().name(3).to_owned()],
        event_types: vec!["wish".into()],
        ..EventColumns::default()
    })
    .unwrap();
    let log = join(&[&early, &stranger]).unwrap().log;
    let catalogue = shop.catalogue.over(log.items());
    let still = TraceSettings { epochs: 0, ..settings() };
    let training = Training { start: Some(&start), ..Training::new(&log, Some(&catalogue), 9) };
    let new = still.fit(&training).unwrap();
    assert_eq!(new.n_items(), old.n_items() + 1);
    for group in [Group::Mixing, Group::Rates, Group::Displacements, Group::Fashions, Group::Gains] {
        assert_eq!(new.weights().group(group), old.weights().group(group), "{group:?}");
    }
    assert_eq!(new.links().len(), old.links().len());
    // Vectors, biases and types by what they say of a trace: relations and popularity have been counted anew.
    let history = early.histories().map(|(_, history)| history).max_by_key(|history| history.len()).unwrap();
    let place = |item: ItemId| ItemId(log.items().position(early.items().name(item.index())).unwrap());
    let items: Vec<ItemId> = history.items().iter().copied().map(place).collect();
    let same = wane::events::History::new(&items, history.times(), history.event_types()).unwrap();
    let as_of = history.times()[history.len() - 1];
    let vectors = [old.query_vector(&old.trace(history), as_of), new.query_vector(&new.trace(same), as_of)];
    for (old, new) in vectors[0].iter().zip(&vectors[1]) {
        assert!((old - new).abs() < 1e-4 * (1.0 + old.abs()), "{old} became {new}");
    }
    for item in (0..old.n_items() as u32).map(ItemId) {
        assert_eq!(new.weights().bias[place(item).index()], old.weights().bias[item.index()]);
    }
    let query = Query { history: same, as_of, candidates: None };
    assert!(scores(&new, &query).iter().all(|score| score.is_finite()));
    // And it learns, of the new alone, in the same way every time.
    let learned = || settings().fit(&training).unwrap().parameters();
    assert_eq!(learned(), learned());
}

#[test]
fn settings_that_cannot_change_on_the_way_are_named() {
    let shop = shop();
    let old = settings().fit(&Training::new(&shop.log, None, 3)).unwrap();
    let start = Start::new(&settings(), old.parameters(), &shop.log, None).unwrap();
    let training = Training { start: Some(&start), ..Training::new(&shop.log, None, 3) };
    let refused = |settings: TraceSettings, goal| {
        settings.fit(&Training { goal, ..training }).expect_err("another model").to_string()
    };
    assert_eq!(
        refused(TraceSettings { dim: 9, ..settings() }, Goal::NextItem),
        "setting `dim`: expected 4, as in the model that learning goes on from, got 9"
    );
    assert!(refused(TraceSettings { scales: 1, ..settings() }, Goal::NextItem).contains("`scales`"));
    assert!(refused(TraceSettings { decay: false, ..settings() }, Goal::NextItem).contains("`decay`"));
    assert!(refused(settings(), Goal::NextBasket).contains("`targets`: expected next-item"));
    // Where nothing is new, learning goes on with everything, for as long as it is told.
    let more = TraceSettings { epochs: 2, batch: 64, ..settings() }.fit(&training).unwrap();
    assert_ne!(more.parameters(), old.parameters());
}

/// Folders of the first version do not hold vectors of features apart from those of items, nor what a new item is worth.
#[test]
fn a_model_without_vectors_of_features_can_go_on_too() {
    let shop = shop();
    let training = Training::new(&shop.log, Some(&shop.catalogue), 3);
    let old = settings().fit(&training).unwrap();
    let mut parameters = old.parameters();
    ["feature_vectors", "novelty"].iter().for_each(|name| drop(parameters.0.remove(*name).unwrap()));
    let start = Start::new(&settings(), parameters, &shop.log, Some(&shop.catalogue)).unwrap();
    let still = TraceSettings { epochs: 0, ..settings() };
    let new = still.fit(&Training { start: Some(&start), ..training }).unwrap();
    let user = shop.log.histories().next().unwrap().1;
    let query = Query { history: user, as_of: user.times()[user.len() - 1], candidates: None };
    for (old, new) in scores(&old, &query).iter().zip(scores(&new, &query)) {
        assert!((old - new).abs() < 1e-4 * (1.0 + old.abs()), "{old} became {new}");
    }
}
