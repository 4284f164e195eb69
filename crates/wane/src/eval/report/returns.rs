//! How soon users come back: a forest of half-lives with their intervals, and of the largest cells the curves and how well their
//! laws fit.

use maud::{Markup, html};

use super::chart::{Axis, Line, LineChart, whisker};
use super::comparison::axis;
use super::number::{count, duration, trimmed};
use super::page::{Section, figure};
use super::scale::{Scale, age_ticks};
use super::svg::{Alt, clipped_text, dot, rule, svg, text};
use super::view::{Report, ReturnCell};

/// Cells of the forest.
const ROWS: usize = 60;
/// Cells of which curves are drawn.
const CURVES: usize = 6;
const ROW: f64 = 21.0;
const WIDTH: f64 = 960.0;
/// Where names end and the axis begins, and where it ends.
const AXIS: (f64, f64) = (270.0, 700.0);

/// The section, unless no half-life is known.
pub(super) fn section(report: &Report) -> Option<Section> {
    let mut cells: Vec<&ReturnCell> = report.returns.iter().collect();
    cells.sort_by_key(|cell| std::cmp::Reverse(cell.gaps));
    let largest: Vec<&ReturnCell> = cells.iter().take(CURVES).copied().collect();
    // Without a law a half-life is the others' alone.
    cells.retain(|cell| {
        cell.half_life.value.is_finite() && cell.half_life.value > 0.0 && !cell.law.is_empty()
    });
    cells.truncate(ROWS);
    cells.sort_by(|a, b| a.half_life.value.total_cmp(&b.half_life.value).then_with(|| a.label.cmp(&b.label)));
    let body = html! {
        p.soft {
            "A gap runs from an event to the user's next one at the same thing. The half-life is the age by which half of those "
            "who come back have done so; some never do."
        }
        @if !cells.is_empty() { (forest(&cells)) }
        @for cell in &largest { div.pair { (curve(cell)) @if let Some(picture) = quantiles(cell) { (picture) } } }
    };
    (!report.returns.is_empty()).then_some(Section {
        id: "returns",
        heading: "How soon users come back",
        body,
    })
}

fn forest(cells: &[&ReturnCell]) -> Markup {
    let ends = || cells.iter().flat_map(|cell| [cell.half_life.value, cell.half_life.lo, cell.half_life.hi]);
    let ends = || ends().filter(|end| end.is_finite() && *end > 0.0);
    let middle =
        |pick: fn(f64, f64) -> f64| cells.iter().map(|cell| cell.half_life.value).fold(f64::NAN, pick);
    // An interval without a bound must not press all others together.
    let low = ends().fold(f64::INFINITY, f64::min).max(middle(f64::min) / 30.0);
    let high = ends().fold(0.0, f64::max).min(middle(f64::max) * 30.0);
    let scale = Scale::log(low / 1.15, high * 1.15, AXIS.0, AXIS.1);
    let bottom = 8.0 + ROW * cells.len() as f64;
    let body = html! {
        @for (days, name) in age_ticks(&scale) {
            (rule("grid", (scale.place(days), 4.0), (scale.place(days), bottom)))
            (text("tick", (scale.place(days), bottom + 16.0), "middle", name))
        }
        @for (place, cell) in cells.iter().enumerate() {
            @let y = 8.0 + ROW * (place as f64 + 0.5);
            @let own = cell.half_life;
            (clipped_text("word", (AXIS.0 - 14.0, y + 4.0), "end", &cell.label, 38))
            @if own.lo.is_finite() && own.hi >= own.lo { (whisker(scale.place(own.lo), scale.place(own.hi), y)) }
            (dot("dot s0", (scale.place(own.value), y), 4.5, &duration(own.value)))
            (text("number loud", (AXIS.1 + 64.0, y + 4.0), "end", &duration(own.value)))
            (text("tick", (AXIS.1 + 160.0, y + 4.0), "end", &never(cell)))
            (text("tick", (WIDTH, y + 4.0), "end", &count(cell.gaps)))
        }
        (text("tick", (AXIS.1 + 64.0, bottom + 16.0), "end", "half-life"))
        (text("tick", (AXIS.1 + 160.0, bottom + 16.0), "end", "never"))
        (text("tick", (WIDTH, bottom + 16.0), "end", "gaps"))
    };
    let alt = Alt { title: "Half-lives", description: "Half-life of each cell with its 95 % interval" };
    figure(
        svg(WIDTH, bottom + 24.0, alt, body),
        html! {
            b { "Half-lives, shortest first. " }
            "Dots are estimates, whiskers 95 % intervals; beside them the share that never comes back and how many gaps were counted."
        },
    )
}

fn never(cell: &ReturnCell) -> String {
    cell.never.map_or_else(|| "–".to_owned(), |share| format!("{} %", trimmed(100.0 * share, 0)))
}

