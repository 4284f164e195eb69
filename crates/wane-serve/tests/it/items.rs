//! What a shop says of its items is kept, and in force when it is answered.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use wane::artifact::Artifact;
use wane::events::Timestamp;
use wane::interest::{Catalogue, CatalogueRow, Relation, Vectors};
use wane::pipeline::fit_as;
use wane::recommend::{ModelSettings, Training};
use wane_serve::{Durability, Encoders, Engine, FoundEncoder, TextEncoder};

use super::{NOW, ask, log, made, post, routes_of, shop, standing};

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
    routes_reading(model, state, Encoders::default())
}

fn routes_reading(model: &Path, state: &Path, encoders: Encoders) -> Router {
    routes_of(Arc::new(Engine::open(model, state, Durability::Os, standing(), encoders).unwrap()))
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

/// An item as those of the model are, whose vector is that of another.
fn lamp() -> Value {
    let vectors = catalogue().vectors.unwrap();
    json!({
        "title": "Floor lamp", "category": ["lamps"], "brand": "Halo", "price": 4.5, "vector": vectors.data[16..20],
    })
}

#[tokio::test]
async fn a_new_item_is_recommended_at_once_and_moves_no_other() {
    let (state, router) = trace_shop();
    // Of both kinds: one in the model's log, one with events of which the model does not know an item yet.
    let event = json!({"user_id": "later", "item_id": "new", "event_type": "purchase"});
    post(&router, "/v1/events", json!([event, {"user_id": "later", "item_id": "i03"}])).await;
    let before = [list(&router, all("u01")).await, list(&router, all("later")).await];
    assert_eq!(ask(&router, "GET", "/v1/items/new/similar", "", "").await.0, StatusCode::NOT_FOUND);
    let (status, told) = put(&router, "new", lamp()).await;
    let expected = json!({"item_id": "new", "known_to_model": true, "recommendable": true, "reason": null});
    assert_eq!((status, told), (StatusCode::OK, expected));
    let now = list(&router, all("u01")).await;
    assert_eq!(now.len(), 13);
    let new = now.iter().find(|item| item["item_id"] == "new").unwrap();
    assert_eq!(new["title"], "Floor lamp");
    let others: Vec<Value> = now.iter().filter(|item| item["item_id"] != "new").cloned().collect();
    assert_eq!(others, before[0]);
    // An event of before counts from now on, and one that comes too.
    let later = list(&router, all("later")).await;
    assert_eq!(later.len(), 13);
    assert_ne!(later.iter().filter(|item| item["item_id"] != "new").cloned().collect::<Vec<_>>(), before[1]);
    let asked = json!({"user_id": "later", "k": 13, "explain": true, "reasons": 100});
    let explained = list(&router, asked).await;
    let speaks = |item: &Value| {
        let reasons = item["reasons"].as_array().unwrap();
        reasons
            .iter()
            .any(|reason| reason["event"]["item"] == "new" && reason["event"]["title"] == "Floor lamp")
    };
    assert!(explained.iter().any(speaks));
    let (status, similar) = ask(&router, "GET", "/v1/items/new/similar?k=3", "", "").await;
    assert_eq!((status, similar["items"].as_array().unwrap().len()), (StatusCode::OK, 3));
    // A second one leaves the numbers of the first as they are, and a restart changes nothing.
    put(&router, "another", json!({"category": "rugs", "price": 3})).await;
    let again: Vec<Value> = list(&router, all("later")).await;
    let without: Vec<Value> = again.iter().filter(|item| item["item_id"] != "another").cloned().collect();
    assert_eq!((without, again.len()), (later, 14));
    drop(router);
    let router = routes(trace(), state.path());
    assert_eq!(list(&router, all("later")).await, again);
}

/// Reads titles such as `Thing 4`, which it gives the vector of that item in the catalogue, and counts what it reads.
struct Reader {
    vectors: Vectors,
    read: Arc<AtomicUsize>,
}

impl TextEncoder for Reader {
    fn name(&self) -> &str {
        "reader"
    }

    fn text(&self, _: &str, row: &CatalogueRow) -> String {
        row.title.clone().unwrap_or_default()
    }

    fn encode(&self, texts: &[String]) -> Vec<Option<Vec<f32>>> {
        self.read.fetch_add(texts.len(), Ordering::Relaxed);
        let number = |text: &String| text.strip_prefix("Thing ")?.parse::<usize>().ok();
        texts.iter().map(|text| Some(self.vectors.data.get(number(text)? * 4..)?[..4].to_vec())).collect()
    }
}

/// An encoder for catalogues with vectors, and how many texts it read.
fn reading() -> (Encoders, Arc<AtomicUsize>) {
    let read = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&read);
    let find = move |catalogue: &Catalogue| -> FoundEncoder {
        let Some(vectors) = catalogue.vectors.clone() else { return Ok(None) };
        Ok(Some(Box::new(Reader { vectors, read: Arc::clone(&counted) })))
    };
    (Encoders::new(find), read)
}

