//! What can go wrong, and what HTTP says of it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

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
    /// What is asked for is well formed, and not to be had as things are.
    #[error("field `{field}`: {reason}")]
    Conflict {
        /// What asks for it.
        field: &'static str,
        /// What is in the way.
        reason: String,
    },
    /// Nothing has this name.
    #[error("there is no {what} `{name}`")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// Its id.
        name: String,
    },
    /// A certificate or a key that cannot be used.
    #[error("{}: {reason}", path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and the mend.
        reason: String,
    },
    /// What should read the texts of new items cannot.
    #[error("new items' texts cannot be read: {0}")]
    Encoder(String),
    /// An address that others than this machine can reach, and no key that they would have to know.
    #[error(
        "listen {0}: without keys only this machine's own addresses can be listened on, 127.0.0.1 or [::1]; make a key with `wane key` and put \
         its lines into the settings file"
    )]
    NoKeys(SocketAddr),
    /// What is asked is being made ready.
    #[error(
        "interests are being fitted to the log of {model}; ask again in {seconds} s. With `[interests] at_start = true` in the settings \
         they are fitted before anyone asks"
    )]
    Fitting {
        /// The model.
        model: String,
        /// After which it may be there.
        seconds: u64,
    },
    /// A model's log says nothing of interests.
    #[error(
        "there are no interests in the log of {model}: {reason}; fit a model from such a log and load it"
    )]
    NoInterests {
        /// The model.
        model: String,
        /// Why, and what it takes.
        reason: String,
    },
    /// The thread that writes has ended, which it does by an error in the program alone.
    #[error(
        "nothing can be written any more, for the thread that writes has ended by an error in the program. Start the server again; what was \
         acknowledged is kept"
    )]
    NoWriter,
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
            Self::Conflict { .. } | Self::Wane(wane::error::Error::Unfit { .. }) => {
                (StatusCode::CONFLICT, "conflict")
            }
            Self::Field { .. } | Self::Wane(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad-request"),
            Self::NotFound { .. } => (StatusCode::NOT_FOUND, "not-found"),
            Self::State { .. } => (StatusCode::SERVICE_UNAVAILABLE, "state"),
            Self::Fitting { .. } => (StatusCode::CONFLICT, "fitting"),
            Self::NoInterests { .. } => (StatusCode::CONFLICT, "no-interests"),
            // These end the start of a server, and no request meets them.
            Self::Tls { .. } | Self::NoKeys(_) | Self::Encoder(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "settings")
            }
            Self::NoWriter => (StatusCode::SERVICE_UNAVAILABLE, "no-writer"),
            Self::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        }
    }

    /// The error as it stands in an answer.
    pub(crate) fn json(&self) -> Value {
        let field = match self {
            Self::Field { field, .. } => Some(&field[..]),
            Self::Conflict { field, .. } => Some(*field),
            Self::Wane(wane::error::Error::Unfit { name, .. }) => Some(*name),
            Self::Wane(wane::error::Error::Setting { name, .. }) => Some(&name[..]),
            _ => None,
        };
        json!({"error": {"code": self.status().1, "message": self.to_string(), "field": field}})
    }
}

impl From<PathRejection> for Error {
    fn from(refused: PathRejection) -> Self {
        Self::field("path", refused.body_text())
    }
}

impl From<QueryRejection> for Error {
    fn from(refused: QueryRejection) -> Self {
        Self::field("query", refused.body_text())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        if self.status().0.is_server_error() {
            tracing::warn!(error = %self, "not answered");
        }
        let mut response = (self.status().0, Json(self.json())).into_response();
        if let Self::Fitting { seconds, .. } = self {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// What HTTP says of a request that comes to no route's notice.
pub(crate) fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({"error": {"code": code, "message": message, "field": null}}))).into_response()
}
