//! One thread writes: requests that wait together are kept by one commit, so that a slow disk costs each of them one `fsync` and not
//! one after the other.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::feedback::Feedback;
use crate::metrics::Metrics;
use crate::store::{NewEvent, Store};

/// Requests of one commit at most.
const TOGETHER: usize = 1_024;

/// What became of a batch of events or feedback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Those that were new.
    pub new: usize,
    /// Those that were known already.
    pub known: usize,
}

/// What many requests keep by one commit.
#[derive(Debug)]
pub(crate) enum Batch {
    Events(Vec<NewEvent>),
    /// With the day on which it was told.
    Feedback(Vec<Feedback>, i64),
}

impl Batch {
    fn len(&self) -> usize {
        match self {
            Self::Events(events) => events.len(),
            Self::Feedback(told, _) => told.len(),
        }
    }

    fn users(&self) -> impl Iterator<Item = &str> {
        let events = if let Self::Events(events) = self { &events[..] } else { &[] };
        events.iter().map(|event| &event.user[..])
    }
}

type Told = oneshot::Sender<Result<Appended>>;

enum Work {
    Keep(Batch, Told),
    /// What is done alone.
    Other(Box<dyn FnOnce(&mut Store) + Send>),
}

/// The way to the thread that writes. It ends when this is dropped, having written all that it was given.
pub(crate) struct Writer {
    work: Option<Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. `forget` is told of each user who has new events, before the request is answered.
    pub(crate) fn start(store: Store, metrics: Arc<Metrics>, forget: impl Fn(&str) + Send + 'static) -> Self {
        let (sender, receiver) = channel();
        let thread = std::thread::spawn(move || write(store, &receiver, &metrics, &forget));
        Self { work: Some(sender), thread: Some(thread) }
    }

    /// Keeps a batch: when it returns, it is on the disk.
    pub(crate) async fn keep(&self, batch: Batch) -> Result<Appended> {
        let (answer, answered) = oneshot::channel();
        self.send(Work::Keep(batch, answer))?;
        answered.await.map_err(|_| Error::Stopping)?
    }

    /// Does something with the store, between two commits.
    pub(crate) async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        self.send(Work::Other(Box::new(move |store| {
            // Nobody may wait any more; what was to be done is done all the same.
            let _ = answer.send(work(store));
        })))?;
        answered.await.map_err(|_| Error::Stopping)?
    }

    fn send(&self, work: Work) -> Result<()> {
        let sender = self.work.as_ref().ok_or(Error::Stopping)?;
        sender.send(work).map_err(|_| Error::Stopping)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            // It ends by a panic only, of which the process has been told.
            let _ = thread.join();
        }
    }
}

fn write(mut store: Store, work: &Receiver<Work>, metrics: &Metrics, forget: &impl Fn(&str)) {
    let mut next = work.recv().ok();
    while let Some(first) = next.take() {
        match first {
            Work::Keep(batch, answer) => {
                let mut together = vec![(batch, answer)];
                while together.len() < TOGETHER {
                    match work.try_recv() {
                        Ok(Work::Keep(batch, answer)) => together.push((batch, answer)),
                        Ok(other) => {
                            next = Some(other);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                keep(&mut store, together, metrics, forget);
            }
            Work::Other(work) => work(&mut store),
        }
        next = next.or_else(|| work.recv().ok());
    }
}

/// Answers go to nobody where a request was given up; what it brought is kept all the same.
fn keep(store: &mut Store, together: Vec<(Batch, Told)>, metrics: &Metrics, forget: &impl Fn(&str)) {
    let (batches, answers): (Vec<Batch>, Vec<Told>) = together.into_iter().unzip();
    let start = Instant::now();
    let counts = store.keep(&batches);
    metrics.committed(batches.iter().map(Batch::len).sum(), start.elapsed());
    batches.iter().flat_map(Batch::users).for_each(forget);
    match counts {
        Ok(counts) => {
            for ((batch, answer), new) in batches.iter().zip(answers).zip(counts) {
                let _ = answer.send(Ok(Appended { new, known: batch.len() - new }));
            }
        }
        Err(error) => {
            let Error::State { path, reason, remedy } = error else { return };
            for answer in answers {
                let (path, reason) = (path.clone(), reason.clone());
                let _ = answer.send(Err(Error::State { path, reason, remedy }));
            }
        }
    }
}
