//! A fitted model over the histories that it and the store know.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use wane::events::{EventLog, Timestamp, UserId};
use wane::pipeline::{Asked, CurrentInterest, HalfLifeBy, InterestsAsked, answer};
use wane::recommend::{Answer, Filter, ListSettings, Recommender, Scores};

use crate::error::{Error, Result};
use crate::feedback::{Feedback, FeedbackReport, RecommendationId};
use crate::history::Known;
use crate::interests;
use crate::items::{ItemInForce, Said, Shelf, Word};
use crate::metrics::Metrics;
use crate::models::{Model, Models, ServedModels};
use crate::recount::Recount;
use crate::requests::{AskedInterests, Recommend, Whose};
use crate::retention::{Retired, day};
use crate::store::{Durability, Erased, NewEvent, Reader, Store, StoredEvent};
use crate::texts::Encoders;
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
    encoders: Encoders,
    is_stopping: AtomicBool,
    shelf: Arc<Shelf>,
    recount: Recount,
}

/// A list with its model, whose names it borrows.
pub(crate) struct Recommended<'a> {
    pub(crate) model: &'a str,
    pub(crate) id: RecommendationId,
    pub(crate) answer: Answer<'a>,
}

/// A user's interests with their model.
pub(crate) struct FoundInterests {
    pub(crate) model: Arc<Model>,
    pub(crate) by: HalfLifeBy,
    pub(crate) horizon: f64,
    pub(crate) interests: Vec<CurrentInterest>,
}

