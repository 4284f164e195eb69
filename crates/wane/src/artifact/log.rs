//! The log and its vocabularies as tables.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, Int64Array, UInt8Array, UInt32Array};

use super::folder::NewFolder;
use super::manifest::{Manifest, damaged};
use super::table::{self, Column};
use super::{foreign, table::Batch};
use crate::error::Result;
use crate::events::{EventColumns, EventLog, EventTypeId, Timestamp};

const USERS: (&str, &str) = ("users.parquet", "user");
const ITEMS: (&str, &str) = ("items.parquet", "item");
const EVENTS: &str = "events.parquet";

/// Writes vocabularies and events; events by user, then time, as the log holds them.
pub(super) fn write(folder: &mut NewFolder, log: &EventLog) -> Result<()> {
    table::write_names(folder, USERS, log.n_users(), |user| log.users().name(user))?;
    table::write_names(folder, ITEMS, log.n_items(), |item| log.items().name(item))?;
    let users = user_numbers(log);
    let events = log.events();
    table::write(folder, EVENTS, log.len(), |rows| {
        let numbers = |values: Vec<u32>| Arc::new(UInt32Array::from(values)) as ArrayRef;
        let times = events.times()[rows.clone()].iter().map(|time| time.millis());
        let types = events.event_types()[rows.clone()].iter().map(|event_type| event_type.0);
        let mut columns: Vec<Column> = vec![
            ("user".to_owned(), numbers(users[rows.clone()].to_vec())),
            ("item".to_owned(), numbers(events.items()[rows.clone()].iter().map(|item| item.0).collect())),
            ("time".to_owned(), Arc::new(Int64Array::from_iter_values(times))),
            ("event_type".to_owned(), Arc::new(UInt8Array::from_iter_values(types))),
        ];
        if let Some(values) = events.values() {
            let known = values[rows.clone()].iter().map(|value| (!value.is_nan()).then_some(*value));
            columns.push(("value".to_owned(), Arc::new(Float32Array::from_iter(known))));
        }
        if let Some(sessions) = events.sessions() {
            columns.push(("session".to_owned(), numbers(sessions[rows].to_vec())));
        }
        columns
    })
}

/// The user of each event.
fn user_numbers(log: &EventLog) -> Vec<u32> {
    (0u32..)
        .zip(log.offsets().windows(2))
        .flat_map(|(user, bounds)| std::iter::repeat_n(user, bounds[1] - bounds[0]))
        .collect()
}

/// Reads vocabularies and events, and compares their sizes with the manifest.
pub(super) fn read(folder: &Path, manifest: &Manifest) -> Result<EventLog> {
    let mut columns = EventColumns {
        user_names: table::read_names(&folder.join(USERS.0), USERS.1)?,
        item_names: table::read_names(&folder.join(ITEMS.0), ITEMS.1)?,
        event_types: manifest.event_types.clone(),
        ..EventColumns::default()
    };
    let path = folder.join(EVENTS);
    table::read(&path, |batch| take_events(batch, &mut columns))?;
    let log = EventLog::from_columns(columns).map_err(|error| foreign(&path, &error))?;
    let got = (log.n_users(), log.n_items(), log.len());
    let expected = (manifest.counts.users, manifest.counts.items, manifest.counts.events);
    if got != expected {
        let reason = format!("expected {expected:?} users, items and events, got {got:?}");
        return Err(damaged(&path, &reason));
    }
    Ok(log)
}

fn take_events(batch: &Batch<'_>, columns: &mut EventColumns) -> Result<()> {
    columns.users.extend(batch.column::<UInt32Array>("user")?.values());
    columns.items.extend(batch.column::<UInt32Array>("item")?.values());
    let times = batch.column::<Int64Array>("time")?.values();
    columns.times.extend(times.iter().map(|&millis| Timestamp::from_millis(millis)));
    let types = batch.column::<UInt8Array>("event_type")?.values();
    columns.types.extend(types.iter().map(|&event_type| EventTypeId(event_type)));
    if let Some(values) = batch.optional::<Float32Array>("value")? {
        columns.values.extend(values.iter().map(|value| value.unwrap_or(f32::NAN)));
    }
    if let Some(sessions) = batch.optional::<UInt32Array>("session")? {
        columns.sessions.extend(sessions.values());
    }
    Ok(())
}
