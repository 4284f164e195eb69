//! 95 % intervals by resampling users.
//!
//! Cases of one user are not independent, so users are drawn, with replacement, and a user's cases come along whole
//! (Efron and Tibshirani 1993). The draws depend on the seed alone: every model is judged on the same draws, so
//! differences between models are paired.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rayon::prelude::*;

use super::Estimate;

/// Number of draws.
const DRAWS: u64 = 1000;

/// Values by case, with the cases grouped by user.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Sample {
    /// Weighted sums over each user's cases, one row of `width` per user.
    sums: Vec<f64>,
    /// Weight of each user's cases together.
    weights: Vec<f64>,
    width: usize,
}

/// Means of every draw.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draws {
    /// The means over all cases.
    means: Vec<f64>,
    /// One row of means per draw.
    drawn: Vec<Vec<f64>>,
}

impl Sample {
    /// Groups rows of `width` values by user; rows of one user are adjacent. A user without a row in this sample may
    /// still be listed by `None`, so that draws of different samples stay paired.
    pub(crate) fn new<'a, U: PartialEq>(
        width: usize,
        rows: impl Iterator<Item = (U, Option<&'a [f32]>)>,
    ) -> Self {
        Self::weighted(width, rows.map(|(user, row)| (user, row.map(|row| (1.0, row)))))
    }

    /// The same where rows have weights.
    pub(crate) fn weighted<'a, U: PartialEq>(
        width: usize,
        rows: impl Iterator<Item = (U, Option<(f64, &'a [f32])>)>,
    ) -> Self {
        let mut sample = Self { width, ..Self::default() };
        let mut last = None;
        for (user, row) in rows {
            if last.as_ref() != Some(&user) {
                sample.weights.push(0.0);
                sample.sums.resize(sample.weights.len() * width, 0.0);
                last = Some(user);
            }
            if let Some((weight, row)) = row {
                let user = sample.weights.len() - 1;
                sample.weights[user] += weight;
                let sums = &mut sample.sums[user * width..];
                sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * f64::from(*value));
            }
        }
        sample
    }

    /// Draws users and takes means.
    pub(crate) fn draw(&self, seed: u64) -> Draws {
        let users = self.weights.len();
        let drawn = (0..DRAWS)
            .into_par_iter()
            .map(|draw| {
                let mut random = StdRng::seed_from_u64(seed ^ draw.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                let mut times = vec![0u32; users];
                (0..users).for_each(|_| times[random.random_range(0..users)] += 1);
                self.means(&times)
            })
            .collect();
        Draws { means: self.means(&vec![1; users]), drawn }
    }

    /// Means over cases when each user is taken so many times; no number where none of them has a case.
    fn means(&self, times: &[u32]) -> Vec<f64> {
        let mut means = vec![0.0; self.width];
        let mut weight = 0.0;
        for ((&times, sums), own) in times.iter().zip(self.sums.chunks_exact(self.width)).zip(&self.weights) {
            if times > 0 {
                let times = f64::from(times);
                weight += times * own;
                means.iter_mut().zip(sums).for_each(|(mean, sum)| *mean += times * sum);
            }
        }
        means.iter_mut().for_each(|mean| *mean /= weight);
        means
    }
}

impl Draws {
    /// Means with percentile intervals; draws without a case say nothing and are left out.
    pub(crate) fn estimates(&self) -> Vec<Estimate> {
        let interval = |(place, &value): (usize, &f64)| {
            let mut drawn: Vec<f64> =
                self.drawn.iter().map(|means| means[place]).filter(|mean| !mean.is_nan()).collect();
            drawn.sort_by(f64::total_cmp);
            let last = drawn.len().saturating_sub(1) as f64;
            let at = |share: f64| drawn.get((last * share).round() as usize).copied().unwrap_or(value);
            Estimate { value, lo: at(0.025), hi: at(0.975) }
        };
        self.means.iter().enumerate().map(interval).collect()
    }

    /// The columns of both, draw by draw.
    pub(crate) fn beside(mut self, other: Self) -> Self {
        self.means.extend(other.means);
        self.drawn.iter_mut().zip(other.drawn).for_each(|(own, other)| own.extend(other));
        self
    }

    /// This minus another, draw by draw.
    pub(crate) fn minus(&self, other: &Self) -> Vec<Estimate> {
        let difference = Self {
            means: self.means.iter().zip(&other.means).map(|(a, b)| a - b).collect(),
            drawn: self
                .drawn
                .iter()
                .zip(&other.drawn)
                .map(|(a, b)| a.iter().zip(b).map(|(a, b)| a - b).collect())
                .collect(),
        };
        difference.estimates()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(values: &[f32]) -> Sample {
        let rows: Vec<[f32; 1]> = values.iter().map(|&value| [value]).collect();
        Sample::new(1, rows.iter().enumerate().map(|(user, row)| (user, Some(row.as_slice()))))
    }

    #[test]
    fn intervals_agree_with_the_normal_ones_of_a_share() {
        let values: Vec<f32> = (0..1000).map(|user| if user % 5 == 0 { 1.0 } else { 0.0 }).collect();
        let estimate = sample(&values).draw(1).estimates()[0];
        let half = 1.96 * (0.2f64 * 0.8 / 1000.0).sqrt();
        assert!((estimate.value - 0.2).abs() < 1e-9);
        assert!((estimate.lo - (0.2 - half)).abs() < 0.005 && (estimate.hi - (0.2 + half)).abs() < 0.005);
    }

    #[test]
    fn differences_are_paired() {
        let values: Vec<f32> = (0..100).map(|user| (user % 7) as f32).collect();
        let better: Vec<f32> = values.iter().map(|value| value + 0.5).collect();
        let difference = sample(&better).draw(3).minus(&sample(&values).draw(3))[0];
        assert!((difference.lo - 0.5).abs() < 1e-9 && (difference.hi - 0.5).abs() < 1e-9);
    }

    #[test]
    fn cases_of_one_user_come_along_whole() {
        let rows = [[0.0f32], [0.0], [1.0]];
        let users = ["a", "a", "b"];
        let sample = Sample::new(1, users.iter().zip(rows.iter().map(|row| Some(row.as_slice()))));
        assert_eq!(sample.means(&[1, 0]), [0.0]);
        assert_eq!(sample.means(&[1, 2]), [0.5]);
    }

    #[test]
    fn weights_count_and_draws_without_a_case_do_not() {
        let rows = [Some((3.0, [1.0f32])), Some((1.0, [0.0])), None];
        let rows = rows.iter().map(|row| row.as_ref().map(|(weight, row)| (*weight, row.as_slice())));
        let sample = Sample::weighted(1, (0..).zip(rows));
        assert_eq!(sample.means(&[1, 1, 1]), [0.75]);
        assert!(sample.means(&[0, 0, 3])[0].is_nan());
        let estimate = sample.draw(5).estimates()[0];
        assert_eq!((estimate.value, estimate.lo, estimate.hi), (0.75, 0.0, 1.0));
    }
}
