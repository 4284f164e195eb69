//! The top of a likelihood whose parameters are all above 0, along their logarithms.
//!
//! Logs of few users may be best explained at an edge: nobody ever leaves, or all are alike. There a weak normal prior on
//! the parameters' logarithms keeps them finite, and the fit says that it did.

use std::fmt;

use faer::Mat;

use crate::decay::jet::Jet;
use crate::decay::newton::{climb, covariance};
use crate::decay::survival::Parameter;

/// Logarithm of a parameter beyond which it has run away.
const EDGE: f64 = 9.0;
/// Standard deviation of the prior, where there is need of one.
const SPREAD: f64 = 2.0;
/// Users that are climbed first, of many rows.
const FIRST: usize = 10_000;

/// Why there is no fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoFit {
    /// Nobody ever came back: nothing can be learned of rates.
    NoRepeats,
    /// No visit has a value above 0.
    NoValues,
    /// No top of the likelihood was found.
    NoTop,
}

impl fmt::Display for NoFit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRepeats => write!(out, "no user came back on another day: a longer log is needed"),
            Self::NoValues => write!(out, "no visit has a value above 0"),
            Self::NoTop => write!(out, "the likelihood has no top"),
        }
    }
}

/// Where a likelihood is highest.
pub(super) struct Top<const N: usize> {
    /// The parameters' logarithms.
    pub(super) at: [f64; N],
    covariance: Mat<f64>,
    /// Whether a prior had to keep the parameters finite.
    pub(super) is_held: bool,
}

impl<const N: usize> Top<N> {
    /// Finds it for rows with numbers of users, from a start that should be near 0: parameters are counted in units that make
    /// them so.
    ///
    /// Of many rows some users are climbed first: from their top it is a few steps to that of all.
    pub(super) fn of<Row: Copy>(
        rows: &[(Row, f64)],
        log_likelihood: impl Fn(&[(Row, f64)], [f64; N]) -> Jet<N> + Copy,
        start: [f64; N],
    ) -> Result<Self, NoFit> {
        let start = if rows.len() > 2 * FIRST {
            Self::of(&some(rows), log_likelihood, start).map_or(start, |top| top.at)
        } else {
            start
        };
        let free = |at: [f64; N]| log_likelihood(rows, at);
        let inside = |at: &[f64; N]| if at.iter().all(|at| at.abs() < EDGE) { Ok(()) } else { Err(()) };
        let found = climb(&free, &inside, start).and_then(Result::ok);
        if let Some((at, covariance)) = found.and_then(|(at, top)| Some((at, covariance(&top)?))) {
            return Ok(Self { at, covariance, is_held: false });
        }
        let held = |at: [f64; N]| free(at) + prior(at);
        let anywhere = |_: &[f64; N]| Ok::<_, ()>(());
        let (at, top) = climb(&held, &anywhere, start).and_then(Result::ok).ok_or(NoFit::NoTop)?;
        Ok(Self { at, covariance: covariance(&top).ok_or(NoFit::NoTop)?, is_held: true })
    }

    /// The parameter in a place, which was counted in some unit.
    pub(super) fn parameter(&self, place: usize, name: &'static str, unit: f64) -> Parameter {
        let value = self.at[place].exp() * unit;
        Parameter { name, value, standard_error: value * self.covariance[(place, place)].sqrt() }
    }
}

/// Every so manieth user, in the order of the rows.
fn some<Row: Copy>(rows: &[(Row, f64)]) -> Vec<(Row, f64)> {
    let every = rows.iter().map(|row| row.1).sum::<f64>() / FIRST as f64;
    let mut before = 0.0;
    let of_row = |&(row, users): &(Row, f64)| {
        let taken = ((before + users) / every).floor() - (before / every).floor();
        before += users;
        (taken > 0.0).then_some((row, taken))
    };
    rows.iter().filter_map(of_row).collect()
}

fn prior<const N: usize>(at: [f64; N]) -> Jet<N> {
    let of_one = |place: usize| {
        let own = Jet::parameter(place, at[place]);
        own * own * (-0.5 / (SPREAD * SPREAD))
    };
    (0..N).map(of_one).fold(Jet::constant(0.0), |sum, own| sum + own)
}
