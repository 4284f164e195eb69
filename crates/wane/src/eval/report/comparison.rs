//! Which model is better: the table, the bars, the curves, and the parts of the targets.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::chart::{Axis, Bar, BarChart, COLOURS, Line, LineChart, colour};
use super::metric_name::{metric_name, split};
use super::number::{DASH, count, interval, metric, seconds, signed_metric, trimmed};
use super::page::{Section, figure};
use super::scale::{Scale, tick_decimals};
use super::svg::{Alt, clipped};
use super::view::{Model, Part, Report, finite};
use crate::eval::Estimate;

/// The order in which people look for metrics.
const ORDER: [&str; 8] = ["ndcg", "hr", "recall", "mrr", "auc", "gauc", "map", "precision"];
/// Metrics in the main table; more would leave no room for their intervals.
const COLUMNS: usize = 5;
/// Letters of a model's name in a table.
const NAME_LETTERS: usize = 60;

/// The section, unless no model was judged.
pub(super) fn section(report: &Report) -> Option<Section> {
    let body = html! {
        (metric_table(report, &columns(report), html! {
            b { "Models by " (metric_name(report.metric())) ". " }
            "The best of each column stands out; small figures are 95 % intervals over users. "
            "Of every metric, more is better. Times are those of this machine."
        }))
        (bars(report))
        (curves(report))
        (parts(report))
    };
    (!report.models.is_empty()).then_some(Section { id: "models", heading: "Models compared", body })
}

/// The main metric first, then the others at its cut and those without a cut.
fn columns(report: &Report) -> Vec<String> {
    let main = report.metric();
    let cut = split(main).1;
    let mut columns = vec![main.to_owned()];
    columns.extend(known(report).into_iter().filter(|name| {
        let own = split(name).1;
        name != main && (own == cut || own.is_none())
    }));
    columns.truncate(COLUMNS);
    columns
}

/// Columns for every metric that the main table leaves out, one table per cut.
pub(super) fn cuts_beside(report: &Report) -> Vec<Vec<String>> {
    let main = columns(report);
    let mut tables: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for name in known(report).into_iter().filter(|name| !main.contains(name)) {
        let cut = split(&name).1.and_then(|cut| cut.parse().ok()).unwrap_or(u32::MAX);
        tables.entry(cut).or_default().push(name);
    }
    tables.into_values().collect()
}

/// All metrics of all models, in the order in which people look for them.
fn known(report: &Report) -> Vec<String> {
    let names: BTreeSet<&str> =
        report.models.iter().flat_map(|model| &model.metrics).map(|(name, _)| name.as_str()).collect();
    let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let place = |name: &str| ORDER.iter().position(|known| *known == split(name).0).unwrap_or(ORDER.len());
    names.sort_by_key(|name| place(name));
    names
}

/// A table of the models by these metrics, best model first.
pub(super) fn metric_table(report: &Report, columns: &[String], caption: Markup) -> Markup {
    let models = report.ranked();
    let best: Vec<f64> = columns
        .iter()
        .map(|name| standing_out(models.iter().filter_map(|model| model.metric(name)).map(|e| e.value)))
        .collect();
    let main = columns.first().is_some_and(|name| name == report.metric());
    let compared = main && models.iter().any(|model| finite(&model.difference, report.metric()).is_some());
    html! {
        div.wide { table {
            caption { (caption) }
            thead { tr {
                th scope="col" { "Model" }
                @for name in columns { th scope="col" { (metric_name(name)) } }
                @if compared { th scope="col" { "Difference" small { "of " (metric_name(report.metric())) } } }
                @if main { th scope="col" { "Fit" } th scope="col" { "Predict" } }
            } }
            tbody { @for model in models {
                tr.reference[is_reference(report, model)] {
                    th scope="row" { (clipped(&model.name, NAME_LETTERS)) }
                    @for (name, best) in columns.iter().zip(&best) { (cell(model.metric(name), *best)) }
                    @if compared { (difference(finite(&model.difference, report.metric()))) }
                    @if main { td { (seconds(model.fit_seconds)) } td { (seconds(model.predict_us / 1e6)) } }
                }
            } }
        } }
    }
}

fn is_reference(report: &Report, model: &Model) -> bool {
    report.reference.as_ref() == Some(&model.name)
}

/// The best of a column; none where all are equal, for then nothing stands out.
fn standing_out(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let best = values.clone().fold(f64::NAN, f64::max);
    if values.fold(f64::NAN, f64::min) < best { best } else { f64::NAN }
}

fn cell(estimate: Option<Estimate>, best: f64) -> Markup {
    html! {
        td {
            @match estimate {
                Some(estimate) if estimate.value >= best => { b { (metric(estimate.value)) } (small(estimate)) }
                Some(estimate) => { (metric(estimate.value)) (small(estimate)) }
                None => { (DASH) }
            }
        }
    }
}

fn small(estimate: Estimate) -> Markup {
    html! { @if interval(estimate).is_some() { small { (metric(estimate.lo)) "–" (metric(estimate.hi)) } } }
}

fn difference(estimate: Option<Estimate>) -> Markup {
    html! {
        td {
            @match estimate {
                Some(estimate) => {
                    (signed_metric(estimate.value))
                    @if interval(estimate).is_some() { small { (signed_metric(estimate.lo)) " to " (signed_metric(estimate.hi)) } }
                }
                None => { (DASH) }
            }
        }
    }
}

