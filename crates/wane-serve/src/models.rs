//! Which models answer: one, or two side by side that share the users between them, and what answered before.
//!
//! - A model does not change, nor does what was said of its items. What answers is replaced whole: a question holds on to what it began
//!   with, so none is lost by a change.
//! - Of two models the challenger gets a share of the users by a hash of the user's id, the same on every machine and after every start;
//!   a session goes by its first item, so it stays with its model while it grows.
//! - What answered before stays in memory, warm and up to date, until the next model is loaded: going back takes no time.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use serde::Serialize;
use sha2::{Digest, Sha256};
use wane::artifact::{Artifact, fingerprint};
use wane::events::{EventLog, History, ItemId, Timestamp, UserId};
use wane::interest::{Catalogue, CatalogueRow};
use wane::pipeline::{Asked, Live, LiveModel, answer};
use wane::recommend::{Backfill, Filter, FilterSettings, ListSettings, Names, Recommender, Scores};

use crate::aside::aside;
use crate::error::{Error, Result};
use crate::history::Histories;
use crate::interests::{self, Fitting};
use crate::items::{Items, Said, Standing};
use crate::metrics::Metrics;
use crate::texts::{Described, Encoders, Texts};
use crate::writer::Change;

/// A model with the items of the day, none of which change, and the histories in its numbers.
pub(crate) struct Model {
    /// Its name and what its folder contains: `trace@4f9f6818`.
    pub(crate) id: String,
    folder: PathBuf,
    fitted: Arc<Fitted>,
    /// What takes the place of `fitted` when the items of the day are heeded next.
    pub(crate) newest: Arc<Newest>,
    live: Live,
    /// What was said of items.
    items: Arc<Items>,
    /// What reads their texts, where anything does.
    texts: Option<Arc<Texts>>,
    /// Leaves out what the shop cannot sell, and nothing else.
    pub(crate) usual: Filter,
    pub(crate) histories: Arc<Histories>,
    /// What is done most often: what an event is taken for of which nothing is said.
    pub(crate) usual_type: String,
    /// What its log says of interests, once it was asked.
    pub(crate) interests: Arc<Fitting>,
}

/// A model whose counts are without some users.
pub(crate) struct Fitted {
    pub(crate) model: LiveModel,
    without: HashSet<UserId>,
}

/// A model as its counts were taken last. It is there as long as anyone may ask the model.
pub(crate) struct Newest(Mutex<Arc<Fitted>>);

impl Newest {
    pub(crate) fn get(&self) -> Arc<Fitted> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, fitted: Fitted) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(fitted);
    }
}

impl Model {
    /// Reads and checks a model folder.
    pub(crate) fn load(folder: &Path, metrics: &Arc<Metrics>, encoders: &Encoders) -> Result<Self> {
        let artifact = Artifact::load(folder)?;
        let texts = encoders.of(artifact.catalogue.as_ref())?.map(Arc::new);
        let digest = fingerprint(folder)?;
        let id = format!("{}@{}", artifact.settings.name(), digest.get(..8).unwrap_or(&digest));
        let fitted = Arc::new(Fitted { model: LiveModel::new(artifact)?, without: HashSet::new() });
        let newest = Arc::new(Newest(Mutex::new(Arc::clone(&fitted))));
        let (folder, live) = (folder.to_owned(), fitted.model.as_fitted());
        let (usual, usual_type) = (usual(&live)?, usual_type(&live.log));
        let (items, histories) = (Arc::default(), Arc::new(Histories::new(Arc::clone(metrics))));
        let interests = Arc::default();
        Ok(Self { id, folder, fitted, newest, live, items, texts, usual, histories, usual_type, interests })
    }

    /// Takes its counts without these users, where it has not left all of them out. What comes of it is in force when the items of the day
    /// are heeded next. Gives how many are newly left out.
    pub(crate) fn count_without(&self, users: HashSet<UserId>) -> Result<usize> {
        let new = users.difference(&self.newest.get().without).count();
        if new > 0 {
            let model = aside(|| self.fitted.model.without(|user| users.contains(&user)))?;
            self.newest.set(Fitted { model, without: users });
        }
        Ok(new)
    }

    /// Whether its counts were taken again and are not in force yet.
    pub(crate) fn is_behind(&self) -> bool {
        !Arc::ptr_eq(&self.newest.get(), &self.fitted)
    }

    /// Whether a user is in none of its counts.
    pub(crate) fn counts_are_without(&self, user: &str) -> bool {
        let known = self.log().users().position(user).map(UserId);
        known.is_none_or(|user| self.log().history(user).is_empty() || self.fitted.without.contains(&user))
    }

