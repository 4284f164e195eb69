//! A fitted model over the histories that it and the store know.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use wane::artifact::Artifact;
use wane::events::{Timestamp, UserId};
use wane::pipeline::{Asked, answer};
use wane::recommend::{Answer, Backfill, Filter, FilterSettings, ListSettings, Names, Recommender, Scores};

use crate::error::{Error, Result};
use crate::history::{Histories, Known};
use crate::metrics::Metrics;
use crate::requests::{Recommend, Whose};
use crate::store::{Durability, Erased, NewEvent, Reader, Store, StoredEvent};
use crate::writer::{Appended, Writer};

/// Says what time it is.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What the server asks, from all its threads.
pub struct Engine {
    model: Arc<Model>,
    writer: Writer,
    folder: std::path::PathBuf,
    readers: Mutex<Vec<Reader>>,
    scores: Mutex<Vec<Scores>>,
    clock: Clock,
    metrics: Arc<Metrics>,
}

/// A model that does not change, and the histories in its numbers.
struct Model {
    artifact: Artifact,
    recommender: Backfill,
    /// Leaves out what the shop cannot sell, and nothing else.
    usual: Filter,
    histories: Histories,
}

impl Engine {
    /// A model over a state folder, which is made where there is none.
    ///
    /// # Errors
    /// Those of [`Store::open`]; [`Error::Wane`] for a model whose parameters are not its own.
    pub fn open(artifact: Artifact, folder: &Path, durability: Durability, clock: Clock) -> Result<Self> {
        let store = Store::open(folder, durability)?;
        let recommender = Backfill::new(artifact.recommender()?, &artifact.log);
        let usual =
            Filter::new(&FilterSettings::default(), artifact.log.items(), artifact.catalogue.as_ref())?;
        let metrics = Arc::new(Metrics::new());
        let histories = Histories::new(Arc::clone(&metrics));
        let model = Arc::new(Model { artifact, recommender, usual, histories });
        let told = Arc::clone(&model);
        let writer = Writer::start(store, Arc::clone(&metrics), move |user| told.histories.forget(user));
        Ok(Self {
            model,
            writer,
            folder: folder.to_owned(),
            readers: Mutex::default(),
            scores: Mutex::default(),
            clock,
            metrics,
        })
    }

    /// The name of the model.
    pub fn model_name(&self) -> &'static str {
        self.model.artifact.settings.name()
    }

    /// What is counted.
    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Users' histories in memory.
    pub(crate) fn histories_kept(&self) -> usize {
        self.model.histories.kept()
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
        self.writer.append(events).await
    }

    /// Takes a user out of the state. The model's own log is not touched, and speaks of the user no more.
    ///
    /// # Errors
    /// As [`Engine::append`].
    pub async fn erase(&self, user: String) -> Result<Erased> {
        self.writer.erase(user).await
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
    pub(crate) fn recommend(&self, asked: &Recommend) -> Result<Answer> {
        let Model { artifact, recommender, usual, histories } = &*self.model;
        let (known, name) = match &asked.whose {
            Whose::User(user) => (histories.of(user, || self.read(user))?, user.as_str()),
            Whose::Session(events) => (Arc::new(Known::of(&artifact.log, None, events)), ""),
        };
        let own;
        let filter = match &asked.filter {
            None => usual,
            Some(settings) => {
                own = Filter::new(settings, artifact.log.items(), artifact.catalogue.as_ref())?;
                &own
            }
        };
        let list = ListSettings { k: asked.k, diversity: asked.diversity };
        let question = Asked { as_of: asked.as_of, list, filter, explain: asked.explain };
        let names = Names { log: &artifact.log, catalogue: artifact.catalogue.as_ref() };
        let mut scores = take(&self.scores).unwrap_or_else(|| Scores::new(recommender.n_items()));
        scores.clear();
        let found = answer(recommender, names, name, known.history(&artifact.log)?, &question, &mut scores);
        give_back(&self.scores, scores);
        Ok(found?)
    }

    fn read(&self, user: &str) -> Result<Known> {
        let log = &self.model.artifact.log;
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
