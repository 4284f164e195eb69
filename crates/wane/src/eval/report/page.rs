//! The page around the sections.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::style::CSS;
use super::svg::clipped;
use super::view::Report;
use super::{
    appendix, comparison, drift, headline, interests, laws, leakage, overview, reliability, returns, users,
};

/// A section of the page; what has nothing to say is no section.
#[derive(Debug, Clone)]
pub(super) struct Section {
    /// Its name in links.
    pub(super) id: &'static str,
    pub(super) heading: &'static str,
    pub(super) body: Markup,
}

/// Longest title shown, in letters.
const TITLE_LETTERS: usize = 160;

/// Forbids all that the page never needs, should any text ever get through unescaped.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// Draws a report as one HTML file that needs nothing else.
pub fn render(report: &Report) -> String {
    let title = if report.title.is_empty() { "Wane report" } else { &report.title };
    let title = clipped(title, TITLE_LETTERS);
    let sections = sections(report);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(CSS)) }
            }
            body {
                header {
                    h1 { (title) }
                    (files(&report.files))
                    nav aria-label="Sections" {
                        ul { @for section in &sections { li { a href={ "#" (section.id) } { (section.heading) } } } }
                    }
                }
                main { @for part in &sections { (section(part)) } }
                footer { "Made by Wane. This page holds all of its data and loads nothing." }
            }
        }
    };
    page.into_string().chars().filter(|letter| is_harmless(*letter)).collect()
}

/// Whether a letter stays where it is: control characters are no XML, and one bidirectional override (U+202E) in a
/// name would turn the rest of its paragraph around, figures and all.
fn is_harmless(letter: char) -> bool {
    let turns = matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    letter == '\n' || !(letter.is_control() || turns)
}

fn sections(report: &Report) -> Vec<Section> {
    [
        headline::section(report),
        returns::section(report),
        drift::section(report),
        interests::section(report),
        reliability::section(report),
        overview::section(report),
        leakage::section(report),
        comparison::section(report),
        laws::section(report),
        users::section(report),
        appendix::section(report),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn section(part: &Section) -> Markup {
    html! { section id=(part.id) { h2 { (part.heading) } (part.body) } }
}

fn files(files: &[String]) -> Markup {
    const SHOWN: usize = 5;
    let named: Vec<String> = files.iter().take(SHOWN).map(|file| clipped(file, 120)).collect();
    html! {
        @if !files.is_empty() {
            p.soft {
                "From " (named.join(", "))
                @if files.len() > SHOWN { " and " (files.len() - SHOWN) " more files" }
                "."
            }
        }
    }
}

/// A picture with the sentence that says what to see in it.
pub(super) fn figure(picture: Markup, caption: Markup) -> Markup {
    html! { figure { (picture) figcaption { (caption) } } }
}
