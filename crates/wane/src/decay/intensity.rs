//! Half-lives by category and event type, read off how much one event raises the rate of the next ones.
//!
//! The rate at which user `u` acts on category `c` is a base rate plus what past events there still excite
//! (Hawkes 1971), each (category, event type) cell `k` with its own size and speed:
//!
//! - `rate_uc(t) = mu_uc + sum_i alpha_k(i) * beta_k(i) * exp(-beta_k(i) * (t - t_i))`, half-life `ln 2 / beta`
//! - `alpha` is the expected number of further events that one event brings about.
//!
//! Fitted by expectation maximisation (Veen & Schoenberg 2008): each event is shared out between the base rate and
//! its possible causes, then `alpha`, `beta` and `mu` are re-estimated from the shares. The end of the log is
//! accounted for: an event near it had less time to cause others. Base rates are shrunk toward the category's mean by
//! empirical Bayes: `mu_uc` has a gamma prior whose shape is matched to how much more the users' base events vary than
//! a Poisson count would. Too little shrinkage turns clusters into base rates and makes half-lives too short.

use rayon::prelude::*;

use super::HalfLife;
use crate::error::{Error, Result};
use crate::events::{EventLog, EventTypeId, History, MILLIS_PER_DAY, Timestamp};

/// How the fit is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IntensitySettings {
    /// Rounds of expectation maximisation.
    pub rounds: usize,
    /// How many of the user's latest events in the category may be the cause of an event.
    pub causes: usize,
}

impl Default for IntensitySettings {
    fn default() -> Self {
        Self { rounds: 60, causes: 40 }
    }
}

/// What was learned of one (category, event type) cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InterestHalfLife {
    /// The category, as numbered by the caller.
    pub category: u32,
    /// The event type.
    pub event_type: EventTypeId,
    /// The age at which what an event excites has halved.
    pub half_life: HalfLife,
    /// Expected further events in the category that one event brings about.
    pub follow_ups: f64,
    /// Events of the cell.
    pub events: u64,
}

/// Fits every cell that has events. `categories[item]` is the category of an item; items without one are left out.
///
/// # Errors
/// [`Error::Empty`] when no event has a category or all events are at one moment.
pub fn interest_half_lives(
    log: &EventLog,
    categories: &[Option<u32>],
    settings: IntensitySettings,
) -> Result<Vec<InterestHalfLife>> {
    let n_types = log.event_types().len();
    let n_categories = categories.iter().flatten().max().map_or(0, |&last| last as usize + 1);
    let streams = streams(log, categories, n_types);
    let days = log.span().map_or(0.0, |(first, last)| last.days_since(first));
    let users = log.histories().filter(|(_, history)| !history.is_empty()).count() as f64;
    if streams.is_empty() || days <= 0.0 {
        return Err(Error::Empty {
            what: "no events with a category at different times".to_owned(),
            remedy: "Give a catalogue with a category column and a log that spans some time".to_owned(),
        });
    }
    let mut fit = Fit::start(&streams, n_categories * n_types, n_categories, days, users);
    for _ in 0..settings.rounds {
        fit.round(&streams, settings);
    }
    Ok(fit.cells(n_types))
}

/// One user's events in one category: times in days since the start of the log, and cells.
struct Stream {
    category: usize,
    times: Vec<f64>,
    cells: Vec<u32>,
}

fn streams(log: &EventLog, categories: &[Option<u32>], n_types: usize) -> Vec<Stream> {
    let start = log.span().map_or(Timestamp::from_millis(0), |span| span.0);
    let of_user = |history: History<'_>| {
        let mut own: Vec<(u32, f64, u32)> = history
            .iter()
            .filter_map(|event| {
                let category = categories.get(event.item.index()).copied().flatten()?;
                let cell = category * n_types as u32 + u32::from(event.event_type.0);
                let millis = event.time.millis().saturating_sub(start.millis());
                Some((category, millis as f64 / MILLIS_PER_DAY as f64, cell))
            })
            .collect();
        own.sort_by_key(|event| event.0);
        own.chunk_by(|a, b| a.0 == b.0)
            .map(|run| Stream {
                category: run[0].0 as usize,
                times: run.iter().map(|event| event.1).collect(),
                cells: run.iter().map(|event| event.2).collect(),
            })
            .collect::<Vec<_>>()
    };
    log.histories().flat_map(|(_, history)| of_user(history)).collect()
}

/// Parameters of all cells and base rates of all streams, between two rounds.
struct Fit {
    days: f64,
    users: f64,
    events: Vec<u64>,
    alpha: Vec<f64>,
    beta: Vec<f64>,
    base: Vec<f64>,
    category_base: Vec<f64>,
}

