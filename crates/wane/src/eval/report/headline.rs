//! The answer first: which model, by how much, how surely.

use maud::{Markup, html};

use super::metric_name::{metric_name, what_it_measures};
use super::number::{count, duration, interval, metric, signed_metric, trimmed};
use super::page::Section;
use super::svg::clipped;
use super::view::{Model, Report, finite};
use crate::eval::{Estimate, Severity};

/// The headline with the size of the log, unless the page is about half-lives or forecasts alone.
pub(super) fn section(report: &Report) -> Option<Section> {
    let body = html! {
        p.verdict { (verdict(report)) }
        (doubt(report))
        (size(report))
    };
    let is_of_time =
        !(report.returns.is_empty() && report.interests.is_empty() && report.forecasts.is_empty());
    let is_asked = !report.models.is_empty() || !is_of_time;
    is_asked.then_some(Section { id: "result", heading: "Result", body })
}

fn verdict(report: &Report) -> Markup {
    let name = report.metric();
    let measured: Vec<(&Model, Estimate)> =
        report.ranked().into_iter().filter_map(|model| Some((model, model.metric(name)?))).collect();
    let reference = measured.iter().find(|(model, _)| Some(&model.name) == report.reference.as_ref());
    match (measured.as_slice(), reference) {
        ([], _) => html! { "No model was judged by " (metric_name(name)) "." },
        ([only], _) => html! { strong { (name_of(only)) } " reaches " (reached(name, only.1)) "." },
        ([best, second, ..], Some(reference)) if best.0.name == reference.0.name => html! {
            "No model ranks better than " strong { (name_of(best)) } " itself: it reaches " (reached(name, best.1))
            ", and next comes " (name_of(second)) " with " (metric(second.1.value)) "."
        },
        ([best, ..], Some(reference)) => against(name, *best, *reference),
        ([best, second, ..], None) => html! {
            strong { (name_of(best)) } " ranks best: " (reached(name, best.1)) ". Next comes " (name_of(second))
            " with " (metric(second.1.value)) "."
        },
    }
}

/// A model's name, as much of it as a sentence can bear.
fn name_of(measured: &(&Model, Estimate)) -> String {
    clipped(&measured.0.name, 60)
}

fn reached(name: &str, estimate: Estimate) -> Markup {
    html! {
        (metric_name(name)) " of " (metric(estimate.value))
        @if let Some(interval) = interval(estimate) { " (95 % interval " (interval) ")" }
    }
}

fn against(name: &str, best: (&Model, Estimate), reference: (&Model, Estimate)) -> Markup {
    let gain = 100.0 * (best.1.value / reference.1.value - 1.0);
    html! {
        strong { (name_of(&best)) } " ranks best: its " (metric_name(name)) " of " (metric(best.1.value))
        @if gain.is_finite() { " is " strong { (trimmed(gain, 1)) " %" } " above " } @else { " compares with " }
        (name_of(&reference)) " (" (metric(reference.1.value)) "). "
        @if let Some(difference) = finite(&best.0.difference, name) { (surely(difference)) }
    }
}

fn surely(difference: Estimate) -> Markup {
    html! {
        "User by user the difference is " (signed_metric(difference.value))
        @if let Some(interval) = interval(difference) { " (95 % interval " (interval) ")" }
        @if difference.lo > 0.0 { "." } @else { ", so it may be chance." }
    }
}

/// What the metric means, and a warning where the figures may be too good.
fn doubt(report: &Report) -> Markup {
    let leaks = report.leakage.iter().filter(|remark| remark.severity == Severity::Leak).count();
    let meaning = what_it_measures(report.metric());
    html! {
        p.soft {
            @if let Some(meaning) = meaning { (metric_name(report.metric())) " measures " (meaning) ". " }
            @if leaks > 0 {
                "Read the figures with the " a href="#leakage" { "leakage check" } ": "
                (leaks) @if leaks == 1 { " finding says" } @else { " findings say" } " that they may be too good."
            }
        }
    }
}

fn size(report: &Report) -> Markup {
    let overview = &report.overview;
    let counts = [("Events", overview.events), ("Users", overview.users), ("Items", overview.items)];
    html! {
        @if overview.events > 0 {
            dl.cards {
                @for (what, number) in counts { div { dt { (what) } dd { (count(number)) } } }
                @if let Some((first, last)) = overview.span {
                    div { dt { "Time span" } dd { (duration(last.days_since(first))) } }
                }
                @if !report.models.is_empty() { div { dt { "Models" } dd { (report.models.len()) } } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str, value: f64, difference: Option<f64>) -> Model {
        let around = |value| ("ndcg@10".to_owned(), Estimate { value, lo: value - 0.01, hi: value + 0.01 });
        Model {
            name: name.into(),
            metrics: vec![around(value)],
            difference: difference.map(around).into_iter().collect(),
            ..Model::default()
        }
    }

    fn said(models: Vec<Model>) -> String {
        let report = Report { models, reference: Some("pop".into()), ..Report::default() };
        let words = verdict(&report).into_string();
        words.replace("<strong>", "").replace("</strong>", "")
    }

    #[test]
    fn the_answer_fits_the_case() {
        assert_eq!(said(vec![]), "No model was judged by NDCG@10.");
        let only = "pop reaches NDCG@10 of 0.1000 (95 % interval 0.0900 to 0.1100).";
        assert_eq!(said(vec![model("pop", 0.1, None)]), only);
        assert!(
            said(vec![model("pop", 0.1, None), model("a", 0.05, None)]).starts_with("No model ranks better")
        );
        let better = said(vec![model("pop", 0.1, None), model("a", 0.15, Some(0.05))]);
        assert!(
            better.contains("is 50 % above pop (0.1000). User by user the difference is +0.05"),
            "{better}"
        );
        assert!(!better.contains("chance"));
        assert!(said(vec![model("pop", 0.1, None), model("a", 0.105, Some(0.005))]).contains("chance"));
        assert!(!said(vec![model("pop", 0.0, None), model("a", 0.1, None)]).contains("inf"));
        assert!(said(vec![model("a", f64::NAN, None)]).starts_with("No model was judged"));
    }
}
