//! When an item came into the shop: dates as catalogues write them.
//!
//! Unlike the time of an event this may be long before 1970 (a film, a book), and a bare year is common.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

use crate::events::Timestamp;

/// Date and time without a zone; taken as UTC.
const DATE_TIMES: [&str; 4] =
    ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"];
/// Dates; `22 Nov 1995`, `22-Nov-1995` and `Nov 22, 1995` among them.
const DATES: [&str; 5] = ["%Y-%m-%d", "%Y/%m/%d", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y"];

/// Reads a date, a date with time, a year, or an epoch number whose unit is told by its magnitude.
pub fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i64>() {
        return from_number(number);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(Timestamp::from_millis(time.timestamp_millis()));
    }
    let with_time = DATE_TIMES.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let on_day =
        || DATES.iter().find_map(|form| NaiveDate::parse_from_str(text, form).ok()?.and_hms_opt(0, 0, 0));
    with_time.or_else(on_day).map(|time| Timestamp::from_millis(time.and_utc().timestamp_millis()))
}

fn from_number(number: i64) -> Option<Timestamp> {
    if (1500..=2200).contains(&number) {
        let year = NaiveDate::from_ymd_opt(i32::try_from(number).ok()?, 1, 1)?.and_hms_opt(0, 0, 0)?;
        return Some(Timestamp::from_millis(year.and_utc().timestamp_millis()));
    }
    let millis = match number.unsigned_abs() {
        0..100_000_000_000 => number * 1000,
        100_000_000_000..100_000_000_000_000 => number,
        100_000_000_000_000..100_000_000_000_000_000 => number / 1000,
        _ => number / 1_000_000,
    };
    Some(Timestamp::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_catalogues_write_them() {
        let read = |text| parse(text).map(|time| time.to_string());
        for text in
            ["1995-11-22", "22 Nov 1995", "22-Nov-1995", "1995-11-22 00:00:00", "816998400", "816998400000"]
        {
            assert_eq!(read(text).as_deref(), Some("1995-11-22T00:00:00Z"), "{text}");
        }
        assert_eq!(read("1937").as_deref(), Some("1937-01-01T00:00:00Z"));
        assert_eq!(read("1995-11-22T01:00:00+01:00").as_deref(), Some("1995-11-22T00:00:00Z"));
        assert_eq!(read("soon"), None);
    }
}
