//! Some users: what they did, what they are shown, and why.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::number::{DASH, count, duration, signed, trimmed};
use super::page::Section;
use super::palette::Palette;
use super::reasons::{Reach, reason_bar};
use super::svg::clipped;
use super::timeline::{Timeline, recent};
use super::view::{ExampleUser, PastEvent, Recommendation, Report};

/// Letters of an item's title.
const TITLE_LETTERS: usize = 90;
/// Past events written out.
const EVENTS: usize = 10;
/// Reasons written out for one item.
const REASONS: usize = 3;

/// The section, unless there is no user.
pub(super) fn section(report: &Report) -> Option<Section> {
    let palette = Palette::of(&report.overview);
    let body = html! {
        p.soft {
            "What some users did, what they are shown, and why. A score is the sum of its reasons: each coloured piece is "
            "the exact share of one past event, grey is what does not come from one event, such as popularity. "
            "Left of the thin line are pieces that speak against the item."
        }
        @for user in &report.users { (example(user, &palette)) }
    };
    (!report.users.is_empty()).then_some(Section { id: "users", heading: "Example users", body })
}

fn example(user: &ExampleUser, palette: &Palette<'_>) -> Markup {
    html! {
        div.user {
            h3 { "User " (clipped(&user.user, 60)) }
            p.soft {
                (count(user.history.len() as u64)) @if user.history.len() == 1 { " event" } @else { " events" }
                " up to " (user.as_of)
                @if !user.model.is_empty() { ", list by " (clipped(&user.model, 60)) }
            }
            (key(user, palette))
            @if !user.history.is_empty() { (Timeline { user, palette }.draw()) }
            div.sides {
                div { h4 { "Latest events" } (past(user, palette)) }
                div { h4 { "Recommended" } (list(user, palette)) }
            }
        }
    }
}

/// The event types of a user with their colours.
fn key(user: &ExampleUser, palette: &Palette<'_>) -> Markup {
    let names: BTreeSet<&str> = user.history.iter().map(|event| event.event_type.as_str()).collect();
    html! {
        ul.key {
            @for name in names.into_iter().take(12) { li { (swatch(&palette.class(name))) (clipped(name, 24)) } }
        }
    }
}

fn swatch(class: &str) -> Markup {
    html! { span class={ "swatch " (class) } aria-hidden="true" {} }
}

fn past(user: &ExampleUser, palette: &Palette<'_>) -> Markup {
    let latest: Vec<&PastEvent> = recent(user).into_iter().take(EVENTS).collect();
    html! {
        @if latest.is_empty() {
            p.soft { "None: this user is new." }
        } @else {
            table.past {
                thead { tr { th.words scope="col" { "Item" } th scope="col" { "Age" } } }
                tbody { @for event in &latest { tr {
                    td.words {
                        (swatch(&palette.class(&event.event_type))) " " (clipped(&event.item, 60))
                        small { (clipped(&event.event_type, 30)) }
                    }
                    td { (duration(user.as_of.days_since(event.time))) }
                } } }
            }
            @if user.history.len() > EVENTS { p.more { "and " (count((user.history.len() - EVENTS) as u64)) " before" } }
        }
    }
}

fn list(user: &ExampleUser, palette: &Palette<'_>) -> Markup {
    let reach = Reach::of(&user.recommendations);
    html! {
        @if user.recommendations.is_empty() {
            p.soft { "Nothing: no item was left to show." }
        } @else {
            ol.list { @for (place, item) in user.recommendations.iter().enumerate() { li {
                div.entry {
                    span { (place + 1) ". " (clipped(&item.item, TITLE_LETTERS)) }
                    span.score { "score " (trimmed(item.score, reach.decimals())) }
                }
                (reason_bar(item, reach, palette))
                (why(item, reach, palette))
            } } }
        }
    }
}

fn why(item: &Recommendation, reach: Reach, palette: &Palette<'_>) -> Markup {
    let because =
        |share: f64, class: &str, words: &str| because(&signed(share, reach.decimals()), class, words);
    let more = item.reasons.len().saturating_sub(REASONS);
    let rest: f64 = item.reasons.iter().skip(REASONS).map(|reason| reason.share).sum();
    html! {
        ul.why {
            @for reason in item.reasons.iter().take(REASONS) {
                (because(reason.share, &palette.class(&reason.event_type), &clipped(&reason.label, 110)))
            }
            @if more > 0 { (because(rest, "rest", &format!("{more} more past {}", if more == 1 { "event" } else { "events" }))) }
            @for (place, (name, share)) in item.remainders.iter().enumerate() {
                (because(*share, other(place), &clipped(name, 40)))
            }
            @if item.reasons.is_empty() && item.remainders.is_empty() { li { span.what { (DASH) } } }
        }
    }
}

fn because(share: &str, class: &str, words: &str) -> Markup {
    html! { li { span.share { (share) } (swatch(class)) span.what { (words) } } }
}

/// The greys of what does not come from one event.
pub(super) const fn other(place: usize) -> &'static str {
    if place.is_multiple_of(2) { "other0" } else { "other1" }
}
