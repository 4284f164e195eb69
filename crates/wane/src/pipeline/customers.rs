//! Who is still a customer, and how many visits are to come from each.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array};
use rayon::prelude::*;
use serde::Serialize;

use crate::decay::activity::{BgNbd, Visit, Visits};
use crate::error::{Error, Result};
use crate::events::{EventLog, Timestamp};

/// What is to come from one user.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CustomerForecast {
    /// The user's id.
    pub user: String,
    /// The user's rhythm so far.
    #[serde(flatten)]
    pub visit: Visit,
    /// The probability that the user is still active.
    pub active: f64,
    /// Expected days with events within the horizon.
    pub expected: f64,
}

/// What is to come from the users of a log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CustomerForecasts {
    /// How users come back and leave.
    pub model: BgNbd,
    /// Days that are looked ahead.
    pub horizon_days: f64,
    /// All users, in the log's order.
    pub users: Vec<CustomerForecast>,
}

/// Fits the users' rhythms up to the end of a log, and looks some days ahead.
///
/// # Errors
/// [`Error::Empty`] where no user came back on another day.
pub fn customer_forecasts(log: &EventLog, horizon_days: f64) -> Result<CustomerForecasts> {
    let end = log.span().map_or(Timestamp::from_millis(0), |(_, last)| last);
    let model = BgNbd::fit(&Visits::fit_partial(log, end)).map_err(|why| Error::Empty {
        what: format!("no forecast: {why}"),
        remedy: "Give a log in which some users have events on several days".to_owned(),
    })?;
    let histories: Vec<_> = log.histories().collect();
    let of_user = |(user, history): &(crate::events::UserId, crate::events::History<'_>)| {
        let visit = Visit::of(*history, end)?;
        Some(CustomerForecast {
            user: log.users().name(user.index()).to_owned(),
            visit,
            active: model.active(&visit),
            expected: model.expected(&visit, horizon_days),
        })
    };
    let users = histories.par_iter().filter_map(of_user).collect();
    Ok(CustomerForecasts { model, horizon_days, users })
}

impl CustomerForecasts {
    /// The users as a table.
    ///
    /// # Errors
    /// [`Error::Limit`] when the table is too large for one batch.
    pub fn table(&self) -> Result<RecordBatch> {
        let number = |value: fn(&CustomerForecast) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(self.users.iter().map(value)))
        };
        let columns: [(&str, ArrayRef); 6] = [
            ("user", Arc::new(StringArray::from_iter_values(self.users.iter().map(|own| &own.user)))),
            (
                "repeats",
                Arc::new(UInt32Array::from_iter_values(self.users.iter().map(|own| own.visit.repeats))),
            ),
            ("recency_days", number(|own| own.visit.recency_days)),
            ("age_days", number(|own| own.visit.age_days)),
            ("active", number(|own| own.active)),
            ("expected", number(|own| own.expected)),
        ];
        RecordBatch::try_from_iter(columns).map_err(|_| Error::Limit {
            what: "users of one table of forecasts",
            limit: u64::from(u32::MAX),
            got: self.users.len() as u64,
            remedy: "Give fewer users at once",
        })
    }
}
