//! Numbers for event types.

use super::ReadOptions;
use super::columns::event_type;
use crate::error::{Error, Result};

/// Most event types that a log may have.
const MOST_EVENT_TYPES: usize = 255;

/// Names of the event types of a chunk, with the raw text they came from.
#[derive(Default)]
pub(super) struct TypeNames {
    pub(super) names: Vec<String>,
    raw: Vec<(Vec<u8>, u8)>,
}

impl TypeNames {
    /// The number of a raw type; `None` if it is empty.
    pub(super) fn of(&mut self, raw: &[u8], options: &ReadOptions) -> Result<Option<u8>> {
        if raw.is_empty() {
            return Ok(None);
        }
        if let Some((_, number)) = self.raw.iter().find(|(known, _)| known == raw) {
            return Ok(Some(*number));
        }
        let number = number_type(&mut self.names, &event_type(&String::from_utf8_lossy(raw), options))?;
        self.raw.push((raw.to_owned(), number));
        Ok(Some(number))
    }
}

/// The number of an event type, which is added to `names` if it is new.
///
/// # Errors
/// [`Error::Limit`] when there are more than a log may have.
pub(super) fn number_type(names: &mut Vec<String>, name: &str) -> Result<u8> {
    let place = names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    });
    u8::try_from(place).ok().filter(|_| place < MOST_EVENT_TYPES).ok_or(Error::Limit {
        what: "event types",
        limit: MOST_EVENT_TYPES as u64,
        got: names.len() as u64,
        remedy: "Map the right column with --map type=COLUMN",
    })
}
