//! Numbers as people read them.
//!
//! What is not a number is shown as a dash, never as `NaN`: a report must not look broken because one model failed.

use crate::eval::Estimate;

/// Shown where there is no number.
pub(super) const DASH: &str = "–";

/// A count with thin spaces between the thousands.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let lead = digits.len() % 3;
    let mut text = String::with_capacity(digits.len() * 2);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && place % 3 == lead {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A count in at most four characters: `950`, `1.2k`, `35k`, `4.1M`.
pub(super) fn short_count(number: f64) -> String {
    let scales = [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")];
    match scales.into_iter().find(|(scale, _)| number >= *scale) {
        Some((scale, unit)) if number < 10.0 * scale => format!("{}{unit}", trimmed(number / scale, 1)),
        Some((scale, unit)) => format!("{:.0}{unit}", number / scale),
        None => trimmed(number, 2),
    }
}

/// A number with at most so many decimals, without trailing zeros.
pub(super) fn trimmed(number: f64, decimals: usize) -> String {
    if !number.is_finite() {
        return DASH.into();
    }
    let text = format!("{number:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".into() } else { minus(text) }
}

/// A metric, with four decimals.
pub(super) fn metric(value: f64) -> String {
    if value.is_finite() { minus(&format!("{value:.4}")) } else { DASH.into() }
}

/// A score or a share of one: three digits that count.
pub(super) fn score(value: f64) -> String {
    if !value.is_finite() {
        return DASH.into();
    }
    trimmed(value, decimals(value))
}

/// A difference of metrics, with its sign.
pub(super) fn signed_metric(value: f64) -> String {
    signed(value, 4)
}

/// A number of so many decimals, with its sign.
pub(super) fn signed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return DASH.into();
    }
    let text = format!("{value:+.decimals$}");
    let zero = text.chars().all(|c| matches!(c, '+' | '-' | '0' | '.'));
    if zero { text.trim_start_matches(['+', '-']).into() } else { minus(&text) }
}

/// Decimals that leave three digits of a number that count.
pub(super) fn decimals(greatest: f64) -> usize {
    if greatest.is_finite() {
        (2.0 - greatest.abs().max(1e-9).log10().floor()).clamp(0.0, 6.0) as usize
    } else {
        3
    }
}

/// Whether an estimate has an interval; two equal ends are none.
pub(super) fn has_interval(estimate: Estimate) -> bool {
    estimate.lo.is_finite() && estimate.hi.is_finite() && estimate.lo < estimate.hi
}

/// The ends of an interval, if there is one.
pub(super) fn interval(estimate: Estimate) -> Option<String> {
    has_interval(estimate).then(|| format!("{} to {}", metric(estimate.lo), metric(estimate.hi)))
}

/// A length of time in the unit that suits it: `40 s`, `35 min`, `12 h`, `3.5 days`, `2.1 years`.
pub(super) fn duration(days: f64) -> String {
    let units = [(365.25, "years"), (1.0, "days"), (1.0 / 24.0, "h"), (1.0 / 1440.0, "min")];
    if !days.is_finite() {
        return DASH.into();
    }
    // Two years are clearer as years, 18 months as days; below that a unit serves from 1.5 of it on.
    let serves = |scale: f64| days >= scale * if scale > 300.0 { 2.0 } else { 1.5 };
    let (scale, unit) = units.into_iter().find(|(scale, _)| serves(*scale)).unwrap_or((1.0 / 86_400.0, "s"));
    let number = days / scale;
    format!("{} {unit}", trimmed(number, usize::from(number < 10.0)))
}

/// A length of time in seconds: `350 µs` to `12 min`.
pub(super) fn seconds(seconds: f64) -> String {
    match seconds {
        s if !s.is_finite() || s < 0.0 => DASH.into(),
        s if s < 1e-3 => format!("{} µs", score(s * 1e6)),
        s if s < 1.0 => format!("{} ms", score(s * 1e3)),
        s if s < 120.0 => format!("{} s", score(s)),
        s => format!("{} min", score(s / 60.0)),
    }
}

fn minus(text: &str) -> String {
    text.replace('-', "\u{2212}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(count(12), "12");
        assert_eq!(
            ["0", "950", "1.2k", "35k", "4M"],
            [0.0, 950.0, 1200.0, 35_000.0, 4e6].map(short_count).as_slice()
        );
        assert_eq!([metric(0.25), metric(f64::NAN), metric(-0.5)], ["0.2500", "–", "\u{2212}0.5000"]);
        assert_eq!(
            ["0.0123", "12.3", "1235", "–"],
            [0.01234, 12.34, 1234.6, f64::INFINITY].map(score).as_slice()
        );
    }

    #[test]
    fn durations_take_the_unit_that_suits() {
        let read = [0.0005, 0.02, 0.5, 1.0, 3.54, 40.2, 500.0, 1000.0].map(duration);
        assert_eq!(read, ["43 s", "29 min", "12 h", "24 h", "3.5 days", "40 days", "500 days", "2.7 years"]);
        assert_eq!([0.0003, 0.25, 3.0, 600.0, -1.0].map(seconds), ["300 µs", "250 ms", "3 s", "10 min", "–"]);
    }
}
