//! Where the state of a training is kept, so that it goes on after an interruption as if there had been none.
//!
//! A state is worth nothing to another training, so it is kept beside what it is a state of: the [`Identity`].

use std::collections::BTreeMap;

use super::Parameters;
use crate::error::Result;

/// A place for the state of one training, lent by whoever may write files.
pub trait Checkpoint: Sync {
    /// The state that was kept last, if there is one.
    ///
    /// # Errors
    /// When it is of another training, and by what they differ; when it is damaged or cannot be read.
    fn load(&self, of: &Identity) -> Result<Option<Parameters>>;

    /// Keeps a state in place of the former one, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written; the former state is still there then.
    fn save(&self, of: &Identity, state: &Parameters) -> Result<()>;
}

/// What a training is of, by name: its settings, its seed, and digests of what it learns from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity(pub BTreeMap<String, String>);

/// How values begin that say nothing to people.
const DIGEST: &str = "sha256:";

impl Identity {
    /// Adds a value that people understand.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.0.insert(name.to_owned(), value.to_string());
        self
    }

    /// Adds a digest.
    #[must_use]
    pub fn with_digest(self, name: &str, digest: &str) -> Self {
        self.with(name, format!("{DIGEST}{digest}"))
    }

    /// By what another identity differs, in words: `dim is 32, not 64`, `the events`.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut names: Vec<&String> = self.0.keys().chain(other.0.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let difference = |name: &String| match (self.0.get(name), other.0.get(name)) {
            (own, other) if own == other => None,
            (Some(own), Some(other)) if !own.starts_with(DIGEST) => {
                Some(format!("{name} is {other}, not {own}"))
            }
            _ => Some(format!("the {name}")),
        };
        names.into_iter().filter_map(difference).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_named() {
        let identity =
            |dim: u32, events: &str| Identity::default().with("dim", dim).with_digest("events", events);
        assert!(identity(8, "ab").differences(&identity(8, "ab")).is_empty());
        assert_eq!(identity(8, "ab").differences(&identity(4, "cd")), ["dim is 4, not 8", "the events"]);
        assert_eq!(Identity::default().differences(&identity(8, "ab")), ["the dim", "the events"]);
    }
}