#[tokio::test]
async fn what_is_written_of_a_new_item_is_read_once_and_says_what_its_vector_would() {
    let (states, (encoders, read)) = ([(); 2].map(|()| tempfile::tempdir().unwrap()), reading());
    let router = routes_reading(trace(), states[0].path(), encoders.clone());
    let by_vector = routes(trace(), states[1].path());
    let (_, models) = ask(&router, "GET", "/v1/admin/model", "", "").await;
    assert_eq!(models["serving"][0]["encoder"], json!("reader"));
    let before = list(&router, all("u01")).await;
    let (status, told) = put(&router, "new", json!({"title": "Thing 4"})).await;
    assert_eq!(
        (status, &told["recommendable"], &told["reason"]),
        (StatusCode::OK, &json!(true), &Value::Null)
    );
    put(&by_vector, "new", json!({"title": "Thing 4", "vector": catalogue().vectors.unwrap().data[16..20]}))
        .await;
    let with_new = list(&router, all("u01")).await;
    assert_eq!(with_new, list(&by_vector, all("u01")).await);
    assert_eq!(with_new.len(), before.len() + 1);
    // What says nothing of the text, and what says it again, has nothing read.
    patch(&router, "new", json!({"price": 3})).await;
    put(&router, "i05", json!({"title": "Thing 5", "available": true})).await;
    put(&router, "new", json!({"title": "Thing 4"})).await;
    assert_eq!(read.load(Ordering::Relaxed), 1);
    assert_eq!(list(&router, all("u01")).await, with_new);
    // A vector that is given is taken, text or not; without it the text speaks again, after a restart too.
    let own = catalogue().vectors.unwrap().data[..4].to_vec();
    for shop in [&router, &by_vector] {
        patch(shop, "new", json!({"vector": own})).await;
    }
    assert_eq!(list(&router, all("u01")).await, list(&by_vector, all("u01")).await);
    put(&router, "new", json!({"title": "Thing 4"})).await;
    drop(router);
    let router = routes_reading(trace(), states[0].path(), encoders.clone());
    assert_eq!(list(&router, all("u01")).await, with_new);
    // An item of the model that is described anew is another from then on.
    put(&router, "i05", json!({"title": "Thing 4"})).await;
    put(&by_vector, "i05", json!({"vector": catalogue().vectors.unwrap().data[16..20]})).await;
    put(&by_vector, "new", json!({"title": "Thing 4", "vector": catalogue().vectors.unwrap().data[16..20]}))
        .await;
    let scores =
        |items: Vec<Value>| -> Vec<Value> { items.iter().map(|item| item["score"].clone()).collect() };
    assert_eq!(scores(list(&router, all("u01")).await), scores(list(&by_vector, all("u01")).await));
    // What cannot be read says nothing.
    let (_, told) = put(&router, "odd", json!({"title": "Odd"})).await;
    assert!(told["reason"].as_str().unwrap().contains("a `title` or `description`"), "{told}");
    // It is taken out as any other.
    delete(&router, "new").await;
    assert!(!ids(&list(&router, all("u01")).await).contains(&"new"));
}

#[tokio::test]
async fn a_model_of_another_encoder_is_refused() {
    let state = tempfile::tempdir().unwrap();
    let refuse = |catalogue: &Catalogue| match &catalogue.vectors {
        Some(_) => Err("its vectors are another's".to_owned()),
        None => Ok(None),
    };
    let open = |model| Engine::open(model, state.path(), Durability::Os, standing(), Encoders::new(refuse));
    let message = open(trace()).err().unwrap().to_string();
    assert!(message.contains("texts cannot be read: its vectors are another's"), "{message}");
    // One without vectors has nothing to be read.
    let router = routes_of(Arc::new(open(made()).unwrap()));
    let (status, told) = post(&router, "/v1/admin/model", json!({"load": trace()})).await;
    assert_eq!(status, StatusCode::CONFLICT, "{told}");
    assert!(told["error"]["message"].as_str().unwrap().contains("another's"), "{told}");
    assert_eq!(list(&router, all("u01")).await.len(), 12);
}

