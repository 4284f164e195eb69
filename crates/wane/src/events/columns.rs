//! Events before they are sorted: what a reader, a simulator or an augmentation makes.

use super::{EventTypeId, Timestamp};
use crate::error::{Error, Result};

/// Events as parallel columns in any order, numbered in vocabularies that need not be sorted.
#[derive(Debug, Clone, Default)]
pub struct EventColumns {
    /// User of each event, a place in `user_names`.
    pub users: Vec<u32>,
    /// Item of each event, a place in `item_names`.
    pub items: Vec<u32>,
    /// Time of each event.
    pub times: Vec<Timestamp>,
    /// Type of each event, a place in `event_types`.
    pub types: Vec<EventTypeId>,
    /// Value of each event (NaN: none), or empty when the log has no values.
    pub values: Vec<f32>,
    /// Session of each event (`u32::MAX`: none), or empty when the log has no sessions.
    pub sessions: Vec<u32>,
    /// Distinct user ids in any order.
    pub user_names: Vec<String>,
    /// Distinct item ids in any order; may hold items without events (from a catalogue).
    pub item_names: Vec<String>,
    /// Names of the event types.
    pub event_types: Vec<String>,
}

impl EventColumns {
    /// Refuses columns of unequal length and numbers outside their vocabulary.
    pub(super) fn check(&self) -> Result<()> {
        let n = self.items.len();
        if u32::try_from(n).is_err() {
            let remedy = "Read fewer files, or a part of the users";
            return Err(Error::Limit { what: "events", limit: u32::MAX.into(), got: n as u64, remedy });
        }
        let optional = |len| if len == 0 { n } else { len };
        let lengths = [
            ("users", self.users.len()),
            ("times", self.times.len()),
            ("types", self.types.len()),
            ("values", optional(self.values.len())),
            ("sessions", optional(self.sessions.len())),
        ];
        if let Some((name, len)) = lengths.into_iter().find(|&(_, len)| len != n) {
            return Err(Error::setting(name, format!("{n} values"), len));
        }
        in_range("users", self.users.iter().max().map(|&user| user as usize), self.user_names.len())?;
        in_range("items", self.items.iter().max().map(|&item| item as usize), self.item_names.len())?;
        in_range("types", self.types.iter().max().map(|number| number.index()), self.event_types.len())
    }

    /// Keeps the events for which `keep` is true.
    pub(super) fn retain(&mut self, keep: &[bool]) {
        retain(&mut self.users, keep);
        retain(&mut self.items, keep);
        retain(&mut self.times, keep);
        retain(&mut self.types, keep);
        retain(&mut self.values, keep);
        retain(&mut self.sessions, keep);
    }

    /// Forgets the names that no event has.
    pub(super) fn drop_unused_names(&mut self) {
        drop_unused(&mut self.users, &mut self.user_names);
        drop_unused(&mut self.items, &mut self.item_names);
        let mut types: Vec<u32> = self.types.iter().map(|number| number.0.into()).collect();
        if drop_unused(&mut types, &mut self.event_types) {
            // They were u8 and have only become smaller.
            self.types = types.into_iter().map(|number| EventTypeId(number as u8)).collect();
        }
    }

    /// Orders the event types by name, so that their numbers do not depend on the order of rows.
    pub(super) fn sort_event_types(&mut self) {
        let mut order: Vec<usize> = (0..self.event_types.len()).collect();
        order.sort_by_key(|&place| &self.event_types[place]);
        if order.is_sorted() {
            return;
        }
        let mut places = vec![EventTypeId(0); order.len()];
        for (new, &old) in (0u8..).zip(&order) {
            places[old] = EventTypeId(new);
        }
        self.types.iter_mut().for_each(|number| *number = places[number.index()]);
        self.event_types = order.into_iter().map(|place| self.event_types[place].clone()).collect();
    }
}

fn in_range(name: &str, worst: Option<usize>, len: usize) -> Result<()> {
    match worst {
        Some(worst) if worst >= len => Err(Error::setting(name, format!("numbers below {len}"), worst)),
        _ => Ok(()),
    }
}

fn retain<T>(column: &mut Vec<T>, keep: &[bool]) {
    let mut flags = keep.iter();
    column.retain(|_| flags.next().copied().unwrap_or(true));
}

/// Forgets unused names and renumbers; false if all are used.
fn drop_unused(numbers: &mut [u32], names: &mut Vec<String>) -> bool {
    let mut used = vec![false; names.len()];
    numbers.iter().for_each(|&number| used[number as usize] = true);
    if used.iter().all(|&used| used) {
        return false;
    }
    let places: Vec<u32> = used
        .iter()
        .scan(0, |next, &used| {
            *next += u32::from(used);
            Some(*next - u32::from(used))
        })
        .collect();
    numbers.iter_mut().for_each(|number| *number = places[*number as usize]);
    retain(names, &used);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unused_names_go_and_types_are_sorted() {
        let mut columns = EventColumns {
            users: vec![2, 0],
            items: vec![0, 0],
            times: vec![Timestamp::from_millis(1); 2],
            types: vec![EventTypeId(2), EventTypeId(0)],
            user_names: vec!["a".into(), "b".into(), "c".into()],
            item_names: vec!["i".into()],
            event_types: vec!["view".into(), "cart".into(), "buy".into()],
            ..EventColumns::default()
        };
        columns.drop_unused_names();
        columns.sort_event_types();
        assert_eq!((&columns.users, columns.user_names.join(",")), (&vec![1, 0], "a,c".into()));
        assert_eq!(
            (columns.types, columns.event_types.join(",")),
            (vec![EventTypeId(0), EventTypeId(1)], "buy,view".into())
        );
    }
}
