//! What was understood of a log: the account that `wane inspect` shows.

use std::collections::BTreeMap;

use serde::Serialize;

use super::source::Format;
use crate::events::profile::LogProfile;

/// How one file was read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FileInspection {
    /// The file.
    pub path: String,
    /// Its format.
    pub format: Format,
    /// Whether its first record names the columns (always true but for delimited text).
    pub header: bool,
    /// The column of each part that was found: user, item, time, type, value, session.
    pub columns: BTreeMap<String, String>,
    /// Columns that are not used.
    pub unused: Vec<String>,
    /// How times are written.
    pub time: String,
    /// Rows in the file.
    pub rows: u64,
}

/// Rows that were rejected for one reason.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RejectedReason {
    /// The reason: a fixed short string.
    pub reason: String,
    /// Number of rows.
    pub count: u64,
    /// File and row of the first.
    pub first: String,
    /// The first rows, shortened.
    pub samples: Vec<String>,
}

/// The account of a reading. `rows` = `accepted` + all of `rejected` + all of `dropped`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// Rows read.
    pub rows: u64,
    /// Rows that became events.
    pub accepted: u64,
    /// Rows that could not be understood, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Rows set aside on request: `duplicate`, `guest`, `excluded item`, `rule …`.
    pub dropped: BTreeMap<String, u64>,
    /// Rows kept although a cell was mended: `bad value`, `id written as a float`.
    pub repaired: BTreeMap<String, u64>,
    /// Rows that each rule held for.
    pub rules: BTreeMap<String, u64>,
    /// Distinct users of the accepted rows.
    pub users: u64,
    /// Distinct items of the accepted rows.
    pub items: u64,
    /// Events by type.
    pub event_types: BTreeMap<String, u64>,
    /// Time of the first event, RFC 3339.
    pub first: Option<String>,
    /// Time of the last event, RFC 3339.
    pub last: Option<String>,
    /// Accepted events that repeat an earlier one exactly.
    pub duplicates: u64,
    /// Users who act like a machine, see [`crate::events::bot_like_users`].
    pub bot_like_users: Vec<String>,
    /// Gaps and days.
    #[serde(flatten)]
    pub profile: LogProfile,
    /// How each file was read.
    pub files: Vec<FileInspection>,
    /// The rejected rows in more detail.
    pub rejected_rows: Vec<RejectedReason>,
}

impl Inspection {
    /// Adds the account of the rows of another reading: one log that comes in several files of different standing. Users,
    /// items, spans and gaps stay those of this reading, since they do not add up.
    pub fn add_rows(&mut self, other: Self) {
        self.rows += other.rows;
        self.accepted += other.accepted;
        let sums = [
            (&mut self.rejected, other.rejected),
            (&mut self.dropped, other.dropped),
            (&mut self.repaired, other.repaired),
            (&mut self.rules, other.rules),
        ];
        for (sums, counts) in sums {
            counts.into_iter().for_each(|(reason, count)| *sums.entry(reason).or_default() += count);
        }
        self.files.extend(other.files);
        self.rejected_rows.extend(other.rejected_rows);
    }
}
