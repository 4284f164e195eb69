//! The routes without a socket: every bad request is refused by its field, and nothing is kept of it.

// A test may fail by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod faults;
mod feedback;
mod guard;
mod interests;
mod items;
mod listen;
mod models;
mod recount;

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;
use wane::events::{EventColumns, EventLog, EventTypeId, Timestamp};
use wane::pipeline::fit_as;
use wane::recommend::{ModelSettings, Training};
use wane_serve::{Clock, Durability, Encoders, Engine, Guard, Settings, router};

const NOW: i64 = 1_700_000_000_000;

/// A log of twelve items.
fn log() -> EventLog {
    let mut columns = EventColumns {
        user_names: (0..20).map(|user| format!("u{user:02}")).collect(),
        item_names: (0..12).map(|item| format!("i{item:02}")).collect(),
        event_types: vec!["view".into(), "purchase".into()],
        ..EventColumns::default()
    };
    for user in 0..20 {
        for n in 0..9 {
            columns.users.push(user);
            columns.items.push((user + n * n) % 12);
            columns.times.push(Timestamp::from_millis(NOW - i64::from(100 - n) * 86_400_000));
            columns.types.push(EventTypeId(u8::from(n % 3 == 0)));
        }
    }
    EventLog::from_columns(columns).unwrap()
}

/// A model of that log in a folder.
fn model(name: &str, folder: &Path) {
    let settings = ModelSettings::named(name).unwrap();
    fit_as(&Training::new(&log(), None, 1), &settings).unwrap().save(folder).unwrap();
}

/// The folder of the model that all tests begin with.
fn made() -> &'static Path {
    static MADE: LazyLock<TempDir> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        model("item-knn", &folder.path().join("model"));
        folder
    });
    static PATH: LazyLock<PathBuf> = LazyLock::new(|| MADE.path().join("model"));
    &PATH
}

/// Its engine over a state folder.
fn engine(folder: &Path, clock: Clock) -> wane_serve::Result<Engine> {
    Engine::open(made(), folder, Durability::Os, clock, Encoders::default())
}

/// A clock that stands.
fn standing() -> Clock {
    Arc::new(|| Timestamp::from_millis(NOW))
}

/// Its engine over a new state.
fn new_engine() -> (TempDir, Arc<Engine>) {
    let state = tempfile::tempdir().unwrap();
    let engine = engine(state.path(), standing()).unwrap();
    (state, Arc::new(engine))
}

/// Routes as they are without settings.
fn routes_of(engine: Arc<Engine>) -> Router {
    router(engine, Arc::new(Guard::new(Settings::default()).unwrap()))
}

/// Its routes over a state folder.
fn routes(folder: &Path) -> wane_serve::Result<Router> {
    Ok(routes_of(Arc::new(engine(folder, standing())?)))
}

/// Its routes over a new state.
fn shop() -> (TempDir, Router) {
    shop_with(Settings::default())
}

/// The same with other settings.
fn shop_with(settings: Settings) -> (TempDir, Router) {
    let (state, engine) = new_engine();
    (state, router(engine, Arc::new(Guard::new(settings).unwrap())))
}

