//! Some users: what they did, what they are shown, and why.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::days::minute;
use super::number::{DASH, count, duration, signed, trimmed};
use super::page::Section;
use super::palette::Palette;
use super::reasons::{Piece, Reach, pieces, reason_bar};
use super::svg::clipped;
use super::timeline::{Timeline, recent};
use super::view::{ExampleUser, PastEvent, Report};

/// Letters of an item's title.
const TITLE_LETTERS: usize = 90;
/// Past events written out.
const EVENTS: usize = 10;

/// The section, unless there is no user.
pub(super) fn section(report: &Report) -> Option<Section> {
    let palette = Palette::of(&report.overview);
    let body = html! {
        p.soft {
            "What some users did, what they are shown, and why. A score is the sum of its reasons: each coloured piece is "
            "the exact share of one past event, grey is what many events or none account for, such as popularity. "
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
                " up to " (minute(user.as_of))
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
    let items: Vec<Vec<Piece>> = user.recommendations.iter().map(|item| pieces(item, palette)).collect();
    let reach = Reach::of(&items);
    html! {
        @if user.recommendations.is_empty() {
            p.soft { "Nothing: no item was left to show." }
        } @else {
            ol.list { @for (place, (item, pieces)) in user.recommendations.iter().zip(&items).enumerate() { li {
                div.entry {
                    span { (place + 1) ". " (clipped(&item.item, TITLE_LETTERS)) }
                    span.score { "score " (trimmed(item.score, reach.decimals())) }
                }
                (reason_bar(pieces, reach))
                (why(pieces, reach.decimals()))
            } } }
        }
    }
}

fn why(pieces: &[Piece], decimals: usize) -> Markup {
    html! {
        ul.why {
            @for piece in pieces { li {
                span.share { (signed(piece.share, decimals)) }
                (swatch(&piece.class))
                span.what { (piece.words) }
            } }
            @if pieces.is_empty() { li { span.what { (DASH) } } }
        }
    }
}
