//! Charts of two kinds: lines over two axes, and bars in rows.
//!
//! Lines carry their names at their ends instead of in a legend, so that they can be told apart without colour; names
//! that would overlap are pushed apart.

use maud::{Markup, html};

use super::scale::Scale;
use super::svg::{Alt, block, clipped, clipped_text, path, rule, svg, text};

/// Number of colours; what comes after shares the last, grey one.
pub(super) const COLOURS: usize = 8;

/// The class that gives a line, bar or dot its colour.
pub(super) fn colour(place: usize) -> String {
    if place < COLOURS { format!("s{place}") } else { "rest".into() }
}

/// An axis with its ticks.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    pub(super) scale: Scale,
    /// (number, what is written there).
    pub(super) ticks: Vec<(f64, String)>,
    /// What the axis measures.
    pub(super) label: String,
}

/// A named line.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Written at its end; empty for none.
    pub(super) label: String,
    /// Its colour ([`colour`]).
    pub(super) class: String,
    /// In the axes' numbers, by rising x.
    pub(super) points: Vec<(f64, f64)>,
}

/// Lines over two axes.
#[derive(Debug, Clone)]
pub(super) struct LineChart<'a> {
    pub(super) alt: Alt<'a>,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) lines: Vec<Line>,
    /// Anything else, drawn on top.
    pub(super) marks: Markup,
}

impl LineChart<'_> {
    /// Draws the chart.
    pub(super) fn draw(&self) -> Markup {
        let (left, right) = (self.x.scale.start(), self.x.scale.end());
        let (bottom, top) = (self.y.scale.start(), self.y.scale.end());
        let body = html! {
            @for (number, word) in &self.y.ticks {
                @let y = self.y.scale.place(*number);
                (rule("grid", (left, y), (right, y)))
                (text("tick", (left - 7.0, y + 4.0), "end", word))
            }
            @for (number, word) in &self.x.ticks {
                @let x = self.x.scale.place(*number);
                (rule("axis", (x, bottom), (x, bottom + 4.0)))
                (text("tick", (x, bottom + 17.0), "middle", word))
            }
            (rule("axis", (left, bottom), (right, bottom)))
            (text("name", (left, top - 9.0), "start", &self.y.label))
            (text("name", ((left + right) / 2.0, bottom + 35.0), "middle", &self.x.label))
            @for line in self.lines.iter().rev() { (path(&format!("line {}", line.class), &self.places(line))) }
            (self.marks)
            (self.names())
        };
        svg(self.width, self.height, self.alt, body)
    }

    fn places(&self, line: &Line) -> Vec<(f64, f64)> {
        let place = |&(x, y): &(f64, f64)| {
            let y_place = if y.is_finite() { self.y.scale.place(y) } else { f64::NAN };
            (self.x.scale.place(x), y_place)
        };
        line.points.iter().map(place).collect()
    }

    /// The lines' names beside their last places.
    fn names(&self) -> Markup {
        let mut ends: Vec<(&Line, (f64, f64))> = self
            .lines
            .iter()
            .filter(|line| !line.label.is_empty())
            .filter_map(|line| {
                Some((line, self.places(line).into_iter().rfind(|place| place.1.is_finite())?))
            })
            .collect();
        ends.sort_by(|a, b| a.1.1.total_cmp(&b.1.1));
        let heights: Vec<f64> = ends.iter().map(|(_, place)| place.1).collect();
        let x = self.x.scale.end();
        let letters = ((self.width - x - 22.0) / 6.3).max(3.0) as usize;
        html! {
            @for ((line, end), y) in ends.iter().zip(apart(&heights, 15.0, self.y.scale.start())) {
                (path(&format!("lead {}", line.class), &[(end.0.min(x) + 3.0, end.1), (x + 12.0, y), (x + 18.0, y)]))
                (clipped_text("word", (x + 22.0, y + 4.0), "start", &line.label, letters))
            }
        }
    }
}

