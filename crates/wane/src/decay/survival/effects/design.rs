//! Gaps with covariates, and the same in the order in which regressions read them.

use super::super::Unfit;

/// Returns at least, for a regression.
const FEWEST: usize = 10;

/// Gaps, each with its baseline, its user and its covariates.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ObservedGaps {
    /// Length of each gap in days (above 0).
    pub days: Vec<f64>,
    /// Whether a return ended it; if not, it is only known to be longer.
    pub is_return: Vec<bool>,
    /// Which baseline each belongs to: gaps are compared within one.
    pub baseline: Vec<u32>,
    /// Which user made each: gaps of one resemble each other.
    pub user: Vec<u32>,
    /// Covariates per gap.
    pub width: usize,
    /// `width` covariates per gap, gap by gap.
    pub covariates: Vec<f64>,
}

impl ObservedGaps {
    /// Whether a covariate differs within a baseline in which somebody returned. If not, a regression can say nothing of it.
    pub fn varies(&self, column: usize) -> bool {
        let n = self.baseline.iter().max().map_or(0, |&most| most as usize + 1);
        let mut first = vec![None; n];
        let (mut differs, mut returns) = (vec![false; n], vec![false; n]);
        for (gap, &baseline) in self.baseline.iter().enumerate() {
            let (place, value) = (baseline as usize, self.covariates[gap * self.width + column]);
            differs[place] |= *first[place].get_or_insert(value) != value;
            returns[place] |= self.is_return[gap];
        }
        differs.iter().zip(&returns).any(|(&differs, &returns)| differs && returns)
    }

    fn is_sound(&self) -> bool {
        let n = self.days.len();
        [self.is_return.len(), self.baseline.len(), self.user.len()] == [n; 3]
            && self.covariates.len() == n * self.width
            && self.days.iter().all(|days| days.is_finite() && *days > 0.0)
            && self.covariates.iter().all(|value| value.is_finite())
    }
}

/// Gaps by baseline and length, with covariates centred and scaled to a range of 1. Baselines without a return are left out: they
/// have nothing to say of either regression.
#[derive(Debug)]
pub(super) struct Design {
    pub(super) days: Vec<f64>,
    pub(super) is_return: Vec<bool>,
    /// Users, numbered from 0 without holes.
    pub(super) user: Vec<u32>,
    pub(super) n_users: usize,
    pub(super) width: usize,
    pub(super) covariates: Vec<f64>,
    /// Places of each baseline.
    pub(super) baselines: Vec<std::ops::Range<usize>>,
    /// What each covariate was divided by.
    pub(super) range: Vec<f64>,
}

impl Design {
    pub(super) fn of(gaps: &ObservedGaps) -> Result<Self, Unfit> {
        if !gaps.is_sound() {
            return Err(Unfit::NoTop);
        }
        let returns = gaps.is_return.iter().filter(|&&is_return| is_return).count();
        if returns < FEWEST.max(gaps.width + 1) {
            return Err(Unfit::TooFew(returns as u64));
        }
        let mut order: Vec<u32> = (0..gaps.days.len() as u32).collect();
        let key = |&gap: &u32| (gaps.baseline[gap as usize], gaps.days[gap as usize]);
        order.sort_by(|a, b| key(a).0.cmp(&key(b).0).then(key(a).1.total_cmp(&key(b).1)));
        let order: Vec<usize> = order
            .chunk_by(|a, b| key(a).0 == key(b).0)
            .filter(|own| own.iter().any(|&gap| gaps.is_return[gap as usize]))
            .flatten()
            .map(|&gap| gap as usize)
            .collect();
        let (user, n_users) = dense(order.iter().map(|&gap| gaps.user[gap]));
        let mut design = Self {
            days: order.iter().map(|&gap| gaps.days[gap]).collect(),
            is_return: order.iter().map(|&gap| gaps.is_return[gap]).collect(),
            user,
            n_users,
            width: gaps.width,
            covariates: order.iter().flat_map(|&gap| gaps.row(gap)).copied().collect(),
            baselines: Vec::new(),
            range: Vec::new(),
        };
        let mut start = 0;
        for own in order.chunk_by(|&a, &b| gaps.baseline[a] == gaps.baseline[b]) {
            design.baselines.push(start..start + own.len());
            start += own.len();
        }
        design.scale();
        Ok(design)
    }

    fn scale(&mut self) {
        let n = self.days.len() as f64;
        for column in 0..self.width {
            let values = || self.covariates.iter().skip(column).step_by(self.width);
            let mean = values().sum::<f64>() / n;
            let low = values().copied().fold(f64::INFINITY, f64::min);
            let high = values().copied().fold(f64::NEG_INFINITY, f64::max);
            let range = if high > low { high - low } else { 1.0 };
            let own = self.covariates.iter_mut().skip(column).step_by(self.width);
            own.for_each(|value| *value = (*value - mean) / range);
            self.range.push(range);
        }
    }

    /// The covariates of a gap.
    pub(super) fn row(&self, gap: usize) -> &[f64] {
        &self.covariates[gap * self.width..(gap + 1) * self.width]
    }

    /// Sum of the covariates, each times its coefficient.
    pub(super) fn score(&self, gap: usize, coefficients: &[f64]) -> f64 {
        self.row(gap).iter().zip(coefficients).map(|(value, b)| value * b).sum()
    }
}

impl ObservedGaps {
    fn row(&self, gap: usize) -> &[f64] {
        &self.covariates[gap * self.width..(gap + 1) * self.width]
    }
}

/// Numbers without holes, in order, and how many there are.
fn dense(numbers: impl Iterator<Item = u32> + Clone) -> (Vec<u32>, usize) {
    let mut known: Vec<u32> = numbers.clone().collect();
    known.sort_unstable();
    known.dedup();
    let place = |number: u32| known.partition_point(|&other| other < number) as u32;
    (numbers.map(place).collect(), known.len())
}
