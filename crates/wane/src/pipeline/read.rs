//! Step 1: files become a log and a catalogue that share one vocabulary of items.

use std::path::PathBuf;

use crate::artifact::Artifact;
use crate::error::{Error, Result};
use crate::events::read::{Inspection, ReadOptions, read_events};
use crate::events::{EventLog, drop_bots, join, k_core, unknown_events};
use crate::interest::{Catalogue, CatalogueFile, CatalogueInspection, CatalogueMap, ENCODER};

/// Where data comes from and how it is read.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Log files, folders or globs.
    pub events: Vec<PathBuf>,
    /// How they are read.
    pub options: ReadOptions,
    /// Which users and items are left out after reading.
    pub cleaning: Cleaning,
    /// The catalogue's file.
    pub catalogue: Option<PathBuf>,
    /// Which catalogue column is what.
    pub catalogue_map: CatalogueMap,
    /// The file of item vectors, which take the place of the catalogue's.
    pub vectors: Option<PathBuf>,
    /// Whether the catalogue's relations are left out.
    pub without_relations: bool,
}

/// Which users and items are left out after reading. By default none.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cleaning {
    /// Users with more events per active day than this are left out.
    pub max_events_per_day: Option<f64>,
    /// Users with fewer events are left out, and so on until nothing changes.
    pub min_user_events: usize,
    /// Items with fewer events are left out, and so on until nothing changes.
    pub min_item_events: usize,
}

/// A log with its catalogue and the account of how they were read.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// The events.
    pub log: EventLog,
    /// Item properties; rows are the log's items.
    pub catalogue: Option<Catalogue>,
    /// What was understood of the log.
    pub inspection: Inspection,
    /// What was understood of the catalogue.
    pub catalogue_inspection: Option<CatalogueInspection>,
}

/// Reads a log and, where there is one, its catalogue.
///
/// # Errors
/// Whatever reading finds wrong; messages say where and how to mend it.
pub fn read(sources: &Sources) -> Result<Dataset> {
    let (log, inspection) = read_events(&sources.events, &sources.options)?;
    let log = sources.cleaning.apply(log);
    let data = Dataset { log, catalogue: None, inspection, catalogue_inspection: None };
    data.with_catalogue(sources)
}

/// Reads newer events and adds those that a saved model does not know to its log. A catalogue that is named takes the
/// place of the model's; else the model's is kept.
///
/// # Errors
/// Whatever reading finds wrong; [`crate::Error::Limit`] for more than 256 event types in all.
pub fn read_onto(artifact: &Artifact, sources: &Sources) -> Result<Dataset> {
    let mut data = read(&Sources { catalogue: None, vectors: None, ..sources.clone() })?;
    let newer = unknown_events(&data.log, &artifact.log);
    data.log = join(&[&artifact.log, &newer])?.log;
    if sources.catalogue.is_none() {
        data.catalogue = artifact.catalogue.as_ref().map(|catalogue| catalogue.over(data.log.items()));
    }
    data.with_catalogue(sources)
}

impl Cleaning {
    fn apply(&self, mut log: EventLog) -> EventLog {
        if let Some(most) = self.max_events_per_day {
            log = drop_bots(&log, most).0;
        }
        if self.min_user_events > 1 || self.min_item_events > 1 {
            log = k_core(&log, self.min_user_events, self.min_item_events).0;
        }
        log
    }
}

impl Dataset {
    /// Adds the catalogue and the vectors of the sources, if they have them.
    ///
    /// # Errors
    /// Whatever reading the catalogue finds wrong.
    pub fn with_catalogue(mut self, sources: &Sources) -> Result<Self> {
        let described = describe(self.log, self.catalogue, sources)?;
        (self.log, self.catalogue, self.catalogue_inspection) = described;
        Ok(self)
    }
}

/// A log and what was known of its items, with the catalogue and the vectors of the sources, if they have them: a catalogue takes
/// the place of the former.
pub(super) fn describe(
    mut log: EventLog,
    mut catalogue: Option<Catalogue>,
    sources: &Sources,
) -> Result<(EventLog, Option<Catalogue>, Option<CatalogueInspection>)> {
    let mut inspection = None;
    if let Some(path) = &sources.catalogue {
        let file = CatalogueFile::open(path, &sources.catalogue_map)?;
        log = log.with_items(file.item_names());
        let (mut aligned, account) = file.align(log.items())?;
        if sources.without_relations {
            aligned.relations.clear();
        }
        (catalogue, inspection) = (Some(aligned), Some(account));
    }
    if let Some(path) = &sources.vectors {
        let file = CatalogueFile::open(path, &CatalogueMap::default())?;
        if !file.item_names().any(|name| log.items().position(name).is_some()) {
            return Err(Error::Empty {
                what: format!("{} has no item of the log or the catalogue", path.display()),
                remedy: "Write item ids in both as in the other".to_owned(),
            });
        }
        log = log.with_items(file.item_names());
        let mut vectors = file.align(log.items())?.0;
        vectors.extra.retain(|name, _| name == ENCODER);
        if vectors.vectors.is_none() {
            return Err(Error::Malformed {
                path: path.clone(),
                reason: "no column of vectors".to_owned(),
                remedy: "Give a table with an item column and a column `vector`, as wane encode writes it"
                    .to_owned(),
            });
        }
        catalogue = Some(match catalogue {
            Some(catalogue) => catalogue.over(log.items()).with_vectors(vectors),
            None => vectors,
        });
    }
    Ok((log, catalogue, inspection))
}
