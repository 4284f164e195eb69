//! From a log to the table: groups events into units and computes every column.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_schema::{Field, Schema};
use rayon::prelude::*;

use super::list::{Column, columns};
use super::settings::{FeatureSettings, Per};
use super::unit::{Context, NO_CATEGORY, Seen, Unit, look_back};
use crate::error::{Error, Result};
use crate::events::{EventLog, ItemId, Timestamp, UserId, float_column};
use crate::interest::Catalogue;

/// Features by unit.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureTable {
    /// The moment: only events strictly before it were used.
    pub as_of: Timestamp,
    /// What each row is about: column name and one value per row (`user_id`, `item_id`, `category`).
    pub keys: Vec<(String, Vec<String>)>,
    /// Names of the features.
    pub names: Vec<String>,
    /// One column per name; NaN where undefined.
    pub columns: Vec<Vec<f32>>,
}

impl FeatureTable {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.keys.first().map_or(0, |(_, values)| values.len())
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A column by name.
    pub fn column(&self, name: &str) -> Option<&[f32]> {
        let place = self.names.iter().position(|known| known == name)?;
        self.columns.get(place).map(Vec::as_slice)
    }

    /// The table for [`crate::events::write_table`]: keys, `as_of`, features (null for NaN).
    ///
    /// # Errors
    /// [`Error::Setting`] when columns differ in length.
    pub fn to_batch(&self) -> Result<RecordBatch> {
        let text = |values: &[String]| Arc::new(StringArray::from_iter_values(values)) as ArrayRef;
        let keys = self.keys.iter().map(|(name, values)| (name.as_str(), text(values)));
        let moments = TimestampMillisecondArray::from_value(self.as_of.millis(), self.len());
        let as_of = ("as_of", Arc::new(moments.with_timezone("UTC")) as ArrayRef);
        let names = self.names.iter().map(String::as_str);
        let features = names.zip(self.columns.iter().map(|column| float_column(column)));
        let (fields, arrays): (Vec<_>, Vec<_>) = keys
            .chain([as_of])
            .chain(features)
            .map(|(name, array)| (Field::new(name, array.data_type().clone(), true), array))
            .unzip();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
            .map_err(|e| Error::setting("features", "columns of equal length", e))
    }
}

/// One row: which unit, and its features.
struct Row {
    user: UserId,
    /// Item or category.
    other: u32,
    values: Vec<f32>,
}

/// Computes the table as of a moment. The catalogue gives categories and creation times; its rows are the log's
/// items.
///
/// # Errors
/// [`Error::Setting`] when a setting is out of its range, or when rows are per category and there is no catalogue
/// with categories.
pub fn features(
    log: &EventLog,
    catalogue: Option<&Catalogue>,
    as_of: Timestamp,
    settings: &FeatureSettings,
) -> Result<FeatureTable> {
    settings.check()?;
    let categories = item_categories(log, catalogue, settings.category_depth);
    if settings.per == Per::UserCategory && categories.iter().all(|&category| category == NO_CATEGORY) {
        return Err(Error::setting(
            "per",
            "user, item or user-item where no --catalogue gives categories",
            "user-category",
        ));
    }
    let context = Context {
        settings,
        as_of,
        n_events: log.events().times().iter().filter(|&&time| time < as_of).count(),
        created: catalogue.map_or(&[], |catalogue| &catalogue.created),
    };
    let columns = columns(settings, log.event_types());
    let category = |item: u32| categories[item as usize];
    let look = |user: UserId| look_back(user, log.history(user), &context, category);
    let users = 0..u32::try_from(log.n_users()).unwrap_or(u32::MAX);
    let rows: Vec<Row> = if settings.per == Per::Item {
        let mut events: Vec<Seen> = users.into_par_iter().flat_map_iter(|user| look(UserId(user))).collect();
        events.par_sort_by_key(|event| (event.item, event.time));
        let units: Vec<&[Seen]> = events.chunk_by(|a, b| a.item == b.item).collect();
        units.into_par_iter().map(|unit| row(unit, &context, &columns)).collect()
    } else {
        let of_user = |user: u32| user_rows(look(UserId(user)), &context, &columns);
        users.into_par_iter().flat_map_iter(of_user).collect()
    };
    Ok(FeatureTable {
        as_of,
        keys: keys(&rows, log, catalogue, settings.per),
        names: columns.iter().map(|(name, _)| name.clone()).collect(),
        columns: (0..columns.len()).map(|place| rows.iter().map(|row| row.values[place]).collect()).collect(),
    })
}

