use super::likelihood::Sums;
use super::*;
use crate::events::{EventColumns, History, ItemId, UserId};

fn interval(value: f64) -> Interval {
    Interval { value, low: value, high: value }
}

fn component(place: usize, source: Source, follow_ups: f64, half_life: f64) -> Component {
    let next = marks().excited[place].clone();
    Component { source, events: 1, next, follow_ups: interval(follow_ups), half_life: interval(half_life) }
}

/// What a cart excites is a cart more often than what comes of its own.
fn marks() -> Marks {
    Marks { base: vec![0.8, 0.2], excited: vec![vec![0.75, 0.25], vec![0.6, 0.4], vec![0.75, 0.25]] }
}

/// Two categories that excite each other a little; half of the users want nothing of each by themselves.
fn planted() -> Intensity {
    let season =
        Season::of_counts(&(0..168).map(|hour| f64::from(100 + 40 * (hour % 24))).collect::<Vec<_>>());
    let category = |category: u32, pace: f64| CategoryIntensity {
        category,
        components: vec![
            component(0, Source::Type(EventTypeId(0)), 0.5, 0.5 * pace),
            component(1, Source::Type(EventTypeId(1)), 0.7, 4.0 * pace),
            component(2, Source::Elsewhere, 0.1, 1.0),
        ],
        base: vec![(0.0, 0.5), (0.03, 0.3), (0.12, 0.2)],
        begins: marks().base,
        base_of_openers: vec![0.5, 0.3, 0.2],
        log_likelihood: 0.0,
        is_top: true,
    };
    Intensity { season, categories: vec![category(0, 1.0), category(1, 1.5)] }
}

fn types() -> Vec<String> {
    ["view", "cart"].map(str::to_owned).to_vec()
}

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn refit(planted: &Intensity, users: u32, seed: u64) -> Intensity {
    let log = planted.simulate(&types(), START, 150.0, users, seed).unwrap();
    Intensity::fit(&log, &[Some(0), Some(1), None], START.plus_days(150.0)).unwrap()
}

#[test]
fn slopes_are_those_of_differences() {
    let log = planted().simulate(&types(), START, 60.0, 60, 1).unwrap();
    let season = planted().season;
    let watched = Watched::new(&log, &[Some(0), Some(1), None], START.plus_days(60.0));
    let streams = watched.streams(1, &watched.exposures(&season), 1);
    let frame = Frame {
        streams: &streams,
        season: &season,
        sources: &[(0, 1), (1, 1), (ELSEWHERE, 1)],
        nodes: &[0.0, 0.02, 0.05, 0.1, 0.2, 0.4],
        marks: &marks(),
    };
    let at = Point { values: vec![-0.7, 0.4, -0.3, -1.6, -2.0, -0.5, 0.3, 0.2, -0.6, 0.4, -0.9, -0.4, 0.3] };
    let sums = frame.pass(&at);
    for place in 0..at.values.len() {
        let moved = |by: f64| {
            let mut near = at.clone();
            near.values[place] += by;
            frame.pass(&near).value
        };
        let numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        let slope = sums.slope[place];
        assert!((slope - numeric).abs() < 1e-4 * (1.0 + numeric.abs()), "{place}: {slope} is not {numeric}");
    }
}

/// Users add up: what a fit looks at, at any point, is the sum over any split of them.
#[test]
fn sums_over_parts_are_those_of_all() {
    let log = planted().simulate(&types(), START, 60.0, 90, 2).unwrap();
    let (season, end, marks) = (planted().season, START.plus_days(60.0), marks());
    let pass = |log: &EventLog| {
        let watched = Watched::new(log, &[Some(0), Some(1), None], end);
        let streams = watched.streams(1, &watched.exposures(&season), 1);
        let sources = [(0, 1), (1, 1), (ELSEWHERE, 1)];
        let nodes = [0.0, 0.02, 0.05, 0.1, 0.2, 0.4];
        let frame =
            Frame { streams: &streams, season: &season, sources: &sources, nodes: &nodes, marks: &marks };
        frame.pass(&Point {
            values: vec![-0.7, 0.4, -0.3, -1.6, -2.0, -0.5, 0.3, 0.2, -0.6, 0.4, -0.9, -0.4, 0.3],
        })
    };
    let all = pass(&log);
    for first in [1, 30, 89] {
        let mut sums = pass(&log.filter(|user, _, _| user.0 < first));
        sums.merge(&pass(&log.filter(|user, _, _| user.0 >= first)));
        let close =
            |one: f64, other: f64| (one - other).abs() < 1e-12 * (1.0 + other.abs()) * all.value.abs();
        assert!(close(sums.value, all.value), "{} {}", sums.value, all.value);
        let parts = |sums: &Sums| {
            let rest = [&sums.slope, &sums.information, &sums.base_hours].into_iter().chain(&sums.by_type);
            rest.flatten().copied().collect::<Vec<f64>>()
        };
        for (one, other) in parts(&sums).into_iter().zip(parts(&all)) {
            assert!(close(one, other), "{one} {other}");
        }
    }
}

