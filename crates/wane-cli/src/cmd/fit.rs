//! `wane fit`: train a model and save it.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use wane::artifact::{Artifact, CheckpointFolder, Stage};
use wane::eval::{Evaluation, JudgeSettings, Protocol, Span, Split, Targets};
use wane::events::{EventLog, format_days};
use wane::pipeline::{Contest, Dataset, compare_as, fit_as, learned, read, read_onto, start};
use wane::recommend::{Checkpoint, Goal, Learned, ModelSettings, Start, Training};

use super::evaluate::metric_table;
use crate::args::{Fit, FitTargets};
use crate::config::Config;
use crate::terminal::{Terminal, count, table};

/// The hold-out that is shown, and by which `best` is chosen.
const METRIC: &str = "ndcg@10";
/// Questions of the hold-out at most. More would take longer and tell the same.
const CASES: usize = 20_000;

/// Runs the command.
pub(crate) fn run(args: &Fit, terminal: Terminal) -> Result<()> {
    let config = Config::load(&args.shared)?;
    let former = args.from.as_deref().map(Former::load).transpose()?;
    let sources = args.events.sources(Some(&args.catalogue))?;
    let data = match &former {
        Some(former) => read_onto(&former.artifact, &sources)?,
        None => read(&sources)?,
    };
    let models = models(args, &config, former.as_ref(), &data)?;
    let checkpoint = checkpoint(args, &models, terminal)?;
    let monitor = terminal.logging_monitor(args.log_dir.as_deref())?;
    let training = Training {
        goal: goal(args, former.as_ref()),
        start: former.as_ref().map(|former| &former.start),
        monitor: &monitor,
        ..Training::new(&data.log, data.catalogue.as_ref(), args.shared.seed)
    };
    let stages =
        checkpoint.as_ref().map(|folder| [Stage::HoldOut, Stage::Model].map(|stage| folder.stage(stage)));
    let stage = |place: usize| stages.as_ref().map(|stages| &stages[place] as &dyn Checkpoint);
    let (chosen, held_out) = hold_out(models, &Training { checkpoint: stage(0), ..training })?;
    let artifact = fit_as(&Training { checkpoint: stage(1), ..training }, &chosen)?;
    let goal = training.goal;
    drop(monitor);
    artifact.save(&args.out)?;
    if let Some(folder) = checkpoint {
        folder.remove()?;
    }
    report(args, &artifact, goal, held_out, former.as_ref(), terminal)
}

/// A fitted model to go on from.
struct Former {
    artifact: Artifact,
    start: Start,
}

impl Former {
    fn load(path: &Path) -> Result<Self> {
        let artifact = Artifact::load(path)?;
        let start = start(&artifact).with_context(|| path.display().to_string())?;
        Ok(Self { artifact, start })
    }
}

/// The models that compete, or the one that was asked for.
fn models(
    args: &Fit,
    config: &Config,
    former: Option<&Former>,
    data: &Dataset,
) -> Result<Vec<ModelSettings>> {
    let named = args.model.as_deref();
    let models = match former {
        Some(former) => {
            ensure!(
                named.is_none_or(|name| name == "trace"),
                "--from goes on with a trace model: leave --model out, or write --model trace"
            );
            vec![config.over(&former.artifact.settings)?]
        }
        None => {
            let names: Vec<String> =
                named.filter(|&name| name != "best").map(str::to_owned).into_iter().collect();
            config.models(&names, data.catalogue.as_ref())?
        }
    };
    models.into_iter().map(|model| args.trace.over(model)).collect()
}

fn goal(args: &Fit, former: Option<&Former>) -> Goal {
    match args.targets {
        None => former.map_or(Goal::NextItem, |former| former.start.goal()),
        Some(FitTargets::NextItem) => Goal::NextItem,
        Some(FitTargets::NextBasket) => Goal::NextBasket,
    }
}

