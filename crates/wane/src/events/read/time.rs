//! Times: dates, date-times and epoch numbers become milliseconds.
//!
//! Whether a column holds text or numbers, and of which unit, is decided once from its first rows. A row of another
//! kind is then rejected instead of rescaled: a second taken for a millisecond would move an event by decades.
//!
//! - `YYYY-MM-DD`, with `T` or a blank `HH`, `HH:MM`, `HH:MM:SS` or `HH:MM:SS.f…`, with or without `Z`, `+HH:MM`,
//!   `+HHMM` or `+HH`; without a zone it is UTC.
//! - numbers by magnitude: below 1e11 seconds, below 1e14 milliseconds, below 1e17 microseconds, else nanoseconds
//!   (1e11 seconds is the year 5138, 1e11 milliseconds is 1973).

use serde::{Deserialize, Serialize};

use super::reason::Reason;
use crate::events::{MILLIS_PER_DAY, Timestamp};

/// 9999-12-31T23:59:59.999Z: the last moment that RFC 3339 can write.
const LAST_MILLIS: i64 = 253_402_300_799_999;

/// Unit of an epoch time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimeUnit {
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Millis,
    /// Microseconds.
    #[serde(rename = "us")]
    Micros,
    /// Nanoseconds.
    #[serde(rename = "ns")]
    Nanos,
}

impl TimeUnit {
    fn of(value: i64) -> Self {
        match value.unsigned_abs() {
            0..100_000_000_000 => Self::Seconds,
            100_000_000_000..100_000_000_000_000 => Self::Millis,
            100_000_000_000_000..100_000_000_000_000_000 => Self::Micros,
            _ => Self::Nanos,
        }
    }

    /// The unit in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seconds => "epoch seconds",
            Self::Millis => "epoch milliseconds",
            Self::Micros => "epoch microseconds",
            Self::Nanos => "epoch nanoseconds",
        }
    }
}

/// An epoch time as it is written: whole units, and thousandths of a unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct EpochNumber {
    pub(super) whole: i64,
    pub(super) thousandths: i64,
}

/// How the times of one column are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeForm {
    Text,
    Epoch(TimeUnit),
}

impl TimeForm {
    /// The commonest form among sampled cells; text wins a tie, then the finer unit.
    pub(super) fn detect<'a>(cells: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut counts = [0usize; 5];
        for cell in cells {
            match epoch_number(cell) {
                Ok(number) => counts[TimeUnit::of(number.whole) as usize] += 1,
                Err(_) if date_time(cell).is_ok() => counts[4] += 1,
                Err(_) => {}
            }
        }
        let forms = [TimeUnit::Seconds, TimeUnit::Millis, TimeUnit::Micros, TimeUnit::Nanos];
        match (0..5).max_by_key(|&form| counts[form]) {
            Some(form) if form < 4 => Self::Epoch(forms[form]),
            _ => Self::Text,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Text => "date and time (UTC where no zone is written)",
            Self::Epoch(unit) => unit.name(),
        }
    }
}

/// Reads the times of one column.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeReader {
    pub(super) form: TimeForm,
    /// The caller named the unit: magnitudes are then not judged.
    pub(super) unit_is_given: bool,
    pub(super) not_after: i64,
}

impl TimeReader {
    /// The time of a text cell that is not empty.
    pub(super) fn text(&self, cell: &[u8]) -> Result<i64, Reason> {
        match self.form {
            TimeForm::Text => match date_time(cell) {
                Ok(millis) => self.in_range(millis),
                Err(_) if epoch_number(cell).is_ok() => Err(Reason::MixedUnits),
                Err(reason) => Err(reason),
            },
            TimeForm::Epoch(_) => match epoch_number(cell) {
                Ok(number) => self.number(number),
                Err(_) if date_time(cell).is_ok() => Err(Reason::MixedUnits),
                Err(reason) => Err(reason),
            },
        }
    }

    /// The time of a cell that is a number.
    pub(super) fn number(&self, number: EpochNumber) -> Result<i64, Reason> {
        let TimeForm::Epoch(unit) = self.form else { return Err(Reason::MixedUnits) };
        if number.whole < 0 {
            return Err(Reason::Before1970);
        }
        if !self.unit_is_given && number.whole != 0 && TimeUnit::of(number.whole) != unit {
            return Err(Reason::MixedUnits);
        }
        let millis = match unit {
            TimeUnit::Seconds => number.whole.checked_mul(1000).ok_or(Reason::TimeOutOfRange)?,
            TimeUnit::Millis => number.whole,
            TimeUnit::Micros => number.whole / 1000,
            TimeUnit::Nanos => number.whole / 1_000_000,
        };
        let part = if unit == TimeUnit::Seconds { number.thousandths } else { 0 };
        self.in_range(millis.saturating_add(part))
    }

