//! A user's interest as text: tags, and a paragraph of which each sentence tells one statement.
//!
//! A small model that writes freely invents (asked to word "soft drinks, 2 purchases in the last 30 days, 11 before", SmolLM2-135M
//! wrote "the last 30 days before a purchase of 2 soft drinks"), so it never does:
//!
//! - **Sentences** are chains of slots. What a statement says (names, numbers, how it changes) stands in every alternative of its slot;
//!   the model chooses between wordings that say the same ([`crate::Reading::choose`]), having read the paragraph so far. Whatever it
//!   chooses is as true as the statement. Left alone it says everything in the same way, so of all wordings those are offered that the
//!   paragraph has least often.
//! - **Tags** are [`Word`]s of the catalogue that the user's events carry, never others. A word counts
//!   `ln(weight) + ln p(word | statements) - ln p(word | nothing)`, with probabilities per token: how telling it is by
//!   the log, and how much likelier the statements make it to the model than it is anyhow. One that shares a word with a better one
//!   is left out.

use std::collections::BTreeSet;

use serde::Serialize;
use wane::events::format_days;
use wane::pipeline::{Facts, Statement, Trend, Word};

use crate::decoder::Decoder;
use crate::error::Result;

/// Tags of a user.
const TAGS: usize = 5;
/// What tags are asked after: with statements, and without.
const NOTES: &str = "Notes on a customer of a shop.\n\n";
const ASKED: &str = "\n\nIn a word, this customer likes";
/// Before a paragraph, so that the model takes up its tone.
const PARAGRAPH: &str = "The interests of a customer, in plain words:\n\n";

/// A user's interest as text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The best first.
    pub tags: Vec<TagWord>,
    /// The paragraph, one for each statement and in the same order.
    pub sentences: Vec<Sentence>,
}

/// A word that says what a user likes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TagWord {
    /// The catalogue's word, and the events that it comes from.
    #[serde(flatten)]
    pub word: Word,
    /// What it counts for.
    pub score: f64,
}

/// One sentence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sentence {
    /// The number of the statement that it tells, from 1.
    pub statement: usize,
    /// Its words.
    pub text: String,
}

/// Words what is known of a user.
///
/// # Errors
/// [`crate::Error::Text`] where the model's tokeniser fails or it cannot look back that far.
pub fn summarise(decoder: &Decoder, facts: &Facts) -> Result<Summary> {
    Ok(Summary { tags: tags(decoder, facts)?, sentences: sentences(decoder, facts)? })
}

fn tags(decoder: &Decoder, facts: &Facts) -> Result<Vec<TagWord>> {
    let names: Vec<String> = facts.statements.iter().map(name).collect();
    let with = decoder.read(&format!("{NOTES}Interests: {}.{ASKED}", names.join(", ")))?;
    let without = decoder.read(&format!("{NOTES}{ASKED}"))?;
    let score = |word: &Word| {
        let text = format!(" {}", word.word);
        Ok(word.weight.ln() + with.likelihood(&text)? - without.likelihood(&text)?)
    };
    let scored = facts.words.iter().map(|word| Ok(TagWord { word: word.clone(), score: score(word)? }));
    let mut scored: Vec<TagWord> = scored.collect::<Result<_>>()?;
    // A stable order: equals stay as telling as they are.
    scored.sort_by(|a, b| b.score.total_cmp(&a.score));
    let (mut tags, mut said) = (Vec::new(), BTreeSet::new());
    for tag in scored {
        let words: Vec<&str> = tag.word.word.split(|letter: char| !letter.is_alphanumeric()).collect();
        if words.iter().any(|word| said.contains(*word)) {
            continue;
        }
        said.extend(words.into_iter().filter(|word| !word.is_empty()).map(str::to_owned));
        tags.push(tag);
        if tags.len() == TAGS {
            break;
        }
    }
    Ok(tags)
}

fn sentences(decoder: &Decoder, facts: &Facts) -> Result<Vec<Sentence>> {
    let mut reading = decoder.read(PARAGRAPH)?;
    let mut sentences = Vec::new();
    let (mut former, mut paragraph) = (None, String::new());
    for (number, statement) in (1..).zip(&facts.statements) {
        let (text, longer) = reading.choose(&slots(statement, former, facts.horizon_days, &paragraph))?;
        sentences.push(Sentence { statement: number, text: text.trim().to_owned() });
        paragraph += &text;
        (reading, former) = (longer, Some(statement.trend));
    }
    Ok(sentences)
}

