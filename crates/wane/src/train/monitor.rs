//! The clock and the progress of a long piece of work, lent by the shell: the library has neither.

/// A clock and a place to report progress to.
pub trait Monitor: Sync {
    /// Seconds since some fixed moment, for measuring how long things take.
    fn seconds(&self) -> f64;

    /// So many more steps of the current work are done.
    fn advance(&self, steps: u64);

    /// A new piece of work begins.
    fn begin(&self, what: &str, steps: u64);

    /// An epoch of a training begins, counted from 1.
    fn begin_epoch(&self, epoch: u32, epochs: u32, examples: u64) {
        self.begin(&format!("epoch {epoch} of at most {epochs}"), examples);
    }

    /// An epoch of training has ended.
    fn epoch(&self, _progress: &Progress) {}
}

/// What is known after an epoch of training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Epochs run, from 1.
    pub epoch: u32,
    /// Epochs at most.
    pub epochs: u32,
    /// Mean loss of the epoch's examples, in nats.
    pub loss: f64,
    /// Step size at the end of the epoch.
    pub rate: f64,
    /// Examples seen in this epoch.
    pub examples: u64,
    /// Mean gain of the held-out questions, `1 / log2(1 + rank)`, where there are any.
    pub gain: Option<f64>,
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
