//! Lengths of time as people write them: `30m`, `12h`, `14d`, `8w`.

use crate::error::{Error, Result};

/// Units in days; seconds, minutes, hours, days, weeks.
const UNITS: [(char, f64); 5] =
    [('s', 1.0 / 86_400.0), ('m', 1.0 / 1_440.0), ('h', 1.0 / 24.0), ('d', 1.0), ('w', 7.0)];

/// Reads a duration and gives it in days.
///
/// # Errors
/// [`Error::Setting`] under the given setting's name unless the text is a number above 0 with a unit.
pub fn parse_days(setting: &str, text: &str) -> Result<f64> {
    let bad = || Error::setting(setting, "a duration such as 30m, 12h, 14d or 8w", text);
    let text = text.trim();
    let unit = text.chars().next_back().ok_or_else(bad)?;
    let (_, days) = UNITS.iter().find(|(letter, _)| *letter == unit).ok_or_else(bad)?;
    let number: f64 = text.trim_end_matches(unit).trim().parse().map_err(|_| bad())?;
    let days = number * days;
    if days.is_finite() && days > 0.0 { Ok(days) } else { Err(bad()) }
}

/// Writes a number of days in the largest unit that keeps it above one: `1.5 h`, `14 d`, `2.3 y`.
pub fn format_days(days: f64) -> String {
    let (number, unit) = match days {
        d if d >= 730.0 => (d / 365.25, "y"),
        d if d >= 1.0 => (d, "d"),
        d if d >= 1.0 / 24.0 => (d * 24.0, "h"),
        d if d >= 1.0 / 1_440.0 => (d * 1_440.0, "min"),
        d => (d * 86_400.0, "s"),
    };
    let digits = if number >= 100.0 || (number - number.round()).abs() < 5e-3 { 0 } else { 1 };
    format!("{number:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_days() {
        for (text, days) in
            [("90s", 1.0 / 960.0), ("30m", 1.0 / 48.0), ("12h", 0.5), ("14d", 14.0), ("8w", 56.0)]
        {
            assert!((parse_days("x", text).unwrap() - days).abs() < 1e-12, "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_by_name() {
        for text in ["", "d", "-3d", "7", "1.2.3h", "inf d", "3µ"] {
            let message = parse_days("half_life", text).unwrap_err().to_string();
            assert!(message.starts_with("setting `half_life`: expected a duration"), "{message}");
        }
    }

    #[test]
    fn days_are_written_in_a_fitting_unit() {
        let written: Vec<_> = [1e-4, 0.01, 0.5, 14.0, 45.25, 900.0].map(format_days).into();
        assert_eq!(written, ["8.6 s", "14.4 min", "12 h", "14 d", "45.2 d", "2.5 y"]);
    }
}
