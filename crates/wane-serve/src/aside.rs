//! Long work beside the questions, which are to wait for none of it.

use std::thread::available_parallelism;

use rayon::ThreadPoolBuilder;

/// Does something on threads of its own: a quarter of the cores, at least one. Where the system gives none, it is done on those of all.
pub(crate) fn aside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let threads = available_parallelism().map_or(1, |cores| (cores.get() / 4).max(1));
    match ThreadPoolBuilder::new().num_threads(threads).build() {
        Ok(pool) => pool.install(work),
        Err(_) => work(),
    }
}
