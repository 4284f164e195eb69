//! `wane recommend`: top-K for one user or many, with reasons.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use wane::artifact::Artifact;
use wane::events::read::{ReadOptions, Table, is_user_column, read_events};
use wane::events::{EventLog, Timestamp, UserId, format_days, join, write_table};
use wane::pipeline::{Asked, answers, answers_table, over_catalogue};
use wane::recommend::{Answer, AnsweredItem, Backfill, Filter, FilterSettings, ListSettings};

use super::features::just_after;
use crate::args::{CatalogueArgs, Recommend};
use crate::config::moment;
use crate::terminal::{Terminal, table};

/// Runs the command.
pub(crate) fn run(args: &Recommend, terminal: Terminal) -> Result<()> {
    let artifact = model(&args.model, &args.catalogue)?;
    let log = histories(&artifact, &args.events, terminal)?;
    let catalogue = artifact.catalogue.as_ref();
    let filter = Filter::new(
        &FilterSettings {
            exclude: args.exclude.clone(),
            no_repeat: args.no_repeat,
            expression: args.filter.clone(),
            ..FilterSettings::default()
        },
        log.items(),
        catalogue,
    )?;
    let users = users(args, &log)?;
    let as_of = asked_moment(args.as_of.as_deref(), &log)?;
    let list = ListSettings { k: args.k as usize, diversity: args.diversity };
    let reasons = (args.explain || args.json).then_some(usize::MAX);
    let asked = Asked { as_of, list, filter: &filter, reasons };
    let model = Backfill::new(artifact.recommender()?, &artifact.log);
    let lists = answers(&model, &log, catalogue, &users, &asked)?;
    match &args.out {
        Some(path) => {
            write_lists(&lists, path)?;
            terminal.line(format!("{}: {} lists", path.display(), lists.len()))
        }
        None if args.json => terminal.json(&lists),
        None => lists.iter().try_for_each(|answer| terminal.line(words(answer, args.explain))),
    }
}

/// A model, over a newer catalogue where one is named.
pub(crate) fn model(path: &Path, catalogue: &CatalogueArgs) -> Result<Artifact> {
    let artifact = Artifact::load(path)?;
    if catalogue.is_named() { Ok(over_catalogue(artifact, &catalogue.sources()?)?) } else { Ok(artifact) }
}

/// The model's histories, with newer events where they are given.
pub(crate) fn histories(artifact: &Artifact, newer: &[PathBuf], terminal: Terminal) -> Result<EventLog> {
    if newer.is_empty() {
        return Ok(artifact.log.clone());
    }
    let (newer, _) = read_events(newer, &ReadOptions::default())?;
    let known = artifact.log.items();
    let strange = newer.items().iter().filter(|name| known.position(name).is_none()).count();
    if strange > 0 {
        terminal.remark(format!(
            "{strange} items of the newer events are unknown to the model; fit it again, or name a --catalogue that has them"
        ));
    }
    let known_types = artifact.log.event_types();
    let strange_types: Vec<_> =
        newer.event_types().iter().filter(|name| !known_types.contains(name)).map(String::as_str).collect();
    if !strange_types.is_empty() {
        terminal.remark(format!(
            "events of type {} weigh nothing: the model knows {}",
            strange_types.join(", "),
            known_types.join(", ")
        ));
    }
    Ok(join(&[&artifact.log, &newer.over_items(known)])?.log)
}

fn users(args: &Recommend, log: &EventLog) -> Result<Vec<UserId>> {
    let names: Vec<String> = match (&args.user, &args.users) {
        (Some(user), _) => vec![user.clone()],
        (None, Some(path)) if path == Path::new("all") => {
            return Ok((0..log.n_users() as u32).map(UserId).collect());
        }
        (None, Some(path)) => user_column(path)?,
        (None, None) => bail!("name a user with --user ID, or a file of users with --users FILE"),
    };
    names.iter().map(|name| user(name, log)).collect()
}

/// A user by id.
pub(crate) fn user(name: &str, log: &EventLog) -> Result<UserId> {
    log.users().position(name).map(UserId).with_context(|| {
        let near = log.users().name(0);
        format!("user `{name}` has no events in the model's log (ids look like `{near}`); give newer events with --events")
    })
}

/// The moment of a question; by default the first at which every event is known.
pub(crate) fn asked_moment(written: Option<&str>, log: &EventLog) -> Result<Timestamp> {
    written.map_or_else(|| Ok(just_after(log.span())), moment)
}

fn user_column(path: &Path) -> Result<Vec<String>> {
    let table = Table::open(path)?;
    let column = table.names().iter().find(|name| is_user_column(name)).and_then(|name| table.column(name));
    let column = column.with_context(|| {
        let found = table.names().join(", ");
        format!(
            "{}: no user column. Columns found: {found}. Name it user_id in the first line",
            path.display()
        )
    })?;
    Ok((0..table.rows()).filter_map(|row| column.text(row)).map(str::to_owned).collect())
}

/// By the file's ending: JSON lines with one answer per line, or a table with one item per row.
fn write_lists(lists: &[Answer<'_>], path: &Path) -> Result<()> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    if ending != "jsonl" {
        return Ok(write_table(&answers_table(lists)?, path)?);
    }
    let mut file = BufWriter::new(File::create(path).with_context(|| path.display().to_string())?);
    for answer in lists {
        serde_json::to_writer(&mut file, answer)?;
        writeln!(file)?;
    }
    file.flush().with_context(|| path.display().to_string())
}

/// An answer for people.
pub(crate) fn words(answer: &Answer<'_>, explain: bool) -> String {
    let rows = answer.items.iter().zip(1..).map(|(item, place)| {
        let mut row = vec![
            format!("{place:>2}  {}", titled(&item.item, item.title.as_deref())),
            format!("{:.4}", item.score),
        ];
        if explain {
            row.push(reasons(item));
        }
        row
    });
    let header: &[&str] = if explain { &["item", "score", "because"] } else { &["item", "score"] };
    format!("For {} as of {}\n{}", answer.user, answer.as_of, table(header, rows))
}

/// An item by title and id.
pub(crate) fn titled(item: &str, title: Option<&str>) -> String {
    title.map_or_else(|| item.to_owned(), |title| format!("{title} ({item})"))
}

/// The three greatest reasons in words, the rest summed up.
fn reasons(item: &AnsweredItem<'_>) -> String {
    let total = item.weight();
    let percent = |share: f64| if total == 0.0 { 0.0 } else { 100.0 * share / total };
    let mut lines: Vec<String> = item
        .reasons
        .iter()
        .take(3)
        .map(|reason| {
            let event = &reason.event;
            let what = event.title.as_ref().unwrap_or(&event.item);
            let age = format_days(reason.age_days);
            format!(
                "{:.0} % {} of {what}, {age} ago ({})",
                percent(reason.share),
                event.event_type,
                reason.relation
            )
        })
        .collect();
    let rest: f64 = item.reasons.iter().skip(3).map(|reason| reason.share).sum();
    if item.reasons.len() > 3 {
        lines.push(format!("{:.0} % {} other events", percent(rest), item.reasons.len() - 3));
    }
    let others = item.remainder.iter().filter(|(_, share)| percent(**share).abs() >= 0.5);
    lines.extend(others.map(|(name, share)| format!("{:.0} % {name}", percent(*share))));
    lines.join("\n")
}
