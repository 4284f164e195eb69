//! `wane fit`: train a model and save it.

use anyhow::Result;
use serde_json::json;
use wane::eval::{JudgeSettings, Span, Split, Targets};
use wane::events::format_days;
use wane::pipeline::{Contest, Dataset, compare, fit, learned, read};
use wane::recommend::{Learned, ModelSettings};

use super::evaluate::metric_table;
use crate::args::Fit;
use crate::config::Config;
use crate::terminal::{BarMonitor, Terminal, count, table};

/// The hold-out that is shown, and by which `best` is chosen.
const METRIC: &str = "ndcg@10";

/// Runs the command.
pub(crate) fn run(args: &Fit, terminal: Terminal) -> Result<()> {
    let config = Config::load(&args.shared)?;
    let data = read(&args.events.sources(Some(&args.catalogue))?)?;
    let with_relations = data.catalogue.as_ref().is_some_and(|catalogue| !catalogue.relations.is_empty());
    let names = if args.model == "best" { Vec::new() } else { vec![args.model.clone()] };
    let models = config.models(&names, with_relations)?;
    let models = models.into_iter().map(|model| args.trace.over(model)).collect::<Result<_>>()?;
    let monitor = terminal.logging_monitor(args.log_dir.as_deref())?;
    let (chosen, held_out) = hold_out(&data, models, args.shared.seed, &monitor)?;
    let artifact = fit(&data, &chosen, args.shared.seed, &monitor)?;
    drop(monitor);
    artifact.save(&args.out)?;
    let kernel = artifact.recommender()?.kernel().map(|kernel| kernel.common_half_life().days());
    let learned = learned(&artifact)?;
    if args.json {
        return terminal.json(&json!({
            "model": chosen,
            "events": data.log.len(),
            "half_life_days": kernel,
            "learned": learned,
            "hold_out": held_out.as_ref().map(|(evaluation, _)| evaluation),
            "out": args.out,
        }));
    }
    match held_out {
        Some((_, text)) => terminal.line(format!("Hold-out (last tenth of the time)\n{text}"))?,
        None => terminal.remark("The log is too short for a hold-out; no score is shown."),
    }
    if let Some(days) = kernel {
        terminal.line(format!("Half-life of an event in {}: {}", chosen.name(), format_days(days)))?;
    }
    if let Some(learned) = &learned {
        terminal.line(learned_tables(learned))?;
    }
    terminal.line(format!(
        "{}: {}, fitted on {} events of {} users. Ask it: wane recommend {} --user {} --explain",
        args.out.display(),
        chosen.name(),
        count(data.log.len() as u64),
        count(data.log.n_users() as u64),
        args.out.display(),
        data.log.users().name(0)
    ))
}

type HeldOut = Option<(wane::eval::Evaluation, String)>;

/// Judges the models on the last tenth of the log and takes the best; a log that cannot be split takes the first.
fn hold_out(
    data: &Dataset,
    models: Vec<ModelSettings>,
    seed: u64,
    monitor: &BarMonitor,
) -> Result<(ModelSettings, HeldOut)> {
    let first = models.first().cloned();
    let Ok(split) = Split::by_time(data.log.clone(), Span::Share(0.1), Span::Share(0.1), Targets::All) else {
        let chosen = first.map_or_else(|| ModelSettings::named("popularity"), Ok)?;
        return Ok((chosen, None));
    };
    let contest = Contest {
        models,
        judge: JudgeSettings { exclude_seen: false, seed },
        on_validation: false,
        trials: 0,
        metric: METRIC.to_owned(),
    };
    let comparison = compare(&split, data.catalogue.as_ref(), &contest, &[], |_| Ok(()), monitor)?;
    let text = metric_table(&comparison.evaluation, METRIC);
    Ok((comparison.settings[comparison.best].clone(), Some((comparison.evaluation, text))))
}

/// What a model learned, for people.
fn learned_tables(learned: &Learned) -> String {
    let scales = learned.scales.iter().map(|scale| {
        let kept = format!("{:.1} %", 100.0 * scale.kept_per_event);
        vec![format_days(scale.half_life_days), kept]
    });
    let types: Vec<&str> = learned.event_types.iter().map(|of_type| of_type.event_type.as_str()).collect();
    let half_lives: Vec<String> =
        learned.scales.iter().map(|scale| format_days(scale.half_life_days)).collect();
    let relations = learned.relations.iter().map(|relation| {
        let fresh = relation.fresh.iter().map(|weight| signed(*weight));
        [relation.relation.clone(), signed(relation.gain)].into_iter().chain(fresh).collect()
    });
    let of_types = learned.event_types.iter().map(|of_type| {
        let weights = of_type.weights.iter().map(|weight| signed(*weight));
        std::iter::once(of_type.event_type.clone()).chain(weights).collect()
    });
    let popularity = learned.popularity.iter().map(|popularity| {
        let span = popularity.half_life_days.map_or_else(|| "all time".to_owned(), format_days);
        vec![span, signed(popularity.weight)]
    });
    let half_lives: Vec<&str> = half_lives.iter().map(String::as_str).collect();
    [
        format!(
            "Learned time scales, and what one newer event leaves of an event's weight\n{}",
            table(&["half-life", "left"], scales)
        ),
        format!(
            "Relations: their gain, and what a fresh event of each type adds by them\n{}",
            table(&[&["relation", "gain"], &types[..]].concat(), relations)
        ),
        format!(
            "Event types: their weight in each time scale, for similar items\n{}",
            table(&[&["event type"], &half_lives[..]].concat(), of_types)
        ),
        format!("Popularity by half-life\n{}", table(&["half-life", "weight"], popularity)),
    ]
    .join("\n")
}

fn signed(weight: f32) -> String {
    format!("{weight:+.3}")
}
