//! Step 5: what was read, compared and recommended becomes one report.

use std::collections::BTreeMap;

use super::{
    Comparison, Dataset, ForecastEvaluation, HalfLifeBy, HalfLifeCell, HalfLives, Interest, Profile,
};
use crate::decay::Decay;
use crate::decay::survival::Interval;
use crate::eval::report::{
    Bin, CourseAhead, DriftCourse, ExampleUser, InterestCourse, Law, Model, Overview, PastEvent, Reason,
    Recommendation, Remark, Report, ReturnCell, RowAccount, TruthRow, TypeSeries,
};
use crate::eval::{Case, Estimate, Part, Split};
use crate::events::read::Inspection;
use crate::events::{EventLog, EventTypeId, ItemId, MILLIS_PER_DAY, Timestamp, format_days};
use crate::interest::Catalogue;
use crate::recommend::{Explanation, Names, Query, Recommender, Scores, top_k};

/// What the report is told beside the data and the comparison.
#[derive(Debug, Clone, Default)]
pub struct Picture {
    /// Heading.
    pub title: String,
    /// Names of the files that were read.
    pub files: Vec<String>,
    /// The metric of the headline.
    pub metric: String,
    /// Half-lives learned, beside the true ones where these are known.
    pub truth: Vec<TruthRow>,
}

/// Example users and items of their lists.
const USERS: usize = 3;
const ITEMS: usize = 5;
/// Latest events of an example user that are drawn.
const EVENTS: usize = 60;
/// Half-lives that differ by less than this factor are drawn up to one age.
const ALIKE: f64 = 20.0;
/// Steps of a drawn curve of return.
const STEPS: usize = 300;
/// Points of a drawn law.
const POINTS: u32 = 80;

/// Gathers everything that the report shows.
pub fn draw(data: &Dataset, split: &Split, comparison: &Comparison, picture: &Picture) -> Report {
    let catalogue = data.catalogue.as_ref();
    let part =
        if comparison.evaluation.protocol.judged_on == "test" { &split.test } else { &split.validation };
    let models = &comparison.evaluation.models;
    Report {
        title: picture.title.clone(),
        files: picture.files.clone(),
        protocol: protocol(comparison),
        overview: overview(&split.log, catalogue, &data.inspection),
        rows: rows(&data.inspection),
        leakage: comparison.evaluation.leakage.iter().map(Remark::from).collect(),
        main_metric: picture.metric.clone(),
        reference: models
            .iter()
            .find(|model| model.name == "decayed-popularity")
            .map(|model| model.name.clone()),
        models: models.iter().map(Model::from).collect(),
        laws: laws(comparison, split.log.event_types()),
        truth: picture.truth.clone(),
        users: example_users(&split.log, part, comparison, catalogue),
        settings: comparison
            .settings
            .iter()
            .map(|settings| (settings.name().to_owned(), serde_json::to_string(settings).unwrap_or_default()))
            .collect(),
        ..Report::default()
    }
}

/// A page about half-lives alone.
pub fn draw_half_lives(data: &Dataset, found: &HalfLives, by: HalfLifeBy) -> Report {
    let cells = if found.cells.is_empty() { &found.event_types } else { &found.cells };
    Report {
        title: format!("Half-lives by {}", by.name()),
        files: data.inspection.files.iter().map(|file| file.path.clone()).collect(),
        overview: overview(&data.log, data.catalogue.as_ref(), &data.inspection),
        rows: rows(&data.inspection),
        returns: cells.iter().map(|cell| return_cell(cell, &found.windows)).collect(),
        ..Report::default()
    }
}

/// A page about one user's interests.
pub fn draw_profile(data: &Dataset, found: &Profile) -> Report {
    Report {
        title: format!("Interests of {} as of {}", found.user, found.as_of),
        files: data.inspection.files.iter().map(|file| file.path.clone()).collect(),
        interests: found.interests.iter().map(course).collect(),
        ..Report::default()
    }
}

fn course(interest: &Interest) -> InterestCourse {
    let ahead = interest.ahead.iter().map(|step| CourseAhead {
        days: step.days,
        per_day: step.per_day,
        events: Estimate { value: step.events, lo: step.low, hi: step.high },
    });
    InterestCourse {
        label: interest.forecast.key.clone().unwrap_or_else(|| "all events".to_owned()),
        probability: interest.forecast.probability,
        half_life_days: interest.forecast.half_life_days,
        past: interest.past.clone(),
        ahead: ahead.collect(),
        events: interest.events.clone(),
    }
}

/// A page about how good forecasts are.
pub fn draw_forecasts(data: &Dataset, found: &ForecastEvaluation) -> Report {
    Report {
        title: format!("Forecasts of {} as of {}", format_days(found.horizon_days), found.at),
        files: data.inspection.files.iter().map(|file| file.path.clone()).collect(),
        overview: overview(&data.log, data.catalogue.as_ref(), &data.inspection),
        rows: rows(&data.inspection),
        forecasts: found.models.clone(),
        ..Report::default()
    }
}

