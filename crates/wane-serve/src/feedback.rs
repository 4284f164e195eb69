//! What became of recommendations: shown, clicked, bought; counted per model and scenario.
//!
//! A recommendation's id names its model and scenario, so nothing need be kept when a list is given. Of one item of one list each kind
//! counts once, however often it is sent; a click says that the item was shown. No user is named in any of it.

use std::fmt;

use rusqlite::{Connection, Transaction, params};
use serde::Serialize;
use wane::eval::Estimate;

use crate::error::{Error, Result};

/// Tables of feedback.
pub(crate) const TABLES: &str = "
    CREATE TABLE feedback (
        day INTEGER NOT NULL, recommendation TEXT NOT NULL, item TEXT NOT NULL, kind INTEGER NOT NULL,
        PRIMARY KEY (recommendation, item, kind)) WITHOUT ROWID;
    CREATE TABLE feedback_counts (
        model TEXT NOT NULL, scenario TEXT NOT NULL, kind INTEGER NOT NULL, n INTEGER NOT NULL,
        PRIMARY KEY (model, scenario, kind)) WITHOUT ROWID;
";

/// What became of an item of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedbackKind {
    /// It was shown.
    Impression,
    /// It was clicked.
    Click,
    /// What the shop wants came of it: a purchase, a subscription.
    Conversion,
}

impl FeedbackKind {
    /// All kinds by their names.
    pub(crate) const NAMES: [(&'static str, Self); 3] =
        [("impression", Self::Impression), ("click", Self::Click), ("conversion", Self::Conversion)];

    /// What it says of an item: a click or a conversion, that it was shown; a conversion does not say that it was clicked.
    fn implied(self) -> impl Iterator<Item = Self> {
        std::iter::once(self).chain((self != Self::Impression).then_some(Self::Impression))
    }
}

/// What a recommendation is known by: `trace@4f9f6818.home.0123456789abcdef`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecommendationId {
    /// The model that made it.
    pub model: String,
    /// Where it was shown.
    pub scenario: String,
    /// Its own number.
    pub number: u64,
}

impl fmt::Display for RecommendationId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}.{:016x}", self.model, self.scenario, self.number)
    }
}

impl RecommendationId {
    /// Reads what [`Display`](fmt::Display) wrote.
    pub(crate) fn parse(written: &str) -> Result<Self> {
        let refused = || {
            let reason = format!("expected the `recommendation_id` of an answer, got `{written}`");
            Error::field("recommendation_id", reason)
        };
        let mut parts = written.splitn(3, '.');
        let (Some(model), Some(scenario), Some(number)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(refused());
        };
        let is_name = |name: &str| (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(is_name_char);
        let is_number = number.len() == 16 && number.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !(is_name(model) && is_name(scenario) && is_number) {
            return Err(refused());
        }
        let number = u64::from_str_radix(number, 16).map_err(|_| refused())?;
        Ok(Self { model: model.to_owned(), scenario: scenario.to_owned(), number })
    }
}

/// Bytes of a model's or a scenario's name at most.
pub(crate) const LONGEST_NAME: usize = 64;

/// What names of models and scenarios are made of.
pub(crate) fn is_name_char(own: char) -> bool {
    own.is_ascii_alphanumeric() || "@_-".contains(own)
}

/// Something that became of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback {
    /// The list.
    pub recommendation: RecommendationId,
    /// The item.
    pub item: String,
    /// What became of it.
    pub kind: FeedbackKind,
}

/// How a model does in a scenario.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FeedbackReport {
    /// The model.
    pub model: String,
    /// Where its lists were shown.
    pub scenario: String,
    /// Items shown.
    pub impressions: u64,
    /// Of those, clicked.
    pub clicks: u64,
    /// Of those shown, what the shop wants came.
    pub conversions: u64,
    /// Clicks per impression.
    pub click_rate: Option<Estimate>,
    /// Conversions per impression.
    pub conversion_rate: Option<Estimate>,
}

/// Counts feedback; gives how much of it was new. `day`: days since 1970, by which it is forgotten.
pub(crate) fn add(transaction: &Transaction<'_>, feedback: &[Feedback], day: i64) -> rusqlite::Result<usize> {
    let mut insert = transaction.prepare_cached("INSERT OR IGNORE INTO feedback VALUES (?1, ?2, ?3, ?4)")?;
    let mut count = transaction.prepare_cached(
        "INSERT INTO feedback_counts VALUES (?1, ?2, ?3, 1) ON CONFLICT DO UPDATE SET n = n + 1",
    )?;
    let mut new = 0;
    for Feedback { recommendation, item, kind } in feedback {
        for said in kind.implied() {
            let is_new = insert.execute(params![day, recommendation.to_string(), item, said as i64])? == 1;
            if is_new {
                count.execute(params![recommendation.model, recommendation.scenario, said as i64])?;
            }
            new += usize::from(is_new && said == *kind);
        }
    }
    Ok(new)
}

/// Forgets which lists were told of before a day; the counts stay. What is sent again after that counts again.
pub(crate) fn forget_before(transaction: &Transaction<'_>, day: i64) -> rusqlite::Result<usize> {
    transaction.execute("DELETE FROM feedback WHERE day < ?1", [day])
}

/// How all models did, by model and scenario.
pub(crate) fn report(connection: &Connection) -> rusqlite::Result<Vec<FeedbackReport>> {
    let mut statement = connection.prepare_cached(
        "SELECT model, scenario, sum(n) FILTER (WHERE kind = 0), sum(n) FILTER (WHERE kind = 1),
            sum(n) FILTER (WHERE kind = 2) FROM feedback_counts GROUP BY model, scenario ORDER BY model, scenario",
    )?;
    let rows = statement.query_map([], |row| {
        let n = |column| row.get::<_, Option<i64>>(column).map(|n| n.unwrap_or_default().unsigned_abs());
        let (impressions, clicks, conversions) = (n(2)?, n(3)?, n(4)?);
        Ok(FeedbackReport {
            model: row.get(0)?,
            scenario: row.get(1)?,
            impressions,
            clicks,
            conversions,
            click_rate: Estimate::share(clicks, impressions),
            conversion_rate: Estimate::share(conversions, impressions),
        })
    })?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_and_others_are_refused() {
        let id = RecommendationId { model: "trace@4f9f6818".into(), scenario: "home".into(), number: 77 };
        assert_eq!(RecommendationId::parse(&id.to_string()).unwrap(), id);
        for bad in
            ["", "a.b", "a.b.c", "a..0000000000000001", "a b.c.0000000000000001", "a.b.+000000000000001"]
        {
            assert!(RecommendationId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_sent_twice_counts_once_and_clicks_were_shown() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(TABLES).unwrap();
        let of = |number, item: &str, kind| Feedback {
            recommendation: RecommendationId { model: "m".into(), scenario: "s".into(), number },
            item: item.into(),
            kind,
        };
        let transaction = connection.transaction().unwrap();
        let told = [
            of(1, "a", FeedbackKind::Impression),
            of(1, "b", FeedbackKind::Impression),
            of(1, "a", FeedbackKind::Click),
            of(1, "a", FeedbackKind::Click),
            of(2, "a", FeedbackKind::Conversion),
        ];
        assert_eq!(add(&transaction, &told, 10).unwrap(), 4);
        assert_eq!(add(&transaction, &told, 11).unwrap(), 0);
        assert_eq!(forget_before(&transaction, 11).unwrap(), 5);
        let found = report(&transaction).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].impressions, found[0].clicks, found[0].conversions), (3, 1, 1));
        assert_eq!(found[0].click_rate, Estimate::share(1, 3));
    }
}