async fn ask(
    router: &Router,
    method: &str,
    path: &str,
    kind: &str,
    body: impl Into<Body>,
) -> (StatusCode, Value) {
    let request = Request::builder().method(method).uri(path).header("content-type", kind).body(body.into());
    let response = router.clone().oneshot(request.unwrap()).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

async fn post(router: &Router, path: &str, body: Value) -> (StatusCode, Value) {
    ask(router, "POST", path, "application/json", body.to_string()).await
}

async fn kept(router: &Router, user: &str) -> usize {
    let (_, answer) = ask(router, "GET", &format!("/v1/users/{user}/events"), "", "").await;
    answer["events"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_batch_keeps_what_is_right_and_names_what_is_not() {
    let (_state, router) = shop();
    let batch = json!([
        {"user_id": "a", "item_id": "i01", "event_type": "view", "time": "2023-11-14T12:00:00Z"},
        {"user_id": 7, "item_id": 42},
        {"item_id": "i01"},
        {"user_id": "a", "item_id": ""},
        {"user_id": "a", "item_id": "i01", "time": "yesterday"},
        {"user_id": "a", "item_id": "i01", "time": "2040-01-01"},
        {"user_id": "a", "item_id": "i01", "tiem": 3},
        {"user_id": "a\u{0}", "item_id": "i01"},
        {"user_id": "a", "item_id": [1]},
        {"user_id": "a", "item_id": "i01", "value": 1e99},
        5,
    ]);
    let (status, answer) = post(&router, "/v1/events", batch).await;
    assert_eq!(
        (status, &answer["accepted"], &answer["durable"]),
        (StatusCode::ACCEPTED, &json!(2), &json!(true))
    );
    let rejected = answer["rejected"].as_array().unwrap();
    let fields: Vec<(u64, &str)> =
        rejected.iter().map(|own| (own["index"].as_u64().unwrap(), own["field"].as_str().unwrap())).collect();
    let expected = [
        (2, "user_id"),
        (3, "item_id"),
        (4, "time"),
        (5, "time"),
        (6, "event"),
        (7, "user_id"),
        (8, "item_id"),
        (9, "value"),
        (10, "event"),
    ];
    assert_eq!(fields, expected);
    assert!(rejected[4]["reason"].as_str().unwrap().contains("tiem"));
    assert_eq!((kept(&router, "a").await, kept(&router, "7").await), (1, 1));
}

#[tokio::test]
async fn lines_are_events_too() {
    let (_state, router) = shop();
    let lines =
        "{\"user_id\":\"a\",\"item_id\":\"i01\"}\n\n{\"user_id\":\"a\",\"item_id\":\"i02\"}\nnonsense\n";
    let (status, answer) = ask(&router, "POST", "/v1/events", "application/x-ndjson", lines).await;
    assert_eq!((status, &answer["accepted"]), (StatusCode::ACCEPTED, &json!(2)));
    assert_eq!(answer["rejected"][0]["index"], 2);
    assert_eq!(kept(&router, "a").await, 2);
}

#[tokio::test]
async fn a_new_event_speaks_at_once_and_an_erased_one_no_more() {
    let (_state, router) = shop();
    let list =
        async || post(&router, "/v1/recommend", json!({"user_id": "new", "k": 5})).await.1["items"].clone();
    let before = list().await;
    post(&router, "/v1/events", json!({"user_id": "new", "item_id": "i03", "event_type": "purchase"})).await;
    let after = list().await;
    assert_ne!(before, after);
    let (status, erased) = ask(&router, "DELETE", "/v1/users/new", "", "").await;
    assert_eq!((status, &erased["events"]), (StatusCode::OK, &json!(1)));
    assert_eq!(list().await, before);
    // A user of the model's log too.
    let asked = json!({"user_id": "u03", "k": 5});
    let known = post(&router, "/v1/recommend", asked.clone()).await.1["items"].clone();
    assert_ne!(known, before);
    ask(&router, "DELETE", "/v1/users/u03", "", "").await;
    assert_eq!(post(&router, "/v1/recommend", asked).await.1["items"], before);
}

#[tokio::test]
async fn a_session_is_answered_and_not_kept() {
    let (state, router) = shop();
    let asked = json!({"session": [{"item_id": "i03", "event_type": "purchase"}], "k": 3, "explain": true, "consent": false});
    let (status, answer) = post(&router, "/v1/recommend", asked).await;
    assert_eq!((status, answer["items"].as_array().unwrap().len()), (StatusCode::OK, 3));
    assert_eq!(answer["items"][0]["reasons"][0]["event"]["item"], "i03");
    let bytes: Vec<u8> = std::fs::read_dir(state.path())
        .unwrap()
        .flat_map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect();
    assert!(!bytes.windows(3).any(|own| own == b"i03"));
}

#[tokio::test]
async fn whole_floats_are_whole_numbers() {
    let (_state, router) = shop();
    let asked = json!({"user_id": 7.0, "k": 3.0, "explain": true, "reasons": 2.0});
    let (status, list) = post(&router, "/v1/recommend", asked).await;
    assert_eq!((status, list["items"].as_array().unwrap().len()), (StatusCode::OK, 3), "{list}");
    let (status, list) = ask(&router, "GET", "/v1/items/i01/similar?k=3.0", "", "").await;
    assert_eq!((status, list["items"].as_array().unwrap().len()), (StatusCode::OK, 3), "{list}");
    let events = json!([{"user_id": 7.0, "item_id": "i01", "event_id": 1.0}, {"user_id": "7", "item_id": "i01", "event_id": 1}]);
    assert_eq!(post(&router, "/v1/events", events).await.1["known"], 1);
    assert_eq!(kept(&router, "7").await, 1);
}

#[tokio::test]
async fn questions_that_cannot_be_answered_are_refused_by_their_field() {
    let (_state, router) = shop();
    for (asked, field, said) in [
        (json!({}), "user_id", "neither"),
        (json!({"user_id": "a", "session": []}), "session", "not both"),
        (json!({"user_id": "a", "consent": false}), "user_id", "without consent"),
        (json!({"user_id": "a", "k": 0}), "k", "1 to 1000"),
        (json!({"user_id": "a", "k": 100_000}), "k", "1 to 1000"),
        (json!({"user_id": "a", "as_of": "soon"}), "as_of", "expected a moment"),
        (json!({"session": [{"item_id": "i01"}, {"item_id": {}}]}), "session[1].item_id", "expected a text"),
        (json!({"session": [{"item_id": "i01", "user_id": "a"}]}), "session[0].user_id", "have none"),
        (json!({"session": [{"item_id": "i01", "value": 1e99}]}), "session[0].value", "32-bit float"),
        (json!({"user_id": 7.5}), "user_id", "a whole number"),
        (json!({"user_id": 1e16}), "user_id", "a whole number"),
        (json!({"user_id": "a", "k": 2.5}), "body", "a whole number from 0 on"),
        (json!({"user_id": "a", "kk": 3}), "body", "unknown field"),
        (json!({"user_id": "a", "k": -1}), "body", "invalid value"),
        (json!([1, 2]), "body", "invalid"),
    ] {
        let (status, answer) = post(&router, "/v1/recommend", asked.clone()).await;
        assert_eq!(
            (status, &answer["error"]["field"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!(field)),
            "{asked}: {answer}"
        );
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(said), "{asked}: {message}");
    }
    // Another model could answer them.
    for (asked, field) in [
        (json!({"user_id": "a", "filter": "price < 3"}), "filter"),
        (json!({"user_id": "a", "diversity": 0.5}), "diversity"),
    ] {
        let (status, answer) = post(&router, "/v1/recommend", asked).await;
        assert_eq!((status, &answer["error"]["field"]), (StatusCode::CONFLICT, &json!(field)));
        assert!(answer["error"]["message"].as_str().unwrap().contains("catalogue"), "{answer}");
    }
    for (method, path, body, expected) in [
        ("POST", "/v1/recommend", "{", StatusCode::UNPROCESSABLE_ENTITY),
        ("POST", "/v1/events", "", StatusCode::UNPROCESSABLE_ENTITY),
        ("GET", "/v1/recommend", "", StatusCode::METHOD_NOT_ALLOWED),
        ("GET", "/v2", "", StatusCode::NOT_FOUND),
    ] {
        let (status, answer) = ask(&router, method, path, "application/json", body).await;
        assert_eq!(status, expected, "{method} {path}");
        assert!(answer["error"]["message"].is_string(), "{answer}");
    }
    let (status, _) = ask(&router, "POST", "/v1/events", "application/json", vec![b' '; 5 << 20]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}
