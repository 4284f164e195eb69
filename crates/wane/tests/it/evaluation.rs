//! Protocols and judging, from the outside: nothing later than a question reaches it, figures do not depend on the
//! number of threads, and the JSON keeps its promise.

use proptest::prelude::*;
use wane::eval::{
    Case, Evaluation, JudgeSettings, LeakageQuestion, Part, ProtocolSummary, Span, Split, Targets,
    Unmonitored, check_leakage, judge,
};
use wane::events::{EventColumns, EventLog, EventTypeId, ItemId, Joined, MILLIS_PER_DAY, Timestamp, join};
use wane::interest::Catalogue;
use wane::recommend::{PopularitySettings, Recommender, Training};

const USERS: u32 = 6;
const ITEMS: u32 = 8;
const DAYS: i64 = 100;

/// An event: user, item, day.
type Row = (u32, u32, i64);

fn log(rows: &[Row]) -> EventLog {
    let names = |prefix: &str, n: u32| (0..n).map(|number| format!("{prefix}{number}")).collect();
    EventLog::from_columns(EventColumns {
        users: rows.iter().map(|row| row.0).collect(),
        items: rows.iter().map(|row| row.1).collect(),
        times: rows.iter().map(|row| Timestamp::from_millis(row.2 * MILLIS_PER_DAY)).collect(),
        types: vec![EventTypeId(0); rows.len()],
        user_names: names("u", USERS),
        item_names: names("i", ITEMS),
        event_types: vec!["event".into()],
        ..EventColumns::default()
    })
    .unwrap()
}