/// One user in three stands for all: those who want nothing here are as many, a third of them.
#[test]
fn a_sample_has_its_share_of_quiet_users() {
    let log = planted().simulate(&types(), START, 60.0, 300, 4).unwrap();
    let watched = Watched::new(&log, &[Some(0), Some(1), None], START.plus_days(60.0));
    let exposures = watched.exposures(&Season::even());
    let quiet = |stride: usize| -> f64 {
        watched.streams(0, &exposures, stride).quiet.iter().map(|(_, users)| users).sum()
    };
    let (all, sample) = (watched.streams(0, &exposures, 1), watched.streams(0, &exposures, 3));
    assert_eq!(all.users.len() as f64 + quiet(1), 300.0);
    assert!(quiet(1) > 50.0 && (quiet(1) - 3.0 * quiet(3)).abs() < 1e-9);
    assert_eq!(sample.users.len(), all.users.len().div_ceil(3));
    // Where everybody acts in the category, nobody is quiet in a sample either.
    let busy = Watched::new(&log, &[Some(0), Some(0), Some(0)], START.plus_days(60.0));
    assert!(busy.streams(0, &busy.exposures(&Season::even()), 3).quiet.is_empty());
}

/// The likelihood by its definition: one user, one node, sums over all pairs of events.
#[test]
fn the_likelihood_is_that_of_its_definition() {
    let days = [0.0, 0.4, 0.5, 2.0, 2.25, 7.0];
    let kinds = [0u8, 1, 0, 0, 1, 0];
    let items = [0u32, 1, 0, 0, 0, 0];
    let log = EventLog::from_columns(EventColumns {
        users: vec![0; 6],
        items: items.to_vec(),
        times: days.iter().map(|&day| START.plus_days(day)).collect(),
        types: kinds.iter().map(|&kind| EventTypeId(kind)).collect(),
        user_names: vec!["u".into()],
        item_names: vec!["a".into(), "b".into()],
        event_types: types(),
        ..EventColumns::default()
    })
    .unwrap();
    let (season, end) = (planted().season, 10.0);
    let watched = Watched::new(&log, &[Some(0), Some(1)], START.plus_days(end));
    let streams = watched.streams(0, &watched.exposures(&season), 1);
    let marks = marks();
    let frame = Frame {
        streams: &streams,
        season: &season,
        sources: &[(0, 1), (1, 1), (ELSEWHERE, 1)],
        nodes: &[0.0, 0.1],
        marks: &marks,
    };
    let (alpha, beta) = ([0.5f64, 0.7, 0.1], [1.4f64, 0.2, 0.7]);
    let kernels = alpha.iter().zip(&beta).flat_map(|(alpha, beta)| [alpha.ln(), beta.ln()]);
    let values = kernels.chain([-800.0]).chain([0.0; DEGREE + TILTS]);
    let found = frame.pass(&Point { values: values.collect() }).value;
    let source = |place: usize| if items[place] == 0 { usize::from(kinds[place]) } else { 2 };
    let mut expected = -0.1 * season.between(START, START.plus_days(end));
    for k in 0..6 {
        expected -= alpha[source(k)] * (1.0 - (-beta[source(k)] * (end - days[k])).exp());
        if k > 0 && items[k] == 0 {
            let excited = |j: usize| {
                let own = source(j);
                let share = marks.excited[own][usize::from(kinds[k])];
                share * alpha[own] * beta[own] * (-beta[own] * (days[k] - days[j])).exp()
            };
            let base = 0.1 * marks.base[usize::from(kinds[k])] * season.at(START.plus_days(days[k]));
            let rate = base + (0..k).map(excited).sum::<f64>();
            expected += rate.ln();
        }
    }
    assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
}

