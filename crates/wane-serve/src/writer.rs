//! One thread writes: requests that wait together are kept by one commit, so that a slow disk costs each of them one `fsync` and not
//! one after the other.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::feedback::Feedback;
use crate::items::Word;
use crate::metrics::Metrics;
use crate::store::{Erased, NewEvent, Store};

/// Requests of one commit at most.
const TOGETHER: usize = 1_024;
/// Without work for so long, the thread does what is owed to users who were erased.
const IDLE: Duration = Duration::from_secs(1);
/// It does it after so long though there is work, for some always have work.
const AT_LAST: Duration = Duration::from_secs(60);

/// What became of a batch of events, feedback or words about items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Those that were new.
    pub new: usize,
    /// Those that were known already.
    pub known: usize,
}

/// What is new of a user.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change<'a> {
    /// There are more events; those that there were are as they were.
    Grew(&'a str),
    /// There are none.
    Erased(&'a str),
}

/// Where an answer goes.
type Answer<T> = oneshot::Sender<Result<T>>;

/// What many requests keep by one commit.
#[derive(Debug)]
pub(crate) enum Batch {
    Events(Vec<NewEvent>),
    /// With the day on which it was told.
    Feedback(Vec<Feedback>, i64),
    Item(Word),
}

impl Batch {
    fn len(&self) -> usize {
        match self {
            Self::Events(events) => events.len(),
            Self::Feedback(told, _) => told.len(),
            Self::Item(_) => 1,
        }
    }

    fn users(&self) -> impl Iterator<Item = &str> {
        let events = if let Self::Events(events) = self { &events[..] } else { &[] };
        events.iter().map(|event| &event.user[..])
    }
}

enum Work {
    Keep(Batch, Answer<Appended>),
    Erase(String, Answer<Erased>),
    /// What is done alone.
    Other(Box<dyn FnOnce(&mut Store) + Send>),
}

/// The way to the thread that writes. It ends when this is dropped, having written all that it was given.
pub(crate) struct Writer {
    work: Option<Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. `changed` is told of each user whose events have changed, before the request is answered.
    pub(crate) fn start(
        store: Store,
        metrics: Arc<Metrics>,
        changed: impl Fn(Change<'_>) + Send + 'static,
    ) -> Self {
        let (sender, receiver) = channel();
        let thread = std::thread::spawn(move || write(store, &receiver, &metrics, &changed));
        Self { work: Some(sender), thread: Some(thread) }
    }

    /// Keeps a batch: when it returns, it is on the disk.
    pub(crate) async fn keep(&self, batch: Batch) -> Result<Appended> {
        self.ask(|answer| Work::Keep(batch, answer)).await
    }

    pub(crate) async fn erase(&self, user: String) -> Result<Erased> {
        self.ask(|answer| Work::Erase(user, answer)).await
    }

    /// Does something with the store, between two commits.
    pub(crate) async fn with_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.ask(|answer| {
            Work::Other(Box::new(move |store| {
                // Nobody may wait any more; what was to be done is done all the same.
                let _ = answer.send(work(store));
            }))
        })
        .await
    }

    async fn ask<T>(&self, work: impl FnOnce(Answer<T>) -> Work) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let sender = self.work.as_ref().ok_or(Error::Stopping)?;
        sender.send(work(answer)).map_err(|_| Error::NoWriter)?;
        answered.await.map_err(|_| Error::NoWriter)?
    }

    /// Whether something can be written.
    pub(crate) fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
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

fn write(mut store: Store, work: &Receiver<Work>, metrics: &Metrics, changed: &impl Fn(Change<'_>)) {
    // When nothing was owed, or it was last tried to pay.
    let mut paid = Instant::now();
    let mut next = wait(&mut store, work);
    while let Some(first) = next.take() {
        match first {
            Work::Keep(batch, answer) => {
                let same = |work| match work {
                    Work::Keep(batch, answer) => Ok((batch, answer)),
                    other => Err(other),
                };
                keep(&mut store, gather((batch, answer), work, &mut next, same), metrics, changed);
            }
            Work::Other(work) => work(&mut store),
            Work::Erase(user, answer) => {
                let same = |work| match work {
                    Work::Erase(user, answer) => Ok((user, answer)),
                    other => Err(other),
                };
                erase(&mut store, gather((user, answer), work, &mut next, same), metrics, changed);
            }
        }
        if store.owes() && paid.elapsed() > AT_LAST {
            store.pay();
            paid = Instant::now();
        } else if !store.owes() {
            paid = Instant::now();
        }
        next = next.or_else(|| wait(&mut store, work));
    }
}

/// The next work; meanwhile what is owed is done. `None` at the end.
fn wait(store: &mut Store, work: &Receiver<Work>) -> Option<Work> {
    let mut patience = IDLE;
    while store.owes() {
        match work.recv_timeout(patience) {
            Ok(next) => return Some(next),
            Err(RecvTimeoutError::Timeout) => store.pay(),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
        // What could not be done now can hardly be done the second after.
        patience = (patience * 2).min(AT_LAST);
    }
    work.recv().ok()
}

/// What waits and is of one kind; the first of another kind is next.
fn gather<T>(
    first: T,
    work: &Receiver<Work>,
    next: &mut Option<Work>,
    same: impl Fn(Work) -> std::result::Result<T, Work>,
) -> Vec<T> {
    let mut together = vec![first];
    while together.len() < TOGETHER {
        match work.try_recv().map(&same) {
            Ok(Ok(one)) => together.push(one),
            Ok(Err(other)) => {
                *next = Some(other);
                break;
            }
            Err(_) => break,
        }
    }
    together
}

/// Answers go to nobody where a request was given up; what it brought is kept all the same.
fn keep(
    store: &mut Store,
    together: Vec<(Batch, Answer<Appended>)>,
    metrics: &Metrics,
    changed: &impl Fn(Change<'_>),
) {
    let (batches, answers): (Vec<Batch>, Vec<_>) = together.into_iter().unzip();
    let start = Instant::now();
    let counts = store.keep(&batches);
    metrics.committed(batches.iter().map(Batch::len).sum(), start.elapsed());
    batches.iter().flat_map(Batch::users).for_each(|user| changed(Change::Grew(user)));
    let known = |(batch, new): (&Batch, usize)| Appended { new, known: batch.len() - new };
    tell(answers.into_iter(), counts.map(|counts| batches.iter().zip(counts).map(known).collect()));
}

fn erase(
    store: &mut Store,
    together: Vec<(String, Answer<Erased>)>,
    metrics: &Metrics,
    changed: &impl Fn(Change<'_>),
) {
    let (users, answers): (Vec<String>, Vec<_>) = together.into_iter().unzip();
    let erased = store.erase_all(&users.iter().map(|user| &**user).collect::<Vec<_>>());
    users.iter().for_each(|user| changed(Change::Erased(user)));
    metrics.erasures.inc_by(erased.as_ref().map_or(0, |erased| erased.len() as u64));
    tell(answers.into_iter(), erased);
}

/// Tells each what became of its own, or all why nothing did.
fn tell<T>(answers: impl Iterator<Item = Answer<T>>, results: Result<Vec<T>>) {
    match results {
        Ok(results) => {
            for (answer, result) in answers.zip(results) {
                let _ = answer.send(Ok(result));
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
