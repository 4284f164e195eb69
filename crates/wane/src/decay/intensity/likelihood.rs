//! The likelihood of one category's wishes, its slope, and its information.
//!
//! - Given the base rate `mu_q` of node q, a user's log-likelihood is `sum_i ln(mu_q s_i + e_i) - mu_q S - E`: `e_i` is what
//!   earlier events excite at wish i, `E = sum_j alpha (1 - exp(-beta (T - t_j)))` its integral, `s_i` the season.
//! - Wishes have event types ([`Marks`]): of a wish of type b, `mu_q s_i` counts with the share `p_0b`, and what component k excites
//!   with `p_kb`. The integrals stay, for shares add up to 1.
//! - Which node a user has is unknown: the likelihood is `exp(-E) sum_q w_q prod_i (mu_q s_i + e_i) exp(-mu_q S)`. So the
//!   distribution of base rates is `ln w_q = c_1 P_1(z_q) + .. + c_4 P_4(z_q) + const` over a fine grid of `ln mu`, stretched to z from
//!   -1 to 1, with Legendre's polynomials P (Efron 2016), and has a share of its own at 0, for many users want nothing of a category.
//!   A log-normal distribution is one of these.
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
/// Sums that are taken beside each other.
const LANES: usize = 4;
/// Logarithm of a share of the likelihood that is no more than rounding.
const NOTHING: f64 = -45.0;
/// Degree of the logarithm of the density of `ln mu`.
pub(super) const DEGREE: usize = 4;
/// Events by which the types of what a component excites are drawn to those of all.
const DRAWN: f64 = 10.0;
/// Parameters by which base rates of users differ who began in the category: of the share at 0, and of the slope of the density.
pub(super) const TILTS: usize = 2;

/// What is fitted, by its logarithms.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    /// `ln alpha` and `ln beta` of each component; the logit of the base rate 0; `c_1`, `c_2`, ...; for users who began in the
    /// category, what is added to that logit and to `c_1`.
    pub(super) values: Vec<f64>,
}

/// What does not change while a category is fitted.
pub(super) struct Frame<'a> {
    pub(super) streams: &'a Streams,
    pub(super) season: &'a Season,
    /// Which events feed each component.
    pub(super) sources: &'a [(u16, u64)],
    /// Base rates, per day of average hours; the first is 0.
    pub(super) nodes: &'a [f64],
    /// Event types of what comes of its own and of what each component excites.
    pub(super) marks: &'a Marks,
}

/// Event types of what comes: shares, in the order of the components that are fed by a type.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Marks {
    /// Of what nothing excites.
    pub(super) base: Vec<f64>,
    /// Of what each component excites.
    pub(super) excited: Vec<Vec<f64>>,
}

impl Marks {
    /// All shares, row by row.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Vec<f64>> {
        self.excited.iter().chain([&self.base])
    }

    /// All shares, row by row.
    pub(super) fn rows_mut(&mut self) -> impl Iterator<Item = &mut Vec<f64>> {
        self.excited.iter_mut().chain([&mut self.base])
    }

    /// The shares of counted events, by component and at last of what nothing excites. Few are drawn to the shares of all.
    pub(super) fn of_counts(counts: &[Vec<f64>], types: usize) -> Self {
        let all = |place: usize| counts.iter().map(|own| own[place]).sum::<f64>();
        let total: f64 = (0..types).map(all).sum::<f64>().max(f64::MIN_POSITIVE);
        let shares = |own: &Vec<f64>| {
            let events: f64 = own.iter().sum();
            (0..types)
                .map(|place| (own[place] + DRAWN * all(place) / total) / (events + DRAWN))
                .collect::<Vec<f64>>()
        };
        let mut rows: Vec<Vec<f64>> = counts.iter().map(shares).collect();
        let base = rows.pop().unwrap_or_default();
        Self { base, excited: rows }
    }
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
    /// Events by type, of each component, and at last of none.
    pub(super) by_type: Vec<Vec<f64>>,
}

/// Numbers of a point in the form in which they are used.
pub(super) struct Laws {
    pub(super) alpha: Vec<f64>,
    pub(super) beta: Vec<f64>,
    /// The nodes' weights for users who began elsewhere, and for those who began here.
    pub(super) weights: [Weights; 2],
    /// The polynomials at each node; none where no slopes are taken along them.
    pub(super) basis: Vec<[f64; DEGREE]>,
}

/// Weights of the nodes.
pub(super) struct Weights {
    pub(super) shares: Vec<f64>,
    logs: Vec<f64>,
}