#[test]
fn what_was_simulated_comes_back() {
    let found = refit(&planted(), 1_500, 3);
    for (own, truth) in found.categories.iter().zip(planted().categories) {
        assert!(own.is_top);
        for (own, truth) in own.components.iter().zip(&truth.components) {
            let error = |found: Interval, truth: Interval| (found.value / truth.value).ln().abs();
            let bound = if truth.source == Source::Elsewhere { 0.5 } else { 0.2 };
            assert!(error(own.half_life, truth.half_life) < bound, "{own:?}");
            assert!(error(own.follow_ups, truth.follow_ups) < bound, "{own:?}");
        }
        let quiet = own.base.iter().filter(|node| node.0 < 0.01).map(|node| node.1).sum::<f64>();
        assert!((quiet - 0.5).abs() < 0.1, "{:?}", own.base);
    }
}

#[test]
fn the_same_bits_on_any_number_of_threads() {
    let on = |threads| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
            .install(|| refit(&planted(), 80, 5))
    };
    assert_eq!(on(1), on(3));
}

#[test]
fn a_log_of_one_moment_is_refused() {
    let log = EventLog::from_columns(EventColumns {
        users: vec![0, 0],
        items: vec![0, 0],
        times: vec![START; 2],
        types: vec![EventTypeId(0); 2],
        user_names: vec!["u".into()],
        item_names: vec!["a".into()],
        event_types: types(),
        ..EventColumns::default()
    })
    .unwrap();
    for categories in [[Some(0)], [None]] {
        let message = Intensity::fit(&log, &categories, START).unwrap_err().to_string();
        assert!(message.contains("two different times"), "{message}");
    }
}

#[test]
fn what_is_to_come_is_what_comes() {
    let (model, types, days) = (planted(), types(), 14.0);
    let log = model.simulate(&types, START, 150.0 + days, 3_000, 9).unwrap();
    let at = START.plus_days(150.0);
    let outlooks = model.outlooks(&log, &[Some(0), Some(1), None], at, days);
    assert!(outlooks.len() > 2_000);
    let (mut expected, mut came, mut probability, mut any) = (0.0, 0.0, 0.0, 0.0);
    for own in &outlooks {
        let history = log.history(own.user);
        let known = history.before(at).len();
        let events = history.items()[known..].iter().filter(|item| item.0 == own.category).count() as f64;
        (expected, came) = (expected + own.expected, came + events);
        (probability, any) = (probability + own.probability, any + f64::from(u8::from(events > 0.0)));
    }
    assert!((expected / came - 1.0).abs() < 0.06, "{expected} were expected, {came} came");
    assert!((probability / any - 1.0).abs() < 0.04, "{probability} were expected, {any} came");
}

#[test]
fn a_course_begins_with_what_past_events_made_and_ends_with_the_outlook() {
    let (model, end) = (planted(), START.plus_days(60.0));
    let log = model.simulate(&types(), START, 60.0, 60, 3).unwrap();
    let categories = [Some(0), Some(1), None];
    let outlooks = model.outlooks(&log, &categories, end, 10.0);
    let of_user = |user: UserId| outlooks.iter().filter(move |own| own.user == user);
    let user = outlooks[0].user;
    let courses = model.courses(&log, &categories, user, end, (30.0, 10.0));
    assert_eq!(courses.len(), of_user(user).count());
    for course in &courses {
        let same = of_user(user).find(|own| own.category == course.outlook.category).unwrap();
        assert!((course.outlook.probability - same.probability).abs() < 1e-9);
        let (now, last) = (course.past.last().unwrap(), course.ahead.last().unwrap());
        assert!((now.1 - same.base_per_day - same.excited_per_day).abs() < 1e-6, "{now:?} {same:?}");
        assert!((last.events - same.expected).abs() < 1e-9);
        // The mean rate over all of the past is what was excited in it, by its definition.
        let own = model.categories.iter().find(|own| own.category == same.category).unwrap();
        let mean = course.past[..course.past.len() - 1].iter().map(|point| point.1).sum::<f64>() / 120.0;
        let from = end.plus_days(-30.0);
        let mut moments: Vec<_> = log.history(user).iter().collect();
        moments.dedup_by_key(|event| (event.time, event.item, event.event_type));
        let of_event = |event: &crate::events::Event| -> f64 {
            let is_own = categories[event.item.index()] == Some(same.category);
            let source = if is_own { Source::Type(event.event_type) } else { Source::Elsewhere };
            let fed = own.components.iter().find(|own| own.source == source).unwrap();
            let left = |at: Timestamp| (-fed.rate() * at.days_since(event.time)).exp();
            fed.follow_ups.value * (left(from) - left(end))
        };
        let excited: f64 = moments.iter().map(of_event).sum();
        assert!((mean - same.base_per_day - excited / 30.0).abs() < 1e-9, "{mean} {excited}");
        assert!(
            course.ahead.windows(2).all(|pair| pair[0].low <= pair[1].low && pair[0].high <= pair[1].high)
        );
    }
}

