//! `wane forecast`: who is still a customer, and how many visits are to come.

use anyhow::Result;
use wane::events::{format_days, parse_days, write_table};
use wane::pipeline::{CustomerForecasts, customer_forecasts, read};

use crate::args::Forecast;
use crate::terminal::{Terminal, count, table};

/// Runs the command.
pub(crate) fn run(args: &Forecast, terminal: Terminal) -> Result<()> {
    let horizon = parse_days("horizon", &args.horizon)?;
    let sources = args.events.sources(None)?;
    let spinner = terminal.spinner("reading and fitting");
    let found = customer_forecasts(&read(&sources)?.log, horizon)?;
    if let Some(out) = &args.out {
        write_table(&found.table()?, out)?;
    }
    spinner.finish_and_clear();
    if args.json { terminal.json(&found) } else { terminal.line(words(&found, args)) }
}

/// What was found, for people.
fn words(found: &CustomerForecasts, args: &Forecast) -> String {
    let parameters = found.model.parameters.iter().map(|parameter| {
        vec![
            parameter.name.to_owned(),
            format!("{:.4}", parameter.value),
            format!("{:.4}", parameter.standard_error),
        ]
    });
    let sum =
        |value: fn(&wane::pipeline::CustomerForecast) -> f64| found.users.iter().map(value).sum::<f64>();
    let mut best: Vec<_> = found.users.iter().collect();
    best.sort_by(|one, other| {
        other.expected.total_cmp(&one.expected).then_with(|| one.user.cmp(&other.user))
    });
    best.truncate(args.show);
    let rows = best.iter().map(|own| {
        vec![
            own.user.clone(),
            own.visit.repeats.to_string(),
            format_days(own.visit.age_days - own.visit.recency_days),
            format!("{:.1} %", 100.0 * own.active),
            format!("{:.2}", own.expected),
        ]
    });
    format!(
        "{} users: {:.0} are still active, {:.0} visits are to come in {}\n\nHow they come back and leave (BG/NBD{})\n{}\n\
         \nThose of whom most is to come\n{}",
        count(found.users.len() as u64),
        sum(|own| own.active),
        sum(|own| own.expected),
        format_days(found.horizon_days),
        if found.model.is_held { "; so little to go by that a prior holds it" } else { "" },
        table(&["parameter", "estimate", "standard error"], parameters),
        table(&["user", "repeats", "last seen", "active", "to come"], rows)
    )
}
