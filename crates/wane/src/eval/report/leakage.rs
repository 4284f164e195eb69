//! What the comparison may have known too early.

use maud::html;

use super::page::Section;
use super::view::Report;
use crate::eval::Severity;

/// The findings, leaks first.
pub(super) fn section(report: &Report) -> Option<Section> {
    let mut remarks: Vec<_> = report.leakage.iter().collect();
    // A stable sort: within a severity the check's own order stands.
    remarks.sort_by_key(|remark| std::cmp::Reverse(remark.severity));
    let body = html! {
        p.soft { "A figure is worth what is left of it once everything is taken away that could not have been known." }
        ul.remarks {
            @for remark in &remarks {
                @if remark.severity == Severity::Leak {
                    li.leak { b { "Leak." } (remark.sentence) }
                } @else {
                    li { b { "Note." } (remark.sentence) }
                }
            }
        }
    };
    (!remarks.is_empty()).then_some(Section { id: "leakage", heading: "Leakage check", body })
}