/// A history that is in no log says what it says in its log, whether of it one category is asked or all.
#[test]
fn a_history_alone_has_the_courses_of_its_log() {
    let (model, at, categories) = (planted(), START.plus_days(50.0), [Some(0), Some(1), None]);
    let log = model.simulate(&types(), START, 60.0, 60, 3).unwrap();
    let mut both = 0;
    for (user, history) in log.histories() {
        let courses = model.courses(&log, &categories, user, at, (30.0, 10.0));
        let found = model.likeliest(&log, &categories, history, at, (30.0, 10.0), 2);
        assert!(found.windows(2).all(|pair| pair[0].outlook.probability >= pair[1].outlook.probability));
        assert_eq!(
            model.likeliest(&log, &categories, history, at, (30.0, 10.0), 1),
            found[..found.len().min(1)]
        );
        let mut found = found;
        found.sort_by_key(|course| course.outlook.category);
        found.iter_mut().for_each(|course| course.outlook.user = user);
        assert_eq!(found, courses);
        both += usize::from(found.len() == 2);
    }
    assert!(both > 10, "{both}");
}

/// An event of a type that the category did not have says by its time that the user wants something here, and no more.
#[test]
fn an_event_of_an_unknown_type_is_still_a_wish() {
    let (model, at, categories) = (planted(), START.plus_days(50.0), [Some(0), Some(1), None]);
    let log = model.simulate(&types(), START, 60.0, 10, 3).unwrap();
    let times = [1.0, 9.0, 20.0].map(|days| START.plus_days(days));
    let outlook = |n: usize| {
        let kinds = [EventTypeId(0), EventTypeId(2), EventTypeId(2)];
        let history = History::new(&[ItemId(0); 3][..n], &times[..n], &kinds[..n]).unwrap();
        model.likeliest(&log, &categories, history, at, (30.0, 10.0), 1)[0].outlook
    };
    let (known, strange) = (outlook(1), outlook(3));
    assert!(strange.base_per_day > 1.1 * known.base_per_day, "{known:?} {strange:?}");
    assert!(strange.probability > known.probability && strange.probability < 1.0);
    assert_eq!(strange.excited_per_day, known.excited_per_day);
}

/// The number of events that come lies within a course's interval about as often as it says.
#[test]
fn intervals_of_courses_hold_what_comes() {
    let (model, at, days) = (planted(), START.plus_days(60.0), 15.0);
    let categories = [Some(0), Some(1), None];
    let log = model.simulate(&types(), START, 75.0, 400, 7).unwrap();
    let (mut within, mut all, mut widest) = (0, 0, 0.0f64);
    for (user, history) in log.histories() {
        for course in model.courses(&log, &categories, user, at, (30.0, days)) {
            let own = history
                .iter()
                .filter(|event| categories[event.item.index()] == Some(course.outlook.category));
            let came = own.filter(|event| event.time >= at).count() as f64;
            let end = course.ahead.last().unwrap();
            within += usize::from((end.low..=end.high).contains(&came));
            widest = widest.max(end.high);
            all += 1;
        }
    }
    // Numbers of events are whole, so intervals hold more than 95 %, but not everything.
    let share = f64::from(u32::try_from(within).unwrap()) / f64::from(all);
    assert!((0.94..1.0).contains(&share), "{within} of {all}");
    assert!(widest < 60.0, "{widest}");
}