/// The checkpoint folder, where one is asked for.
fn checkpoint(args: &Fit, models: &[ModelSettings], terminal: Terminal) -> Result<Option<CheckpointFolder>> {
    let Some(path) = &args.checkpoint else { return Ok(None) };
    ensure!(
        models.iter().any(|model| model.name() == "trace"),
        "--checkpoint keeps the state of models that learn in epochs: add --model trace, or leave it out"
    );
    ensure!(
        *path != args.out && Some(path) != args.from.as_ref(),
        "--checkpoint: {} is a model folder; name another folder for the state of training",
        path.display()
    );
    let folder = CheckpointFolder::open(path)?;
    if folder.is_begun() {
        terminal.remark(format!("{}: going on with the training that was interrupted", path.display()));
    }
    Ok(Some(folder))
}

/// Says what was fitted, and how well.
fn report(
    args: &Fit,
    artifact: &Artifact,
    goal: Goal,
    held_out: Option<HeldOut>,
    former: Option<&Former>,
    terminal: Terminal,
) -> Result<()> {
    let (chosen, log) = (&artifact.settings, &artifact.log);
    let kernel = artifact.recommender()?.kernel().map(|kernel| kernel.common_half_life().days());
    let learned = learned(artifact)?;
    let known = former.map(|former| former.artifact.log.len());
    if args.json {
        return terminal.json(&json!({
            "model": chosen,
            "targets": goal,
            "events": log.len(),
            "new_events": known.map(|known| log.len() - known),
            "half_life_days": kernel,
            "learned": learned,
            "hold_out": held_out.as_ref().map(|held_out| &held_out.evaluation),
            "tied": held_out.as_ref().map(|held_out| &held_out.tied),
            "out": args.out,
        }));
    }
    match held_out {
        Some(held_out) => {
            let asked = hold_out_in_words(former, &held_out);
            terminal.line(format!("{asked}\n{}", metric_table(&held_out.evaluation, METRIC)))?;
            if !held_out.tied.is_empty() {
                terminal.remark(format!(
                    "The hold-out does not tell {} from {}: {} is taken, the first of them. Name another with --model.",
                    chosen.name(),
                    held_out.tied.join(", "),
                    chosen.name()
                ));
            }
        }
        None if known == Some(log.len()) => {
            terminal
                .remark("No event is new: the model had learned every answer before, so no score is shown.");
        }
        None => terminal.remark("The log is too short for a hold-out; no score is shown."),
    }
    if let Some(days) = kernel {
        terminal.line(format!("Half-life of an event in {}: {}", chosen.name(), format_days(days)))?;
    }
    if let Some(learned) = &learned {
        terminal.line(learned_tables(learned))?;
    }
    let new_events =
        known.map_or_else(String::new, |known| format!(" ({} new)", count((log.len() - known) as u64)));
    terminal.line(format!(
        "{}: {}, fitted on {} events{new_events} of {} users. Ask it: wane recommend {} --user {} --explain",
        args.out.display(),
        chosen.name(),
        count(log.len() as u64),
        count(log.n_users() as u64),
        args.out.display(),
        log.users().name(0)
    ))
}

fn hold_out_in_words(former: Option<&Former>, held_out: &HeldOut) -> String {
    let part = if former.is_some() { "last tenth of the new events' time" } else { "last tenth of the time" };
    let asked = match held_out.targets {
        Targets::EachNextItem => "each item that came after another, since most users were not there before",
        Targets::NextBasket => "each user's next basket",
        Targets::NextItem | Targets::All => "each user's next item",
    };
    let (cases, all) = held_out.cases;
    let thinned = if cases < all {
        format!("; {} of {} questions, taken evenly", count(cases as u64), count(all as u64))
    } else {
        String::new()
    };
    format!("Hold-out ({part}): {asked}{thinned}")
}

/// How the models did before one was chosen.
struct HeldOut {
    evaluation: Evaluation,
    targets: Targets,
    /// Questions that were asked, and all that there are.
    cases: (usize, usize),
    /// Models that are as good as the chosen one.
    tied: Vec<String>,
}

