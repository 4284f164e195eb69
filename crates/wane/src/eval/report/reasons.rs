//! A score as a bar of its reasons.

use maud::{Markup, html};

use super::number::{decimals, score};
use super::palette::Palette;
use super::scale::Scale;
use super::svg::{Alt, block, rule, svg};
use super::users::other;
use super::view::Recommendation;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 14.0;

/// How far the bars of one list go to both sides, so that they can be compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reach {
    against: f64,
    towards: f64,
}

impl Reach {
    /// Decimals for the shares of this list: the same for all, so that they can be compared.
    pub(super) fn decimals(self) -> usize {
        decimals(self.towards.max(self.against))
    }

    /// The reach of a list.
    pub(super) fn of(items: &[Recommendation]) -> Self {
        let sum =
            |item: &Recommendation, sign: f64| pieces(item).map(|share| (share * sign).max(0.0)).sum::<f64>();
        let furthest = |sign: f64| items.iter().map(|item| sum(item, sign)).fold(0.0, f64::max);
        Self { against: furthest(-1.0), towards: furthest(1.0) }
    }
}

fn pieces(item: &Recommendation) -> impl Iterator<Item = f64> {
    let remainders = item.remainders.iter().map(|(_, share)| *share);
    item.reasons.iter().map(|reason| reason.share).chain(remainders).filter(|share| share.is_finite())
}

/// The bar: pieces that speak for the item to the right of zero, those against it to the left.
pub(super) fn reason_bar(item: &Recommendation, reach: Reach, palette: &Palette<'_>) -> Markup {
    let scale = Scale::linear(-reach.against, reach.towards, 1.0, WIDTH - 1.0);
    let events = item.reasons.iter().map(|reason| (reason.share, palette.class(&reason.event_type)));
    let others = item.remainders.iter().enumerate();
    let others = others.map(|(place, (_, share))| (*share, other(place).to_owned()));
    let pieces: Vec<(f64, String)> = events.chain(others).filter(|(share, _)| share.is_finite()).collect();
    let description = format!("Score {} in {} pieces", score(item.score), pieces.len());
    let body = html! {
        @for side in [1.0, -1.0] { (stacked(&pieces, side, &scale)) }
        (rule("whisker", (scale.place(0.0), 0.0), (scale.place(0.0), HEIGHT)))
    };
    svg(WIDTH, HEIGHT, Alt { title: "Reasons", description: &description }, body)
}

/// The pieces of one sign, one after the other away from zero.
fn stacked(pieces: &[(f64, String)], side: f64, scale: &Scale) -> Markup {
    let mut reached = 0.0;
    let ends = pieces.iter().filter(|(share, _)| share * side > 0.0).map(|(share, class)| {
        let from = scale.place(reached);
        reached += share;
        (from, scale.place(reached), class)
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

    #[test]
    fn pieces_lie_side_by_side() {
        let reason = |share| Reason { share, ..Reason::default() };
        let item = Recommendation {
            reasons: vec![reason(3.0), reason(-1.0), reason(f64::NAN)],
            remainders: vec![("popularity".into(), 1.0)],
            ..Recommendation::default()
        };
        let reach = Reach::of(std::slice::from_ref(&item));
        assert_eq!(reach, Reach { against: 1.0, towards: 4.0 });
        let overview = Overview::default();
        let bar = reason_bar(&item, reach, &Palette::of(&overview)).into_string();
        assert_eq!(bar.matches("<rect").count(), 3);
        // Zero lies at a fifth of the width; the first piece begins there and is three fifths long.
        assert!(bar.contains(r#"x="112.6" y="2" width="334""#), "{bar}");
    }
}
