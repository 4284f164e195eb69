//! Settings: what was written becomes what was checked, once, here.
//!
//! A settings file has one table per model (`[models.item-knn]`); every key is checked by the model's own settings,
//! so an unknown key or a value out of range is an error that names it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;
use wane::eval::Span;
use wane::events::read::{ColumnMap, Guests, Header, ReadOptions, TypeRule, parse_time};
use wane::events::{Timestamp, parse_days};
use wane::interest::{Catalogue, CatalogueMap};
use wane::pipeline::{Cleaning, HalfLifeBy, Sources};
use wane::recommend::ModelSettings;

use crate::args::{CatalogueArgs, CellBy, EventArgs, SharedArgs, TraceArgs};

/// A settings file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Written {
    models: BTreeMap<String, serde_json::Map<String, serde_json::Value>>,
}

/// Settings of every model: the defaults, with what the settings file says.
#[derive(Debug)]
pub(crate) struct Config {
    written: Written,
    models: Vec<ModelSettings>,
}

impl Config {
    /// Reads and checks the settings file, if there is one.
    pub(crate) fn load(shared: &SharedArgs) -> Result<Self> {
        let written = match &shared.config {
            Some(path) => read_written(path)?,
            None => Written::default(),
        };
        let mut models = ModelSettings::all();
        for (name, table) in &written.models {
            let default = ModelSettings::named(name)?;
            // This key is ours: the table's name says which model it is.
            ensure!(!table.contains_key("model"), "[models.{name}]: unknown field `model`; leave it out");
            let mut table = table.clone();
            table.insert("model".to_owned(), name.clone().into());
            let settings: ModelSettings =
                serde_json::from_value(table.into()).with_context(|| format!("[models.{name}]"))?;
            models
                .iter_mut()
                .filter(|model| model.name() == default.name())
                .for_each(|m| *m = settings.clone());
        }
        Ok(Self { written, models })
    }

    /// Settings of a fitted model, with what the settings file writes of that model in place of theirs.
    pub(crate) fn over(&self, fitted: &ModelSettings) -> Result<ModelSettings> {
        let written = self.written.models.get(fitted.name());
        written.into_iter().flatten().try_fold(fitted.clone(), |settings, (name, value)| {
            settings.with(name, value.clone()).with_context(|| format!("[models.{}]", fitted.name()))
        })
    }

    /// The settings of the named models, in the order in which they were named; for no names all that can work with
    /// what the catalogue has.
    pub(crate) fn models(
        &self,
        names: &[String],
        catalogue: Option<&Catalogue>,
    ) -> Result<Vec<ModelSettings>> {
        if names.is_empty() {
            let usable = self.models.iter().filter(|model| model.can_use(catalogue));
            return Ok(usable.cloned().collect());
        }
        names.iter().map(|name| self.model(name)).collect()
    }

    /// The settings of one model.
    pub(crate) fn model(&self, name: &str) -> Result<ModelSettings> {
        // The library's message lists the models.
        let known = ModelSettings::named(name)?;
        let found = self.models.iter().find(|model| model.name() == known.name()).cloned();
        Ok(found.unwrap_or(known))
    }
}

impl TraceArgs {
    /// The model's settings with what was written in place of theirs.
    pub(crate) fn over(&self, model: ModelSettings) -> Result<ModelSettings> {
        let counts =
            [("epochs", self.epochs), ("dim", self.dim), ("scales", self.scales), ("batch", self.batch)];
        let counts = counts.into_iter().filter_map(|(name, value)| Some((name, name, Value::from(value?))));
        let ids = self.without_ids.then_some(("without-ids", "id_dropout", Value::from(1.0)));
        counts.chain(ids).try_fold(model, |model, (flag, name, value)| {
            ensure!(
                model.name() == "trace",
                "--{flag} is a setting of the trace model: add --model trace, or leave it out"
            );
            Ok(model.with(name, value)?)
        })
    }
}

fn read_written(path: &Path) -> Result<Written> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    toml::from_str(&text)
        .with_context(|| format!("{}: see config/reference.toml for what may be written", path.display()))
}

impl CatalogueArgs {
    /// Whether anything is named.
    pub(crate) fn is_named(&self) -> bool {
        self.catalogue.is_some() || self.vectors.is_some()
    }