    /// The same with what was said of items. It is asked once, so that no user waits for what a first question makes.
    pub(crate) fn over(&self, items: &Arc<Items>) -> Result<Self> {
        let mut described: Vec<Described<'_>> =
            items.iter().filter_map(|(item, said)| self.described(item, said)).collect();
        if let Some(texts) = &self.texts {
            texts.read(&mut described);
        }
        let rows = described.into_iter().map(|described| (described.item, described.row)).collect();
        let fitted = self.newest.get();
        let live = if Arc::ptr_eq(&fitted, &self.fitted) {
            fitted.model.over(rows, &self.live)
        } else {
            fitted.model.over(rows, &fitted.model.as_fitted())
        };
        let model = Self {
            id: self.id.clone(),
            folder: self.folder.clone(),
            fitted,
            newest: Arc::clone(&self.newest),
            usual: usual(&live)?,
            live,
            items: Arc::clone(items),
            texts: self.texts.clone(),
            histories: Arc::clone(&self.histories),
            usual_type: self.usual_type.clone(),
            interests: Arc::clone(&self.interests),
        };
        let asked = Asked {
            as_of: Timestamp::from_millis(i64::MAX),
            list: ListSettings { k: 1, diversity: 0.0 },
            filter: &model.usual,
            reasons: None,
        };
        let mut scores = Scores::new(model.recommender().n_items());
        answer(model.recommender(), model.names(), "", History::new(&[], &[], &[])?, &asked, &mut scores)?;
        Ok(model)
    }

    /// What the model is told of an item: nothing where it cannot know it. One that was taken out cannot be had.
    fn described<'a>(&self, item: &'a str, said: Option<&'a Said>) -> Option<Described<'a>> {
        let own = self.fitted.model.row(item);
        let fitted = if self.fitted.model.takes_new_items() { own.unwrap_or_default() } else { own? };
        let row = match said {
            Some(said) => said.over(fitted.clone()),
            None => CatalogueRow { available: Some(false), ..fitted.clone() },
        };
        Some(Described { item, said, fitted, row })
    }

    pub(crate) fn log(&self) -> &EventLog {
        &self.live.log
    }

    pub(crate) fn catalogue(&self) -> Option<&Catalogue> {
        self.live.catalogue.as_deref()
    }

    pub(crate) fn recommender(&self) -> &Backfill {
        &self.live.recommender
    }

    pub(crate) fn names(&self) -> Names<'_> {
        self.live.names()
    }

    /// Length of the vectors of its items, where they have any.
    pub(crate) fn vector_length(&self) -> Option<usize> {
        self.fitted.model.vector_length()
    }

    /// Whether an item was taken out.
    pub(crate) fn is_out(&self, item: &str) -> bool {
        self.items.is_out(item)
    }

    /// What is known of an item; nothing where nothing was said of it and the model does not know it.
    pub(crate) fn row(&self, item: &str) -> Option<CatalogueRow> {
        match self.items.of(item) {
            Some(said) => Some(said?.over(self.fitted.model.row(item).unwrap_or_default())),
            None => self.fitted.model.row(item),
        }
    }

    /// Whether the model knows an item and may recommend it.
    pub(crate) fn standing(&self, item: &str, now: Timestamp) -> Standing {
        let known = self.log().items().position(item).map(ItemId);
        let row = self.row(item).unwrap_or_default();
        let why_not = match known {
            None => Some("it knows items by their events alone: this one is known after the next fit"),
            Some(_) if row.available == Some(false) => Some("`available` is false"),
            Some(_) if row.created.is_some_and(|created| created > now) => {
                Some("`created` is later than now")
            }
            Some(_) => None,
        };
        let is_new = self.fitted.model.row(item).is_none();
        let is_silent = known.is_some_and(|item| is_new && !self.fitted.model.is_described(&self.live, item));
        let or = if self.texts.is_some() { "a `title` or `description`" } else { "a `vector`" };
        let remark = is_silent.then(|| {
            format!("nothing that it learned speaks for this item: give `category`, `brand` or `price` as other items have them, or {or}")
        });
        Standing {
            known: known.is_some(),
            recommendable: why_not.is_none(),
            reason: why_not.map(str::to_owned).or(remark).map(|reason| format!("{}: {reason}", self.id)),
        }
    }
}

fn usual(live: &Live) -> Result<Filter> {
    Ok(Filter::new(&FilterSettings::default(), live.log.items(), live.catalogue.as_deref())?)
}

