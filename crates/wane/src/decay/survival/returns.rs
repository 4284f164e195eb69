//! Gaps of a log, cell by cell.
//!
//! A cell is an event type on a key (a category, a brand, an item; or everything). What a user does to one key at one
//! moment counts once per event type; the gap runs to the user's next moment there, whatever the event type, and is
//! censored at the end of the log. The statistics of any split of the users add up to those of all.
//!
//! A user's gaps resemble each other, so users are also dealt into [`GROUPS`] by their names: what an estimate would be
//! without each group in turn says how surely it is known (the delete-a-group jackknife; Kott 2001).

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;

use super::Gaps;
use crate::events::{EventLog, EventTypeId, History, Timestamp};

/// Events per piece of work.
const PIECE: usize = 1 << 20;
/// Groups that users are dealt into.
pub const GROUPS: usize = 20;

/// What is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// The event type.
    pub event_type: EventTypeId,
    /// The key, as numbered by the caller.
    pub key: u32,
}

/// Which gaps are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// Moments at which a gap may begin.
    pub begins: Range<Timestamp>,
    /// The end of the log: what was to come later was not seen.
    pub end: Timestamp,
    /// Milliseconds that each gap is watched at most.
    pub most: i64,
}

impl Watch {
    /// All gaps of a log that ends at a moment.
    pub const fn until(end: Timestamp) -> Self {
        let always = Timestamp::from_millis(i64::MIN)..Timestamp::from_millis(i64::MAX);
        Self { begins: always, end, most: i64::MAX }
    }

    /// Length of a gap, and whether it was seen to end; nothing where it is not watched.
    pub(super) fn length(&self, begin: Timestamp, next: Option<Timestamp>) -> Option<(i64, bool)> {
        let until = next.unwrap_or(self.end).millis().saturating_sub(begin.millis());
        // After the last moment of all nothing was watched.
        let is_watched = self.begins.contains(&begin) && until > 0;
        is_watched.then(|| (until.min(self.most), next.is_some() && until <= self.most))
    }
}

/// Gaps by cell and group of users.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Returns {
    cells: BTreeMap<Cell, Vec<Gaps>>,
}

