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
    /// Sums over each user's cases, one row per user.
    sums: Vec<Vec<f64>>,
    /// Cases of each user.
    cases: Vec<f64>,
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
        let mut sample = Self { width, ..Self::default() };
        let mut last = None;
        for (user, row) in rows {
            if last.as_ref() != Some(&user) {
                sample.sums.push(vec![0.0; width]);
                sample.cases.push(0.0);
                last = Some(user);
            }
            if let (Some(row), Some(sums), Some(cases)) =
                (row, sample.sums.last_mut(), sample.cases.last_mut())
            {
                sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
                *cases += 1.0;
            }
        }
        sample
    }

    /// Draws users and takes means.
    pub(crate) fn draw(&self, seed: u64) -> Draws {
        let everyone = vec![1u32; self.sums.len()];
        let drawn = (0..DRAWS)
            .into_par_iter()
            .map(|draw| {
                let mut random = StdRng::seed_from_u64(seed ^ draw.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                let mut times = vec![0u32; self.sums.len()];
                for _ in 0..times.len() {
                    times[random.random_range(0..self.sums.len())] += 1;
                }
                self.means(&times)
            })
            .collect();
        Draws { means: self.means(&everyone), drawn }
    }

    /// Means over cases when each user is taken so many times; 0 where there is no case.
    fn means(&self, times: &[u32]) -> Vec<f64> {
        let mut means = vec![0.0; self.width];
        let mut cases = 0.0;
        for ((&times, sums), own) in times.iter().zip(&self.sums).zip(&self.cases) {
            if times > 0 {
                let times = f64::from(times);
                cases += times * own;
                means.iter_mut().zip(sums).for_each(|(mean, sum)| *mean += times * sum);
            }
        }
        if cases > 0.0 {
            means.iter_mut().for_each(|mean| *mean /= cases);
        }
        means
    }
}

impl Draws {
    /// Means with percentile intervals.
    pub(crate) fn estimates(&self) -> Vec<Estimate> {
        let interval = |(place, &value): (usize, &f64)| {
            let mut drawn: Vec<f64> = self.drawn.iter().map(|means| means[place]).collect();
            drawn.sort_by(f64::total_cmp);
            let at = |share: f64| drawn[((drawn.len() - 1) as f64 * share).round() as usize];
            Estimate { value, lo: at(0.025), hi: at(0.975) }
        };
        self.means.iter().enumerate().map(interval).collect()
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
}
