//! Who is still a customer, how many visits are to come from each, and what these are worth.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array};
use rayon::prelude::*;
use serde::Serialize;

use crate::decay::activity::{
    Activity, ActivityLaw, Conversion, GammaGamma, NoFit, Spending, Spent, Visit, Visits,
};
use crate::error::{Error, Result};
use crate::events::{EventLog, History, Timestamp, UserId};

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
    /// What these are worth, where the log has values.
    #[serde(flatten)]
    pub worth: Option<Worth>,
}

/// What the visits to come are worth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Worth {
    /// Expected value of a visit.
    pub value_per_visit: f64,
    /// Expected value of all visits within the horizon.
    pub expected_value: f64,
}

/// How well a law explains the log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// The law.
    pub law: ActivityLaw,
    /// Logarithm of its likelihood, where it has a fit.
    pub log_likelihood: Option<f64>,
    /// Why it has none.
    pub no_fit: Option<String>,
}

/// What visits are worth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ValueModel {
    /// The value of a visit that has one.
    pub value: GammaGamma,
    /// How likely a visit has one.
    pub conversion: Conversion,
    /// Correlation between the number of a user's visits with value and their mean value, which `value` takes to be 0.
    pub correlation: Option<f64>,
    /// Share of all visits that have a value above 0.
    pub share_with_value: f64,
    /// Events with a value that is not above 0: they lessen the value of their day.
    pub events_not_above_zero: u64,
}

/// What is to come from the users of a log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CustomerForecasts {
    /// How users come back and leave.
    pub model: Activity,
    /// All laws with their likelihoods.
    pub compared: Vec<Compared>,
    /// What visits are worth, where the log has values.
    pub values: Option<ValueModel>,
    /// Why it cannot be said, although the log has values.
    pub no_values: Option<String>,
    /// Days that are looked ahead.
    pub horizon_days: f64,
    /// All users, in the log's order.
    pub users: Vec<CustomerForecast>,
}

/// Fits the users' rhythms up to the end of a log, by a law or by the likeliest of all, and looks some days ahead.
///
/// # Errors
/// [`Error::Empty`] where no user came back on another day.
pub fn customer_forecasts(
    log: &EventLog,
    horizon_days: f64,
    law: Option<ActivityLaw>,
) -> Result<CustomerForecasts> {
    let end = log.span().map_or(Timestamp::from_millis(0), |(_, last)| last);
    let (model, compared) = chosen(&Visits::fit_partial(log, end), law).map_err(|why| Error::Empty {
        what: format!("no forecast: {why}"),
        remedy: "Give a log in which some users have events on several days".to_owned(),
    })?;
    let (values, no_values) = match value_model(log).transpose() {
        Ok(values) => (values, None),
        Err(why) => (None, Some(why.to_string())),
    };
    let histories: Vec<_> = log.histories().collect();
    let of_user = |&(user, history): &(UserId, History<'_>)| {
        let visit = Visit::of(history, end)?;
        let expected = model.expected(&visit, horizon_days);
        let worth = values.as_ref().zip(Spent::of(history)).map(|(values, spent)| {
            let value_per_visit = values.conversion.share(&spent) * values.value.value_per_visit(&spent);
            Worth { value_per_visit, expected_value: expected * value_per_visit }
        });
        let user = log.users().name(user.index()).to_owned();
        Some(CustomerForecast { user, visit, active: model.active(&visit), expected, worth })
    };
    let users = histories.par_iter().filter_map(of_user).collect();
    Ok(CustomerForecasts { model, compared, values, no_values, horizon_days, users })
}

/// The law that was asked for, or the likeliest, and how all compare.
fn chosen(
    visits: &Visits,
    asked: Option<ActivityLaw>,
) -> std::result::Result<(Activity, Vec<Compared>), NoFit> {
    let fitted = ActivityLaw::ALL.map(|law| (law, Activity::fit(visits, law)));
    let compared = fitted.iter().map(|(law, fitted)| Compared {
        law: *law,
        log_likelihood: fitted.as_ref().ok().map(Activity::log_likelihood),
        no_fit: fitted.as_ref().err().map(NoFit::to_string),
    });
    let compared = compared.collect();
    let wanted = fitted.into_iter().filter(|(law, _)| asked.is_none_or(|asked| asked == *law));
    // A law without a fit is taken only where there is no other, for its reason.
    let likelihood = |fitted: &std::result::Result<Activity, NoFit>| {
        fitted.as_ref().map_or(f64::NEG_INFINITY, Activity::log_likelihood)
    };
    let best = wanted.map(|(_, fitted)| fitted).max_by(|a, b| likelihood(a).total_cmp(&likelihood(b)));
    Ok((best.unwrap_or(Err(NoFit::NoTop))?, compared))
}

/// What visits are worth; nothing where the log has no values.
fn value_model(log: &EventLog) -> Option<std::result::Result<ValueModel, NoFit>> {
    let values = log.events().values()?;
    let spending = Spending::fit_partial(log);
    let total = |number: fn(&Spent) -> u32| {
        spending.rows().map(|(spent, users)| f64::from(number(&spent)) * users as f64).sum::<f64>()
    };
    let fitted = GammaGamma::fit(&spending).and_then(|value| Ok((value, Conversion::fit(&spending)?)));
    Some(fitted.map(|(value, conversion)| ValueModel {
        value,
        conversion,
        correlation: spending.correlation(),
        share_with_value: total(|spent| spent.days_with_value) / total(|spent| spent.days),
        events_not_above_zero: values.iter().filter(|value| **value <= 0.0).count() as u64,
    }))
}

impl CustomerForecasts {
    /// The users as a table; with the columns of values where the log has them.
    ///
    /// # Errors
    /// [`Error::Limit`] when the table is too large for one batch.
    pub fn table(&self) -> Result<RecordBatch> {
        let number = |value: fn(&CustomerForecast) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(self.users.iter().map(value)))
        };
        let worth = |value: fn(&Worth) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from_iter(self.users.iter().map(|own| own.worth.as_ref().map(value))))
        };
        let mut columns: Vec<(&str, ArrayRef)> = vec![
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
        if self.values.is_some() {
            columns.push(("value_per_visit", worth(|own| own.value_per_visit)));
            columns.push(("expected_value", worth(|own| own.expected_value)));
        }
        RecordBatch::try_from_iter(columns).map_err(|_| Error::Limit {
            what: "users of one table of forecasts",
            limit: u64::from(u32::MAX),
            got: self.users.len() as u64,
            remedy: "Give fewer users at once",
        })
    }
}
