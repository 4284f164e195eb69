//! A saved model whose items change while it answers: what can be had, prices, titles, and items that came after the fit.
//!
//! Of the items of the day all is given each time, so the same rows make the same model, whichever came first and however often it was made.

use std::sync::Arc;

use crate::artifact::Artifact;
use crate::error::Result;
use crate::events::{EventLog, ItemId, UserId};
use crate::interest::{Catalogue, CatalogueRow};
use crate::recommend::{
    Backfill, LaterItems, ModelSettings, Names, Recommender, TraceModel, TraceSettings, Training,
};

/// A saved model as it was fitted.
pub struct LiveModel {
    settings: ModelSettings,
    seed: u64,
    log: EventLog,
    catalogue: Option<Arc<Catalogue>>,
    recommender: Arc<Backfill>,
    /// Nothing for a model that knows items by their events alone.
    trace: Option<Trace>,
}

/// A trace model and how it takes in items of the day.
struct Trace {
    model: Arc<TraceModel>,
    later: LaterItems,
}

impl Trace {
    /// A model whose counts were taken in a log.
    fn new(
        settings: &TraceSettings,
        model: TraceModel,
        log: &EventLog,
        catalogue: Option<Arc<Catalogue>>,
    ) -> Self {
        let model = Arc::new(model);
        Self { later: LaterItems::of(settings, Arc::clone(&model), log, catalogue), model }
    }
}

/// The model with the items of the day.
#[derive(Clone)]
pub struct Live {
    /// Its log; the items of the day have numbers in its vocabulary, where the model can know them.
    pub log: EventLog,
    /// What is known of items.
    pub catalogue: Option<Arc<Catalogue>>,
    /// The model, backed by popularity.
    pub recommender: Arc<Backfill>,
    /// What the model itself was made of.
    heard: Arc<Vec<(ItemId, CatalogueRow)>>,
}

impl LiveModel {
    /// A model as it was saved.
    ///
    /// # Errors
    /// When the parameters are not those of the model that the settings name.
    pub fn new(artifact: Artifact) -> Result<Self> {
        let Artifact { settings, parameters, log, catalogue, seed } = artifact;
        let catalogue = catalogue.map(Arc::new);
        let (model, trace): (Box<dyn Recommender>, _) = match &settings {
            ModelSettings::Trace(settings) => {
                let model = settings.load(parameters, log.n_items(), log.event_types())?;
                let trace = Trace::new(settings, model, &log, catalogue.clone());
                (Box::new(Arc::clone(&trace.model)), Some(trace))
            }
            settings => (settings.load(parameters, log.n_items(), log.event_types())?, None),
        };
        let recommender = Arc::new(Backfill::new(model, &log));
        Ok(Self { settings, seed, log, catalogue, recommender, trace })
    }

    /// The same where nothing of some users is counted: what is counted in the log is counted without their events. The log
    /// still has them. Of a trace model the rest, which was learned, stays; any other model is fitted once more, which takes as long as it
    /// took.
    ///
    /// # Errors
    /// Those of a fit with these settings.
    pub fn without(&self, is_left_out: impl Fn(UserId) -> bool) -> Result<Self> {
        let counted = self.log.filter(|user, _, _| !is_left_out(user));
        let (model, trace): (Box<dyn Recommender>, _) = match (&self.settings, &self.trace) {
            (ModelSettings::Trace(settings), Some(trace)) => {
                let model = trace.model.counted_in(&counted, settings);
                let trace = Trace::new(settings, model, &counted, self.catalogue.clone());
                (Box::new(Arc::clone(&trace.model)), Some(trace))
            }
            (settings, _) => {
                (settings.fit(&Training::new(&counted, self.catalogue.as_deref(), self.seed))?, None)
            }
        };
        Ok(Self {
            settings: self.settings.clone(),
            seed: self.seed,
            log: self.log.clone(),
            catalogue: self.catalogue.clone(),
            recommender: Arc::new(Backfill::new(model, &counted)),
            trace,
        })
    }

