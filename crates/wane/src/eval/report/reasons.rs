//! A score as its reasons: the pieces, and the bar that they make.

use maud::{Markup, html};

use super::number::decimals;
use super::palette::Palette;
use super::scale::Scale;
use super::svg::{Alt, block, clipped, rule, svg};
use super::view::Recommendation;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 14.0;

/// Events that have a piece of their own; the others share one.
const EVENTS: usize = 3;

/// One piece of a score: drawn in the bar and written below it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    /// What it adds to the score.
    pub(super) share: f64,
    /// Its colour.
    pub(super) class: String,
    /// What it is.
    pub(super) words: String,
}

/// The pieces of a score; they sum to it. Shares that are no numbers are left out.
pub(super) fn pieces(item: &Recommendation, palette: &Palette<'_>) -> Vec<Piece> {
    let events = item.reasons.iter().take(EVENTS).map(|reason| Piece {
        share: reason.share,
        class: palette.class(&reason.event_type),
        words: clipped(&reason.label, 110),
    });
    let others = item.remainders.iter().enumerate().map(|(place, (name, share))| Piece {
        share: *share,
        class: if place % 2 == 0 { "other0".into() } else { "other1".into() },
        words: clipped(name, 40),
    });
    events.chain(more_events(item)).chain(others).filter(|piece| piece.share.is_finite()).collect()
}

/// The events that have no piece of their own, as one.
fn more_events(item: &Recommendation) -> Option<Piece> {
    let more = item.reasons.get(EVENTS..).filter(|more| !more.is_empty())?;
    let words = format!("{} more past {}", more.len(), if more.len() == 1 { "event" } else { "events" });
    let shares = more.iter().map(|reason| reason.share);
    Some(Piece { share: shares.filter(|share| share.is_finite()).sum(), class: "rest".into(), words })
}

/// How far the bars of one list go to both sides, so that they can be compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reach {
    against: f64,
    towards: f64,
}

impl Reach {
    /// The reach of the pieces of each item of a list.
    pub(super) fn of(items: &[Vec<Piece>]) -> Self {
        let sum = |pieces: &Vec<Piece>, side: f64| {
            pieces.iter().map(|piece| (piece.share * side).max(0.0)).sum::<f64>()
        };
        let furthest = |side: f64| items.iter().map(|pieces| sum(pieces, side)).fold(0.0, f64::max);
        Self { against: furthest(-1.0), towards: furthest(1.0) }
    }

    /// Decimals for the shares of this list: the same for all, so that they can be compared.
    pub(super) fn decimals(self) -> usize {
        decimals(self.towards.max(self.against))
    }
}

/// The bar: pieces that speak for the item to the right of zero, those against it to the left.
pub(super) fn reason_bar(pieces: &[Piece], reach: Reach) -> Markup {
    let scale = Scale::linear(-reach.against, reach.towards, 1.0, WIDTH - 1.0);
    let description = format!("A score in {} pieces, listed below", pieces.len());
    let body = html! {
        @for side in [1.0, -1.0] { (stacked(pieces, side, &scale)) }
        (rule("whisker", (scale.place(0.0), 0.0), (scale.place(0.0), HEIGHT)))
    };
    svg(WIDTH, HEIGHT, Alt { title: "Reasons", description: &description }, body)
}

/// The pieces of one sign, one after the other away from zero.
fn stacked(pieces: &[Piece], side: f64, scale: &Scale) -> Markup {
    let mut reached = 0.0;
    let ends = pieces.iter().filter(|piece| piece.share * side > 0.0).map(|piece| {
        let from = scale.place(reached);
        reached += piece.share;
        (from, scale.place(reached), &piece.class)
    });
    html! {
        @for (from, to, class) in ends {
            (block(&format!("bar {class}"), (from.min(to), 2.0), ((to - from).abs() - 0.8, HEIGHT - 4.0)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::report::{Overview, Reason};

    fn cut(reasons: &[f64], remainder: f64) -> Vec<Piece> {
        let reason = |share: &f64| Reason { share: *share, ..Reason::default() };
        let item = Recommendation {
            reasons: reasons.iter().map(reason).collect(),
            remainders: vec![("popularity".into(), remainder)],
            ..Recommendation::default()
        };
        pieces(&item, &Palette::of(&Overview::default()))
    }

    #[test]
    fn pieces_sum_to_the_score() {
        let pieces = cut(&[3.0, -1.0, 0.5, 0.25, f64::NAN, -0.5], 1.0);
        let shares: Vec<f64> = pieces.iter().map(|piece| piece.share).collect();
        assert_eq!(shares, [3.0, -1.0, 0.5, -0.25, 1.0]);
        assert_eq!(pieces[3].words, "3 more past events");
    }

    #[test]
    fn pieces_lie_side_by_side() {
        let pieces = cut(&[3.0, -1.0, f64::NAN], 1.0);
        let reach = Reach::of(std::slice::from_ref(&pieces));
        assert_eq!(reach, Reach { against: 1.0, towards: 4.0 });
        let bar = reason_bar(&pieces, reach).into_string();
        assert_eq!(bar.matches("<rect").count(), 3);
        // Zero lies at a fifth of the width; the first piece begins there and is three fifths long.
        assert!(bar.contains(r#"x="112.6" y="2" width="334""#), "{bar}");
    }
}
