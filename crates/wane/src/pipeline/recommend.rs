//! Step 4: a model is asked, and answers with names and reasons.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, RecordBatch, StringArray, UInt32Array};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::events::{EventLog, History, Timestamp, UserId};
use crate::interest::Catalogue;
use crate::recommend::{
    Answer, Explanation, Filter, ListSettings, Names, Query, Recommender, Scored, Scores, best_explained,
    best_items,
};

/// What is asked, of whomever.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The moment; only events strictly before it are known.
    pub as_of: Timestamp,
    /// Length and variety of the lists.
    pub list: ListSettings,
    /// What may be shown.
    pub filter: &'a Filter,
    /// How many reasons to give of each item, the greatest; none where nobody asks why.
    pub reasons: Option<usize>,
}

/// Answers for some users, in their order.
///
/// # Errors
/// [`crate::Error::Setting`] for list settings out of range.
pub fn answers<'a>(
    model: &dyn Recommender,
    log: &'a EventLog,
    catalogue: Option<&'a Catalogue>,
    users: &[UserId],
    asked: &Asked<'_>,
) -> Result<Vec<Answer<'a>>> {
    let names = Names { log, catalogue };
    let one = |scores: &mut Scores, user: &UserId| {
        answer(model, names, log.users().name(user.index()), log.history(*user), asked, scores)
    };
    users.par_iter().map_init(|| Scores::new(model.n_items()), one).collect()
}

/// The answer for one user with some history, of which what came before the moment is known. `scores` is scratch space.
///
/// # Errors
/// [`crate::Error::Setting`] for list settings out of range.
pub fn answer<'a>(
    model: &dyn Recommender,
    names: Names<'a>,
    user: &'a str,
    history: History<'_>,
    asked: &Asked<'_>,
    scores: &mut Scores,
) -> Result<Answer<'a>> {
    let query = Query { history: history.before(asked.as_of), as_of: asked.as_of, candidates: None };
    let filter = asked.filter.for_query(&query);
    let (best, explanations) = match asked.reasons {
        None => {
            let best = best_items(model, &query, &filter, asked.list, names.catalogue, scores)?;
            let explanations = vec![Explanation::default(); best.len()];
            (best, explanations)
        }
        Some(most) => best_explained(model, &query, &filter, (asked.list, most), names.catalogue, scores)?,
    };
    let named = best
        .into_iter()
        .zip(explanations)
        .map(|(Scored { item, score }, why)| names.answer(&query, item, Explanation { score, ..why }));
    Ok(Answer { user: user.into(), as_of: asked.as_of.to_string(), items: named.collect() })
}

/// Answers as a table: user, as_of, rank from 1, item, score. Reasons have their own form and stay in the answers.
///
/// # Errors
/// [`Error::Limit`] when the table is too large for one batch.
pub fn answers_table(lists: &[Answer<'_>]) -> Result<RecordBatch> {
    let rows = || {
        lists.iter().flat_map(|list| (1u32..).zip(&list.items).map(move |(rank, item)| (list, rank, item)))
    };
    let columns: [(&str, ArrayRef); 5] = [
        ("user", Arc::new(StringArray::from_iter_values(rows().map(|row| &row.0.user)))),
        ("as_of", Arc::new(StringArray::from_iter_values(rows().map(|row| &row.0.as_of)))),
        ("rank", Arc::new(UInt32Array::from_iter_values(rows().map(|row| row.1)))),
        ("item", Arc::new(StringArray::from_iter_values(rows().map(|row| &row.2.item)))),
        ("score", Arc::new(Float32Array::from_iter_values(rows().map(|row| row.2.score)))),
    ];
    RecordBatch::try_from_iter(columns).map_err(|_| Error::Limit {
        what: "rows of one table of answers",
        limit: u64::from(u32::MAX),
        got: rows().count() as u64,
        remedy: "Ask for fewer users at once",
    })
}
