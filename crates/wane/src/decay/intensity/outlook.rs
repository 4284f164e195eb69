//! What is to come of a category from one user.
//!
//! - **Probability** of an event within h days: no event comes as long as nothing new excites one, so with the posterior `pi_q`
//!   of the user's base rate it is exactly `1 - sum_q pi_q exp(-mu_q S_h - E_h)`, where `E_h` integrates what is left of the user's
//!   events. What the user may do elsewhere meanwhile excites too: it is taken to go on at its mean
//!   rate, which says too much where it comes in bursts: 5 % in a planted model of which three in five carts bring carts.
//! - **Expected events** count those that the events to come bring about as well:
//!   `d x_k / dt = -beta_k x_k + alpha_k beta_k m_k(t)`, `m_k(t) = p_0k mu s + sum_j p_jk x_j`, with the shares `p` of event types among
//!   what comes of its own and what each component excites.
//! - **Half-life of interest now**: the time until what is left of the excitement has halved.

use rayon::prelude::*;

use super::likelihood::{Buffers, Frame, Laws, Marks, Weights};
use super::streams::{ELSEWHERE, Stream, Streams, Watched};
use super::{CategoryIntensity, Component, Intensity, Source};
use crate::events::{EventLog, Timestamp, UserId};

/// Steps in which expected events are followed through the horizon.
pub(super) const STEPS: usize = 64;

/// What is to come of one category from one user.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Outlook {
    /// The user.
    #[serde(skip)]
    pub user: UserId,
    /// The category, as numbered by the caller.
    #[serde(skip)]
    pub category: u32,
    /// Events per day that nothing excites: the posterior mean.
    pub base_per_day: f64,
    /// Further events per day that past events excite now.
    pub excited_per_day: f64,
    /// Expected events within the horizon.
    pub expected: f64,
    /// Probability of at least one event within the horizon.
    pub probability: f64,
    /// Days until the excitement has halved; nothing where there is none.
    pub half_life_days: Option<f64>,
}

impl Intensity {
    /// What is to come, within days after `at`, of each category from each user who acted on it before: by category, then by
    /// user.
    pub fn outlooks(
        &self,
        log: &EventLog,
        categories: &[Option<u32>],
        at: Timestamp,
        days: f64,
    ) -> Vec<Outlook> {
        let watched = Watched::new(log, categories, at);
        let exposures = watched.exposures(&self.season);
        let ahead = self.season.between(at, at.plus_days(days));
        let of_category = |own: &CategoryIntensity| {
            if !watched.has(own.category) {
                return Vec::new();
            }
            let streams = watched.streams(own.category as usize, &exposures, 1);
            own.outlooks(self, &streams, days, ahead)
        };
        self.categories.par_iter().flat_map_iter(of_category).collect()
    }
}

impl CategoryIntensity {
    fn outlooks(&self, model: &Intensity, streams: &Streams, days: f64, ahead: f64) -> Vec<Outlook> {
        self.ahead(model, streams, (days, ahead), |standing, user| standing.outlook(user.user))
    }

    /// What is to come within `days`, which weigh `ahead` days by the season, from each user with events in the category.
    pub(super) fn ahead<T>(
        &self,
        model: &Intensity,
        streams: &Streams,
        (days, ahead): (f64, f64),
        of: impl Fn(&Standing<'_>, &Stream) -> T,
    ) -> Vec<T> {
        let sources: Vec<(u16, u64)> = self.components.iter().map(|own| (own.fed_by(), own.events)).collect();
        let nodes: Vec<f64> = self.base.iter().map(|node| node.0).collect();
        let marks = Marks {
            base: self.begins.clone(),
            excited: self.components.iter().map(|own| own.next.clone()).collect(),
        };
        let frame = Frame { streams, season: &model.season, sources: &sources, nodes: &nodes, marks: &marks };
        let laws = Laws {
            alpha: self.components.iter().map(|own| own.follow_ups.value).collect(),
            beta: self.components.iter().map(Component::rate).collect(),
            weights: [
                Weights::new(self.base.iter().map(|node| node.1.ln()).collect()),
                Weights::new(self.base_of_openers.iter().map(|share| share.ln()).collect()),
            ],
            basis: Vec::new(),
        };
        let mut buffers = Buffers::default();
        let of_user = |user: &Stream| {
            frame.follow(&laws, user, &mut buffers);
            let elsewhere = elsewhere(&sources, &buffers, streams.end - user.opens);
            of(&Standing { own: self, buffers: &buffers, elsewhere, days, ahead }, user)
        };
        streams.users.iter().map(of_user).collect()
    }
}

impl Component {
    /// As events are marked that feed it.
    pub(super) fn fed_by(&self) -> u16 {
        match self.source {
            Source::Type(kind) => u16::from(kind.0),
            Source::Elsewhere => ELSEWHERE,
        }
    }
}

/// The user's events elsewhere, per day.
fn elsewhere(sources: &[(u16, u64)], buffers: &Buffers, days: f64) -> f64 {
    let place = sources.iter().position(|source| source.0 == ELSEWHERE);
    let events = place.and_then(|place| buffers.fed.get(place)).map_or(0.0, |fed| fed.events);
    // One event's worth of doubt, or who came a minute ago would come every minute.
    events / (days + 1.0)
}

/// One user at the moment from which is looked ahead.
pub(super) struct Standing<'a> {
    pub(super) own: &'a CategoryIntensity,
    buffers: &'a Buffers,
    /// Events elsewhere, per day.
    pub(super) elsewhere: f64,
    pub(super) days: f64,
    /// Days ahead, each hour weighing as the season says.
    ahead: f64,
}

