//! `wane explain`: why an item has its score, and what it would be if some events had not happened.

use anyhow::{Context, Result};
use wane::events::{EventLog, ItemId, format_days};
use wane::pipeline::{Account, GroupShare, Why, Without, account};
use wane::recommend::{AnsweredEvent, AnsweredReason, Backfill};

use super::recommend::{asked_moment, histories, model, titled, user};
use crate::args::Explain;
use crate::terminal::{Terminal, count, table};

/// Reasons that are printed where not all are asked for.
const REASONS: usize = 20;

/// Runs the command.
pub(crate) fn run(args: &Explain, terminal: Terminal) -> Result<()> {
    let artifact = model(&args.model, &args.catalogue)?;
    let log = histories(&artifact, &args.events, terminal)?;
    let why = Why {
        user: user(&args.user, &log)?,
        item: item(&args.item, &log)?,
        as_of: asked_moment(args.as_of.as_deref(), &log)?,
        without: &args.without,
    };
    // As it is asked by `wane recommend`, or the scores would be others.
    let model = Backfill::new(artifact.recommender()?, &artifact.log);
    let account = account(&model, &log, artifact.catalogue.as_ref(), &why)?;
    if args.json { terminal.json(&account) } else { terminal.line(words(&account, args.all)) }
}

fn item(name: &str, log: &EventLog) -> Result<ItemId> {
    log.items().position(name).map(ItemId).with_context(|| {
        let near = log.items().name(0);
        format!("item `{name}` is unknown to the model (ids look like `{near}`); name a --catalogue that has it, or fit it again with events that do")
    })
}

fn words(account: &Account<'_>, all: bool) -> String {
    let answer = &account.answer;
    let mut text = format!(
        "{} for {} as of {}\nscore {:.4}, rank {} of {} items, {} events known\n\n{}",
        titled(&answer.item, answer.title.as_deref()),
        account.user,
        account.as_of,
        answer.score,
        count(account.rank as u64),
        count(account.items as u64),
        count(account.events as u64),
        shares(account, if all { usize::MAX } else { REASONS }),
    );
    let groups = [
        ("category", &account.by_category),
        ("event type", &account.by_event_type),
        ("relation", &account.by_relation),
    ];
    for (name, groups) in groups.into_iter().filter(|(_, groups)| !groups.is_empty()) {
        text += &format!("\n\n{}", group_table(name, groups, answer.weight()));
    }
    if let Some(without) = &account.without {
        text += &format!("\n\n{}", comparison(account, without));
    }
    text
}

/// The greatest reasons, the others in one, remainders and their sum.
fn shares(account: &Account<'_>, most: usize) -> String {
    let answer = &account.answer;
    let row = |what: [String; 5], share: f64| {
        what.into_iter().chain([format!("{share:+.4}"), percent(share, answer.weight())]).collect()
    };
    let reason = |reason: &AnsweredReason<'_>| {
        let event = &reason.event;
        let age = format_days(reason.age_days);
        let what =
            [event.place.to_string(), name(event), age, decimals(reason.decay), reason.relation.to_string()];
        row(what, reason.share)
    };
    let blank = |name: &str| ["", name, "", "", ""].map(str::to_owned);
    let mut rows: Vec<Vec<String>> = answer.reasons.iter().take(most).map(reason).collect();
    let others = answer.reasons.get(most..).unwrap_or_default();
    if !others.is_empty() {
        let share = others.iter().map(|reason| reason.share).sum();
        rows.push(row(blank(&format!("{} smaller reasons (see them with --all)", others.len())), share));
    }
    rows.extend(answer.remainder.iter().map(|(name, share)| row(blank(name), *share)));
    let sum = format!("{:+.4}", answer.sum());
    rows.push(["", "sum", "", "", "", &sum, ""].map(str::to_owned).into());
    table(&["no.", "event", "age", "decay", "relation", "share", "%"], rows)
}

fn group_table(name: &str, groups: &[GroupShare], weight: f64) -> String {
    let rows = groups
        .iter()
        .map(|group| vec![group.name.clone(), format!("{:+.4}", group.share), percent(group.share, weight)]);
    table(&[name, "share", "%"], rows)
}

fn comparison(account: &Account<'_>, without: &Without<'_>) -> String {
    let (score, rank) = (account.answer.score, account.rank);
    let row = |name: String, score: String, rank: String| vec![name, score, rank];
    let events: Vec<String> = without.events.iter().map(|event| event.place.to_string()).collect();
    let rows = [
        row("as it is".to_owned(), format!("{score:.4}"), count(rank as u64)),
        row(
            format!("without {}", events.join(", ")),
            format!("{:.4}", without.score),
            count(without.rank as u64),
        ),
        row(
            "difference".to_owned(),
            format!("{:+.4}", without.score - score),
            format!("{:+}", without.rank as i64 - rank as i64),
        ),
    ];
    let events: Vec<String> =
        without.events.iter().map(|event| format!("  {}  {}", event.place, name(event))).collect();
    format!(
        "If these events had not happened\n{}\n{}",
        events.join("\n"),
        table(&["", "score", "rank"], rows)
    )
}

fn name(event: &AnsweredEvent<'_>) -> String {
    format!("{} of {}, {}", event.event_type, titled(&event.item, event.title.as_deref()), event.time)
}

fn percent(share: f64, weight: f64) -> String {
    if weight == 0.0 { "–".to_owned() } else { format!("{:.1}", 100.0 * share / weight) }
}

/// Small weights keep their first digits.
fn decimals(decay: f64) -> String {
    if decay >= 1e-3 || decay == 0.0 { format!("{decay:.3}") } else { format!("{decay:.0e}") }
}
