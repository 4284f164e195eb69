//! What must hold of the learned trace model on any log: state, reasons, and blindness to the future.

use proptest::prelude::*;
use wane::eval::{Span, Split, Targets};
use wane::events::{EventColumns, EventLog, EventTypeId, History, ItemId, Timestamp, UserId};
use wane::recommend::{
    Explanation, Goal, OTHER_EVENTS, Query, Recommender, Scores, TraceModel, TraceSettings, Training,
};
use wane::train::Group;

const ITEMS: u32 = 9;

/// A log of (user, item, type, minute).
fn log(events: &[(u32, u32, u8, i64)]) -> EventLog {
    log_of(ITEMS, events)
}

/// The same of so many items.
fn log_of(n_items: u32, events: &[(u32, u32, u8, i64)]) -> EventLog {
    EventLog::from_columns(EventColumns {
        users: events.iter().map(|event| event.0).collect(),
        items: events.iter().map(|event| event.1).collect(),
        times: events.iter().map(|event| Timestamp::from_millis(event.3 * 60_000)).collect(),
        types: events.iter().map(|event| EventTypeId(event.2)).collect(),
        user_names: (0..6).map(|user| format!("u{user}")).collect(),
        item_names: (0..n_items).map(|item| format!("i{item:03}")).collect(),
        event_types: vec!["view".into(), "purchase".into()],
        ..EventColumns::default()
    })
    .unwrap()
}

/// Sixty events by six users, in bursts with gaps of days.
fn some_log() -> EventLog {
    let event = |n: u32| {
        let minute = i64::from(n / 5) * 2_000 + i64::from(n % 5);
        (n % 6, (n * n + n / 7) % ITEMS, u8::from(n.is_multiple_of(4)), minute)
    };
    log(&(0..60).map(event).collect::<Vec<_>>())
}

fn settings() -> TraceSettings {
    TraceSettings { dim: 8, scales: 4, epochs: 4, ..TraceSettings::default() }
}

fn fit(log: &EventLog, goal: Goal) -> TraceModel {
    settings().fit(&Training { goal, ..Training::new(log, None, 3) }).unwrap()
}

/// Gaps in minutes: none, a burst, days, a year.
fn gap() -> impl Strategy<Value = i64> {
    prop_oneof![Just(0), 1..5i64, 1_000..9_000i64, Just(525_600)]
}

fn events(most: usize) -> impl Strategy<Value = Vec<(u32, u8, i64)>> {
    proptest::collection::vec((0..ITEMS, 0..2u8, gap()), 0..most)
}

struct Columns(Vec<ItemId>, Vec<Timestamp>, Vec<EventTypeId>);

impl Columns {
    fn new(events: &[(u32, u8, i64)]) -> Self {
        let mut minute = 0;
        let times = events.iter().map(|event| {
            minute += event.2;
            Timestamp::from_millis(minute * 60_000)
        });
        let times = times.collect();
        let items = events.iter().map(|event| ItemId(event.0)).collect();
        Self(items, times, events.iter().map(|event| EventTypeId(event.1)).collect())
    }

    fn history(&self) -> History<'_> {
        History::new(&self.0, &self.1, &self.2).unwrap()
    }

    fn query(&self, minutes_later: i64) -> Query<'_> {
        let last = self.1.last().map_or(0, |last| last.millis());
        Query {
            history: self.history(),
            as_of: Timestamp::from_millis(last + minutes_later * 60_000),
            candidates: None,
        }
    }
}

