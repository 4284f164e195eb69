//! `wane profile`: what users are interested in, some in full (and in words, where a language model is given) or all in tags.

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;
use wane::decay::intensity::Ahead;
use wane::eval::report;
use wane::events::{format_days, parse_days, write_table};
use wane::pipeline::{
    Dataset, Facts, HalfLifeBy, Interest, Profile as UserProfile, ProfileAsked, Tag, Tags, TagsAsked,
    draw_profile, facts, profiles, read, tags,
};
use wane_encode::{Decoder, Summary, TagWord, summarise};

use super::recommend::{asked_moment, titled};
use crate::args::Profile;
use crate::config::{share, told_apart};
use crate::terminal::{Terminal, count, table};

/// Tags of each user, and the least probability of one, where nothing is said.
const TOP: usize = 5;
const LEAST: f64 = 0.05;
/// Events of a sentence that are printed; the JSON has all.
const REASONS: usize = 3;
/// Heights of a course drawn in letters.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Letters of a course.
const LETTERS: usize = 16;

/// Runs the command.
pub(crate) fn run(args: &Profile, terminal: Terminal) -> Result<()> {
    let horizon = parse_days("horizon", &args.horizon)?;
    let sources = args.events.sources(Some(&args.catalogue))?;
    let kinds = kinds(args);
    let least = args.least.as_deref().map_or(Ok(LEAST), |text| share("least", text))?;
    let decoder = args.summarise.as_deref().map(Decoder::open).transpose()?;
    let spinner = terminal.spinner("reading and fitting");
    let data = read(&sources)?;
    let as_of = args.as_of.as_deref().map(|text| asked_moment(Some(text), &data.log)).transpose()?;
    if !args.tags {
        ensure!(kinds.len() == 1, "--user takes one --by; with --tags there may be several");
        let asked = ProfileAsked { by: kinds[0], as_of, horizon, users: &args.user };
        let found = profiles(&data.log, data.catalogue.as_ref(), asked)?;
        let told = decoder.map(|decoder| tell(&decoder, &data, kinds[0], &found)).transpose()?;
        spinner.finish_and_clear();
        draw(args, &data, &found)?;
        return show(args, terminal, kinds[0], found, told);
    }
    let asked = TagsAsked { kinds: &kinds, as_of, horizon, most: args.top.unwrap_or(TOP), least };
    let found = tags(&data.log, data.catalogue.as_ref(), asked)?;
    if let Some(out) = &args.out {
        write_table(&found.table()?, out)?;
    }
    spinner.finish_and_clear();
    if args.json { terminal.json(&found) } else { terminal.line(tag_words(&found, args.show)) }
}

fn kinds(args: &Profile) -> Vec<HalfLifeBy> {
    let default = if args.catalogue.catalogue.is_some() { HalfLifeBy::Category } else { HalfLifeBy::Item };
    let mut kinds: Vec<HalfLifeBy> = Vec::new();
    for kind in args.by.iter().map(|by| told_apart(*by)) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    if kinds.is_empty() { vec![default] } else { kinds }
}

fn draw(args: &Profile, data: &Dataset, found: &[UserProfile]) -> Result<()> {
    let Some(file) = &args.report else { return Ok(()) };
    let [found] = found else { bail!("--report draws one --user") };
    let page = report::render(&draw_profile(data, found));
    fs::write(file, page).with_context(|| file.display().to_string())
}

/// A profile with what is said of it.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    profile: UserProfile,
    #[serde(skip_serializing_if = "Option::is_none")]
    told: Option<Told>,
}

/// What is said of a profile, and what it rests on.
#[derive(Serialize)]
struct Told {
    facts: Facts,
    summary: Summary,
}

fn tell(decoder: &Decoder, data: &Dataset, by: HalfLifeBy, found: &[UserProfile]) -> Result<Vec<Told>> {
    let facts = facts(&data.log, data.catalogue.as_ref(), by, found)?;
    let told = |facts: Facts| -> Result<Told> { Ok(Told { summary: summarise(decoder, &facts)?, facts }) };
    facts.into_iter().map(told).collect()
}

fn show(
    args: &Profile,
    terminal: Terminal,
    by: HalfLifeBy,
    found: Vec<UserProfile>,
    told: Option<Vec<Told>>,
) -> Result<()> {
    let mut told = told.into_iter().flatten();
    let shown = found.into_iter().map(|profile| Shown { profile, told: told.next() });
    let shown: Vec<Shown> = shown.collect();
    if args.json {
        return if let [one] = &shown[..] { terminal.json(one) } else { terminal.json(&shown) };
    }
    let text = |own: &Shown| {
        let more = own.told.as_ref().map_or_else(String::new, |told| format!("\n\n{}", told_words(told)));
        format!("{}{more}", words(&own.profile, by, args.show))
    };
    terminal.line(shown.iter().map(text).collect::<Vec<_>>().join("\n\n"))
}

