//! `wane halflife --effects`: what goes along with early and late returns.

use anyhow::Result;
use wane::decay::survival::Interval;
use wane::events::write_table;
use wane::pipeline::{Effect, Effects, EffectsAsked, effects, read};

use super::{by, law};
use crate::args::Halflife;
use crate::terminal::{Terminal, count, table};

/// Gaps at most that are looked at.
const MOST_GAPS: usize = 500_000;
/// The seed of a sample where none was given.
const SEED: u64 = 42;

/// Runs the command.
pub(super) fn run(args: &Halflife, terminal: Terminal) -> Result<()> {
    let asked = EffectsAsked {
        by: by(args),
        law: law(&args.law)?,
        value_is_price: args.value_is_price,
        most_gaps: MOST_GAPS,
        seed: args.seed.unwrap_or(SEED),
    };
    let sources = args.events.sources(Some(&args.catalogue))?;
    let spinner = terminal.spinner("reading and fitting");
    let data = read(&sources)?;
    let found = effects(&data.log, data.catalogue.as_ref(), asked)?;
    spinner.finish_and_clear();
    if let Some(out) = &args.out {
        write_table(&found.table()?, out)?;
    }
    if args.json { terminal.json(&found) } else { terminal.line(words(&found)) }
}

/// What was found, for people.
fn words(found: &Effects) -> String {
    let rows = found.effects.iter().map(|effect| {
        let against = if effect.against.is_empty() { "–" } else { &effect.against };
        vec![
            effect.feature.clone(),
            against.to_owned(),
            factor(effect.hazard_ratio),
            factor(effect.half_life_factor),
            reading(effect),
        ]
    });
    let mut parts = vec![format!(
        "What goes along with early and late returns: {} gaps of {} users, {} returned\n{}",
        count(found.gaps),
        count(found.users),
        count(found.returned),
        table(&["feature", "compared with", "hazard ratio, 95 %", "half-life times, 95 %", "in words"], rows)
    )];
    parts.extend(remarks(found));
    parts.join("\n")
}

/// `1.40 (1.31 to 1.50)`.
fn factor(own: Interval) -> String {
    format!("{:.2} ({:.2} to {:.2})", own.value, own.low, own.high)
}

/// An effect in plain words: said where both regressions say it surely.
fn reading(effect: &Effect) -> String {
    let (ratio, times) = (effect.hazard_ratio, effect.half_life_factor);
    if effect.is_held {
        "no bound: see below".to_owned()
    } else if ratio.low > 1.0 && times.high < 1.0 {
        format!("comes back {:.2} times as soon", 1.0 / times.value)
    } else if ratio.high < 1.0 && times.low > 1.0 {
        format!("takes {:.2} times as long", times.value)
    } else if is_sure(ratio) || is_sure(times) {
        "unsure: the two regressions differ".to_owned()
    } else {
        "no clear effect".to_owned()
    }
}

fn is_sure(own: Interval) -> bool {
    own.low > 1.0 || own.high < 1.0
}

/// What else there is to know.
fn remarks(found: &Effects) -> Vec<String> {
    let mut remarks = vec![format!(
        "Gaps are compared within {} baselines, one per {}. Of two gaps the one with the higher hazard ends first in {:.1} % \
         (50 % is chance). Half-lives by {} law{}.",
        count(found.baselines),
        if found.by == "event-type" {
            "event type".to_owned()
        } else {
            format!("event type and {}", found.by)
        },
        100.0 * found.concordance,
        if found.shape.is_some() { "a Weibull" } else { "an exponential" },
        found.shape.map_or_else(String::new, |shape| format!(" of shape {:.2}", shape.value)),
    )];
    if found.small_cells > 0 {
        remarks.push(format!(
            "{} cells with fewer than ten returns share a baseline per event type.",
            count(found.small_cells)
        ));
    }
    if found.users < found.of_users {
        remarks.push(format!(
            "A sample of {} of {} users was looked at; see --seed.",
            count(found.users),
            count(found.of_users)
        ));
    }
    if !found.has_robust_errors {
        remarks
            .push("Fewer than ten users: intervals take gaps as independent and are too narrow.".to_owned());
    }
    let held: Vec<&str> =
        found.effects.iter().filter(|own| own.is_held).map(|own| own.feature.as_str()).collect();
    if !held.is_empty() {
        remarks.push(format!(
            "No bound for {}: all such gaps ended or none did, or another feature says the same. A ridge holds it.",
            held.join(", ")
        ));
    }
    remarks.extend(found.left_out.iter().map(|own| format!("Left out: {} ({}).", own.name, own.why)));
    remarks.push("These go along with returns; that they cause them is not said.".to_owned());
    remarks
}