    /// A moment, if it is between 1970 and 9999 and not in the future.
    pub(super) fn in_range(&self, millis: i64) -> Result<i64, Reason> {
        match millis {
            ..0 => Err(Reason::Before1970),
            _ if millis > LAST_MILLIS => Err(Reason::TimeOutOfRange),
            _ if millis > self.not_after => Err(Reason::Future),
            _ => Ok(millis),
        }
    }
}

/// Reads a decimal number, with an optional fraction or exponent.
pub(super) fn epoch_number(cell: &[u8]) -> Result<EpochNumber, Reason> {
    let (negative, digits) = match cell {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    let whole_len = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (whole, rest) = digits.split_at(whole_len);
    let fraction = match rest {
        [] => &[],
        [b'.', fraction @ ..] if fraction.iter().all(u8::is_ascii_digit) => fraction,
        _ => return scientific(cell),
    };
    if whole.is_empty() {
        return Err(Reason::BadTime);
    }
    let add = |sum: i64, digit: &u8| sum.checked_mul(10)?.checked_add(i64::from(digit - b'0'));
    let whole = whole.iter().try_fold(0, add).ok_or(Reason::TimeOutOfRange)?;
    let digit = |place: usize| fraction.get(place).map_or(0, |digit| i64::from(digit - b'0'));
    let thousandths = digit(0) * 100 + digit(1) * 10 + digit(2);
    Ok(EpochNumber { whole: if negative { -whole } else { whole }, thousandths })
}

/// A number with an exponent, as spreadsheets and data frames write large ones (`1.5935E9`).
fn scientific(cell: &[u8]) -> Result<EpochNumber, Reason> {
    let has_exponent = cell.iter().any(|byte| matches!(byte, b'e' | b'E'));
    let starts_as_number =
        cell.first().is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+'));
    let text = std::str::from_utf8(cell).ok().filter(|_| has_exponent && starts_as_number);
    let value: f64 = text.and_then(|text| text.parse().ok()).ok_or(Reason::BadTime)?;
    epoch_float(value)
}

/// An epoch time that was stored as a float.
pub(super) fn epoch_float(value: f64) -> Result<EpochNumber, Reason> {
    if !value.is_finite() {
        return Err(Reason::BadTime);
    }
    if value.abs() >= 9.2e18 {
        return Err(Reason::TimeOutOfRange);
    }
    // In range of i64 by the check above.
    Ok(EpochNumber {
        whole: value.floor() as i64,
        thousandths: ((value - value.floor()) * 1000.0).round() as i64,
    })
}

/// The moment that a text names: a date, a date-time or an epoch number, whose unit its magnitude tells.
///
/// ```
/// use wane::events::read::parse_time;
/// let time = parse_time("2020-06-30T17:04:47Z").unwrap();
/// assert_eq!((time.millis(), parse_time("1593536687")), (1_593_536_687_000, Some(time)));
/// assert_eq!(parse_time("yesterday"), None);
/// ```
pub fn parse_time(text: &str) -> Option<Timestamp> {
    let cell = text.trim().as_bytes();
    let form = TimeForm::detect(std::iter::once(cell));
    let reader = TimeReader { form, unit_is_given: false, not_after: i64::MAX };
    reader.text(cell).ok().map(Timestamp::from_millis)
}

/// Milliseconds of a date or date-time; see the module's documentation for its forms.
pub(super) fn date_time(cell: &[u8]) -> Result<i64, Reason> {
    let mut text = Scanner { rest: cell };
    let (year, month, day) = (text.number(4)?, text.after(b"-")?.number(2)?, text.after(b"-")?.number(2)?);
    let days = days_from_civil(year, month, day).ok_or(Reason::BadTime)?;
    if text.rest.is_empty() {
        return Ok(days * MILLIS_PER_DAY);
    }
    let hour = text.after(b"T t")?.number(2)?;
    let (mut minute, mut second, mut millis) = (0, 0, 0);
    if text.skip(b":") {
        minute = text.number(2)?;
        if text.skip(b":") {
            second = text.number(2)?;
            if text.skip(b".,") {
                millis = text.fraction()?;
            }
        }
    }
    let offset = text.offset_minutes()?;
    // A leap second (60) is the last millisecond-second before midnight in every clock that counts epochs.
    if hour > 23 || minute > 59 || second > 60 || !text.rest.is_empty() {
        return Err(Reason::BadTime);
    }
    let seconds = (hour * 60 + minute - offset) * 60 + second.min(59);
    Ok(days * MILLIS_PER_DAY + seconds * 1000 + millis)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar (years counted from March, in eras of 400 years).
fn days_from_civil(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
}

/// What is left of a time's text.
struct Scanner<'a> {
    rest: &'a [u8],
}

impl Scanner<'_> {
    fn number(&mut self, digits: usize) -> Result<i64, Reason> {
        let (number, rest) = self.rest.split_at_checked(digits).ok_or(Reason::BadTime)?;
        self.rest = rest;
        number.iter().try_fold(0, |sum, &byte| match byte {
            b'0'..=b'9' => Ok(sum * 10 + i64::from(byte - b'0')),
            _ => Err(Reason::BadTime),
        })
    }

    fn skip(&mut self, any_of: &[u8]) -> bool {
        match self.rest {
            [first, rest @ ..] if any_of.contains(first) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn after(&mut self, any_of: &[u8]) -> Result<&mut Self, Reason> {
        if self.skip(any_of) { Ok(self) } else { Err(Reason::BadTime) }
    }

    /// Milliseconds of a fraction of a second, cut after three digits.
    fn fraction(&mut self) -> Result<i64, Reason> {
        let len = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at(len);
        self.rest = rest;
        let digit = |place: usize| digits.get(place).map_or(0, |digit| i64::from(digit - b'0'));
        if digits.is_empty() { Err(Reason::BadTime) } else { Ok(digit(0) * 100 + digit(1) * 10 + digit(2)) }
    }

    /// The zone in minutes east of UTC.
    fn offset_minutes(&mut self) -> Result<i64, Reason> {
        if self.skip(b" ") && self.rest.starts_with(b"UTC") {
            self.rest = &self.rest[3..];
            return Ok(0);
        }
        if self.skip(b"Zz") || self.rest.is_empty() {
            return Ok(0);
        }
        let sign = if self.skip(b"+") { 1 } else { self.after(b"-").map(|_| -1)? };
        let hours = self.number(2)?;
        let minutes = if self.skip(b":") || !self.rest.is_empty() { self.number(2)? } else { 0 };
        if hours > 23 || minutes > 59 { Err(Reason::BadTime) } else { Ok(sign * (hours * 60 + minutes)) }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use proptest::prelude::*;

    use super::*;

    fn read(cells: &[&str], cell: &str) -> Result<i64, Reason> {
        let form = TimeForm::detect(cells.iter().map(|cell| cell.as_bytes()));
        TimeReader { form, unit_is_given: false, not_after: i64::MAX }.text(cell.as_bytes())
    }

    proptest! {
        #[test]
        fn date_times_are_read_as_chrono_writes_them(millis in 0..LAST_MILLIS, zone in -14 * 60..14 * 60i32) {
            let time = DateTime::from_timestamp_millis(millis).unwrap();
            prop_assert_eq!(date_time(time.to_rfc3339().as_bytes()), Ok(millis));
            let local = time.naive_utc() + TimeDelta::minutes(zone.into());
            let sign = if zone < 0 { '-' } else { '+' };
            let zone = format!("{sign}{:02}:{:02}", zone.abs() / 60, zone.abs() % 60);
            if local.format("%Y").to_string().len() == 4 {
                let text = format!("{}{zone}", local.format("%Y-%m-%d %H:%M:%S%.3f"));
                prop_assert_eq!(date_time(text.as_bytes()), Ok(millis));
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,30}") {
            let _ = (date_time(text.as_bytes()), epoch_number(text.as_bytes()));
        }
    }

    #[test]
    fn short_forms_and_broken_ones() {
        let day = date_time(b"2014-12-06").unwrap();
        assert_eq!(date_time(b"2014-12-06 02"), Ok(day + 2 * 3_600_000));
        assert_eq!(date_time(b"2014-12-06T02:30"), Ok(day + 9_000_000));
        assert_eq!(date_time(b"2014-12-06 02:30:00.5 UTC"), Ok(day + 9_000_500));
        for broken in
            ["2014-13-01", "2015-02-29", "2014-12-06 25:00", "06.12.2014", "2014-12-06x", "", "2014"]
        {
            assert_eq!(date_time(broken.as_bytes()), Err(Reason::BadTime), "{broken}");
        }
    }

    #[test]
    fn the_unit_comes_from_the_magnitude() {
        for (cell, millis) in [
            ("1593536687", 1_593_536_687_000),
            ("1593536687.25", 1_593_536_687_250),
            ("1.593536687E9", 1_593_536_687_000),
            ("1593536687123", 1_593_536_687_123),
            ("1593536687123456", 1_593_536_687_123),
            ("1593536687123456789", 1_593_536_687_123),
            ("0", 0),
        ] {
            assert_eq!(read(&[cell], cell), Ok(millis), "{cell}");
        }
    }

    #[test]
    fn another_magnitude_is_rejected_and_not_rescaled() {
        let seconds = ["1593536687", "1593536688", "1593536687123"];
        assert_eq!(read(&seconds, "1593536687123"), Err(Reason::MixedUnits));
        assert_eq!(read(&seconds, "2020-01-01"), Err(Reason::MixedUnits));
        assert_eq!(read(&["2020-01-01"], "1593536687"), Err(Reason::MixedUnits));
        assert_eq!(read(&seconds, "-5"), Err(Reason::Before1970));
        assert_eq!(read(&seconds, "99999999999999999999"), Err(Reason::TimeOutOfRange));
        assert_eq!(read(&seconds, "nan"), Err(Reason::BadTime));
    }
}
