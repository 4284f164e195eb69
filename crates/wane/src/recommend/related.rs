//! Related items: what the catalogue itself says goes with what the user did.
//!
//! - `B[i, j] = sum over relations r of link_r(i, j) / (out_r(i)^p * in_r(j)^p)`, plus `reverse` times the same for the link
//!   read backward: a case goes with a phone more surely than the phone with its case
//! - score: over the history, decay times `B`
//!
//! Degrees are damped, so that an item that everything links to is not the answer to everything. Nothing is learned
//! but the half-life: this is what a shop gets from "customers also bought" alone.

use serde::{Deserialize, Serialize};

use super::item_to_item::Asking;
use super::sparse_rows::SparseRows;
use super::{ItemToItem, Parameters, Range, Training, Values};
use crate::decay::DecaySettings;
use crate::error::{Error, Result};
use crate::events::ItemId;
use crate::interest::Relation;

/// Settings of related items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RelatedSettings {
    /// How the events of a history lose weight.
    pub decay: DecaySettings,
    /// `p`: how much degrees damp a link, 0 (not at all) to 1.
    pub damping: f64,
    /// What a link says backward, 0 (nothing) to 1 (as much as forward).
    pub reverse: f64,
    /// What an event says for its own item, 0 and up; unset: found from the training log.
    pub repeat: Option<f32>,
}

impl Default for RelatedSettings {
    fn default() -> Self {
        Self { decay: DecaySettings::default(), damping: 0.5, reverse: 0.5, repeat: None }
    }
}

impl RelatedSettings {
    /// What may be tuned.
    pub const RANGES: &[Range] = &[
        Range { name: "damping", values: Values::Linear(0.0, 1.0) },
        Range { name: "reverse", values: Values::Linear(0.0, 1.0) },
        Range { name: "decay.half_life", values: Values::Log(0.05, 1_000.0) },
    ];

    fn asking(&self) -> Asking<'_> {
        Asking { decay: &self.decay, repeat: self.repeat, relation: "related" }
    }

    fn check(&self) -> Result<()> {
        for (name, value) in [("damping", self.damping), ("reverse", self.reverse)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::setting(name, "a number from 0 to 1", value));
            }
        }
        Ok(())
    }

    /// Sums up the catalogue's relations.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting out of its range; [`Error::Empty`] without relations.
    pub fn fit(&self, training: &Training<'_>) -> Result<ItemToItem> {
        self.check()?;
        let relations = training.catalogue.map_or(&[][..], |catalogue| &catalogue.relations);
        if relations.is_empty() {
            return Err(Error::Empty {
                what: "the model `related` has no relations to work with".to_owned(),
                remedy: "Give a --catalogue with list columns named r_NAME, or leave the model out"
                    .to_owned(),
            });
        }
        let n_items = training.log.n_items();
        let mut rows = vec![Vec::new(); n_items];
        for relation in relations {
            self.add_links(relation, &mut rows);
        }
        ItemToItem::fit(SparseRows::from_rows(rows.into_iter().map(summed)), self.asking(), training)
    }

    /// Restores a saved model.
    ///
    /// # Errors
    /// When the parameters are not those of this model.
    pub fn load(&self, parameters: Parameters, n_items: usize, event_types: &[String]) -> Result<ItemToItem> {
        ItemToItem::load(parameters, self.asking(), n_items, event_types)
    }

    fn add_links(&self, relation: &Relation, rows: &mut [Vec<(u32, f32)>]) {
        let items = (0..rows.len() as u32).map(ItemId);
        let links: Vec<_> = items
            .flat_map(|from| relation.neighbours(from).map(move |(to, weight)| (from, to, weight)))
            .filter(|(from, to, _)| from != to)
            .collect();
        let (mut out_degree, mut in_degree) = (vec![0u32; rows.len()], vec![0u32; rows.len()]);
        for (from, to, _) in &links {
            out_degree[from.index()] += 1;
            in_degree[to.index()] += 1;
        }
        for (from, to, weight) in links {
            let degrees = f64::from(out_degree[from.index()]) * f64::from(in_degree[to.index()]);
            let says = f64::from(weight) / degrees.powf(self.damping);
            rows[from.index()].push((to.0, says as f32));
            if self.reverse > 0.0 {
                rows[to.index()].push((from.0, (says * self.reverse) as f32));
            }
        }
    }
}

/// Cells with ascending columns, those of one column added up.
fn summed(mut cells: Vec<(u32, f32)>) -> Vec<(u32, f32)> {
    cells.sort_by_key(|cell| cell.0);
    cells.chunk_by(|a, b| a.0 == b.0).map(|run| (run[0].0, run.iter().map(|cell| cell.1).sum())).collect()
}
