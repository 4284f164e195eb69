//! Why a request gets no further than the guard.

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};

use crate::error::refusal;
use crate::keys::Access;

/// Why.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It may have been made by a page of another site.
    NotLocal(&'static str),
    /// No key, or none that is known.
    NoKey,
    /// A key that may not.
    Lacks(Access),
    /// Too soon by so much.
    TooOften(Duration),
    /// More bytes than so many.
    TooLarge(usize),
    /// Its body ended before it was all there.
    BrokenOff(axum::Error),
    /// Its body did not come in time.
    TooSlow,
    /// Its answer was not ready in time. Not 503, which says that nothing was kept: this may have been.
    TooLate,
}

impl Refused {
    fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotLocal(_) => (StatusCode::FORBIDDEN, "not-local"),
            Self::NoKey => (StatusCode::UNAUTHORIZED, "no-key"),
            Self::Lacks(_) => (StatusCode::FORBIDDEN, "role"),
            Self::TooOften(_) => (StatusCode::TOO_MANY_REQUESTS, "rate"),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
            Self::BrokenOff(_) => (StatusCode::BAD_REQUEST, "body"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "timeout"),
            Self::TooLate => (StatusCode::GATEWAY_TIMEOUT, "timeout"),
        }
    }

    fn message(&self) -> String {
        match self {
            Self::NotLocal(message) => (*message).into(),
            Self::NoKey => "expected `Authorization: Bearer KEY` with a key that this server knows".into(),
            Self::Lacks(access) => format!("this key has no role `{access}`"),
            Self::TooOften(_) => "too many requests; `retry-after` says when".into(),
            Self::TooLarge(most) => format!("expected {most} bytes at most; send events in smaller batches"),
            Self::BrokenOff(error) => format!("the body broke off: {error}"),
            Self::TooSlow => "the request did not arrive in time".into(),
            Self::TooLate => {
                "the answer was not ready in time; events with an `event_id` may be sent again".into()
            }
        }
    }

    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::NoKey => Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            Self::TooOften(wait) => {
                // Whole seconds are all that it can say.
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                Some((header::RETRY_AFTER, seconds.into()))
            }
            _ => None,
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, code) = self.status();
        let mut response = refusal(status, code, &self.message());
        response.headers_mut().extend(self.header());
        response
    }
}