    /// Where the catalogue is and how it is read.
    pub(crate) fn sources(&self) -> Result<Sources> {
        Ok(Sources {
            catalogue: self.catalogue.clone(),
            catalogue_map: CatalogueMap::parse(&self.catalogue_map.join(","))?,
            vectors: self.vectors.clone(),
            ..Sources::default()
        })
    }
}

impl EventArgs {
    /// Where the log is and how it is read.
    pub(crate) fn sources(&self, catalogue: Option<&CatalogueArgs>) -> Result<Sources> {
        let of_catalogue = catalogue.map_or_else(|| Ok(Sources::default()), CatalogueArgs::sources)?;
        Ok(Sources {
            events: self.paths.clone(),
            options: self.read_options()?,
            cleaning: Cleaning {
                max_events_per_day: self.max_events_per_day.map(f64::from),
                min_user_events: self.min_user_events as usize,
                min_item_events: self.min_item_events as usize,
            },
            ..of_catalogue
        })
    }

    fn read_options(&self) -> Result<ReadOptions> {
        Ok(ReadOptions {
            map: ColumnMap::parse(&self.map.join(","))?,
            time_unit: self.time_unit.as_deref().map(|unit| word("time-unit", unit)).transpose()?,
            header: self.header.as_deref().map_or(Ok(Header::Auto), |header| word("header", header))?,
            dedupe: self.dedupe,
            max_reject: share("max-reject", &self.max_reject)?,
            guests: word::<Guests>("guests", &self.guests)?,
            not_after: self.not_after.as_deref().map(moment).transpose()?,
            rejects: self.rejects.clone(),
            exclude_items: self.exclude_items.clone(),
            type_map: pairs("types", &self.types)?.into_iter().collect(),
            type_rules: self
                .rules
                .iter()
                .map(|rule| rule.parse::<TypeRule>().map_err(Into::into))
                .collect::<Result<_>>()?,
        })
    }

    /// The files that were named, for titles.
    pub(crate) fn names(paths: &[PathBuf]) -> Vec<String> {
        let name = |path: &PathBuf| {
            path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into())
        };
        paths.iter().map(name).collect()
    }
}

/// One of a setting's words, as the library writes them.
fn word<T: serde::de::DeserializeOwned>(flag: &str, text: &str) -> Result<T> {
    serde_json::from_value(text.into()).with_context(|| format!("--{flag} {text}"))
}

/// A moment as people write it: RFC 3339, a date, or epoch time.
pub(crate) fn moment(text: &str) -> Result<Timestamp> {
    parse_time(text)
        .with_context(|| format!("`{text}` is no moment: write 2024-05-01 or 2024-05-01T12:00:00Z"))
}

/// A span as a duration (`8w`) or a share of the log (`10%`).
pub(crate) fn span(flag: &str, text: &str) -> Result<Span> {
    if text.trim().ends_with('%') {
        return Ok(Span::Share(share(flag, text)?));
    }
    Ok(Span::Days(parse_days(flag, text)?))
}

/// `A=B` pairs, as in `--types 1=view,4=purchase`.
fn pairs(flag: &str, written: &[String]) -> Result<Vec<(String, String)>> {
    let pair = |pair: &String| match pair.split_once('=') {
        Some((left, right)) if !left.is_empty() && !right.is_empty() => {
            Ok((left.trim().to_owned(), right.trim().to_owned()))
        }
        _ => bail!("--{flag}: expected OLD=NEW, got `{pair}`"),
    };
    written.iter().map(pair).collect()
}

/// A share written as `1%` or `0.01`.
pub(crate) fn share(flag: &str, text: &str) -> Result<f64> {
    let (number, unit) = match text.trim().strip_suffix('%') {
        Some(percent) => (percent, 100.0),
        None => (text.trim(), 1.0),
    };
    let value: f64 =
        number.trim().parse().with_context(|| format!("--{flag}: expected 1% or 0.01, got `{text}`"))?;
    let share = value / unit;
    ensure!((0.0..=1.0).contains(&share), "--{flag}: expected a share from 0% to 100%, got `{text}`");
    Ok(share)
}

/// What interests are told apart by, in the library's words.
pub(crate) fn told_apart(by: CellBy) -> HalfLifeBy {
    match by {
        CellBy::EventType => HalfLifeBy::EventType,
        CellBy::Department => HalfLifeBy::Department,
        CellBy::Category => HalfLifeBy::Category,
        CellBy::Brand => HalfLifeBy::Brand,
        CellBy::Item => HalfLifeBy::Item,
    }
}
