//! `wane forecast`: who is still a customer, who will want what; `wane evaluate --task forecast`: how good that is.

mod users;

use std::fs;

use anyhow::{Context, Result, ensure};
use wane::decay::activity::ActivityLaw;
use wane::eval::{Estimate, ForecastResult, report};
use wane::events::{format_days, parse_days, write_table};
use wane::pipeline::{
    ForecastEvaluation, HalfLifeBy, InterestForecasts, customer_forecasts, draw_forecasts,
    evaluate_forecasts, interest_forecasts, read,
};

use crate::args::{ActivityModel, Evaluate, Forecast, ProtocolName};
use crate::config::told_apart;
use crate::terminal::{Terminal, count, table};

/// Runs the command.
pub(crate) fn run(args: &Forecast, terminal: Terminal) -> Result<()> {
    let horizon = parse_days("horizon", &args.horizon)?;
    ensure!(
        args.by.is_some() || args.catalogue.catalogue.is_none(),
        "--catalogue says what users want, which is forecast with --by; leave it out or add --by category"
    );
    ensure!(
        args.by.is_none() || args.model.is_none(),
        "--model says how users come back and leave, which is forecast without --by; leave one of both out"
    );
    let law = args.model.map(|model| match model {
        ActivityModel::BgNbd => ActivityLaw::BgNbd,
        ActivityModel::ParetoNbd => ActivityLaw::ParetoNbd,
    });
    let sources = args.events.sources(Some(&args.catalogue))?;
    let spinner = terminal.spinner("reading and fitting");
    if let Some(by) = args.by {
        let data = read(&sources)?;
        let found = interest_forecasts(&data.log, data.catalogue.as_ref(), told_apart(by), horizon)?;
        if let Some(out) = &args.out {
            write_table(&found.table()?, out)?;
        }
        spinner.finish_and_clear();
        return if args.json {
            terminal.json(&found)
        } else {
            terminal.line(interest_words(&found, args.show))
        };
    }
    let found = customer_forecasts(&read(&sources)?.log, horizon, law)?;
    if let Some(out) = &args.out {
        write_table(&found.table()?, out)?;
    }
    spinner.finish_and_clear();
    if args.json { terminal.json(&found) } else { terminal.line(users::words(&found, args.show)) }
}

/// Forecasts by category, for people.
fn interest_words(found: &InterestForecasts, show: usize) -> String {
    let mut best: Vec<_> = found.interests.iter().collect();
    best.sort_by(|one, other| {
        let by_name = || (&one.user, &one.key).cmp(&(&other.user, &other.key));
        other.probability.total_cmp(&one.probability).then_with(by_name)
    });
    best.truncate(show);
    let rows = best.iter().map(|own| {
        vec![
            own.user.clone(),
            own.key.clone().unwrap_or_default(),
            own.days.to_string(),
            format_days(own.last_seen_days),
            format!("{:.1} %", 100.0 * own.probability),
            format!("{:.2}", own.expected),
            own.half_life_days.map_or_else(String::new, format_days),
        ]
    });
    let expected: f64 = found.interests.iter().map(|own| own.probability).sum();
    format!(
        "{} interests of users: {:.0} will be acted on in {}\n\nThe likeliest\n{}",
        count(found.interests.len() as u64),
        expected,
        format_days(found.horizon_days),
        table(&["user", "interest", "days", "last seen", "probability", "events", "half-life now"], rows)
    )
}

/// Flags of the ranking task that were given all the same.
fn of_ranking(args: &Evaluate) -> Vec<&'static str> {
    let flags = [
        ("--protocol", args.protocol != ProtocolName::TimeSplit),
        ("--targets", args.targets.is_some()),
        ("--test-span", args.test_span.is_some()),
        ("--valid-span", args.valid_span.is_some()),
        ("--train", args.train.is_some()),
        ("--valid", args.valid.is_some()),
        ("--test", args.test.is_some()),
        ("--negatives", args.negatives.is_some()),
        ("--valid-negatives", args.valid_negatives.is_some()),
        ("--withhold-items", args.withhold_items.is_some()),
        ("--exclude-seen", args.exclude_seen),
        ("--models", !args.models.is_empty()),
        ("--model", !args.model.is_empty()),
        ("--no-relations", args.no_relations),
        ("--tune", args.tune > 0),
        ("--log-dir", args.log_dir.is_some()),
        ("--on-validation", args.on_validation),
        ("--config", args.shared.config.is_some()),
    ];
    flags.into_iter().filter(|(_, is_given)| *is_given).map(|(flag, _)| flag).collect()
}

/// Judges forecasts.
pub(crate) fn evaluate(args: &Evaluate, terminal: Terminal) -> Result<()> {
    let strange = of_ranking(args);
    ensure!(strange.is_empty(), "{} belong to --task ranking; leave them out here", strange.join(", "));
    let horizon = parse_days("horizon", args.horizon.as_deref().unwrap_or("14d"))?;
    let sources = args.events.sources(Some(&args.catalogue))?;
    ensure!(
        !sources.events.is_empty(),
        "no log: name at least one file, e.g. wane evaluate events.csv --task forecast"
    );
    let default =
        if args.catalogue.catalogue.is_some() { HalfLifeBy::Category } else { HalfLifeBy::EventType };
    let by = args.by.map_or(default, told_apart);
    let spinner = terminal.spinner("reading and fitting");
    let data = read(&sources)?;
    let found = evaluate_forecasts(&data.log, data.catalogue.as_ref(), by, horizon, args.shared.seed)?;
    spinner.finish_and_clear();
    if let Some(file) = &args.report {
        let page = report::render(&draw_forecasts(&data, &found));
        fs::write(file, page).with_context(|| file.display().to_string())?;
    }
    if args.json { terminal.json(&found) } else { terminal.line(judgement(&found)) }
}

/// How good forecasts are, for people.
fn judgement(found: &ForecastEvaluation) -> String {
    let estimate = |own: &Estimate| format!("{:.5} [{:.5}, {:.5}]", own.value, own.lo, own.hi);
    let difference = |own: &Option<Estimate>| own.as_ref().map_or_else(String::new, estimate);
    let row = |own: &ForecastResult| {
        vec![
            own.model.clone(),
            estimate(&own.brier),
            difference(&own.brier_difference),
            estimate(&own.log_likelihood),
            difference(&own.log_likelihood_difference),
            format!("{:.4}", own.ece),
            format!("{:.4}", own.ece_by_chance),
            format!("{:.4}", own.auc),
        ]
    };
    let head = [
        "model",
        "Brier [95 %]",
        "to the first",
        "log-likelihood [95 %]",
        "to the first",
        "ECE",
        "by chance",
        "AUC",
    ];
    let bins = found.models.first().map_or(&[][..], |own| &own.reliability);
    let bins = bins.iter().map(|bin| {
        let share = |share: f64| format!("{:.2} %", 100.0 * share);
        vec![share(bin.probability), share(bin.came), count(bin.pairs)]
    });
    format!(
        "{} interests of users as of {}: {:.2} % were acted on within {}\n{}\n\nWhat {} said, and what came\n{}",
        count(found.pairs),
        found.at,
        100.0 * found.came,
        format_days(found.horizon_days),
        table(&head, found.models.iter().map(row)),
        found.models.first().map_or("", |own| &own.model),
        table(&["said", "came", "interests"], bins)
    )
}