fn return_cell(cell: &HalfLifeCell, windows: &[(Timestamp, Timestamp)]) -> ReturnCell {
    let nothing = Estimate { value: f64::NAN, lo: f64::NAN, hi: f64::NAN };
    let estimate = |own: Interval| Estimate { value: own.value, lo: own.low, hi: own.high };
    let step = cell.curve.len().div_ceil(STEPS).max(1);
    let counted = cell.curve.iter().step_by(step).chain(cell.curve.last());
    let counted: Vec<_> = counted.map(|left| (left.days, left.share, left.low, left.high)).collect();
    let by_law = cell.law.iter().flat_map(|law| counted.iter().map(|point| (point.0, law.left(point.0))));
    ReturnCell {
        label: match &cell.key {
            Some(key) => format!("{key}: {}", cell.event_type),
            None => cell.event_type.clone(),
        },
        gaps: cell.gaps,
        half_life: cell.half_life_days.map_or(nothing, estimate),
        never: cell.law.as_ref().map(|law| law.never_returns.map_or(0.0, |never| never.value)),
        law: cell.law.as_ref().map_or_else(String::new, |law| law.law.name().to_owned()),
        by_law: by_law.collect(),
        counted,
        drift: cell.drift.as_ref().map(|drift| DriftCourse {
            p_value: drift.p_value,
            paces: windows.iter().copied().zip(drift.paces.iter().copied().map(estimate)).collect(),
        }),
    }
}

fn protocol(comparison: &Comparison) -> Vec<String> {
    let protocol = &comparison.evaluation.protocol;
    let split = serde_json::to_value(&protocol.split).unwrap_or_default();
    let split: Vec<String> = split
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{}: {}", key.replace('_', " "), value.as_str().unwrap_or_default()))
        .collect();
    let against = if protocol.given_negatives {
        "each target ranked among given negatives".to_owned()
    } else {
        format!("full ranking over {} items known at the time", protocol.candidates)
    };
    let seen = if protocol.exclude_seen { "items seen before left out" } else { "repeats count as hits" };
    vec![
        split.join("; "),
        format!(
            "{} cases judged on the {} part; models learned from {} events",
            protocol.cases, protocol.judged_on, protocol.training_events
        ),
        format!("{against}; ties against the model; {seen}"),
        "intervals: 95 %, 1,000 resamplings of users, paired between models".to_owned(),
    ]
}

fn rows(inspection: &Inspection) -> RowAccount {
    let bins = |counts: &BTreeMap<String, u64>| {
        counts.iter().map(|(label, &count)| Bin { label: label.clone(), count }).collect()
    };
    RowAccount {
        read: inspection.rows,
        accepted: inspection.accepted,
        rejected: bins(&inspection.rejected),
        dropped: bins(&inspection.dropped),
    }
}

fn overview(log: &EventLog, catalogue: Option<&Catalogue>, inspection: &Inspection) -> Overview {
    let mut item_events = vec![0u64; log.n_items()];
    log.events().items().iter().for_each(|item| item_events[item.index()] += 1);
    let activity: Vec<u64> = log.histories().map(|(_, history)| history.len() as u64).collect();
    Overview {
        events: log.len() as u64,
        users: activity.iter().filter(|&&events| events > 0).count() as u64,
        items: item_events.iter().filter(|&&count| count > 0).count() as u64,
        span: log.span(),
        types: type_series(log),
        gaps: inspection
            .profile
            .gaps
            .iter()
            .map(|bin| Bin { label: bin.gap.to_owned(), count: bin.count })
            .collect(),
        events_per_user: Bin::doubling(activity),
        top_items: top_items(log, catalogue, &item_events),
    }
}

fn top_items(log: &EventLog, catalogue: Option<&Catalogue>, item_events: &[u64]) -> Vec<Bin> {
    let mut items: Vec<usize> = (0..item_events.len()).collect();
    items.sort_by_key(|&item| std::cmp::Reverse(item_events[item]));
    let label = |item| label(log, catalogue, ItemId(item as u32));
    items.into_iter().take(10).map(|item| Bin { label: label(item), count: item_events[item] }).collect()
}

fn label(log: &EventLog, catalogue: Option<&Catalogue>, item: ItemId) -> String {
    catalogue.map_or_else(
        || log.items().name(item.index()).to_owned(),
        |catalogue| catalogue.label(item).to_owned(),
    )
}

