//! Items that the user knows already, and how differently the parts of the score speak of them.
//!
//! What is popular, and what is like the things one had, tells a shopper what to try; of things that they have had it
//! tells little, next to whether they had them and when. So for each familiar item j, one of the known history,
//!
//! `score(j) += c + sum_m f_m (W_m S_m) . e_j + f_b b_j + sum_h f_h p_h log(1 + c_jh)`
//!
//! with few shared numbers `c` and `f` that are 0 in training and learned by the balance of the parts. Known is as far back
//! as any relation looks, so the state of a user stays bounded.

use super::TraceModel;
use super::past::Past;
use crate::events::{ItemId, Timestamp};
use crate::recommend::search::dot;
use crate::recommend::sums::Sums;
use crate::train::{Group, Shape, Weights};
use crate::wide::wide;

/// Numbers of [`Group::Familiar`] by what they are for.
#[derive(Clone, Copy)]
pub(super) struct Familiarity<'a> {
    /// `f_m`.
    pub scales: &'a [f32],
    /// `f_b`.
    pub bias: f32,
    /// `f_h`.
    pub fashions: &'a [f32],
    /// `c`.
    pub bonus: f32,
}

impl<'a> Familiarity<'a> {
    pub(super) fn of(weights: &'a Weights) -> Self {
        let Shape { scales, fashions, .. } = weights.shape;
        let all = weights.group(Group::Familiar);
        Self {
            scales: &all[..scales],
            bias: all[scales],
            fashions: &all[scales + 1..][..fashions],
            bonus: all[scales + 1 + fashions],
        }
    }

    /// Weights of the popularities in what is added.
    fn popularity(self, weights: &Weights) -> Vec<f32> {
        weights.group(Group::Fashions).iter().zip(self.fashions).map(|(weight, more)| weight * more).collect()
    }
}

impl TraceModel {
    /// Gives each familiar item with what is added to its score and with its vector, which one look at it serves for: all, or `only`
    /// these. `sums` is scratch space. What is given to is to be `#[inline(always)]`.
    #[inline(always)]
    pub(super) fn each_familiar(
        &self,
        as_of: Timestamp,
        past: &Past,
        only: Option<&[ItemId]>,
        sums: &mut Sums,
        mut give: impl FnMut(ItemId, f32, &[f32]),
    ) {
        let familiarity = Familiarity::of(&self.weights);
        let (items, vectors): (Vec<_>, Vec<_>) = match only {
            None => self.familiar(past).unzip(),
            Some(only) => {
                sums.clear();
                only.iter().for_each(|&item| sums.touch(item));
                self.familiar(past).filter(|(item, _)| sums.is_touched(*item)).unzip()
            }
        };
        let vector = self.mixed(&past.state, |m| familiarity.scales[m]);
        let popularity = self.familiar_popularity(as_of, &items);
        wide(
            #[inline(always)]
            || {
                for ((&item, own), popularity) in items.iter().zip(&vectors).zip(&popularity) {
                    let more = familiarity.bonus + familiarity.bias * self.bias(item) + popularity;
                    give(item, more + dot(&vector, own), own);
                }
            },
        );
    }

    /// What popularity adds to familiar items.
    pub(super) fn familiar_popularity(&self, as_of: Timestamp, items: &[ItemId]) -> Vec<f32> {
        let weights = Familiarity::of(&self.weights).popularity(&self.weights);
        let mut shares = vec![0.0; items.len()];
        self.popularity.add(
            self.popularity.bin(as_of),
            &weights,
            items.iter().map(|item| item.0),
            &mut shares,
        );
        shares
    }
}
