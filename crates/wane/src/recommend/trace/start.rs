//! A fitted trace model to go on from, over the longer log and the wider vocabularies of another day.
//!
//! - Everything that was learned is found again by name: items, features of the catalogue, event types, relations. What
//!   has no name in the former model starts as it does in a first fit, but for two things: an item that the former model
//!   knows by a feature starts from its features alone, and a feature that it does not know starts at 0, so that it moves
//!   no item that is known.
//! - What is written of items is made short as it was for the former model, whose projection goes on. So its vectors must be by
//!   the same encoder: items known to both must mean the same in both.
//! - Another shop has other items: [`Start::over`] says of them what their features and texts say, and learns nothing. A model
//!   without ids ([`TraceSettings::id_dropout`] 1) was made for that, and for it no two items of one id are the same.
//! - Relations and popularity are counted anew, over the half-lives that the former model learned weights for.
//! - Learned from are the events after the newest one that the former model knew; the others are known as history.

use std::sync::Arc;

use super::fit::Ground;
use super::{TraceModel, TraceSettings};
use crate::error::{Error, Result};
use crate::events::{EventLog, ItemId, Timestamp, Vocab};
use crate::interest::{Catalogue, Features, Reduction, Texts};
use crate::recommend::{Goal, Parameters, Training};
use crate::train::{Group, Link, Shape, Weights, add_scaled, dot, feature_share};

/// Mean cosine of the short vectors of items known to both catalogues, at least, for them to be by one encoder. Words weigh a
/// little otherwise in another catalogue; vectors of another encoder have nothing in common.
const SAME: f32 = 0.8;

/// A fitted trace model with the names of what it knows; see the module's documentation.
#[derive(Debug, Clone)]
pub struct Start {
    settings: TraceSettings,
    model: TraceModel,
    /// `id_j`: the items' vectors without their features.
    own_vectors: Vec<f32>,
    items: Arc<Vocab>,
    event_types: Vec<String>,
    /// Names of the features that have a vector, sorted.
    features: Vec<String>,
    /// What was written of the items.
    texts: Texts,
    /// What wrote their vectors, if that is known.
    encoder: Option<String>,
    last: Option<Timestamp>,
    digest: String,
}

impl Start {
    /// A saved model: its settings and parameters, the log that it learned from, and what it knew of items.
    ///
    /// # Errors
    /// When the parameters are not those of these settings and this log.
    pub fn new(
        settings: &TraceSettings,
        parameters: Parameters,
        log: &EventLog,
        catalogue: Option<&Catalogue>,
    ) -> Result<Self> {
        let digest = parameters.digest();
        let model = settings.load(parameters, log.n_items(), log.event_types())?;
        let features = settings.described(catalogue, log.n_items(), Some(&model.reduction));
        // Folders of the first version do not tell vectors of features from those of items: all belongs to the items.
        let has_features = model.weights.features.len() == features.n_vectors() * settings.dim;
        let features = if has_features { features } else { Features::default() };
        Ok(Self {
            own_vectors: without_features(&model.weights, &features),
            settings: settings.clone(),
            model,
            items: Arc::clone(log.items()),
            event_types: log.event_types().to_vec(),
            features: features.names,
            texts: features.texts,
            encoder: catalogue.and_then(Catalogue::encoder).map(str::to_owned),
            last: log.span().map(|(_, last)| last),
            digest,
        })
    }

    /// The settings that it was fitted by.
    pub fn settings(&self) -> &TraceSettings {
        &self.settings
    }

    /// What the model was taught to predict.
    pub fn goal(&self) -> Goal {
        self.model.goal
    }

    /// Its newest event, where a log has newer ones: only these are learned from. Where it has none, all are.
    pub fn newest_event(&self, log: &EventLog) -> Option<Timestamp> {
        self.last.filter(|&last| log.span().is_some_and(|(_, newest)| newest > last))
    }

    /// The same model over another log and catalogue, where items that it does not know are known by their features and texts.
    /// Nothing is learned; relations and popularity are counted in the log, where the model has any.
    ///
    /// # Errors
    /// [`Error::Setting`] for vectors by another encoder.
    pub fn over(&self, log: &EventLog, catalogue: Option<&Catalogue>) -> Result<TraceModel> {
        self.check_vectors(catalogue)?;
        let training = Training { goal: self.goal(), start: Some(self), ..Training::new(log, catalogue, 0) };
        let ground = Ground::of(&self.settings, &training, log);
        let mut weights = ground.start(&self.settings, &training);
        let novelty = weights.group(Group::Novelty).first().copied();
        let rows = weights.vectors.chunks_exact_mut(self.settings.dim).zip(&mut weights.bias);
        for ((item, name), (vector, bias)) in (0u32..).zip(log.items().iter()).zip(rows) {
            if self.known(name).is_none() {
                // Learning would start from chance where nothing is known; here nothing is said.
                vector.fill(0.0);
                *bias = novelty.filter(|_| ground.features.describe(item)).unwrap_or(*bias);
            }
        }
        Ok(ground.model(weights))
    }

