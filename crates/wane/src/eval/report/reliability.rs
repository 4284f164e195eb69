//! Whether forecasts keep their word: what each said, and what came.

use maud::{Markup, html};

use super::chart::{Line, LineChart};
use super::comparison::axis;
use super::number::{interval, trimmed};
use super::page::{Section, figure};
use super::scale::Scale;
use super::svg::{Alt, clipped, dot, rule};
use super::view::Report;
use crate::eval::{Estimate, ForecastResult};

/// Standard deviations that 95 of 100 shares miss by at most, were every probability true.
const CHANCE: f64 = 1.96;

/// The section, unless no forecasts were judged.
pub(super) fn section(report: &Report) -> Option<Section> {
    let body = html! {
        p.soft {
            "Of all that was forecast at 10 %, one in ten should come. Brier score and log-likelihood judge each single forecast, ECE how "
            "far what was said lies from what came (beside it, what chance alone would make of true probabilities), AUC how well what came was told from what did not."
        }
        (table(&report.forecasts))
        @for pair in report.forecasts.chunks(2) { div.pair { @for own in pair { (curve(own)) } } }
    };
    (!report.forecasts.is_empty()).then_some(Section {
        id: "reliability",
        heading: "How reliable forecasts are",
        body,
    })
}

fn table(forecasts: &[ForecastResult]) -> Markup {
    let cell = |estimate: Option<Estimate>| {
        html! {
            td { @if let Some(own) = estimate { (trimmed(own.value, 5)) @if let Some(words) = interval(own) { small { (words) } } } }
        }
    };
    html! {
        div.wide { table {
            caption { b { "Forecasts compared. " } "Differences are to the first; all intervals are of 95 %." }
            thead { tr {
                th scope="col" { "Model" } th scope="col" { "Brier score" } th scope="col" { "difference" }
                th scope="col" { "log-likelihood" } th scope="col" { "difference" } th scope="col" { "ECE" } th scope="col" { "AUC" }
            } }
            tbody { @for own in forecasts { tr {
                th scope="row" { (clipped(&own.model, 40)) }
                (cell(Some(own.brier))) (cell(own.brier_difference))
                (cell(Some(own.log_likelihood))) (cell(own.log_likelihood_difference))
                td { (trimmed(own.ece, 4)) small { (trimmed(own.ece_by_chance, 4)) " by chance" } } td { (trimmed(own.auc, 4)) }
            } } }
        } }
    }
}

/// Said against came, both by their roots: most forecasts are small.
fn curve(own: &ForecastResult) -> Markup {
    let bins: Vec<(f64, f64)> =
        own.reliability.iter().map(|bin| (bin.probability.sqrt(), bin.came.sqrt())).collect();
    let high = bins.iter().flat_map(|bin| [bin.0, bin.1]).fold(0.0, f64::max) * 1.05;
    let scale = |start, end| Scale::linear(0.0, high, start, end);
    let mut x = axis(scale(44.0, 440.0), 5, "said (root scale)");
    let mut y = axis(scale(272.0, 24.0), 5, "came");
    for ticks in [&mut x.ticks, &mut y.ticks] {
        for (place, word) in ticks.iter_mut() {
            *word = format!("{} %", trimmed(100.0 * *place * *place, 1));
        }
    }
    let marks = html! {
        @for (bin, at) in own.reliability.iter().zip(&bins) {
            @let word = format!("said {} %, came {} %", trimmed(100.0 * bin.probability, 2), trimmed(100.0 * bin.came, 2));
            @let chance = [-CHANCE, CHANCE].map(|times| (bin.probability + times * bin.by_chance).clamp(0.0, high * high).sqrt());
            (rule("whisker", (x.scale.place(at.0), y.scale.place(chance[0])), (x.scale.place(at.0), y.scale.place(chance[1]))))
            (dot("dot s0", (x.scale.place(at.0), y.scale.place(at.1)), 4.0, &word))
        }
    };
    let diagonal =
        Line { label: String::new(), class: "rest".into(), points: vec![(0.0, 0.0), (high, high)] };
    let said = Line { label: String::new(), class: "s0".into(), points: bins.clone() };
    let alt = Alt { title: &own.model, description: "Share that came, by the probability that was said" };
    let chart = LineChart { alt, width: 460.0, height: 320.0, x, y, lines: vec![said, diagonal], marks };
    figure(
        chart.draw(),
        html! { b { (clipped(&own.model, 60)) ". " } "On the grey line what was said is what came; the whiskers are where 95 of 100 dots would lie if it were true." },
    )
}
