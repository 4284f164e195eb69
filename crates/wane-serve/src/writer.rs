//! One thread writes: requests that wait together are kept by one commit, so that a slow disk costs each of them one `fsync` and not
//! one after the other.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::error::{Error, Result};
use crate::store::{Erased, NewEvent, Store};

/// Requests of one commit at most.
const TOGETHER: usize = 1_024;
/// Without work for so long, the thread does what is owed to users who were erased.
const IDLE: Duration = Duration::from_secs(1);
/// It does it after so long though there is work, for some always have work.
const AT_LAST: Duration = Duration::from_secs(60);

/// What became of a batch of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Events that were new.
    pub new: usize,
    /// Events whose id was known already.
    pub known: usize,
}

/// Where an answer goes.
type Answer<T> = oneshot::Sender<Result<T>>;

enum Work {
    Append(Vec<NewEvent>, Answer<Appended>),
    Erase(String, Answer<Erased>),
}

/// The way to the thread that writes. It ends when this is dropped, having written all that it was given.
pub(crate) struct Writer {
    work: Option<Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. `forget` is told of each user whose events have changed, before the request is answered.
    pub(crate) fn start(store: Store, forget: impl Fn(&str) + Send + 'static) -> Self {
        let (sender, receiver) = channel();
        let thread = std::thread::spawn(move || write(store, &receiver, &forget));
        Self { work: Some(sender), thread: Some(thread) }
    }

    /// Keeps events: when it returns they are on the disk.
    pub(crate) async fn append(&self, events: Vec<NewEvent>) -> Result<Appended> {
        self.ask(|answer| Work::Append(events, answer)).await
    }

    pub(crate) async fn erase(&self, user: String) -> Result<Erased> {
        self.ask(|answer| Work::Erase(user, answer)).await
    }

    async fn ask<T>(&self, work: impl FnOnce(Answer<T>) -> Work) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let sender = self.work.as_ref().ok_or(Error::Stopping)?;
        sender.send(work(answer)).map_err(|_| Error::Stopping)?;
        answered.await.map_err(|_| Error::Stopping)?
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

fn write(mut store: Store, work: &Receiver<Work>, forget: &impl Fn(&str)) {
    // When nothing was owed, or it was last tried to pay.
    let mut paid = Instant::now();
    let mut next = wait(&mut store, work);
    while let Some(first) = next.take() {
        match first {
            Work::Append(events, answer) => {
                let same = |work| match work {
                    Work::Append(events, answer) => Ok((events, answer)),
                    other => Err(other),
                };
                append(&mut store, gather((events, answer), work, &mut next, same), forget);
            }
            Work::Erase(user, answer) => {
                let same = |work| match work {
                    Work::Erase(user, answer) => Ok((user, answer)),
                    other => Err(other),
                };
                erase(&mut store, gather((user, answer), work, &mut next, same), forget);
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
fn append(store: &mut Store, together: Vec<(Vec<NewEvent>, Answer<Appended>)>, forget: &impl Fn(&str)) {
    let batches: Vec<&[NewEvent]> = together.iter().map(|(events, _)| &events[..]).collect();
    let counts = store.append(&batches);
    together.iter().flat_map(|(events, _)| events).for_each(|event| forget(&event.user));
    let known = |(events, new): (usize, usize)| Appended { new, known: events - new };
    let sizes: Vec<usize> = together.iter().map(|(events, _)| events.len()).collect();
    let appended = counts.map(|counts| sizes.into_iter().zip(counts).map(known).collect());
    tell(together.into_iter().map(|(_, answer)| answer), appended);
}

fn erase(store: &mut Store, together: Vec<(String, Answer<Erased>)>, forget: &impl Fn(&str)) {
    let users: Vec<&str> = together.iter().map(|(user, _)| &**user).collect();
    let erased = store.erase_all(&users);
    users.iter().for_each(|user| forget(user));
    tell(together.into_iter().map(|(_, answer)| answer), erased);
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