fn rows(days: std::ops::Range<i64>, n: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Row>> {
    proptest::collection::vec((0..USERS, 0..ITEMS, days), n)
}

/// What a model is told when it is asked: user, moment, history, and which items compete.
type Told = (u32, Timestamp, Vec<(ItemId, Timestamp)>, Vec<bool>);

fn told(split: &Split, part: &Part) -> Vec<Told> {
    let history = |case: &Case| {
        let history = case.history(&split.log);
        history.iter().map(|event| (event.item, event.time)).collect()
    };
    let tell = |case: &Case| (case.user.0, case.as_of, history(case), part.candidates.clone());
    part.cases.iter().map(tell).collect()
}

/// A time split over the same days whatever the events between: the first and last day are always there.
fn time_split(rows: &[Row]) -> Split {
    let ends = [(0, 0, 0), (0, 1, 75), (1, 0, DAYS)];
    let rows: Vec<Row> = ends.iter().chain(rows).copied().collect();
    Split::by_time(log(&rows), Span::Days(15.0), Span::Days(15.0), Targets::All).unwrap()
}

fn pre_split(train: &[Row], valid: &[Row], test: &[Row]) -> Split {
    let logs = [log(train), log(valid), log(test)];
    Split::pre_split(join(&[&logs[0], &logs[1], &logs[2]]).unwrap(), false).unwrap()
}

/// Cases are left out evenly, and what may be learned stays.
#[test]
fn no_more_is_asked_than_a_choice_needs() {
    let rows: Vec<Row> =
        (0..USERS).flat_map(|user| (0..3).map(move |n| (user, n, 3 * i64::from(user) + n as i64))).collect();
    let split = Split::leave_one_out(log(&rows)).unwrap();
    let users = |split: &Split| split.test.cases.iter().map(|case| case.user.0).collect::<Vec<_>>();
    let fewer = split.clone().with_at_most(4);
    assert_eq!((users(&split), users(&fewer)), (vec![0, 1, 2, 3, 4, 5], vec![0, 2, 4]));
    assert_eq!((fewer.validation.cases.len(), &fewer.test.training), (3, &split.test.training));
    assert_eq!(split.clone().with_at_most(6), split);
}

#[test]
fn where_most_users_are_new_each_item_after_another_is_asked_for() {
    let told = |rows: &[Row]| {
        let split = Split::by_next_item(log(rows), Span::Share(0.3), Span::Share(0.3)).unwrap();
        let case = |case: &Case| (case.user.0, case.known_events, case.targets[0].0);
        let parts =
            [&split.validation, &split.test].map(|part| part.cases.iter().map(case).collect::<Vec<_>>());
        (split.protocol, parts)
    };
    // Sessions: two users in each third of the time. User 5 goes on until after the end of its own third.
    let visits = [
        (0, 0, 0),
        (0, 1, 1),
        (1, 1, 2),
        (2, 2, 41),
        (2, 3, 42),
        (2, 2, 43),
        (3, 4, 84),
        (4, 0, 81),
        (4, 1, 82),
        (5, 2, 69),
        (5, 3, 90),
        (5, 3, 100),
    ];
    let (protocol, cases) = told(&visits);
    assert!(matches!(protocol, wane::eval::Protocol::TimeSplit { targets: Targets::EachNextItem, .. }));
    assert_eq!(cases, [vec![(2, 1, 3), (2, 2, 2)], vec![(4, 1, 1), (5, 1, 3), (5, 2, 3)]]);
    // People who come back are asked for once.
    let returns = [
        (0, 0, 0),
        (1, 1, 1),
        (2, 2, 2),
        (0, 1, 45),
        (0, 1, 46),
        (1, 2, 80),
        (1, 3, 90),
        (2, 0, 95),
        (3, 0, 100),
    ];
    let (protocol, cases) = told(&returns);
    assert!(matches!(protocol, wane::eval::Protocol::TimeSplit { targets: Targets::NextItem, .. }));
    assert_eq!(cases, [vec![(0, 1, 1)], vec![(1, 1, 2), (2, 1, 0), (3, 0, 0)]]);
    // Where nobody does two things there is nothing else to ask.
    let (protocol, _) = told(&[(0, 0, 0), (1, 1, 45), (2, 2, 100)]);
    assert!(matches!(protocol, wane::eval::Protocol::TimeSplit { targets: Targets::NextItem, .. }));
}

proptest! {
    #[test]
    fn a_time_split_keeps_the_future_from_every_question(clean in rows(0..DAYS, 20..80), poison in rows(85..DAYS, 0..30)) {
        let before = time_split(&clean);
        let first_question = |user: u32| before.test.cases.iter().find(|case| case.user.0 == user).map(|case| case.as_of);
        // Events at or after a user's own question; users without one would get a new question instead.
        let late = |row: &&Row| {
            let time = Timestamp::from_millis(row.2 * MILLIS_PER_DAY);
            first_question(row.0).is_some_and(|asked| time >= asked)
        };
        let poisoned: Vec<Row> = clean.iter().chain(poison.iter().filter(late)).copied().collect();
        let after = time_split(&poisoned);
        prop_assert_eq!(told(&after, &after.test), told(&before, &before.test));
        prop_assert_eq!(&after.test.training, &before.test.training);
        prop_assert_eq!(told(&after, &after.validation), told(&before, &before.validation));
        prop_assert_eq!(&after.validation.training, &before.validation.training);
    }

    #[test]
    fn withheld_items_are_asked_for_and_not_learned_from(clean in rows(0..DAYS, 20..80), share in 0.0..1.0) {
        let before = time_split(&clean);
        // Where everything is withheld there is nothing to learn from, and that is an error.
        prop_assert!(time_split(&clean).withholding(1.0, 3).is_err());
        let Ok(after) = time_split(&clean).withholding(share, 3) else { return Ok(()) };
        prop_assert_eq!(&after.test.cases, &before.test.cases);
        prop_assert_eq!(&after.test.candidates, &before.test.candidates);
        let learned = |split: &Split, item: ItemId| split.test.has_training(item);
        for event in before.test.training.events().iter() {
            let kept = after.test.training.events().iter().filter(|other| other.item == event.item).count();
            let whole = before.test.training.events().iter().filter(|other| other.item == event.item).count();
            let expected = if learned(&after, event.item) { whole } else { 0 };
            prop_assert_eq!(kept, expected);
        }
    }

    #[test]
    fn a_time_split_parts_events_by_time_alone(clean in rows(0..DAYS, 20..80)) {
        let split = time_split(&clean);
        for part in [&split.validation, &split.test] {
            let newest = part.training.span().unwrap().1;
            for case in &part.cases {
                let history = case.history(&split.log);
                prop_assert!(newest < case.as_of && history.times().iter().all(|&time| time < case.as_of));
                let own = part.training.history(case.user);
                prop_assert_eq!(own.items(), history.items());
            }
        }
        // Every event from the start of the test on is the target of its user's question.
        let after_training = split.log.len() - split.test.training.len();
        let asked: usize = split.test.cases.iter()
            .map(|case| split.log.history(case.user).len() - case.known_events).sum();
        prop_assert_eq!(asked, after_training);
    }

    #[test]
    fn given_splits_keep_later_rows_from_every_question(
        train in rows(0..50, 10..40), valid in rows(50..60, 1..10), test in rows(60..70, 1..10), poison in rows(70..DAYS, 0..20),
    ) {
        let before = pre_split(&train, &valid, &test);
        let poisoned: Vec<Row> = test.iter().chain(&poison).copied().collect();
        let after = pre_split(&train, &valid, &poisoned);
        let all = told(&after, &after.test);
        // The poison asks questions of its own; those that were there are told the same.
        let same = told(&before, &before.test).iter().all(|question| all.contains(question));
        prop_assert!(same);
        prop_assert_eq!(&after.test.training, &before.test.training);
        prop_assert_eq!(told(&after, &after.validation), told(&before, &before.validation));
    }
}

#[test]
fn leave_one_out_takes_the_last_two_rows() {
    // One day throughout: the order of rows is all that is known. User 2 is too short to be asked about.
    let split =
        Split::leave_one_out(log(&[(1, 5, 9), (1, 3, 9), (1, 5, 9), (1, 0, 9), (2, 7, 9), (2, 6, 9)]))
            .unwrap();
    let case = &split.test.cases[0];
    let items = |case: &Case| case.history(&split.log).items().iter().map(|item| item.0).collect::<Vec<_>>();
    assert_eq!((split.test.cases.len(), items(case), case.targets[0]), (1, vec![5, 3, 5], ItemId(0)));
    let case = &split.validation.cases[0];
    assert_eq!((split.validation.cases.len(), items(case), case.targets[0]), (1, vec![5, 3], ItemId(5)));
    assert_eq!(split.test.training.len(), 4);
}

#[test]
fn sessions_are_asked_after_every_event_but_the_first() {
    let logs =
        [log(&[(0, 0, 1), (0, 1, 2)]), log(&[(1, 0, 3), (1, 1, 4)]), log(&[(2, 3, 5), (2, 4, 6), (2, 3, 7)])];
    let split = Split::pre_split(join(&[&logs[0], &logs[1], &logs[2]]).unwrap(), true).unwrap();
    let asked: Vec<_> = split.test.cases.iter().map(|case| (case.known_events, case.targets[0].0)).collect();
    assert_eq!(asked, [(1, 4), (2, 3)]);
    assert_eq!(split.validation.cases.len(), 1);
}

#[test]
fn targets_are_the_period_the_basket_or_the_item() {
    let rows = [(0, 0, 0), (1, 7, 75), (0, 1, 90), (0, 2, 90), (0, 1, 95), (0, 3, 100)];
    let targets = |targets| {
        let split = Split::by_time(log(&rows), Span::Days(15.0), Span::Days(15.0), targets).unwrap();
        split.test.cases[0].targets.iter().map(|item| item.0).collect::<Vec<_>>()
    };
    assert_eq!(targets(Targets::All), [1, 2, 3]);
    assert_eq!(targets(Targets::NextBasket), [1, 2]);
    assert_eq!(targets(Targets::NextItem), [1]);
}

#[test]
fn splits_that_leave_nothing_say_what_to_do() {
    let halve = |span| Split::by_time(log(&[(0, 0, 0), (0, 1, 9)]), span, span, Targets::All);
    for span in [Span::Share(0.6), Span::Days(1e300), Span::Share(f64::INFINITY)] {
        let message = halve(span).unwrap_err().to_string();
        assert!(message.contains("together less than the log's 9.0 days"), "{message}");
    }
    for span in [Span::Share(f64::NAN), Span::Days(-3.0)] {
        assert!(halve(span).is_err());
    }
    let short = Split::leave_one_out(log(&[(0, 0, 0), (0, 1, 9)])).unwrap_err().to_string();
    assert!(short.starts_with("the validation part has nothing to predict"), "{short}");
    let empty = Split::pre_split(Joined { log: log(&[]), part: Vec::new() }, false);
    assert!(empty.is_err());
}

#[test]
fn dated_items_compete_from_their_date_on() {
    let split = time_split(&[(2, 3, 80), (2, 4, 95)]);
    let created = |day: i64| Some(Timestamp::from_millis(day * MILLIS_PER_DAY));
    let catalogue = Catalogue {
        created: vec![None, None, None, None, created(94), created(96), None, None],
        ..Catalogue::default()
    };
    let split = split.with_dated_items(&catalogue);
    assert_eq!(split.test.cases.iter().map(|case| case.as_of).min(), created(95));
    assert_eq!(split.test.candidates, [true, true, false, true, true, false, false, false]);
}

fn judged_split() -> Split {
    let rows: Vec<Row> =
        (0..600).map(|n: u32| (n * 7 % USERS, n * n * 5 % 13 % ITEMS, i64::from(n) / 6)).collect();
    Split::by_time(log(&rows), Span::Share(0.1), Span::Share(0.1), Targets::All).unwrap()
}

fn popularity(part: &Part) -> impl Recommender + use<> {
    PopularitySettings::default().fit(&Training::new(&part.training, None, 1))
}

#[test]
fn figures_do_not_depend_on_the_number_of_threads() {
    let split = judged_split();
    let model = popularity(&split.test);
    let settings = JudgeSettings { exclude_seen: false, seed: 3 };
    let figures = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| judge("popularity", &model, &split, &split.test, None, settings, &Unmonitored))
    };
    assert_eq!(figures(1), figures(3));
}