#[tokio::test]
async fn what_is_said_is_told_and_filters_see_it() {
    let (_state, router) = trace_shop();
    let (status, known) = get(&router, "i04").await;
    assert_eq!((status, &known["title"], &known["price"]), (StatusCode::OK, &json!("Thing 4"), &json!(4.0)));
    assert_eq!((&known["category"], &known["other"]), (&json!(["lamps"]), &json!({"size": "L"})));
    assert_eq!(known["vector"].as_array().unwrap().len(), 4);
    let change = json!({"title": "Cheap thing", "price": 0.5, "brand": null, "other": {"size": "XS"}});
    assert_eq!(put(&router, "i04", change).await.0, StatusCode::OK);
    let (_, told) = get(&router, "i04").await;
    assert_eq!(
        (&told["title"], &told["price"], &told["category"]),
        (&json!("Cheap thing"), &json!(0.5), &json!(["lamps"]))
    );
    assert_eq!((told.get("brand"), &told["other"]["size"]), (None, &json!("XS")));
    for (filter, expected) in
        [("price < 0.6", vec!["i00", "i04"]), ("size = 'XS'", vec!["i04"]), ("brand is missing", vec!["i04"])]
    {
        let items = list(&router, json!({"user_id": "u01", "k": 100, "filter": filter})).await;
        let mut found = ids(&items);
        found.sort_unstable();
        assert_eq!(found, expected, "{filter}");
        assert!(items.iter().any(|item| item["title"] == "Cheap thing"));
    }
    // Put again: what is not said is the model's. Patched: what is not said stays.
    put(&router, "i04", json!({"available": false})).await;
    patch(&router, "i04", json!({"title": "Thing"})).await;
    let (_, told) = get(&router, "i04").await;
    assert_eq!(
        (&told["title"], &told["price"], &told["brand"]),
        (&json!("Thing"), &json!(4.0), &json!("Halo"))
    );
    assert_eq!(told["available"], json!(false));
    // What comes into the shop later is shown later.
    let created = Timestamp::from_millis(NOW + 86_400_000).to_string();
    let (_, told) = put(&router, "i04", json!({"created": created})).await;
    assert_eq!(told["recommendable"], json!(false), "{told}");
    assert!(!ids(&list(&router, all("u01")).await).contains(&"i04"));
    let tomorrow =
        json!({"user_id": "u01", "k": 100, "as_of": Timestamp::from_millis(NOW + 86_400_001).to_string()});
    assert!(ids(&list(&router, tomorrow).await).contains(&"i04"));
}