    /// The model without any items of the day.
    pub fn as_fitted(&self) -> Live {
        let (log, catalogue) = (self.log.clone(), self.catalogue.clone());
        Live { log, catalogue, recommender: Arc::clone(&self.recommender), heard: Arc::default() }
    }

    /// What the model's own catalogue knows of an item; nothing where the model does not know the item.
    pub fn row(&self, item: &str) -> Option<CatalogueRow> {
        let item = ItemId(self.log.items().position(item)?);
        Some(self.catalogue.as_ref().map_or_else(CatalogueRow::default, |catalogue| catalogue.row(item)))
    }

    /// Whether it can know items that came after the fit.
    pub fn takes_new_items(&self) -> bool {
        self.trace.is_some()
    }

    /// Length of the vectors of its catalogue, where it has any.
    pub fn vector_length(&self) -> Option<usize> {
        self.catalogue.as_ref()?.vectors.as_ref().map(|vectors| vectors.dim)
    }

    /// Whether something that the model learned says something of an item of a catalogue of [`Self::over`].
    pub fn is_described(&self, live: &Live, item: ItemId) -> bool {
        let (Some(trace), Some(catalogue)) = (&self.trace, &live.catalogue) else { return false };
        trace.later.is_described(catalogue, item)
    }

    /// The model with items of the day: all that differ from its own catalogue, new ones in the order in which they came. What `former`
    /// has that would be the same is taken from it.
    ///
    /// Scores of items that are not among these stay as they are, bit for bit.
    pub fn over(&self, items: Vec<(&str, CatalogueRow)>, former: &Live) -> Live {
        if items.is_empty() {
            return self.as_fitted();
        }
        let log = if self.takes_new_items() {
            let vocab = self.log.items().with_later(items.iter().map(|(name, _)| *name));
            self.log.with_later_items(vocab.shared())
        } else {
            self.log.clone()
        };
        let place = |name| log.items().position(name).map(ItemId);
        let rows: Vec<(ItemId, CatalogueRow)> =
            items.into_iter().filter_map(|(name, row)| Some((place(name)?, row))).collect();
        let nothing = || Catalogue { items: Arc::clone(self.log.items()), ..Catalogue::default() };
        let own = self.catalogue.clone().unwrap_or_else(|| Arc::new(nothing()));
        let catalogue = Arc::new(own.with_rows(log.items(), rows.iter().cloned()));
        let heard = self.heard(rows);
        if *former.heard == heard {
            let (recommender, heard) = (Arc::clone(&former.recommender), Arc::clone(&former.heard));
            return Live { log, catalogue: Some(catalogue), recommender, heard };
        }
        let recommender = match &self.trace {
            Some(trace) => {
                let items: Vec<ItemId> = heard.iter().map(|(item, _)| *item).collect();
                let model = trace.later.over(&catalogue, &items);
                Arc::new(self.recommender.with_model(Box::new(model)))
            }
            None => Arc::clone(&self.recommender),
        };
        Live { log, catalogue: Some(catalogue), recommender, heard: Arc::new(heard) }
    }

    /// What the model has to heed of rows: where it would hear what it heard at the fit, nothing.
    fn heard(&self, rows: Vec<(ItemId, CatalogueRow)>) -> Vec<(ItemId, CatalogueRow)> {
        let fitted = |item: ItemId| {
            let row = |catalogue: &Arc<Catalogue>| catalogue.row(item);
            let row = self.catalogue.as_ref().map_or_else(CatalogueRow::default, row);
            (item.index() < self.log.n_items()).then(|| heard_of(row))
        };
        let heard = rows.into_iter().map(|(item, row)| (item, heard_of(row)));
        heard.filter(|(item, row)| self.takes_new_items() && fitted(*item).as_ref() != Some(row)).collect()
    }
}

impl Live {
    /// What answers need beside the model.
    pub fn names(&self) -> Names<'_> {
        Names { log: &self.log, catalogue: self.catalogue.as_deref() }
    }
}

/// What a model hears of a row; the rest is for filters and lists.
fn heard_of(row: CatalogueRow) -> CatalogueRow {
    let CatalogueRow { categories, brand, price, vector, .. } = row;
    CatalogueRow { categories, brand, price, vector, ..CatalogueRow::default() }
}
