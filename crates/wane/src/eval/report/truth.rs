//! Learned half-lives beside the true ones, where the log was simulated.
//!
//! What matters is the ratio of learned and true, so every row is drawn over the logarithm of that ratio, with the
//! truth in the middle: errors of minutes and of months can then be compared.

use maud::{Markup, html};

use super::chart::whisker;
use super::number::{DASH, duration, has_interval, trimmed};
use super::scale::Scale;
use super::svg::{Alt, clipped, dot, inline_svg, rule};
use super::view::TruthRow;

/// The greatest ratio drawn; what lies beyond is drawn at the edge.
const FURTHEST: f64 = 8.0;
/// The ratio that is drawn at least, lest small errors look great.
const NEAREST: f64 = 1.5;
const WIDTH: f64 = 260.0;
const HEIGHT: f64 = 20.0;

/// The table of learned and true half-lives.
pub(super) fn truth(rows: &[TruthRow]) -> Markup {
    let scale = scale(rows);
    let intervals = rows.iter().any(|row| has_interval(row.fitted));
    html! {
        div.wide { table {
            caption { (caption(rows)) }
            thead { tr {
                th scope="col" { "Interest" } th scope="col" { "Learned" }
                @if intervals { th scope="col" { "95 % interval" } }
                th scope="col" { "True" }
                @if intervals { th scope="col" { "Held" } }
                th.words scope="col" { "Learned over true" }
            } }
            tbody { @for row in rows { (truth_row(row, &scale, intervals)) } }
        } }
    }
}

fn caption(rows: &[TruthRow]) -> Markup {
    let judged = rows.iter().filter(|row| has_interval(row.fitted)).count();
    let held = rows.iter().filter(|row| holds(row)).count();
    html! {
        b { "Learned beside true. " }
        "In the drawing the middle line is the truth and the dot what was learned: left is too short, right too long, "
        "and an edge is " (trimmed(furthest(rows), 1)) " times off. "
        @if let Some(off) = median_off(rows) { "Half of them are off by less than " (trimmed(100.0 * (off - 1.0), 0)) " %. " }
        @if judged > 0 { "The true half-life lies within the 95 % interval in " (held) " of " (judged) "." }
    }
}

/// The middle one of the factors by which learned and true differ.
fn median_off(rows: &[TruthRow]) -> Option<f64> {
    let mut factors: Vec<f64> = rows.iter().filter_map(|row| off(ratios(row)[0])).collect();
    factors.sort_by(f64::total_cmp);
    factors.get(factors.len() / 2).copied()
}

/// The factor, at least 1, by which a ratio is off.
fn off(ratio: f64) -> Option<f64> {
    (ratio.is_finite() && ratio > 0.0).then(|| ratio.max(1.0 / ratio))
}

/// Learned over true, and the ends of its interval.
fn ratios(row: &TruthRow) -> [f64; 3] {
    [row.fitted.value, row.fitted.lo, row.fitted.hi].map(|days| days / row.truth)
}

fn furthest(rows: &[TruthRow]) -> f64 {
    rows.iter().flat_map(ratios).filter_map(off).fold(NEAREST, f64::max).min(FURTHEST)
}

fn scale(rows: &[TruthRow]) -> Scale {
    Scale::log(1.0 / furthest(rows), furthest(rows), 6.0, WIDTH - 6.0)
}

fn holds(row: &TruthRow) -> bool {
    has_interval(row.fitted) && (row.fitted.lo..=row.fitted.hi).contains(&row.truth)
}

fn truth_row(row: &TruthRow, scale: &Scale, intervals: bool) -> Markup {
    let fitted = row.fitted;
    let known = has_interval(fitted);
    html! {
        tr {
            th scope="row" { (clipped(&row.label, 60)) }
            td { (duration(fitted.value)) }
            @if intervals { td { @if known { (duration(fitted.lo)) " to " (duration(fitted.hi)) } @else { (DASH) } } }
            td { (duration(row.truth)) }
            @if intervals { td { @if !known { (DASH) } @else if holds(row) { "yes" } @else { "no" } } }
            td.words { (drawn(row, scale)) }
        }
    }
}

fn drawn(row: &TruthRow, scale: &Scale) -> Markup {
    let [value, lo, hi] = ratios(row);
    let description = format!("Learned {}, true {}", duration(row.fitted.value), duration(row.truth));
    let (middle, y) = (scale.place(1.0), HEIGHT / 2.0);
    let body = html! {
        (rule("grid", (scale.start(), y), (scale.end(), y)))
        (rule("mark", (middle, 0.0), (middle, HEIGHT)))
        @if has_interval(row.fitted) { (whisker(scale.place(lo), scale.place(hi), y)) }
        @if value.is_finite() { (dot("dot s0", (scale.place(value), y), 4.5, &duration(row.fitted.value))) }
    };
    inline_svg(WIDTH, HEIGHT, Alt { title: "Learned over true", description: &description }, body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::Estimate;

    #[test]
    fn the_truth_lies_in_the_middle() {
        let row = |value: f64, truth| TruthRow {
            label: String::new(),
            fitted: Estimate { value, lo: value / 2.0, hi: value * 2.0 },
            truth,
        };
        let scale = scale(&[row(3.0, 2.0), row(f64::NAN, 1.0), row(1.0, 0.0)]);
        assert!((scale.place(1.0) - WIDTH / 2.0).abs() < 1e-9);
        assert!((scale.place(3.0) - (WIDTH - 6.0)).abs() < 1e-9, "the upper end is three times the truth");
        assert_eq!(median_off(&[row(1.0, 2.0), row(1.1, 1.0), row(9.0, 1.0)]), Some(2.0));
        assert!(holds(&row(3.0, 2.0)) && !holds(&row(f64::NAN, 1.0)));
    }
}
