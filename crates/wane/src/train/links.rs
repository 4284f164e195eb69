//! Relations as the model reads them: `self`, mined from the log, and given by the catalogue.

use crate::events::{EventLog, ItemId};
use crate::interest::{Catalogue, Mined, Relation};

/// A relation with what the model needs of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// Its name: `self`, `follows`, `complement`, ...
    pub name: String,
    /// Events, from the newest back, that speak by it.
    pub reach: usize,
    /// Its rows.
    pub rows: LinkRows,
}

/// Where the rows of a link come from.
#[derive(Debug, Clone, PartialEq)]
pub enum LinkRows {
    /// An item speaks for itself.
    Repeat,
    /// Items with the strengths that the catalogue gives.
    Given(Relation),
    /// Items that were visited after (`follows`) or before (`precedes`); strength `count / sqrt(out in)`.
    Mined {
        /// Counts and their sums.
        mined: Mined,
        /// Distance up to which a pair in a history added to the counts in this direction; 0: none did.
        window: usize,
    },
}

/// Which relations a model has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkPlan {
    /// Events that speak for themselves again; 0: no `self`.
    pub repeats: usize,
    /// Events, from the newest back, that speak by every other relation; 0: none.
    pub reach: usize,
    /// Distance up to which mined relations pair events; 0: nothing is mined.
    pub window: usize,
    /// Links kept of each item in a mined relation.
    pub top: usize,
    /// Whether the catalogue's own relations speak.
    pub given: bool,
}

impl Link {
    /// The relations of a log and its catalogue.
    pub fn plan(log: &EventLog, catalogue: Option<&Catalogue>, plan: LinkPlan) -> Vec<Self> {
        let mut links = Vec::new();
        if plan.repeats > 0 {
            links.push(Self { name: "self".to_owned(), reach: plan.repeats, rows: LinkRows::Repeat });
        }
        let mut add = |name: &str, rows| links.push(Self { name: name.to_owned(), reach: plan.reach, rows });
        if plan.reach > 0 && plan.window > 0 {
            let mined = Mined::follows(log, plan.window, plan.top);
            let reversed = mined.reversed();
            add("follows", LinkRows::Mined { mined, window: plan.window });
            add("precedes", LinkRows::Mined { mined: reversed, window: 0 });
        }
        let given = catalogue
            .filter(|_| plan.given && plan.reach > 0)
            .map_or(&[][..], |catalogue| &catalogue.relations);
        for relation in given.iter().filter(|relation| !relation.is_empty()) {
            let back = format!("{} of", relation.name());
            add(relation.name(), LinkRows::Given(relation.clone()));
            add(&back, LinkRows::Given(relation.reversed(&back)));
        }
        links
    }

    /// The items that an item speaks for, each with its strength; `own` of each count is taken out first.
    pub fn strengths(&self, from: ItemId, own: impl Fn(ItemId) -> f32, mut speak: impl FnMut(ItemId, f32)) {
        match &self.rows {
            LinkRows::Repeat => speak(from, 1.0),
            LinkRows::Given(relation) => {
                relation.neighbours(from).for_each(|(to, strength)| speak(to, strength))
            }
            LinkRows::Mined { mined, .. } => {
                for (to, count) in mined.relation.neighbours(from) {
                    let own = own(to);
                    let (out, into) = (mined.out[from.index()] - own, mined.into[to.index()] - own);
                    if count - own > 1e-6 && out > 0.0 && into > 0.0 {
                        speak(to, (count - own) / (out * into).sqrt());
                    }
                }
            }
        }
    }

    /// Distance up to which a pair in a history has added to this relation's counts.
    pub(super) fn window(&self) -> usize {
        if let LinkRows::Mined { window, .. } = self.rows { window } else { 0 }
    }
}