    /// An item that something is known of by its id.
    fn known(&self, name: &str) -> Option<ItemId> {
        let position = self.items.position(name).map(ItemId);
        position.filter(|_| !self.settings.is_without_ids())
    }

    /// Its newest event, where it learned from any of a log's items.
    pub fn knew_until(&self, log: &EventLog) -> Option<Timestamp> {
        self.last.filter(|_| log.items().iter().any(|name| self.items.position(name).is_some()))
    }

    /// How it made short what is written of items, if that spoke.
    pub(super) fn reduction(&self) -> Option<&Reduction> {
        Some(&self.model.reduction).filter(|reduction| reduction.dim() > 0)
    }

    /// Proves that a catalogue's vectors mean what they meant.
    pub(super) fn check_vectors(&self, catalogue: Option<&Catalogue>) -> Result<()> {
        let Some(reduction) = self.reduction() else { return Ok(()) };
        let vectors = catalogue.and_then(|catalogue| Some((catalogue, catalogue.vectors.as_ref()?)));
        let expected = format!(
            "{} numbers of each item, by the encoder of the model that learning goes on from",
            reduction.length()
        );
        let refuse = |got: &dyn std::fmt::Display| Err(Error::setting("vectors", &expected, got));
        let Some((catalogue, vectors)) = vectors else { return refuse(&"none") };
        if vectors.dim != reduction.length() {
            return refuse(&vectors.dim);
        }
        if let (Some(former), Some(now)) = (self.encoder.as_deref(), catalogue.encoder())
            && space(former) != space(now)
        {
            return refuse(&format!("those of {now}, not of {former}"));
        }
        let now = Texts::of(vectors, reduction.clone());
        let (mut sum, mut n) = (0.0, 0);
        for (item, name) in (0u32..).zip(catalogue.items.iter()) {
            let former = self.known(name).map_or(&[][..], |former| self.texts.of_item(former.0));
            let length = (dot(former, former) * dot(now.of_item(item), now.of_item(item))).sqrt();
            if length > 0.0 {
                sum += dot(former, now.of_item(item)) / length;
                n += 1;
            }
        }
        let mean = sum / n.max(1) as f32;
        if n > 0 && mean < SAME {
            return refuse(&format!(
                "others: cosine {mean:.2} between the former and the new vectors of the same items"
            ));
        }
        Ok(())
    }

    /// SHA-256 of all that was learned.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    /// Half-lives, in days, at which its popularity is counted.
    pub(super) fn fashions(&self) -> Vec<f32> {
        self.model.popularity.half_lives()
    }

    /// Proves that what was learned means the same under other settings.
    pub(super) fn check(&self, settings: &TraceSettings, goal: Goal) -> Result<()> {
        let same = |name: &str, former: &dyn ToString, now: &dyn ToString| {
            let (former, now) = (former.to_string(), now.to_string());
            if former == now {
                return Ok(());
            }
            Err(Error::setting(name, format!("{former}, as in the model that learning goes on from"), now))
        };
        let former = &self.settings;
        let word = |goal| if goal == Goal::NextItem { "next-item" } else { "next-basket" };
        same("targets", &word(self.model.goal), &word(goal))?;
        same("dim", &former.dim, &settings.dim)?;
        same("scales", &former.scales, &settings.scales)?;
        same("decay", &former.decay, &settings.decay)?;
        same("displacement", &former.displacement, &settings.displacement)?;
        same("popularity", &former.popularity, &settings.popularity)?;
        same("vectors", &former.vectors, &settings.vectors)?;
        same("features", &former.features, &settings.features)?;
        same("texts", &former.texts, &settings.texts)
    }

    /// What was learned, laid out by other vocabularies.
    pub(super) fn weights(
        &self,
        shape: Shape,
        log: &EventLog,
        features: &Features,
        links: &[Link],
        seed: u64,
    ) -> Weights {
        let half_lives: Vec<f32> =
            self.model.basis.rates.iter().map(|rate| std::f32::consts::LN_2 / rate).collect();
        let mut weights = Weights::start(shape, &half_lives, seed);
        let known = self.copy_features(&mut weights, features);
        self.copy_items(&mut weights, log.items(), |item| {
            let is_read = self.reduction().is_some() && features.texts.has(item);
            is_read || features.of_item(item).iter().any(|&feature| known[feature as usize])
        });
        self.copy_shared(&mut weights, log.event_types(), links);
        weights
    }

