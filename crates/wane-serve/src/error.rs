//! What can go wrong, and what HTTP says of it.

use std::path::{Path, PathBuf};

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// The server's errors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of a request that cannot be understood.
    #[error("field `{field}`: {reason}")]
    Field {
        /// Which one, as a path from the top: `session[2].time`.
        field: String,
        /// What was expected and what was there.
        reason: String,
    },
    /// What the library refuses: a setting out of its range, a filter that is none.
    #[error(transparent)]
    Wane(#[from] wane::error::Error),
    /// The state folder cannot be read or written.
    #[error("{}: {reason}. {remedy}", path.display())]
    State {
        /// The folder.
        path: PathBuf,
        /// What the system or SQLite says.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The server is stopping.
    #[error("the server is stopping; ask again in a moment")]
    Stopping,
}

/// Results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn field(field: impl Into<String>, reason: impl ToString) -> Self {
        Self::Field { field: field.into(), reason: reason.to_string() }
    }

    /// What SQLite says of a state folder, with the mend for what it is.
    pub(crate) fn state(path: &Path, error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        const DAMAGED: &str = "Put the folder's last copy back, or give a new folder";
        let remedy = match error.sqlite_error_code() {
            Some(Code::DiskFull) => "Make room on the disk; nothing was acknowledged that is not kept",
            Some(Code::SystemIoFailure) => {
                "Look whether the disk is full, over a quota or a limit, or broken; nothing was acknowledged that is not kept"
            }
            Some(Code::ReadOnly | Code::CannotOpen | Code::PermissionDenied) => {
                "Give a folder that this user may write"
            }
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => "Is another program using this folder?",
            // Statements are fixed, so what they do not find or cannot read is not as it was written.
            Some(Code::DatabaseCorrupt | Code::NotADatabase | Code::Unknown) | None => DAMAGED,
            _ => "See what the system says",
        };
        let code = error.sqlite_error().map_or(0, |own| own.extended_code);
        let reason = if code > 0xff { format!("{error} (SQLite's code {code})") } else { error.to_string() };
        Self::State { path: path.to_owned(), reason, remedy }
    }

    fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Field { .. } | Self::Wane(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad-request"),
            Self::State { .. } => (StatusCode::SERVICE_UNAVAILABLE, "state"),
            Self::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, code) = self.status();
        let field = if let Self::Field { field, .. } = &self { Some(field.clone()) } else { None };
        let body = json!({"error": {"code": code, "message": self.to_string(), "field": field}});
        (status, Json(body)).into_response()
    }
}
