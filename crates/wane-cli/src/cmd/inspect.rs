//! `wane inspect`: what Wane understands of a log.

use anyhow::Result;
use wane::events::read::{Inspection, read_events};

use crate::args::Inspect;
use crate::terminal::{Terminal, count, table};

/// Runs the command.
pub(crate) fn run(args: &Inspect, terminal: Terminal) -> Result<()> {
    let sources = args.events.sources(None)?;
    let spinner = terminal.spinner("reading");
    let (_, inspection) = read_events(&sources.events, &sources.options)?;
    spinner.finish_and_clear();
    if args.json { terminal.json(&inspection) } else { terminal.line(words(&inspection)) }
}

/// The account for people.
pub(crate) fn words(inspection: &Inspection) -> String {
    let mut lines = Vec::new();
    for file in &inspection.files {
        let columns: Vec<String> =
            file.columns.iter().map(|(role, column)| format!("{role} = {column}")).collect();
        lines.push(format!("{} ({} rows)", file.path, count(file.rows)));
        lines.push(format!("  columns: {}", columns.join(", ")));
        if !file.unused.is_empty() {
            lines.push(format!("  not used: {}", file.unused.join(", ")));
        }
        lines.push(format!("  times: {}", file.time));
    }
    let span = match (&inspection.first, &inspection.last) {
        (Some(first), Some(last)) => format!("{first} to {last}"),
        _ => "no events".to_owned(),
    };
    lines.push(format!(
        "\n{} events of {} users on {} items, {span}",
        count(inspection.accepted),
        count(inspection.users),
        count(inspection.items)
    ));
    lines.push(account(inspection));
    for reason in &inspection.rejected_rows {
        lines.push(format!("  first `{}`: {}", reason.reason, reason.first));
    }
    let rows = |counts: &[(String, u64)]| {
        table(&["", "events"], counts.iter().map(|(n, c)| vec![n.clone(), count(*c)]))
    };
    let types: Vec<_> = inspection.event_types.iter().map(|(name, n)| (name.clone(), *n)).collect();
    lines.push(format!("\nEvent types\n{}", rows(&types)));
    let gaps: Vec<_> = inspection.profile.gaps.iter().map(|bin| (bin.gap.to_owned(), bin.count)).collect();
    lines.push(format!("\nTime from one event of a user to the next\n{}", rows(&gaps)));
    lines.push(format!("\nExact duplicates among the events: {}", count(inspection.duplicates)));
    if !inspection.bot_like_users.is_empty() {
        let shown: Vec<_> = inspection.bot_like_users.iter().take(5).cloned().collect();
        lines.push(format!(
            "Users who act like machines: {} ({}{}); leave them out with --max-events-per-day",
            inspection.bot_like_users.len(),
            shown.join(", "),
            if shown.len() < inspection.bot_like_users.len() { ", …" } else { "" }
        ));
    }
    lines.join("\n")
}

/// What became of every row: the numbers add up.
fn account(inspection: &Inspection) -> String {
    let mut rows = vec![vec!["accepted".to_owned(), count(inspection.accepted)]];
    let mut add = |prefix: &str, counts: &std::collections::BTreeMap<String, u64>| {
        rows.extend(counts.iter().map(|(reason, n)| vec![format!("{prefix}: {reason}"), count(*n)]));
    };
    add("rejected", &inspection.rejected);
    add("dropped", &inspection.dropped);
    rows.push(vec!["all rows".to_owned(), count(inspection.rows)]);
    let mut of_accepted = Vec::new();
    of_accepted
        .extend(inspection.repaired.iter().map(|(what, n)| format!("  mended: {what}, {} times", count(*n))));
    of_accepted.extend(inspection.rules.iter().map(|(rule, n)| format!("  rule {rule}: {} rows", count(*n))));
    let mut text = format!("\nWhat became of the rows\n{}", table(&["", "rows"], rows));
    for line in of_accepted {
        text.push('\n');
        text.push_str(&line);
    }
    text
}