/// The state as the sum that it stands for, in double precision; beside it the sum of absolute values.
fn state_by_definition(model: &TraceModel, query: &Query<'_>, goal: Goal) -> Vec<(f64, f64)> {
    let basis = model.basis();
    let dim = model.weights().shape.dim;
    let steps = goal.steps(query.history);
    let mut state = vec![(0.0, 0.0); basis.len() * dim];
    for (place, event) in query.history.iter().enumerate() {
        let vector = &model.weights().vectors[event.item.index() * dim..][..dim];
        let newer = f64::from(steps[steps.len() - 1] - steps[place]);
        for m in 0..basis.len() {
            let exponent = f64::from(basis.rates[m]) * query.as_of.days_since(event.time)
                + f64::from(basis.displacements[m]) * newer;
            let of_type = model.weights().group(Group::Types)[event.event_type.index() * basis.len() + m];
            for k in 0..dim {
                let part = f64::from(of_type) * (-exponent).exp() * f64::from(vector[k]);
                state[m * dim + k].0 += part;
                state[m * dim + k].1 += part.abs();
            }
        }
    }
    state
}

fn check_state(model: &TraceModel, query: &Query<'_>, goal: Goal) {
    let mut state = vec![0.0; model.basis().len() * model.weights().shape.dim];
    model.trace(query.history).at(model.basis(), query.as_of, &mut state);
    for (streamed, (sum, size)) in state.iter().zip(state_by_definition(model, query, goal)) {
        assert!((f64::from(*streamed) - sum).abs() <= 1e-5 * size + 1e-9, "{streamed} for {sum}");
    }
}

fn check_reasons(model: &TraceModel, query: &Query<'_>) {
    let mut scores = Scores::new(model.n_items());
    model.score(query, &mut scores);
    for item in (0..model.n_items() as u32).map(ItemId) {
        let explanation = model.explain(query, item);
        let shares = || {
            let reasons = explanation.reasons.iter().map(|reason| reason.share);
            reasons.chain(explanation.remainders.iter().map(|remainder| remainder.share))
        };
        let size: f64 = shares().map(f64::abs).sum();
        let error = (shares().sum::<f64>() - f64::from(scores.get(item))).abs();
        assert!(error <= 1e-5 * size + 1e-6, "{} and {}", shares().sum::<f64>(), scores.get(item));
    }
    check_greatest(model, query);
}

