//! Items that come after the fit, and others of which the shop says something new, while a trace model answers.
//!
//! - A new item is what its features and text say, as in [`Start::over`](super::Start::over): `e_j` of the vectors of those features that
//!   the model knows, and `P f_j`; its bias is that of a new item. A known item keeps `id_j`; of its features and text the former are taken
//!   out and the present ones put in, and where they are the same, nothing is touched.
//! - Nothing else changes: the scores of all other items stay as they are, bit for bit. So features weigh and price bands lie as they did at
//!   the fit, links of `alike` and `alike-text` that there are stay, and links to later items come on top of them. Counting all anew, as
//!   `Start::over` does, would move all items a little, and takes seconds.
//! - Numbers of later items follow on those of the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rayon::prelude::*;

use super::start::lower_quartile;
use super::{Searching, TraceModel, TraceSettings};
use crate::events::{EventLog, ItemId};
use crate::interest::{
    Catalogue, Departments, Features, Likeness, Near, PriceBands, Relation, Texts, Vectors,
    later_alike_texts, near_texts,
};
use crate::train::{Group, Link, LinkRows, Shape, Weights, add_scaled, feature_share};

/// A fitted trace model with what it needs to know later items; see the module's documentation.
#[derive(Debug)]
pub struct LaterItems {
    settings: TraceSettings,
    model: Arc<TraceModel>,
    catalogue: Option<Arc<Catalogue>>,
    /// What was known of the items at the fit.
    features: Features,
    bands: PriceBands,
    /// Events of each item.
    visits: Vec<u32>,
    likeness: OnceLock<Likeness>,
    /// By features.
    alike: Found<u32>,
    /// By texts.
    alike_texts: Found<f32>,
    /// The bias of an item of which nothing is known.
    low: f32,
}

/// What is near to later items among the items of the fit, which takes a look at many of those to tell.
#[derive(Debug, Default)]
struct Found<T> {
    /// How strong a link must be to be one of each item's.
    bars: OnceLock<Vec<f32>>,
    known: Mutex<HashMap<ItemId, Known<T>>>,
}

/// How an item is described, and what is near to it.
type Known<T> = (Vec<T>, Arc<Near>);

impl<T: Clone + PartialEq + Send + Sync> Found<T> {
    /// What is near to items, of each as it was found when it was described like this first. Of other items it is forgotten.
    fn of(
        &self,
        later: &[(ItemId, &[T])],
        bars: impl FnOnce() -> Vec<f32>,
        find: impl Fn(&[T], &[f32]) -> Near + Sync,
    ) -> Vec<Arc<Near>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut former = std::mem::take(&mut *known);
        let (old, new): (Vec<_>, Vec<_>) = later
            .iter()
            .partition(|&&(item, own)| former.get(&item).is_some_and(|(described, _)| described[..] == *own));
        known.extend(old.iter().filter_map(|&(item, _)| former.remove_entry(&item)));
        if !new.is_empty() {
            let bars = self.bars.get_or_init(bars);
            let one = |(item, own): (ItemId, &[T])| (item, (own.to_vec(), Arc::new(find(own, bars))));
            known.par_extend(new.into_par_iter().map(one));
        }
        later.iter().filter_map(|(item, _)| Some(Arc::clone(&known.get(item)?.1))).collect()
    }
}

/// What is said of an item now.
struct Said {
    item: ItemId,
    features: Vec<u32>,
    text: Vec<f32>,
}

impl LaterItems {
    /// What a model needs, read off its log and catalogue.
    pub fn of(
        settings: &TraceSettings,
        model: Arc<TraceModel>,
        log: &EventLog,
        catalogue: Option<Arc<Catalogue>>,
    ) -> Self {
        let features = settings.described(catalogue.as_deref(), log.n_items(), Some(&model.reduction));
        // Folders of the first version do not tell vectors of features from those of items.
        let has_features = model.weights.features.len() == features.n_vectors() * settings.dim;
        let features = if has_features { features } else { Features::default() };
        let prices = catalogue.as_deref().map_or(&[][..], |catalogue| &catalogue.price);
        let mut visits = vec![0; log.n_items()];
        log.events().items().iter().for_each(|item| visits[item.index()] += 1);
        Self {
            bands: PriceBands::of(prices),
            low: lower_quartile(&model.weights.bias),
            settings: settings.clone(),
            likeness: OnceLock::new(),
            alike: Found::default(),
            alike_texts: Found::default(),
            features,
            visits,
            model,
            catalogue,
        }
    }

