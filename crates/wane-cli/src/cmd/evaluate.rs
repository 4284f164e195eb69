//! `wane evaluate`: an honest comparison of models.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use wane::artifact::{Artifact, JsonLines};
use wane::eval::report::render;
use wane::eval::{Evaluation, Finding, JudgeSettings, Severity, Split, Targets, Trial, give_negatives};
use wane::events::{EventLog, join};
use wane::pipeline::{Comparison, Contest, Dataset, Picture, Sources, compare, draw, read, start};
use wane::recommend::Start;

use crate::args::{Evaluate, EventArgs, ProtocolName, TargetsName, Task};
use crate::config::{Config, share, span};
use crate::terminal::{Terminal, table};

/// Runs the command.
pub(crate) fn run(args: &Evaluate, terminal: Terminal) -> Result<()> {
    if args.task == Task::Forecast {
        return super::forecast::evaluate(args, terminal);
    }
    ensure!(
        args.by.is_none() && args.horizon.is_none(),
        "--by and --horizon belong to --task forecast; leave them out here"
    );
    let config = Config::load(&args.shared)?;
    let (data, split) = prepare(args, terminal)?;
    let metric = if args.protocol == ProtocolName::NextItem { "mrr@20" } else { "ndcg@10" };
    let contest = Contest {
        models: config.models(&args.models, data.catalogue.as_ref())?,
        saved: args.model.iter().map(|folder| saved(folder)).collect::<Result<_>>()?,
        judge: JudgeSettings { exclude_seen: args.exclude_seen, seed: args.shared.seed },
        on_validation: args.on_validation,
        trials: u64::from(args.tune),
        metric: metric.to_owned(),
    };
    let comparison = compete(args, &data, &split, &contest, terminal)?;
    if let Some(path) = &args.report {
        let files = EventArgs::names(&log_files(args));
        let title = format!("Models compared on {}", files.join(", "));
        let picture = Picture { title, files, metric: metric.to_owned(), truth: Vec::new() };
        let page = render(&draw(&data, &split, &comparison, &picture));
        std::fs::write(path, page).with_context(|| path.display().to_string())?;
        terminal.remark(format!("report: {}", path.display()));
    }
    if args.json {
        return terminal.json(&comparison.evaluation);
    }
    terminal.line(metric_table(&comparison.evaluation, metric))?;
    terminal.line(part_table(&comparison.evaluation, metric))?;
    terminal.line(findings(&comparison.evaluation.leakage))
}

/// A saved model, by the name of its folder.
fn saved(folder: &Path) -> Result<(String, Start)> {
    let name = folder.display().to_string();
    let start = start(&Artifact::load(folder)?).with_context(|| name.clone())?;
    Ok((name, start))
}

fn compete(
    args: &Evaluate,
    data: &Dataset,
    split: &Split,
    contest: &Contest,
    terminal: Terminal,
) -> Result<Comparison> {
    let monitor = terminal.logging_monitor(args.log_dir.as_deref())?;
    let catalogue = data.catalogue.as_ref();
    Ok(match &args.trials {
        None => compare(split, catalogue, contest, &[], |_| Ok(()), &monitor)?,
        Some(path) => {
            let (mut lines, done): (_, Vec<Trial>) = JsonLines::open(path)?;
            compare(split, catalogue, contest, &done, |trial| lines.append(trial), &monitor)?
        }
    })
}

/// Reads what is asked for and splits it.
fn prepare(args: &Evaluate, terminal: Terminal) -> Result<(Dataset, Split)> {
    let mut sources = args.events.sources(Some(&args.catalogue))?;
    sources.without_relations = args.no_relations;
    let of_time_split = args.targets.is_some() || args.test_span.is_some() || args.valid_span.is_some();
    ensure!(
        args.protocol == ProtocolName::TimeSplit || !of_time_split,
        "--targets, --test-span and --valid-span belong to --protocol time-split; leave them out here"
    );
    let spinner = terminal.spinner("reading");
    let (data, split) = match args.protocol {
        ProtocolName::TimeSplit => split_by_time(args, &sources)?,
        ProtocolName::LeaveOneOut => {
            let data = read(&one_log(args, sources)?)?;
            let split = Split::leave_one_out(data.log.clone())?;
            (data, split)
        }
        ProtocolName::PreSplit => pre_split(args, &sources, false)?,
        ProtocolName::NextItem => pre_split(args, &sources, true)?,
    };
    let mut split = match &data.catalogue {
        Some(catalogue) => split.with_dated_items(catalogue),
        None => split,
    };
    if let Some(text) = &args.withhold_items {
        split = split.withholding(share("withhold-items", text)?, args.shared.seed)?;
    }
    if let Some(path) = &args.negatives {
        give_negatives(path, &split.log, &mut split.test.cases)?;
    }
    if let Some(path) = &args.valid_negatives {
        give_negatives(path, &split.log, &mut split.validation.cases)?;
    }
    spinner.finish_and_clear();
    Ok((data, split))
}

/// The sources of a protocol that splits by itself: files named as parts count as one log.
fn one_log(args: &Evaluate, mut sources: Sources) -> Result<Sources> {
    sources.events.extend([&args.train, &args.valid, &args.test].into_iter().flatten().cloned());
    ensure!(!sources.events.is_empty(), "no log: name at least one file, e.g. wane evaluate events.csv");
    Ok(sources)
}

