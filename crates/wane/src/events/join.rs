//! Several logs as one: files that somebody else split into training, validation and test.

use hashbrown::HashMap;

use super::{EventColumns, EventLog, Timestamp, UserId, Vocab};
use crate::error::{Error, Result};

/// Logs joined over the union of their vocabularies.
#[derive(Debug, Clone, PartialEq)]
pub struct Joined {
    /// All events. Events of one user and moment keep the order of the parts.
    pub log: EventLog,
    /// For each event of `log.events()`, which part it came from.
    pub part: Vec<u8>,
}

/// Joins up to 255 logs. Sessions of different parts stay different.
///
/// # Errors
/// [`Error::Limit`] for more parts or for more than 256 event types in all.
pub fn join(parts: &[&EventLog]) -> Result<Joined> {
    let too_many = |what, got: usize| Error::Limit {
        what,
        limit: 255,
        got: got as u64,
        remedy: "Join fewer files, or map event types together with --types",
    };
    if parts.len() > 255 {
        return Err(too_many("parts of a log", parts.len()));
    }
    let mut columns = EventColumns {
        user_names: names(parts, |log| log.users()),
        item_names: names(parts, |log| log.items()),
        ..EventColumns::default()
    };
    let users = Vocab::from_names(&columns.user_names);
    let items = Vocab::from_names(&columns.item_names);
    let (mut part_of_row, mut session_base) = (Vec::new(), 0u32);
    for (number, log) in (0u8..).zip(parts) {
        let types = type_places(&mut columns.event_types, log.event_types())
            .ok_or_else(|| too_many("event types", 256))?;
        let mut sessions = 0;
        for (user, history) in log.histories() {
            let user = users.position(log.users().name(user.index())).unwrap_or_default();
            for event in history.iter() {
                columns.users.push(user);
                columns.items.push(items.position(log.items().name(event.item.index())).unwrap_or_default());
                columns.times.push(event.time);
                columns.types.push(super::EventTypeId(types[event.event_type.index()]));
                columns.values.push(event.value.unwrap_or(f32::NAN));
                let session = event.session.unwrap_or_default();
                sessions = sessions.max(session.saturating_add(1));
                columns.sessions.push(session_base.saturating_add(session));
                part_of_row.push(number);
            }
        }
        session_base = session_base.saturating_add(sessions);
    }
    columns.user_names = users.iter().map(str::to_owned).collect();
    columns.item_names = items.iter().map(str::to_owned).collect();
    if parts.iter().all(|log| log.events().sessions().is_none()) {
        columns.sessions.clear();
    }
    if parts.iter().all(|log| log.events().values().is_none()) {
        columns.values.clear();
    }
    let part = sorted_like_the_log(&columns.users, &columns.times, &part_of_row);
    Ok(Joined { log: EventLog::from_columns(columns)?, part })
}

/// The events of a log that another one does not hold, as often as they come more often: what is new in a file that
/// repeats, in part or in whole, what is known. Equal are events of the same user, item, moment and type.
#[must_use]
pub fn unknown_events(newer: &EventLog, known: &EventLog) -> EventLog {
    let items: Vec<Option<u32>> = newer.items().iter().map(|name| known.items().position(name)).collect();
    let types: Vec<Option<usize>> = newer
        .event_types()
        .iter()
        .map(|name| known.event_types().iter().position(|other| other == name))
        .collect();
    let mut counts: HashMap<(u32, Timestamp, usize), u32> = HashMap::new();
    newer.filter(|user, place, event| {
        if place == 0 {
            counts.clear();
            let own = known.users().position(newer.users().name(user.index())).map(UserId);
            for event in own.iter().flat_map(|own| known.history(*own).iter()) {
                *counts.entry((event.item.0, event.time, event.event_type.index())).or_default() += 1;
            }
        }
        let (Some(item), Some(kind)) = (items[event.item.index()], types[event.event_type.index()]) else {
            return true;
        };
        match counts.get_mut(&(item, event.time, kind)) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        }
    })
}