    /// Returns which features are known.
    fn copy_features(&self, weights: &mut Weights, features: &Features) -> Vec<bool> {
        let dim = weights.shape.dim;
        weights.features.fill(0.0);
        let known =
            features.names.iter().zip(weights.features.chunks_exact_mut(dim)).map(|(name, vector)| {
                let place = self.features.binary_search(name).ok();
                let former =
                    place.and_then(|place| self.model.weights.features.get(place * dim..(place + 1) * dim));
                former.is_some_and(|former| {
                    vector.copy_from_slice(former);
                    true
                })
            });
        let known = known.collect();
        if let Some(reduction) = self.reduction() {
            let former = &self.model.weights.features;
            let projection = &former[former.len() - reduction.dim() * dim..];
            let first = weights.features.len() - projection.len();
            weights.features[first..].copy_from_slice(projection);
        }
        known
    }

    /// `is_described`: whether the former model knows a feature of the item.
    fn copy_items(&self, weights: &mut Weights, items: &Vocab, is_described: impl Fn(u32) -> bool) {
        let dim = weights.shape.dim;
        let low = lower_quartile(&self.model.weights.bias);
        let rows = weights.vectors.chunks_exact_mut(dim).zip(&mut weights.bias);
        for ((item, name), (vector, bias)) in (0u32..).zip(items.iter()).zip(rows) {
            let former = self.known(name);
            *bias = former.map_or(low, |former| self.model.bias(former));
            let own = former.map(|former| &self.own_vectors[former.index() * dim..][..dim]);
            match own.filter(|own| own.iter().any(|&value| value != 0.0)) {
                Some(own) => vector.copy_from_slice(own),
                None if is_described(item) => vector.fill(0.0),
                None => {}
            }
        }
    }

    fn copy_shared(&self, weights: &mut Weights, event_types: &[String], links: &[Link]) {
        let former = &self.model.weights;
        let named_by_no_one = [
            Group::Mixing,
            Group::Rates,
            Group::Displacements,
            Group::Fashions,
            Group::Novelty,
            Group::Familiar,
        ];
        for group in named_by_no_one {
            let own = weights.group_mut(group);
            own.iter_mut().zip(former.group(group)).for_each(|(own, former)| *own = *former);
        }
        let places = |names: &[String], all: &[String]| -> Vec<Option<usize>> {
            names.iter().map(|name| all.iter().position(|other| other == name)).collect()
        };
        let names = |links: &[Link]| links.iter().map(|link| link.name.clone()).collect::<Vec<_>>();
        let types = places(event_types, &self.event_types);
        let departments = Link::department_names(links);
        let links = places(&names(links), &names(&self.model.links));
        copy_rows(weights, former, Group::Types, weights.shape.scales, &types);
        copy_rows(weights, former, Group::Gains, 1, &links);
        let known = places(departments, Link::department_names(&self.model.links));
        let returns = known.iter().flat_map(|known| {
            types.iter().map(move |kind| Some((*known)? * self.event_types.len() + (*kind)?))
        });
        copy_rows(weights, former, Group::Returns, weights.shape.scales, &returns.collect::<Vec<_>>());
        let kernels = links.iter().flat_map(|link| {
            types.iter().map(move |kind| Some((*link)? * self.event_types.len() + (*kind)?))
        });
        copy_rows(weights, former, Group::Kernels, weights.shape.scales, &kernels.collect::<Vec<_>>());
    }
}

/// The part of an encoder's name that is the same for all whose vectors can be compared.
fn space(encoder: &str) -> &str {
    encoder.split_once('+').map_or(encoder, |(space, _)| space)
}

/// Copies the rows of a group, `from` saying which former row each one was.
fn copy_rows(weights: &mut Weights, former: &Weights, group: Group, width: usize, from: &[Option<usize>]) {
    let rows = weights.group_mut(group).chunks_exact_mut(width);
    for (row, from) in rows.zip(from) {
        if let Some(from) = from.and_then(|from| former.group(group).get(from * width..(from + 1) * width)) {
            row.copy_from_slice(from);
        }
    }
}

/// `id_j = e_j - sum of its features' vectors / sqrt(their number) - P f_j`.
fn without_features(weights: &Weights, features: &Features) -> Vec<f32> {
    let dim = weights.shape.dim;
    let mut vectors = weights.vectors.clone();
    for (item, vector) in (0u32..).zip(vectors.chunks_exact_mut(dim)) {
        let own = features.of_item(item);
        for &feature in own {
            add_scaled(vector, -feature_share(own), &weights.features[feature as usize * dim..][..dim]);
        }
    }
    weights.add_texts(features, -1.0, &mut vectors);
    vectors
}

/// The bias of little visited items, which new ones are.
pub(super) fn lower_quartile(biases: &[f32]) -> f32 {
    let mut sorted = biases.to_vec();
    sorted.sort_by(f32::total_cmp);
    sorted.get(sorted.len() / 4).copied().unwrap_or_default()
}
