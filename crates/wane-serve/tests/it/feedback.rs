//! Feedback, and the small questions: many at once, and items that go with another.

use axum::http::StatusCode;
use serde_json::json;

use super::{NOW, ask, kept, new_engine, post, routes_of, shop};
use wane::events::Timestamp;

#[tokio::test]
async fn clicks_are_counted_by_model_and_scenario() {
    let (_folder, router) = shop();
    let mut lists = Vec::new();
    for scenario in ["home", "home", "cart"] {
        let (_, list) =
            post(&router, "/v1/recommend", json!({"user_id": "u01", "scenario": scenario, "k": 2})).await;
        lists.push(list);
    }
    assert_ne!(lists[0]["recommendation_id"], lists[1]["recommendation_id"]);
    let mut told: Vec<_> = lists
        .iter()
        .flat_map(|list| list["items"].as_array().unwrap().iter().map(move |item| (list, item)))
        .map(|(list, item)| json!({"recommendation_id": list["recommendation_id"], "item_id": item["item_id"], "kind": "impression"}))
        .collect();
    let mut click = told[0].clone();
    click["kind"] = "click".into();
    told.extend([
        click.clone(),
        click,
        json!({"recommendation_id": "made up", "item_id": "i01", "kind": "click"}),
        json!({"kind": "seen"}),
    ]);
    let (status, answer) = post(&router, "/v1/feedback", json!(told)).await;
    assert_eq!(
        (status, &answer["accepted"], &answer["known"]),
        (StatusCode::ACCEPTED, &json!(8), &json!(1)),
        "{answer}"
    );
    assert_eq!(answer["rejected"][0]["field"], "recommendation_id");
    assert_eq!(answer["rejected"][1]["index"], 9);
    let (_, report) = ask(&router, "GET", "/v1/feedback", "", "").await;
    let rows = report["feedback"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[0]["scenario"], &rows[1]["scenario"]), (2, &json!("cart"), &json!("home")));
    assert_eq!((&rows[1]["impressions"], &rows[1]["clicks"]), (&json!(4), &json!(1)));
    assert_eq!(rows[1]["click_rate"]["value"], 0.25);
    assert!(rows[1]["click_rate"]["hi"].as_f64().unwrap() > 0.5);
    assert_eq!(rows[0]["clicks"], 0);
}

#[tokio::test]
async fn many_questions_are_answered_each_for_itself() {
    let (_folder, router) = shop();
    let questions =
        json!([{"user_id": "u01", "k": 3}, {"user_id": "u02", "k": 0}, {"session": [{"item_id": "i03"}]}]);
    let (status, answer) = post(&router, "/v1/recommend/batch", json!({"questions": questions})).await;
    assert_eq!(status, StatusCode::OK);
    let alone = post(&router, "/v1/recommend", questions[0].clone()).await.1;
    assert_eq!(answer["answers"][0]["items"], alone["items"]);
    assert_eq!(answer["answers"][1]["error"]["field"], "k");
    assert_eq!(answer["answers"][2]["items"].as_array().unwrap().len(), 10);
    let many = json!({"questions": vec![json!({"user_id": "u01"}); 1_001]});
    assert_eq!(post(&router, "/v1/recommend/batch", many).await.0, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn an_item_has_others_that_go_with_it() {
    let (_folder, router) = shop();
    let (status, list) = ask(&router, "GET", "/v1/items/i03/similar?k=4&explain=true", "", "").await;
    assert_eq!((status, list["items"].as_array().unwrap().len()), (StatusCode::OK, 4), "{list}");
    assert!(list["items"].as_array().unwrap().iter().all(|item| item["item_id"] != "i03"));
    assert_eq!(list["items"][0]["reasons"][0]["event"]["item"], "i03");
    let (status, answer) = ask(&router, "GET", "/v1/items/unheard-of/similar", "", "").await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::NOT_FOUND, &json!("not-found")));
}

#[tokio::test]
async fn what_is_too_old_leaves() {
    let (_folder, engine) = new_engine();
    let router = routes_of(engine.clone());
    let days_ago = |days: i64| Timestamp::from_millis(NOW - days * 86_400_000).to_string();
    for days in [1, 399, 401, 800] {
        let event = json!({"user_id": "new", "item_id": "i03", "time": days_ago(days)});
        assert_eq!(post(&router, "/v1/events", event).await.0, StatusCode::ACCEPTED);
    }
    assert_eq!(kept(&router, "new").await, 4);
    let retired = engine.retire(400.0).await.unwrap();
    assert_eq!((retired.events, retired.oldest), (2, Some(Timestamp::from_millis(NOW - 399 * 86_400_000))));
    assert_eq!(kept(&router, "new").await, 2);
    assert_eq!(engine.retire(400.0).await.unwrap().events, 0);
}