/// All items at once, and few reasons of each: the greatest of those that each alone has, and the rest of the score.
fn check_greatest(model: &TraceModel, query: &Query<'_>) {
    const MOST: usize = 3;
    let items: Vec<ItemId> = (0..model.n_items() as u32).map(ItemId).collect();
    for (&item, few) in items.iter().zip(model.explain_best(query, &items, MOST)) {
        let all = model.explain(query, item);
        let mut sizes: Vec<f64> = all.reasons.iter().map(|reason| reason.share.abs()).collect();
        sizes.sort_by(|a, b| b.total_cmp(a));
        let mut kept: Vec<f64> = few.reasons.iter().map(|reason| reason.share.abs()).collect();
        kept.sort_by(|a, b| b.total_cmp(a));
        assert_eq!(kept.len(), sizes.len().min(MOST));
        assert!(
            kept.iter().zip(&sizes).all(|(a, b)| (a - b).abs() <= 1e-5 * b + 1e-9),
            "{kept:?} of {sizes:?}"
        );
        let sum = |of: &Explanation| {
            let shares = of.reasons.iter().map(|reason| reason.share);
            shares.chain(of.remainders.iter().map(|own| own.share)).sum::<f64>()
        };
        let size: f64 = sizes.iter().sum();
        assert!((sum(&few) - sum(&all)).abs() <= 1e-5 * size + 1e-6);
        let is_other = few.remainders.iter().any(|own| own.name == OTHER_EVENTS);
        assert_eq!(is_other, sizes.len() > MOST);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn a_streamed_state_is_the_sum_over_events(events in events(300), later in 0..900_000i64) {
        let columns = Columns::new(&events);
        for goal in [Goal::NextItem, Goal::NextBasket] {
            check_state(&fit(&some_log(), goal), &columns.query(later), goal);
        }
    }

    #[test]
    fn reasons_sum_to_the_score(events in events(60), later in 0..900_000i64) {
        let columns = Columns::new(&events);
        for goal in [Goal::NextItem, Goal::NextBasket] {
            let model = fit(&some_log(), goal);
            let familiar = model.weights().group(Group::Familiar);
            prop_assert!(familiar.iter().any(|more| more.abs() > 1e-3), "{familiar:?} adds nothing");
            check_reasons(&model, &columns.query(later));
        }
    }

    /// Whatever happens from the test on, the model for the test is the same to the bit.
    #[test]
    fn a_poisoned_future_changes_nothing(poison in proptest::collection::vec(0..ITEMS, 12)) {
        let events = |later: &[u32]| {
            let before = (0..60u32).map(|n| (n % 6, (n * 5 + n / 6) % ITEMS, 0, i64::from(n) * 60));
            let after = later.iter().enumerate().map(|(n, &item)| (n as u32 % 6, item, 0, 3_600 + n as i64 * 60));
            log(&before.chain(after).collect::<Vec<_>>())
        };
        let fitted = |later: &[u32]| {
            let share = Span::Days(11.5 / 24.0);
            let split = Split::by_time(events(later), share, share, Targets::All).unwrap();
            let validation = split.questions();
            let training = Training {
                validation: Some(&validation),
                ..Training::new(&split.test.training, None, 1)
            };
            settings().fit(&training).unwrap().parameters()
        };
        prop_assert_eq!(fitted(&poison), fitted(&[0; 12]));
    }
}

#[test]
fn thousands_of_events_leave_a_sound_state() {
    let events: Vec<(u32, u8, i64)> =
        (0..4_000u32).map(|n| (n % ITEMS, u8::from(n % 3 == 0), i64::from(n % 50 == 0) * 4_000)).collect();
    let columns = Columns::new(&events);
    check_state(&fit(&some_log(), Goal::NextItem), &columns.query(10), Goal::NextItem);
    check_reasons(&fit(&some_log(), Goal::NextItem), &columns.query(10));
}

/// More different items than are multiplied at once.
#[test]
fn hundreds_of_items_give_reasons() {
    const MANY: u32 = 250;
    let visit = |n: u32| (n % 6, n * 37 % MANY, u8::from(n.is_multiple_of(4)), i64::from(n) * 60);
    let model = fit(&log_of(MANY, &(0..600).map(visit).collect::<Vec<_>>()), Goal::NextItem);
    let event = |n: u32| (n * 53 % MANY, u8::from(n.is_multiple_of(3)), i64::from(n % 7) * 300);
    let columns = Columns::new(&(0..700).map(event).collect::<Vec<_>>());
    check_state(&model, &columns.query(10), Goal::NextItem);
    check_reasons(&model, &columns.query(10));
}

#[test]
fn without_an_event_the_score_is_as_if_it_had_not_happened() {
    let log = some_log();
    let model = fit(&log, Goal::NextItem);
    let history = log.history(UserId(0));
    let query = Query { history: history.first(3), as_of: history.times()[3], candidates: None };
    let shorter = Query { history: history.first(2), ..query };
    let (mut with, mut without) = (Scores::new(9), Scores::new(9));
    model.score(&query, &mut with);
    model.score(&shorter, &mut without);
    assert_ne!(with.values(), without.values());
}

#[test]
fn what_was_saved_answers_alike() {
    let log = some_log();
    for goal in [Goal::NextItem, Goal::NextBasket] {
        let model = fit(&log, goal);
        let back = settings().load(model.parameters(), ITEMS as usize, log.event_types()).unwrap();
        let columns = Columns::new(&[(1, 0, 5), (4, 1, 0), (1, 0, 9_000)]);
        let (mut before, mut after) = (Scores::new(9), Scores::new(9));
        model.score(&columns.query(50), &mut before);
        back.score(&columns.query(50), &mut after);
        assert_eq!(before.values(), after.values());
    }
}