fn type_series(log: &EventLog) -> Vec<TypeSeries> {
    let mut days = vec![BTreeMap::<i64, u64>::new(); log.event_types().len()];
    for event in log.events().iter() {
        *days[event.event_type.index()].entry(event.time.millis().div_euclid(MILLIS_PER_DAY)).or_default() +=
            1;
    }
    let series = |(name, days): (&String, BTreeMap<i64, u64>)| TypeSeries {
        name: name.clone(),
        events: days.values().sum(),
        days: days
            .into_iter()
            .map(|(day, count)| (Timestamp::from_millis(day * MILLIS_PER_DAY), count))
            .collect(),
    };
    log.event_types().iter().zip(days).map(series).collect()
}

/// The decay of each model that has one; a type's own law only where types differ.
fn laws(comparison: &Comparison, event_types: &[String]) -> Vec<Law> {
    let mut laws = Vec::new();
    for (settings, model) in comparison.settings.iter().zip(&comparison.models) {
        let Some(kernel) = model.kernel() else { continue };
        let types = if kernel.is_uniform() { &event_types[..event_types.len().min(1)] } else { event_types };
        for (place, name) in (0u8..).zip(types) {
            let Some(law) = kernel.law(EventTypeId(place)).filter(|law| law.weight(f64::MAX) < 1.0) else {
                continue;
            };
            let of_type = if kernel.is_uniform() { String::new() } else { format!(", {name}") };
            laws.push((format!("{}{of_type}", settings.name()), law));
        }
    }
    let longest = laws.iter().map(|(_, law)| law.half_life().days()).fold(0.0, f64::max);
    laws.into_iter().map(|(label, law)| drawn_law(label, law, longest)).collect()
}

/// A law up to a common age where half-lives are alike, else up to its own end.
fn drawn_law(label: String, law: Decay, longest: f64) -> Law {
    let half_life = law.half_life().days();
    let last = if longest / half_life < ALIKE { 4.0 * longest } else { 6.0 * half_life };
    let point = |step: u32| {
        let age = last * f64::from(step) / f64::from(POINTS);
        (age, law.weight(age))
    };
    Law { label, half_life_days: half_life, points: (0..=POINTS).map(point).collect() }
}

/// Users with middling histories: the longest are bots, the shortest say nothing.
fn example_users(
    log: &EventLog,
    part: &Part,
    comparison: &Comparison,
    catalogue: Option<&Catalogue>,
) -> Vec<ExampleUser> {
    let mut cases: Vec<&Case> = part.cases.iter().filter(|case| case.known_events > 0).collect();
    cases.sort_by_key(|case| (case.known_events, case.user));
    let places = (1..=USERS).map(|nth| cases.len() * (nth + USERS) / (2 * USERS + 2));
    let chosen: BTreeMap<_, _> =
        places.filter_map(|place| cases.get(place)).map(|case| (case.user, *case)).collect();
    let (settings, model) = (&comparison.settings[comparison.best], &comparison.models[comparison.best]);
    let example = |case: &Case| example_user(log, part, case, settings.name(), &**model, catalogue);
    chosen.into_values().map(example).collect()
}

fn example_user(
    log: &EventLog,
    part: &Part,
    case: &Case,
    name: &str,
    model: &dyn Recommender,
    catalogue: Option<&Catalogue>,
) -> ExampleUser {
    let query = Query { history: case.history(log), as_of: case.as_of, candidates: None };
    let mut scores = Scores::new(model.n_items());
    model.score(&query, &mut scores);
    let best = top_k(&scores, ITEMS, |item| part.candidates[item.index()]);
    let names = Names { log, catalogue };
    let past = |event: crate::events::Event| PastEvent {
        item: label(log, catalogue, event.item),
        event_type: log.event_types().get(event.event_type.index()).cloned().unwrap_or_default(),
        time: event.time,
    };
    ExampleUser {
        user: log.users().name(case.user.index()).to_owned(),
        as_of: case.as_of,
        model: name.to_owned(),
        history: query.history.last(EVENTS).iter().map(past).collect(),
        recommendations: best
            .into_iter()
            .map(|scored| recommendation(&names, &query, scored.item, model.explain(&query, scored.item)))
            .collect(),
    }
}

fn recommendation(
    names: &Names<'_>,
    query: &Query<'_>,
    item: ItemId,
    explanation: Explanation,
) -> Recommendation {
    let answer = names.answer(query, item, explanation);
    let reason = |reason: crate::recommend::AnsweredReason<'_>| {
        let item = reason.event.title.unwrap_or(reason.event.item);
        let label = format!("{} of {item}, {} ago", reason.event.event_type, format_days(reason.age_days));
        Reason { label, event_type: reason.event.event_type.into_owned(), share: reason.share }
    };
    Recommendation {
        item: answer.title.unwrap_or(answer.item).into_owned(),
        score: f64::from(answer.score),
        reasons: answer.reasons.into_iter().map(reason).collect(),
        remainders: answer.remainder.into_iter().map(|(name, share)| (name.to_owned(), share)).collect(),
    }
}