    /// Whether anything that the model knows says something of an item of a newer catalogue.
    pub fn is_described(&self, catalogue: &Catalogue, item: ItemId) -> bool {
        self.said(catalogue, &[item]).iter().any(|said| self.is_known_by(said))
    }

    /// The model over a newer catalogue, which differs in these items, later ones among them.
    pub fn over(&self, catalogue: &Catalogue, items: &[ItemId]) -> TraceModel {
        let said = self.said(catalogue, items);
        let TraceModel { weights: former, basis, links, popularity, events, goal, reduction, .. } =
            &*self.model;
        let n_items = catalogue.items.len();
        let dim = self.settings.dim;
        let mut vectors = Vec::with_capacity(n_items * dim);
        vectors.extend_from_slice(&self.model.vectors);
        vectors.resize(n_items * dim, 0.0);
        let mut bias = former.bias.clone();
        bias.resize(n_items, self.low);
        let novelty = former.group(Group::Novelty).first().copied();
        for said in &said {
            let place = said.item.index();
            self.write_vector(said, &mut vectors[place * dim..(place + 1) * dim]);
            if self.is_later(said.item) {
                bias[place] = novelty.filter(|_| self.is_known_by(said)).unwrap_or(self.low);
            }
        }
        let weights = Weights {
            shape: Shape { items: n_items, ..former.shape },
            // Asked are the sums, and nothing is learned from here.
            vectors: Vec::new(),
            features: former.features.clone(),
            bias,
            shared: former.shared.clone(),
        };
        TraceModel {
            weights,
            basis: basis.clone(),
            vectors: vectors.into(),
            links: links.iter().map(|link| self.link(link, catalogue, &said)).collect(),
            popularity: popularity.clone(),
            events: Arc::clone(events),
            goal: *goal,
            reduction: reduction.clone(),
            searching: Searching::beside(Arc::clone(&self.model), items.to_vec()),
        }
    }

    fn is_later(&self, item: ItemId) -> bool {
        item.index() >= self.visits.len()
    }

    fn is_known_by(&self, said: &Said) -> bool {
        !said.features.is_empty() || said.text.iter().any(|x| *x != 0.0)
    }

    fn said(&self, catalogue: &Catalogue, items: &[ItemId]) -> Vec<Said> {
        let texts = self.texts(catalogue, items);
        let one = |(row, &item): (u32, &ItemId)| Said {
            item,
            features: self.features.known_of(catalogue, item, &self.bands),
            text: if self.has_same_text(catalogue, item) {
                self.features.texts.of_item(item.0).to_vec()
            } else {
                texts.of_item(row).to_vec()
            },
        };
        (0u32..).zip(items).map(one).collect()
    }

    /// Whether an item's vector is the one of the fit: then so is what was made of it, to the bit.
    fn has_same_text(&self, catalogue: &Catalogue, item: ItemId) -> bool {
        let of =
            |catalogue: Option<&Catalogue>| catalogue?.vectors.as_ref()?.of_item(item).map(<[f32]>::to_vec);
        !self.is_later(item) && of(Some(catalogue)) == of(self.catalogue.as_deref())
    }

    /// Short vectors of some items, in their order.
    fn texts(&self, catalogue: &Catalogue, items: &[ItemId]) -> Texts {
        let Some(vectors) = catalogue.vectors.as_ref().filter(|_| self.features.texts.dim > 0) else {
            return Texts::default();
        };
        let none = vec![0.0; vectors.dim];
        let rows = items.iter().flat_map(|&item| vectors.of_item(item).unwrap_or(&none)).copied();
        let rows = Vectors { dim: vectors.dim, data: rows.collect() };
        Texts::of(&rows, self.model.reduction.clone())
    }

