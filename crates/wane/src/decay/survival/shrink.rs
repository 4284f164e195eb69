//! Half-lives of sparse cells, drawn toward those of their like (empirical Bayes; Efron and Morris 1975).
//!
//! The logarithm `y` of a cell's half-life, with standard error `s`, is taken as drawn around the mean `m` of its group with
//! variance `v`, both estimated from all cells of the group (Paule and Mandel 1982: `v` is such that the standardised distances from
//! the mean have their expected sum of squares). The posterior has mean `(y / s^2 + m / v) / (1 / s^2 + 1 / v)` and variance
//! `1 / (1 / s^2 + 1 / v)`: much data speak for themselves, few for their like. A cell without an estimate gets the group's.

use super::Interval;
use super::kaplan_meier::Z95;

/// Half-lives after shrinkage.
#[derive(Debug, Clone, PartialEq)]
pub struct Shrunk {
    /// By cell, in the order given, in days.
    pub half_lives: Vec<Interval>,
}

/// Shrinks a group of cells: logarithm of each half-life with its standard error, or nothing where there is no estimate.
/// Nothing is returned for a group in which no cell has one.
pub fn shrink(cells: &[Option<(f64, f64)>]) -> Option<Shrunk> {
    let known: Vec<(f64, f64)> =
        cells.iter().flatten().filter(|cell| cell.1 > 0.0 && cell.1.is_finite()).copied().collect();
    if known.is_empty() {
        return None;
    }
    let between = variance_between(&known);
    let mean = weighted_mean(&known, between);
    // The mean itself is uncertain.
    let of_mean = 1.0 / known.iter().map(|cell| 1.0 / (cell.1 * cell.1 + between)).sum::<f64>();
    let posterior = |cell: &Option<(f64, f64)>| match cell {
        Some((value, error)) if *error > 0.0 && error.is_finite() => {
            let (own, prior) = (1.0 / (error * error), 1.0 / (between + of_mean).max(1e-12));
            ((value * own + mean * prior) / (own + prior), (1.0 / (own + prior)).sqrt())
        }
        _ => (mean, (between + of_mean).sqrt()),
    };
    let interval = |(value, error): (f64, f64)| Interval {
        value: value.exp(),
        low: (value - Z95 * error).exp(),
        high: (value + Z95 * error).exp(),
    };
    Some(Shrunk { half_lives: cells.iter().map(|cell| interval(posterior(cell))).collect() })
}

fn weighted_mean(cells: &[(f64, f64)], between: f64) -> f64 {
    let weights = cells.iter().map(|cell| 1.0 / (cell.1 * cell.1 + between));
    let total: f64 = weights.clone().sum();
    weights.zip(cells).map(|(weight, cell)| weight * cell.0).sum::<f64>() / total
}

/// The variance between cells, by bisection: the sum of squares falls as it grows.
fn variance_between(cells: &[(f64, f64)]) -> f64 {
    let excess = |between: f64| {
        let mean = weighted_mean(cells, between);
        let squares = cells.iter().map(|cell| (cell.0 - mean).powi(2) / (cell.1 * cell.1 + between));
        squares.sum::<f64>() - (cells.len() as f64 - 1.0)
    };
    if excess(0.0) <= 0.0 {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    while excess(high) > 0.0 && high < 1e6 {
        high *= 2.0;
    }
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if excess(middle) > 0.0 { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn much_data_speak_for_themselves_and_few_for_their_like() {
        let cells = [Some((1.0, 0.01)), Some((2.0, 0.01)), Some((3.0, 0.01)), Some((9.0, 5.0)), None];
        let shrunk = shrink(&cells).unwrap().half_lives;
        assert!((shrunk[0].value.ln() - 1.0).abs() < 0.01 && (shrunk[2].value.ln() - 3.0).abs() < 0.01);
        assert!((shrunk[3].value.ln() - 2.0).abs() < 1.0, "{:?}", shrunk[3]);
        assert!((shrunk[4].value.ln() - 2.0).abs() < 0.5);
        assert!(shrunk[4].high > shrunk[0].high / shrunk[0].value * shrunk[4].value);
        assert_eq!(shrink(&[None, None]), None);
    }

    #[test]
    fn cells_that_differ_by_chance_alone_become_one() {
        let cells = [Some((1.0, 0.5)), Some((1.2, 0.5)), Some((0.9, 0.5))];
        let shrunk = shrink(&cells).unwrap().half_lives;
        let spread = shrunk[1].value.ln() - shrunk[2].value.ln();
        assert!(spread < 0.2 * 0.3 / 0.25, "{spread}");
    }
}
