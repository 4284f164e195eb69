//! Writes the log's pages to their places in the main file, beside the commits.
//!
//! SQLite would do it in the commit that makes the log long: all who wait for that commit, and for those that wait behind it, would wait for
//! thousands of pages and an `fsync` of the main file. So a thread with a connection of its own does the bulk, which holds up no commit.
//! Meanwhile the log grows by a little; that rest the writer does itself between two commits, for the log is begun again by the first commit
//! that finds nothing left in it, and while others write, something always is.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

/// Pages in the log (16 MB) after which they are written to their places: the more at once, the more of them are written once for all.
const LONG: i64 = 4_000;
/// Pages that the writer writes itself: what a commit or two have left.
const LITTLE: i64 = 64;
/// Pages in the log after which the writer writes whatever is left, for where commits are large the thread is never done.
const TOO_LONG: i64 = 4 * LONG;
/// How long the thread rests after it failed, for the next commit asks again.
const RESPITE: Duration = Duration::from_secs(1);

/// The thread that does the bulk. It ends when this is dropped.
pub(crate) struct Checkpoints {
    /// Held by whoever writes pages to their places: SQLite refuses a second at the same time.
    connection: Arc<Mutex<Connection>>,
    wanted: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Pages of the log.
struct Log {
    pages: i64,
    /// Those of them that are in their places.
    written: i64,
}

impl Checkpoints {
    /// Starts the thread with a connection that may write.
    pub(crate) fn start(connection: Connection) -> Self {
        let connection = Arc::new(Mutex::new(connection));
        // One word waits at most: what it asks for is the same as what the next would.
        let (wanted, asked) = sync_channel(1);
        let own = Arc::clone(&connection);
        let thread = std::thread::spawn(move || write_when_asked(&own, &asked));
        Self { connection, wanted: Some(wanted), thread: Some(thread) }
    }

    /// Keeps the log from growing, after each commit of `writer`.
    pub(crate) fn committed(&self, writer: &Connection) {
        is_done(self.shorten(writer));
    }

    fn shorten(&self, writer: &Connection) -> rusqlite::Result<()> {
        let log = checkpoint(writer, "NOOP")?;
        if log.pages < LONG {
            return Ok(());
        }
        if log.pages - log.written <= LITTLE || log.pages >= TOO_LONG {
            // Else a log that is too long would grow for as long as the thread takes.
            let _paused = self.pause();
            return checkpoint(writer, "PASSIVE").map(drop);
        }
        if let Some(wanted) = &self.wanted {
            // Full: it is wanted already.
            let _ = wanted.try_send(());
        }
        Ok(())
    }

    /// Waits until the thread rests, and holds it there.
    pub(crate) fn pause(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.wanted = None;
        if let Some(thread) = self.thread.take() {
            // It ends by a panic only, of which the process has been told.
            let _ = thread.join();
        }
    }
}

fn write_when_asked(connection: &Mutex<Connection>, asked: &Receiver<()>) {
    while asked.recv().is_ok() {
        let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
        let done = checkpoint(&connection, "PASSIVE").map(drop);
        drop(connection);
        if !is_done(done) {
            std::thread::sleep(RESPITE);
        }
    }
}

/// Warns where something failed. What was committed is safe in the log, so nobody else needs to know.
fn is_done(done: rusqlite::Result<()>) -> bool {
    if let Err(error) = &done {
        tracing::warn!(%error, "the state's log could not be written to its places; it grows, and that is tried again");
    }
    done.is_ok()
}

/// `PASSIVE` writes what nobody is in the way of, `NOOP` nothing; gives what is in the log after it.
fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<Log> {
    let mut statement = connection.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
    statement.query_row([], |row| Ok(Log { pages: row.get(1)?, written: row.get(2)? }))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn open(path: &std::path::Path) -> Connection {
        let connection = Connection::open(path).unwrap();
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).unwrap();
        connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(())).unwrap();
        connection
    }

    /// While somebody writes without end and others read, the log is begun again and again, and no row is lost by that.
    #[test]
    fn a_log_that_is_written_without_end_stays_short() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let (writer, reader) = (open(&path), open(&path));
        writer.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY, filler BLOB)").unwrap();
        let checkpoints = Checkpoints::start(open(&path));
        let (mut rows, mut begun, mut pages, mut longest) = (0_i64, 0, 0, 0);
        let start = Instant::now();
        while begun < 6 && start.elapsed() < Duration::from_secs(60) {
            // Half a page each; first many in a commit, of which the thread is never done, then few.
            let together = if begun < 3 { 400 } else { 20 };
            writer.execute_batch("BEGIN").unwrap();
            for _ in 0..together {
                writer.execute("INSERT INTO t (filler) VALUES (zeroblob(2000))", []).unwrap();
            }
            writer.execute_batch("COMMIT").unwrap();
            rows += together;
            checkpoints.committed(&writer);
            let read: i64 = reader.query_row("SELECT max(n) FROM t", [], |row| row.get(0)).unwrap();
            assert_eq!(read, rows);
            let log = checkpoint(&writer, "NOOP").unwrap();
            begun += usize::from(log.pages < pages);
            pages = log.pages;
            longest = longest.max(pages);
        }
        assert_eq!(begun, 6, "{rows} rows, and {pages} pages in the log");
        assert!(longest < TOO_LONG + LONG, "{longest} pages");
        drop(checkpoints);
        let sound: String = reader.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
    }
}
