//! What a shop says of its items is kept, and in force when it is answered.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use wane::artifact::Artifact;
use wane::events::Timestamp;
use wane::interest::{Catalogue, Relation, Vectors};
use wane::pipeline::fit_as;
use wane::recommend::{ModelSettings, Training};
use wane_serve::{Durability, Engine};

use super::{NOW, ask, log, made, model, post, routes_of, shop, standing};

/// Twelve items of three categories and two brands, with prices, vectors and a column of the shop's own.
fn catalogue() -> Catalogue {
    let items = Arc::clone(log().items());
    let n = items.len();
    let some = |text: String| Some(text);
    let number = |place: usize| ((place * 37 % 19) as f32 * 0.7).sin() + (place % 5) as f32 * 0.1;
    Catalogue {
        listed: vec![true; n],
        title: (0..n).map(|item| some(format!("Thing {item}"))).collect(),
        categories: (0..n as u32).map(|item| vec![item % 3]).collect(),
        category_names: ["cups", "lamps", "rugs"].map(str::to_owned).into(),
        brand: (0..n).map(|item| some(["Halo", "Loom"][item % 2].to_owned())).collect(),
        price: (0..n).map(|item| Some(item as f32)).collect(),
        available: vec![None; n],
        extra: [("size".to_owned(), vec![Some("L".to_owned()); n])].into(),
        relations: vec![Relation::from_links("complement", n, [])],
        vectors: Some(Vectors { dim: 4, data: (0..n * 4).map(number).collect() }),
        items,
        ..Catalogue::default()
    }
}

/// The folder of a trace model of the log and this catalogue.
fn trace() -> &'static Path {
    static MADE: LazyLock<TempDir> = LazyLock::new(|| {
        let folder = tempfile::tempdir().unwrap();
        let (log, catalogue) = (log(), catalogue());
        let settings = json!({"model": "trace", "dim": 8, "scales": 2, "epochs": 2, "alike": 4});
        let settings: ModelSettings = serde_json::from_value(settings).unwrap();
        let artifact: Artifact = fit_as(&Training::new(&log, Some(&catalogue), 1), &settings).unwrap();
        artifact.save(&folder.path().join("model")).unwrap();
        folder
    });
    static PATH: LazyLock<std::path::PathBuf> = LazyLock::new(|| MADE.path().join("model"));
    &PATH
}

fn routes(model: &Path, state: &Path) -> Router {
    routes_of(Arc::new(Engine::open(model, state, Durability::Os, standing()).unwrap()))
}

/// A shop with the trace model.
fn trace_shop() -> (TempDir, Router) {
    let state = tempfile::tempdir().unwrap();
    let router = routes(trace(), state.path());
    (state, router)
}

async fn put(router: &Router, item: &str, body: Value) -> (StatusCode, Value) {
    ask(router, "PUT", &format!("/v1/items/{item}"), "application/json", body.to_string()).await
}

async fn patch(router: &Router, item: &str, body: Value) -> (StatusCode, Value) {
    ask(router, "PATCH", &format!("/v1/items/{item}"), "application/json", body.to_string()).await
}

async fn get(router: &Router, item: &str) -> (StatusCode, Value) {
    ask(router, "GET", &format!("/v1/items/{item}"), "", "").await
}

async fn delete(router: &Router, item: &str) -> (StatusCode, Value) {
    ask(router, "DELETE", &format!("/v1/items/{item}"), "", "").await
}

/// The items of a list for whoever is asked about.
async fn list(router: &Router, asked: Value) -> Vec<Value> {
    let (status, list) = post(router, "/v1/recommend", asked.clone()).await;
    assert_eq!(status, StatusCode::OK, "{asked}: {list}");
    list["items"].as_array().unwrap().clone()
}

fn ids(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["item_id"].as_str().unwrap()).collect()
}

fn all(user: &str) -> Value {
    json!({"user_id": user, "k": 100})
}

#[tokio::test]
async fn what_cannot_be_had_is_in_no_list_that_is_answered_afterwards() {
    for folder in [trace(), made()] {
        let state = tempfile::tempdir().unwrap();
        let router = routes(folder, state.path());
        let before = list(&router, all("u01")).await;
        let first = before[0]["item_id"].as_str().unwrap().to_owned();
        let (status, told) = put(&router, &first, json!({"available": false})).await;
        assert_eq!(status, StatusCode::OK, "{told}");
        assert_eq!((&told["known_to_model"], &told["recommendable"]), (&json!(true), &json!(false)));
        assert!(told["reason"].as_str().unwrap().ends_with("`available` is false"), "{told}");
        let left: Vec<Value> = before[1..].to_vec();
        // The others and their scores are as they were.
        assert_eq!(list(&router, all("u01")).await, left);
        for asked in [
            json!({"user_id": "u01", "exclude": ["i00x"], "k": 100}),
            json!({"user_id": "u01", "no_repeat": true, "k": 100}),
            json!({"session": [{"item_id": first}], "k": 100}),
            json!({"user_id": "u01", "filter": "not item = 'nothing'", "k": 100}),
        ] {
            assert!(!ids(&list(&router, asked.clone()).await).contains(&&*first), "{asked}");
        }
        let asked = json!({"questions": [all("u01"), all("u02")]});
        let (_, lists) = post(&router, "/v1/recommend/batch", asked).await;
        assert!(!lists.to_string().contains(&format!("\"item_id\":\"{first}\"")));
        let (_, similar) = ask(&router, "GET", "/v1/items/i02/similar?k=100", "", "").await;
        assert!(!ids(similar["items"].as_array().unwrap()).contains(&&*first));
        // After a restart too.
        drop(router);
        let router = routes(folder, state.path());
        assert_eq!(list(&router, all("u01")).await, left);
        let (_, told) = put(&router, &first, json!({"available": true})).await;
        assert_eq!((&told["recommendable"], &told["reason"]), (&json!(true), &Value::Null));
        assert_eq!(list(&router, all("u01")).await, before);
    }
}
