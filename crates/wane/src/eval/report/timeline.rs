//! A user's past on one line per event type, by age.
//!
//! Age is drawn by its logarithm, now on the right: decay halves by ratios of age, not by differences, so a minute
//! and an hour deserve as much room as a month and five years.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::number::{count, duration};
use super::page::figure;
use super::palette::Palette;
use super::scale::{Scale, age_ticks};
use super::svg::{Alt, clipped, clipped_text, dot, rule, svg, text};
use super::view::{ExampleUser, PastEvent};

/// Dots at most.
const DOTS: usize = 400;
/// Rows at most; further event types share the last.
const ROWS: usize = 6;
const ROW: f64 = 26.0;
const LEFT: f64 = 120.0;
const RIGHT: f64 = 930.0;
/// Room that the word `now` needs.
const NOW: f64 = 44.0;
/// Ages below a minute are drawn as a minute.
const LEAST: f64 = 1.0 / 1440.0;

/// The timeline of one user.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeline<'a> {
    pub(super) user: &'a ExampleUser,
    pub(super) palette: &'a Palette<'a>,
}

/// Past events, latest first.
pub(super) fn recent(user: &ExampleUser) -> Vec<&PastEvent> {
    let mut events: Vec<&PastEvent> = user.history.iter().collect();
    events.sort_by_key(|event| std::cmp::Reverse(event.time));
    events
}

impl Timeline<'_> {
    /// Draws the timeline.
    pub(super) fn draw(&self) -> Markup {
        let events: Vec<&PastEvent> = recent(self.user).into_iter().take(DOTS).collect();
        let rows = rows(&events);
        let height = ROW * (rows.values().max().map_or(0, |row| row + 1)) as f64;
        let scale = self.scale(&events);
        let body = html! {
            @for (name, row) in &rows {
                @let y = ROW * *row as f64 + ROW / 2.0;
                @if *row + 1 < ROWS || rows.len() <= ROWS { (clipped_text("word", (LEFT - 14.0, y + 4.0), "end", name, 15)) }
                (rule("grid", (LEFT, y), (RIGHT, y)))
            }
            @if rows.len() > ROWS { (text("word", (LEFT - 14.0, height - ROW / 2.0 + 4.0), "end", "others")) }
            @for (x, name) in age_ticks(&scale).into_iter().map(|(days, name)| (scale.place(days), name)) {
                (rule("axis", (x, 0.0), (x, height + 4.0)))
                @if RIGHT - x > NOW { (text("tick", (x, height + 17.0), "middle", name)) }
            }
            (rule("mark", (RIGHT, 0.0), (RIGHT, height + 4.0)))
            (text("tick", (RIGHT, height + 17.0), "middle", "now"))
            @for event in events.iter().rev() { (self.event(event, &rows, &scale)) }
        };
        let title = format!("History of {}", clipped(&self.user.user, 60));
        let alt = Alt { title: &title, description: "One dot per past event, by age, now on the right" };
        html! { div.timeline { (figure(svg(960.0, height + 22.0, alt, body), self.caption())) } }
    }

    fn caption(&self) -> Markup {
        html! {
            b { "History by age. " } "One dot per event, the newest on the right; the scale is logarithmic."
            @if self.user.history.len() > DOTS {
                " The latest " (DOTS) " of " (count(self.user.history.len() as u64)) " events are drawn."
            }
        }
    }

    fn event(&self, event: &PastEvent, rows: &BTreeMap<&str, usize>, scale: &Scale) -> Markup {
        let age = self.user.as_of.days_since(event.time);
        let row = rows.get(event.event_type.as_str()).copied().unwrap_or(0);
        let word = format!(
            "{} {}, {} before",
            clipped(&event.event_type, 30),
            clipped(&event.item, 80),
            duration(age)
        );
        let class = format!("dot {}", self.palette.class(&event.event_type));
        dot(&class, (scale.place(age.max(LEAST)), ROW * row as f64 + ROW / 2.0), 5.0, &word)
    }

    fn scale(&self, events: &[&PastEvent]) -> Scale {
        let ages = || events.iter().map(|event| self.user.as_of.days_since(event.time).max(LEAST));
        let (least, most) = (ages().fold(f64::INFINITY, f64::min), ages().fold(LEAST, f64::max));
        Scale::log(least / 2.0, (most * 1.25).max(least * 10.0), RIGHT, LEFT)
    }
}

/// The row of each event type, the most frequent on top.
fn rows<'a>(events: &[&'a PastEvent]) -> BTreeMap<&'a str, usize> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for event in events {
        *counts.entry(&event.event_type).or_default() += 1;
    }
    let mut names: Vec<(&str, usize)> = counts.into_iter().collect();
    names.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    names.into_iter().enumerate().map(|(row, (name, _))| (name, row.min(ROWS - 1))).collect()
}
