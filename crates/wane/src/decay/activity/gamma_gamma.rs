//! The gamma-gamma model of what a visit is worth (Fader, Hardie and Lee 2005; Fader and Hardie 2013).
//!
//! The value of a visit is gamma distributed with shape `p` and a rate of the user's own, which is gamma distributed with shape `q`
//! and rate `v`; neither depends on how often the user comes. The mean `m` of `x` visits has the likelihood
//!
//! `L = G(p x + q) / (G(p x) G(q)) * v^q m^(p x - 1) x^(p x) / (v + x m)^(p x + q)`,
//!
//! and the user's next visits are worth `p (v + x m) / (p x + q - 1)` each, a mean of what they spent and what all spend.
//!
//! - `q` is above 1: at or below it the mean over users would be infinite, and so would be that of a new one.
//! - `p` and `q - 1` are at most 10,000: a user's values, and users, are taken to differ by 1 % at least. Were all values the same, the
//!   likelihood would grow with both for ever, faster than any weak prior falls.

use rayon::prelude::*;
use serde::Serialize;

use super::top::{NoFit, Top};
use super::{Spending, Spent};
use crate::decay::jet::Jet;
use crate::decay::survival::Parameter;

/// The greatest `p` and `q - 1`: the inverse of the least squared coefficient of variation.
const MOST: f64 = 1e4;
/// Rows per piece of work.
const PIECE: usize = 8_192;

/// A fitted model; see the module's documentation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GammaGamma {
    /// `p`, `q`, `v` (in units of value).
    pub parameters: [Parameter; 3],
    /// Logarithm of the likelihood.
    pub log_likelihood: f64,
    /// Whether a prior had to keep the parameters finite.
    pub is_held: bool,
}

/// Visits with value, with their mean.
#[derive(Clone, Copy)]
struct Valued {
    x: f64,
    mean: f64,
}

impl GammaGamma {
    /// Fits the model by maximum likelihood.
    ///
    /// # Errors
    /// [`NoFit`], which says why there is no fit.
    pub fn fit(spending: &Spending) -> Result<Self, NoFit> {
        let valued = spending.rows().filter(|(spent, _)| spent.days_with_value > 0);
        let mut rows: Vec<(Valued, f64)> = valued
            .map(|(spent, users)| {
                let (x, mean) = (f64::from(spent.days_with_value), spent.mean_value);
                (Valued { x, mean }, users as f64)
            })
            .collect();
        let users: f64 = rows.iter().map(|row| row.1).sum();
        if users == 0.0 {
            return Err(NoFit::NoValues);
        }
        // Values in units of their mean keep all parameters near 1.
        let unit = rows.iter().map(|(own, n)| n / users * own.mean).sum::<f64>();
        rows.iter_mut().for_each(|row| row.0.mean /= unit);
        let top = Top::of(&rows, log_likelihood, [0.0, 1.0, 0.0])?;
        Ok(Self {
            parameters: [
                bounded_parameter(&top, 0, "p", 0.0),
                bounded_parameter(&top, 1, "q", 1.0),
                top.parameter(2, "v", unit),
            ],
            // Each mean has a density per unit.
            log_likelihood: log_likelihood(&rows, top.at).value - users * unit.ln(),
            is_held: top.is_held,
        })
    }

    /// What the user's next visits with value are worth each, on average.
    pub fn value_per_visit(&self, spent: &Spent) -> f64 {
        let [p, q, v] = [0, 1, 2].map(|place| self.parameters[place].value);
        let x = f64::from(spent.days_with_value);
        p * (v + x * spent.mean_value) / (p * x + q - 1.0)
    }
}

/// `1 / (1 / x + 1 / MOST)` from `ln x`: a parameter above 0 that cannot pass its bound.
fn bounded(log: Jet<3>) -> Jet<3> {
    (log - (log + -MOST.ln()).softplus()).exp()
}

/// A bounded parameter, above its least.
fn bounded_parameter(top: &Top<3>, place: usize, name: &'static str, least: f64) -> Parameter {
    let free = top.parameter(place, name, 1.0);
    let share = 1.0 / (1.0 + free.value / MOST);
    Parameter { name, value: least + free.value * share, standard_error: free.standard_error * share * share }
}

/// Log-likelihood along `ln x` of the bounded `p` and `q - 1`, and `ln v`. Rows are in order of the visits.
fn log_likelihood(rows: &[(Valued, f64)], at: [f64; 3]) -> Jet<3> {
    let [free_p, free_rest, ln_v] = [0, 1, 2].map(|place| Jet::parameter(place, at[place]));
    let (p, q, v) = (bounded(free_p), bounded(free_rest) + 1.0, ln_v.exp());
    let of_same = |rows: &[(Valued, f64)]| {
        let x = rows[0].0.x;
        let users: f64 = rows.iter().map(|row| row.1).sum();
        let all = (p * x + q).ln_gamma() - (p * x).ln_gamma() - q.ln_gamma() + q * ln_v + p * (x * x.ln());
        let of_row = |(own, users): &(Valued, f64)| {
            ((p * x + -1.0) * own.mean.ln() - (p * x + q) * (v + x * own.mean).ln()) * *users
        };
        rows.iter().map(of_row).fold(all * users, |sum, own| sum + own)
    };
    let of_piece = |rows: &[(Valued, f64)]| {
        let same = rows.chunk_by(|one, other| one.0.x == other.0.x);
        same.map(of_same).fold(Jet::constant(0.0), |sum, own| sum + own)
    };
    // Pieces are summed in their order, whatever the threads.
    let pieces: Vec<Jet<3>> = rows.par_chunks(PIECE).map(of_piece).collect();
    pieces.into_iter().fold(Jet::constant(0.0), |sum, piece| sum + piece)
}