/// What a pass over one user leaves.
#[derive(Default)]
pub(super) struct Buffers {
    /// In order of time.
    wishes: Vec<Wish>,
    /// Slopes of the excitation of each wish.
    slopes: Vec<f64>,
    slope: Vec<f64>,
    /// Of the rates of a few wishes, node by node.
    products: Vec<f64>,
    /// Probability of each node.
    pub(super) posterior: Vec<f64>,
    /// What is left of the events that fed each component when watching ends.
    pub(super) fed: Vec<Fed>,
}

/// A moment with events in the category.
struct Wish {
    /// Season, with the share of these event types among base events.
    season: f64,
    /// Rate at which events of these types are excited.
    excited: f64,
    hour: u8,
    /// The moment's first event, and the one after the last.
    first: usize,
    last: usize,
}

/// What is left of the events that fed a component.
#[derive(Debug, Clone, Default)]
pub(super) struct Fed {
    /// `sum_j exp(-beta (t - t_j))`.
    pub(super) sum: f64,
    /// `sum_j (t - t_j) exp(-beta (t - t_j))`.
    aged: f64,
    /// `t`: most components need not follow each moment of a user.
    since: f64,
    /// How many they are.
    pub(super) events: f64,
}

impl Fed {
    fn age(&mut self, beta: f64, day: f64) {
        let days = day - self.since;
        let kept = (-beta * days).exp();
        self.aged = kept * (self.aged + days * self.sum);
        self.sum *= kept;
        self.since = day;
    }
}

impl Wish {
    /// The rate of events of these types, with a base rate.
    fn rate(&self, node: f64) -> f64 {
        (node * self.season + self.excited).max(LEAST_RATE)
    }
}

impl Sums {
    pub(super) fn new(size: usize, components: usize) -> Self {
        Self {
            by_type: vec![vec![0.0; components]; components + 1],
            value: 0.0,
            slope: vec![0.0; size],
            information: vec![0.0; size * size],
            base_hours: Season::no_counts(),
        }
    }

