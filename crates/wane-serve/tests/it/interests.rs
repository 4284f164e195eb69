//! What users are interested in: fitted beside the questions, and asked with what came since.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;
use wane::decay::intensity::Intensity;
use wane::events::{EventColumns, EventLog, EventTypeId, Timestamp};
use wane::interest::Catalogue;
use wane::pipeline::fit_as;
use wane::recommend::{ModelSettings, Training};
use wane_serve::{Durability, Encoders, Engine, Guard, Limits, Settings, router};

use super::{NOW, ask, made, post, routes_of, standing};

const DAY: i64 = 86_400_000;

/// A log of eleven items in three categories, and one that is in none. Users come back to a category of their own.
fn log() -> EventLog {
    let mut columns = EventColumns {
        user_names: (0..30).map(|user| format!("u{user:02}")).collect(),
        item_names: (0..12).map(|item| format!("i{item:02}")).collect(),
        event_types: vec!["view".into(), "purchase".into()],
        ..EventColumns::default()
    };
    for user in 0..30_u32 {
        for n in 0..12_u32 {
            let item = if n % 3 == 2 { (user * 5 + n * 7) % 12 } else { (user + 3 * n) % 12 };
            let hours = i64::from(90 * 24 - 170 * n - (user * 37 + n * n * 13) % 150);
            columns.users.push(user);
            columns.items.push(item);
            columns.times.push(Timestamp::from_millis(NOW - DAY - hours * DAY / 24));
            columns.types.push(EventTypeId(u8::from(n % 4 == 3)));
        }
    }
    EventLog::from_columns(columns).unwrap()
}

fn category(item: usize) -> Option<u32> {
    (item < 11).then_some(item as u32 % 3)
}

const NAMES: [&str; 3] = ["blue", "green", "red"];

fn catalogue(log: &EventLog) -> Catalogue {
    let categories = (0..12).map(|item| category(item).into_iter().collect()).collect();
    let nothing = || vec![None; 12];
    Catalogue {
        items: Arc::clone(log.items()),
        listed: vec![true; 12],
        title: nothing(),
        description: nothing(),
        categories,
        category_names: NAMES.map(str::to_owned).to_vec(),
        brand: nothing(),
        price: vec![None; 12],
        available: vec![None; 12],
        created: vec![None; 12],
        ..Catalogue::default()
    }
}

fn save(log: &EventLog, catalogue: Option<&Catalogue>, name: &str, folder: &Path) {
    let settings = ModelSettings::named(name).unwrap();
    fit_as(&Training::new(log, catalogue, 1), &settings).unwrap().save(folder).unwrap();
}

/// An engine over a model of that log, with the folder that both are in.
fn engine() -> (TempDir, Arc<Engine>) {
    let folder = tempfile::tempdir().unwrap();
    let (log, model) = (log(), folder.path().join("model"));
    save(&log, Some(&catalogue(&log)), "popularity", &model);
    let engine =
        Engine::open(&model, &folder.path().join("state"), Durability::Os, standing(), Encoders::default())
            .unwrap();
    (folder, Arc::new(engine))
}

fn shop() -> (TempDir, Router) {
    let (folder, engine) = engine();
    (folder, routes_of(engine))
}

async fn get(router: &Router, path: &str) -> (StatusCode, Value) {
    ask(router, "GET", path, "", "").await
}

/// Asks until the fit is there.
async fn fitted(router: &Router, path: &str) -> (StatusCode, Value) {
    for _ in 0..10_000 {
        let (status, answer) = get(router, path).await;
        if answer["error"]["code"] != "fitting" {
            return (status, answer);
        }
        assert_eq!(status, StatusCode::CONFLICT);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not fitted");
}

async fn interests(router: &Router, path: &str) -> Vec<Value> {
    let (status, answer) = fitted(router, path).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer["interests"].as_array().unwrap().clone()
}

fn probability_of(interests: &[Value], key: &str) -> f64 {
    interests.iter().find(|own| own["key"] == key).map_or(0.0, |own| own["probability"].as_f64().unwrap())
}

#[track_caller]
fn close(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap();
    assert!((found - expected).abs() <= 1e-12 * (1.0 + expected.abs()), "{found} is not {expected}");
}

#[tokio::test]
async fn who_asks_first_is_told_when_to_come_back() {
    let (_folder, router) = shop();
    let request = Request::get("/v1/users/u01/interests").body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::CONFLICT);
    assert_eq!(response.headers()["retry-after"], "1");
    // Everything else is answered meanwhile.
    assert_eq!(post(&router, "/v1/recommend", json!({"user_id": "u01"})).await.0, StatusCode::OK);
    let (status, answer) = fitted(&router, "/v1/users/u01/interests").await;
    assert_eq!(
        (status, &answer["user_id"], &answer["by"]),
        (StatusCode::OK, &json!("u01"), &json!("category"))
    );
    assert!(answer["model"].as_str().unwrap().starts_with("popularity@"), "{answer}");
    assert_eq!(
        (&answer["as_of"], &answer["horizon_days"]),
        (&json!("2023-11-14T22:13:20.001Z"), &json!(30.0))
    );
}