impl Returns {
    /// Counts gaps of a log. `keys[item]` is the key of an item; items without one are left out.
    pub fn fit_partial(log: &EventLog, keys: &[Option<u32>], watch: &Watch) -> Self {
        let users = log.users();
        let histories: Vec<(usize, History<'_>)> =
            log.histories().map(|(user, history)| (group(users.name(user.index())), history)).collect();
        let mut pieces = Vec::new();
        let mut rest = &histories[..];
        while !rest.is_empty() {
            let mut events = 0;
            let n = rest.iter().take_while(|(_, history)| {
                let fits = events < PIECE;
                events += history.len();
                fits
            });
            let (piece, others) = rest.split_at(n.count());
            pieces.push(piece);
            rest = others;
        }
        let count = |piece: &&[(usize, History<'_>)]| Self::of_piece(piece, keys, watch);
        pieces.par_iter().map(count).reduce(Self::default, |one, other| one.merge(&other))
    }

    fn of_piece(histories: &[(usize, History<'_>)], keys: &[Option<u32>], watch: &Watch) -> Self {
        let mut gaps: Vec<(Cell, usize, i64, bool)> = Vec::new();
        let mut own: Vec<(u32, Timestamp, EventTypeId)> = Vec::new();
        for &(group, history) in histories {
            own.clear();
            own.extend(history.iter().filter_map(|event| {
                Some((keys.get(event.item.index()).copied().flatten()?, event.time, event.event_type))
            }));
            own.sort_unstable();
            own.dedup();
            for of_key in own.chunk_by(|a, b| a.0 == b.0) {
                let mut moments = of_key.chunk_by(|a, b| a.1 == b.1).peekable();
                while let Some(moment) = moments.next() {
                    let next = moments.peek().map(|next| next[0].1);
                    let Some((length, is_return)) = watch.length(moment[0].1, next) else { continue };
                    let of_type = |&(key, _, event_type): &(u32, Timestamp, EventTypeId)| {
                        (Cell { event_type, key }, group, length, is_return)
                    };
                    gaps.extend(moment.iter().map(of_type));
                }
            }
        }
        gaps.sort_unstable();
        let mut returns = Self::default();
        for own in gaps.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let of_group = Gaps::new(own.iter().map(|&(_, _, length, is_return)| (length, is_return)));
            returns.cells.entry(own[0].0).or_insert_with(no_gaps)[own[0].1] = of_group;
        }
        returns
    }

    /// The counts of both.
    #[must_use]
    pub fn merge(mut self, other: &Self) -> Self {
        for (cell, groups) in &other.cells {
            add(self.cells.entry(*cell).or_insert_with(no_gaps), groups);
        }
        self
    }

    /// Cells with the gaps of each group of users, in order.
    pub fn cells(&self) -> &BTreeMap<Cell, Vec<Gaps>> {
        &self.cells
    }

    /// The gaps of an event type over all its keys, by group of users.
    pub fn of_type(&self, event_type: EventTypeId) -> Vec<Gaps> {
        let mut groups = no_gaps();
        let own = self.cells.iter().filter(|(cell, _)| cell.event_type == event_type);
        own.for_each(|(_, other)| add(&mut groups, other));
        groups
    }
}

fn no_gaps() -> Vec<Gaps> {
    vec![Gaps::default(); GROUPS]
}

fn add(groups: &mut [Gaps], other: &[Gaps]) {
    groups.iter_mut().zip(other).filter(|(_, other)| other.count() > 0).for_each(|(own, other)| {
        *own = own.merge(other);
    });
}

/// The group of a user: by name, so that it is the same whatever else is in the log (FNV-1a).
fn group(user: &str) -> usize {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    // The low digits of names that count up would deal them out in turn.
    (user.bytes().fold(0xcbf2_9ce4_8422_2325, mix) >> 32) as usize % GROUPS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decay::survival::GapRow;
    use crate::events::EventColumns;
    use proptest::prelude::*;

    fn log(events: &[(u32, u32, i64, u8)]) -> EventLog {
        EventLog::from_columns(EventColumns {
            users: events.iter().map(|event| event.0).collect(),
            items: events.iter().map(|event| event.1).collect(),
            times: events.iter().map(|event| Timestamp::from_millis(event.2)).collect(),
            types: events.iter().map(|event| EventTypeId(event.3)).collect(),
            user_names: (0..3).map(|user| format!("u{user}")).collect(),
            item_names: (0..4).map(|item| format!("i{item}")).collect(),
            event_types: vec!["view".into(), "purchase".into()],
            ..EventColumns::default()
        })
        .unwrap()
    }

    #[test]
    fn a_gap_runs_to_the_next_moment_at_the_same_key() {
        // Items 0 and 1 share a key, item 3 has none; two events of one moment are one.
        let log = log(&[
            (0, 0, 100, 0),
            (0, 1, 100, 0),
            (0, 2, 150, 0),
            (0, 1, 400, 1),
            (0, 3, 450, 0),
            (1, 0, 700, 0),
            (2, 2, 1_000, 0),
        ]);
        let keys = [Some(0), Some(0), Some(1), None];
        let returns = Returns::fit_partial(&log, &keys, &Watch::until(Timestamp::from_millis(1_000)));
        let cell = |kind: u8, key: u32| Cell { event_type: EventTypeId(kind), key };
        let row = |millis, returned, censored| GapRow { millis, returned, censored };
        let all = |groups: &[Gaps]| Gaps::sum(groups).rows().to_vec();
        let rows = |cell: Cell| all(&returns.cells()[&cell]);
        assert_eq!(rows(cell(0, 0)), [row(300, 1, 1)]);
        assert_eq!(rows(cell(1, 0)), [row(600, 0, 1)]);
        assert_eq!(rows(cell(0, 1)), [row(850, 0, 1)]);
        assert_eq!(returns.cells().len(), 3);
        assert_eq!(all(&returns.of_type(EventTypeId(0))), [row(300, 1, 1), row(850, 0, 1)]);
        let early = Timestamp::from_millis(0)..Timestamp::from_millis(150);
        let watch = Watch { begins: early, end: Timestamp::from_millis(1_000), most: 200 };
        let returns = Returns::fit_partial(&log, &keys, &watch);
        assert_eq!(returns.cells().keys().copied().collect::<Vec<_>>(), [cell(0, 0)]);
        assert_eq!(all(&returns.cells()[&cell(0, 0)]), [row(200, 0, 1)]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn users_add_up_to_all(
            events in proptest::collection::vec((0..3u32, 0..4u32, 0..100_000i64, 0..2u8), 1..300),
            first in 0..3u32,
        ) {
            let (keys, watch) =
                ([Some(0), Some(1), Some(1), None], Watch::until(Timestamp::from_millis(100_000)));
            let of = |keep: &dyn Fn(u32) -> bool| {
                let own: Vec<_> = events.iter().copied().filter(|event| keep(event.0)).collect();
                Returns::fit_partial(&log(&own), &keys, &watch)
            };
            prop_assert_eq!(of(&|_| true), of(&|user| user == first).merge(&of(&|user| user != first)));
        }
    }
}
