//! `wane halflife`: how long interest lives, by event type and category.

mod effects;

use std::fs;

use anyhow::{Context, Result};
use wane::decay::survival::{Interval, ReturnLaw};
use wane::error::Error;
use wane::eval::report;
use wane::events::{format_days, write_table};
use wane::pipeline::{
    HalfLifeBy, HalfLifeCell, HalfLives, HalfLivesAsked, draw_half_lives, half_lives, read,
};

use crate::args::Halflife;
use crate::config::told_apart;
use crate::terminal::{Terminal, count, table};

/// The probability below which a change is marked.
const RARE: f64 = 0.05;

/// The distance between law and counts from which a law describes nothing.
const MISFIT: f64 = 0.2;

/// Runs the command.
pub(crate) fn run(args: &Halflife, terminal: Terminal) -> Result<()> {
    if args.effects {
        return effects::run(args, terminal);
    }
    let asked =
        HalfLivesAsked { by: by(args), law: law(&args.law)?, drift: args.drift, engagement: args.engagement };
    let sources = args.events.sources(Some(&args.catalogue))?;
    let spinner = terminal.spinner("reading");
    let data = read(&sources)?;
    spinner.finish_and_clear();
    let bar = terminal.bar("fitting laws of return", 0);
    let found = half_lives(&data.log, data.catalogue.as_ref(), asked, &|done, of| {
        bar.set_length(of);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    if let Some(out) = &args.out {
        write_table(&found.table()?, out)?;
    }
    if let Some(file) = &args.report {
        let page = report::render(&draw_half_lives(&data, &found, asked.by));
        fs::write(file, page).with_context(|| file.display().to_string())?;
    }
    if args.json { terminal.json(&found) } else { terminal.line(words(&found, args, asked.by)) }
}

fn by(args: &Halflife) -> HalfLifeBy {
    match args.by {
        Some(by) => told_apart(by),
        None if args.catalogue.catalogue.is_some() => HalfLifeBy::Department,
        None => HalfLifeBy::EventType,
    }
}

fn law(name: &str) -> Result<Option<ReturnLaw>> {
    if name == "best" {
        return Ok(None);
    }
    let law = ReturnLaw::ALL.into_iter().find(|law| law.name() == name);
    let names = ReturnLaw::ALL.map(ReturnLaw::name).join(", ");
    Ok(Some(law.ok_or_else(|| Error::setting("law", format!("best, {names}"), name))?))
}

/// What was found, for people.
fn words(found: &HalfLives, args: &Halflife, by: HalfLifeBy) -> String {
    let mut parts = vec![format!(
        "Return of interest: the age by which half of those who come back have done so\n{}",
        cells(
            &found.event_types.iter().collect::<Vec<_>>(),
            "",
            Shown { drift: args.drift && found.cells.is_empty(), engagement: args.engagement }
        )
    )];
    if !found.cells.is_empty() {
        let mut most: Vec<&HalfLifeCell> = found.cells.iter().collect();
        most.sort_by_key(|cell| std::cmp::Reverse(cell.gaps));
        most.truncate(args.show);
        let half_life = |cell: &HalfLifeCell| cell.half_life_days.map_or(f64::INFINITY, |own| own.value);
        most.sort_by(|a, b| a.event_type.cmp(&b.event_type).then(half_life(a).total_cmp(&half_life(b))));
        parts.push(format!(
            "\nBy {}, shortest first\n{}",
            by.name(),
            cells(&most, by.name(), Shown { drift: args.drift, engagement: args.engagement })
        ));
        let hidden = found.cells.len() - most.len();
        if hidden > 0 {
            parts.push(format!("{} more cells with fewer gaps: see --show and --out", count(hidden as u64)));
        }
    }
    let is_off = |cell: &&HalfLifeCell| cell.law.as_ref().is_some_and(|law| law.misfit > MISFIT);
    let off = found.event_types.iter().chain(&found.cells).filter(is_off).count() as u64;
    if off > 0 {
        parts.push(format!(
            "{} of the cells are described by no law (misfit above {:.0} %): trust their Kaplan-Meier",
            count(off),
            100.0 * MISFIT
        ));
    }
    parts.push(
        "Kaplan-Meier: the age by which half of all have come back. Never: the share that will not. Bump: when goods run out."
            .to_owned(),
    );
    parts.join("\n")
}

/// Columns that were asked for.
#[derive(Clone, Copy)]
struct Shown {
    drift: bool,
    engagement: bool,
}

fn cells(cells: &[&HalfLifeCell], key: &str, shown: Shown) -> String {
    let mut header = vec![
        "event type",
        key,
        "gaps",
        "half-life",
        "95 %",
        "law",
        "never",
        "bump",
        "Kaplan-Meier",
        "misfit",
    ];
    if shown.drift {
        header.push("changed");
    }
    if shown.engagement {
        header.extend(["engagement halves", "95 %", "alpha", "R2"]);
    }
    if key.is_empty() {
        header.remove(1);
    }
    let rows = cells.iter().map(|cell| {
        let law = cell.law.as_ref();
        let mut row = vec![cell.event_type.clone()];
        row.extend((!key.is_empty()).then(|| cell.key.clone().unwrap_or_default()));
        row.push(count(cell.gaps));
        row.push(cell.half_life_days.map_or_else(dash, |own| format_days(own.value)));
        row.push(cell.half_life_days.map_or_else(dash, range));
        row.push(law.map_or_else(|| "too few returns".to_owned(), |law| law.law.name().to_owned()));
        row.push(law.map_or_else(dash, |law| {
            let share = law.never_returns.map_or(0.0, |never| never.value);
            format!("{:.0} %", 100.0 * share)
        }));
        row.push(law.and_then(|law| law.bump_days).map_or_else(dash, format_days));
        row.push(cell.median_days.map_or_else(dash, |own| format_days(own.value)));
        row.push(law.map_or_else(dash, |law| format!("{:.1} %", 100.0 * law.misfit)));
        if shown.drift {
            row.push(cell.drift.as_ref().map_or_else(dash, |drift| {
                let ends = drift.paces.last().zip(drift.paces.first());
                let change = ends.map_or(0.0, |(last, first)| 100.0 * (last.value / first.value - 1.0));
                if drift.p_value < RARE {
                    format!("{change:+.0} % (p {:.3})", drift.p_value)
                } else {
                    "no".to_owned()
                }
            }));
        }
        if shown.engagement {
            row.extend(engagement(cell));
        }
        row
    });
    table(&header, rows)
}

fn engagement(cell: &HalfLifeCell) -> [String; 4] {
    let Some(law) = cell.engagement else { return [(); 4].map(|()| dash()) };
    [
        format_days(law.half_life_days.value),
        range(law.half_life_days),
        format!("{:.2}", law.alpha.value),
        format!("{:.2}", law.r_squared),
    ]
}

fn range(interval: Interval) -> String {
    format!("{} to {}", format_days(interval.low), format_days(interval.high))
}

fn dash() -> String {
    "–".to_owned()
}