fn usual_type(log: &EventLog) -> String {
    let mut counts = vec![0_u64; log.event_types().len()];
    log.events().event_types().iter().for_each(|kind| counts[kind.index()] += 1);
    let most = counts.iter().enumerate().max_by_key(|(place, count)| (**count, Reverse(*place)));
    most.map_or_else(String::new, |(place, _)| log.event_types()[place].clone())
}

/// What answers.
struct Serving {
    champion: Arc<Model>,
    challenger: Option<Challenger>,
}

#[derive(Clone)]
struct Challenger {
    model: Arc<Model>,
    /// Of the users, above 0 and below 1.
    share: f64,
}

impl Serving {
    /// The same with what was said of items.
    fn over(&self, items: &Arc<Items>) -> Result<Self> {
        let over = |model: &Arc<Model>| Ok::<_, Error>(Arc::new(model.over(items)?));
        let challenger = self.challenger.as_ref();
        let challenger =
            challenger.map(|own| Ok::<_, Error>(Challenger { model: over(&own.model)?, share: own.share }));
        Ok(Self { champion: over(&self.champion)?, challenger: challenger.transpose()? })
    }

    fn models(&self) -> impl Iterator<Item = &Arc<Model>> {
        std::iter::once(&self.champion).chain(self.challenger.as_ref().map(|challenger| &challenger.model))
    }
}

/// A model that answers, as others are told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServedModel {
    /// Its name and what its folder contains.
    pub model: String,
    /// Where it was read from.
    pub folder: PathBuf,
    /// Of the users.
    pub share: f64,
    /// How many items it knows.
    pub items: usize,
    /// What reads the texts of new items for it; none where nothing does.
    pub encoder: Option<String>,
}

/// What answers, and what roll back would bring.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServedModels {
    /// One, or two with their shares.
    pub serving: Vec<ServedModel>,
    /// What answered before; none where nothing did.
    pub before: Vec<ServedModel>,
}

/// All models of a server.
pub(crate) struct Models {
    served: RwLock<(Arc<Serving>, Option<Arc<Serving>>)>,
    /// Whether interests are fitted before anyone asks.
    fits_early: AtomicBool,
}

impl Models {
    pub(crate) fn new(model: Model) -> Self {
        let serving = Serving { champion: Arc::new(model), challenger: None };
        Self { served: RwLock::new((Arc::new(serving), None)), fits_early: AtomicBool::new(false) }
    }

    /// Lets a model answer: all, or where a share is given, that share of the users beside the champion of now.
    pub(crate) fn change(&self, model: Model, share: Option<f64>) {
        let model = Arc::new(model);
        if self.fits_early.load(Ordering::Relaxed) {
            interests::begin(&model);
        }
        let mut served = self.served.write().unwrap_or_else(PoisonError::into_inner);
        let next = match share {
            None => Serving { champion: model, challenger: None },
            Some(share) => Serving {
                champion: Arc::clone(&served.0.champion),
                challenger: Some(Challenger { model, share }),
            },
        };
        let former = std::mem::replace(&mut served.0, Arc::new(next));
        served.1 = Some(former);
    }

    /// Has interests fitted of the models that answer, and of each that comes, before anyone asks.
    pub(crate) fn fit_early(&self) {
        self.fits_early.store(true, Ordering::Relaxed);
        let serving = Arc::clone(&self.served.read().unwrap_or_else(PoisonError::into_inner).0);
        serving.models().for_each(interests::begin);
    }

    /// What answered before answers again, with what was said of items meanwhile, and the other way round. Nothing else may change models
    /// at the same time.
    pub(crate) fn roll_back(&self, items: &Arc<Items>) -> Result<()> {
        let before = self.served.read().unwrap_or_else(PoisonError::into_inner).1.clone();
        let before = before.ok_or_else(|| {
            let reason = "no other model answered before; give `load` with a model folder".to_owned();
            Error::Conflict { field: "roll_back", reason }
        })?;
        let before = Arc::new(before.over(items)?);
        let mut served = self.served.write().unwrap_or_else(PoisonError::into_inner);
        let former = std::mem::replace(&mut served.0, before);
        served.1 = Some(former);
        Ok(())
    }

    /// What answers heeds what was said of items. Nothing else may change models at the same time. What answered before hears of it when
    /// it comes back.
    pub(crate) fn heed(&self, items: &Arc<Items>) -> Result<()> {
        let serving = Arc::clone(&self.served.read().unwrap_or_else(PoisonError::into_inner).0);
        let next = Arc::new(serving.over(items)?);
        self.served.write().unwrap_or_else(PoisonError::into_inner).0 = next;
        Ok(())
    }