fn bars(report: &Report) -> Markup {
    let name = report.metric();
    let models = report.ranked();
    let best = models.first().and_then(|model| model.metric(name));
    let reference =
        models.iter().find(|model| is_reference(report, model)).and_then(|model| model.metric(name));
    let bar = |model: &&Model| {
        let estimate = model.metric(name);
        let value = estimate.map_or(f64::NAN, |estimate| estimate.value);
        Bar {
            label: model.name.clone(),
            value,
            interval: estimate.map(|e| (e.lo, e.hi)).filter(|(lo, hi)| lo.is_finite() && hi.is_finite()),
            word: metric(value),
            class: if best.is_some_and(|best| value >= best.value) { "strong".into() } else { String::new() },
        }
    };
    let title = format!("{} by model", metric_name(name));
    let description = models.first().map_or(String::new(), |model| format!("Best: {}", model.name));
    let chart = BarChart {
        alt: Alt { title: &title, description: &description },
        width: 960.0,
        names: 220.0,
        bars: models.iter().map(bar).collect(),
        mark: reference.map(|estimate| estimate.value),
    };
    figure(
        chart.draw(),
        html! {
            b { (metric_name(name)) " by model. " }
            "Whiskers are 95 % intervals: where they overlap widely, the order may be chance."
            @if let Some(reference) = report.reference.as_ref().filter(|_| reference.is_some()) {
                " The dashed line is " (clipped(reference, NAME_LETTERS)) "."
            }
        },
    )
}

fn curves(report: &Report) -> Markup {
    let metrics: BTreeSet<&str> =
        report.models.iter().flat_map(|model| &model.curves).map(|curve| curve.metric.as_str()).collect();
    let charts: Vec<Markup> = metrics.into_iter().filter_map(|metric| curve_chart(report, metric)).collect();
    html! {
        @if !charts.is_empty() {
            figure {
                div.pair { @for chart in &charts { (chart) } }
                figcaption {
                    b { "By length of the list. " }
                    "How each metric grows with the number of items shown: a line that stays on top is better whatever the length."
                    @if report.models.len() >= COLOURS { " The best " (COLOURS - 1) " models and the reference are named; the others are grey." }
                }
            }
        }
    }
}

fn curve_chart(report: &Report, metric: &str) -> Option<Markup> {
    let lines: Vec<Line> = report
        .ranked()
        .into_iter()
        .enumerate()
        .filter_map(|(place, model)| {
            let curve = model.curves.iter().find(|curve| curve.metric == metric)?;
            let points = curve.points.iter().map(|(cut, value)| (f64::from(*cut), *value)).collect();
            let place = if is_reference(report, model) { place.min(COLOURS - 1) } else { place };
            let named = place < COLOURS - 1 || is_reference(report, model);
            let label = if named { model.name.clone() } else { String::new() };
            Some(Line { label, class: colour(if named { place } else { COLOURS }), points })
        })
        .collect();
    let points = || lines.iter().flat_map(|line| &line.points);
    let last = points().map(|(cut, _)| *cut).fold(f64::NAN, f64::max);
    let high = points().map(|(_, value)| *value).filter(|value| value.is_finite()).fold(0.0, f64::max);
    let title = format!("{}@K for K up to {}", metric_name(metric), trimmed(last, 0));
    let chart = LineChart {
        alt: Alt { title: &title, description: "One line per model, named at its end" },
        width: 464.0,
        height: 300.0,
        x: axis(Scale::linear(1.0, last, 44.0, 288.0), 5, "items shown (K)"),
        y: axis(Scale::linear(0.0, high * 1.04, 252.0, 24.0), 5, &format!("{}@K", metric_name(metric))),
        lines,
        marks: html! {},
    };
    last.is_finite().then(|| chart.draw())
}

/// A linear axis with its ticks written out.
pub(super) fn axis(scale: Scale, wanted: usize, label: &str) -> Axis {
    let ticks = scale.ticks(wanted);
    let decimals = tick_decimals(&ticks);
    let ticks = ticks.into_iter().map(|tick| (tick, format!("{tick:.decimals$}"))).collect();
    Axis { scale, ticks, label: label.into() }
}

fn parts(report: &Report) -> Markup {
    let models = report.ranked();
    let mut names: Vec<(&str, u64)> = Vec::new();
    for part in models.iter().flat_map(|model| &model.parts) {
        if names.iter().all(|(name, _)| *name != part.name) {
            names.push((&part.name, part.targets));
        }
    }
    let of = |model: &Model, name: &str| {
        let part: Option<&Part> = model.parts.iter().find(|part| part.name == name);
        part.and_then(|part| finite(&part.metrics, report.metric()))
    };
    let best = |name: &str| standing_out(models.iter().filter_map(|model| of(model, name)).map(|e| e.value));
    html! {
        @if !names.is_empty() {
            div.wide { table {
                caption {
                    b { (metric_name(report.metric())) " by kind of target. " }
                    "Repeats are items that the user had before, explore is what was new to them, cold is what the model "
                    "had never seen: a model can shine in one and fail in another."
                }
                thead { tr {
                    th scope="col" { "Model" }
                    @for (name, targets) in &names {
                        th scope="col" { (clipped(name, 30)) small { (count(*targets)) " targets" } }
                    }
                } }
                tbody { @for model in &models { tr {
                    th scope="row" { (clipped(&model.name, NAME_LETTERS)) }
                    @for (name, _) in &names { (cell(of(model, name), best(name))) }
                } } }
            } }
        }
    }
}
