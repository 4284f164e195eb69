//! What `wane forecast` says of users, for people.

use wane::decay::activity::Conversion;
use wane::decay::survival::Parameter;
use wane::events::format_days;
use wane::pipeline::{Compared, CustomerForecast, CustomerForecasts, ValueModel};

use crate::terminal::{count, table};

/// Correlation of frequency and value above which the forecast of values says that it assumed none.
const CORRELATED: f64 = 0.3;
/// What is said of a fit that a prior had to hold.
const HELD: &str = "so little to go by that a prior holds it";

/// What was found: counts, the law with its parameters, values, and the users of whom most is to come.
pub(crate) fn words(found: &CustomerForecasts, show: usize) -> String {
    let sum = |value: fn(&CustomerForecast) -> f64| found.users.iter().map(value).sum::<f64>();
    let mut text = format!(
        "{} users: {:.0} are still active, {:.0} visits are to come in {}",
        count(found.users.len() as u64),
        sum(|own| own.active),
        sum(|own| own.expected),
        format_days(found.horizon_days),
    );
    if found.values.is_some() {
        let worth = sum(|own| own.worth.map_or(0.0, |worth| worth.expected_value));
        text += &format!(", worth {worth:.0}");
    }
    text += &format!(
        "\n\nHow they come back and leave: {}\n{}",
        law_words(found),
        numbers(found.model.parameters())
    );
    if let Some(values) = &found.values {
        text += &format!("\n\n{}", value_words(values));
    }
    if let Some(why) = &found.no_values {
        text += &format!("\n\nNo value is forecast: {why}");
    }
    text + &format!("\n\nThose of whom most is to come\n{}", best(found, show))
}

/// The law, and how likely it and the other make the log.
fn law_words(found: &CustomerForecasts) -> String {
    let likelihood = |own: &Compared| match (own.log_likelihood, &own.no_fit) {
        (Some(log_likelihood), _) => format!("{} {log_likelihood:.2}", own.law),
        (None, why) => format!("{} has no fit: {}", own.law, why.as_deref().unwrap_or_default()),
    };
    let own = found.model.log_likelihood();
    let others = || found.compared.iter().filter(|other| other.law != found.model.law());
    let is_likelier = others().all(|other| other.log_likelihood.is_none_or(|other| other <= own));
    let compared: Vec<String> = found.compared.iter().map(likelihood).collect();
    format!(
        "{}, {} (log-likelihood {}){}",
        found.model.law(),
        if is_likelier { "the likelier law" } else { "as asked for; the other law is likelier" },
        compared.join(", "),
        if found.model.is_held() { format!("; {HELD}") } else { String::new() },
    )
}

/// What a visit is worth, and what to know before believing it.
fn value_words(values: &ValueModel) -> String {
    let held = if values.value.is_held { format!("; {HELD}") } else { String::new() };
    let mut text = format!("What a visit is worth: gamma-gamma{held}\n{}", numbers(&values.value.parameters));
    if let Conversion::Beta { parameters: [a, b], is_held } = &values.conversion {
        text += &format!(
            "\n{:.1} % of visits have a value. How likely the next one has is each user's own (beta-binomial, a {:.4}, b {:.4}{}).",
            100.0 * values.share_with_value,
            a.value,
            b.value,
            if *is_held { format!("; {HELD}") } else { String::new() },
        );
    }
    if values.events_not_above_zero > 0 {
        text += &format!(
            "\n{} events have a value not above 0, such as returns: they lessen their day, and a day whose sum is not above 0 is a visit \
             without value.",
            count(values.events_not_above_zero)
        );
    }
    text + "\n" + &correlation_words(values.correlation)
}

fn correlation_words(correlation: Option<f64>) -> String {
    let Some(correlation) = correlation else {
        return "Frequency and value do not both vary, so nothing is known of their correlation; the model takes it to be 0."
            .to_owned();
    };
    let known = format!("Correlation of frequency and value: {correlation:.2}; the model takes it to be 0");
    if correlation.abs() <= CORRELATED {
        return known + ".";
    }
    let (often, seldom) = if correlation > 0.0 { ("low", "high") } else { ("high", "low") };
    format!(
        "{known}.\nWarning: it is not. Expect values to be too {often} for users who come often and too {seldom} for those who seldom do."
    )
}

fn best(found: &CustomerForecasts, show: usize) -> String {
    let mut best: Vec<_> = found.users.iter().collect();
    best.sort_by(|one, other| {
        other.expected.total_cmp(&one.expected).then_with(|| one.user.cmp(&other.user))
    });
    best.truncate(show);
    let rows = best.iter().map(|own| {
        let mut row = vec![
            own.user.clone(),
            own.visit.repeats.to_string(),
            format_days(own.visit.age_days - own.visit.recency_days),
            format!("{:.1} %", 100.0 * own.active),
            format!("{:.2}", own.expected),
        ];
        if let Some(worth) = own.worth {
            row.extend([worth.value_per_visit, worth.expected_value].map(|value| format!("{value:.2}")));
        }
        row
    });
    let head = ["user", "repeats", "last seen", "active", "to come", "value per visit", "value to come"];
    table(if found.values.is_some() { &head } else { &head[..5] }, rows)
}

fn numbers(parameters: &[Parameter]) -> String {
    let rows = parameters.iter().map(|parameter| {
        vec![
            parameter.name.to_owned(),
            format!("{:.4}", parameter.value),
            format!("{:.4}", parameter.standard_error),
        ]
    });
    table(&["parameter", "estimate", "standard error"], rows)
}
