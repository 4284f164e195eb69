//! What may go wrong with a state folder, and what is then the case: nothing panics, nothing wrong is believed where SQLite can see it, and an
//! error says what to do.
//!
//! A folder whose files are copied while it is written is what a killed process leaves: files hold what was written, locks are gone.
//! Full disks and folders that cannot be written need a process and its own mounts: they are in `wane-cli/tests/it/serve.rs`.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;
use wane::events::Timestamp;

use super::{NOW, ask, engine, kept, post, routes, routes_of, shop, standing};

const STATE: &str = "state.sqlite";
const LOG: &str = "state.sqlite-wal";

/// What a process that is killed now leaves.
fn killed(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    copy
}

/// Whether some bytes stand in any file of a folder.
fn holds(folder: &Path, text: &str) -> bool {
    let mut files = fs::read_dir(folder).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
    files.any(|file| file.windows(text.len()).any(|own| own == text.as_bytes()))
}

/// The items of a user's events, or what is said instead.
async fn items(router: &Router, user: &str) -> Result<Vec<String>, String> {
    let (status, answer) = ask(router, "GET", &format!("/v1/users/{user}/events"), "", "").await;
    if status != StatusCode::OK {
        return Err(answer["error"]["message"].as_str().unwrap().to_owned());
    }
    let item = |event: &Value| event["item_id"].as_str().unwrap().to_owned();
    Ok(answer["events"].as_array().unwrap().iter().map(item).collect())
}

async fn write(router: &Router, user: &str, item: &str) {
    let event = json!({"user_id": user, "item_id": item, "event_type": "purchase"});
    let (status, answer) = post(router, "/v1/events", event).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
}

fn remedy_of(folder: &Path) -> String {
    routes(folder).err().unwrap().to_string()
}

#[tokio::test]
async fn a_clock_that_jumps_back_loses_nothing_and_what_lies_ahead_of_it_waits() {
    let (state, now) = (tempfile::tempdir().unwrap(), Arc::new(AtomicI64::new(NOW)));
    let clock = Arc::clone(&now);
    let clock = Arc::new(move || Timestamp::from_millis(clock.load(Ordering::SeqCst)));
    let router = routes_of(Arc::new(engine(state.path(), clock).unwrap()));
    let list = async |user: &str| {
        post(&router, "/v1/recommend", json!({"user_id": user, "k": 12})).await.1["items"].clone()
    };
    write(&router, "a", "i03").await;
    let with_one = list("a").await;
    now.store(NOW - 3_600_000, Ordering::SeqCst);
    assert_ne!(list("a").await, with_one, "the moment is that of the clock");
    assert_eq!(list("a").await, list("nobody").await);
    for user in ["a", "b"] {
        write(&router, user, "i07").await;
        write(&router, user, "i05").await;
    }
    assert_eq!(items(&router, "a").await.unwrap(), ["i07", "i05", "i03"]);
    assert_eq!(list("a").await, list("b").await);
    // The clock comes to where it was.
    now.store(NOW, Ordering::SeqCst);
    assert_ne!(list("a").await, list("b").await);
    write(&router, "a", "i01").await;
    assert_eq!(items(&router, "a").await.unwrap(), ["i07", "i05", "i03", "i01"]);
}

/// A folder of one commit per event, all of them in the log.
async fn with_log() -> (TempDir, Vec<String>) {
    let (state, router) = shop();
    let all: Vec<String> = (0..30).map(|n| format!("item-{n}")).collect();
    for item in &all {
        write(&router, "a", item).await;
    }
    (killed(state.path()), all)
}

/// Opens the folder with another log, and counts the commits that it holds, which must be the first ones.
async fn commits(folder: &TempDir, log: &[u8], all: &[String]) -> usize {
    let folder = killed(folder.path());
    fs::write(folder.path().join(LOG), log).unwrap();
    let router = routes(folder.path()).unwrap();
    let items = items(&router, "a").await.unwrap();
    assert_eq!(items, all[..items.len()]);
    // And it goes on.
    write(&router, "a", "later").await;
    assert_eq!(kept(&router, "a").await, items.len() + 1);
    items.len()
}