impl Standing<'_> {
    /// Base rates per day of average hours, with their probabilities.
    pub(super) fn bases(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.own.base.iter().zip(&self.buffers.posterior).map(|(node, share)| (node.0, *share))
    }

    /// The mean of the base rates.
    pub(super) fn base(&self) -> f64 {
        self.bases().map(|(rate, share)| rate * share).sum()
    }

    /// By how much the season raises the days ahead.
    pub(super) fn season(&self) -> f64 {
        self.ahead / self.days
    }

    pub(super) fn outlook(&self, user: UserId) -> Outlook {
        let base = self.base();
        let excited = self.excited();
        let none: f64 = self.bases().map(|(rate, share)| share * (-rate * self.ahead - excited).exp()).sum();
        Outlook {
            user,
            category: self.own.category,
            base_per_day: base,
            excited_per_day: self.parts().map(|(size, _)| size).sum(),
            expected: self.rates(base).iter().sum::<f64>() * self.days / STEPS as f64,
            probability: (1.0 - none).clamp(0.0, 1.0),
            half_life_days: self.half_life(),
        }
    }

    /// Rate now of what each component excites, and how fast it falls.
    pub(super) fn parts(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let components = self.own.components.iter().zip(&self.buffers.fed);
        components.map(|(own, fed)| (own.follow_ups.value * own.rate() * fed.sum, own.rate()))
    }

    /// What is excited within the horizon as long as nothing happens in the category.
    fn excited(&self) -> f64 {
        let left: f64 = self.parts().map(|(size, rate)| size / rate * -(-rate * self.days).exp_m1()).sum();
        let new = self.own.components.iter().filter(|own| own.source == Source::Elsewhere).map(|own| {
            let rate = own.rate();
            own.follow_ups.value * self.elsewhere * (self.days + (-rate * self.days).exp_m1() / rate)
        });
        left + new.sum::<f64>()
    }

    /// Expected events per day at the start of each step.
    pub(super) fn rates(&self, base: f64) -> Vec<f64> {
        let mut sizes: Vec<f64> = self.parts().map(|(size, _)| size).collect();
        let (step, base) = (self.days / STEPS as f64, base * self.season());
        let mut rates = Vec::with_capacity(STEPS);
        for _ in 0..STEPS {
            rates.push(base + sizes.iter().sum::<f64>());
            // Events of each type, per day: of their own, and excited by each component.
            let mut by_type: Vec<f64> = self.own.begins.iter().map(|share| share * base).collect();
            for (size, own) in sizes.iter().zip(&self.own.components) {
                by_type.iter_mut().zip(&own.next).for_each(|(sum, share)| *sum += share * size);
            }
            for (place, (size, own)) in sizes.iter_mut().zip(&self.own.components).enumerate() {
                let fed = match own.source {
                    Source::Elsewhere => self.elsewhere,
                    Source::Type(_) => by_type[place],
                };
                // Exact for a constant feed, so that no rate is too fast for the step.
                let kept = (-own.rate() * step).exp();
                *size = *size * kept + own.follow_ups.value * fed * (1.0 - kept);
            }
        }
        rates
    }

    fn half_life(&self) -> Option<f64> {
        let after = |days: f64| self.parts().map(|(size, rate)| size * (-rate * days).exp()).sum::<f64>();
        let now = after(0.0);
        if now <= 1e-9 {
            return None;
        }
        // The sum of falling exponentials has halved between the shortest and the longest of their half-lives.
        let half_lives = || self.own.components.iter().map(|own| own.half_life.value);
        let (mut low, mut high) =
            (half_lives().fold(f64::INFINITY, f64::min), half_lives().fold(0.0, f64::max));
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if after(middle) > 0.5 * now { low = middle } else { high = middle }
        }
        Some(0.5 * (low + high))
    }
}