#[test]
fn a_model_does_not_differ_from_itself() {
    let split = judged_split();
    let model = popularity(&split.test);
    let settings = JudgeSettings { exclude_seen: false, seed: 3 };
    let run = || judge("popularity", &model, &split, &split.test, None, settings, &Unmonitored);
    let mut judged = run();
    judged.compare_with(&run());
    let difference = &judged.result.difference;
    assert_eq!(difference.len(), judged.result.metrics.len());
    assert!(difference.values().all(|by| (by.value, by.lo, by.hi) == (0.0, 0.0, 0.0)));
}

#[test]
fn excluding_what_was_seen_makes_repeats_unreachable() {
    let split = judged_split();
    let model = popularity(&split.test);
    let part = |exclude_seen| {
        let settings = JudgeSettings { exclude_seen, seed: 3 };
        let judged = judge("popularity", &model, &split, &split.test, None, settings, &Unmonitored);
        judged.result.parts["repeat"].metrics["recall@20"].value
    };
    assert_eq!((part(false), part(true)), (1.0, 0.0));
}

#[test]
fn the_json_keeps_its_promise() {
    let split = judged_split();
    let model = popularity(&split.test);
    let settings = JudgeSettings { exclude_seen: false, seed: 3 };
    let question = LeakageQuestion { uses_relations: false, exclude_seen: false, knew_until: None };
    let evaluation = Evaluation {
        protocol: ProtocolSummary {
            split: split.protocol.clone(),
            judged_on: "test",
            exclude_seen: false,
            given_negatives: false,
            training_events: split.test.training.len() as u64,
            cases: split.test.cases.len() as u64,
            candidates: u64::from(ITEMS),
            seed: 3,
        },
        leakage: check_leakage(&split.log, &split.test, None, question),
        models: vec![judge("popularity", &model, &split, &split.test, None, settings, &Unmonitored).result],
    };
    let json = serde_json::to_value(&evaluation).unwrap();
    assert_eq!(json["protocol"]["name"], "time-split");
    assert_eq!(json["leakage"][0]["code"], "none");
    let model = &json["models"][0];
    assert_eq!(model["name"], "popularity");
    assert!(model["targets"].is_u64() && model["fit_seconds"].is_f64());
    for name in ["hr@5", "recall@10", "precision@20", "ndcg@5", "map@10", "mrr@20", "auc", "gauc"] {
        let figure = &model["metrics"][name];
        let [value, lo, hi] = ["value", "lo", "hi"].map(|key| figure[key].as_f64().unwrap());
        assert!(0.0 <= lo && lo <= value && value <= hi && hi <= 1.0, "{name}: {figure}");
    }
}
