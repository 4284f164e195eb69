//! Events that are older than the shop keeps them leave the state for good.
//!
//! Some thousand at a time, so that what comes in meanwhile waits some milliseconds and not for the end of it; their bytes are overwritten
//! as those of an erased user, and the file shrinks by the pages that became free.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use wane::events::Timestamp;

use crate::engine::Engine;
use crate::error::Result;
use crate::feedback;
use crate::guard::Guard;
use crate::store::{Reader, Store, owe};

const HOUR: Duration = Duration::from_secs(3_600);
/// Events that are looked through at a time.
const AT_A_TIME: i64 = 5_000;

/// What retention did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Retired {
    /// Nothing from before is kept.
    pub before: Timestamp,
    /// Events that were taken out.
    pub events: usize,
    /// The oldest event that is left.
    pub oldest: Option<Timestamp>,
    /// Whether the bytes of those taken out have left every file.
    pub bytes_are_gone: bool,
}

impl Store {
    /// Takes out the old events of some users that come after `after`; gives how many, and the last of these users where there
    /// are others.
    pub(crate) fn retire_some(&mut self, before: Timestamp, after: &str) -> Result<(usize, Option<String>)> {
        self.transact(|transaction| {
            let last: Option<String> = transaction
                .prepare_cached(
                    "SELECT user FROM events WHERE user > ?1 ORDER BY user, arrival LIMIT 1 OFFSET ?2",
                )?
                .query_row(params![after, AT_A_TIME], |row| row.get(0))
                .optional()?;
            let removed = transaction
                .prepare_cached(
                    "DELETE FROM events WHERE user > ?1 AND (?2 IS NULL OR user <= ?2) AND time < ?3",
                )?
                .execute(params![after, last, before.millis()])?;
            if removed > 0 {
                owe(transaction)?;
            }
            Ok((removed, last))
        })
    }

    /// Ends it: feedback of that time is forgotten, free pages leave the file, and the log is emptied; whether no reader was in the way.
    pub(crate) fn retire_rest(&mut self, before: Timestamp) -> Result<bool> {
        self.transact(|transaction| feedback::forget_before(transaction, day(before)))?;
        self.shrink()
    }
}

impl Reader {
    /// The time of the oldest event.
    pub(crate) fn oldest(&self) -> Result<Option<Timestamp>> {
        let oldest: Option<i64> = self.ask("SELECT min(time) FROM events")?;
        Ok(oldest.map(Timestamp::from_millis))
    }
}

/// Takes out what is older than the settings keep, at once and then every hour, for as long as the server runs. The log says what was
/// done.
pub async fn retire_hourly(engine: Arc<Engine>, guard: Arc<Guard>) {
    let mut hours = tokio::time::interval(HOUR);
    loop {
        hours.tick().await;
        let Some(days) = guard.current().settings.retain else { continue };
        match engine.retire(days).await {
            Ok(Retired { before, events, oldest, bytes_are_gone }) => {
                let oldest = oldest.map(|oldest| oldest.to_string());
                tracing::info!(%before, events, oldest, bytes_are_gone, "old events were taken out");
            }
            Err(error) => tracing::error!("old events could not all be taken out: {error}"),
        }
    }
}

/// Days since 1970.
pub(crate) fn day(time: Timestamp) -> i64 {
    time.millis().div_euclid(86_400_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Durability, NewEvent};

    #[test]
    fn old_events_leave_and_the_file_shrinks() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path(), Durability::Os).unwrap();
        let event = |n: i64| NewEvent {
            user: format!("user-{:04}", n * 7_919 % 1_000),
            item: format!("{}-{}", if n % 3 == 0 { "new" } else { "old" }, "x".repeat(60)),
            event_type: "view".into(),
            time: Timestamp::from_millis(if n % 3 == 0 { 1_000 + n } else { n % 900 }),
            value: None,
            event_id: None,
        };
        store.append(&[&(0..30_000).map(event).collect::<Vec<_>>()]).unwrap();
        let size = || std::fs::metadata(folder.path().join("state.sqlite")).unwrap().len();
        store.retire_rest(Timestamp::from_millis(0)).unwrap();
        let full = size();
        let before = Timestamp::from_millis(1_000);
        let (mut after, mut removed, mut rounds) = (String::new(), 0, 0);
        loop {
            let (some, last) = store.retire_some(before, &after).unwrap();
            (removed, rounds) = (removed + some, rounds + 1);
            match last {
                Some(last) => after = last,
                None => break,
            }
        }
        assert!(store.retire_rest(before).unwrap());
        assert!(rounds > 3, "{rounds}");
        assert_eq!(removed, 20_000);
        assert!(size() < full / 2, "{} of {full}", size());
        let file = std::fs::read(folder.path().join("state.sqlite")).unwrap();
        assert!(!file.windows(5).any(|bytes| bytes == b"old-x"));
        let reader = Reader::open(folder.path()).unwrap();
        assert_eq!(reader.oldest().unwrap(), Some(Timestamp::from_millis(1_000)));
    }
}
