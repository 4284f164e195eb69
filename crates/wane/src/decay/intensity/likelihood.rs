//! The likelihood of one category's wishes, its slope, and its information.
//!
//! - Given the base rate `mu_q` of node q, a user's log-likelihood is `sum_i ln(mu_q s_i + e_i) - mu_q S - E`: `e_i` is what
//!   earlier events excite at wish i, `E = sum_j alpha (1 - exp(-beta (T - t_j)))` its integral, `s_i` the season.
//! - Which node a user has is unknown: the likelihood is `exp(-E) sum_q w_q prod_i (mu_q s_i + e_i) exp(-mu_q S)`. So the
//!   distribution of base rates is `ln w_q = c_1 z_q + .. + c_4 z_q^4 + const` over a fine grid of `z = ln mu` (Efron 2016), and has a
//!   share of its own at 0, for many users want nothing of a category. A log-normal distribution is one of these.
//!   The grid must be fine: between two coarse nodes a busy user's own base rate is missed by more than their events allow, and
//!   what they excite makes up for it.
//! - Sums over earlier events follow recurrences: `R <- exp(-beta dt) R`, and `D = sum_j (t - t_j) exp(-beta (t - t_j))`
//!   gives the slope along `beta`.
//! - The information is the sum of the outer products of the users' slopes (Berndt, Hall, Hall and Hausman 1974).

use rayon::prelude::*;

use super::Season;
use super::streams::{Moment, Stream, Streams};

/// Users per piece of work; a fixed number, so that sums are taken in one order on any machine.
const PIECE: usize = 1_024;
/// A rate that is not 0, per day: what nothing explains is very unlikely, not impossible.
const LEAST_RATE: f64 = 1e-12;
/// Factors that are multiplied before a logarithm is taken.
const FACTORS: usize = 8;
/// Degree of the logarithm of the density of `ln mu`.
pub(super) const DEGREE: usize = 4;

/// What is fitted, by its logarithms.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    /// `ln alpha` and `ln beta` of each component; the logit of the base rate 0; `c_1`, `c_2`, ...
    pub(super) values: Vec<f64>,
}

/// What does not change while a category is fitted.
pub(super) struct Frame<'a> {
    pub(super) streams: &'a Streams,
    pub(super) season: &'a Season,
    /// Which events feed each component.
    pub(super) sources: &'a [u16],
    /// Base rates, per day of average hours; the first is 0.
    pub(super) nodes: &'a [f64],
}

/// Sums over users.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    pub(super) value: f64,
    pub(super) slope: Vec<f64>,
    /// Row by row.
    pub(super) information: Vec<f64>,
    /// Base events by hour of the week.
    pub(super) base_hours: Vec<f64>,
}

/// Numbers of a point in the form in which they are used.
pub(super) struct Laws {
    pub(super) alpha: Vec<f64>,
    pub(super) beta: Vec<f64>,
    pub(super) weights: Vec<f64>,
}

/// What a pass over one user leaves.
#[derive(Default)]
pub(super) struct Buffers {
    /// Season and excitation of each wish, and its hour.
    wishes: Vec<(f64, f64, u8)>,
    /// Slopes of the excitation of each wish.
    slopes: Vec<f64>,
    slope: Vec<f64>,
    /// Probability of each node.
    pub(super) posterior: Vec<f64>,
    /// What is left of the events that fed each component when watching ends, and how many they were.
    pub(super) left: Vec<(f64, f64)>,
}

impl Sums {
    fn new(size: usize) -> Self {
        Self {
            value: 0.0,
            slope: vec![0.0; size],
            information: vec![0.0; size * size],
            base_hours: Season::no_counts(),
        }
    }

    fn add(&mut self, other: &Self) {
        self.value += other.value;
        let pairs = [
            (&mut self.slope, &other.slope),
            (&mut self.information, &other.information),
            (&mut self.base_hours, &other.base_hours),
        ];
        for (own, other) in pairs {
            own.iter_mut().zip(other).for_each(|(own, other)| *own += other);
        }
    }

    /// Counts a slope that so many users have.
    fn count(&mut self, slope: &[f64], users: f64) {
        let rows = self.information.chunks_exact_mut(slope.len());
        for ((row, sum), own) in rows.zip(&mut self.slope).zip(slope) {
            *sum += users * own;
            row.iter_mut().zip(slope).for_each(|(sum, other)| *sum += users * own * other);
        }
    }
}