#[tokio::test]
async fn what_is_taken_out_stays_out_until_it_is_put_again() {
    let (state, router) = trace_shop();
    put(&router, "new", lamp()).await;
    for item in ["i04", "new"] {
        for was_known in [true, false] {
            let (status, told) = delete(&router, item).await;
            assert_eq!((status, told), (StatusCode::OK, json!({"item_id": item, "was_known": was_known})));
        }
        assert_eq!(get(&router, item).await.0, StatusCode::NOT_FOUND);
        assert_eq!(patch(&router, item, json!({"price": 1})).await.0, StatusCode::NOT_FOUND);
        let similar = format!("/v1/items/{item}/similar");
        assert_eq!(ask(&router, "GET", &similar, "", "").await.0, StatusCode::NOT_FOUND);
    }
    let gone = |items: &[Value]| !ids(items).contains(&"i04") && !ids(items).contains(&"new");
    let left = list(&router, all("u01")).await;
    assert!(gone(&left) && left.len() == 11);
    assert!(gone(&list(&router, json!({"user_id": "u01", "k": 100, "filter": "price > 0"})).await));
    drop(router);
    let router = routes(trace(), state.path());
    assert_eq!(list(&router, all("u01")).await, left);
    for (item, said) in [("i04", json!({})), ("new", lamp())] {
        assert_eq!(put(&router, item, said).await.1["recommendable"], json!(true));
        assert_eq!(get(&router, item).await.0, StatusCode::OK);
    }
    assert_eq!(list(&router, all("u01")).await.len(), 13);
    assert_eq!(get(&router, "nobody").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn other_models_heed_what_was_said_too() {
    let (_state, router) = trace_shop();
    let change = async |change: Value| post(&router, "/v1/admin/model", change).await.0;
    put(&router, "i04", json!({"available": false})).await;
    // A challenger, then what it was beside: each knows what was said before and while it answered.
    assert_eq!(change(json!({"load": made(), "share": 0.5})).await, StatusCode::OK);
    let (_, told) = put(&router, "new", lamp()).await;
    assert_eq!((&told["known_to_model"], &told["recommendable"]), (&json!(false), &json!(false)));
    let reason = told["reason"].as_str().unwrap();
    assert!(reason.starts_with("item-knn@") && reason.contains("events alone"), "{reason}");
    assert_eq!(get(&router, "new").await.1["title"], "Floor lamp");
    put(&router, "i05", json!({"available": false})).await;
    let mut models = std::collections::BTreeSet::new();
    for user in 0..40 {
        let (_, found) =
            post(&router, "/v1/recommend", json!({"user_id": format!("u{user:02}"), "k": 100})).await;
        let (model, items) = (found["model"].as_str().unwrap(), found["items"].as_array().unwrap());
        assert!(!ids(items).contains(&"i04") && !ids(items).contains(&"i05"), "{model}");
        assert_eq!(ids(items).contains(&"new"), model.starts_with("trace@"), "{model}");
        models.insert(model.to_owned());
    }
    assert_eq!(models.len(), 2);
    put(&router, "i06", json!({"available": false})).await;
    assert_eq!(change(json!({"roll_back": true})).await, StatusCode::OK);
    let items = list(&router, all("u01")).await;
    assert!(
        ["i04", "i05", "i06"].iter().all(|item| !ids(&items).contains(item)) && ids(&items).contains(&"new")
    );
    assert_eq!(change(json!({"load": made()})).await, StatusCode::OK);
    let items = list(&router, all("u01")).await;
    assert!(["i04", "i05", "i06", "new"].iter().all(|item| !ids(&items).contains(item)));
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_by_its_field_and_changes_nothing() {
    let (_state, router) = trace_shop();
    let before = list(&router, all("u01")).await;
    for (said, field, expected) in [
        // A model of other vectors could read it.
        (json!({"vector": [1, 2, 3]}), "vector", "expected 4 numbers, as all items of trace@"),
        (json!({"titel": "x"}), "titel", "there is no such field"),
        (json!({"price": "3"}), "price", "expected a number"),
        (json!({"available": 0}), "available", "true or false"),
        (json!([]), "body", "expected an object"),
    ] {
        for answer in [put(&router, "i04", said.clone()).await, patch(&router, "i04", said.clone()).await] {
            let (status, answer) = answer;
            let refused =
                if field == "vector" { StatusCode::CONFLICT } else { StatusCode::UNPROCESSABLE_ENTITY };
            assert_eq!((status, &answer["error"]["field"]), (refused, &json!(field)), "{said}");
            assert!(answer["error"]["message"].as_str().unwrap().contains(expected), "{answer}");
        }
    }
    assert_eq!(ask(&router, "PUT", "/v1/items/i04", "", "{").await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let long = "x".repeat(513);
    for (item, said) in [(&*long, json!({})), ("a%00b", json!({}))] {
        let (status, answer) = put(&router, item, said).await;
        assert_eq!(
            (status, &answer["error"]["field"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("item_id"))
        );
    }
    assert_eq!(list(&router, all("u01")).await, before);
    // An item of which only its title is said can be shown, but nothing speaks for it.
    let (_, told) = put(&router, "new", json!({"title": "Something"})).await;
    assert_eq!((&told["known_to_model"], &told["recommendable"]), (&json!(true), &json!(true)));
    assert!(told["reason"].as_str().unwrap().contains("give `category`"), "{told}");
    // A vector is kept by a model without any, for the next one.
    let (_other, knn) = shop();
    assert_eq!(put(&knn, "new", lamp()).await.0, StatusCode::OK);
    assert_eq!(get(&knn, "new").await.1["vector"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn ids_may_have_any_letters() {
    let (_state, router) = trace_shop();
    let (status, told) = put(&router, "a%2Fb%20%C3%BC%3F", lamp()).await;
    assert_eq!((status, &told["item_id"]), (StatusCode::OK, &json!("a/b ü?")));
    assert!(ids(&list(&router, all("u01")).await).contains(&"a/b ü?"));
    assert_eq!(get(&router, "a%2Fb%20%C3%BC%3F").await.1["item_id"], "a/b ü?");
    assert_eq!(ask(&router, "GET", "/v1/items/a%2Fb%20%C3%BC%3F/similar", "", "").await.0, StatusCode::OK);
    assert_eq!(delete(&router, "a%2Fb%20%C3%BC%3F").await.1["was_known"], json!(true));
}

/// Many are said at once while lists are asked for: each is in force when it is answered, and no list has what is out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_many_is_in_force_when_it_is_answered() {
    let (_state, router) = trace_shop();
    let saying =
        (0..24).map(|n| {
            let router = router.clone();
            tokio::spawn(async move {
                let item = format!("new{n:02}");
                let asked = json!({"session": [{"item_id": "i03"}], "k": 100});
                assert_eq!(put(&router, &item, lamp()).await.1["recommendable"], json!(true));
                assert!(ids(&list(&router, asked.clone()).await).contains(&&*item), "{item}");
                patch(&router, &item, json!({"available": false})).await;
                assert!(!ids(&list(&router, asked.clone()).await).contains(&&*item), "{item}");
                delete(&router, &format!("i{:02}", n % 6)).await;
                let items = list(&router, asked).await;
                assert!(!ids(&items).contains(&&*format!("i{:02}", n % 6)));
                // A number names the item that it named.
                assert!(items.iter().all(|item| item["title"] != "Floor lamp"
                    || item["item_id"].as_str().unwrap().starts_with("new")));
            })
        });
    for said in saying.collect::<Vec<_>>() {
        said.await.unwrap();
    }
    assert_eq!(list(&router, all("u01")).await.len(), 6);
}