    /// The models that answer, the champion first.
    pub(crate) fn serving(&self) -> Vec<Arc<Model>> {
        let serving = Arc::clone(&self.served.read().unwrap_or_else(PoisonError::into_inner).0);
        serving.models().cloned().collect()
    }

    /// The model for someone, by the user's id or a session's first item.
    pub(crate) fn of(&self, whose: &str) -> Arc<Model> {
        let serving = Arc::clone(&self.served.read().unwrap_or_else(PoisonError::into_inner).0);
        match &serving.challenger {
            Some(challenger) if place(whose) < challenger.share => Arc::clone(&challenger.model),
            _ => Arc::clone(&serving.champion),
        }
    }

    /// Something is new of a user. Models that may come back hear of it too.
    pub(crate) fn tell(&self, change: Change<'_>) {
        self.each(|model| match change {
            Change::Grew(user) => model.histories.grew(user),
            Change::Erased(user) => model.histories.forget(user),
        });
    }

    /// What is known of many users is so no more.
    pub(crate) fn forget_all(&self) {
        self.each(|model| model.histories.clear());
    }

    /// Users' histories in memory.
    pub(crate) fn histories_kept(&self) -> usize {
        let mut kept = 0;
        self.each(|model| kept += model.histories.kept());
        kept
    }

    /// The models that answer, and those that answered before.
    pub(crate) fn all(&self) -> Vec<Arc<Model>> {
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        let both = std::iter::once(&served.0).chain(&served.1);
        both.flat_map(|serving| serving.models()).cloned().collect()
    }

    fn each(&self, mut visit: impl FnMut(&Model)) {
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        let both = std::iter::once(&served.0).chain(&served.1);
        both.flat_map(|serving| serving.models()).for_each(|model| visit(model));
    }

    pub(crate) fn describe(&self) -> ServedModels {
        let served = self.served.read().unwrap_or_else(PoisonError::into_inner);
        let before = served.1.as_ref().map_or_else(Vec::new, |serving| describe(serving));
        ServedModels { serving: describe(&served.0), before }
    }
}

fn describe(serving: &Serving) -> Vec<ServedModel> {
    let taken = serving.challenger.as_ref().map_or(0.0, |challenger| challenger.share);
    let shares = [1.0 - taken, taken];
    let one = |(model, share): (&Arc<Model>, f64)| ServedModel {
        model: model.id.clone(),
        folder: model.folder.clone(),
        share,
        items: model.recommender().n_items(),
        encoder: model.texts.as_ref().map(|texts| texts.name().to_owned()),
    };
    serving.models().zip(shares).map(one).collect()
}

/// A number from 0 to below 1 that belongs to an id.
fn place(id: &str) -> f64 {
    let digest = Sha256::new_with_prefix("wane split ").chain_update(id).finalize();
    let first: [u8; 4] = std::array::from_fn(|byte| digest[byte]);
    f64::from(u32::from_be_bytes(first)) / (f64::from(u32::MAX) + 1.0)
}

/// Models for unit tests.
#[cfg(test)]
pub(crate) mod made {
    use wane::events::{EventColumns, EventLog, EventTypeId, Timestamp};
    use wane::pipeline::fit_as;
    use wane::recommend::{ModelSettings, Training};

    /// Writes a model of a log of one event, which says nothing of interests.
    pub(crate) fn of_one_event(folder: &std::path::Path) {
        let log = EventLog::from_columns(EventColumns {
            users: vec![0],
            items: vec![0],
            times: vec![Timestamp::from_millis(1)],
            types: vec![EventTypeId(0)],
            user_names: vec!["u".into()],
            item_names: vec!["i".into()],
            event_types: vec!["view".into()],
            ..EventColumns::default()
        });
        let settings = ModelSettings::named("popularity").unwrap();
        fit_as(&Training::new(&log.unwrap(), None, 1), &settings).unwrap().save(folder).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn users_are_spread_evenly_and_always_alike() {
        let places: Vec<f64> = (0..10_000).map(|user| place(&format!("user-{user}"))).collect();
        let below = places.iter().filter(|&&place| place < 0.2).count();
        assert!((1_880..2_120).contains(&below), "{below} of 10000");
        // `printf 'wane split user-0' | sha256sum` begins with 0707f4ff.
        assert_eq!(places[0], f64::from(0x0707_f4ff_u32) / 4_294_967_296.0);
    }
}