impl Frame<'_> {
    pub(super) fn laws(&self, at: &Point) -> Laws {
        let (kernels, base) = at.values.split_at(2 * self.sources.len());
        let logit = |q: usize| match q.checked_sub(1) {
            None => base[0],
            Some(_) => powers(self.place(q)).zip(&base[1..]).map(|(power, c)| c * power).sum(),
        };
        let logits: Vec<f64> = (0..self.nodes.len()).map(logit).collect();
        Laws {
            alpha: kernels.iter().step_by(2).map(|value| value.exp()).collect(),
            beta: kernels.iter().skip(1).step_by(2).map(|value| value.exp()).collect(),
            weights: softmax(&logits),
        }
    }

    /// `z` of a node: -2 to 2 over the grid.
    fn place(&self, q: usize) -> f64 {
        4.0 * (q as f64 - 1.0) / (self.nodes.len() as f64 - 2.0).max(1.0) - 2.0
    }

    /// Number of parameters.
    fn size(&self) -> usize {
        2 * self.sources.len() + 1 + DEGREE
    }

    /// Slopes along the parameters of the base rates.
    fn slope_of_base(&self, laws: &Laws, posterior: &[f64], slope: &mut [f64]) {
        slope.fill(0.0);
        for (q, (posterior, weight)) in posterior.iter().zip(&laws.weights).enumerate() {
            if q == 0 {
                slope[0] = posterior - weight;
            } else {
                let own = slope[1..].iter_mut().zip(powers(self.place(q)));
                own.for_each(|(slope, power)| *slope += (posterior - weight) * power);
            }
        }
    }

    /// The log-likelihood at a point, with its slope and information.
    pub(super) fn pass(&self, at: &Point) -> Sums {
        let laws = self.laws(at);
        let pieces: Vec<Sums> = self
            .streams
            .users
            .par_chunks(PIECE)
            .map_init(Buffers::default, |buffers, users| {
                let mut sums = Sums::new(self.size());
                users.iter().for_each(|user| self.user(&laws, user, buffers, &mut sums));
                sums
            })
            .collect();
        let mut sums = Sums::new(self.size());
        pieces.iter().for_each(|piece| sums.add(piece));
        self.quiet(&laws, &mut sums);
        sums
    }

    fn user(&self, laws: &Laws, user: &Stream, buffers: &mut Buffers, sums: &mut Sums) {
        let n_kernels = 2 * self.sources.len();
        sums.value += self.follow(laws, user, buffers);
        let Buffers { wishes, slopes, slope, posterior, .. } = buffers;
        for ((season, excited, hour), slopes) in wishes.iter().zip(slopes.chunks_exact(n_kernels.max(1))) {
            let (mut inverse, mut base) = (0.0, 0.0);
            for (&node, share) in self.nodes.iter().zip(&*posterior) {
                let part = share / (node * season + excited).max(LEAST_RATE);
                inverse += part;
                base += part * node * season;
            }
            slope.iter_mut().zip(slopes).for_each(|(sum, slope)| *sum += inverse * slope);
            if let Some(count) = sums.base_hours.get_mut(usize::from(*hour)) {
                *count += base;
            }
        }
        self.slope_of_base(laws, posterior, &mut slope[n_kernels..]);
        sums.count(slope, 1.0);
    }

    /// The log-likelihood of one user.
    pub(super) fn follow(&self, laws: &Laws, user: &Stream, buffers: &mut Buffers) -> f64 {
        buffers.slope.clear();
        buffers.slope.resize(self.size(), 0.0);
        let excited = self.excite(laws, user, buffers);
        self.weigh(laws, user, buffers) - excited
    }

    /// Lays out the user's wishes, takes the slope of the excited integral, and returns the integral.
    fn excite(&self, laws: &Laws, user: &Stream, buffers: &mut Buffers) -> f64 {
        let k = self.sources.len();
        let mut state = vec![(0.0, 0.0); k];
        let mut fed = vec![0.0; k];
        let mut now = user.opens;
        buffers.wishes.clear();
        buffers.slopes.clear();
        let age = |state: &mut [(f64, f64)], days: f64| {
            for ((sum, aged), beta) in state.iter_mut().zip(&laws.beta) {
                let kept = (-beta * days).exp();
                *aged = kept * (*aged + days * *sum);
                *sum *= kept;
            }
        };
        for moment in self.streams.moments[user.first..user.last].chunk_by(|a, b| a.day == b.day) {
            let day = moment[0].day;
            age(&mut state, day - now);
            now = day;
            if let Some(wish) = moment.iter().find(|moment| is_own(moment)).filter(|_| day > user.opens) {
                let mut excited = 0.0;
                for ((sum, aged), (alpha, beta)) in state.iter().zip(laws.alpha.iter().zip(&laws.beta)) {
                    let part = alpha * beta * sum;
                    excited += part;
                    buffers.slopes.extend([part, part - alpha * beta * beta * aged]);
                }
                let season = self.season.by_hour[usize::from(wish.hour)];
                buffers.wishes.push((season, excited, wish.hour));
            }
            for moment in moment {
                let fits = self.sources.iter().zip(state.iter_mut().zip(&mut fed));
                fits.filter(|(source, _)| **source == moment.source).for_each(|(_, (state, fed))| {
                    state.0 += 1.0;
                    *fed += 1.0;
                });
            }
        }
        age(&mut state, self.streams.end - now);
        let mut integral = 0.0;
        for (place, ((left, aged), fed)) in state.iter().zip(&fed).enumerate() {
            let part = laws.alpha[place] * (fed - left);
            integral += part;
            buffers.slope[2 * place] = -part;
            buffers.slope[2 * place + 1] = -laws.alpha[place] * laws.beta[place] * aged;
        }
        buffers.left.clear();
        buffers.left.extend(state.iter().zip(&fed).map(|(state, fed)| (state.0, *fed)));
        integral
    }

    /// Finds which nodes the user may have, and returns the logarithm of their weighted likelihoods.
    fn weigh(&self, laws: &Laws, user: &Stream, buffers: &mut Buffers) -> f64 {
        let of_node = |(&node, weight): (&f64, &f64)| {
            let mut sum = weight.ln() - node * user.exposure;
            for wishes in buffers.wishes.chunks(FACTORS) {
                let rate = |(season, excited, _): &(f64, f64, u8)| (node * season + excited).max(LEAST_RATE);
                sum += wishes.iter().map(rate).product::<f64>().ln();
            }
            sum
        };
        buffers.posterior.clear();
        buffers.posterior.extend(self.nodes.iter().zip(&laws.weights).map(of_node));
        let top = buffers.posterior.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut total = 0.0;
        for part in &mut buffers.posterior {
            *part = (*part - top).exp();
            total += *part;
        }
        buffers.posterior.iter_mut().for_each(|part| *part /= total);
        top + total.ln()
    }

    /// Users who never did anything in the category: that too says something.
    fn quiet(&self, laws: &Laws, sums: &mut Sums) {
        let n_kernels = 2 * self.sources.len();
        let mut slope = vec![0.0; self.size()];
        for &(exposure, users) in &self.streams.quiet {
            let parts = self.nodes.iter().zip(&laws.weights);
            let mut parts: Vec<f64> = parts.map(|(node, weight)| weight * (-node * exposure).exp()).collect();
            let total: f64 = parts.iter().sum();
            sums.value += users * total.ln();
            parts.iter_mut().for_each(|part| *part /= total);
            self.slope_of_base(laws, &parts, &mut slope[n_kernels..]);
            sums.count(&slope, users);
        }
        // What they did elsewhere excited nothing. One user's share of this is too small to count in the information.
        let elsewhere =
            self.sources.iter().enumerate().filter(|(_, source)| **source == super::streams::ELSEWHERE);
        for (place, _) in elsewhere {
            let (alpha, beta) = (laws.alpha[place], laws.beta[place]);
            for &(days, moments) in &self.streams.quiet_moments {
                let left = (-beta * days).exp();
                let integral = moments * alpha * (1.0 - left);
                sums.value -= integral;
                sums.slope[2 * place] -= integral;
                sums.slope[2 * place + 1] -= moments * alpha * beta * days * left;
            }
        }
    }
}

/// `z`, `z^2`, ... up to the degree.
fn powers(z: f64) -> impl Iterator<Item = f64> {
    (1..=DEGREE as i32).map(move |degree| z.powi(degree))
}

fn is_own(moment: &Moment) -> bool {
    moment.source != super::streams::ELSEWHERE
}

pub(super) fn softmax(logits: &[f64]) -> Vec<f64> {
    let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let parts: Vec<f64> = logits.iter().map(|logit| (logit - top).exp()).collect();
    let total: f64 = parts.iter().sum();
    parts.iter().map(|part| part / total).collect()
}
