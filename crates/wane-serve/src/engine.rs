//! A fitted model over the histories that it and the store know.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use wane::events::{EventLog, Timestamp, UserId};
use wane::pipeline::{Asked, answer};
use wane::recommend::{Answer, Filter, ListSettings, Recommender, Scores};

use crate::error::{Error, Result};
use crate::feedback::{Feedback, FeedbackReport, RecommendationId};
use crate::history::Known;
use crate::metrics::Metrics;
use crate::models::{Model, Models, ServedModels};
use crate::requests::{Recommend, Whose};
use crate::retention::{Retired, day};
use crate::store::{Durability, Erased, NewEvent, Reader, Store, StoredEvent};
use crate::writer::{Appended, Batch, Writer};

/// Says what time it is.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What the server asks, from all its threads.
pub struct Engine {
    models: Arc<Models>,
    writer: Writer,
    folder: PathBuf,
    readers: Mutex<Vec<Reader>>,
    scores: Mutex<Vec<Scores>>,
    clock: Clock,
    /// Numbers of recommendations: no two servers and no two runs have the same.
    numbers: RandomState,
    asked: AtomicU64,
    metrics: Arc<Metrics>,
}

/// A list with its model.
pub(crate) struct Recommended {
    pub(crate) model: Arc<Model>,
    pub(crate) id: RecommendationId,
    pub(crate) answer: Answer,
}

impl Engine {
    /// The model of a folder over a state folder, which is made where there is none.
    ///
    /// # Errors
    /// Those of [`Store::open`]; [`Error::Wane`] for a model that cannot be read, or whose parameters are not its own.
    pub fn open(model: &Path, folder: &Path, durability: Durability, clock: Clock) -> Result<Self> {
        // Before the model: a state that is in use is found out at once, a model takes its time.
        let store = Store::open(folder, durability)?;
        let metrics = Arc::new(Metrics::new());
        let models = Arc::new(Models::new(Model::load(model, &metrics)?));
        let told = Arc::clone(&models);
        let writer = Writer::start(store, Arc::clone(&metrics), move |user| told.forget(user));
        Ok(Self {
            models,
            writer,
            folder: folder.to_owned(),
            readers: Mutex::default(),
            scores: Mutex::default(),
            clock,
            numbers: RandomState::new(),
            asked: AtomicU64::new(0),
            metrics,
        })
    }

    /// The models that answer, and those that answered before.
    pub fn models(&self) -> ServedModels {
        self.models.describe()
    }

    /// Lets the model of another folder answer, or beside the present one a share of the users. It is read and checked first; until it
    /// answers, the former one does. This takes as long as reading does: not for a thread that others wait for.
    ///
    /// # Errors
    /// [`Error::Wane`] for a folder that cannot be served: then all is as before.
    pub fn load_model(&self, folder: &Path, share: Option<f64>) -> Result<()> {
        self.models.change(Model::load(folder, &self.metrics)?, share);
        Ok(())
    }

    /// What answered before answers again.
    ///
    /// # Errors
    /// [`Error::Field`] where nothing did.
    pub fn roll_back(&self) -> Result<()> {
        self.models.roll_back()
    }

    /// What is counted.
    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Users' histories in memory.
    pub(crate) fn histories_kept(&self) -> usize {
        self.models.histories_kept()
    }

    /// The moment.
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Keeps events; when it returns they are on the disk.
    ///
    /// # Errors
    /// [`Error::State`]: then none is kept; [`Error::Stopping`].
    pub async fn append(&self, events: Vec<NewEvent>) -> Result<Appended> {
        self.writer.keep(Batch::Events(events)).await
    }

    /// Counts what became of recommendations; when it returns it is on the disk.
    ///
    /// # Errors
    /// As [`Engine::append`].
    pub async fn tell(&self, told: Vec<Feedback>) -> Result<Appended> {
        self.writer.keep(Batch::Feedback(told, day(self.now()))).await
    }

    /// How the models did, by model and scenario.
    ///
    /// # Errors
    /// [`Error::State`].
    pub fn feedback(&self) -> Result<Vec<FeedbackReport>> {
        self.with_reader(Reader::feedback)
    }

