//! The clock and the progress of a long piece of work, lent by the shell: the library has neither.

/// A clock and a place to report progress to.
pub trait Monitor: Sync {
    /// Seconds since some fixed moment, for measuring how long things take.
    fn seconds(&self) -> f64;

    /// So many more steps of the current work are done.
    fn advance(&self, steps: u64);

    /// A new piece of work begins.
    fn begin(&self, what: &str, steps: u64);
}

/// Measures nothing and tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unmonitored;

impl Monitor for Unmonitored {
    fn seconds(&self) -> f64 {
        0.0
    }

    fn advance(&self, _steps: u64) {}

    fn begin(&self, _what: &str, _steps: u64) {}
}
