//! Relations as the model reads them: `self`, mined from the log, of items that are described alike, and given by the catalogue.

use std::borrow::Cow;

use super::Goal;
use crate::events::{EventLog, ItemId};
use crate::interest::{Catalogue, Departments, Features, Mined, Pairing, Relation, alike, alike_texts};

/// Links of a mined relation over all items, where that leaves an item [`LEAST`].
const LINKS: usize = 1_000_000;
const LEAST: usize = 30;

/// A relation with what the model needs of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// Its name: `self`, `follows`, `complement`, ...
    pub name: String,
    /// Places, from the newest back, whose events speak by it: events, or baskets where those are predicted.
    pub reach: u32,
    /// Its rows.
    pub rows: LinkRows,
}

/// Where the rows of a link come from.
#[derive(Debug, Clone, PartialEq)]
pub enum LinkRows {
    /// An item speaks for itself, in the course of time of its department where it has one.
    Repeat(Departments),
    /// Items with the strengths that the catalogue gives, or by which it describes them alike.
    Given(Relation),
    /// Items that were visited after (`follows`) or before (`precedes`); strength `count / sqrt(out in)`.
    Mined {
        /// Counts and their sums.
        mined: Mined,
        /// Which pairs were counted.
        pairing: Pairing,
        /// Whether rows are items that came after, and links go to those before.
        is_reversed: bool,
    },
}

/// Which relations a model has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkPlan {
    /// Places that speak for their items again; 0: no `self`.
    pub repeats: u32,
    /// Places, from the newest back, that speak by every other relation; 0: none.
    pub reach: u32,
    /// Distance up to which mined relations pair places; 0: nothing is mined.
    pub window: usize,
    /// Links kept of each item in a mined relation.
    pub top: usize,
    /// Links kept of each item to those that the catalogue describes alike, by features and by texts; 0: none.
    pub alike: usize,
    /// Whether the catalogue's own relations speak.
    pub given: bool,
}

impl Link {
    /// The relations of a log, its catalogue and its items' features.
    pub fn plan(
        log: &EventLog,
        catalogue: Option<&Catalogue>,
        features: &Features,
        goal: Goal,
        plan: LinkPlan,
    ) -> Vec<Self> {
        let mut links = Vec::new();
        if plan.repeats > 0 {
            let rows = LinkRows::Repeat(Departments::of(log, catalogue));
            links.push(Self { name: "self".to_owned(), reach: plan.repeats, rows });
        }
        links.extend(Self::mined(log, goal, plan));
        let mut add = |name: &str, rows| links.push(Self { name: name.to_owned(), reach: plan.reach, rows });
        if plan.reach > 0 && plan.alike > 0 && features.n_features > 0 {
            let mut visits = vec![0; log.n_items()];
            log.events().items().iter().for_each(|item| visits[item.index()] += 1);
            add("alike", LinkRows::Given(alike("alike", features, &visits, plan.alike)));
        }
        if plan.reach > 0 && plan.alike > 0 && features.texts.dim > 0 {
            let relation = alike_texts("alike-text", &features.texts, log.n_items(), plan.alike);
            add("alike-text", LinkRows::Given(relation));
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

    /// The relations that are counted in a log.
    pub fn mined(log: &EventLog, goal: Goal, plan: LinkPlan) -> Vec<Self> {
        if plan.reach == 0 || plan.window == 0 {
            return Vec::new();
        }
        let top = plan.top.min((LINKS / log.n_items().max(1)).max(LEAST));
        let places: Vec<u32> = log.histories().flat_map(|(_, history)| goal.steps(history)).collect();
        let link = |name: &str, mined, pairing, is_reversed| {
            let rows = LinkRows::Mined { mined, pairing, is_reversed };
            Self { name: name.to_owned(), reach: plan.reach, rows }
        };
        let pairing = Pairing::Follows(plan.window as u32);
        let follows = Mined::of("follows", log, &places, pairing, top);
        let precedes = follows.reversed(top);
        let mut links =
            vec![link("follows", follows, pairing, false), link("precedes", precedes, pairing, true)];
        if goal == Goal::NextBasket {
            let together = Mined::of("together", log, &places, Pairing::Together, top);
            links.push(link("together", together, Pairing::Together, false));
        }
        links
    }

    /// Its name for a reason, without a copy where every model has it.
    pub fn label(&self) -> Cow<'static, str> {
        let common = ["self", "follows", "precedes", "together", "alike", "alike-text"];
        let own = common.into_iter().find(|name| *name == self.name);
        own.map_or_else(|| Cow::Owned(self.name.clone()), Cow::Borrowed)
    }

    /// Whether it was mined from the log. Such a relation is what *other* users did: a user's own pairs would tell
    /// training the answer, and would be missing when a new user asks. So training takes them out, and to items of the
    /// known history, whose pairs it would have to take out when asked too, such relations are silent: `self` speaks
    /// for those.
    pub fn is_mined(&self) -> bool {
        matches!(self.rows, LinkRows::Mined { .. })
    }

    /// The departments that tell kernels apart, where it is the relation of items to themselves.
    pub fn departments(&self) -> Option<&Departments> {
        match &self.rows {
            LinkRows::Repeat(departments) => Some(departments),
            LinkRows::Given(_) | LinkRows::Mined { .. } => None,
        }
    }

    /// Names of the departments whose items come back in a course of time of their own.
    pub fn department_names(links: &[Self]) -> &[String] {
        links.iter().find_map(Self::departments).map_or(&[], Departments::names)
    }

    /// Has what items speak for brought near the core: see [`Relation::fetch`].
    pub(crate) fn fetch(&self, items: impl Iterator<Item = ItemId>) {
        match &self.rows {
            LinkRows::Repeat(_) => {}
            LinkRows::Given(relation) | LinkRows::Mined { mined: Mined { relation, .. }, .. } => {
                relation.fetch(items);
            }
        }
    }

    /// The items that an item speaks for, each with its strength.
    pub fn strengths(&self, from: ItemId, mut speak: impl FnMut(ItemId, f32)) {
        match &self.rows {
            LinkRows::Repeat(_) => speak(from, 1.0),
            LinkRows::Given(relation) | LinkRows::Mined { mined: Mined { relation, .. }, .. } => {
                relation.neighbours(from).for_each(|(to, strength)| speak(to, strength));
            }
        }
    }
}
