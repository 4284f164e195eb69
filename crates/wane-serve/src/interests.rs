//! What models' logs say of interests, fitted beside the questions.
//!
//! A model folder has no intensity, and to fit one takes seconds to minutes. So a thread of its own does it, at the first question for
//! interests or when the model is loaded, while everything else is answered. One fit runs at a time, on a quarter of the cores (at
//! least one); who asks before its end is told to come back. What cannot be fitted is remembered, for a model does not change.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use wane::pipeline::Interests;

use crate::aside::aside;
use crate::error::{Error, Result};
use crate::models::{Model, Newest};

/// Seconds after which who asked too early may ask again, at most.
const LONGEST_WAIT: u64 = 60;

/// Whose turn it is.
static TURN: Mutex<()> = Mutex::new(());

/// The fit of one model.
#[derive(Default)]
pub(crate) struct Fitting {
    begun: Mutex<Option<Begun>>,
    found: OnceLock<std::result::Result<Interests, String>>,
}

struct Begun {
    since: Instant,
    thread: JoinHandle<()>,
}

impl Begun {
    /// Seconds since then, and whether the thread has ended.
    fn look(&self) -> (u64, bool) {
        (self.since.elapsed().as_secs(), self.thread.is_finished())
    }
}

/// Begins to fit a model's interests; where that was done before, says how it stands.
fn begin_or_look(model: &Arc<Model>) -> Option<(u64, bool)> {
    let mut begun = model.interests.begun.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(begun) = &*begun {
        return Some(begun.look());
    }
    let (waiting, found, name) =
        (Arc::downgrade(&model.newest), Arc::clone(&model.interests), model.id.clone());
    match Builder::new().name("interests".into()).spawn(move || fit(&waiting, &found, &name)) {
        Ok(thread) => *begun = Some(Begun { since: Instant::now(), thread }),
        // The next question tries again.
        Err(error) => tracing::error!(model = model.id, "interests cannot be fitted: {error}"),
    }
    None
}

/// Begins to fit a model's interests, unless that was done.
pub(crate) fn begin(model: &Arc<Model>) {
    begin_or_look(model);
}

/// A model's interests; where they are not there yet, they are from now on being fitted.
pub(crate) fn of(model: &Arc<Model>) -> Result<&Interests> {
    let fitting =
        |seconds: u64| Error::Fitting { model: model.id.clone(), seconds: seconds.clamp(1, LONGEST_WAIT) };
    let no_interests =
        |reason: &str| Error::NoInterests { model: model.id.clone(), reason: reason.to_owned() };
    // Before what was found is looked at: an end in between is no failure.
    let Some((seconds, has_ended)) = begin_or_look(model) else { return Err(fitting(0)) };
    match model.interests.found.get() {
        Some(Ok(interests)) => Ok(interests),
        Some(Err(reason)) => Err(no_interests(reason)),
        None if has_ended => Err(no_interests("the fit broke off")),
        None => Err(fitting(seconds)),
    }
}

/// Waits for its turn and fits; a model that is gone by then is let go. What was said of items since the fit changes nothing here.
fn fit(waiting: &Weak<Newest>, fitting: &Fitting, name: &str) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(fitted) = waiting.upgrade().map(|newest| newest.get()) else { return };
    let start = Instant::now();
    tracing::info!(model = name, "interests are being fitted");
    let model = fitted.model.as_fitted();
    let found =
        aside(|| Interests::fit(&model.log, model.catalogue.as_deref())).map_err(|error| error.to_string());
    let seconds = start.elapsed().as_secs_f64();
    match &found {
        Ok(interests) => {
            tracing::info!(model = name, interests = interests.count(), seconds, "interests are fitted");
        }
        Err(reason) => tracing::warn!(model = name, seconds, "interests cannot be fitted: {reason}"),
    }
    // Nobody else sets it.
    let _ = fitting.found.set(found);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use crate::models::{Models, made};
    use crate::texts::Encoders;

    fn model() -> Model {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        made::of_one_event(&path);
        Model::load(&path, &Arc::new(Metrics::new()), &Encoders::default()).unwrap()
    }

    fn has_begun(models: &Models) -> bool {
        models.of("anyone").interests.begun.lock().unwrap().is_some()
    }

    #[test]
    fn early_is_before_anyone_asks() {
        let models = Models::new(model());
        models.change(model(), None);
        assert!(!has_begun(&models), "nobody asked");
        models.fit_early();
        assert!(has_begun(&models));
        models.change(model(), None);
        assert!(has_begun(&models), "of a model that comes, too");
        models.roll_back(&Arc::default()).unwrap();
        models.roll_back(&Arc::default()).unwrap();
        assert!(has_begun(&models));
    }
}
