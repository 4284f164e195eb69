//! What can go wrong between a text and its vector, in words that say how to mend it.

use std::path::{Path, PathBuf};

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A template that cannot be read.
    #[error(
        "template `{template}`, letter {at}: {reason}. Write columns as {{title}}, and a brace itself twice"
    )]
    Template {
        /// The template.
        template: String,
        /// Place of the letter, counted from 1.
        at: usize,
        /// What is wrong there.
        reason: &'static str,
    },
    /// A template that names a column which the catalogue does not have.
    #[error("the template names `{column}`, which the catalogue does not have. Known are: {known}")]
    UnknownColumn {
        /// The column.
        column: String,
        /// Those that the catalogue has.
        known: String,
    },
    /// A setting out of its range.
    #[error("{name}: expected {expected}, got {got}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it is.
        got: String,
    },
    /// A model that cannot be read.
    #[error("{}: {reason}. {mend}", path.display())]
    Model {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// How to mend it.
        mend: String,
    },
    /// A journal that cannot be read or written.
    #[error("{}: what is encoded cannot be kept there. Mend that and start again: nothing is encoded twice", path.display())]
    Journal {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A text that the model cannot read.
    #[error("the model cannot read a text: {reason}")]
    Text {
        /// What is wrong.
        reason: String,
    },
    /// A catalogue of which nothing can be said.
    #[error("no item has a text: every column of the template is empty. Choose others with --template")]
    NoText,
}

impl Error {
    pub(crate) fn journal(path: &Path, source: std::io::Error) -> Self {
        Self::Journal { path: path.to_owned(), source }
    }

    pub(crate) fn model(path: &Path, reason: impl ToString, mend: &str) -> Self {
        Self::Model { path: path.to_owned(), reason: reason.to_string(), mend: mend.to_owned() }
    }
}
