//! Do several groups come back alike? The log-rank test (Mantel 1966; Peto and Peto 1972).
//!
//! At each age with returns, `d` of the `n` gaps at risk in all groups end. Were the groups alike, group `i` with `n_i` at risk
//! would have `E_i = d n_i / n` of these, with covariance `d (n - d) / (n - 1) * (n_i / n) ([i = j] - n_j / n)`. Summed over all ages, the
//! statistic `(O - E)^T V^-1 (O - E)` of all groups but one follows a chi-square law with as many degrees of freedom.

use faer::prelude::Solve;
use faer::{Mat, Side};
use serde::Serialize;
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::Gaps;

/// Outcome of the test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LogRank {
    /// The chi-square statistic.
    pub statistic: f64,
    /// The probability of so large a statistic if all groups were alike.
    pub p_value: f64,
}

/// Compares groups; nothing where there are fewer than two of them with gaps, or no returns to compare.
pub fn log_rank(groups: &[&Gaps]) -> Option<LogRank> {
    let is_coarse = groups.iter().any(|gaps| gaps.is_coarse);
    let groups: Vec<Gaps> = groups
        .iter()
        .filter(|gaps| gaps.count() > 0)
        .map(|gaps| if is_coarse { gaps.coarse() } else { (*gaps).clone() })
        .collect();
    let free = groups.len().checked_sub(1).filter(|&free| free > 0)?;
    let mut at_risk: Vec<f64> = groups.iter().map(|gaps| gaps.count() as f64).collect();
    let mut rows: Vec<(i64, usize, u64, u64)> = Vec::new();
    for (group, gaps) in groups.iter().enumerate() {
        rows.extend(gaps.rows().iter().map(|row| (row.millis, group, row.returned, row.censored)));
    }
    rows.sort_unstable();
    let mut difference = vec![0.0; free];
    let mut covariance = Mat::<f64>::zeros(free, free);
    for of_age in rows.chunk_by(|a, b| a.0 == b.0) {
        let n: f64 = at_risk.iter().sum();
        let d: f64 = of_age.iter().map(|row| row.2 as f64).sum();
        let spread = if n > 1.0 { d * (n - d) / (n - 1.0) } else { 0.0 };
        for a in 0..free {
            let share = at_risk[a] / n;
            difference[a] -= d * share;
            for b in 0..free {
                let own = if a == b { 1.0 } else { 0.0 };
                covariance[(a, b)] += spread * share * (own - at_risk[b] / n);
            }
        }
        for &(_, group, returned, censored) in of_age {
            if group < free {
                difference[group] += returned as f64;
            }
            at_risk[group] -= (returned + censored) as f64;
        }
    }
    let solved = covariance.llt(Side::Lower).ok()?.solve(Mat::from_fn(free, 1, |a, _| difference[a]));
    let statistic: f64 = (0..free).map(|a| difference[a] * solved[(a, 0)]).sum();
    let law = ChiSquared::new(free as f64).ok()?;
    statistic.is_finite().then(|| LogRank { statistic, p_value: law.sf(statistic) })
}
