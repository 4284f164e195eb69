//! What is said of an item, as it is written and as it is meant: the fields of a catalogue's row, each of its own form.

use std::collections::BTreeMap;

use serde_json::Value;
use wane::events::Timestamp;
use wane::interest::parse_created;

use super::{id, shortened};
use crate::error::{Error, Result};
use crate::items::Said;
use crate::whole;

/// All fields.
const FIELDS: &str = "title, description, category, brand, price, available, created, other and vector";
/// Names that other columns cannot have, for they mean something in filters.
const TAKEN: [&str; 10] = [
    "item",
    "title",
    "description",
    "category",
    "brand",
    "price",
    "available",
    "created",
    "vector",
    "encoder",
];
/// Bytes of a text at most.
const TEXT: usize = 2_000;
/// Bytes of a description at most.
const DESCRIPTION: usize = 20_000;
/// Bytes of a name at most: of a category, a brand, another column.
const NAME: usize = 200;
/// Levels of a category path at most.
const LEVELS: usize = 50;
/// Other columns at most.
const OTHERS: usize = 50;
/// Numbers of a vector at most.
const NUMBERS: usize = 4_096;

/// An item's id in a path.
pub(crate) fn item(written: String) -> Result<String> {
    id("item_id", &Value::String(written))
}

/// What is said of an item.
pub(crate) fn said(written: Value) -> Result<Said> {
    let Value::Object(written) = written else {
        return Err(Error::field("body", format!("expected an object, got {}", shortened(&written))));
    };
    let mut said = Said::default();
    for (name, value) in written {
        let value = Some(value).filter(|value| !value.is_null());
        match &*name {
            "title" => said.title = Some(value.map(|value| text("title", value, TEXT)).transpose()?),
            "description" => {
                let read = |value| text("description", value, DESCRIPTION);
                said.description = Some(value.map(read).transpose()?);
            }
            "category" => said.category = Some(value.map(category).transpose()?),
            "brand" => said.brand = Some(value.map(|value| text("brand", value, NAME)).transpose()?),
            "price" => said.price = Some(value.map(|value| number("price", &value)).transpose()?),
            "available" => said.available = Some(value.map(|value| flag("available", &value)).transpose()?),
            "created" => said.created = Some(value.map(|value| created(&value)).transpose()?),
            "other" => said.other = value.map(others).transpose()?.unwrap_or_default(),
            "vector" => said.vector = Some(value.map(vector).transpose()?),
            _ => {
                let reason = format!("there is no such field; an item has {FIELDS}");
                return Err(Error::field(shortened(&name.into()).trim_matches('"'), reason));
            }
        }
    }
    Ok(said)
}

fn text(field: &str, written: Value, most: usize) -> Result<String> {
    let expected = || format!("expected a text of 1 to {most} bytes, or null for none");
    match written {
        Value::String(text) if !text.trim().is_empty() && text.len() <= most => Ok(text.trim().to_owned()),
        Value::String(text) => Err(Error::field(field, format!("{}, got {} bytes", expected(), text.len()))),
        other => Err(Error::field(field, format!("{}, got {}", expected(), shortened(&other)))),
    }
}

/// A path from general to special, or one name.
fn category(written: Value) -> Result<Vec<String>> {
    let names = match written {
        Value::Array(names) => names,
        one => vec![one],
    };
    if names.len() > LEVELS {
        let got = names.len();
        return Err(Error::field("category", format!("expected {LEVELS} levels at most, got {got}")));
    }
    let one = |(place, name)| text(&format!("category[{place}]"), name, NAME);
    names.into_iter().enumerate().map(one).collect()
}

fn number(field: &str, written: &Value) -> Result<f32> {
    let number = written.as_f64().map(|number| number as f32).filter(|number| number.is_finite());
    number.ok_or_else(|| {
        let reason = format!("expected a number that a 32-bit float can hold, got {}", shortened(written));
        Error::field(field, reason)
    })
}

fn flag(field: &str, written: &Value) -> Result<bool> {
    let expected = || format!("expected true or false, got {}", shortened(written));
    written.as_bool().ok_or_else(|| Error::field(field, expected()))
}

/// A date, a time, a year or an epoch number, as in catalogues.
fn created(written: &Value) -> Result<Timestamp> {
    let text = match written {
        Value::String(text) => text.clone(),
        Value::Number(number) => {
            let whole = number.as_f64().and_then(whole::of_float);
            number.as_i64().or(whole).map_or_else(String::new, |whole| whole.to_string())
        }
        _ => String::new(),
    };
    parse_created(&text).ok_or_else(|| {
        let expected = "expected a moment, 2024-05-01 or 2024-05-01T12:00:00Z or seconds since 1970";
        Error::field("created", format!("{expected}, got {}", shortened(written)))
    })
}

fn others(written: Value) -> Result<BTreeMap<String, Option<String>>> {
    let Value::Object(written) = written else {
        let got = shortened(&written);
        return Err(Error::field("other", format!("expected an object of texts, got {got}")));
    };
    if written.len() > OTHERS {
        let got = written.len();
        return Err(Error::field("other", format!("expected {OTHERS} at most, got {got}")));
    }
    written.into_iter().map(other).collect()
}