    /// Adds the sums over other users.
    pub(super) fn merge(&mut self, other: &Self) {
        self.value += other.value;
        let pairs = [
            (&mut self.slope, &other.slope),
            (&mut self.information, &other.information),
            (&mut self.base_hours, &other.base_hours),
        ];
        for (own, other) in pairs {
            own.iter_mut().zip(other).for_each(|(own, other)| *own += other);
        }
        for (own, other) in self.by_type.iter_mut().zip(&other.by_type) {
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

impl Weights {
    /// Of logarithms that lack a constant.
    pub(super) fn new(logits: Vec<f64>) -> Self {
        let top = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = logits.iter().map(|logit| (logit - top).exp()).sum();
        let logs: Vec<f64> = logits.iter().map(|logit| logit - top - total.ln()).collect();
        Self { shares: logs.iter().map(|log| log.exp()).collect(), logs }
    }
}

impl Laws {
    fn weights(&self, opened: bool) -> &Weights {
        &self.weights[usize::from(opened)]
    }
}

impl Frame<'_> {
    pub(super) fn laws(&self, at: &Point) -> Laws {
        let (kernels, base) = at.values.split_at(2 * self.sources.len());
        let (base, tilt) = base.split_at(1 + DEGREE);
        // The node 0 has a parameter of its own.
        let mut basis = vec![[0.0; DEGREE]; self.nodes.len()];
        basis.iter_mut().enumerate().skip(1).for_each(|(q, own)| *own = polynomials(self.place(q)));
        let logit = |own: &[f64; DEGREE]| own.iter().zip(&base[1..]).map(|(part, c)| c * part).sum::<f64>();
        let mut logits: Vec<f64> = basis.iter().map(logit).collect();
        logits[0] = base[0];
        let mut opened: Vec<f64> =
            logits.iter().zip(&basis).map(|(logit, own)| logit + tilt[1] * own[0]).collect();
        opened[0] += tilt[0];
        Laws {
            alpha: kernels.iter().step_by(2).map(|value| value.exp()).collect(),
            beta: kernels.iter().skip(1).step_by(2).map(|value| value.exp()).collect(),
            weights: [Weights::new(logits), Weights::new(opened)],
            basis,
        }
    }

    /// `z` of a node: -1 to 1 over the grid.
    fn place(&self, q: usize) -> f64 {
        2.0 * (q as f64 - 1.0) / (self.nodes.len() as f64 - 2.0).max(1.0) - 1.0
    }

    /// Number of parameters.
    fn size(&self) -> usize {
        2 * self.sources.len() + 1 + DEGREE + TILTS
    }

    /// Slopes along the parameters of the base rates.
    fn slope_of_base(&self, opened: bool, laws: &Laws, posterior: &[f64], slope: &mut [f64]) {
        slope.fill(0.0);
        let shares = &laws.weights(opened).shares;
        slope[0] = posterior[0] - shares[0];
        let mut sums = [0.0; DEGREE];
        for ((posterior, share), basis) in posterior.iter().zip(shares).zip(&laws.basis) {
            sums.iter_mut().zip(basis).for_each(|(sum, part)| *sum += (posterior - share) * part);
        }
        slope[1..=DEGREE].copy_from_slice(&sums);
        let tilts = if opened { [slope[0], slope[1]] } else { [0.0; TILTS] };
        slope[1 + DEGREE..].copy_from_slice(&tilts);
    }

    /// The log-likelihood at a point, with its slope and information.
    pub(super) fn pass(&self, at: &Point) -> Sums {
        let laws = self.laws(at);
        let pieces: Vec<Sums> = self
            .streams
            .users
            .par_chunks(PIECE)
            .map_init(Buffers::default, |buffers, users| {
                let mut sums = Sums::new(self.size(), self.sources.len());
                users.iter().for_each(|user| self.user(&laws, user, buffers, &mut sums));
                sums
            })
            .collect();
        let mut sums = Sums::new(self.size(), self.sources.len());
        pieces.iter().for_each(|piece| sums.merge(piece));
        self.quiet(&laws, &mut sums);
        sums
    }

    fn user(&self, laws: &Laws, user: &Stream, buffers: &mut Buffers, sums: &mut Sums) {
        let n_kernels = 2 * self.sources.len();
        sums.value += self.follow(laws, user, buffers);
        let Buffers { wishes, slopes, slope, posterior, .. } = buffers;
        for (wish, slopes) in wishes.iter().zip(slopes.chunks_exact(n_kernels.max(1))) {
            let inverse = self.inverse_rate(wish, posterior);
            let base = (1.0 - wish.excited * inverse).max(0.0);
            slope.iter_mut().zip(slopes).for_each(|(sum, slope)| *sum += inverse * slope);
            if let Some(count) = sums.base_hours.get_mut(usize::from(wish.hour)) {
                *count += base;
            }
            let parts = slopes.iter().step_by(2).map(|part| part * inverse).chain([base]);
            let marks = self.marks.excited.iter().chain([&self.marks.base]);
            for ((count, part), marks) in sums.by_type.iter_mut().zip(parts).zip(marks) {
                self.deal(wish, part, marks, count);
            }
        }
        self.slope_of_base(user.opened, laws, posterior, &mut slope[n_kernels..]);
        sums.count(slope, 1.0);
    }

    /// The expectation of `1 / rate` at a wish.
    fn inverse_rate(&self, wish: &Wish, posterior: &[f64]) -> f64 {
        let mut sums = [0.0; LANES];
        for (nodes, shares) in self.nodes.chunks(LANES).zip(posterior.chunks(LANES)) {
            for ((sum, &node), share) in sums.iter_mut().zip(nodes).zip(shares) {
                *sum += share / wish.rate(node);
            }
        }
        sums.iter().sum()
    }

    /// The share of a moment's event types. Of types that came to the category after the fit nothing is known: there the time alone
    /// speaks.
    fn share(&self, moment: &[Moment], marks: &[f64]) -> f64 {
        let mut places = self.places(moment).peekable();
        if places.peek().is_none() {
            return 1.0;
        }
        places.map(|place| marks[place]).sum()
    }

    /// Counts a part of a wish with its event types.
    fn deal(&self, wish: &Wish, part: f64, marks: &[f64], counts: &mut [f64]) {
        let moment = &self.streams.moments[wish.first..wish.last];
        let all = self.share(moment, marks).max(f64::MIN_POSITIVE);
        self.places(moment).for_each(|place| counts[place] += part * marks[place] / all);
    }

    /// Components that a moment's events in the category feed.
    fn places<'b>(&'b self, moment: &'b [Moment]) -> impl Iterator<Item = usize> + 'b {
        let own = moment.iter().filter(|moment| is_own(moment));
        own.filter_map(|own| self.sources.iter().position(|source| source.0 == own.source))
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
        let Buffers { wishes, slopes, slope, fed: all, .. } = buffers;
        all.clear();
        all.resize(self.sources.len(), Fed { since: user.opens, ..Fed::default() });
        wishes.clear();
        slopes.clear();
        let mut first = user.first;
        for moment in self.streams.moments[user.first..user.last].chunk_by(|a, b| a.day == b.day) {
            let last = first + moment.len();
            let day = moment[0].day;
            if let Some(wish) = moment.iter().find(|moment| is_own(moment)).filter(|_| day > user.opens) {
                let mut excited = 0.0;
                let laws = laws.alpha.iter().zip(&laws.beta);
                for ((fed, (alpha, beta)), marks) in all.iter_mut().zip(laws).zip(&self.marks.excited) {
                    fed.age(*beta, day);
                    let size = alpha * beta * self.share(moment, marks);
                    excited += size * fed.sum;
                    slopes.extend([size * fed.sum, size * (fed.sum - beta * fed.aged)]);
                }
                let season =
                    self.season.by_hour[usize::from(wish.hour)] * self.share(moment, &self.marks.base);
                wishes.push(Wish { season, excited, hour: wish.hour, first, last });
            }
            first = last;
            for moment in moment {
                let place = self.sources.iter().position(|source| source.0 == moment.source);
                if let Some((fed, beta)) =
                    place.and_then(|place| Some((all.get_mut(place)?, laws.beta[place])))
                {
                    fed.age(beta, day);
                    fed.sum += 1.0;
                    fed.events += 1.0;
                }
            }
        }
        let mut integral = 0.0;
        for (place, fed) in all.iter_mut().enumerate() {
            fed.age(laws.beta[place], self.streams.end);
            let part = laws.alpha[place] * (fed.events - fed.sum);
            integral += part;
            slope[2 * place] = -part;
            slope[2 * place + 1] = -laws.alpha[place] * laws.beta[place] * fed.aged;
        }
        integral
    }

    /// Finds which nodes the user may have, and returns the logarithm of their weighted likelihoods.
    fn weigh(&self, laws: &Laws, user: &Stream, buffers: &mut Buffers) -> f64 {
        let Buffers { wishes, posterior, products, .. } = buffers;
        let start = |(&node, weight): (&f64, &f64)| weight - node * user.exposure;
        posterior.clear();
        posterior.extend(self.nodes.iter().zip(&laws.weights(user.opened).logs).map(start));
        for wishes in wishes.chunks(FACTORS) {
            products.clear();
            products.resize(self.nodes.len(), 1.0);
            // Nodes are the inner loop: they do not depend on each other.
            for wish in wishes {
                products.iter_mut().zip(self.nodes).for_each(|(product, &node)| *product *= wish.rate(node));
            }
            posterior.iter_mut().zip(&*products).for_each(|(sum, product)| *sum += product.ln());
        }
        let top = posterior.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for part in &mut *posterior {
            let below = *part - top;
            *part = if below > NOTHING { below.exp() } else { 0.0 };
        }
        let total: f64 = posterior.iter().sum();
        posterior.iter_mut().for_each(|part| *part /= total);
        top + total.ln()
    }

    /// Users who never did anything in the category: that too says something.
    fn quiet(&self, laws: &Laws, sums: &mut Sums) {
        let n_kernels = 2 * self.sources.len();
        let mut slope = vec![0.0; self.size()];
        for &(exposure, users) in &self.streams.quiet {
            let parts = self.nodes.iter().zip(&laws.weights(false).shares);
            let mut parts: Vec<f64> = parts.map(|(node, weight)| weight * (-node * exposure).exp()).collect();
            let total: f64 = parts.iter().sum();
            sums.value += users * total.ln();
            parts.iter_mut().for_each(|part| *part /= total);
            self.slope_of_base(false, laws, &parts, &mut slope[n_kernels..]);
            sums.count(&slope, users);
        }
        // What they did elsewhere excited nothing. One user's share of this is too small to count in the information.
        let elsewhere =
            self.sources.iter().enumerate().filter(|(_, source)| source.0 == super::streams::ELSEWHERE);
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

/// Legendre's polynomials of `z`, from the first up to the degree: steps along one hardly undo those along another.
fn polynomials(z: f64) -> [f64; DEGREE] {
    let mut all = [z; DEGREE];
    let mut last = 1.0;
    for n in 1..DEGREE {
        let k = n as f64;
        all[n] = ((2.0 * k + 1.0) * z * all[n - 1] - k * last) / (k + 1.0);
        last = all[n - 1];
    }
    all
}

fn is_own(moment: &Moment) -> bool {
    moment.source != super::streams::ELSEWHERE
}
