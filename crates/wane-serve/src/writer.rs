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
/// Between two tries to be rid of erased bytes that a reader kept in the log.
const AGAIN: Duration = Duration::from_secs(1);

/// What became of a batch of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Events that were new.
    pub new: usize,
    /// Events whose id was known already.
    pub known: usize,
}

enum Work {
    Append(Vec<NewEvent>, oneshot::Sender<Result<Appended>>),
    Erase(String, oneshot::Sender<Result<Erased>>),
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

    async fn ask<T>(&self, work: impl FnOnce(oneshot::Sender<Result<T>>) -> Work) -> Result<T> {
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
    let mut tried = Instant::now();
    let mut next = wait(&mut store, work);
    while let Some(first) = next.take() {
        match first {
            Work::Append(events, answer) => {
                let mut together = vec![(events, answer)];
                while together.len() < TOGETHER {
                    match work.try_recv() {
                        Ok(Work::Append(events, answer)) => together.push((events, answer)),
                        Ok(other) => {
                            next = Some(other);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                append(&mut store, together, forget);
            }
            Work::Erase(user, answer) => {
                let erased = store.erase(&user);
                forget(&user);
                let _ = answer.send(erased);
            }
        }
        // Whoever always has work would never be idle.
        if store.owes() && tried.elapsed() > AGAIN {
            store.pay();
            tried = Instant::now();
        }
        next = next.or_else(|| wait(&mut store, work));
    }
}

/// The next work; meanwhile what is owed is tried again. `None` at the end.
fn wait(store: &mut Store, work: &Receiver<Work>) -> Option<Work> {
    while store.owes() {
        match work.recv_timeout(AGAIN) {
            Ok(next) => return Some(next),
            Err(RecvTimeoutError::Timeout) => store.pay(),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
    work.recv().ok()
}

/// Answers go to nobody where a request was given up; what it brought is kept all the same.
fn append(
    store: &mut Store,
    together: Vec<(Vec<NewEvent>, oneshot::Sender<Result<Appended>>)>,
    forget: &impl Fn(&str),
) {
    let batches: Vec<&[NewEvent]> = together.iter().map(|(events, _)| &events[..]).collect();
    let counts = store.append(&batches);
    together.iter().flat_map(|(events, _)| events).for_each(|event| forget(&event.user));
    match counts {
        Ok(counts) => {
            for ((events, answer), new) in together.into_iter().zip(counts) {
                let _ = answer.send(Ok(Appended { new, known: events.len() - new }));
            }
        }
        Err(error) => {
            let Error::State { path, reason, remedy } = error else { return };
            for (_, answer) in together {
                let (path, reason) = (path.clone(), reason.clone());
                let _ = answer.send(Err(Error::State { path, reason, remedy }));
            }
        }
    }
}
