//! Step 5: why an item has its score, and what it would be if some events had not happened.
//!
//! - Shares are those of [`Recommender::explain`]; a percentage is of all shares without their signs.
//! - "Without an event" is no arithmetic on shares: the history without it is scored anew by the same model. So what the
//!   event did to others counts too (it displaced them, or what it says of an item was known already), and the
//!   difference need not be the event's share.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::events::{EventLog, EventTypeId, ItemId, Timestamp, UserId};
use crate::interest::Catalogue;
use crate::recommend::{
    AnsweredEvent, AnsweredItem, Explanation, Names, Query, Reason, Recommender, Scored, Scores,
};

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Why<'a> {
    /// The user.
    pub user: UserId,
    /// The item.
    pub item: ItemId,
    /// The moment; only events strictly before it are known.
    pub as_of: Timestamp,
    /// Events that are thought away, by their numbers in the user's history, oldest first, from 1.
    pub without: &'a [usize],
}

/// Why an item has its score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Account<'a> {
    /// The user's id.
    pub user: String,
    /// The moment, RFC 3339.
    pub as_of: String,
    /// Events of the user before the moment.
    pub events: usize,
    /// The item with its score, reasons and remainders.
    #[serde(flatten)]
    pub answer: AnsweredItem<'a>,
    /// Place among all items by score, from 1.
    pub rank: usize,
    /// Number of items.
    pub items: usize,
    /// The reasons' shares by the most general category of the events' items; empty without a catalogue.
    pub by_category: Vec<GroupShare>,
    /// The reasons' shares by what was done.
    pub by_event_type: Vec<GroupShare>,
    /// The reasons' shares by relation.
    pub by_relation: Vec<GroupShare>,
    /// The same question without some events, where that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without: Option<Without<'a>>,
}

/// What a group of events adds to a score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupShare {
    /// The group.
    pub name: String,
    /// What it adds to the score.
    pub share: f64,
}

/// An answer to the same question when some events had not happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Without<'a> {
    /// The events.
    pub events: Vec<AnsweredEvent<'a>>,
    /// What the score would be.
    pub score: f32,
    /// What the rank would be.
    pub rank: usize,
}

/// Says why an item has its score.
///
/// # Errors
/// [`Error::Setting`] for an event that the user's history before the moment does not have.
pub fn account<'a>(
    model: &dyn Recommender,
    log: &'a EventLog,
    catalogue: Option<&'a Catalogue>,
    why: &Why<'_>,
) -> Result<Account<'a>> {
    let names = Names { log, catalogue };
    let query = query(log, why);
    let without = (!why.without.is_empty()).then(|| without(model, &names, why)).transpose()?;
    let explanation = model.explain(&query, why.item);
    let group = |name: &dyn Fn(ItemId, EventTypeId, &Reason) -> String| group(&explanation, &query, name);
    let by_category = catalogue.map_or_else(Vec::new, |catalogue| {
        group(&|item, _, _| catalogue.top_category(item).unwrap_or("(none)").to_owned())
    });
    let by_event_type =
        group(&|_, of, _| log.event_types().get(of.index()).map_or_else(String::new, String::clone));
    let by_relation = group(&|_, _, reason| reason.relation.to_string());
    let (score, rank) = standing(model, &query, why.item);
    Ok(Account {
        user: log.users().name(why.user.index()).to_owned(),
        as_of: why.as_of.to_string(),
        events: query.history.len(),
        answer: AnsweredItem { score, ..names.answer(&query, why.item, explanation) },
        rank,
        items: model.n_items(),
        by_category,
        by_event_type,
        by_relation,
        without,
    })
}

fn query<'a>(log: &'a EventLog, why: &Why<'_>) -> Query<'a> {
    Query { history: log.history(why.user).before(why.as_of), as_of: why.as_of, candidates: None }
}

/// Score and rank of an item: ties in the order of every list.
fn standing(model: &dyn Recommender, query: &Query<'_>, item: ItemId) -> (f32, usize) {
    let mut scores = Scores::new(model.n_items());
    model.score(query, &mut scores);
    let own = Scored { item, score: scores.get(item) };
    let all = (0u32..).zip(scores.values()).map(|(item, &score)| Scored { item: ItemId(item), score });
    (own.score, 1 + all.filter(|other| other.best_first(&own).is_lt()).count())
}

fn without<'a>(model: &dyn Recommender, names: &Names<'a>, why: &Why<'_>) -> Result<Without<'a>> {
    let history = query(names.log, why).history;
    let event = |&number: &usize| {
        number.checked_sub(1).and_then(|place| names.event(history, place)).ok_or_else(|| {
            let user = names.log.users().name(why.user.index());
            let expected = match history.len() {
                0 => format!("no event, as {user} has none before {}", why.as_of),
                n => format!("the number of an event of {user} before {}, 1 to {n}", why.as_of),
            };
            Error::setting("without", expected, number)
        })
    };
    let events = why.without.iter().map(event).collect::<Result<_>>()?;
    let is_kept = |place: usize| !why.without.contains(&(place + 1));
    let rest = names.log.filter(|user, place, _| user == why.user && is_kept(place));
    let (score, rank) = standing(model, &query(&rest, why), why.item);
    Ok(Without { events, score, rank })
}