/// What is said of a user is what the intensity of the whole log says, which is asked here without any of the server's code.
#[tokio::test]
async fn a_user_of_the_log_has_what_the_whole_log_says() {
    let (_folder, router) = shop();
    let log = log();
    let keys: Vec<Option<u32>> = (0..12).map(category).collect();
    let (_, last) = log.span().unwrap();
    let intensity = Intensity::fit(&log, &keys, Timestamp::from_millis(last.millis() + 1)).unwrap();
    let at = Timestamp::from_millis(NOW + 1);
    let outlooks = intensity.outlooks(&log, &keys, at, 14.0);
    for user in ["u03", "u17"] {
        let found = interests(&router, &format!("/v1/users/{user}/interests?horizon=2w")).await;
        let id = wane::events::UserId(log.users().position(user).unwrap());
        let courses = intensity.courses(&log, &keys, id, at, (42.0, 14.0));
        let own: Vec<_> = outlooks.iter().filter(|own| own.user == id).collect();
        assert_eq!((found.len(), courses.len()), (own.len(), own.len()));
        assert!(own.len() > 1);
        for (outlook, course) in own.into_iter().zip(&courses) {
            let name = NAMES[outlook.category as usize];
            let one = found.iter().find(|one| one["key"] == name).unwrap();
            close(&one["now"]["base_per_day"], outlook.base_per_day);
            close(&one["now"]["excited_per_day"], outlook.excited_per_day);
            close(&one["now"]["per_day"], outlook.base_per_day + outlook.excited_per_day);
            close(&one["probability"], outlook.probability);
            close(&one["expected"], outlook.expected);
            close(&one["half_life_days"], outlook.half_life_days.unwrap());
            let (past, ahead) = (&one["curve"]["past"], &one["curve"]["ahead"]);
            assert_eq!(past.as_array().unwrap().len(), course.past.len());
            for (point, (days, per_day)) in past.as_array().unwrap().iter().zip(&course.past) {
                close(&point[0], *days);
                close(&point[1], *per_day);
            }
            let last = course.ahead.last().unwrap();
            close(&one["low"], last.low);
            close(&one["high"], last.high);
            for (point, ahead) in ahead.as_array().unwrap().iter().zip(&course.ahead) {
                close(&point["days"], ahead.days);
                close(&point["per_day"], ahead.per_day);
                close(&point["events"], ahead.events);
                close(&point["low"], ahead.low);
                close(&point["high"], ahead.high);
            }
        }
        let falls = |pair: &[Value]| pair[0]["probability"].as_f64() >= pair[1]["probability"].as_f64();
        assert!(found.windows(2).all(falls), "the likeliest first");
        // Fewer are the first of them, to the bit; without a curve all else is the same.
        let short =
            interests(&router, &format!("/v1/users/{user}/interests?horizon=14d&k=1&curve=false")).await;
        let mut first = found[0].clone();
        first.as_object_mut().unwrap().remove("curve");
        assert_eq!(short, [first]);
    }
}

