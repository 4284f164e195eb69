//! How the figures came about: protocol, settings, versions, and every metric that the main table leaves out.

use maud::{Markup, html};

use super::comparison::{cuts_beside, metric_table};
use super::page::Section;
use super::view::Report;

/// The appendix, if there is anything to say.
pub(super) fn section(report: &Report) -> Option<Section> {
    let tables = cuts_beside(report);
    let empty = report.protocol.is_empty() && report.settings.is_empty() && tables.is_empty();
    let body = html! {
        @if !report.protocol.is_empty() {
            h3 { "Protocol" }
            @for sentence in &report.protocol { p { (sentence) } }
        }
        @for columns in &tables { (metric_table(report, columns, html! { "The same models by other metrics." })) }
        (settings(report))
    };
    (!empty).then_some(Section { id: "appendix", heading: "Appendix", body })
}

fn settings(report: &Report) -> Markup {
    html! {
        @if !report.settings.is_empty() {
            h3 { "Settings and versions" }
            dl.settings { @for (name, value) in &report.settings { dt { (name) } dd { (value) } } }
        }
    }
}