/// Category of each item at the wanted depth.
fn item_categories(log: &EventLog, catalogue: Option<&Catalogue>, depth: usize) -> Vec<u32> {
    let category = |item: usize| {
        let path = catalogue?.categories.get(item)?;
        path.get(depth.min(path.len()).checked_sub(1)?).copied()
    };
    (0..log.n_items()).map(|item| category(item).unwrap_or(NO_CATEGORY)).collect()
}

/// The rows of one user, by item or category number.
fn user_rows(mut events: Vec<Seen>, context: &Context<'_>, columns: &[Column]) -> Vec<Row> {
    let key: fn(&Seen) -> u32 = match context.settings.per {
        Per::UserItem => |event| event.item,
        Per::UserCategory => |event| event.category,
        Per::User | Per::Item => |_| 0,
    };
    if context.settings.per == Per::UserCategory {
        events.retain(|event| event.category != NO_CATEGORY);
    }
    events.sort_by_key(key);
    events.chunk_by(|a, b| key(a) == key(b)).map(|unit| row(unit, context, columns)).collect()
}

fn row(events: &[Seen], context: &Context<'_>, columns: &[Column]) -> Row {
    let unit = Unit { events, context };
    let first = &events[0];
    Row {
        user: first.user,
        other: if context.settings.per == Per::UserCategory { first.category } else { first.item },
        values: columns.iter().map(|(_, value)| value(&unit) as f32).collect(),
    }
}

