//! How long interest lives: the decay laws drawn.

use maud::{Markup, html};

use super::chart::{Axis, Line, LineChart, colour};
use super::comparison::axis;
use super::number::duration;
use super::page::{Section, figure};
use super::scale::{Scale, age_ticks};
use super::svg::{Alt, clipped, clipped_text, dot, path, rule};
use super::truth::truth;
use super::view::{Law, Report};

/// Half-lives that differ more than this are drawn over the logarithm of the age.
const LOG_FROM: f64 = 20.0;
/// Laws named in the chart.
const NAMED: usize = 12;

/// The section, unless there is no law and no truth.
pub(super) fn section(report: &Report) -> Option<Section> {
    let laws = by_half_life(&report.laws);
    let body = html! {
        p.soft { "The half-life is the age at which an event counts half as much as when it happened." }
        @if !laws.is_empty() { (drawn(&laws)) }
        @if !report.truth.is_empty() { (truth(&report.truth)) }
    };
    let known = !laws.is_empty() || !report.truth.is_empty();
    known.then_some(Section { id: "decay", heading: "How interest decays", body })
}

/// Laws with a half-life, longest first, as their lines lie in the chart.
fn by_half_life(laws: &[Law]) -> Vec<&Law> {
    let mut laws: Vec<&Law> = laws.iter().filter(|law| law.half_life_days > 0.0).collect();
    laws.sort_by(|a, b| b.half_life_days.total_cmp(&a.half_life_days).then_with(|| a.label.cmp(&b.label)));
    laws
}

fn drawn(laws: &[&Law]) -> Markup {
    let (x, y) = axes(laws);
    let lines = laws.iter().enumerate().map(|(place, law)| Line {
        label: String::new(),
        class: colour(place),
        points: on_axis(&law.points, &x.scale),
    });
    let marks = html! {
        (rule("mark", (x.scale.start(), y.scale.place(0.5)), (x.scale.end(), y.scale.place(0.5))))
        @for (place, law) in laws.iter().enumerate().rev().filter(|(_, law)| x.scale.holds(law.half_life_days)) {
            @let word = format!("{}: {}", clipped(&law.label, 60), duration(law.half_life_days));
            (dot(&format!("ring {}", colour(place)), (x.scale.place(law.half_life_days), y.scale.place(0.5)), 4.5, &word))
        }
        (key(laws))
    };
    let alt = Alt { title: "Decay laws", description: "Weight by age; a ring marks each half-life" };
    let lines = lines.collect();
    let chart = LineChart { alt, width: 960.0, height: 360.0, x, y, lines, marks };
    figure(
        chart.draw(),
        html! {
            b { "Weight of an event by its age. " }
            "Each ring marks a half-life: the further right it lies, the longer that interest lives."
            @if laws.len() > NAMED { " The " (NAMED) " longest are named." }
        },
    )
}

/// The points up to the end of the axis, from the last one that does not lie beyond its start: a logarithmic axis has no
/// age zero, yet the line is to begin at its edge.
fn on_axis(points: &[(f64, f64)], scale: &Scale) -> Vec<(f64, f64)> {
    let end = points.partition_point(|(age, _)| *age <= scale.high());
    let start = points.partition_point(|(age, _)| *age < scale.low()).saturating_sub(1);
    points.get(start..end).unwrap_or_default().to_vec()
}

fn axes(laws: &[&Law]) -> (Axis, Axis) {
    let half_lives = || laws.iter().map(|law| law.half_life_days).filter(|days| days.is_finite());
    let (least, most) = (half_lives().fold(f64::INFINITY, f64::min), half_lives().fold(0.0, f64::max));
    let (left, right) = (44.0, 620.0);
    let x = if most > LOG_FROM * least {
        let scale = Scale::log(least / 10.0, most * 6.0, left, right);
        let ticks = age_ticks(&scale).into_iter().map(|(days, name)| (days, name.to_owned())).collect();
        Axis { scale, ticks, label: "age of the event (logarithmic)".into() }
    } else {
        axis(Scale::linear(0.0, most * 4.0, left, right), 7, "age of the event (days)")
    };
    (x, axis(Scale::linear(0.0, 1.0, 312.0, 24.0), 4, "weight"))
}

/// Names and half-lives beside the chart.
fn key(laws: &[&Law]) -> Markup {
    html! {
        @for (place, law) in laws.iter().enumerate().take(NAMED) {
            @let y = 34.0 + 23.0 * place as f64;
            (path(&format!("line {}", colour(place)), &[(648.0, y), (674.0, y)]))
            (clipped_text("word", (682.0, y + 4.0), "start", &law.label, 30))
            (clipped_text("number loud", (960.0, y + 4.0), "end", &duration(law.half_life_days), 12))
        }
    }
}
