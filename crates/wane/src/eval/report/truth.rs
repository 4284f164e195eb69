//! Learned half-lives beside the true ones, where the log was simulated.
//!
//! What matters is the ratio of learned and true, so every row is drawn over the logarithm of that ratio, with the
//! truth in the middle: errors of minutes and of months can then be compared.

use maud::{Markup, html};

use super::chart::whisker;
use super::number::{DASH, duration};
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
    let held = rows.iter().filter(|row| holds(row)).count();
    html! {
        div.wide { table {
            caption {
                b { "Learned beside true. " }
                "In the drawing the middle line is the truth, the dot what was learned, the whisker its interval: left is "
                "too short, right too long. The true half-life lies within the 95 % interval in "
                (held) " of " (rows.len()) "."
            }
            thead { tr {
                th scope="col" { "Interest" } th scope="col" { "Learned" } th scope="col" { "95 % interval" }
                th scope="col" { "True" } th scope="col" { "Held" } th.words scope="col" { "Learned over true" }
            } }
            tbody { @for row in rows { (truth_row(row, &scale)) } }
        } }
    }
}

/// Learned over true, and the ends of its interval.
fn ratios(row: &TruthRow) -> [f64; 3] {
    [row.fitted.value, row.fitted.lo, row.fitted.hi].map(|days| days / row.truth)
}

fn scale(rows: &[TruthRow]) -> Scale {
    let off = |ratio: f64| ratio.max(1.0 / ratio);
    let ratios = rows.iter().flat_map(ratios).filter(|ratio| ratio.is_finite() && *ratio > 0.0);
    let furthest = ratios.map(off).fold(NEAREST, f64::max).min(FURTHEST);
    Scale::log(1.0 / furthest, furthest, 6.0, WIDTH - 6.0)
}

fn holds(row: &TruthRow) -> bool {
    (row.fitted.lo..=row.fitted.hi).contains(&row.truth)
}

fn truth_row(row: &TruthRow, scale: &Scale) -> Markup {
    let fitted = row.fitted;
    let known = fitted.lo.is_finite() && fitted.hi.is_finite();
    html! {
        tr {
            th scope="row" { (clipped(&row.label, 60)) }
            td { (duration(fitted.value)) }
            td { @if known { (duration(fitted.lo)) " to " (duration(fitted.hi)) } @else { (DASH) } }
            td { (duration(row.truth)) }
            td { @if !known { (DASH) } @else if holds(row) { "yes" } @else { "no" } }
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
        @if lo.is_finite() && hi.is_finite() { (whisker(scale.place(lo), scale.place(hi), y)) }
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
        assert!(holds(&row(3.0, 2.0)) && !holds(&row(f64::NAN, 1.0)));
    }
}
