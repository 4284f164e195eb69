//! So many requests per second and no more: the generic cell rate algorithm (ITU-T I.371), one atomic number per key.
//!
//! Each request moves the moment at which the next one is due, T, to `max(T, now) + 1 / rate`; one that would move it further ahead than
//! `burst` is refused and moves nothing. A second's worth may come at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A limit of requests per second.
#[derive(Debug)]
pub(crate) struct Rate {
    /// Nanoseconds between requests.
    apart: u64,
    /// Nanoseconds that requests may be ahead.
    burst: u64,
    /// When the next request is due, in nanoseconds.
    due: AtomicU64,
}

impl Rate {
    /// A limit of requests per second, above 0.
    pub(crate) fn new(per_second: f64) -> Self {
        let apart = (1e9 / per_second).max(1.0) as u64;
        Self { apart, burst: apart.max(1_000_000_000), due: AtomicU64::new(0) }
    }

    /// Lets a request pass, or says how long to wait. `now` counts from any moment, the same for all.
    pub(crate) fn pass(&self, now: Duration) -> Result<(), Duration> {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let mut due = self.due.load(Ordering::Relaxed);
        loop {
            let next = due.max(now).saturating_add(self.apart);
            let ahead = next - now;
            if ahead > self.burst {
                return Err(Duration::from_nanos(ahead - self.burst));
            }
            match self.due.compare_exchange_weak(due, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(other) => due = other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_s_worth_passes_at_once_and_then_one_at_a_time() {
        let rate = Rate::new(10.0);
        let at = |millis| rate.pass(Duration::from_millis(millis));
        assert_eq!((0..30).filter(|_| at(5_000).is_ok()).count(), 10);
        assert_eq!(at(5_000), Err(Duration::from_millis(100)));
        assert_eq!((at(5_099), at(5_100)), (Err(Duration::from_millis(1)), Ok(())));
        assert!(at(5_100).is_err());
        // A long rest earns no more than a second's worth.
        assert_eq!((0..30).filter(|_| at(60_000).is_ok()).count(), 10);
    }

    #[test]
    fn over_a_long_time_it_is_the_rate() {
        for per_second in [0.5, 3.0, 700.0] {
            let rate = Rate::new(per_second);
            let passed = (0..100_000).filter(|n| rate.pass(Duration::from_micros(n * 1_000)).is_ok()).count();
            let expected = 100.0 * per_second + per_second.max(1.0);
            assert!((passed as f64 - expected).abs() <= 1.0, "{per_second}: {passed}");
        }
    }

    #[test]
    fn threads_share_it() {
        let rate = Rate::new(1_000.0);
        let pass = || (0..2_000).filter(|_| rate.pass(Duration::from_secs(1)).is_ok()).count();
        let passed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(pass)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 1_000);
    }
}
