//! Whether users come back at another pace than they used to: the cells whose pace changed most surely, window by window.

use maud::{Markup, html};

use super::chart::{Axis, Line, LineChart};
use super::comparison::axis;
use super::days::date;
use super::number::{signed, trimmed};
use super::page::{Section, figure};
use super::scale::Scale;
use super::svg::{Alt, clipped, dot, rule};
use super::view::{DriftCourse, Report, ReturnCell};
use crate::events::{MILLIS_PER_DAY, Timestamp};

/// Cells that are drawn.
const CELLS: usize = 12;
/// The probability below which a change is taken for one.
const RARE: f64 = 0.05;

/// The section, unless nobody asked.
pub(super) fn section(report: &Report) -> Option<Section> {
    let known = report.returns.iter().filter_map(|cell| Some((cell, cell.drift.as_ref()?)));
    let mut known: Vec<(&ReturnCell, &DriftCourse)> = known.collect();
    known.sort_by(|a, b| a.1.p_value.total_cmp(&b.1.p_value).then_with(|| a.0.label.cmp(&b.0.label)));
    let changed = known.iter().filter(|(_, drift)| drift.p_value < RARE).count();
    let expected = RARE * known.len() as f64;
    let body = html! {
        p.soft {
            "The log was cut into windows; the pace is how often users came back per day that they were watched, 1 being the mean of the "
            "windows. " (changed) " of " (known.len()) " cells changed their pace with a probability below " (trimmed(100.0 * RARE, 0))
            " % that nothing did; by chance alone " (trimmed(expected, 1)) " would."
        }
        @for pair in known[..known.len().min(CELLS)].chunks(2) { div.pair { @for (cell, drift) in pair { (course(cell, drift)) } } }
    };
    (!known.is_empty()).then_some(Section { id: "drift", heading: "Whether the pace has changed", body })
}

fn course(cell: &ReturnCell, drift: &DriftCourse) -> Markup {
    let mean = drift.paces.iter().map(|pace| pace.1.value).sum::<f64>() / drift.paces.len().max(1) as f64;
    let middle = |((from, to), _): &((_, _), _)| middle(*from, *to);
    let points: Vec<(f64, f64)> = drift.paces.iter().map(|own| (middle(own), own.1.value / mean)).collect();
    let ends = || drift.paces.iter().flat_map(|(_, pace)| [pace.lo / mean, pace.hi / mean]);
    let (low, high) = (ends().fold(1.0, f64::min), ends().fold(1.0, f64::max));
    let span = |days: fn(&(f64, f64)) -> f64| points.iter().map(days);
    let (first, last) =
        (span(|at| at.0).fold(f64::INFINITY, f64::min), span(|at| at.0).fold(f64::NEG_INFINITY, f64::max));
    let room = ((last - first) / 6.0).max(1.0);
    let x = Axis {
        scale: Scale::linear(first - room, last + room, 44.0, 440.0),
        ticks: drift.paces.iter().map(|own| (middle(own), date(own.0.0))).collect(),
        label: "window that begins".into(),
    };
    let y = axis(Scale::linear((low - 0.05).max(0.0), high + 0.05, 192.0, 24.0), 4, "pace, 1 is the mean");
    let marks = html! {
        @for ((_, pace), at) in drift.paces.iter().zip(&points) {
            @let place = x.scale.place(at.0);
            (rule("whisker", (place, y.scale.place(pace.lo / mean)), (place, y.scale.place(pace.hi / mean))))
            (dot("dot s0", (place, y.scale.place(at.1)), 4.0, &trimmed(at.1, 2)))
        }
    };
    let level = Line {
        label: String::new(),
        class: "rest".into(),
        points: vec![(first - room, 1.0), (last + room, 1.0)],
    };
    let own = Line { label: String::new(), class: "s0".into(), points: points.clone() };
    let alt = Alt { title: &cell.label, description: "Pace of return by window, with 95 % intervals" };
    let chart = LineChart { alt, width: 460.0, height: 240.0, x, y, lines: vec![own, level], marks };
    let change = points.first().zip(points.last()).map_or(0.0, |(first, last)| last.1 / first.1 - 1.0);
    figure(
        chart.draw(),
        html! {
            b { (clipped(&cell.label, 60)) ". " }
            (signed(100.0 * change, 0)) " % from the first window to the last; "
            @if drift.p_value < 0.001 { "p below 0.001." } @else { "p " (trimmed(drift.p_value, 3)) "." }
        },
    )
}

/// The middle of a window, in days.
fn middle(from: Timestamp, to: Timestamp) -> f64 {
    0.5 * (from.millis() as f64 + to.millis() as f64) / MILLIS_PER_DAY as f64
}
