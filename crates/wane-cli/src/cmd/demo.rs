//! `wane demo`: the whole story on a shop whose truth is known.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use serde_json::json;
use wane::decay::intensity::{Component, Intensity, Source};
use wane::eval::report::{TruthRow, render};
use wane::eval::{Estimate, JudgeSettings, Span, Split, Targets};
use wane::events::{UserId, format_days};
use wane::interest::Catalogue;
use wane::pipeline::{Asked, Contest, Dataset, Picture, Sources, answers, compare, draw, fit, read};
use wane::recommend::{Answer, Filter, FilterSettings, ListSettings, ModelSettings, Recommender};
use wane::simulate::{Truth, simulate};

use super::encode::by_built_in;
use super::evaluate::metric_table;
use super::features::just_after;
use super::recommend::words;
use super::serve::Server;
use super::simulate::{settings, write};
use crate::args::{Demo, Serve, TableFormat};
use crate::terminal::{Terminal, count, table};

/// Passes of the learned model, and links of each item in its mined relations.
const PASSES: u32 = 2;
const LINKS: u32 = 20;
const METRIC: &str = "ndcg@10";

/// Users with more events than this on a day of theirs are bots; people in the demo's shop make a handful.
const BOT_EVENTS_PER_DAY: f64 = 100.0;

/// Runs the command.
pub(crate) fn run(args: &Demo, terminal: Terminal) -> Result<()> {
    // A minute later would be a bad time to find out that it cannot listen there.
    let server = args.serve.then(|| Server::new(serve_args(args))).transpose()?;
    let shop = args.out.join("shop");
    let simulated = simulate(&settings(&args.size), args.seed)?;
    write(&simulated, &shop, TableFormat::Parquet)?;
    let (catalogue, vectors) = (shop.join("catalogue.parquet"), shop.join("vectors.parquet"));
    by_built_in(&catalogue, &vectors)?;
    let mut sources = Sources {
        events: vec![shop.join("events.parquet")],
        catalogue: Some(catalogue),
        vectors: Some(vectors),
        ..Sources::default()
    };
    sources.cleaning.max_events_per_day = Some(BOT_EVENTS_PER_DAY);
    let data = read(&sources)?;
    terminal.line(format!(
        "1. A simulated shop: {} events of {} users on {} items ({})",
        count(data.inspection.accepted),
        count(data.inspection.users),
        count(data.inspection.items),
        shop.display()
    ))?;
    let half_lives = learned_beside_truth(&data, &simulated.truth)?;
    terminal.line(format!(
        "\n2. Half-lives of interest, learned from the log beside the truth\n{}",
        by_type(&half_lives)
    ))?;

    let split = Split::by_time(data.log.clone(), Span::Share(0.1), Span::Share(0.1), Targets::All)?;
    let contest = Contest {
        models: demo_models(data.catalogue.as_ref())?,
        saved: Vec::new(),
        judge: JudgeSettings { exclude_seen: false, seed: args.seed },
        on_validation: false,
        trials: 0,
        metric: METRIC.to_owned(),
    };
    let monitor = terminal.monitor();
    let comparison = compare(&split, data.catalogue.as_ref(), &contest, &[], |_| Ok(()), &monitor)?;
    drop(monitor);
    terminal.line(format!(
        "\n3. Models compared on the last tenth of the time\n{}",
        metric_table(&comparison.evaluation, METRIC)
    ))?;

    let best = &comparison.settings[comparison.best];
    let artifact = fit(&data, best, args.seed, &terminal.monitor())?;
    artifact.save(&args.out.join("model"))?;
    terminal.line(format!("\n4. What the best of them, {}, recommends, and why", best.name()))?;
    let shown = one_answer(&data, &*artifact.recommender()?)?;
    terminal.line(words(&shown, true))?;

    let picture = Picture {
        title: "A shop whose half-lives are known".to_owned(),
        files: vec!["events.parquet".to_owned(), "catalogue.parquet".to_owned()],
        metric: METRIC.to_owned(),
        truth: half_lives.into_iter().map(|cell| cell.row).collect(),
    };
    let report = args.out.join("report.html");
    std::fs::write(&report, render(&draw(&data, &split, &comparison, &picture)))
        .with_context(|| report.display().to_string())?;
    terminal.line(format!("\n5. The report: {}", report.display()))?;
    terminal.line(format!(
        "   The model: wane recommend {} --user {} --explain",
        args.out.join("model").display(),
        data.log.users().name(0)
    ))?;
    match server {
        Some(server) => server.run(terminal, |address| terminal.line(invitation(address, &shown))),
        None => Ok(()),
    }
}

/// The server of the demo's model, as `wane serve` would be called for it.
fn serve_args(args: &Demo) -> Serve {
    Serve {
        model: args.out.join("model"),
        state: args.out.join("state"),
        config: None,
        listen: args.listen.clone(),
        encoder: None,
        durability: None,
        retain: None,
        log: None,
        log_format: None,
    }
}

