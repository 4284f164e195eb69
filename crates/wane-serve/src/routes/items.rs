//! Routes about one item: what is known of it, and what the shop says of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use wane::interest::CatalogueRow;

use super::{Id, parsed};
use crate::engine::Engine;
use crate::error::Result;
use crate::items::{ItemInForce, Said, What, Word};
use crate::requests::items as requests;

/// An item as it is in force; what is not known of it is left out.
#[derive(Serialize)]
struct Item {
    item_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    category: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    brand: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    available: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    other: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vector: Option<Vec<f32>>,
    #[serde(flatten)]
    standing: Shown,
}

/// How an item stands in all models that answer.
#[derive(Serialize)]
struct Shown {
    known_to_model: bool,
    recommendable: bool,
    reason: Option<String>,
}

impl Item {
    fn of(item_id: String, found: ItemInForce) -> Self {
        let standing = Shown::of(&found);
        let CatalogueRow { title, description, categories, brand, price, available, created, extra, vector } =
            found.row;
        Self {
            item_id,
            title,
            description,
            category: categories,
            brand,
            price,
            available,
            created: created.map(|created| created.to_string()),
            other: extra,
            vector,
            standing,
        }
    }
}

impl Shown {
    fn of(found: &ItemInForce) -> Self {
        Self {
            known_to_model: found.standings.iter().all(|standing| standing.known),
            recommendable: found.standings.iter().all(|standing| standing.recommendable),
            reason: found.standings.iter().find_map(|standing| standing.reason.clone()),
        }
    }
}

/// What became of an item after something was said of it.
#[derive(Serialize)]
struct Told {
    item_id: String,
    #[serde(flatten)]
    standing: Shown,
}

pub(super) async fn item(State(engine): State<Arc<Engine>>, item: Id) -> Result<Response> {
    let Path(item) = item?;
    let item = requests::item(item)?;
    let found = engine.item(&item)?;
    Ok(Json(Item::of(item, found)).into_response())
}

pub(super) async fn put(State(engine): State<Arc<Engine>>, item: Id, body: Bytes) -> Result<Response> {
    say(&engine, item, &body, What::Put).await
}

pub(super) async fn patch(State(engine): State<Arc<Engine>>, item: Id, body: Bytes) -> Result<Response> {
    // What is changed must be there.
    let Path(name) = item?;
    let name = requests::item(name)?;
    engine.item(&name)?;
    say(&engine, Ok(Path(name)), &body, What::Patch).await
}

async fn say(engine: &Arc<Engine>, item: Id, body: &[u8], what: fn(Box<Said>) -> What) -> Result<Response> {
    let Path(item) = item?;
    let item = requests::item(item)?;
    let said = requests::said(parsed(body)?)?;
    engine.check_vector(&said)?;
    engine.say(Word { item: item.clone(), what: what(Box::new(said)) }).await?;
    let standing = Shown::of(&engine.item(&item)?);
    Ok(Json(Told { item_id: item, standing }).into_response())
}

pub(super) async fn remove(State(engine): State<Arc<Engine>>, item: Id) -> Result<Response> {
    let Path(item) = item?;
    let item = requests::item(item)?;
    let was_known = engine.item(&item).is_ok();
    engine.say(Word { item: item.clone(), what: What::Delete }).await?;
    Ok(Json(serde_json::json!({"item_id": item, "was_known": was_known})).into_response())
}
