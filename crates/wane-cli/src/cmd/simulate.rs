//! `wane simulate`: a shop whose truth is known, as files.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use wane::events::write_events;
use wane::interest::write_catalogue;
use wane::simulate::{Shop, ShopSettings, simulate};

use crate::args::{ShopSize, Simulate, TableFormat};
use crate::terminal::{Terminal, count};

/// Runs the command.
pub(crate) fn run(args: &Simulate, terminal: Terminal) -> Result<()> {
    let spinner = terminal.spinner("simulating");
    let shop = simulate(&settings(&args.size), args.seed)?;
    write(&shop, &args.out, args.format)?;
    spinner.finish_and_clear();
    terminal.line(format!(
        "{}: {} events of {} users on {} items, catalogue and truth.json",
        args.out.display(),
        count(shop.log.len() as u64),
        count(shop.log.n_users() as u64),
        count(shop.log.n_items() as u64)
    ))
}

/// The usual shop, in another size where one is given.
pub(crate) fn settings(size: &ShopSize) -> ShopSettings {
    let usual = ShopSettings::default();
    ShopSettings {
        users: size.users.map_or(usual.users, |users| users as usize),
        items: size.items.map_or(usual.items, |items| items as usize),
        days: size.days.map_or(usual.days, f64::from),
        ..usual
    }
}

/// Writes a shop's events, catalogue and truth into a folder.
pub(crate) fn write(shop: &Shop, folder: &Path, format: TableFormat) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let ending = match format {
        TableFormat::Csv => "csv",
        TableFormat::Parquet => "parquet",
    };
    write_events(&shop.log, &folder.join(format!("events.{ending}")))?;
    write_catalogue(&shop.catalogue, &folder.join("catalogue.parquet"))?;
    let truth = folder.join("truth.json");
    fs::write(&truth, serde_json::to_vec_pretty(&shop.truth)?).with_context(|| truth.display().to_string())
}