/// Ticks whose names do not run into each other.
fn apart(scale: &Scale, ticks: Vec<(f64, &'static str)>) -> Vec<(f64, String)> {
    const ROOM: f64 = 52.0;
    let mut kept: Vec<(f64, String)> = Vec::new();
    for (days, name) in ticks {
        if kept.last().is_none_or(|last| scale.place(days) - scale.place(last.0) >= ROOM) {
            kept.push((days, name.to_owned()));
        }
    }
    kept
}

/// Ages by which as many have come back: counted against the law (Q-Q).
fn quantiles(cell: &ReturnCell) -> Option<Markup> {
    let pairs: Vec<(f64, f64)> = cell
        .counted
        .iter()
        .filter_map(|&(days, share, ..)| Some((age_at(&cell.by_law, share)?, days)))
        .filter(|pair| pair.0 > 0.0 && pair.1 > 0.0)
        .collect();
    let ends = || pairs.iter().flat_map(|pair| [pair.0, pair.1]);
    let (low, high) = (ends().fold(f64::INFINITY, f64::min), ends().fold(0.0, f64::max));
    if pairs.len() < 2 || high <= low {
        return None;
    }
    let scale = |start, end| Scale::log(low, high, start, end);
    let (across, up) = (scale(60.0, 440.0), scale(232.0, 24.0));
    let ticks = apart(&across, age_ticks(&across));
    let x = Axis { scale: across, ticks: ticks.clone(), label: "age by the law".into() };
    let y = Axis { scale: up, ticks, label: "age that was counted".into() };
    let marks = html! {
        @for pair in &pairs {
            @let word = format!("{} by the law, {} counted", duration(pair.0), duration(pair.1));
            (dot("dot s0", (x.scale.place(pair.0), y.scale.place(pair.1)), 2.5, &word))
        }
    };
    let diagonal =
        Line { label: String::new(), class: "rest".into(), points: vec![(low, low), (high, high)] };
    let alt = Alt {
        title: &cell.label,
        description: "Ages by which as many have come back, by the law and counted",
    };
    let chart = LineChart { alt, width: 460.0, height: 280.0, x, y, lines: vec![diagonal], marks };
    Some(figure(
        chart.draw(),
        html! {
            b { "How well the law fits. " }
            "Each dot is an age by which as many had come back; on the line the law (" (cell.law) ") has it as it was counted."
        },
    ))
}

/// The age at which a falling curve has a share; nothing where it never has.
fn age_at(curve: &[(f64, f64)], share: f64) -> Option<f64> {
    let below = curve.partition_point(|point| point.1 > share);
    let (&(to, low), &(from, high)) = (curve.get(below)?, curve.get(below.checked_sub(1)?)?);
    Some(if high > low { from + (to - from) * (high - share) / (high - low) } else { to })
}

/// What has not come back by age: counted, with its band, and by the law.
fn curve(cell: &ReturnCell) -> Markup {
    let first = cell.counted.iter().map(|point| point.0).find(|days| *days > 0.0).unwrap_or(0.01);
    let last = cell.counted.last().map_or(1.0, |point| point.0);
    // What one in a thousand gaps falls short of would stretch the axis over nothing.
    let first = cell.counted.iter().find(|point| point.1 < 0.999).map_or(first, |point| point.0.max(first));
    let scale = Scale::log(first, last.max(first * 1.5), 44.0, 440.0);
    let ticks = apart(&scale, age_ticks(&scale));
    let x = Axis { scale, ticks, label: "age (logarithmic)".into() };
    let y = axis(Scale::linear(0.0, 1.0, 232.0, 24.0), 4, "not come back yet");
    let line =
        |class: &str, points: Vec<(f64, f64)>| Line { label: String::new(), class: class.into(), points };
    let counted = |value: fn(&(f64, f64, f64, f64)) -> f64| {
        let seen = cell.counted.iter().filter(|point| point.0 >= first);
        seen.map(|point| (point.0, value(point))).collect::<Vec<_>>()
    };
    let law: Vec<(f64, f64)> = cell.by_law.iter().copied().filter(|point| point.0 >= first).collect();
    let lines = vec![
        line("s0", counted(|point| point.1)),
        line("rest", counted(|point| point.2)),
        line("rest", counted(|point| point.3)),
        line("s5", law),
    ];
    let alt = Alt { title: &cell.label, description: "Share that has not come back, by age" };
    let chart = LineChart { alt, width: 460.0, height: 280.0, x, y, lines, marks: html! {} };
    figure(
        chart.draw(),
        html! {
            b { (super::svg::clipped(&cell.label, 60)) ". " }
            (count(cell.gaps)) " gaps; counted with its 95 % band"
            @if !cell.law.is_empty() { ", and dashed the law: " (cell.law) }
            "."
        },
    )
}
