//! What models counted of users who were erased is taken out of the counts: popularity, relations that are mined, neighbourhoods.
//!
//! A thread of its own counts again, without all who were erased until it begins; what answers is then replaced whole. It begins with the
//! erasure of someone who was counted, a start, or another model, and rests after that [`REST`] times as long as it took: erasures without
//! end cost a tenth of the time. So a user speaks in counts for as long as one takes, or where others were erased just before, eleven times
//! as long.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use wane::events::UserId;

use crate::error::Result;
use crate::items::Shelf;
use crate::models::Models;
use crate::store::Reader;

/// Rest after each count, in multiples of its time.
const REST: u32 = 9;
/// Rest after a count that failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// The way to the thread that counts. It ends after this is dropped.
pub(crate) struct Recount {
    owed: Sender<()>,
    progress: Arc<Progress>,
}

/// How often counts were asked for, and how many of these askings were met.
#[derive(Default)]
struct Progress {
    asked: AtomicU64,
    met: AtomicU64,
}

/// What the thread works on.
struct Counting {
    models: Arc<Models>,
    shelf: Arc<Shelf>,
    folder: PathBuf,
    progress: Arc<Progress>,
}

impl Recount {
    /// Starts the thread, which first looks whether anyone was erased before.
    pub(crate) fn start(models: Arc<Models>, shelf: Arc<Shelf>, folder: PathBuf) -> Self {
        let (owed, asked) = channel();
        let progress = Arc::<Progress>::default();
        let counting = Counting { models, shelf, folder, progress: Arc::clone(&progress) };
        std::thread::spawn(move || counting.run(&asked));
        let own = Self { owed, progress };
        own.owe();
        own
    }

    /// A user was erased, or another model answers.
    pub(crate) fn owe(&self) {
        self.progress.asked.fetch_add(1, Ordering::SeqCst);
        // The thread ends by a panic only, of which the process has been told.
        let _ = self.owed.send(());
    }

    /// Whether counts may have users who were erased.
    pub(crate) fn is_behind(&self) -> bool {
        self.progress.met.load(Ordering::SeqCst) < self.progress.asked.load(Ordering::SeqCst)
    }
}

impl Counting {
    fn run(&self, asked: &Receiver<()>) {
        let mut is_owed = asked.recv().is_ok();
        while is_owed {
            asked.try_iter().for_each(drop);
            let (start, met) = (Instant::now(), self.progress.asked.load(Ordering::SeqCst));
            let counted = self.count();
            if counted.is_ok() {
                self.progress.met.store(met, Ordering::SeqCst);
            }
            let failed = counted.as_ref().err();
            let rest = if failed.is_some() { PATIENCE } else { start.elapsed() * REST };
            match &counted {
                Ok(0) => {}
                Ok(users) => {
                    tracing::info!(users, took = ?start.elapsed(), "counts are without erased users")
                }
                Err(error) => {
                    tracing::warn!(%error, "counts still have erased users; they are taken again in a minute");
                }
            }
            let more = rested(asked, rest);
            is_owed = match more {
                Err(Ended) => false,
                Ok(more) => more || counted.is_err() || asked.recv().is_ok(),
            };
        }
    }

    /// Counts again where a model has counted anyone who was erased; gives how many users are left out of some model's counts now that
    /// were not before.
    fn count(&self) -> Result<usize> {
        let reader = Reader::open(&self.folder)?;
        let mut users = 0;
        for model in self.models.all() {
            let names = model.log().users().iter();
            let erased: HashSet<UserId> = reader.erased_among(names)?.into_iter().map(UserId).collect();
            users = users.max(model.count_without(erased)?);
        }
        let items = self.shelf.items();
        if self.models.serving().iter().any(|model| model.is_behind()) {
            self.models.heed(&items)?;
        }
        Ok(users)
    }
}

/// Nobody can ask any more.
struct Ended;

/// Waits, and says whether anyone asked meanwhile.
fn rested(asked: &Receiver<()>, rest: Duration) -> std::result::Result<bool, Ended> {
    let until = Instant::now() + rest;
    let mut more = false;
    loop {
        match asked.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(()) => more = true,
            Err(RecvTimeoutError::Timeout) => return Ok(more),
            Err(RecvTimeoutError::Disconnected) => return Err(Ended),
        }
    }
}