/// Rising heights moved so that neighbours are at least `gap` apart and, if they can, none is below `lowest`.
fn apart(heights: &[f64], gap: f64, lowest: f64) -> Vec<f64> {
    let mut moved: Vec<f64> = Vec::with_capacity(heights.len());
    for &height in heights {
        moved.push(moved.last().map_or(height, |last| height.max(last + gap)));
    }
    let mut limit = lowest;
    for height in moved.iter_mut().rev() {
        *height = height.min(limit);
        limit = *height - gap;
    }
    moved
}

/// One row of a bar chart.
#[derive(Debug, Clone, Default)]
pub(super) struct Bar {
    pub(super) label: String,
    /// Its length; what is not a number has no bar.
    pub(super) value: f64,
    /// Ends of the whisker.
    pub(super) interval: Option<(f64, f64)>,
    /// What is written after it.
    pub(super) word: String,
    /// Its colour, and `strong` for one that is to be seen first.
    pub(super) class: String,
}

/// Bars in rows, names on the left.
#[derive(Debug, Clone)]
pub(super) struct BarChart<'a> {
    pub(super) alt: Alt<'a>,
    pub(super) width: f64,
    /// Room for the names.
    pub(super) names: f64,
    pub(super) bars: Vec<Bar>,
    /// A value to compare with, drawn through all rows.
    pub(super) mark: Option<f64>,
}

/// Height of a row.
const ROW: f64 = 24.0;
/// Room for the words after the bars.
const WORDS: f64 = 64.0;

impl BarChart<'_> {
    /// Draws the chart.
    pub(super) fn draw(&self) -> Markup {
        let reach = |bar: &Bar| [bar.value, bar.interval.map_or(0.0, |(_, hi)| hi)];
        let high = self.bars.iter().flat_map(reach).filter(|x| x.is_finite()).fold(0.0, f64::max);
        let scale = Scale::linear(0.0, high, self.names, self.width - WORDS);
        let height = ROW * self.bars.len() as f64 + 6.0;
        let body = html! {
            @if let Some(mark) = self.mark {
                (rule("mark", (scale.place(mark), 0.0), (scale.place(mark), height)))
            }
            @for (row, bar) in self.bars.iter().enumerate() { (self.row(bar, &scale, ROW * row as f64 + 3.0)) }
            (rule("axis", (self.names, 0.0), (self.names, height)))
        };
        svg(self.width, height, self.alt, body)
    }

    fn row(&self, bar: &Bar, scale: &Scale, top: f64) -> Markup {
        let middle = top + ROW / 2.0;
        let end = scale.place(bar.value);
        let word_at = bar.interval.map_or(end, |(_, hi)| scale.place(hi).max(end));
        let letters = ((self.names - 8.0) / 7.2).max(4.0) as usize;
        html! {
            (clipped_text("word", (self.names - 8.0, middle + 4.0), "end", &bar.label, letters))
            @if bar.value > 0.0 && bar.value.is_finite() {
                (block(&format!("bar {}", bar.class), (self.names, top + 4.0), (end - self.names, ROW - 8.0)))
            }
            @if let Some((lo, hi)) = bar.interval { (whisker(scale.place(lo), scale.place(hi), middle)) }
            (text("number", (word_at + 7.0, middle + 4.0), "start", &clipped(&bar.word, 12)))
        }
    }
}

/// An interval: a line with short ends.
pub(super) fn whisker(from: f64, to: f64, y: f64) -> Markup {
    html! {
        (rule("whisker", (from, y), (to, y)))
        (rule("whisker", (from, y - 3.5), (from, y + 3.5)))
        (rule("whisker", (to, y - 3.5), (to, y + 3.5)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn names_do_not_overlap(mut heights in prop::collection::vec(0.0..200.0f64, 0..30)) {
            heights.sort_by(f64::total_cmp);
            let moved = apart(&heights, 15.0, 220.0);
            prop_assert!(moved.windows(2).all(|pair| pair[1] - pair[0] > 14.99));
            prop_assert!(moved.iter().all(|height| *height <= 220.0));
        }
    }
}