fn split_by_time(args: &Evaluate, sources: &Sources) -> Result<(Dataset, Split)> {
    let targets = match args.targets {
        None | Some(TargetsName::All) => Targets::All,
        Some(TargetsName::NextBasket) => Targets::NextBasket,
        Some(TargetsName::NextItem) => Targets::NextItem,
    };
    let length = |flag, text: &Option<String>| span(flag, text.as_deref().unwrap_or("10%"));
    let (valid, test) = (length("valid-span", &args.valid_span)?, length("test-span", &args.test_span)?);
    let data = read(&one_log(args, sources.clone())?)?;
    let split = Split::by_time(data.log.clone(), valid, test, targets)?;
    Ok((data, split))
}

fn pre_split(args: &Evaluate, sources: &Sources, sessions: bool) -> Result<(Dataset, Split)> {
    let (Some(train), Some(valid), Some(test)) = (&args.train, &args.valid, &args.test) else {
        bail!("this protocol needs --train, --valid and --test");
    };
    ensure!(sources.events.is_empty(), "this protocol reads --train, --valid and --test, and no other files");
    let part = |name: &str, path: &PathBuf| {
        let mut own =
            Sources { events: vec![path.clone()], catalogue: None, vectors: None, ..sources.clone() };
        own.options.rejects = own.options.rejects.map(|path| part_file(&path, name));
        read(&own)
    };
    let parts = [part("train", train)?, part("valid", valid)?, part("test", test)?];
    let logs: Vec<&EventLog> = parts.iter().map(|part| &part.log).collect();
    let mut joined = join(&logs)?;
    let [Dataset { mut inspection, .. }, valid, test] = parts;
    inspection.add_rows(valid.inspection);
    inspection.add_rows(test.inspection);
    let data = Dataset { log: joined.log, catalogue: None, inspection, catalogue_inspection: None };
    let data = data.with_catalogue(sources)?;
    joined.log = data.log.clone();
    Ok((data, Split::pre_split(joined, sessions)?))
}

/// The rejects file of one part: `rejects.csv` becomes `rejects.train.csv`, so that no part overwrites another's.
fn part_file(path: &Path, part: &str) -> PathBuf {
    let ending = path.extension().map_or_else(String::new, |ending| format!(".{}", ending.to_string_lossy()));
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    path.with_file_name(format!("{stem}.{part}{ending}"))
}

fn log_files(args: &Evaluate) -> Vec<PathBuf> {
    let parts = [&args.train, &args.valid, &args.test];
    args.events.paths.iter().chain(parts.into_iter().flatten()).cloned().collect()
}

/// Models by rows, the main metrics by columns.
pub(crate) fn metric_table(evaluation: &Evaluation, metric: &str) -> String {
    let others = ["hr@5", "ndcg@5", "hr@10", "recall@10", "hr@20", "mrr@20"];
    let columns: Vec<&str> =
        std::iter::once(metric).chain(others.into_iter().filter(|&o| o != metric)).collect();
    let header: Vec<String> = ["model".to_owned(), format!("{} [95 %]", columns[0])]
        .into_iter()
        .chain(columns[1..].iter().map(ToString::to_string))
        .chain(["coverage", "fit s", "predict µs"].map(str::to_owned))
        .collect();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let rows = evaluation.models.iter().map(|model| {
        let figure =
            |name: &str| model.metrics.get(name).map_or("–".to_owned(), |figure| decimals(figure.value));
        let interval = model
            .metrics
            .get(columns[0])
            .map_or(String::new(), |f| format!(" [{}, {}]", decimals(f.lo), decimals(f.hi)));
        let mut row = vec![model.name.clone(), figure(columns[0]) + &interval];
        row.extend(columns[1..].iter().map(|name| figure(name)));
        row.push(format!("{:.1} %", 100.0 * model.lists.coverage));
        row.push(format!("{:.1}", model.fit_seconds));
        row.push(format!("{:.1}", model.predict_micros_p50));
        row
    });
    format!(
        "{} cases, {} part\n{}",
        evaluation.protocol.cases,
        evaluation.protocol.judged_on,
        table(&header, rows)
    )
}

/// Models by rows, the parts of the targets by columns.
fn part_table(evaluation: &Evaluation, metric: &str) -> String {
    let Some(first) = evaluation.models.first() else { return String::new() };
    let parts: Vec<_> = first.parts.iter().map(|(name, part)| (*name, part.targets)).collect();
    let titles: Vec<String> = parts.iter().map(|(name, targets)| format!("{name} ({targets})")).collect();
    let header: Vec<&str> = std::iter::once("model").chain(titles.iter().map(String::as_str)).collect();
    let rows = evaluation.models.iter().map(|model| {
        let figure = |name: &str| {
            let part = model.parts.get(name).and_then(|part| part.metrics.get(metric));
            part.map_or("–".to_owned(), |f| {
                format!("{} [{}, {}]", decimals(f.value), decimals(f.lo), decimals(f.hi))
            })
        };
        std::iter::once(model.name.clone()).chain(parts.iter().map(|(name, _)| figure(name))).collect()
    });
    format!("{metric} by part of the targets (their number)\n{}", table(&header, rows))
}

fn findings(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let mark = if finding.severity == Severity::Leak { "leak" } else { "note" };
        format!("  {mark}: {}", finding.message)
    };
    let lines: Vec<String> = findings.iter().map(line).collect();
    format!("Leakage check\n{}", lines.join("\n"))
}

fn decimals(value: f64) -> String {
    format!("{value:.4}").trim_start_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_rejects_files_of_their_own() {
        assert_eq!(part_file(Path::new("out/rejects.csv"), "train"), Path::new("out/rejects.train.csv"));
        assert_eq!(part_file(Path::new("rejects"), "test"), Path::new("rejects.test"));
    }
}