/// Tags, the paragraph and its reasons, for people.
fn told_words(told: &Told) -> String {
    let tag = |tag: &TagWord| {
        let word = &tag.word;
        format!("{} ({}, {} events)", word.word, word.kind, count(word.events.len() as u64))
    };
    let tags: Vec<String> = told.summary.tags.iter().map(tag).collect();
    let sentences = told.summary.sentences.iter();
    let sentences: Vec<String> = sentences.map(|own| format!("{} [{}]", own.text, own.statement)).collect();
    let reasons = (1..).zip(&told.facts.statements).map(|(number, statement)| {
        let events = statement.events.iter().take(REASONS);
        let events = events.map(|event| {
            let item = titled(&event.item, event.title.as_deref());
            format!("no. {} {} of {item}, {}", event.place, event.event_type, event.time)
        });
        let others = statement.events.len().saturating_sub(REASONS);
        let others = (others > 0).then(|| format!("{} before", count(others as u64)));
        format!("  [{number}] {}", events.chain(others).collect::<Vec<_>>().join("; "))
    });
    let reasons: Vec<String> = reasons.collect();
    format!("tags: {}\n\n{}\n\n{}", tags.join(", "), sentences.join(" "), reasons.join("\n"))
}

/// One user's interests, for people.
fn words(found: &UserProfile, by: HalfLifeBy, show: usize) -> String {
    let expected: f64 = found.interests.iter().map(|own| own.forecast.expected).sum();
    let shown = found.interests.iter().take(show);
    let rows = shown.map(|own| {
        let forecast = &own.forecast;
        vec![
            forecast.key.clone().unwrap_or_else(|| "all events".to_owned()),
            forecast.days.to_string(),
            format_days(forecast.last_seen_days),
            format!("{:.2}", forecast.per_day),
            course(own),
            format!("{:.1} %", 100.0 * forecast.probability),
            events(own),
            forecast.half_life_days.map_or_else(|| "–".to_owned(), format_days),
        ]
    });
    let head = [by.name(), "days", "last seen", "per day", "ahead", "probability", "events", "half-life now"];
    let hidden = found.interests.len().saturating_sub(show);
    let more = if hidden > 0 { format!("\n{hidden} less likely ones: see --show") } else { String::new() };
    format!(
        "{} as of {}: {} interests, {expected:.1} events to come in {}\n{}{more}",
        found.user,
        found.as_of,
        count(found.interests.len() as u64),
        format_days(found.horizon_days),
        table(&head, rows),
    )
}

/// Expected events with the interval of their number.
fn events(own: &Interest) -> String {
    let end = own.ahead.last();
    end.map_or_else(String::new, |end| format!("{:.1} [{:.0}, {:.0}]", end.events, end.low, end.high))
}

/// The expected rate of the days to come, as letters: full height is the highest of the interest.
fn course(own: &Interest) -> String {
    let highest = own.ahead.iter().map(|step| step.per_day).fold(f64::MIN_POSITIVE, f64::max);
    let letter = |step: &Ahead| {
        let height = (step.per_day / highest * (HEIGHTS.len() - 1) as f64).round() as usize;
        HEIGHTS[height.min(HEIGHTS.len() - 1)]
    };
    own.ahead.iter().step_by((own.ahead.len() / LETTERS).max(1)).map(letter).collect()
}

/// Tags, for people: a line for each user.
fn tag_words(found: &Tags, show: usize) -> String {
    let by_user: Vec<&[Tag]> =
        found.tags.chunk_by(|one, other| one.interest.user == other.interest.user).collect();
    let word = |tag: &Tag| {
        let half_life = tag
            .interest
            .half_life_days
            .map_or_else(String::new, |days| format!(", halves in {}", format_days(days)));
        let name = tag.interest.key.as_deref().unwrap_or("all events");
        format!("{name} ({:.0} %{half_life})", 100.0 * tag.interest.probability)
    };
    let rows = by_user
        .iter()
        .take(show)
        .map(|own| vec![own[0].interest.user.clone(), own.iter().map(word).collect::<Vec<_>>().join(", ")]);
    format!(
        "{} tags of {} users; in brackets the probability within {}\n{}",
        count(found.tags.len() as u64),
        count(by_user.len() as u64),
        format_days(found.horizon_days),
        table(&["user", "interested in"], rows)
    )
}
