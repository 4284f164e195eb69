//! What stands before the routes: keys, roles, rates, bounds. All of it is asked of every route in [`ROUTES`].

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Frame;
use serde_json::{Value, json};
use tower::ServiceExt;
use wane_serve::{Access, Guard, Key, KeyMark, Limits, ROUTES, Roles, Route, Settings, router};

use super::{new_engine, shop_with};

/// How a route is asked in the tests.
struct Sample {
    path: &'static str,
    body: String,
    /// What the answer is.
    good: StatusCode,
    /// A request of the same route that cannot be answered, where there is one.
    bad: Option<(&'static str, &'static str)>,
}

/// That of a route. A new route needs one.
fn sample(route: &Route) -> Sample {
    let of = |path, body: Value, good, bad| Sample {
        path,
        body: if body.is_null() { String::new() } else { body.to_string() },
        good,
        bad,
    };
    match (route.method.as_str(), route.path) {
        ("POST", "/v1/events") => {
            let event = json!({"user_id": "a", "item_id": "i01"});
            of("/v1/events", event, StatusCode::ACCEPTED, Some(("/v1/events", "{")))
        }
        ("POST", "/v1/recommend") => {
            of("/v1/recommend", json!({"user_id": "a"}), StatusCode::OK, Some(("/v1/recommend", "[]")))
        }
        ("GET", "/v1/users/{id}/events") => {
            of("/v1/users/a/events", Value::Null, StatusCode::OK, Some(("/v1/users/%ff/events", "")))
        }
        ("DELETE", "/v1/users/{id}") => {
            of("/v1/users/a", Value::Null, StatusCode::OK, Some(("/v1/users/%ff", "")))
        }
        // Whether they are fitted yet is not what is asked here.
        ("GET", "/v1/users/{id}/interests") => {
            let path = "/v1/users/a/interests?horizon=soon";
            of(path, Value::Null, StatusCode::UNPROCESSABLE_ENTITY, Some((path, "")))
        }
        ("POST", path @ "/v1/recommend/batch") => {
            of(path, json!({"questions": [{"user_id": "a"}]}), StatusCode::OK, Some((path, "[]")))
        }
        ("GET", "/v1/items/{id}/similar") => of(
            "/v1/items/i01/similar",
            Value::Null,
            StatusCode::OK,
            Some(("/v1/items/i01/similar?k=none", "")),
        ),
        ("PUT" | "PATCH", "/v1/items/{id}") => {
            of("/v1/items/i01", json!({"price": 3}), StatusCode::OK, Some(("/v1/items/i01", "[]")))
        }
        // It is gone then, and said so again.
        ("DELETE", "/v1/items/{id}") => {
            of("/v1/items/i02", Value::Null, StatusCode::OK, Some(("/v1/items/%ff", "")))
        }
        ("GET", "/v1/items/{id}") => {
            of("/v1/items/i01", Value::Null, StatusCode::OK, Some(("/v1/items/%ff", "")))
        }
        ("POST", path @ "/v1/feedback") => {
            let told =
                json!({"recommendation_id": "m.s.0123456789abcdef", "item_id": "i01", "kind": "click"});
            of(path, told, StatusCode::ACCEPTED, Some((path, "{")))
        }
        // Nothing answered before, which is the admin's own mistake and not a lack of rights.
        ("POST", path @ "/v1/admin/model") => {
            of(path, json!({"roll_back": true}), StatusCode::CONFLICT, Some((path, "{}")))
        }
        ("GET", path @ ("/metrics" | "/v1/feedback" | "/v1/admin/model")) => {
            of(path, Value::Null, StatusCode::OK, None)
        }
        ("GET", path @ ("/health/live" | "/health/ready" | "/openapi.json" | "/docs")) => {
            of(path, Value::Null, StatusCode::OK, None)
        }
        (method, path) => panic!("{method} {path}: say here how the tests are to ask it"),
    }
}

