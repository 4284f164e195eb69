//! What can go wrong between a text and its vector, in words that say how to mend it.

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
    /// A catalogue of which nothing can be said.
    #[error("no item has a text: every column of the template is empty. Choose others with --template")]
    NoText,
}