#[tokio::test]
async fn a_log_that_is_torn_off_anywhere_holds_the_first_commits_and_nothing_else() {
    let (folder, all) = with_log().await;
    let log = fs::read(folder.path().join(LOG)).unwrap();
    let mut before = 0;
    for length in (0..log.len()).step_by(1_531) {
        let found = commits(&folder, &log[..length], &all).await;
        assert!(found >= before, "{length}");
        before = found;
    }
    assert!(before > all.len() - 3);
    assert_eq!(commits(&folder, &log, &all).await, all.len());
}

#[tokio::test]
async fn a_log_with_a_byte_that_changed_holds_the_commits_before_it() {
    let (folder, all) = with_log().await;
    let log = fs::read(folder.path().join(LOG)).unwrap();
    let mut counts = Vec::new();
    // The header with its sums, and places everywhere.
    for place in (0..32).step_by(4).chain((32..log.len()).step_by(1_747)) {
        let mut damaged = log.clone();
        damaged[place] ^= 0x10;
        counts.push(commits(&folder, &damaged, &all).await);
    }
    assert!(counts.is_sorted() && counts[0] == 0, "{counts:?}");
    assert!(counts.iter().any(|count| (1..all.len()).contains(count)));
}

#[tokio::test]
async fn a_damaged_file_is_refused_or_read_and_never_panics() {
    let (state, router) = shop();
    let crowd: Vec<Value> = (0..3_000)
        .map(|n| json!({"user_id": format!("u{}", n % 50), "item_id": format!("item-{n}"), "event_id": n}))
        .collect();
    post(&router, "/v1/events", Value::Array(crowd)).await;
    let whole = items(&router, "u7").await.unwrap();
    drop(router);
    let file = fs::read(state.path().join(STATE)).unwrap();
    let pages = file.len() / 4_096;
    let (mut refused, mut read) = (0, 0);
    let mut look = async |damaged: &[u8], what: String| {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(STATE), damaged).unwrap();
        let found = match routes(folder.path()) {
            Ok(router) => items(&router, "u7").await,
            Err(error) => Err(error.to_string()),
        };
        match found {
            // Nothing of the user's was on the damaged page.
            Ok(items) => {
                assert_eq!(items, whole, "{what}");
                read += 1;
            }
            Err(message) => {
                assert!(
                    message.ends_with("Put the folder's last copy back, or give a new folder"),
                    "{what}: {message}"
                );
                refused += 1;
            }
        }
    };
    for page in 0..pages {
        for byte in [0x00, 0xff, 0x5a] {
            let mut damaged = file.clone();
            damaged[page * 4_096..][..4_096].fill(byte);
            look(&damaged, format!("page {page} of {byte}")).await;
        }
        look(&file[..page.max(1) * 4_096 - 7], format!("torn off in page {page}")).await;
    }
    assert!(refused > pages && read > pages, "{refused} {read}");
}

#[test]
fn a_folder_has_one_server() {
    let state = tempfile::tempdir().unwrap();
    let first = engine(state.path(), standing()).unwrap();
    let message = remedy_of(state.path());
    assert!(
        message.contains("another server uses this folder") && message.contains("Stop it first"),
        "{message}"
    );
    drop(first);
    engine(state.path(), standing()).unwrap();
    // A lock file that a killed process has left locks nothing.
    let left = engine(state.path(), standing()).unwrap();
    engine(killed(state.path()).path(), standing()).unwrap();
    drop(left);
}

#[test]
fn a_file_of_another_program_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(STATE);
    let other = Connection::open(&file).unwrap();
    other.execute_batch("CREATE TABLE events (something TEXT)").unwrap();
    let before = fs::read(&file).unwrap();
    let message = remedy_of(folder.path());
    assert!(message.contains("tables of another program"), "{message}");
    other.execute_batch("PRAGMA user_version = 7").unwrap();
    let with_version = fs::read(&file).unwrap();
    assert!(remedy_of(folder.path()).contains("of version 7, and 3 can be read"));
    assert_eq!((before.len(), fs::read(&file).unwrap()), (with_version.len(), with_version));
    // It says that it is ours, and is not.
    other.execute_batch("PRAGMA user_version = 2").unwrap();
    let message = remedy_of(folder.path());
    assert!(message.ends_with("Put the folder's last copy back, or give a new folder"), "{message}");
}

#[test]
fn a_folder_that_cannot_be_made_says_so() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    // Nobody, not even root, may make a folder in these.
    for path in [folder.path().join("file"), folder.path().join("file/state"), "/proc/state".into()] {
        let message = remedy_of(&path);
        assert!(message.ends_with("Give a folder that this user may write"), "{message}");
    }
    fs::create_dir_all(folder.path().join("state").join(STATE)).unwrap();
    let message = remedy_of(&folder.path().join("state"));
    assert!(message.ends_with("Give a folder that this user may write"), "{message}");
}

