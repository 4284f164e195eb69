//! The one error type of the library.
//!
//! Every message names what was expected, what was found, where (file, row, column) and how to mend it,
//! because most errors here are about somebody's data and will be read by a person in a hurry.

use std::path::PathBuf;

/// What can go wrong in the library. Messages end with the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be opened, read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file is not of the form that its name or first bytes promise.
    #[error("{path}: {reason}. {remedy}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the row or byte where it is.
        reason: String,
        /// How to mend it.
        remedy: String,
    },
    /// A needed column is absent, or several columns would do.
    #[error("{path}: {reason}. Columns found: {found}. {remedy}")]
    Column {
        /// The file.
        path: PathBuf,
        /// What is missing or ambiguous.
        reason: String,
        /// The columns that the file has, joined by commas.
        found: String,
        /// How to mend it.
        remedy: String,
    },
    /// Too many rows could not be understood.
    #[error(
        "{rejected} of {rows} rows rejected ({share:.2} %, above the limit of {limit:.2} %): {summary}. \
         Mend the rows, see them with --rejects FILE, or raise --max-reject"
    )]
    TooManyRejects {
        /// Rows rejected.
        rejected: u64,
        /// Rows read.
        rows: u64,
        /// Rejected rows in percent of all rows.
        share: f64,
        /// The limit in percent.
        limit: f64,
        /// Counts by reason, with the first offending row of each.
        summary: String,
    },
    /// There is nothing to work on.
    #[error("{what}. {remedy}")]
    Empty {
        /// What is empty.
        what: String,
        /// How to mend it.
        remedy: String,
    },
    /// A setting is out of its range, unknown or contradicts another.
    #[error("setting `{name}`: expected {expected}, got {got}")]
    Setting {
        /// The setting's name as it is written in a configuration file.
        name: String,
        /// The range or form that is allowed.
        expected: String,
        /// What was given.
        got: String,
    },
    /// A setting that is right in itself asks for something that this model or its catalogue does not have.
    #[error("setting `{name}`: expected {expected}, got {got}")]
    Unfit {
        /// The setting's name.
        name: &'static str,
        /// What there is.
        expected: String,
        /// What was asked for.
        got: String,
    },
    /// A number does not fit the format's limits (users, items, event types).
    #[error("{what}: at most {limit} are supported, got {got}. {remedy}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The most that is supported.
        limit: u64,
        /// How many there were.
        got: u64,
        /// How to mend it.
        remedy: &'static str,
    },
    /// A user, item or other name that is not in the data.
    #[error("unknown {what} `{name}`. {remedy}")]
    Unknown {
        /// The kind of thing: user, item, model, event type.
        what: &'static str,
        /// The name as it was asked for.
        name: String,
        /// How to mend it.
        remedy: String,
    },
    /// Bytes kept earlier are not what was kept, or belong to something else.
    #[error("{what}: expected {expected}, got {got}. {remedy}")]
    Damaged {
        /// What the bytes should be.
        what: &'static str,
        /// What was to be found there.
        expected: String,
        /// What is there.
        got: String,
        /// How to mend it.
        remedy: &'static str,
    },
    /// A saved model is damaged, newer than this program, or something else.
    #[error("{path}: {reason}. {remedy}")]
    Artifact {
        /// The model folder or a file in it.
        path: PathBuf,
        /// What is wrong: {expected, got} in words.
        reason: String,
        /// How to mend it.
        remedy: String,
    },
}

impl Error {
    /// Wraps an I/O error with the path that it happened on.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }

    /// A setting that is out of its range.
    pub fn setting(name: impl Into<String>, expected: impl Into<String>, got: impl ToString) -> Self {
        Self::Setting { name: name.into(), expected: expected.into(), got: got.to_string() }
    }
}

/// The library's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;
