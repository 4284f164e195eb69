//! Models are changed while the server runs.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{ask, made, model, new_engine, post, routes_of, shop};

async fn change(router: &axum::Router, change: Value) -> (StatusCode, Value) {
    post(router, "/v1/admin/model", change).await
}

/// Which model answers a user.
async fn model_of(router: &axum::Router, user: &str) -> String {
    let (_, list) = post(router, "/v1/recommend", json!({"user_id": user})).await;
    list["model"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_model_is_changed_and_comes_back() {
    let (folder, router) = shop();
    let other = folder.path().join("other");
    model("popularity", &other);
    let first = model_of(&router, "u01").await;
    assert!(first.starts_with("item-knn@"), "{first}");
    let (status, served) = change(&router, json!({"load": other})).await;
    assert_eq!((status, &served["serving"][0]["share"]), (StatusCode::OK, &json!(1.0)), "{served}");
    assert_eq!(served["before"][0]["model"], first.as_str());
    assert!(model_of(&router, "u01").await.starts_with("popularity@"));
    // What came meanwhile is known to the model that comes back.
    let asked = json!({"user_id": "u01", "k": 5});
    post(&router, "/v1/events", json!({"user_id": "u01", "item_id": "i09", "event_type": "purchase"})).await;
    assert_eq!(change(&router, json!({"roll_back": true})).await.0, StatusCode::OK);
    assert_eq!(model_of(&router, "u01").await, first);
    let found = post(&router, "/v1/recommend", asked.clone()).await.1["items"].clone();
    assert_eq!(change(&router, json!({"load": made()})).await.0, StatusCode::OK);
    assert_eq!(post(&router, "/v1/recommend", asked).await.1["items"], found);
}

#[tokio::test]
async fn two_models_share_the_users() {
    let (folder, router) = shop();
    let other = folder.path().join("other");
    model("popularity", &other);
    let (status, served) = change(&router, json!({"load": other, "share": 0.25})).await;
    assert_eq!((status, &served["serving"][1]["share"]), (StatusCode::OK, &json!(0.25)), "{served}");
    let mut challenged = 0;
    for user in 0..200 {
        let user = format!("user-{user}");
        let model = model_of(&router, &user).await;
        assert_eq!(model_of(&router, &user).await, model, "always the same one");
        challenged += usize::from(model.starts_with("popularity@"));
    }
    assert!((30..70).contains(&challenged), "{challenged} of 200");
    assert_eq!(change(&router, json!({"roll_back": true})).await.1["serving"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_no_model_changes_nothing() {
    let (folder, router) = shop();
    let (_, before) = ask(&router, "GET", "/v1/admin/model", "", "").await;
    let (wrong_at_all, wrong_now) = (StatusCode::UNPROCESSABLE_ENTITY, StatusCode::CONFLICT);
    for (wrong, field, expected, said) in [
        (json!({"load": folder.path()}), "load", wrong_now, "wane fit"),
        (json!({"load": "/nowhere/at/all"}), "load", wrong_now, "nowhere"),
        (json!({"load": "zero\u{0}"}), "load", wrong_now, "zero"),
        (json!({"roll_back": true}), "roll_back", wrong_now, "no other model answered before"),
        (json!({"load": made(), "share": 1.5}), "share", wrong_at_all, "above 0 and below 1"),
        (json!({"roll_back": true, "load": "model"}), "roll_back", wrong_at_all, "give it alone"),
        (json!({}), "load", wrong_at_all, "expected a model folder"),
    ] {
        let (status, answer) = change(&router, wrong.clone()).await;
        assert_eq!((status, &answer["error"]["field"]), (expected, &json!(field)), "{wrong}: {answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(said), "{wrong}: {answer}");
    }
    assert_eq!(ask(&router, "GET", "/v1/admin/model", "", "").await.1, before);
}

/// Models change and change back while questions are asked and events come: every one is answered, by one model or the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_by_a_change() {
    let (folder, engine) = new_engine();
    let router = routes_of(engine);
    let other = folder.path().join("other");
    model("popularity", &other);
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let asking: Vec<_> = (0..4)
        .map(|n| {
            let (router, stop) = (router.clone(), std::sync::Arc::clone(&stop));
            tokio::spawn(async move {
                let mut answered = 0;
                // On a busy machine all changes may be over before this one's turn comes.
                while answered == 0 || !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let user = format!("u{:02}", (answered + n) % 20);
                    let event = json!({"user_id": user, "item_id": "i01"});
                    assert_eq!(post(&router, "/v1/events", event).await.0, StatusCode::ACCEPTED);
                    let (status, list) =
                        post(&router, "/v1/recommend", json!({"user_id": user, "explain": true})).await;
                    assert_eq!((status, list["items"].as_array().unwrap().len()), (StatusCode::OK, 10));
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    for round in 0..10 {
        let wanted =
            if round % 3 == 2 { json!({"roll_back": true}) } else { json!({"load": other, "share": 0.5}) };
        assert_eq!(change(&router, wanted).await.0, StatusCode::OK);
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    for asking in asking {
        assert!(asking.await.unwrap() > 0);
    }
}
