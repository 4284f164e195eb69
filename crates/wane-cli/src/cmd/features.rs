//! `wane features`: a point-in-time correct feature table.

use anyhow::Result;
use wane::decay::HalfLife;
use wane::decay::features::{FeatureSettings, Per, features};
use wane::events::{Timestamp, parse_days, write_table};
use wane::pipeline::read;

use crate::args::{FeatureRow, Features};
use crate::config::moment;
use crate::terminal::{Terminal, count};

/// Runs the command.
pub(crate) fn run(args: &Features, terminal: Terminal) -> Result<()> {
    let settings = FeatureSettings {
        per: match args.per {
            FeatureRow::User => Per::User,
            FeatureRow::Item => Per::Item,
            FeatureRow::UserCategory => Per::UserCategory,
            FeatureRow::UserItem => Per::UserItem,
        },
        half_lives: args
            .half_lives
            .iter()
            .map(|text| Ok(HalfLife::from_days(parse_days("half-lives", text)?)?))
            .collect::<Result<_>>()?,
        ..FeatureSettings::default()
    };
    let asked = args.as_of.as_deref().map(moment).transpose()?;
    let spinner = terminal.spinner("computing features");
    let data = read(&args.events.sources(Some(&args.catalogue))?)?;
    let as_of = asked.unwrap_or_else(|| just_after(data.log.span()));
    let table = features(&data.log, data.catalogue.as_ref(), as_of, &settings)?;
    let batch = table.to_batch()?;
    write_table(&batch, &args.out)?;
    spinner.finish_and_clear();
    terminal.line(format!(
        "{}: {} rows, {} columns, as of {as_of}",
        args.out.display(),
        count(table.len() as u64),
        batch.num_columns()
    ))
}

/// The first moment at which every event of a log is known.
pub(crate) fn just_after(span: Option<(Timestamp, Timestamp)>) -> Timestamp {
    span.map_or(Timestamp::from_millis(0), |(_, last)| {
        Timestamp::from_millis(last.millis().saturating_add(1))
    })
}