fn names<'a>(parts: &[&'a EventLog], of: impl Fn(&'a EventLog) -> &'a Vocab) -> Vec<String> {
    let mut names: Vec<String> = parts.iter().flat_map(|log| of(log).iter().map(str::to_owned)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Places of `own` types in the common list, which grows as needed.
fn type_places(all: &mut Vec<String>, own: &[String]) -> Option<Vec<u8>> {
    own.iter()
        .map(|name| {
            let place = all.iter().position(|known| known == name).unwrap_or_else(|| {
                all.push(name.clone());
                all.len() - 1
            });
            u8::try_from(place).ok()
        })
        .collect()
}

/// The parts in the log's order: by user, then time, then row (vocabularies are sorted already).
fn sorted_like_the_log(users: &[u32], times: &[Timestamp], parts: &[u8]) -> Vec<u8> {
    let mut order: Vec<usize> = (0..parts.len()).collect();
    order.sort_by_key(|&row| (UserId(users[row]), times[row]));
    order.into_iter().map(|row| parts[row]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::EventTypeId;

    fn log(rows: &[(&str, &str, i64)], event_type: &str) -> EventLog {
        let mut columns = EventColumns { event_types: vec![event_type.into()], ..EventColumns::default() };
        for (row, (user, item, time)) in rows.iter().enumerate() {
            columns.users.push(row as u32);
            columns.items.push(row as u32);
            columns.times.push(Timestamp::from_millis(*time));
            columns.types.push(EventTypeId(0));
            columns.user_names.push((*user).into());
            columns.item_names.push((*item).into());
        }
        // Names repeat here; a reader would not do that, so number them once.
        let users = Vocab::from_names(&columns.user_names);
        let items = Vocab::from_names(&columns.item_names);
        columns.users = columns.user_names.iter().filter_map(|name| users.position(name)).collect();
        columns.items = columns.item_names.iter().filter_map(|name| items.position(name)).collect();
        columns.user_names = users.iter().map(str::to_owned).collect();
        columns.item_names = items.iter().map(str::to_owned).collect();
        EventLog::from_columns(columns).unwrap()
    }

    #[test]
    fn parts_keep_their_order_within_a_moment() {
        let train = log(&[("u", "z", 5), ("v", "y", 1)], "view");
        let test = log(&[("u", "a", 5), ("w", "z", 0)], "purchase");
        let joined = join(&[&train, &test]).unwrap();
        let items: Vec<_> =
            joined.log.events().items().iter().map(|item| joined.log.items().name(item.index())).collect();
        assert_eq!(items, ["z", "a", "y", "z"]);
        assert_eq!(joined.part, [0, 1, 0, 1]);
        assert_eq!(joined.log.event_types(), ["view", "purchase"]);
        assert!(joined.log.events().sessions().is_none());
    }

    #[test]
    fn only_what_is_new_is_left() {
        let known = log(&[("u", "a", 1), ("u", "a", 1), ("u", "b", 2), ("v", "a", 1)], "view");
        let newer = log(&[("u", "a", 1), ("u", "a", 1), ("u", "a", 1), ("u", "b", 3), ("w", "z", 1)], "view");
        let left = |newer: &EventLog, known| {
            let left = unknown_events(newer, known);
            let row = |(user, event): (UserId, crate::events::Event)| {
                let user = left.users().name(user.index()).to_owned();
                format!("{user} {} {}", left.items().name(event.item.index()), event.time.millis())
            };
            let rows =
                left.histories().flat_map(|(user, history)| history.iter().map(move |event| (user, event)));
            rows.map(row).collect::<Vec<_>>()
        };
        assert_eq!(left(&newer, &known), ["u a 1", "u b 3", "w z 1"]);
        assert!(left(&known, &known).is_empty());
        let other_type = log(&[("u", "a", 1)], "purchase");
        assert_eq!(left(&other_type, &known), ["u a 1"]);
    }
}