fn other((name, value): (String, Value)) -> Result<(String, Option<String>)> {
    let is_name = (1..=NAME).contains(&name.len()) && !name.chars().any(char::is_control);
    if !is_name || TAKEN.contains(&&*name) {
        let expected = format!(
            "expected a name of 1 to {NAME} bytes that is none of {}, got {}",
            TAKEN.join(", "),
            shortened(&name.into())
        );
        return Err(Error::field("other", expected));
    }
    let value = Some(value).filter(|value| !value.is_null());
    let value = value.map(|value| text(&format!("other.{name}"), value, TEXT)).transpose()?;
    Ok((name, value))
}

fn vector(written: Value) -> Result<Vec<f32>> {
    let Value::Array(written) = written else {
        return Err(Error::field("vector", format!("expected numbers, got {}", shortened(&written))));
    };
    if !(1..=NUMBERS).contains(&written.len()) {
        let got = written.len();
        return Err(Error::field("vector", format!("expected 1 to {NUMBERS} numbers, got {got}")));
    }
    let one = |(place, own): (usize, &Value)| number(&format!("vector[{place}]"), own);
    let vector: Vec<f32> = written.iter().enumerate().map(one).collect::<Result<_>>()?;
    if vector.iter().all(|x| *x == 0.0) {
        return Err(Error::field("vector", "expected a number other than 0, or null for no vector"));
    }
    Ok(vector)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, json};

    #[test]
    fn fields_are_read_as_they_are_written() {
        let written = json!({
            "title": " Lamp ", "description": null, "category": ["Home", "Lamps"], "brand": "Halo", "price": 12.5,
            "available": true, "created": "2024-05-01", "other": {"size": "L", "colour": null}, "vector": [0.5, 1],
        });
        let expected = Said {
            title: Some(Some("Lamp".into())),
            description: Some(None),
            category: Some(Some(["Home", "Lamps"].map(str::to_owned).into())),
            brand: Some(Some("Halo".into())),
            price: Some(Some(12.5)),
            available: Some(Some(true)),
            created: Some(Some(Timestamp::from_millis(1_714_521_600_000))),
            other: BTreeMap::from([("size".into(), Some("L".into())), ("colour".into(), None)]),
            vector: Some(Some(vec![0.5, 1.0])),
        };
        assert_eq!(said(written).unwrap(), expected);
        assert_eq!(said(json!({})).unwrap(), Said::default());
        let day = Some(Some(Timestamp::from_millis(1_714_521_600_000)));
        assert_eq!(said(json!({"created": 1_714_521_600})).unwrap().created, day);
        assert_eq!(said(json!({"created": 1_714_521_600.0})).unwrap().created, day);
        assert_eq!(said(json!({"category": "Home"})).unwrap().category, Some(Some(vec!["Home".into()])));
    }

    #[test]
    fn what_is_of_another_form_is_refused_by_its_field() {
        let long = |n: usize| "x".repeat(n);
        let many: Map<String, Value> = (0..51).map(|n| (n.to_string(), json!("x"))).collect();
        for (written, field) in [
            (json!([]), "body"),
            (json!({"titel": "x"}), "titel"),
            (json!({"title": 5}), "title"),
            (json!({"title": " "}), "title"),
            (json!({"title": long(2_001)}), "title"),
            (json!({"description": long(20_001)}), "description"),
            (json!({"category": {}}), "category[0]"),
            (json!({"category": ["a", 5]}), "category[1]"),
            (json!({"category": vec!["a"; 51]}), "category"),
            (json!({"brand": long(201)}), "brand"),
            (json!({"price": "12"}), "price"),
            (json!({"price": 1e99}), "price"),
            (json!({"available": "yes"}), "available"),
            (json!({"available": 1}), "available"),
            (json!({"created": "soon"}), "created"),
            (json!({"created": {}}), "created"),
            (json!({"created": 0.5}), "created"),
            (json!({"other": "size"}), "other"),
            (json!({"other": {"size": 5}}), "other.size"),
            (json!({"other": {"price": "5"}}), "other"),
            (json!({"other": {"": "5"}}), "other"),
            (json!({"other": many}), "other"),
            (json!({"vector": 5}), "vector"),
            (json!({"vector": []}), "vector"),
            (json!({"vector": [0.0, 0]}), "vector"),
            (json!({"vector": [0.5, "x"]}), "vector[1]"),
            (json!({"vector": [1e99]}), "vector[0]"),
            (json!({"vector": vec![1; 4_097]}), "vector"),
        ] {
            match said(written.clone()) {
                Err(Error::Field { field: own, .. }) => assert_eq!(own, field, "{written}"),
                other => panic!("{written}: {other:?}"),
            }
        }
        assert!(item(String::new()).is_err() && item("a\u{0}".into()).is_err() && item("a/ü".into()).is_ok());
    }
}
