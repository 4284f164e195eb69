//! The paper that figures are drawn on: an SVG with a name and a description, and text that fits.
//!
//! Elements are always closed in full, so every figure is well-formed XML also when it is cut out of the page.

use maud::{Markup, html};

/// A figure's name and what it shows, for those who can't see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alt<'a> {
    pub(super) title: &'a str,
    pub(super) description: &'a str,
}

/// An SVG as wide as its column, `width` by `height` units in its own measure.
pub(super) fn svg(width: f64, height: f64, alt: Alt<'_>, body: Markup) -> Markup {
    html! {
        svg viewBox={ "0 0 " (xy(width)) " " (xy(height)) } role="img" aria-label=(alt.title) {
            title { (alt.title) }
            desc { (alt.description) }
            (body)
        }
    }
}

/// An SVG inside a line or a table cell, in its own size.
pub(super) fn inline_svg(width: f64, height: f64, alt: Alt<'_>, body: Markup) -> Markup {
    html! {
        svg.inline viewBox={ "0 0 " (xy(width)) " " (xy(height)) } width=(xy(width)) height=(xy(height))
            role="img" aria-label=(alt.title) {
            title { (alt.title) }
            desc { (alt.description) }
            (body)
        }
    }
}

/// A straight line between two places.
pub(super) fn rule(class: &str, from: (f64, f64), to: (f64, f64)) -> Markup {
    html! { line class=(class) x1=(xy(from.0)) y1=(xy(from.1)) x2=(xy(to.0)) y2=(xy(to.1)) {} }
}

/// A filled box; thinner than a hair is drawn as a hair.
pub(super) fn block(class: &str, from: (f64, f64), size: (f64, f64)) -> Markup {
    html! {
        rect class=(class) x=(xy(from.0)) y=(xy(from.1)) width=(xy(size.0.max(0.5))) height=(xy(size.1.max(0.5))) {}
    }
}

/// A dot, with a word on it for the pointer.
pub(super) fn dot(class: &str, at: (f64, f64), radius: f64, word: &str) -> Markup {
    html! { circle class=(class) cx=(xy(at.0)) cy=(xy(at.1)) r=(xy(radius)) { title { (word) } } }
}

/// Text that begins, is centred on or ends at a place (`start`, `middle`, `end`).
pub(super) fn text(class: &str, at: (f64, f64), anchor: &str, words: &str) -> Markup {
    html! { text class=(class) x=(xy(at.0)) y=(xy(at.1)) text-anchor=(anchor) { (words) } }
}

/// Text of at most `wide` letters; what was cut can be read with the pointer.
pub(super) fn clipped_text(class: &str, at: (f64, f64), anchor: &str, words: &str, wide: usize) -> Markup {
    let short = clipped(words, wide);
    html! {
        text class=(class) x=(xy(at.0)) y=(xy(at.1)) text-anchor=(anchor) {
            (short)
            @if short != words { title { (clipped(words, 500)) } }
        }
    }
}

/// A line through places, broken where a place is not a number.
pub(super) fn path(class: &str, places: &[(f64, f64)]) -> Markup {
    html! { path class=(class) d=(steps(places)) {} }
}

fn steps(places: &[(f64, f64)]) -> String {
    let mut drawn = String::new();
    let mut pen_down = false;
    for &(x, y) in places {
        let sound = x.is_finite() && y.is_finite();
        if sound {
            drawn.push(if pen_down { 'L' } else { 'M' });
            drawn.push_str(&format!("{} {}", xy(x), xy(y)));
        }
        pen_down = sound;
    }
    drawn
}

/// The first letters of a text, with an ellipsis when some were left off. East Asian letters count twice.
pub(super) fn clipped(words: &str, wide: usize) -> String {
    let width = |c: char| if c >= '\u{1100}' && !('\u{2000}'..='\u{206f}').contains(&c) { 2 } else { 1 };
    if words.chars().map(width).sum::<usize>() <= wide {
        return words.to_owned();
    }
    let mut used = 1;
    let mut short: String = words
        .chars()
        .take_while(|c| {
            used += width(*c);
            used <= wide
        })
        .collect();
    short.truncate(short.trim_end().len());
    short.push('…');
    short
}

/// A place or a length, to a tenth of a unit.
fn xy(place: f64) -> String {
    let rounded = (place * 10.0).round() / 10.0;
    // Zero added to minus zero is zero.
    if rounded.is_finite() { (rounded + 0.0).to_string() } else { "0".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_words_are_cut() {
        assert_eq!(clipped("short", 5), "short");
        assert_eq!(clipped("a longer one", 6), "a lon…");
        assert_eq!(clipped("日本語のお茶", 6), "日本…");
    }

    #[test]
    fn lines_break_where_there_is_no_number() {
        let places = [(0.0, 1.0), (1.0, f64::NAN), (2.04, 3.0), (4.0, 5.0)];
        assert_eq!(steps(&places), "M0 1M2 3L4 5");
    }
}