/// A key of each role, which is also its name.
fn keys() -> Vec<Key> {
    let key = |name: &str| Key {
        name: name.into(),
        roles: Roles::named([name]).unwrap_or_else(|name| panic!("{name}")),
        mark: KeyMark::of(name),
        rate: None,
    };
    ["read", "write", "admin"].map(key).into()
}

fn with_keys() -> Settings {
    Settings { keys: keys(), ..Settings::default() }
}

fn asked(route: &Route, key: Option<&str>, path: &str, body: impl Into<Body>) -> Request<Body> {
    let request =
        Request::builder().method(route.method.clone()).uri(path).header("content-type", "application/json");
    let request = match key {
        Some(key) => request.header("authorization", format!("Bearer {key}")),
        None => request,
    };
    request.body(body.into()).unwrap()
}

async fn answer(router: &Router, request: Request<Body>) -> Response<Body> {
    router.clone().oneshot(request).await.unwrap()
}

async fn code(response: Response<Body>) -> (StatusCode, String) {
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    (status, body["error"]["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn every_route_asks_for_a_key_that_may() {
    let (_state, router) = shop_with(with_keys());
    for route in ROUTES {
        let Sample { path, body, good, .. } = sample(route);
        let ask = async |key| answer(&router, asked(route, key, path, body.clone())).await;
        let allowed = match route.access {
            Access::Open => vec![None, Some("unknown"), Some("read"), Some("write"), Some("admin")],
            Access::Read => vec![Some("read"), Some("admin")],
            Access::Write => vec![Some("write"), Some("admin")],
            Access::Admin => vec![Some("admin")],
        };
        for key in [None, Some("unknown"), Some("read"), Some("write"), Some("admin")] {
            let response = ask(key).await;
            let expected = match key {
                _ if allowed.contains(&key) => good,
                None | Some("unknown") => StatusCode::UNAUTHORIZED,
                Some(_) => StatusCode::FORBIDDEN,
            };
            let asks =
                response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(response.status(), expected, "{} {path} {key:?}", route.method);
            assert_eq!(asks.as_deref() == Some("Bearer"), expected == StatusCode::UNAUTHORIZED);
        }
    }
}

#[tokio::test]
async fn a_key_is_taken_as_a_bearer_and_in_no_other_way() {
    let (_state, router) = shop_with(with_keys());
    for (line, expected) in [
        ("Bearer read", StatusCode::OK),
        ("bearer  read", StatusCode::OK),
        ("Basic read", StatusCode::UNAUTHORIZED),
        ("read", StatusCode::UNAUTHORIZED),
        ("Bearer", StatusCode::UNAUTHORIZED),
        ("Bearer read read", StatusCode::UNAUTHORIZED),
    ] {
        let request = Request::builder().method("POST").uri("/v1/recommend").header("authorization", line);
        let response = answer(&router, request.body(r#"{"user_id": 1}"#.into()).unwrap()).await;
        assert_eq!(response.status(), expected, "{line}");
    }
}

#[tokio::test]
async fn every_route_but_the_open_ones_has_a_rate() {
    for route in ROUTES {
        let limits = Limits { rate: Some(2.0), ..Limits::default() };
        let (_state, router) = shop_with(Settings { limits, ..with_keys() });
        let Sample { path, body, good, .. } = sample(route);
        let ask = async || answer(&router, asked(route, Some("admin"), path, body.clone())).await;
        assert_eq!([ask().await.status(), ask().await.status()], [good; 2]);
        let third = ask().await;
        let wait = third.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        let expected = match route.access {
            Access::Open => (good, None),
            _ => (StatusCode::TOO_MANY_REQUESTS, Some("1".to_owned())),
        };
        assert_eq!((third.status(), wait), expected, "{path}");
    }
}

#[tokio::test]
async fn each_key_has_its_own_rate() {
    let mut keys = keys();
    keys[0].rate = Some(1.0);
    let limits = Limits { rate: Some(3.0), ..Limits::default() };
    let (_state, router) = shop_with(Settings { limits, keys, ..Settings::default() });
    let passed = async |key: &str| {
        let mut passed = 0;
        for _ in 0..10 {
            let request = Request::builder().method("POST").uri("/v1/recommend");
            let request = request.header("authorization", format!("Bearer {key}"));
            let response = answer(&router, request.body(r#"{"user_id": 1}"#.into()).unwrap()).await;
            passed += u8::from(response.status() == StatusCode::OK);
        }
        passed
    };
    // One more may come in while they are asked.
    assert!((1..=2).contains(&passed("read").await));
    assert!((3..=4).contains(&passed("admin").await));
}

#[tokio::test]
async fn every_route_refuses_what_it_cannot_take() {
    let limits = Limits { body: 2_000, ..Limits::default() };
    let (_state, router) = shop_with(Settings { limits, ..with_keys() });
    for route in ROUTES {
        let Sample { path, bad, .. } = sample(route);
        let large = asked(route, Some("admin"), path, vec![b' '; 2_001]);
        assert_eq!(
            code(answer(&router, large).await).await,
            (StatusCode::PAYLOAD_TOO_LARGE, "too-large".into())
        );
        // One that does not say how large it is.
        let large = asked(route, Some("admin"), path, Body::new(Parts(3)));
        assert_eq!(
            code(answer(&router, large).await).await,
            (StatusCode::PAYLOAD_TOO_LARGE, "too-large".into())
        );
        if let Some((path, body)) = bad {
            let status = answer(&router, asked(route, Some("admin"), path, body)).await.status();
            assert!(status.is_client_error(), "{path}: {status}");
        }
    }
}

/// A body of which parts come, and then nothing for ever.
struct Parts(usize);

impl hyper::body::Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(left) = self.0.checked_sub(1) else { return Poll::Pending };
        self.0 = left;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b' '; 700])))))
    }
}