    fn write_vector(&self, said: &Said, vector: &mut [f32]) {
        let former = self.features.of_item(said.item.0);
        let former_text = self.features.texts.of_item(said.item.0);
        if self.is_later(said.item) {
            self.add(&said.features, &said.text, 1.0, vector);
        } else if former != said.features || former_text != said.text {
            self.add(former, former_text, -1.0, vector);
            self.add(&said.features, &said.text, 1.0, vector);
        }
    }

    /// Adds `factor` times what features and a text say.
    fn add(&self, features: &[u32], text: &[f32], factor: f32, vector: &mut [f32]) {
        let (own, dim) = (&self.model.weights.features, self.settings.dim);
        for &feature in features {
            add_scaled(vector, factor * feature_share(features), &own[feature as usize * dim..][..dim]);
        }
        let projection = own[self.features.n_features * dim..].chunks_exact(dim);
        text.iter().zip(projection).for_each(|(x, row)| add_scaled(vector, factor * x, row));
    }

    fn link(&self, link: &Link, catalogue: &Catalogue, said: &[Said]) -> Link {
        let rows = match (&link.rows, &*link.name) {
            (LinkRows::Repeat(departments), _) => {
                LinkRows::Repeat(self.departments(departments, catalogue, said))
            }
            (LinkRows::Given(relation), "alike") => LinkRows::Given(self.alike(relation, catalogue, said)),
            (LinkRows::Given(relation), "alike-text") => {
                LinkRows::Given(self.alike_texts(relation, catalogue, said))
            }
            (rows, _) => rows.clone(),
        };
        Link { name: link.name.clone(), reach: link.reach, rows }
    }

    fn departments(&self, departments: &Departments, catalogue: &Catalogue, said: &[Said]) -> Departments {
        let items: Vec<ItemId> = said.iter().map(|said| said.item).collect();
        departments.over(catalogue, catalogue.items.len(), &items)
    }

    fn alike(&self, relation: &Relation, catalogue: &Catalogue, said: &[Said]) -> Relation {
        let later = said.iter().filter(|said| self.is_later(said.item) && !said.features.is_empty());
        let later: Vec<_> = later.map(|said| (said.item, &said.features[..])).collect();
        if later.is_empty() {
            return relation.clone();
        }
        let likeness = self.likeness.get_or_init(|| Likeness::of(&self.features, &self.visits));
        let find = |features: &[u32], bars: &[f32]| likeness.near(features, self.settings.alike, bars);
        let near = self.alike.of(&later, || self.bars(relation), find);
        relation.with_later(catalogue.items.len(), likeness.later(&later, &near, self.settings.alike))
    }

    fn alike_texts(&self, relation: &Relation, catalogue: &Catalogue, said: &[Said]) -> Relation {
        let is_written = |said: &&Said| self.is_later(said.item) && said.text.iter().any(|x| *x != 0.0);
        let later: Vec<_> = said.iter().filter(is_written).map(|said| (said.item, &said.text[..])).collect();
        if later.is_empty() {
            return relation.clone();
        }
        let texts = &self.features.texts;
        let find = |text: &[f32], bars: &[f32]| near_texts(texts, text, self.settings.alike, bars);
        let near = self.alike_texts.of(&later, || self.bars(relation), find);
        let links = later_alike_texts(&later, &near, self.settings.alike);
        relation.with_later(catalogue.items.len(), links)
    }

    /// How strong a link must be to be one of each item's.
    fn bars(&self, relation: &Relation) -> Vec<f32> {
        let bar = |item| {
            let row = relation.neighbours(item);
            if row.len() < self.settings.alike {
                return 0.0;
            }
            row.map(|(_, weight)| weight).fold(f32::INFINITY, f32::min)
        };
        (0..self.visits.len() as u32).map(ItemId).map(bar).collect()
    }
}
