//! What a pair's surroundings say: how readily the user comes back to anything, and how readily anyone comes back to the category.
//!
//! Of the pairs that were known one horizon ago, counted is the share that came back since, per user and per category, each drawn
//! toward the share of all: `(came back + k share) / (known + k)`. Most pairs have one day or two, so what is known of them
//! is mostly this. Only days before the moment are looked at.

use std::collections::BTreeMap;

use super::Pair;

/// Pairs' worth of the share of all in each share.
const BORROWED: f64 = 20.0;
/// Horizons over which the breadth of a user's interest is counted.
const BREADTH: f64 = 4.0;

/// Pairs that were known one horizon ago, and those that came back since.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    known: f64,
    came_back: f64,
}

/// Shares by user and by category at a moment.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    all: Share,
    users: BTreeMap<u32, Share>,
    keys: BTreeMap<u32, Share>,
    /// Days with a category, over all of a user's categories, in the last few horizons.
    breadths: BTreeMap<u32, f64>,
}

impl Surroundings {
    /// Counts all pairs of one moment.
    pub(super) fn of(pairs: &[Pair], horizon: f64) -> Self {
        let mut counted = Self {
            all: Share::default(),
            users: BTreeMap::new(),
            keys: BTreeMap::new(),
            breadths: BTreeMap::new(),
        };
        for pair in pairs {
            let lately = pair.ages.iter().filter(|&&age| age as f64 <= BREADTH * horizon).count();
            *counted.breadths.entry(pair.user.0).or_default() += lately as f64;
            if pair.age() <= horizon {
                continue;
            }
            let came_back = f64::from(u8::from(pair.recency() <= horizon));
            let shares = [
                &mut counted.all,
                counted.users.entry(pair.user.0).or_default(),
                counted.keys.entry(pair.key).or_default(),
            ];
            for share in shares {
                share.known += 1.0;
                share.came_back += came_back;
            }
        }
        counted
    }

    /// Logarithms of the user's share, the category's share, and the breadth of the user's interest.
    pub(super) fn say(&self, pair: &Pair) -> [f64; 3] {
        let of_all = (self.all.came_back + 0.5) / (self.all.known + 1.0);
        let drawn = |share: Option<&Share>| {
            let share = share.copied().unwrap_or_default();
            ((share.came_back + BORROWED * of_all) / (share.known + BORROWED)).ln()
        };
        let breadth = self.breadths.get(&pair.user.0).copied().unwrap_or_default();
        [drawn(self.users.get(&pair.user.0)), drawn(self.keys.get(&pair.key)), breadth.ln_1p()]
    }
}
