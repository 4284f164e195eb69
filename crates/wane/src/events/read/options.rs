//! What a caller may say about a log: which column is what, the unit of time, and what becomes of odd rows.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::rules::TypeRule;
use super::time::TimeUnit;
use crate::error::{Error, Result};
use crate::events::Timestamp;

/// Which column plays which part; what is not given is found by its name.
///
/// A column is given by its name, or by its place (`1` or `#1` is the first), which is the only way for files
/// without a header.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ColumnMap {
    /// Who acted.
    pub user: Option<String>,
    /// What was acted on.
    pub item: Option<String>,
    /// When.
    pub time: Option<String>,
    /// What was done.
    #[serde(rename = "type")]
    pub event_type: Option<String>,
    /// Price, rating, quantity or the like.
    pub value: Option<String>,
    /// The session or basket.
    pub session: Option<String>,
}

impl ColumnMap {
    /// Reads the form of the command line: `user=COL,item=COL,…`.
    ///
    /// # Errors
    /// [`Error::Setting`] for a part that is not one of user, item, time, type, value and session.
    pub fn parse(text: &str) -> Result<Self> {
        let mut map = Self::default();
        for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
            let broken =
                || Error::setting("map", "ROLE=COLUMN with user, item, time, type, value or session", pair);
            let (role, column) = pair.split_once('=').ok_or_else(broken)?;
            let place = match role.trim() {
                "user" => &mut map.user,
                "item" => &mut map.item,
                "time" => &mut map.time,
                "type" => &mut map.event_type,
                "value" => &mut map.value,
                "session" => &mut map.session,
                _ => return Err(broken()),
            };
            *place = Some(column.trim().to_owned());
        }
        Ok(map)
    }
}

/// Whether the first record of delimited text names the columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Header {
    /// It does, unless one of its fields is a number or a time.
    #[default]
    Auto,
    /// It does.
    Yes,
    /// It is data.
    No,
}

/// What becomes of a row without a user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Guests {
    /// It is rejected as `no user`.
    #[default]
    Reject,
    /// It is dropped and counted as `guest`.
    Skip,
    /// Its session is taken for a user of its own, named `session:` and the session's id.
    Session,
}

/// Settings of [`super::read_events`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReadOptions {
    /// Which column plays which part.
    pub map: ColumnMap,
    /// Unit of epoch times; found from their magnitude when absent.
    pub time_unit: Option<TimeUnit>,
    /// Whether delimited text has a header.
    pub header: Header,
    /// Drop exact repetitions of an event (same user, item, type, time, value and session).
    pub dedupe: bool,
    /// Largest share of rejected rows, 0 to 1.
    pub max_reject: f64,
    /// What becomes of rows without a user.
    pub guests: Guests,
    /// Rows later than this are rejected as `in the future`.
    pub not_after: Option<Timestamp>,
    /// Where to write every rejected row (CSV: file, row, reason, raw).
    pub rejects: Option<PathBuf>,
    /// Items that are no products: glob patterns of ids (`POST`, `gift_*`), dropped as `excluded item`.
    pub exclude_items: Vec<String>,
    /// Names for the log's own event types (`1 = "view"`), before the built-in aliases.
    pub type_map: BTreeMap<String, String>,
    /// Rules that give an event type by another column, in order of precedence.
    pub type_rules: Vec<TypeRule>,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            map: ColumnMap::default(),
            time_unit: None,
            header: Header::Auto,
            dedupe: false,
            max_reject: 0.01,
            guests: Guests::Reject,
            not_after: None,
            rejects: None,
            exclude_items: Vec::new(),
            type_map: BTreeMap::new(),
            type_rules: Vec::new(),
        }
    }
}

/// Settings whose ranges are proved and whose patterns are compiled.
#[derive(Debug)]
pub(super) struct CheckedOptions {
    pub(super) given: ReadOptions,
    pub(super) exclude: Vec<glob::Pattern>,
}

impl TryFrom<&ReadOptions> for CheckedOptions {
    type Error = Error;

    fn try_from(given: &ReadOptions) -> Result<Self> {
        if !(0.0..=1.0).contains(&given.max_reject) {
            return Err(Error::setting("max_reject", "a share from 0 to 1", given.max_reject));
        }
        if given.type_rules.len() > 200 {
            return Err(Error::setting("type_rules", "at most 200 rules", given.type_rules.len()));
        }
        let pattern = |text: &String| {
            glob::Pattern::new(text)
                .map_err(|e| Error::setting("exclude_items", format!("a glob pattern ({e})"), text))
        };
        let exclude = given.exclude_items.iter().map(pattern).collect::<Result<_>>()?;
        Ok(Self { given: given.clone(), exclude })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_read_from_text() {
        let map = ColumnMap::parse("user=1, item=#2,type=behaviour").unwrap();
        assert_eq!((map.user.as_deref(), map.item.as_deref()), (Some("1"), Some("#2")));
        assert_eq!((map.event_type.as_deref(), map.time), (Some("behaviour"), None));
        let error = ColumnMap::parse("who=1").unwrap_err().to_string();
        assert_eq!(
            error,
            "setting `map`: expected ROLE=COLUMN with user, item, time, type, value or session, got who=1"
        );
    }
}
