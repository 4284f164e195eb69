//! What every request passes before it is answered, and is written down after: who asks, may they, how often, how much, how long.
//!
//! The settings that this asks are swapped whole ([`Guard::change`]), so a request is judged by the old ones or by the new ones.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Collected, Limited};
use tokio::time::timeout_at;
use tokio_rustls::TlsAcceptor;

use crate::error::{Error, Result};
use crate::keys::{Access, find};
use crate::local;
use crate::metrics::Metrics;
use crate::rate::Rate;
use crate::refused::Refused;
use crate::settings::{Limits, Settings};
use crate::tls;

/// The settings by which requests are judged now.
pub struct Guard {
    /// What rates count from.
    start: Instant,
    current: RwLock<Arc<Current>>,
}

/// Settings, and what was made of them.
pub(crate) struct Current {
    pub(crate) settings: Settings,
    pub(crate) tls: Option<TlsAcceptor>,
    /// That of each key; without keys, of all requests.
    rates: Vec<Option<Rate>>,
}

impl Current {
    fn new(settings: Settings) -> Result<Self> {
        if settings.keys.is_empty() && !settings.listen.ip().is_loopback() {
            return Err(Error::NoKeys(settings.listen));
        }
        let tls = settings.tls.as_ref().map(tls::acceptor).transpose()?;
        let usual = settings.limits.rate;
        let rates = if settings.keys.is_empty() {
            vec![usual.map(Rate::new)]
        } else {
            settings.keys.iter().map(|key| key.rate.or(usual).map(Rate::new)).collect()
        };
        Ok(Self { settings, tls, rates })
    }
}

impl Guard {
    /// Judges by these settings.
    ///
    /// # Errors
    /// [`Error::NoKeys`] where others than this machine could ask without a key; [`Error::Tls`].
    pub fn new(settings: Settings) -> Result<Self> {
        Ok(Self { start: Instant::now(), current: RwLock::new(Arc::new(Current::new(settings)?)) })
    }

    /// Judges by other settings from now on, with certificates read again; gives the names of those that stay as they are until the
    /// server starts again.
    ///
    /// # Errors
    /// As [`Guard::new`]: then nothing has changed.
    pub fn change(&self, settings: Settings) -> Result<Vec<&'static str>> {
        let old = self.current();
        let own = &old.settings;
        let fixed = [
            ("listen", own.listen != settings.listen),
            ("durability", own.durability != settings.durability),
            ("tls", own.tls.is_some() != settings.tls.is_some()),
            ("interests.at_start", own.interests_at_start != settings.interests_at_start),
            ("limits.connections", own.limits.connections != settings.limits.connections),
        ];
        let limits = Limits { connections: own.limits.connections, ..settings.limits };
        let tls = if own.tls.is_some() { settings.tls.or_else(|| own.tls.clone()) } else { None };
        let Settings { listen, durability, interests_at_start, .. } = *own;
        let next =
            Current::new(Settings { listen, durability, tls, limits, interests_at_start, ..settings })?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        Ok(fixed.into_iter().filter_map(|(name, has_changed)| has_changed.then_some(name)).collect())
    }

    /// The settings of now.
    pub(crate) fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

type Passed<T> = std::result::Result<T, Refused>;

/// What stands before a route.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) guard: Arc<Guard>,
    pub(crate) metrics: Arc<Metrics>,
    /// The route, as logs and metrics name it.
    pub(crate) route: &'static str,
    pub(crate) access: Access,
}

/// Lets a request through to its route, or refuses it.
pub(crate) async fn pass(State(door): State<Door>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let now = door.guard.current();
    let method = request.method().clone();
    // It has users' ids.
    let path = now.settings.log_users.then(|| request.uri().path().to_owned());
    let place = door.place(&now, request.headers());
    let response = match door.admit(&now, place, &request) {
        Ok(()) => answer(now.settings.limits, request, next).await.into_response(),
        Err(refused) => refused.into_response(),
    };
    let key = place.map(|place| now.settings.keys[place].name.as_str());
    let (took, route) = (start.elapsed(), door.route);
    door.metrics.answered(route, response.status(), took);
    let status = response.status().as_u16();
    // JSON has no numbers of 128 bits.
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    if response.status().is_server_error() {
        tracing::warn!(%method, route, path, status, micros, key, "failed");
    } else {
        tracing::debug!(%method, route, path, status, micros, key, "answered");
    }
    response
}

impl Door {
    /// The place of the key that a request presents, if it needs one and it is known.
    fn place(&self, now: &Current, headers: &HeaderMap) -> Option<usize> {
        let presented = bearer(headers).filter(|_| self.access != Access::Open)?;
        find(&now.settings.keys, presented)
    }

    /// Whether a request may be answered.
    fn admit(&self, now: &Current, place: Option<usize>, request: &Request) -> Passed<()> {
        let keys = &now.settings.keys;
        if keys.is_empty()
            && let Some(message) = local::refusal(request.uri(), request.headers())
        {
            return Err(Refused::NotLocal(message));
        }
        if self.access == Access::Open {
            return Ok(());
        }
        match place {
            Some(place) if keys[place].roles.suffice(self.access) => {}
            Some(_) => return Err(Refused::Lacks(self.access)),
            None if keys.is_empty() => {}
            None => return Err(Refused::NoKey),
        }
        match &now.rates[place.unwrap_or(0)] {
            Some(rate) => rate.pass(self.guard.start.elapsed()).map_err(Refused::TooOften),
            None => Ok(()),
        }
    }
}

/// The key that a request presents.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

/// Reads a request's body and has the route answer, within bounds.
async fn answer(limits: Limits, request: Request, next: Next) -> Passed<Response> {
    let end = tokio::time::Instant::now() + limits.timeout;
    let (mut parts, body) = request.into_parts();
    let body =
        timeout_at(end, read(body, &parts.headers, limits.body)).await.map_err(|_| Refused::TooSlow)??;
    // Routes have limits of their own.
    parts.extensions.insert(limits);
    let answer = next.run(Request::from_parts(parts, Body::from(body)));
    timeout_at(end, answer).await.map_err(|_| Refused::TooLate)
}

async fn read(body: Body, headers: &HeaderMap, most: usize) -> Passed<Bytes> {
    let told = headers.get(header::CONTENT_LENGTH).and_then(|told| told.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|told| told > most as u64) {
        return Err(Refused::TooLarge(most));
    }
    let whole = Limited::new(body, most).collect().await;
    whole.map(Collected::to_bytes).map_err(|error| match error.downcast::<axum::Error>() {
        Ok(error) => Refused::BrokenOff(*error),
        // There is no other error than that of the body itself.
        Err(_) => Refused::TooLarge(most),
    })
}