#[tokio::test]
async fn what_came_since_speaks_and_who_was_erased_does_not() {
    let (_folder, router) = shop();
    let path = "/v1/users/u03/interests?curve=false";
    let before = interests(&router, path).await;
    let event = |item: &str, kind: &str, time: i64| json!({"user_id": "u03", "item_id": item, "event_type": kind, "time": time});
    let newer = [event("i00", "view", NOW / 1_000 - 7_200), event("i03", "purchase", NOW / 1_000 - 3_600)];
    post(&router, "/v1/events", json!(newer)).await;
    let after = interests(&router, path).await;
    assert!(probability_of(&after, "blue") > probability_of(&before, "blue"), "{before:?} {after:?}");
    // As of a moment before them nothing has changed.
    let then = "/v1/users/u03/interests?curve=false&as_of=2023-11-14T12:00:00Z";
    assert!(probability_of(&interests(&router, then).await, "blue") < probability_of(&after, "blue"));
    // An item and an event type that the model does not know.
    let strange = [event("new", "view", NOW / 1_000), event("i06", "wish", NOW / 1_000)];
    post(&router, "/v1/events", json!(strange)).await;
    let odd = interests(&router, path).await;
    assert!(probability_of(&odd, "blue") > probability_of(&before, "blue"), "{odd:?}");
    ask(&router, "DELETE", "/v1/users/u03", "", "").await;
    assert!(interests(&router, path).await.is_empty());
    post(&router, "/v1/events", json!(event("i01", "view", NOW / 1_000 - 60))).await;
    let again = interests(&router, path).await;
    assert_eq!((again.len(), &again[0]["key"]), (1, &json!("green")));
    assert!(interests(&router, "/v1/users/nobody/interests").await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_answered_is_refused_by_its_field() {
    let (folder, engine) = engine();
    let limits = Limits { k: 20, ..Limits::default() };
    let router = router(engine, Arc::new(Guard::new(Settings { limits, ..Settings::default() }).unwrap()));
    assert_eq!(fitted(&router, "/v1/users/u01/interests").await.0, StatusCode::OK);
    for (query, field, said) in [
        ("horizon=soon", "horizon", "12h, 30d or 8w"),
        ("horizon=30", "horizon", "12h, 30d or 8w"),
        ("horizon=-3d", "horizon", "12h, 30d or 8w"),
        ("horizon=90w", "horizon", "as long as the model's log is"),
        ("k=0", "k", "1 to 1000"),
        ("k=21", "k", "20 at most"),
        ("as_of=yesterday", "as_of", "expected a moment"),
        ("as_of=2024-11-14", "as_of", "to look ahead give `horizon`"),
        ("curve=perhaps", "query", "curve"),
        ("days=3", "query", "unknown field"),
    ] {
        let (status, answer) = get(&router, &format!("/v1/users/u01/interests?{query}")).await;
        // Of the model that answers, whose log is shorter, and of the moment.
        let expected = if ["horizon=90w", "as_of=2024-11-14"].contains(&query) {
            StatusCode::CONFLICT
        } else {
            StatusCode::UNPROCESSABLE_ENTITY
        };
        assert_eq!((status, &answer["error"]["field"]), (expected, &json!(field)), "{query}: {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(said), "{query}: {answer}");
    }
    for (query, expected) in
        [("horizon=60d", 60.0), ("as_of=1700003600", 30.0), ("as_of=1970-01-01&horizon=1s", 1.0 / 86_400.0)]
    {
        let (status, answer) = get(&router, &format!("/v1/users/u01/interests?{query}")).await;
        assert_eq!(status, StatusCode::OK, "{query}: {answer}");
        close(&answer["horizon_days"], expected);
    }
    drop(folder);
}

#[tokio::test]
async fn each_model_has_its_own_and_what_it_cannot_have_is_said() {
    let (folder, router) = shop();
    let (other, short) = (folder.path().join("other"), folder.path().join("short"));
    // Without a catalogue items are what users are interested in.
    save(&log(), None, "item-knn", &other);
    let change = json!({"load": other, "share": 0.5});
    assert_eq!(post(&router, "/v1/admin/model", change).await.0, StatusCode::OK);
    let mut kinds = Vec::new();
    for user in 0..20 {
        let path = format!("/v1/users/u{user:02}/interests?curve=false");
        let (status, answer) = fitted(&router, &path).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        let (model, by) = (answer["model"].as_str().unwrap(), answer["by"].as_str().unwrap());
        let expected = if model.starts_with("item-knn@") { ("item", "i") } else { ("category", "") };
        assert_eq!(by, expected.0, "{model}");
        assert!(answer["interests"][0]["key"].as_str().unwrap().starts_with(expected.1), "{answer}");
        kinds.push(by.to_owned());
    }
    assert!(kinds.contains(&"item".to_owned()) && kinds.contains(&"category".to_owned()));
    // No item of this catalogue is in a category.
    let log = log();
    let bare = Catalogue { categories: vec![Vec::new(); 12], ..catalogue(&log) };
    save(&log, Some(&bare), "popularity", &short);
    assert_eq!(post(&router, "/v1/admin/model", json!({"load": short})).await.0, StatusCode::OK);
    for _ in 0..2 {
        let (status, answer) = fitted(&router, "/v1/users/u01/interests").await;
        assert_eq!((status, &answer["error"]["code"]), (StatusCode::CONFLICT, &json!("no-interests")));
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("a catalogue with a category column"), "{message}");
    }
    assert_eq!(post(&router, "/v1/admin/model", json!({"load": made()})).await.0, StatusCode::OK);
    assert_eq!(fitted(&router, "/v1/users/u01/interests").await.0, StatusCode::OK);
}