/// How to ask the server about the user of the list that was shown.
fn invitation(address: SocketAddr, shown: &Answer<'_>) -> String {
    let user = &shown.user;
    let item = shown.items.first().map_or("", |item| &item.item);
    format!(
        "\n6. The server: http://{address}, to read about at http://{address}/docs; Ctrl-C ends it\n   \
         A list:              curl -d '{{\"user_id\": \"{user}\", \"k\": 5, \"explain\": true}}' {address}/v1/recommend\n   \
         Then it is another:  curl -d '{{\"user_id\": \"{user}\", \"item_id\": \"{item}\", \"event_type\": \"purchase\"}}' \
         {address}/v1/events"
    )
}

/// A learned half-life beside the true one.
struct Cell {
    event_type: String,
    events: u64,
    row: TruthRow,
}

/// Cells with fewer events say too little to be shown.
const ENOUGH: u64 = 300;

/// Half-lives by (category, event type) as learned from the log alone, beside the planted ones. Categories whose
/// half-life changes within the log have no one truth and are left out.
fn learned_beside_truth(data: &Dataset, truth: &Truth) -> Result<Vec<Cell>> {
    let catalogue = data.catalogue.as_ref().context("the simulated shop has a catalogue")?;
    let categories: Vec<Option<u32>> = catalogue.categories.iter().map(|path| path.last().copied()).collect();
    let end = just_after(data.log.span());
    let learned = Intensity::fit(&data.log, &categories, end)?;
    let cells =
        learned.categories.iter().flat_map(|own| own.components.iter().map(|cell| (own.category, cell)));
    Ok(cells.filter_map(|(category, cell)| beside_truth(category, cell, data, catalogue, truth)).collect())
}

fn beside_truth(
    category: u32,
    learned: &Component,
    data: &Dataset,
    catalogue: &Catalogue,
    truth: &Truth,
) -> Option<Cell> {
    let Source::Type(event_type) = learned.source else { return None };
    let category = catalogue.category_names.get(category as usize)?;
    let event_type = data.log.event_types().get(event_type.index())?;
    let planted =
        truth.half_lives.iter().find(|cell| cell.category == *category && cell.event_type == *event_type)?;
    let days = learned.half_life;
    (learned.events >= ENOUGH && planted.drift.is_none()).then(|| Cell {
        event_type: event_type.clone(),
        events: learned.events,
        row: TruthRow {
            label: format!("{event_type} of {category}"),
            fitted: Estimate { value: days.value, lo: days.low, hi: days.high },
            truth: planted.half_life_days.days(),
        },
    })
}

/// Geometric means over categories, since half-lives differ by factors.
fn by_type(cells: &[Cell]) -> String {
    let mut types: BTreeMap<&str, Vec<&Cell>> = BTreeMap::new();
    cells.iter().for_each(|cell| types.entry(&cell.event_type).or_default().push(cell));
    let rows = types.into_iter().map(|(name, cells)| {
        let mean = |of: &dyn Fn(&Cell) -> f64| {
            (cells.iter().map(|cell| of(cell).ln()).sum::<f64>() / cells.len() as f64).exp()
        };
        let (learned, truth) = (mean(&|cell| cell.row.fitted.value), mean(&|cell| cell.row.truth));
        vec![
            name.to_owned(),
            cells.len().to_string(),
            count(cells.iter().map(|cell| cell.events).sum()),
            format_days(learned),
            format_days(truth),
            format!("{:+.0} %", 100.0 * (learned / truth - 1.0)),
        ]
    });
    table(&["event type", "categories", "events", "learned", "truth", "difference"], rows)
}

fn one_answer<'a>(data: &'a Dataset, model: &dyn Recommender) -> Result<Answer<'a>> {
    let catalogue = data.catalogue.as_ref();
    let filter = Filter::new(&FilterSettings::default(), data.log.items(), catalogue)?;
    // A user with a middling history tells more than one with two events or two thousand.
    let mut users: Vec<_> = data.log.histories().map(|(user, history)| (history.len(), user)).collect();
    users.sort_unstable();
    let user: UserId = users.get(users.len() / 2).context("the simulated shop has users")?.1;
    let asked = Asked {
        as_of: just_after(data.log.span()),
        list: ListSettings { k: 5, diversity: 0.0 },
        filter: &filter,
        reasons: Some(usize::MAX),
    };
    let mut lists = answers(model, &data.log, catalogue, &[user], &asked)?;
    lists.pop().context("the simulated shop has a list for its users")
}

/// All models that can use the shop's catalogue; the learned one is kept small, so that the demo ends within a minute.
fn demo_models(catalogue: Option<&Catalogue>) -> Result<Vec<ModelSettings>> {
    let short = |settings: ModelSettings| match settings {
        ModelSettings::Trace(_) => settings.with("epochs", json!(PASSES))?.with("top", json!(LINKS)),
        other => Ok(other),
    };
    let usable = ModelSettings::all().into_iter().filter(|settings| settings.can_use(catalogue));
    Ok(usable.map(short).collect::<wane::Result<_>>()?)
}
