//! What a shop says of its items while the server runs: kept in the state, and laid over what a model's catalogue says.
//!
//! - What was said of an item stands in one row, as JSON; a row without it is of an item that was taken out. Rows are never taken away: an
//!   item that was taken out stays so in the next model, and numbers of items that came after a fit stay as they are.
//! - A row has the fields that were said and no others. The others are as the model's catalogue has them, also in the next model.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Deserializer, Serialize};
use wane::events::Timestamp;
use wane::interest::CatalogueRow;

/// The table of items.
pub(crate) const TABLES: &str = "
    CREATE TABLE items (number INTEGER PRIMARY KEY, item TEXT NOT NULL UNIQUE, said TEXT);
";

/// What is said of a field: nothing, that it is not known, or what it is.
type Field<T> = Option<Option<T>>;

/// What was said of an item.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Said {
    #[serde(deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub(crate) title: Field<String>,
    #[serde(deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub(crate) description: Field<String>,
    /// From general to special.
    #[serde(deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub(crate) category: Field<Vec<String>>,
    #[serde(deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub(crate) brand: Field<String>,
    #[serde(deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub(crate) price: Field<f32>,
    #[serde(deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub(crate) available: Field<bool>,
    #[serde(deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub(crate) created: Field<Timestamp>,
    /// Other columns by their names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) other: BTreeMap<String, Option<String>>,
    #[serde(deserialize_with = "said", skip_serializing_if = "Option::is_none")]
    pub(crate) vector: Field<Vec<f32>>,
}

/// A field that stands there says something, be it `null`.
fn said<'de, T: Deserialize<'de>, D: Deserializer<'de>>(written: D) -> Result<Field<T>, D::Error> {
    Option::deserialize(written).map(Some)
}

impl Said {
    /// What is known of the item then, by a model that knows this.
    pub(crate) fn over(&self, mut row: CatalogueRow) -> CatalogueRow {
        let Self { title, description, category, brand, price, available, created, other, vector } = self;
        lay(title, &mut row.title);
        lay(description, &mut row.description);
        lay(brand, &mut row.brand);
        lay(price, &mut row.price);
        lay(available, &mut row.available);
        lay(created, &mut row.created);
        lay(vector, &mut row.vector);
        if let Some(category) = category {
            row.categories = category.clone().unwrap_or_default();
        }
        for (name, value) in other {
            match value {
                Some(value) => row.extra.insert(name.clone(), value.clone()),
                None => row.extra.remove(name),
            };
        }
        row
    }

    /// The same with what is said later.
    fn then(self, later: Self) -> Self {
        let mut other = self.other;
        other.extend(later.other);
        Self {
            title: later.title.or(self.title),
            description: later.description.or(self.description),
            category: later.category.or(self.category),
            brand: later.brand.or(self.brand),
            price: later.price.or(self.price),
            available: later.available.or(self.available),
            created: later.created.or(self.created),
            vector: later.vector.or(self.vector),
            other,
        }
    }
}

fn lay<T: Clone>(said: &Field<T>, own: &mut Option<T>) {
    if let Some(said) = said {
        own.clone_from(said);
    }
}

/// Something that is said of an item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Word {
    pub(crate) item: String,
    pub(crate) what: What,
}

/// What.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    /// This, and nothing that was said before.
    Put(Box<Said>),
    /// This too.
    Patch(Box<Said>),
    /// It is taken out.
    Delete,
}

/// Keeps what is said.
pub(crate) fn keep(transaction: &Transaction<'_>, Word { item, what }: &Word) -> rusqlite::Result<()> {
    let said = match what {
        What::Put(said) => Some((**said).clone()),
        What::Patch(said) => {
            let former = one(transaction, item)?.and_then(|kept| kept.said).unwrap_or_default();
            Some(former.then((**said).clone()))
        }
        What::Delete => None,
    };
    let text = said.map(|said| serde_json::to_string(&said).map_err(unwritable)).transpose()?;
    let mut statement = transaction.prepare_cached(
        "INSERT INTO items (item, said) VALUES (?1, ?2) ON CONFLICT (item) DO UPDATE SET said = excluded.said",
    )?;
    statement.execute(params![item, text]).map(drop)
}

fn unwritable(error: serde_json::Error) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}

/// What is kept of an item.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    number: i64,
    /// Nothing: it was taken out.
    said: Option<Said>,
}

impl Kept {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let said: Option<String> = row.get("said")?;
        let read = |text: String| {
            let kind = rusqlite::types::Type::Text;
            serde_json::from_str(&text)
                .map_err(|error| rusqlite::Error::FromSqlConversionFailure(2, kind, Box::new(error)))
        };
        Ok(Self { number: row.get("number")?, said: said.map(read).transpose()? })
    }
}

/// What is kept of one item.
pub(crate) fn one(connection: &Connection, item: &str) -> rusqlite::Result<Option<Kept>> {
    let mut statement = connection.prepare_cached("SELECT number, item, said FROM items WHERE item = ?1")?;
    statement.query_row([item], Kept::of).optional()
}