/// Judges the models on the last tenth of the log and takes the best; a log that cannot be split takes the first.
fn hold_out(models: Vec<ModelSettings>, training: &Training<'_>) -> Result<(ModelSettings, Option<HeldOut>)> {
    let first = models.first().cloned();
    let Some(split) = split(training.log, training.goal, training.start) else {
        let chosen = first.map_or_else(|| ModelSettings::named("popularity"), Ok)?;
        return Ok((chosen, None));
    };
    let all_cases = split.test.cases.len();
    let split = split.with_at_most(CASES);
    let cases = split.test.cases.len();
    let contest = Contest {
        models,
        saved: Vec::new(),
        judge: JudgeSettings { exclude_seen: false, seed: training.seed },
        on_validation: false,
        trials: 0,
        metric: METRIC.to_owned(),
    };
    let comparison = compare_as(&split, &contest, &[], |_| Ok(()), training)?;
    let name = |&place: &usize| comparison.settings[place].name().to_owned();
    let targets = match split.protocol {
        Protocol::TimeSplit { targets, .. } => targets,
        _ => Targets::NextItem,
    };
    let tied = comparison.tied.iter().map(name).collect();
    let chosen = comparison.settings[comparison.best].clone();
    let cases = (cases, all_cases);
    Ok((chosen, Some(HeldOut { evaluation: comparison.evaluation, targets, cases, tied })))
}

/// The last tenth of the time as test, the one before as validation. A model that goes on has learned the answers of the
/// time that it knows, so only the time after it is split.
fn split(log: &EventLog, goal: Goal, start: Option<&Start>) -> Option<Split> {
    let tenth = match start {
        None => Span::Share(0.1),
        Some(start) => Span::Days(log.span()?.1.days_since(start.newest_event(log)?) / 10.0),
    };
    let split = match goal {
        Goal::NextItem => Split::by_next_item(log.clone(), tenth, tenth),
        Goal::NextBasket => Split::by_time(log.clone(), tenth, tenth, Targets::NextBasket),
    };
    split.ok()
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
    let ages: Vec<String> = learned.ages.iter().map(|&age| format_days(age)).collect();
    let ages: Vec<&str> = ages.iter().map(String::as_str).collect();
    let by_age = learned.relations.iter().map(|relation| {
        let by_age = relation.by_age.iter().map(|share| signed(*share));
        std::iter::once(relation.relation.clone()).chain(by_age).collect()
    });
    let departments = learned.departments.iter().map(|department| {
        let half_life = department.half_life_days.map_or_else(|| "not seen".to_owned(), format_days);
        let name = department.department.clone().unwrap_or_else(|| "(all others)".to_owned());
        let by_age = department.by_age.iter().map(|share| signed(*share));
        [name, format_days(department.peak_days), half_life].into_iter().chain(by_age).collect()
    });
    let of_types = learned.event_types.iter().map(|of_type| {
        let weights = of_type.weights.iter().map(|weight| signed(*weight));
        std::iter::once(of_type.event_type.clone()).chain(weights).collect()
    });
    let popularity = learned.popularity.iter().map(|popularity| {
        let span = popularity.half_life_days.map_or_else(|| "all time".to_owned(), format_days);
        vec![span, signed(popularity.weight), signed(popularity.familiar)]
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
            "Relations: what an event adds by them as it ages, with {:.2} newer ones a day\n{}",
            learned.pace,
            table(&[&["relation"], &ages[..]].concat(), by_age)
        ),
        format!(
            "The same item again: the age at which an event speaks loudest for it, the half-life from then on, and its \
             course\n{}",
            table(&[&["department", "loudest", "half-life"], &ages[..]].concat(), departments)
        ),
        format!(
            "Event types: their weight in each time scale, for similar items\n{}",
            table(&[&["event type"], &half_lives[..]].concat(), of_types)
        ),
        format!(
            "Popularity by half-life, and for items of the user's history, which start {} ahead\n{}",
            signed(learned.familiar),
            table(&["half-life", "weight", "familiar"], popularity)
        ),
    ]
    .join("\n")
}

fn signed(weight: f32) -> String {
    format!("{weight:+.3}")
}