fn keys(rows: &[Row], log: &EventLog, catalogue: Option<&Catalogue>, per: Per) -> Vec<(String, Vec<String>)> {
    let names = catalogue.map_or(&[][..], |catalogue| &catalogue.category_names);
    let category = |row: &Row| names.get(row.other as usize).cloned().unwrap_or_default();
    let key = |name: &str, text: &dyn Fn(&Row) -> String| (name.to_owned(), rows.iter().map(text).collect());
    let user = || key("user_id", &|row| log.users().name(row.user.index()).to_owned());
    let item = || key("item_id", &|row| log.items().name(ItemId(row.other).index()).to_owned());
    match per {
        Per::User => vec![user()],
        Per::Item => vec![item()],
        Per::UserItem => vec![user(), item()],
        Per::UserCategory => vec![user(), key("category", &category)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{EventColumns, EventTypeId, MILLIS_PER_DAY};
    use proptest::prelude::*;

    /// Rows of user, item, type, day and value.
    fn log(rows: &[(u32, u32, u8, f64, f32)]) -> EventLog {
        EventLog::from_columns(EventColumns {
            users: rows.iter().map(|row| row.0).collect(),
            items: rows.iter().map(|row| row.1).collect(),
            types: rows.iter().map(|row| EventTypeId(row.2)).collect(),
            times: rows.iter().map(|row| Timestamp::from_millis(0).plus_days(row.3)).collect(),
            values: rows.iter().map(|row| row.4).collect(),
            sessions: Vec::new(),
            user_names: (0..4).map(|user| format!("u{user}")).collect(),
            item_names: (0..4).map(|item| format!("i{item}")).collect(),
            event_types: vec!["view".into(), "purchase".into()],
        })
        .unwrap()
    }

    fn catalogue(log: &EventLog) -> Catalogue {
        Catalogue {
            items: log.items().clone(),
            categories: vec![vec![0], vec![0, 1], vec![0, 1], vec![]],
            category_names: vec!["home".into(), "lamps".into()],
            created: vec![
                Some(Timestamp::from_millis(0)),
                Some(Timestamp::from_millis(i64::MAX)),
                None,
                None,
            ],
            ..Catalogue::default()
        }
    }

    fn table(log: &EventLog, per: Per, day: f64) -> FeatureTable {
        let settings = FeatureSettings { per, ..FeatureSettings::default() };
        features(log, Some(&catalogue(log)), Timestamp::from_millis(0).plus_days(day), &settings).unwrap()
    }

    #[test]
    fn a_small_user_is_computed_by_hand() {
        // Thursday 1970-01-01 00:00, then days 1 and 4 (a Monday), each at midnight; `as_of` is day 8.
        let log = log(&[
            (0, 1, 0, 0.0, f32::NAN),
            (0, 1, 1, 1.0, 3.0),
            (0, 2, 0, 4.0, f32::NAN),
            (1, 0, 0, 9.0, 1.0),
        ]);
        let table = table(&log, Per::User, 8.0);
        assert_eq!(table.keys, [("user_id".to_owned(), vec!["u0".to_owned()])]);
        let expected = [
            ("events", 3.0),
            ("count_view", 2.0),
            ("active_days", 3.0),
            ("days_since_first", 8.0),
            ("days_since_last", 4.0),
            ("days_since_purchase", 7.0),
            ("gap_mean", 2.0),
            ("gap_median", 2.0),
            ("gap_cv", 0.5),
            ("decayed_1d", 2f32.powi(-8) + 2f32.powi(-7) + 2f32.powi(-4)),
            ("decayed_purchase_7d", 0.5),
            ("recent", 2.0),
            ("before_recent", 1.0),
            ("trend", (3.0f32 / 1.25).ln()),
            ("value_sum", 3.0),
            ("value_mean", 3.0),
            ("night_share", 1.0),
            ("weekend_share", 0.0),
            ("hour_entropy", 3f32.log2()),
            ("sessions", 3.0),
            ("distinct_items", 2.0),
            ("distinct_categories", 1.0),
            ("repeat_share", 1.0 / 3.0),
        ];
        for (name, value) in expected {
            let found = table.column(name).unwrap_or_else(|| panic!("no column {name}"))[0];
            assert!((found - value).abs() < 1e-6, "{name}: {found} instead of {value}");
        }
    }

    #[test]
    fn units_are_items_categories_and_pairs() {
        let log = log(&[(0, 1, 0, 0.0, 1.0), (0, 3, 0, 1.0, 1.0), (1, 1, 0, 0.5, 1.0), (1, 0, 0, 0.7, 1.0)]);
        let items = table(&log, Per::Item, 2.0);
        assert_eq!(items.keys[0].1, ["i0", "i1", "i3"]);
        assert_eq!(items.column("distinct_users").unwrap(), [1.0, 2.0, 1.0]);
        assert_eq!(items.column("popularity").unwrap(), [0.25, 0.5, 0.25]);
        let ages = items.column("days_since_created").unwrap();
        assert!((ages[0] - 2.0).abs() < 1e-6 && ages[1].is_nan() && ages[2].is_nan());
        let pairs = table(&log, Per::UserItem, 2.0);
        assert_eq!((pairs.len(), pairs.keys[1].1[0].as_str()), (4, "i1"));
        let categories = table(&log, Per::UserCategory, 2.0);
        assert_eq!(categories.keys[1].1, ["lamps", "home", "lamps"]);
    }

    #[test]
    fn a_batch_has_keys_moment_and_features() {
        let log = log(&[(0, 1, 0, 0.0, 1.0)]);
        let batch = table(&log, Per::UserItem, 2.0).to_batch().unwrap();
        let schema = batch.schema();
        let names: Vec<_> = schema.fields().iter().take(4).map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["user_id", "item_id", "as_of", "events"]);
        assert_eq!(batch.column_by_name("gap_mean").unwrap().null_count(), 1);
    }

    #[test]
    fn categories_need_a_catalogue() {
        let log = log(&[(0, 1, 0, 0.0, 1.0)]);
        let settings = FeatureSettings { per: Per::UserCategory, ..FeatureSettings::default() };
        let message = features(&log, None, Timestamp::from_millis(9), &settings).unwrap_err().to_string();
        assert!(message.starts_with("setting `per`"), "{message}");
    }

    prop_compose! {
        fn rows(from: i64, to: i64)(
            rows in proptest::collection::vec((0u32..4, 0u32..4, 0u8..2, from..to, 0u8..5), 1..40)
        ) -> Vec<(u32, u32, u8, f64, f32)> {
            let value = |n: u8| if n == 0 { f32::NAN } else { f32::from(n) };
            rows.into_iter()
                .map(|(user, item, kind, millis, n)| (user, item, kind, millis as f64 / MILLIS_PER_DAY as f64, value(n)))
                .collect()
        }
    }

    proptest! {
        #[test]
        fn nothing_at_or_after_as_of_is_used(
            past in rows(0, 50 * MILLIS_PER_DAY),
            future in rows(50 * MILLIS_PER_DAY, 90 * MILLIS_PER_DAY),
        ) {
            let poisoned: Vec<_> = past.iter().chain(&future).copied().collect();
            for per in [Per::User, Per::Item, Per::UserCategory, Per::UserItem] {
                let (clean, poisoned) = (table(&log(&past), per, 50.0), table(&log(&poisoned), per, 50.0));
                prop_assert_eq!(&clean.keys, &poisoned.keys);
                let bits = |table: &FeatureTable| -> Vec<Vec<u32>> {
                    table.columns.iter().map(|column| column.iter().map(|x| x.to_bits()).collect()).collect()
                };
                prop_assert_eq!(bits(&clean), bits(&poisoned));
            }
        }
    }
}