/// All of it.
pub(crate) fn all(connection: &Connection) -> rusqlite::Result<Items> {
    let mut statement = connection.prepare("SELECT number, item, said FROM items")?;
    let rows = statement.query_map([], |row| Ok((row.get("item")?, Kept::of(row)?)))?;
    let mut items = Items::default();
    for row in rows {
        let (item, kept) = row?;
        items.set(item, kept);
    }
    Ok(items)
}

/// What is said of all items, in the order in which they were first spoken of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Items {
    numbers: HashMap<Arc<str>, i64>,
    said: BTreeMap<i64, (Arc<str>, Option<Arc<Said>>)>,
}

impl Items {
    /// Notes what is kept of an item now.
    pub(crate) fn set(&mut self, item: String, Kept { number, said }: Kept) {
        let item: Arc<str> = item.into();
        self.numbers.insert(Arc::clone(&item), number);
        self.said.insert(number, (item, said.map(Arc::new)));
    }

    /// What is said of an item, and whether anything is; of one that was taken out, nothing.
    pub(crate) fn of(&self, item: &str) -> Option<Option<&Said>> {
        let (_, said) = self.said.get(self.numbers.get(item)?)?;
        Some(said.as_deref())
    }

    /// Whether an item was taken out.
    pub(crate) fn is_out(&self, item: &str) -> bool {
        self.of(item) == Some(None)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Option<&Said>)> {
        self.said.values().map(|(item, said)| (&**item, said.as_deref()))
    }
}

/// What is in force of items, what has changed of it since, and whose turn it is to bring that into force.
pub(crate) struct Shelf {
    items: Mutex<Arc<Items>>,
    changed: Mutex<BTreeSet<String>>,
    turn: tokio::sync::Mutex<()>,
}

impl Shelf {
    pub(crate) fn new(items: Arc<Items>) -> Self {
        Self { items: Mutex::new(items), changed: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    /// What is in force. Models are changed by whoever holds this, and by nobody else.
    pub(crate) fn items(&self) -> MutexGuard<'_, Arc<Items>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something new is kept of an item.
    pub(crate) fn changed(&self, item: String) {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).insert(item);
    }

    /// The items of which something new is kept; they count as brought into force.
    pub(crate) fn take_changed(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.changed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until nobody else brings anything into force.
    pub(crate) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }
}

/// What is in force of an item.
pub(crate) struct ItemInForce {
    pub(crate) row: CatalogueRow,
    /// In each model that answers, the champion first.
    pub(crate) standings: Vec<Standing>,
}

/// How an item stands in a model.
pub(crate) struct Standing {
    /// Whether the model has a number for it: events with it speak.
    pub(crate) known: bool,
    /// Whether it may be in a list now.
    pub(crate) recommendable: bool,
    /// What is in the way.
    pub(crate) reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Said {
        serde_json::from_str(text).unwrap()
    }

    fn boxed(text: &str) -> Box<Said> {
        Box::new(said(text))
    }

    #[test]
    fn what_is_said_lies_over_what_is_known() {
        let row = CatalogueRow {
            title: Some("Lamp".into()),
            brand: Some("Halo".into()),
            categories: vec!["Home".into()],
            price: Some(3.0),
            extra: [("size".to_owned(), "L".to_owned()), ("colour".to_owned(), "red".to_owned())].into(),
            ..CatalogueRow::default()
        };
        let own = said(
            r#"{"title": "Big lamp", "brand": null, "category": null, "created": 7, "other": {"size": null, "fit": "wide"}}"#,
        );
        let expected = CatalogueRow {
            title: Some("Big lamp".into()),
            brand: None,
            categories: Vec::new(),
            created: Some(Timestamp::from_millis(7)),
            extra: [("colour".to_owned(), "red".to_owned()), ("fit".to_owned(), "wide".to_owned())].into(),
            ..row.clone()
        };
        assert_eq!(own.over(row.clone()), expected);
        assert_eq!(Said::default().over(row.clone()), row);
        // It is written as it was read.
        assert_eq!(said(&serde_json::to_string(&own).unwrap()), own);
    }

    #[test]
    fn words_are_kept_in_their_order() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(TABLES).unwrap();
        let transaction = connection.transaction().unwrap();
        let say = |item: &str, what| keep(&transaction, &Word { item: item.into(), what }).unwrap();
        say("b", What::Put(boxed(r#"{"title": "B", "price": 1.5}"#)));
        say("a", What::Patch(boxed(r#"{"price": 2}"#)));
        say("b", What::Patch(boxed(r#"{"price": null, "available": false}"#)));
        say("c", What::Delete);
        say("c", What::Delete);
        say("d", What::Delete);
        say("d", What::Patch(boxed(r#"{"title": "D"}"#)));
        say("a", What::Put(boxed(r#"{"title": "A"}"#)));
        let items = all(&transaction).unwrap();
        let found: Vec<_> = items.iter().map(|(item, said)| (item.to_owned(), said.cloned())).collect();
        let expected = [
            ("b", Some(r#"{"title": "B", "price": null, "available": false}"#)),
            ("a", Some(r#"{"title": "A"}"#)),
            ("c", None),
            ("d", Some(r#"{"title": "D"}"#)),
        ];
        assert_eq!(found, expected.map(|(item, own)| (item.to_owned(), own.map(said))));
        assert!(items.is_out("c") && !items.is_out("a") && !items.is_out("z"));
    }
}
