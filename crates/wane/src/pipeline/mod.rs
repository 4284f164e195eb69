//! The main path, step by step: read, fit, compare, recommend, explain. Each step is a function; the shells only call them.

mod compare;
mod customers;
mod effects;
mod explain;
mod facts;
mod forecasts;
mod half_lives;
mod interests;
mod live;
mod picture;
mod profile;
mod read;
mod recommend;

pub use compare::{Comparison, Contest, compare, compare_as};
pub use customers::{Compared, CustomerForecast, CustomerForecasts, ValueModel, Worth, customer_forecasts};
pub use effects::{Effect, Effects, EffectsAsked, effects};
pub use explain::{Account, GroupShare, Why, Without, account};
pub use facts::{Facts, Statement, Trend, Word, facts};
pub use forecasts::{
    ForecastEvaluation, InterestForecast, InterestForecasts, evaluate_forecasts, interest_forecasts,
};
pub use half_lives::{HalfLifeBy, HalfLifeCell, HalfLives, HalfLivesAsked, half_lives};
pub use interests::{CurrentInterest, Curve, Interests, InterestsAsked, Strength};
pub use live::{Live, LiveModel};
pub use picture::{Picture, draw, draw_forecasts, draw_half_lives, draw_profile};
pub use profile::{Interest, Profile, ProfileAsked, Tag, Tags, TagsAsked, profiles, tags};
pub use read::{Cleaning, Dataset, Sources, read, read_onto};
pub use recommend::{Asked, answer, answers, answers_table};

use crate::artifact::Artifact;
use crate::error::{Error, Result};
use crate::recommend::{Learned, ModelSettings, Recommender, Start, Training};
use crate::train::Monitor;

/// Fits a model to a whole log, ready to be saved.
///
/// # Errors
/// [`crate::Error::Setting`] for a setting out of its range.
pub fn fit(data: &Dataset, settings: &ModelSettings, seed: u64, monitor: &dyn Monitor) -> Result<Artifact> {
    fit_as(&Training { monitor, ..Training::new(&data.log, data.catalogue.as_ref(), seed) }, settings)
}

/// The same with all that a training may be told: what will be asked, a model to go on from, a checkpoint.
///
/// # Errors
/// [`crate::Error::Setting`] for a setting out of its range; what the checkpoint finds wrong.
pub fn fit_as(training: &Training<'_>, settings: &ModelSettings) -> Result<Artifact> {
    Ok(Artifact {
        settings: settings.clone(),
        parameters: settings.fit(training)?.parameters(),
        log: training.log.clone(),
        catalogue: training.catalogue.cloned(),
        seed: training.seed,
    })
}

/// A saved model as one to go on from, in its own log or another.
///
/// # Errors
/// [`Error::Setting`] for a model that does not learn in epochs.
pub fn start(artifact: &Artifact) -> Result<Start> {
    let ModelSettings::Trace(settings) = &artifact.settings else {
        let expected = "a trace model, the only one that goes on elsewhere; fit one with --model trace";
        return Err(Error::setting("model", expected, artifact.settings.name()));
    };
    Start::new(settings, artifact.parameters.clone(), &artifact.log, artifact.catalogue.as_ref())
}

/// A saved model over a newer catalogue. Items that it never saw are known by what the catalogue says of them: features, texts,
/// and the items that they are like. Nothing is learned. Vectors that are not given anew stay as they were.
///
/// # Errors
/// [`Error::Setting`] for a model that knows items by their events alone, or vectors by another encoder; whatever reading
/// finds wrong.
pub fn over_catalogue(artifact: Artifact, sources: &Sources) -> Result<Artifact> {
    let ModelSettings::Trace(_) = &artifact.settings else {
        let expected =
            "a trace model, the only one that knows new items by a catalogue; fit one with --model trace";
        return Err(Error::setting("catalogue", expected, artifact.settings.name()));
    };
    let start = start(&artifact)?;
    let (log, catalogue, _) = read::describe(artifact.log, artifact.catalogue.clone(), sources)?;
    let catalogue = catalogue.map(|catalogue| {
        let former = artifact.catalogue.filter(|_| catalogue.vectors.is_none());
        let catalogue = catalogue.over(log.items());
        match former {
            Some(former) => catalogue.with_vectors(former.over(log.items())),
            None => catalogue,
        }
    });
    let parameters = start.over(&log, catalogue.as_ref())?.parameters();
    Ok(Artifact { parameters, log, catalogue, ..artifact })
}

/// What a saved model learned, where it is one that has something to say of itself.
///
/// # Errors
/// When the parameters are not those of the model that the settings name.
pub fn learned(artifact: &Artifact) -> Result<Option<Learned>> {
    let ModelSettings::Trace(settings) = &artifact.settings else { return Ok(None) };
    let (log, parameters) = (&artifact.log, artifact.parameters.clone());
    Ok(Some(settings.load(parameters, log.n_items(), log.event_types())?.learned(log)))
}