/// Someone reads while a user is erased: a copy is taken, say.
fn slow_reader(folder: &Path) -> Connection {
    let reader = Connection::open(folder.join(STATE)).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM events;").unwrap();
    reader.query_row("SELECT count(*) FROM events", [], |row| row.get::<_, i64>(0)).unwrap();
    reader
}

#[tokio::test]
async fn an_erasure_does_not_wait_for_a_slow_reader_and_is_finished_after_it() {
    let (state, router) = shop();
    write(&router, "secret-user", "secret-item").await;
    let reader = slow_reader(state.path());
    let start = Instant::now();
    let (status, erased) = ask(&router, "DELETE", "/v1/users/secret-user", "", "").await;
    assert_eq!(
        (status, &erased["events"], &erased["bytes_are_gone"]),
        (StatusCode::OK, &json!(1), &json!(false))
    );
    // Before, all who write waited for five seconds with it.
    assert!(start.elapsed() < Duration::from_secs(4));
    assert_eq!(kept(&router, "secret-user").await, 0);
    write(&router, "other", "i01").await;
    assert!(holds(state.path(), "secret-user"));
    drop(reader);
    while holds(state.path(), "secret-") {
        assert!(start.elapsed() < Duration::from_secs(60), "nobody was rid of the bytes");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((kept(&router, "secret-user").await, kept(&router, "other").await), (0, 1));
}

#[tokio::test]
async fn a_start_finishes_an_erasure_that_a_kill_cut_off() {
    let (state, router) = shop();
    write(&router, "secret-user", "secret-item").await;
    let reader = slow_reader(state.path());
    ask(&router, "DELETE", "/v1/users/secret-user", "", "").await;
    let killed = killed(state.path());
    drop(reader);
    assert!(holds(killed.path(), "secret-user"));
    let router = routes(killed.path()).unwrap();
    assert_eq!(kept(&router, "secret-user").await, 0);
    assert!(!holds(killed.path(), "secret-"));
}

/// Whether the file says that something of erased users may still stand in it.
fn owes(folder: &Path) -> bool {
    let reader = Connection::open(folder.join(STATE)).unwrap();
    reader.query_row("SELECT count(*) FROM own WHERE name = 'owed'", [], |row| row.get::<_, i64>(0)).unwrap()
        > 0
}

async fn until_nothing_is_owed(folder: &Path) {
    let start = Instant::now();
    while owes(folder) {
        assert!(start.elapsed() < Duration::from_secs(60), "nobody paid");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn in_a_large_state_an_erasure_is_finished_when_there_is_time_and_after_a_kill_too() {
    let (state, router) = shop();
    // Written anew at once it would hold up all who write.
    for part in 0..8 {
        let one =
            |n: usize| json!({"user_id": format!("u{}", n % 500), "item_id": format!("{part}-{n:0>500}")});
        let (status, _) = post(&router, "/v1/events", (0..5_000).map(one).collect()).await;
        assert_eq!(status, StatusCode::ACCEPTED);
    }
    let erased = ask(&router, "DELETE", "/v1/users/u7", "", "").await.1;
    assert_eq!((&erased["events"], &erased["bytes_are_gone"]), (&json!(80), &json!(false)));
    let killed = killed(state.path());
    assert!(owes(killed.path()));
    until_nothing_is_owed(state.path()).await;
    assert_eq!((kept(&router, "u7").await, kept(&router, "u8").await), (0, 80));
    let again = ask(&router, "DELETE", "/v1/users/u7", "", "").await.1;
    assert_eq!((&again["events"], &again["bytes_are_gone"]), (&json!(0), &json!(true)));
    let router = routes(killed.path()).unwrap();
    until_nothing_is_owed(killed.path()).await;
    assert_eq!((kept(&router, "u7").await, kept(&router, "u8").await), (0, 80));
}

#[test]
fn a_first_start_that_was_cut_off_begins_again() {
    let folder = tempfile::tempdir().unwrap();
    // SQLite has made its file, and nothing is in it.
    fs::write(folder.path().join(STATE), "").unwrap();
    engine(folder.path(), standing()).unwrap();
}