/// Sums of shares by name, greatest first whatever their sign.
fn group(
    explanation: &Explanation,
    query: &Query<'_>,
    name: &dyn Fn(ItemId, EventTypeId, &Reason) -> String,
) -> Vec<GroupShare> {
    let mut shares: BTreeMap<String, f64> = BTreeMap::new();
    for reason in &explanation.reasons {
        if let Some(event) = query.history.get(reason.event) {
            *shares.entry(name(event.item, event.event_type, reason)).or_default() += reason.share;
        }
    }
    let mut groups: Vec<GroupShare> =
        shares.into_iter().map(|(name, share)| GroupShare { name, share }).collect();
    groups.sort_by(|a, b| b.share.abs().total_cmp(&a.share.abs()));
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::EventColumns;
    use crate::recommend::{ModelSettings, Training};

    /// Three users; the second event of `b` is a favourite.
    fn log(of_a: &[(u32, i64)]) -> EventLog {
        let others = [(1, 0, 1), (1, 1, 2), (1, 2, 3), (2, 1, 1), (2, 2, 4), (2, 0, 9)];
        let rows: Vec<(u32, u32, i64)> =
            of_a.iter().map(|&(item, day)| (0, item, day)).chain(others).collect();
        let types = rows.iter().map(|row| EventTypeId(u8::from(row.1 == 2 && row.0 == 0)));
        EventLog::from_columns(EventColumns {
            users: rows.iter().map(|row| row.0).collect(),
            items: rows.iter().map(|row| row.1).collect(),
            times: rows.iter().map(|row| Timestamp::from_millis(row.2 * 86_400_000)).collect(),
            types: types.collect(),
            user_names: ["a", "b", "c"].map(str::to_owned).into(),
            item_names: ["i", "j", "k", "l"].map(str::to_owned).into(),
            event_types: ["view", "favourite"].map(str::to_owned).into(),
            ..EventColumns::default()
        })
        .unwrap()
    }

    fn ask<'a>(model: &dyn Recommender, log: &'a EventLog, without: &[usize]) -> Result<Account<'a>> {
        let as_of = Timestamp::from_millis(20 * 86_400_000);
        account(model, log, None, &Why { user: UserId(0), item: ItemId(2), as_of, without })
    }

    #[test]
    fn without_an_event_is_as_if_it_had_never_been_read() {
        let whole = log(&[(0, 1), (2, 5), (1, 6), (0, 8)]);
        let rest = log(&[(0, 1), (1, 6), (0, 8)]);
        for settings in ModelSettings::all().iter().filter(|settings| settings.can_use(None)) {
            let model = settings.fit(&Training::new(&whole, None, 1)).unwrap();
            let before = ask(&*model, &whole, &[2]).unwrap();
            let after = ask(&*model, &rest, &[]).unwrap();
            let thought_away = before.without.unwrap();
            assert_eq!((thought_away.score, thought_away.rank), (after.answer.score, after.rank));
            assert_eq!((thought_away.events[0].place, &*thought_away.events[0].item), (2, "k"));
        }
    }

    #[test]
    fn groups_sum_to_the_reasons() {
        let log = log(&[(0, 1), (2, 5), (1, 6), (0, 8)]);
        let settings = ModelSettings::named("trace").unwrap();
        let model = settings.fit(&Training::new(&log, None, 1)).unwrap();
        let account = ask(&*model, &log, &[]).unwrap();
        let reasons: f64 = account.answer.reasons.iter().map(|reason| reason.share).sum();
        for groups in [&account.by_event_type, &account.by_relation] {
            let sum: f64 = groups.iter().map(|group| group.share).sum();
            assert!(!groups.is_empty() && (sum - reasons).abs() < 1e-9, "{groups:?}");
        }
        let remainders: f64 = account.answer.remainder.values().sum();
        assert!((reasons + remainders - f64::from(account.answer.score)).abs() < 1e-5);
        assert!(account.by_category.is_empty());
    }

    #[test]
    fn events_that_are_not_there_are_refused() {
        let log = log(&[(0, 1), (2, 25)]);
        let model = ModelSettings::named("popularity").unwrap().fit(&Training::new(&log, None, 1)).unwrap();
        for wrong in [0, 2] {
            let message = ask(&*model, &log, &[wrong]).unwrap_err().to_string();
            let expected =
                "setting `without`: expected the number of an event of a before 1970-01-21T00:00:00Z, 1 to 1";
            assert_eq!(message, format!("{expected}, got {wrong}"));
        }
    }
}