#[tokio::test]
async fn limits_are_those_that_are_set() {
    let limits = Limits { batch: 2, k: 3, ..Limits::default() };
    let (_state, router) = shop_with(Settings { limits, ..Settings::default() });
    let post = async |path: &str, body: Value| super::post(&router, path, body).await;
    let event = json!({"user_id": "a", "item_id": "i01"});
    assert_eq!(post("/v1/events", json!([event, event])).await.0, StatusCode::ACCEPTED);
    let (status, said) = post("/v1/events", json!([event, event, event])).await;
    assert_eq!((status, &said["error"]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("events")));
    assert_eq!(post("/v1/recommend", json!({"user_id": "a", "k": 3})).await.0, StatusCode::OK);
    let (status, said) = post("/v1/recommend", json!({"user_id": "a", "k": 4})).await;
    assert_eq!((status, &said["error"]["field"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("k")));
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let limits = Limits { timeout: Duration::from_millis(50), ..Limits::default() };
    let (_state, router) = shop_with(Settings { limits, ..Settings::default() });
    let request = Request::builder().method("POST").uri("/v1/events").body(Body::new(Parts(1))).unwrap();
    assert_eq!(code(answer(&router, request).await).await, (StatusCode::REQUEST_TIMEOUT, "timeout".into()));
}

#[tokio::test]
async fn without_keys_pages_from_elsewhere_are_refused_by_every_route() {
    let (_state, router) = shop_with(Settings::default());
    let (_other, guarded) = shop_with(with_keys());
    for route in ROUTES {
        let Sample { path, body, good, .. } = sample(route);
        for (name, value, expected) in [
            ("host", "localhost:7700", good),
            ("host", "evil.example", StatusCode::FORBIDDEN),
            ("origin", "https://evil.example", StatusCode::FORBIDDEN),
        ] {
            let mut request = asked(route, None, path, body.clone());
            request.headers_mut().insert(name, value.parse().unwrap());
            let response = answer(&router, request).await;
            assert_eq!(response.status(), expected, "{path} {name}: {value}");
            assert!(response.headers().keys().all(|name| !name.as_str().starts_with("access-control")));
            // A page does not know the key.
            let mut request = asked(route, Some("admin"), path, body.clone());
            request.headers_mut().insert(name, value.parse().unwrap());
            assert_eq!(answer(&guarded, request).await.status(), good, "{path}");
        }
    }
}

#[tokio::test]
async fn other_settings_count_from_the_next_request_on() {
    let (_state, engine) = new_engine();
    let guard = std::sync::Arc::new(Guard::new(with_keys()).unwrap());
    let router = router(engine, guard.clone());
    let status = async |key: &str| {
        let request = Request::builder().method("POST").uri("/v1/recommend");
        let request = request.header("authorization", format!("Bearer {key}"));
        answer(&router, request.body(r#"{"user_id": 1, "k": 5}"#.into()).unwrap()).await.status()
    };
    assert_eq!((status("read").await, status("new").await), (StatusCode::OK, StatusCode::UNAUTHORIZED));
    let mut keys = keys();
    keys[0].mark = KeyMark::of("new");
    let mut next = Settings { keys, ..Settings::default() };
    assert!(guard.change(next.clone()).unwrap().is_empty());
    assert_eq!((status("read").await, status("new").await), (StatusCode::UNAUTHORIZED, StatusCode::OK));
    next.limits.k = 4;
    next.limits.connections += 1;
    next.listen.set_port(1);
    assert_eq!(guard.change(next.clone()).unwrap(), ["listen", "limits.connections"]);
    assert_eq!(status("new").await, StatusCode::UNPROCESSABLE_ENTITY);
    // What cannot be changes nothing.
    let nowhere = wane_serve::TlsFiles { certificate: "nowhere".into(), key: "nowhere".into() };
    assert_eq!(
        guard.change(Settings { tls: Some(nowhere), ..next }).unwrap(),
        ["listen", "tls", "limits.connections"]
    );
    assert_eq!(status("new").await, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn what_happened_is_counted_and_nobody_is_named() {
    let (_state, router) = shop_with(Settings::default());
    let event = json!({"user_id": "someone", "item_id": "i01", "event_id": "e"});
    super::post(&router, "/v1/events", json!([event, event, 5])).await;
    for _ in 0..3 {
        super::post(&router, "/v1/recommend", json!({"user_id": "someone"})).await;
    }
    super::ask(&router, "GET", "/nowhere/someone", "", "").await;
    super::ask(&router, "DELETE", "/v1/users/someone", "", "").await;
    let response = answer(&router, Request::get("/metrics").body(Body::empty()).unwrap()).await;
    let text = response.into_body().collect().await.unwrap().to_bytes();
    let text = std::str::from_utf8(&text).unwrap();
    for line in [
        "wane_requests_total{route=\"/v1/recommend\",status=\"200\"} 3",
        "wane_requests_total{route=\"other\",status=\"404\"} 1",
        "wane_request_seconds_count{route=\"/v1/recommend\"} 3",
        "wane_events_total{fate=\"new\"} 1",
        "wane_events_total{fate=\"known\"} 1",
        "wane_events_total{fate=\"rejected\"} 1",
        "wane_commit_seconds_count 1",
        "wane_commit_events_sum 2.0",
        "wane_erasures_total 1",
        "wane_history_lookups_total{found=\"memory\"} 2",
        "wane_history_lookups_total{found=\"disk\"} 1",
        "wane_histories 0",
        "wane_connections 0",
    ] {
        assert!(text.lines().any(|own| own == line), "{line}\n{text}");
    }
    let is_model = |line: &str| line.starts_with("wane_model{name=\"item-knn@") && line.ends_with("} 1.0");
    assert!(text.lines().any(is_model), "{text}");
    assert!(text.ends_with("# EOF\n") && text.contains("process_resident_memory_bytes "), "{text}");
    assert!(!text.contains("someone") && !text.contains("i01"), "{text}");
}

#[test]
fn others_than_this_machine_are_not_listened_to_without_keys() {
    let listen = "0.0.0.0:80".parse().unwrap();
    let refused = Guard::new(Settings { listen, ..Settings::default() }).err().unwrap().to_string();
    assert!(refused.contains("0.0.0.0:80") && refused.contains("wane key"), "{refused}");
    let guard = Guard::new(Settings { listen, ..with_keys() }).unwrap();
    assert!(guard.change(Settings { listen, ..Settings::default() }).is_err());
}