impl Engine {
    /// The model of a folder over a state folder, which is made where there is none. What is written of new items is read by the encoder that
    /// is found for a model's catalogue.
    ///
    /// # Errors
    /// Those of [`Store::open`]; [`Error::Wane`] for a model that cannot be read, or whose parameters are not its own; [`Error::Encoder`] for
    /// one whose texts would be read by another encoder than its own.
    pub fn open(
        model: &Path,
        folder: &Path,
        durability: Durability,
        clock: Clock,
        encoders: Encoders,
    ) -> Result<Self> {
        // Before the model: a state that is in use is found out at once, a model takes its time.
        let store = Store::open(folder, durability)?;
        let metrics = Arc::new(Metrics::new());
        let items = Arc::new(Reader::open(folder)?.items()?);
        let models = Arc::new(Models::new(Model::load(model, &metrics, &encoders)?.over(&items)?));
        let shelf = Arc::new(Shelf::new(items));
        let recount = Recount::start(Arc::clone(&models), Arc::clone(&shelf), folder.to_owned());
        let told = Arc::clone(&models);
        let writer = Writer::start(store, Arc::clone(&metrics), move |change| told.tell(change));
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
            encoders,
            is_stopping: AtomicBool::new(false),
            shelf,
            recount,
        })
    }

    /// Whether it can be asked, and written to.
    ///
    /// # Errors
    /// [`Error::NoWriter`], [`Error::Stopping`].
    pub fn ready(&self) -> Result<()> {
        if !self.writer.is_running() {
            return Err(Error::NoWriter);
        }
        if self.is_stopping.load(Ordering::Relaxed) { Err(Error::Stopping) } else { Ok(()) }
    }

    /// From now on it is not ready: what is still asked is answered, and more should go elsewhere.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// The models that answer, and those that answered before.
    pub fn models(&self) -> ServedModels {
        self.models.describe()
    }

    /// Lets the model of another folder answer, or beside the present one a share of the users. It is read and checked first; until it
    /// answers, the former one does. This takes as long as reading does: not for a thread that others wait for.
    ///
    /// # Errors
    /// [`Error::Conflict`] for a folder that cannot be served: then all is as before.
    pub fn load_model(&self, folder: &Path, share: Option<f64>) -> Result<()> {
        let unfit = |error: Error| Error::Conflict { field: "load", reason: error.to_string() };
        let model = Model::load(folder, &self.metrics, &self.encoders).map_err(unfit)?;
        let items = self.shelf.items();
        self.models.change(model.over(&items).map_err(unfit)?, share);
        self.recount.owe();
        Ok(())
    }

    /// What answered before answers again.
    ///
    /// # Errors
    /// [`Error::Conflict`] where nothing did.
    pub fn roll_back(&self) -> Result<()> {
        let items = self.shelf.items();
        self.models.roll_back(&items)
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

    /// Takes a user out of the state. The model's own log is not touched, and speaks of the user no more: at once where the user is asked
    /// for, and in what is counted of all users when that was counted again: see [`Engine::counts_are_without`].
    ///
    /// # Errors
    /// As [`Engine::append`].
    pub async fn erase(&self, user: String) -> Result<Erased> {
        let erased = self.writer.erase(user.clone()).await?;
        if self.models.all().iter().any(|model| !model.counts_are_without(&user)) {
            self.recount.owe();
        }
        Ok(erased)
    }

    /// Whether counts of all users may have users who were erased.
    pub(crate) fn counts_are_behind(&self) -> bool {
        self.recount.is_behind()
    }

    /// Whether a user who was erased is in no count of a model that answers.
    pub fn counts_are_without(&self, user: &str) -> bool {
        self.models.serving().iter().all(|model| model.counts_are_without(user))
    }

    /// Takes out all events of more than so many days ago.
    ///
    /// # Errors
    /// As [`Engine::append`]: then some may be left, for the next time.
    pub async fn retire(&self, days: f64) -> Result<Retired> {
        let before = self.now().plus_days(-days);
        let (mut events, mut after) = (0, Some(String::new()));
        while let Some(user) = after {
            let models = Arc::clone(&self.models);
            let retire = move |store: &mut Store| {
                let some = store.retire_some(before, &user);
                // Before anything else is kept: events of a user of whom nothing is left are numbered anew.
                models.forget_all();
                some
            };
            let (removed, last) = self.writer.with_store(retire).await?;
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

    /// What becomes of a list for a user or a session.
    ///
    /// # Errors
    /// [`Error::Wane`] for settings out of their range, [`Error::State`].
    pub(crate) fn recommend<T>(
        &self,
        asked: &Recommend,
        tell: impl FnOnce(&Recommended<'_>) -> T,
    ) -> Result<T> {
        let model = self.models.of(asked.whose.key());
        let log = model.log();
        let (known, name) = match &asked.whose {
            Whose::User(user) => (
                model.histories.of(user, log.n_items(), |former| self.read(log, user, former))?,
                user.as_str(),
            ),
            Whose::Session(events) => (Arc::new(Known::of_session(log, events)), ""),
        };
        let own;
        let filter = match &asked.filter {
            None => &model.usual,
            Some(settings) => {
                own = Filter::new(settings, log.items(), model.catalogue())?;
                &own
            }
        };
        let list = ListSettings { k: asked.k, diversity: asked.diversity };
        let question = Asked { as_of: asked.as_of, list, filter, reasons: asked.reasons };
        let n_items = model.recommender().n_items();
        // Another model may have other items.
        let ready = take(&self.scores).filter(|scores| scores.len() == n_items);
        let mut scores = ready.unwrap_or_else(|| Scores::new(n_items));
        scores.clear();
        let history = known.history(log)?;
        let found = answer(model.recommender(), model.names(), name, history, &question, &mut scores);
        give_back(&self.scores, scores);
        let number = self.numbers.hash_one(self.asked.fetch_add(1, Ordering::Relaxed));
        let id = RecommendationId { model: model.id.clone(), scenario: asked.scenario.clone(), number };
        Ok(tell(&Recommended { model: &model.id, id, answer: found? }))
    }

    /// Has interests fitted in the background, of the models that answer and of each that comes, so that nobody who asks for them waits.
    pub fn fit_interests(&self) {
        self.models.fit_early();
    }

    /// What a user is interested in.
    ///
    /// # Errors
    /// [`Error::Fitting`] until the model's log was fitted, which begins with the first question; [`Error::NoInterests`] where that cannot
    /// be done; [`Error::Conflict`] for a horizon longer than that log; [`Error::State`].
    pub(crate) fn interests(&self, user: &str, asked: &AskedInterests) -> Result<FoundInterests> {
        let model = self.models.of(user);
        let fitted = interests::of(&model)?;
        let horizon = asked.horizon_within(fitted.days())?;
        let log = model.log();
        let known = model.histories.of(user, log.n_items(), |former| self.read(log, user, former))?;
        let question = InterestsAsked { at: asked.as_of, horizon, most: asked.k, with_curves: asked.curve };
        let (by, interests) = (fitted.by(), fitted.of(log, known.history(log)?, question));
        Ok(FoundInterests { model, by, horizon, interests })
    }

    /// What is done most often, of an item that its model knows.
    ///
    /// # Errors
    /// [`Error::NotFound`] for another item.
    pub(crate) fn usual_type(&self, item: &str) -> Result<String> {
        let model = self.models.of(item);
        match model.log().items().position(item).filter(|_| !model.is_out(item)) {
            Some(_) => Ok(model.usual_type.clone()),
            None => Err(Error::NotFound { what: "item", name: item.to_owned() }),
        }
    }

    /// Keeps what is said of an item and lets all models that answer heed it; when it returns, it is on the disk and in force.
    pub(crate) async fn say(self: &Arc<Self>, word: Word) -> Result<()> {
        let engine = Arc::clone(self);
        // It goes on where the request is given up: what is kept has to come into force.
        let done = tokio::spawn(async move { engine.keep_and_heed(word).await });
        done.await.map_err(|_| Error::Stopping)?
    }

    async fn keep_and_heed(self: Arc<Self>, word: Word) -> Result<()> {
        let item = word.item.clone();
        self.writer.keep(Batch::Item(word)).await?;
        self.shelf.changed(item);
        // Who waits here is often served by who is before them.
        let turn = self.shelf.turn().await;
        let engine = Arc::clone(&self);
        let heeded = tokio::task::spawn_blocking(move || engine.heed()).await;
        drop(turn);
        heeded.map_err(|_| Error::Stopping)?
    }

    /// Brings into force what was said.
    fn heed(&self) -> Result<()> {
        let changed = self.shelf.take_changed();
        if changed.is_empty() {
            return Ok(());
        }
        let heed = || {
            let kept = self.with_reader(|reader| {
                changed.iter().map(|item| reader.item(item)).collect::<Result<Vec<_>>>()
            })?;
            let mut items = self.shelf.items();
            for (item, kept) in changed.iter().zip(kept) {
                kept.into_iter().for_each(|kept| Arc::make_mut(&mut items).set(item.clone(), kept));
            }
            self.models.heed(&items)
        };
        let heeded = heed();
        if heeded.is_err() {
            changed.into_iter().for_each(|item| self.shelf.changed(item));
        }
        heeded
    }

    /// What is in force of an item.
    pub(crate) fn item(&self, item: &str) -> Result<ItemInForce> {
        let now = self.now();
        let serving = self.models.serving();
        let row = serving.first().and_then(|model| model.row(item));
        let row = row.ok_or_else(|| Error::NotFound { what: "item", name: item.to_owned() })?;
        Ok(ItemInForce { row, standings: serving.iter().map(|model| model.standing(item, now)).collect() })
    }

    /// Proves that the model that answers could read a vector.
    pub(crate) fn check_vector(&self, said: &Said) -> Result<()> {
        let Some(Some(vector)) = &said.vector else { return Ok(()) };
        let serving = self.models.serving();
        let Some(model) = serving.first() else { return Ok(()) };
        match model.vector_length() {
            Some(length) if length != vector.len() => {
                let (id, got) = (&model.id, vector.len());
                let expected = format!("expected {length} numbers, as all items of {id} have");
                Err(Error::Conflict { field: "vector", reason: format!("{expected}, got {got}") })
            }
            _ => Ok(()),
        }
    }

    /// What is known of a user: all of it, or what a former reading knew with what came since.
    fn read(&self, log: &EventLog, user: &str, former: Option<&Known>) -> Result<Known> {
        if let Some(former) = former {
            let newer = self.with_reader(|reader| reader.events_after(user, former.arrival()))?;
            return Ok(former.grown(log, &newer));
        }
        let (newer, is_erased) = self.with_reader(|reader| {
            reader.at_one_moment(|reader| Ok((reader.events_after(user, 0)?, reader.is_erased(user)?)))
        })?;
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

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;
    use crate::guard::Guard;
    use crate::models::made;
    use crate::routes::router;
    use crate::settings::Settings;

    /// An engine over the model of a log of one event.
    fn engine(folder: &Path) -> Arc<Engine> {
        let model = folder.join("model");
        made::of_one_event(&model);
        let clock = Arc::new(|| Timestamp::from_millis(2));
        Arc::new(
            Engine::open(&model, &folder.join("state"), Durability::Os, clock, Encoders::default()).unwrap(),
        )
    }

    async fn ask(engine: &Arc<Engine>, method: &str, path: &str, body: &'static str) -> (StatusCode, String) {
        let guard = Arc::new(Guard::new(Settings::default()).unwrap());
        let request = Request::builder().method(method).uri(path).body(Body::from(body)).unwrap();
        let answer = router(Arc::clone(engine), guard).oneshot(request).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn without_the_thread_that_writes_it_is_not_ready_and_answers_what_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(folder.path());
        assert_eq!(ask(&engine, "GET", "/health/ready", "").await, (StatusCode::OK, "ready\n".to_owned()));
        let broken = engine.writer.with_store::<()>(|_| panic!("as the test has it")).await;
        assert!(matches!(broken, Err(Error::NoWriter)));
        // The thread says that it has ended before it has.
        while engine.writer.is_running() {
            tokio::task::yield_now().await;
        }
        let event = r#"{"user_id": "u", "item_id": "i"}"#;
        for (method, path, body) in [("GET", "/health/ready", ""), ("POST", "/v1/events", event)] {
            let (status, said) = ask(&engine, method, path, body).await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{said}");
            assert!(said.contains("no-writer") && said.contains("Start the server again"), "{said}");
        }
        assert_eq!(ask(&engine, "GET", "/health/live", "").await.0, StatusCode::OK);
        assert_eq!(ask(&engine, "POST", "/v1/recommend", r#"{"user_id": "u"}"#).await.0, StatusCode::OK);
    }

    /// A user of whom nothing is left has events numbered anew: what was read on from the former numbers would miss them.
    #[tokio::test]
    async fn what_comes_while_old_events_leave_is_not_missed() {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(folder.path());
        let told = async |item: &str, time: &str| {
            let event =
                format!(r#"{{"user_id": "v", "item_id": "{item}", "time": "1970-01-01T00:00:00.{time}Z"}}"#);
            let (status, said) = ask(&engine, "POST", "/v1/events", event.leak()).await;
            assert_eq!(status, StatusCode::ACCEPTED, "{said}");
        };
        let list = async || {
            let asked = r#"{"user_id": "v", "no_repeat": true, "as_of": "1970-01-01T00:00:01Z"}"#;
            ask(&engine, "POST", "/v1/recommend", asked).await.1
        };
        told("x", "000").await;
        told("x", "001").await;
        assert!(list().await.contains(r#""item_id":"i""#));
        let mut retired = std::pin::pin!(engine.retire(0.0));
        tokio::select! {
            biased;
            _ = &mut retired => panic!("it waits for the thread that writes"),
            () = std::future::ready(()) => {}
        }
        told("i", "002").await;
        assert!(!list().await.contains(r#""item_id":"i""#));
        assert_eq!(retired.await.unwrap().events, 2);
        assert!(!list().await.contains(r#""item_id":"i""#));
    }

    #[tokio::test]
    async fn while_it_stops_it_is_not_ready() {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(folder.path());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let guard = Arc::new(Guard::new(Settings::default()).unwrap());
        assert!(crate::run(listener, Arc::clone(&engine), guard, async {}).await);
        let (status, said) = ask(&engine, "GET", "/health/ready", "").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(said.contains("stopping"), "{said}");
    }
}
