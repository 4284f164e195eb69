//! A log compiled into examples: at a moment, with so many events known, these items came.

use std::ops::Range;

use super::{Link, PopularityTable};
use crate::decay::WITHDRAWALS;
use crate::events::{EventLog, History, Timestamp, UserId};
use crate::interest::Features;

/// What is predicted from a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// Each event from all events before it.
    #[default]
    NextItem,
    /// All items of a basket from the baskets before it.
    NextBasket,
}

impl Goal {
    /// The place of each event of a history, as displacement counts it: what pushes interest out is the next event, or
    /// the next basket where all items of a basket come at once.
    pub fn steps(self, history: History<'_>) -> Vec<u32> {
        match self {
            Self::NextItem => (0..history.len() as u32).collect(),
            Self::NextBasket => (0u32..)
                .zip(history.baskets())
                .flat_map(|(number, basket)| basket.map(move |_| number))
                .collect(),
        }
    }
}

/// One question with its answers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Example {
    pub(super) user: UserId,
    /// Number of the user's first events that are known.
    pub(super) known: u32,
    pub(super) as_of: Timestamp,
    /// Places of the answers in [`Corpus::targets`].
    pub(super) targets: Range<u32>,
    /// Bin of the popularity table.
    pub(super) bin: u32,
}

/// A log with what is precomputed from it.
#[derive(Debug)]
pub struct Corpus<'a> {
    pub(super) log: &'a EventLog,
    pub(super) examples: Vec<Example>,
    /// Items that came, example by example.
    pub(super) targets: Vec<u32>,
    pub(super) popularity: &'a PopularityTable,
    pub(super) links: &'a [Link],
    /// Catalogue features of items.
    pub(super) features: &'a Features,
    /// How often each item is a target.
    pub(super) wanted: Vec<u32>,
    /// Place of each event of the log among its user's, as displacement counts it.
    pub(super) steps: Vec<u32>,
    /// Items with events: only they compete in training, or what is new would be learned to be unwanted.
    pub(super) trained: Vec<u32>,
    delays: &'a [i64],
}

impl<'a> Corpus<'a> {
    /// Compiles a log.
    ///
    /// `delays` are by how much questions will come after the last counted event, in milliseconds: examples are shown a
    /// popularity that is as old, or its freshness would be trusted more than it will deserve. Empty: never.
    pub fn new(
        log: &'a EventLog,
        links: &'a [Link],
        features: &'a Features,
        popularity: &'a PopularityTable,
        goal: Goal,
        delays: &'a [i64],
    ) -> Self {
        let mut has_events = vec![false; log.n_items()];
        log.events().items().iter().for_each(|item| has_events[item.index()] = true);
        let trained = (0u32..).zip(has_events).filter(|(_, has)| *has).map(|(item, _)| item).collect();
        let mut corpus = Self {
            log,
            examples: Vec::new(),
            targets: Vec::new(),
            popularity,
            links,
            features,
            steps: Vec::new(),
            trained,
            wanted: Vec::new(),
            delays,
        };
        let takes_back: Vec<bool> =
            log.event_types().iter().map(|name| WITHDRAWALS.contains(&name.as_str())).collect();
        for (user, history) in log.histories() {
            corpus.steps.extend(goal.steps(history));
            match goal {
                Goal::NextItem => {
                    (0..history.len()).for_each(|k| corpus.add(user, history, k..k + 1, &takes_back))
                }
                Goal::NextBasket => {
                    history.baskets().for_each(|basket| corpus.add(user, history, basket, &takes_back));
                }
            }
        }
        corpus.count_wanted();
        corpus
    }

    /// The same corpus with the examples after a moment alone: what came until then is known, but not learned again.
    #[must_use]
    pub fn after(mut self, moment: Timestamp) -> Self {
        let targets = std::mem::take(&mut self.targets);
        self.examples.retain(|example| example.as_of > moment);
        for example in &mut self.examples {
            let first = self.targets.len() as u32;
            self.targets.extend(&targets[example.targets.start as usize..example.targets.end as usize]);
            example.targets = first..self.targets.len() as u32;
        }
        self.count_wanted();
        self
    }

    fn count_wanted(&mut self) {
        self.wanted = vec![0; self.log.n_items()];
        self.targets.iter().for_each(|&item| self.wanted[item as usize] += 1);
    }

    fn add(&mut self, user: UserId, history: History<'_>, basket: Range<usize>, takes_back: &[bool]) {
        let first = self.targets.len();
        let Some(as_of) = history.times().get(basket.start).copied() else { return };
        for place in basket.clone() {
            let item = history.items()[place].0;
            let is_new = !self.targets[first..].contains(&item);
            if is_new && !takes_back[history.event_types()[place].index()] {
                self.targets.push(item);
            }
        }
        if self.targets.len() > first {
            let counted = Timestamp::from_millis(as_of.millis().saturating_sub(self.delay()));
            self.examples.push(Example {
                user,
                known: basket.start as u32,
                as_of,
                targets: first as u32..self.targets.len() as u32,
                bin: self.popularity.bin(counted) as u32,
            });
        }
    }

    /// The delay of the next example: each of the delays in its turn, in an order without a rhythm.
    fn delay(&self) -> i64 {
        let turn = (self.examples.len() as u32).wrapping_mul(0x9e37_79b9);
        let place = (u64::from(turn) * self.delays.len() as u64) >> 32;
        self.delays.get(place as usize).copied().unwrap_or_default()
    }

    pub(super) fn targets(&self, example: &Example) -> &[u32] {
        &self.targets[example.targets.start as usize..example.targets.end as usize]
    }

    /// The places of a user's events, as displacement counts them.
    pub(super) fn steps(&self, user: UserId) -> &[u32] {
        match self.log.offsets().get(user.index()..user.index() + 2) {
            Some(&[start, end]) => &self.steps[start..end],
            _ => &[],
        }
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.examples.len()
    }

    /// Whether there is nothing to learn.
    pub fn is_empty(&self) -> bool {
        self.examples.is_empty()
    }
}
