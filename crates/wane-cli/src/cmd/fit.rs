//! `wane fit`: train a model and save it.

use anyhow::Result;
use serde_json::json;
use wane::eval::{JudgeSettings, Span, Split, Targets};
use wane::events::format_days;
use wane::pipeline::{Contest, Dataset, compare, fit, read};
use wane::recommend::ModelSettings;

use super::evaluate::metric_table;
use crate::args::Fit;
use crate::config::Config;
use crate::terminal::{Terminal, count};

/// The hold-out that is shown, and by which `best` is chosen.
const METRIC: &str = "ndcg@10";

/// Runs the command.
pub(crate) fn run(args: &Fit, terminal: Terminal) -> Result<()> {
    let config = Config::load(&args.shared)?;
    let data = read(&args.events.sources(Some(&args.catalogue))?)?;
    let with_relations = data.catalogue.as_ref().is_some_and(|catalogue| !catalogue.relations.is_empty());
    let names = if args.model == "best" { Vec::new() } else { vec![args.model.clone()] };
    let models = config.models(&names, with_relations)?;
    let (chosen, table) = hold_out(&data, models, args.shared.seed, terminal)?;
    let artifact = fit(&data, &chosen, args.shared.seed, &terminal.monitor())?;
    artifact.save(&args.out)?;
    let kernel = artifact.recommender()?.kernel().map(|kernel| kernel.common_half_life().days());
    if args.json {
        return terminal.json(&json!({
            "model": chosen,
            "events": data.log.len(),
            "half_life_days": kernel,
            "hold_out": table.as_ref().map(|(evaluation, _)| evaluation),
            "out": args.out,
        }));
    }
    match table {
        Some((_, text)) => terminal.line(format!("Hold-out (last tenth of the time)\n{text}"))?,
        None => terminal.remark("The log is too short for a hold-out; no score is shown."),
    }
    if let Some(days) = kernel {
        terminal.line(format!("Half-life of an event in {}: {}", chosen.name(), format_days(days)))?;
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
    terminal: Terminal,
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
    let monitor = terminal.monitor();
    let comparison = compare(&split, data.catalogue.as_ref(), &contest, &[], |_| Ok(()), &monitor)?;
    let text = metric_table(&comparison.evaluation, METRIC);
    Ok((comparison.settings[comparison.best].clone(), Some((comparison.evaluation, text))))
}
