//! One thread reads, some parse, one collects: in order, whoever is first.
//!
//! Tasks wait in a bounded channel, so memory does not grow with the file. Results are collected in the order of
//! their tasks, and the first error in that order is the one reported, so what is returned does not depend on the
//! number of threads.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};

use crate::error::Result;

/// Runs `work` on every task that `produce` hands out, on all threads of rayon's current pool, and gives the
/// results to `collect` in the order of the tasks.
///
/// `produce` hands a task to the function that it is given and stops when that returns false.
pub(super) fn in_order<T: Send, R: Send>(
    produce: impl FnOnce(&mut dyn FnMut(T) -> bool) -> Result<()> + Send,
    work: impl Fn(T) -> Result<R> + Sync,
    mut collect: impl FnMut(R) -> Result<()>,
) -> Result<()> {
    let workers = rayon::current_num_threads();
    let (task_in, task_out) = sync_channel(workers + 1);
    let (result_in, result_out) = sync_channel(2 * workers);
    let tasks = Mutex::new(Some(task_out));
    std::thread::scope(|scope| {
        let producer = scope.spawn(move || {
            let mut number = 0usize;
            produce(&mut |task| {
                number += 1;
                task_in.send((number - 1, task)).is_ok()
            })
        });
        for _ in 0..workers {
            let (tasks, work, result_in) = (&tasks, &work, result_in.clone());
            scope.spawn(move || {
                while let Some((number, task)) = next_task(tasks) {
                    if result_in.send((number, work(task))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(result_in);
        let collected = collect_in_order(&result_out, &mut collect);
        // After an error nobody will take the rest: let the senders fail, so that all threads end.
        drop(result_out);
        tasks.lock().unwrap_or_else(PoisonError::into_inner).take();
        let produced = producer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        collected.and(produced)
    })
}

fn next_task<T>(tasks: &Mutex<Option<Receiver<T>>>) -> Option<T> {
    tasks.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.recv().ok()
}

fn collect_in_order<R>(
    results: &Receiver<(usize, Result<R>)>,
    collect: &mut impl FnMut(R) -> Result<()>,
) -> Result<()> {
    let mut waiting = BTreeMap::new();
    let mut next = 0;
    for (number, result) in results {
        waiting.insert(number, result);
        while let Some(result) = waiting.remove(&next) {
            collect(result?)?;
            next += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    fn run(threads: usize, fail_at: Option<u32>) -> (Vec<u32>, Result<()>) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut seen = Vec::new();
        let result = pool.install(|| {
            in_order(
                |hand| {
                    let _ = (0..500).all(hand);
                    Ok(())
                },
                |task: u32| match fail_at {
                    Some(at) if task >= at => Err(Error::setting("task", "less", task)),
                    _ => Ok(task * 2),
                },
                |result| {
                    seen.push(result);
                    Ok(())
                },
            )
        });
        (seen, result)
    }

    #[test]
    fn results_come_in_order_on_any_number_of_threads() {
        for threads in [1, 2, 5] {
            assert_eq!(run(threads, None).0, (0..500).map(|n| n * 2).collect::<Vec<_>>());
            let (seen, result) = run(threads, Some(77));
            assert_eq!(seen.len(), 77);
            assert!(result.unwrap_err().to_string().ends_with("got 77"));
        }
    }
}