    /// Takes a user out of the state. The model's own log is not touched, and speaks of the user no more.
    ///
    /// # Errors
    /// As [`Engine::append`].
    pub async fn erase(&self, user: String) -> Result<Erased> {
        self.writer.erase(user).await
    }

    /// Takes out all events of more than so many days ago.
    ///
    /// # Errors
    /// As [`Engine::append`]: then some may be left, for the next time.
    pub async fn retire(&self, days: f64) -> Result<Retired> {
        let before = self.now().plus_days(-days);
        let (mut events, mut after) = (0, Some(String::new()));
        while let Some(user) = after {
            let some = self.writer.with_store(move |store| store.retire_some(before, &user)).await;
            self.models.forget_all();
            let (removed, last) = some?;
            (events, after) = (events + removed, last);
        }
        let bytes_are_gone = self.writer.with_store(move |store| store.retire_rest(before)).await?;
        Ok(Retired { before, events, oldest: self.with_reader(Reader::oldest)?, bytes_are_gone })
    }

    /// The events that the state has of a user, oldest first.
    ///
    /// # Errors
    /// [`Error::State`].
    pub fn events(&self, user: &str) -> Result<Vec<StoredEvent>> {
        self.with_reader(|reader| reader.events(user))
    }

    /// A list for a user or a session.
    ///
    /// # Errors
    /// [`Error::Wane`] for settings out of their range, [`Error::State`].
    pub(crate) fn recommend(&self, asked: &Recommend) -> Result<Recommended> {
        let model = self.models.of(asked.whose.key());
        let log = model.log();
        let (known, name) = match &asked.whose {
            Whose::User(user) => (model.histories.of(user, || self.read(log, user))?, user.as_str()),
            Whose::Session(events) => (Arc::new(Known::of(log, None, events)), ""),
        };
        let own;
        let filter = match &asked.filter {
            None => &model.usual,
            Some(settings) => {
                own = Filter::new(settings, log.items(), model.artifact.catalogue.as_ref())?;
                &own
            }
        };
        let list = ListSettings { k: asked.k, diversity: asked.diversity };
        let question = Asked { as_of: asked.as_of, list, filter, reasons: asked.reasons };
        let n_items = model.recommender.n_items();
        // Another model may have other items.
        let ready = take(&self.scores).filter(|scores| scores.len() == n_items);
        let mut scores = ready.unwrap_or_else(|| Scores::new(n_items));
        scores.clear();
        let history = known.history(log)?;
        let found = answer(&model.recommender, model.names(), name, history, &question, &mut scores);
        give_back(&self.scores, scores);
        let number = self.numbers.hash_one(self.asked.fetch_add(1, Ordering::Relaxed));
        let id = RecommendationId { model: model.id.clone(), scenario: asked.scenario.clone(), number };
        let answer = found?;
        Ok(Recommended { model, id, answer })
    }

    /// What is done most often, of an item that its model knows.
    ///
    /// # Errors
    /// [`Error::NotFound`] for another item.
    pub(crate) fn usual_type(&self, item: &str) -> Result<String> {
        let model = self.models.of(item);
        match model.log().items().position(item) {
            Some(_) => Ok(model.usual_type.clone()),
            None => Err(Error::NotFound { what: "item", name: item.to_owned() }),
        }
    }

    fn read(&self, log: &EventLog, user: &str) -> Result<Known> {
        let (newer, is_erased) =
            self.with_reader(|reader| Ok((reader.events(user)?, reader.is_erased(user)?)))?;
        let own = log.users().position(user).map(UserId).filter(|_| !is_erased);
        Ok(Known::of(log, own, &newer))
    }

    fn with_reader<T>(&self, ask: impl FnOnce(&Reader) -> Result<T>) -> Result<T> {
        let reader = match take(&self.readers) {
            Some(reader) => reader,
            None => Reader::open(&self.folder)?,
        };
        let answer = ask(&reader);
        // One that failed may go on failing.
        if !matches!(answer, Err(Error::State { .. })) {
            give_back(&self.readers, reader);
        }
        answer
    }
}

/// Something that lies ready.
fn take<T>(ready: &Mutex<Vec<T>>) -> Option<T> {
    ready.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

fn give_back<T>(ready: &Mutex<Vec<T>>, own: T) {
    ready.lock().unwrap_or_else(PoisonError::into_inner).push(own);
}