/// The ways to tell a statement after another one, in a paragraph so far. Whatever is chosen, the facts are the same.
fn slots(statement: &Statement, former: Option<Trend>, horizon: f64, paragraph: &str) -> Vec<Vec<String>> {
    let (forecast, ahead) = (&statement.interest, format_days(horizon));
    let with = |wordings: &[&str], fact: &str| -> Vec<String> {
        fresh(wordings, paragraph).map(|wording| format!("{wording}{fact}")).collect()
    };
    let openings: &[&str] = match former {
        None => &[" Interest"],
        Some(former) if former == statement.trend => &[
            " Interest",
            " Likewise, interest",
            " In addition, interest",
            " Also, interest",
            " Next, interest",
        ],
        Some(_) => &[" Interest", " However, interest", " Meanwhile, interest", " By contrast, interest"],
    };
    let mut slots = vec![with(openings, &format!(" in {}", name(statement)))];
    let probability = format!(" {:.0} % within {ahead}", 100.0 * forecast.probability);
    if let Some((changes, before)) = change(statement.trend) {
        slots.push(with(changes, ""));
        let recent = format!(" {} in the last {ahead}", days(statement.recent_days, "events"));
        slots.push(with(&[", with", ":", ", at"], &recent));
        slots.push(with(before, &format!(" {} in the {ahead} before", statement.former_days)));
        slots.push(with(&[", and shows again with a probability of", ", and has a chance of"], &probability));
    } else {
        let shows = [
            " shows again with a probability of",
            " comes back with a probability of",
            " has a probability of",
            " has a chance of",
        ];
        slots.push(with(&shows, &probability));
        slots.push(with(
            &[", after", ", following", ", given"],
            &format!(" {}", days(forecast.days, &events(statement))),
        ));
        let last = format!(" {} ago", format_days(forecast.last_seen_days));
        slots.push(with(&[", the last", ", the latest", ", most recently"], &last));
    }
    if let Some(half_life) = forecast.half_life_days {
        let fades = ["; what an event excites halves in", "; what an event excites fades by half in"];
        slots.push(with(&fades, &format!(" {}", format_days(half_life))));
    }
    slots.push(with(&["."], ""));
    slots
}

/// Words for a change, and for what was before it.
fn change(trend: Trend) -> Option<(&'static [&'static str], &'static [&'static str])> {
    match trend {
        Trend::Steady => None,
        Trend::Rising => {
            Some((&[" is rising", " is growing", " is on the rise"], &[" after", " against", ", up from"]))
        }
        Trend::Waning => {
            Some((&[" is waning", " is fading", " is on the wane"], &[" after", " against", ", down from"]))
        }
    }
}

/// The wordings that a paragraph has least often.
fn fresh<'a>(wordings: &'a [&str], paragraph: &str) -> impl Iterator<Item = &'a str> {
    let counts: Vec<usize> = wordings.iter().map(|wording| paragraph.matches(wording).count()).collect();
    let least = counts.iter().copied().min();
    wordings.iter().copied().zip(counts).filter(move |(_, count)| Some(*count) == least).map(|own| own.0)
}

/// The most special part of a category's path, and the one above it.
fn name(statement: &Statement) -> String {
    let key = statement.interest.key.as_deref().unwrap_or("all events");
    let mut parts = key.rsplit(" > ").map(str::to_lowercase);
    let own = parts.next().unwrap_or_default();
    parts.next().map_or_else(|| own.clone(), |above| format!("{above} ({own})"))
}

fn days(days: u64, events: &str) -> String {
    format!("{days} {} with {events}", if days == 1 { "day" } else { "days" })
}

/// What was done: one kind of event, or the most frequent of several.
fn events(statement: &Statement) -> String {
    let kind = statement.event_type.as_str();
    match statement.events.iter().all(|event| event.event_type == kind) {
        true if kind == "event" => "events".to_owned(),
        true => format!("{kind} events"),
        false => format!("events, most often {kind}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wane::pipeline::InterestForecast;

    fn statement(trend: Trend, half_life_days: Option<f64>) -> Statement {
        let interest = InterestForecast {
            user: "u".to_owned(),
            key: Some("GROCERY > TEA > GREEN".to_owned()),
            days: 1,
            last_seen_days: 2.13,
            per_day: 0.25,
            probability: 0.874,
            expected: 3.0,
            half_life_days,
        };
        let (recent_days, former_days) = (9, 2);
        let event_type = "view".to_owned();
        Statement { interest, event_type, trend, recent_days, former_days, events: Vec::new() }
    }

    /// All sentences that slots allow.
    fn all(slots: &[Vec<String>]) -> Vec<String> {
        slots.iter().fold(vec![String::new()], |texts, slot| {
            texts.iter().flat_map(|text| slot.iter().map(move |own| format!("{text}{own}"))).collect()
        })
    }

    #[test]
    fn every_wording_tells_the_same_facts() {
        let steady: &[&str] = &["tea (green)", "87 % within 30 d", "1 day with view events", "2.1 d ago"];
        let changing: &[&str] = &[
            "tea (green)",
            "9 days with events in the last 30 d",
            "2 in the 30 d before",
            "87 % within 30 d",
        ];
        for (trend, facts) in [(Trend::Steady, steady), (Trend::Rising, changing), (Trend::Waning, changing)]
        {
            for former in [None, Some(Trend::Steady), Some(Trend::Waning)] {
                for (half_life, told) in [(None, None), (Some(4.0), Some("4 d"))] {
                    for text in all(&slots(&statement(trend, half_life), former, 30.0, "")) {
                        let mut rest = text.clone();
                        for fact in facts.iter().copied().chain(told) {
                            assert_eq!(rest.matches(fact).count(), 1, "{fact}: {text}");
                            rest = rest.replace(fact, "");
                        }
                        assert!(!rest.contains(|letter: char| letter.is_ascii_digit()), "{text}");
                        assert_eq!(text.contains(" is "), trend != Trend::Steady, "{text}");
                        assert!(text.starts_with(' ') && text.ends_with('.'), "{text}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_was_said_is_said_otherwise() {
        let words = [" is rising", " is growing"];
        let left = |paragraph: &str| fresh(&words, paragraph).collect::<Vec<_>>();
        assert_eq!(left(""), words);
        assert_eq!(left(" Tea is rising."), [" is growing"]);
        assert_eq!(left(" Tea is growing. Jam is rising."), words);
    }
}
