//! The model folder: everything that answers a question, checked, and replaced whole or not at all.
//!
//! | file | holds |
//! |---|---|
//! | `manifest.json` | format and program version, the model's settings, seed, counts, span, and size and SHA-256 of every other file |
//! | `manifest.sha256` | the manifest's own checksum, in the form of `sha256sum` |
//! | `parameters.safetensors` | what the model learned, as named arrays |
//! | `users.parquet`, `items.parquet` | the vocabularies, in order: row `i` is number `i` |
//! | `events.parquet` | the log that it learned from: the users' histories |
//! | `catalogue.parquet`, `categories.parquet`, `relations.parquet` | what is known of items, if anything is |
//!
//! The same model gives the same bytes: nothing of the clock or of the machine is written. Useful for: saving and
//! loading fitted models. Not useful for: live state, which a server keeps beside the folder. Beside the model folder
//! there are only what long work leaves: [`JsonLines`], the log of a search, [`EventFile`], the curves of a training, and
//! [`CheckpointFolder`], its state.

mod catalogue;
mod checkpoint;
mod folder;
mod json_lines;
mod log;
mod manifest;
mod table;
mod tensorboard;
mod tensors;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use checkpoint::{CheckpointFile, CheckpointFolder, Stage};
pub use json_lines::JsonLines;
pub use manifest::{Counts, FORMAT_VERSION, FileRecord, Manifest, fingerprint};
pub use tensorboard::EventFile;

use crate::error::{Error, Result};
use crate::events::EventLog;
use crate::interest::Catalogue;
use crate::recommend::{ModelSettings, Parameters, Recommender};
use folder::NewFolder;

const PARAMETERS: &str = "parameters.safetensors";

/// A fitted model with all that is needed to ask it.
#[derive(Debug, Clone, PartialEq)]
pub struct Artifact {
    /// Which model, and its settings.
    pub settings: ModelSettings,
    /// What it learned.
    pub parameters: Parameters,
    /// What it learned from; its users' histories are the histories of later questions.
    pub log: EventLog,
    /// What is known of items; its rows are the log's items.
    pub catalogue: Option<Catalogue>,
    /// The seed that it was fitted with.
    pub seed: u64,
}

impl Artifact {
    /// Writes the model folder: first beside `path`, then moved into its place. Whatever happens, `path` is the
    /// former model or the new one, never a mixture.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be written; [`Error::Artifact`] when `path` is something other than a model
    /// folder (which is left alone).
    pub fn save(&self, path: &Path) -> Result<()> {
        manifest::refuse_foreign(path)?;
        let mut folder = NewFolder::beside(path)?;
        tensors::write(&mut folder, PARAMETERS, &self.parameters)?;
        log::write(&mut folder, &self.log)?;
        if let Some(catalogue) = &self.catalogue {
            catalogue::write(&mut folder, catalogue)?;
        }
        Manifest::describe(self, folder.records())?.write(&mut folder)?;
        folder.replace(path)
    }

    /// Reads a model folder, after checking its version and every file's size and checksum.
    ///
    /// # Errors
    /// [`Error::Artifact`] for a folder that is no model, was written by a newer program, is damaged (and which
    /// file is) or incomplete; [`Error::Io`] when it cannot be read.
    pub fn load(path: &Path) -> Result<Self> {
        let manifest = Manifest::read(path)?;
        manifest.check_files(path)?;
        let log = log::read(path, &manifest)?;
        let catalogue = manifest
            .has(catalogue::FILE)
            .then(|| catalogue::read(path, &manifest, log.items()))
            .transpose()?;
        let parameters = tensors::read(&path.join(PARAMETERS))?;
        let settings = manifest.model;
        let artifact = Self { settings, parameters, log, catalogue, seed: manifest.seed };
        artifact.recommender().map_err(|error| foreign(&path.join(PARAMETERS), &error))?;
        Ok(artifact)
    }

    /// The model itself, ready for questions.
    ///
    /// # Errors
    /// When the parameters are not those of the model that the settings name.
    pub fn recommender(&self) -> Result<Box<dyn Recommender>> {
        self.settings.load(self.parameters.clone(), self.log.n_items(), self.log.event_types())
    }
}

/// A file whose contents are sound but not those of this model.
fn foreign(path: &Path, reason: &impl ToString) -> Error {
    Error::Artifact {
        path: path.to_path_buf(),
        reason: format!("does not belong to this model: {}", reason.to_string()),
        remedy: "Copy the model folder again from where it was made, or fit the model again".to_owned(),
    }
}
