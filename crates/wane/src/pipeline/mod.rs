//! The main path, step by step: read, fit, compare, recommend, explain. Each step is a function; the shells only call them.

mod compare;
mod explain;
mod picture;
mod read;
mod recommend;

pub use compare::{Comparison, Contest, compare};
pub use explain::{Account, GroupShare, Why, Without, account};
pub use picture::{Picture, draw};
pub use read::{Cleaning, Dataset, Sources, read};
pub use recommend::{Asked, answers, answers_table};

use crate::artifact::Artifact;
use crate::error::Result;
use crate::recommend::{Learned, ModelSettings, Training};
use crate::train::Monitor;

/// Fits a model to a whole log, ready to be saved.
///
/// # Errors
/// [`crate::Error::Setting`] for a setting out of its range.
pub fn fit(data: &Dataset, settings: &ModelSettings, seed: u64, monitor: &dyn Monitor) -> Result<Artifact> {
    let training = Training { monitor, ..Training::new(&data.log, data.catalogue.as_ref(), seed) };
    Ok(Artifact {
        settings: settings.clone(),
        parameters: settings.fit(&training)?.parameters(),
        log: data.log.clone(),
        catalogue: data.catalogue.clone(),
        seed,
    })
}

/// What a saved model learned, where it is one that has something to say of itself.
///
/// # Errors
/// When the parameters are not those of the model that the settings name.
pub fn learned(artifact: &Artifact) -> Result<Option<Learned>> {
    let ModelSettings::Trace(settings) = &artifact.settings else { return Ok(None) };
    let (log, parameters) = (&artifact.log, artifact.parameters.clone());
    Ok(Some(settings.load(parameters, log.n_items(), log.event_types())?.learned(log.event_types())))
}