/// The most events that the prior of a base rate may stand for: users are then as good as alike.
const ALIKE: f64 = 1e4;

/// Sums of one round over some streams; they add up over any split of the streams.
struct Sums {
    /// Events caused by each cell, and the ages at which they came.
    caused: Vec<f64>,
    ages: Vec<f64>,
    /// Events due to the base rate of each stream, in order.
    base: Vec<f64>,
}

impl Fit {
    fn start(streams: &[Stream], n_cells: usize, n_categories: usize, days: f64, users: f64) -> Self {
        let mut events = vec![0u64; n_cells];
        let mut gaps = vec![(0.0, 0u64); n_cells];
        let mut category_events = vec![(0.0, 0u64); n_categories];
        for stream in streams {
            let total = &mut category_events[stream.category];
            *total = (total.0 + stream.times.len() as f64, total.1 + 1);
            for (place, &cell) in stream.cells.iter().enumerate() {
                events[cell as usize] += 1;
                if let Some(next) = stream.times.get(place + 1) {
                    let gap = &mut gaps[cell as usize];
                    *gap = (gap.0 + (next - stream.times[place]).max(1e-6).ln(), gap.1 + 1);
                }
            }
        }
        // The geometric mean gap starts the speed at the right order of magnitude; the rounds do the rest.
        let beta = gaps
            .iter()
            .map(|&(log_sum, n)| if n == 0 { 1.0 } else { 1.0 / (log_sum / n as f64).exp() })
            .collect();
        let category_base: Vec<f64> = category_events
            .iter()
            .map(|&(n, streams)| n / (2.0 * days * f64::from(streams.max(1) as u32)))
            .collect();
        Self {
            days,
            users,
            events,
            alpha: vec![0.5; n_cells],
            beta,
            base: streams.iter().map(|stream| category_base[stream.category]).collect(),
            category_base,
        }
    }

    fn round(&mut self, streams: &[Stream], settings: IntensitySettings) {
        let chunk = 1024;
        let parts: Vec<Sums> = streams
            .par_chunks(chunk)
            .zip(self.base.par_chunks(chunk))
            .map(|(streams, base)| self.share_out(streams, base, settings.causes))
            .collect();
        let mut caused = vec![0.0; self.alpha.len()];
        let mut ages = vec![0.0; self.alpha.len()];
        let mut base_events = Vec::with_capacity(streams.len());
        for part in parts {
            caused.iter_mut().zip(&part.caused).for_each(|(sum, part)| *sum += part);
            ages.iter_mut().zip(&part.ages).for_each(|(sum, part)| *sum += part);
            base_events.extend(part.base);
        }
        self.update_bases(streams, &base_events);
        self.update_cells(streams, &caused, &ages);
    }

    /// Expectation: shares every event out between the base rate and its possible causes.
    fn share_out(&self, streams: &[Stream], base: &[f64], causes: usize) -> Sums {
        let mut sums =
            Sums { caused: vec![0.0; self.alpha.len()], ages: vec![0.0; self.alpha.len()], base: Vec::new() };
        let mut rates = Vec::with_capacity(causes);
        for (stream, &base) in streams.iter().zip(base) {
            let mut base_events = 0.0;
            for (place, &time) in stream.times.iter().enumerate() {
                rates.clear();
                let first = place.saturating_sub(causes);
                let mut total = base;
                for cause in first..place {
                    let cell = stream.cells[cause] as usize;
                    let rate = self.alpha[cell]
                        * self.beta[cell]
                        * (-self.beta[cell] * (time - stream.times[cause])).exp();
                    rates.push(rate);
                    total += rate;
                }
                base_events += base / total;
                for (cause, rate) in (first..place).zip(&rates) {
                    let cell = stream.cells[cause] as usize;
                    sums.caused[cell] += rate / total;
                    sums.ages[cell] += rate / total * (time - stream.times[cause]);
                }
            }
            sums.base.push(base_events);
        }
        sums
    }

    /// Users without an event in the category count too: they are what says that others care more.
    /// Posterior means under a gamma prior with mean `m` and shape `m^2 / (variance - m)` of the base counts.
    fn update_bases(&mut self, streams: &[Stream], base_events: &[f64]) {
        let mut moments = vec![(0.0, 0.0); self.category_base.len()];
        for (stream, events) in streams.iter().zip(base_events) {
            let (sum, squares) = &mut moments[stream.category];
            *sum += events;
            *squares += events * events;
        }
        let mut shapes = vec![ALIKE; moments.len()];
        for ((base, shape), (sum, squares)) in self.category_base.iter_mut().zip(&mut shapes).zip(moments) {
            let mean: f64 = (sum / self.users).max(1e-9);
            let excess = squares / self.users - mean * mean - mean;
            *base = mean / self.days;
            *shape = if excess > 0.0 { (mean * mean / excess).min(ALIKE) } else { ALIKE };
        }
        for ((base, stream), events) in self.base.iter_mut().zip(streams).zip(base_events) {
            let shape = shapes[stream.category];
            *base = (events + shape) / (self.days + shape / self.category_base[stream.category]);
        }
    }

