//! What a report shows, as plain data.
//!
//! The page is drawn from this and from nothing else, so it can be filled from an evaluation, from a saved file or by
//! hand. Every part may be empty: its section is then left out. Texts are shown as they are, whoever wrote them.

use crate::eval::{Estimate, ForecastResult, Severity};
use crate::events::Timestamp;

/// One report.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// Heading of the page.
    pub title: String,
    /// The files that the log was read from.
    pub files: Vec<String>,
    /// How the log was split and judged, in sentences.
    pub protocol: Vec<String>,
    /// The shape of the log.
    pub overview: Overview,
    /// What became of every row of the files.
    pub rows: RowAccount,
    /// What the comparison may have known too early.
    pub leakage: Vec<Remark>,
    /// The metric of the headline and the bar chart, such as `ndcg@10`; empty for that.
    pub main_metric: String,
    /// Name of the model that the others are compared with.
    pub reference: Option<String>,
    /// The models, in any order.
    pub models: Vec<Model>,
    /// Decay laws to draw.
    pub laws: Vec<Law>,
    /// Fitted half-lives beside the true ones, where these are known.
    pub truth: Vec<TruthRow>,
    /// Half-lives of return.
    pub returns: Vec<ReturnCell>,
    /// One user's interests, the likeliest first.
    pub interests: Vec<InterestCourse>,
    /// How good forecasts are, the one that is judged first.
    pub forecasts: Vec<ForecastResult>,
    /// Some users with their histories and lists.
    pub users: Vec<ExampleUser>,
    /// Settings and versions, by name.
    pub settings: Vec<(String, String)>,
}

/// The shape of the log.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Overview {
    /// Number of events.
    pub events: u64,
    /// Number of users.
    pub users: u64,
    /// Number of items.
    pub items: u64,
    /// First and last event.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Events by type, in any order.
    pub types: Vec<TypeSeries>,
    /// Gaps between successive events of a user, shortest first.
    pub gaps: Vec<Bin>,
    /// Users by their number of events, fewest first ([`Bin::doubling`]).
    pub events_per_user: Vec<Bin>,
    /// The items with most events, most first.
    pub top_items: Vec<Bin>,
}

/// Events of one type over time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TypeSeries {
    /// The event type.
    pub name: String,
    /// Number of events.
    pub events: u64,
    /// (any moment of a day, events on that day), in any order; days without events may be left out.
    pub days: Vec<(Timestamp, u64)>,
}

/// A number with what it counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bin {
    /// What is counted.
    pub label: String,
    /// How many.
    pub count: u64,
}

/// What became of the rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowAccount {
    /// Rows read.
    pub read: u64,
    /// Rows that became events.
    pub accepted: u64,
    /// Rows that could not be understood, by reason.
    pub rejected: Vec<Bin>,
    /// Rows that were understood and left out (duplicates, bot-like users, thin support), by reason.
    pub dropped: Vec<Bin>,
}

/// One sentence of the leakage check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// How much it matters.
    pub severity: Severity,
    /// What was found.
    pub sentence: String,
}

/// One model's figures. Of every metric, more is better.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Model {
    /// The model's name.
    pub name: String,
    /// Wall time of the fit, in seconds.
    pub fit_seconds: f64,
    /// Median time to score one case, in microseconds.
    pub predict_us: f64,
    /// Metrics by name, such as `ndcg@10`.
    pub metrics: Vec<(String, Estimate)>,
    /// This model minus the reference, paired, by metric; empty where it was not worked out.
    pub difference: Vec<(String, Estimate)>,
    /// The same metrics over a part of the targets.
    pub parts: Vec<Part>,
    /// Metrics by the length of the list.
    pub curves: Vec<Curve>,
}

/// Metrics over a part of the targets, such as `repeat` or `cold-items`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Part {
    /// Name of the part.
    pub name: String,
    /// Targets in it.
    pub targets: u64,
    /// Metrics by name.
    pub metrics: Vec<(String, Estimate)>,
}

/// A metric by the length of the list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Curve {
    /// The metric without a cut, such as `ndcg`.
    pub metric: String,
    /// (cut, value) by rising cut.
    pub points: Vec<(u32, f64)>,
}

/// A decay law to draw.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Law {
    /// What decays, such as an event type.
    pub label: String,
    /// Age at which the weight has halved, in days.
    pub half_life_days: f64,
    /// (age in days, weight) by rising age.
    pub points: Vec<(f64, f64)>,
}

/// A fitted half-life beside the true one.
#[derive(Debug, Clone, PartialEq)]
pub struct TruthRow {
    /// What decays.
    pub label: String,
    /// The fitted half-life in days, with its interval.
    pub fitted: Estimate,
    /// The true half-life in days.
    pub truth: f64,
}

/// How soon users come back to one thing.
#[derive(Debug, Clone, PartialEq)]
pub struct ReturnCell {
    /// Event type and category.
    pub label: String,
    /// Gaps that were counted.
    pub gaps: u64,
    /// The half-life in days, with its interval; not a number where it is unknown.
    pub half_life: Estimate,
    /// The share that never comes back, where the law has one.
    pub never: Option<f64>,
    /// The law's name; empty for none.
    pub law: String,
    /// (age in days, share that has not come back, lower and upper end of its interval) by rising age.
    pub counted: Vec<(f64, f64, f64, f64)>,
    /// (age in days, the same share by the law) at the same ages.
    pub by_law: Vec<(f64, f64)>,
    /// How the pace of return went, where that was looked at.
    pub drift: Option<DriftCourse>,
}

