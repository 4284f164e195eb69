//! Events over time: one row of columns per event type, all over the same calendar.

use maud::{Markup, html};

use super::number::{count, short_count};
use super::svg::{Alt, block, clipped_text, rule, svg, text};
use super::view::TypeSeries;
use crate::events::{MILLIS_PER_DAY, Timestamp};

/// Columns at most; a longer calendar has wider columns.
const COLUMNS: i64 = 200;
/// Widths of a column that have a name.
const UNITS: [(i64, &str); 5] = [(1, "day"), (7, "week"), (28, "four weeks"), (91, "quarter"), (364, "year")];

const WIDTH: f64 = 960.0;
const LEFT: f64 = 168.0;
const RIGHT: f64 = 900.0;
const ROW: f64 = 58.0;

/// The calendar of a log, in columns of some days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Days {
    first: i64,
    columns: i64,
    /// Days per column.
    width: i64,
}

/// An event type with its colour.
#[derive(Debug, Clone)]
pub(super) struct TypeRow<'a> {
    pub(super) series: &'a TypeSeries,
    pub(super) class: String,
}

impl Days {
    /// The calendar of all series; none without a day.
    pub(super) fn of(types: &[TypeSeries]) -> Option<Self> {
        let days = || types.iter().flat_map(|series| &series.days).map(|(time, _)| day(*time));
        let (first, last) = (days().min()?, days().max()?);
        let span = last - first + 1;
        let width = UNITS.iter().map(|(days, _)| *days).find(|days| span <= COLUMNS * days);
        let width = width.unwrap_or(span / COLUMNS + 1);
        Some(Self { first, columns: (span + width - 1) / width, width })
    }

    /// What one column is, in words.
    pub(super) fn unit(&self) -> &'static str {
        UNITS.iter().find(|(days, _)| *days == self.width).map_or("column", |(_, unit)| unit)
    }

    /// Draws the rows.
    pub(super) fn draw(&self, rows: &[TypeRow<'_>]) -> Markup {
        let bottom = ROW * rows.len() as f64;
        let title = format!("Events per {} by event type", self.unit());
        let ends = format!("From {} to {}", self.date(0), self.date(self.columns - 1));
        let body = html! {
            @for (place, row) in rows.iter().enumerate() { (self.row(row, ROW * place as f64)) }
            @for column in self.ticks() {
                @let x = self.x(column) + self.step() / 2.0;
                (rule("axis", (x, bottom), (x, bottom + 4.0)))
                (text("tick", (x, bottom + 17.0), "middle", &self.date(column)))
            }
        };
        svg(WIDTH, bottom + 22.0, Alt { title: &title, description: &ends }, body)
    }

    fn row(&self, row: &TypeRow<'_>, top: f64) -> Markup {
        let counts = self.counts(row.series);
        let most = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
        let (base, height) = (top + ROW - 6.0, ROW - 18.0);
        // A gap between columns is a kindness only where there is room for it.
        let width = if self.step() > 4.0 { self.step() - 1.0 } else { self.step() };
        html! {
            (clipped_text("word loud", (0.0, base - 18.0), "start", &row.series.name, 20))
            (text("tick", (0.0, base - 3.0), "start", &count(row.series.events)))
            (rule("grid", (LEFT, base - height), (RIGHT, base - height)))
            (text("tick", (RIGHT + 8.0, base - height + 4.0), "start", &short_count(most)))
            @for (column, number) in counts.iter().enumerate().filter(|(_, number)| **number > 0) {
                @let tall = height * *number as f64 / most;
                (block(&format!("area {}", row.class), (self.x(column as i64), base - tall), (width, tall)))
            }
            (rule("axis", (LEFT, base), (RIGHT, base)))
        }
    }

    fn counts(&self, series: &TypeSeries) -> Vec<u64> {
        let mut counts = vec![0u64; usize::try_from(self.columns).unwrap_or(0)];
        for (time, number) in &series.days {
            let column = (day(*time) - self.first) / self.width;
            if let Some(count) = usize::try_from(column).ok().and_then(|column| counts.get_mut(column)) {
                *count = count.saturating_add(*number);
            }
        }
        counts
    }

    /// About five columns to write a date under.
    fn ticks(&self) -> impl Iterator<Item = i64> + use<> {
        let step = (self.columns / 5).max(1);
        (0..self.columns).step_by(usize::try_from(step).unwrap_or(1)).take(6)
    }

    fn x(&self, column: i64) -> f64 {
        LEFT + self.step() * column as f64
    }

    fn step(&self) -> f64 {
        // A log of a few days has columns, not walls.
        ((RIGHT - LEFT) / self.columns as f64).min(60.0)
    }

    fn date(&self, column: i64) -> String {
        date(Timestamp::from_millis((self.first + column * self.width).saturating_mul(MILLIS_PER_DAY)))
    }
}

/// A moment to the minute, as `YYYY-MM-DD HH:MM UTC`.
pub(super) fn minute(time: Timestamp) -> String {
    let written = time.to_string();
    match written.split_once('T') {
        Some((day, clock)) => format!("{day} {} UTC", clock.get(..5).unwrap_or(clock)),
        None => written,
    }
}

/// The day of a moment, as `YYYY-MM-DD`.
pub(super) fn date(time: Timestamp) -> String {
    time.to_string().split('T').next().unwrap_or_default().to_owned()
}

fn day(time: Timestamp) -> i64 {
    time.millis().div_euclid(MILLIS_PER_DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(days: &[(i64, u64)]) -> TypeSeries {
        let at = |&(day, number): &(i64, u64)| (Timestamp::from_millis(day * MILLIS_PER_DAY + 5), number);
        TypeSeries { name: "view".into(), events: 1, days: days.iter().map(at).collect() }
    }

    #[test]
    fn long_calendars_have_wide_columns() {
        let short = series(&[(100, 2), (103, 1)]);
        let days = Days::of(std::slice::from_ref(&short)).unwrap();
        assert_eq!((days.unit(), days.counts(&short)), ("day", vec![2, 0, 0, 1]));
        let long = series(&[(0, 2), (6, 1), (7, 5), (300, 1)]);
        let days = Days::of(std::slice::from_ref(&long)).unwrap();
        assert_eq!((days.unit(), &days.counts(&long)[..3]), ("week", [3, 5, 0].as_slice()));
    }

    #[test]
    fn the_ends_of_time_can_be_drawn() {
        let all = TypeSeries {
            days: vec![(Timestamp::from_millis(i64::MIN), 1), (Timestamp::from_millis(i64::MAX), u64::MAX)],
            ..TypeSeries::default()
        };
        let days = Days::of(std::slice::from_ref(&all)).unwrap();
        assert!(days.columns <= COLUMNS);
        assert_eq!(days.counts(&all).iter().filter(|count| **count > 0).count(), 2);
        assert!(Days::of(&[]).is_none());
    }
}