    /// Maximisation, with the part of each kernel that lies beyond the end of the log taken into account:
    /// `alpha = caused / sum_i (1 - exp(-beta r_i))` and
    /// `beta = caused / (ages + alpha sum_i r_i exp(-beta r_i))`, where `r_i` is the time left after event `i`.
    fn update_cells(&mut self, streams: &[Stream], caused: &[f64], ages: &[f64]) {
        let mut seen = vec![0.0; self.alpha.len()];
        let mut beyond = vec![0.0; self.alpha.len()];
        for stream in streams {
            for (&time, &cell) in stream.times.iter().zip(&stream.cells) {
                let cell = cell as usize;
                let left = self.days - time;
                let tail = (-self.beta[cell] * left).exp();
                seen[cell] += 1.0 - tail;
                beyond[cell] += left * tail;
            }
        }
        for cell in 0..self.alpha.len() {
            if caused[cell] > 1e-9 && seen[cell] > 1e-9 {
                self.alpha[cell] = (caused[cell] / seen[cell]).min(0.999);
                let age_sum = ages[cell] + self.alpha[cell] * beyond[cell];
                self.beta[cell] = (caused[cell] / age_sum.max(1e-12)).clamp(1e-6, 1e6);
            }
        }
    }

    fn cells(&self, n_types: usize) -> Vec<InterestHalfLife> {
        (0..self.alpha.len())
            .filter(|&cell| self.events[cell] > 0)
            .filter_map(|cell| {
                Some(InterestHalfLife {
                    category: (cell / n_types) as u32,
                    event_type: EventTypeId((cell % n_types) as u8),
                    half_life: HalfLife::from_days(std::f64::consts::LN_2 / self.beta[cell]).ok()?,
                    follow_ups: self.alpha[cell],
                    events: self.events[cell],
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::EventColumns;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    /// A cluster process: immigrants at a base rate, each event with Poisson(alpha) children after exponential times.
    fn simulated(half_life: f64, alpha: f64, users: u32, days: f64) -> EventLog {
        let mut random = StdRng::seed_from_u64(7);
        let mut columns = EventColumns::default();
        let exponential = |random: &mut StdRng, rate: f64| -(1.0 - random.random::<f64>()).ln() / rate;
        for user in 0..users {
            let mut pending = Vec::new();
            let mut time = exponential(&mut random, 0.05);
            while time < days {
                pending.push(time);
                time += exponential(&mut random, 0.05);
            }
            while let Some(time) = pending.pop() {
                columns.users.push(user);
                columns.items.push(0);
                columns.times.push(Timestamp::from_millis((time * MILLIS_PER_DAY as f64) as i64));
                columns.types.push(EventTypeId(0));
                let mut child = exponential(&mut random, 1.0);
                while child < alpha {
                    let at = time + exponential(&mut random, std::f64::consts::LN_2 / half_life);
                    if at < days {
                        pending.push(at);
                    }
                    child += exponential(&mut random, 1.0);
                }
            }
        }
        columns.user_names = (0..users).map(|user| user.to_string()).collect();
        columns.item_names = vec!["item".into()];
        columns.event_types = vec!["view".into()];
        EventLog::from_columns(columns).unwrap()
    }

    #[test]
    fn the_half_life_of_a_simulated_process_comes_back() {
        for half_life in [0.5, 5.0] {
            let log = simulated(half_life, 0.6, 600, 120.0);
            let cells = interest_half_lives(&log, &[Some(0)], IntensitySettings::default()).unwrap();
            let error = cells[0].half_life.days() / half_life - 1.0;
            assert!(error.abs() < 0.1, "half-life {half_life}: got {:?}", cells[0]);
            assert!((cells[0].follow_ups - 0.6).abs() < 0.05, "{:?}", cells[0]);
        }
    }

    #[test]
    fn a_log_of_one_moment_is_refused() {
        let log = simulated(1.0, 0.1, 1, 0.0);
        assert!(interest_half_lives(&log, &[None], IntensitySettings::default()).is_err());
    }
}