/// The pace of return over the windows of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct DriftCourse {
    /// The probability of such differences if nothing had changed.
    pub p_value: f64,
    /// Returns per day of watching by (begin, end) of a window, oldest first.
    pub paces: Vec<((Timestamp, Timestamp), Estimate)>,
}

/// The course of one user's interest in one thing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InterestCourse {
    /// The thing.
    pub label: String,
    /// The probability of another event within the horizon.
    pub probability: f64,
    /// Days until what past events excite has halved, where they do.
    pub half_life_days: Option<f64>,
    /// (days from now, events per day), up to now.
    pub past: Vec<(f64, f64)>,
    /// The days to come.
    pub ahead: Vec<CourseAhead>,
    /// Days from now of the user's events, at most 0.
    pub events: Vec<f64>,
}

/// What is expected of a day to come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CourseAhead {
    /// Days from now.
    pub days: f64,
    /// Expected events per day.
    pub per_day: f64,
    /// Events until then, with the interval in which their number will lie.
    pub events: Estimate,
}

/// One user with a history and a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ExampleUser {
    /// The user's id.
    pub user: String,
    /// The moment of the question.
    pub as_of: Timestamp,
    /// The model that answered.
    pub model: String,
    /// Past events, in any order.
    pub history: Vec<PastEvent>,
    /// The list, best first.
    pub recommendations: Vec<Recommendation>,
}

/// One past event of an example user.
#[derive(Debug, Clone, PartialEq)]
pub struct PastEvent {
    /// Title or id of the item.
    pub item: String,
    /// What was done.
    pub event_type: String,
    /// When.
    pub time: Timestamp,
}

/// One item of an example user's list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recommendation {
    /// Title or id of the item.
    pub item: String,
    /// The score; with the parts below it is a sum.
    pub score: f64,
    /// What past events add, greatest first.
    pub reasons: Vec<Reason>,
    /// What else adds to the score, by name: `popularity`, `item`.
    pub remainders: Vec<(String, f64)>,
}

/// What one past event adds to a score.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reason {
    /// The event in words, such as `purchase of Coffee beans, 3 days ago`.
    pub label: String,
    /// What was done; gives the colour.
    pub event_type: String,
    /// What it adds to the score.
    pub share: f64,
}

impl Bin {
    /// Numbers counted in bins of doubling width: 1, 2, 3-4, 5-8, 9-16, … Zeros are not counted.
    pub fn doubling(numbers: impl IntoIterator<Item = u64>) -> Vec<Self> {
        let mut bins: Vec<Self> = Vec::new();
        for number in numbers.into_iter().filter(|number| *number > 0) {
            // The bin of n holds (2^(b-1), 2^b]: b is the number of bits of n - 1.
            let place = (u64::BITS - (number - 1).leading_zeros()) as usize;
            while bins.len() <= place {
                bins.push(Self { label: doubling_label(bins.len()), count: 0 });
            }
            if let Some(bin) = bins.get_mut(place) {
                bin.count += 1;
            }
        }
        bins
    }
}

fn doubling_label(place: usize) -> String {
    match place {
        0 => "1".into(),
        1 => "2".into(),
        _ => format!("{}–{}", (1u128 << (place - 1)) + 1, 1u128 << place),
    }
}

impl Report {
    /// The metric of the headline.
    pub(super) fn metric(&self) -> &str {
        if self.main_metric.is_empty() { "ndcg@10" } else { &self.main_metric }
    }

    /// The models with the best of the main metric first; those without it last, by name.
    pub(super) fn ranked(&self) -> Vec<&Model> {
        let metric = self.metric();
        let key = |model: &Model| model.metric(metric).map_or(f64::NEG_INFINITY, |estimate| estimate.value);
        let mut models: Vec<&Model> = self.models.iter().collect();
        models.sort_by(|a, b| key(b).total_cmp(&key(a)).then_with(|| a.name.cmp(&b.name)));
        models
    }
}

impl Model {
    /// A metric by name, if it was measured and is a number.
    pub(super) fn metric(&self, name: &str) -> Option<Estimate> {
        finite(&self.metrics, name)
    }
}

/// The estimate of this name, if it is a number.
pub(super) fn finite(metrics: &[(String, Estimate)], name: &str) -> Option<Estimate> {
    metrics.iter().find(|(own, _)| own == name).map(|(_, estimate)| *estimate).filter(|e| e.value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_double() {
        let bins = Bin::doubling([0, 1, 1, 2, 3, 4, 5, 8, 9, u64::MAX]);
        let counted: Vec<_> =
            bins.iter().filter(|bin| bin.count > 0).map(|bin| (bin.label.as_str(), bin.count)).collect();
        let last = "9223372036854775809–18446744073709551616";
        assert_eq!(counted, [("1", 2), ("2", 1), ("3–4", 2), ("5–8", 2), ("9–16", 1), (last, 1)]);
    }
}
