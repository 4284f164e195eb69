//! `wane serve` as a process: what it acknowledged is there after it was killed, and its lists are those of `wane recommend`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::http::Request;
use super::run::{failure, json};
use super::shop::{shop, trace_model};

/// A server, killed when the test ends.
pub(crate) struct Server {
    child: Child,
    address: String,
    said: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(model: &Path, state: &Path) -> Self {
        Self::with(model, state, &[])
    }

    /// One with more flags.
    pub(crate) fn with(model: &Path, state: &Path, more: &[&str]) -> Self {
        Self::started_by(Command::new(env!("CARGO_BIN_EXE_wane")), model, state, more)
    }

    /// Started by a command that becomes the server when it is given what follows.
    pub(crate) fn started_by(mut command: Command, model: &Path, state: &Path, more: &[&str]) -> Self {
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--state"])
            .args([state, model])
            .args(more)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        // Somebody must go on reading, or the server waits for it.
        std::thread::spawn(move || lines.for_each(|line| heard.lock().unwrap().push(line)));
        let mut server = Self { child, address: String::new(), said };
        let line = server.says("listens on http://");
        let address = line.split_once("listens on http://").unwrap().1;
        server.address = address.split('"').next().unwrap().to_owned();
        server
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What it has said up to now.
    pub(crate) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// The first line with these words, waited for.
    pub(crate) fn says(&self, words: &str) -> String {
        for _ in 0..3_000 {
            if let Some(line) = self.said().into_iter().find(|line| line.contains(words)) {
                return line;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("no `{words}` in {:#?}", self.said());
    }

    /// Sends SIGHUP.
    pub(crate) fn hang_up(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
    }

    /// Status and body of an answer.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.ask_as("", method, path, body)
    }

    /// The same with a key.
    pub(crate) fn ask_as(&self, key: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let asked = Request {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: if key.is_empty() { Vec::new() } else { vec![format!("authorization: Bearer {key}")] },
            body: if body.is_null() { String::new() } else { body.to_string() },
        };
        let (status, body) = asked.sent_to(&self.address);
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    /// The events that it has of a user.
    fn kept(&self, user: &str) -> usize {
        let (status, found) = self.ask("GET", &format!("/v1/users/{user}/events"), &Value::Null);
        assert_eq!(status, 200, "{found}");
        found["events"].as_array().unwrap().len()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let (model, state) = (shop().join("model"), tempfile::tempdir().unwrap());
    let mut kept = 0;
    for round in 0..5 {
        let server = Server::start(&model, state.path());
        let (_, found) = server.ask("GET", "/v1/users/new/events", &Value::Null);
        assert_eq!(found["events"].as_array().unwrap().len(), kept, "round {round}");
        for n in 0..10 {
            let event = json!({"user_id": "new", "item_id": "i1", "event_id": format!("{round}-{n}")});
            let (status, answer) = server.ask("POST", "/v1/events", &event);
            assert_eq!(
                (status, &answer["accepted"], &answer["durable"]),
                (202, &json!(1), &json!(true)),
                "{answer}"
            );
            kept += 1;
        }
        server.kill();
    }
    // What is sent again is not there twice.
    let server = Server::start(&model, state.path());
    let again = json!([{"user_id": "new", "item_id": "i1", "event_id": "3-3"}]);
    assert_eq!(server.ask("POST", "/v1/events", &again).1["known"], 1);
    assert_eq!(
        server.ask("GET", "/v1/users/new/events", &Value::Null).1["events"].as_array().unwrap().len(),
        kept
    );
}

#[test]
fn lists_are_those_of_recommend() {
    let (model, state) = (shop().join(trace_model()), tempfile::tempdir().unwrap());
    let users = json(shop(), "recommend trace --users all --json -k 1");
    let users: Vec<&str> =
        users.as_array().unwrap().iter().map(|list| list["user"].as_str().unwrap()).collect();
    let items = json(shop(), "recommend trace --users all --json -k 12");
    // Everyone does something new with something of their list, and one user is new.
    let (mut rows, mut events) = ("user,item,time,type\n".to_owned(), Vec::new());
    for (place, user) in users.iter().take(40).chain(&["stranger"]).enumerate() {
        let item = items[place]["items"][place % 12]["item"].as_str().unwrap();
        let time = format!("2200-01-01T00:{:02}:00Z", place % 60);
        rows += &format!("{user},{item},{time},purchase\n");
        events.push(json!({"user_id": user, "item_id": item, "time": time, "event_type": "purchase"}));
    }
    fs::write(state.path().join("newer.csv"), rows).unwrap();
    let server = Server::start(&model, &state.path().join("state"));
    // They are of a time to come, which the server's clock does not allow, so they are asked about as sessions and as refusals.
    let (status, answer) = server.ask("POST", "/v1/events", &json!(events));
    assert_eq!((status, answer["accepted"].as_u64()), (202, Some(0)), "{answer}");
    assert_eq!(answer["rejected"][0]["field"], "time");
    let past: Vec<Value> = events
        .iter()
        .map(|event| {
            let time = event["time"].as_str().unwrap().replace("2200", "2026");
            let mut event = event.clone();
            event["time"] = time.into();
            event
        })
        .collect();
    let newer = fs::read_to_string(state.path().join("newer.csv")).unwrap().replace("2200", "2026");
    fs::write(state.path().join("newer.csv"), newer).unwrap();
    assert_eq!(server.ask("POST", "/v1/events", &json!(past)).1["accepted"], past.len());
    let newer = state.path().join("newer.csv");
    for user in users.iter().step_by(7).chain(&["stranger"]) {
        let line = format!(
            "recommend trace --user {user} --events {} --as-of 2026-01-02 -k 20 --json",
            newer.display()
        );
        let offline = json(shop(), &line);
        let asked =
            json!({"user_id": user, "as_of": "2026-01-02", "k": 20, "explain": true, "reasons": 10_000});
        let (status, live) = server.ask("POST", "/v1/recommend", &asked);
        assert_eq!(status, 200, "{live}");
        let offline = offline[0]["items"].as_array().unwrap();
        assert_eq!(offline.len(), 20);
        for (offline, live) in offline.iter().zip(live["items"].as_array().unwrap()) {
            assert_eq!((&offline["item"], &offline["score"]), (&live["item_id"], &live["score"]), "{user}");
            assert_eq!(offline["reasons"], live["reasons"], "{user}");
        }
    }
    // An erased user is a stranger, to the state and to the model's log.
    let erased = server.ask("DELETE", &format!("/v1/users/{}", users[0]), &Value::Null).1;
    assert_eq!((&erased["events"], &erased["bytes_are_gone"]), (&json!(1), &json!(true)), "{erased}");
    let list = |user: &str| {
        server.ask("POST", "/v1/recommend", &json!({"user_id": user, "as_of": "2026-01-02"})).1["items"]
            .clone()
    };
    assert_eq!(list(users[0]), list("nobody"));
}

#[test]
fn what_cannot_be_served_says_why() {
    let state = tempfile::tempdir().unwrap();
    let line = |more: &str| format!("serve model --state {} {more}", state.path().display());
    let message = failure(shop(), &line("--listen 0.0.0.0:0"));
    assert!(
        message.starts_with("listen 0.0.0.0:0: without keys only this machine's own addresses"),
        "{message}"
    );
    let message = failure(shop(), &line("--listen here"));
    assert!(message.contains("--listen here: expected an address and a port"), "{message}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let message = failure(shop(), &line(&format!("--listen {}", taken.local_addr().unwrap())));
    assert!(message.contains("in use"), "{message}");
    fs::write(state.path().join("file"), "").unwrap();
    let message = failure(shop(), &format!("serve model --state {}", state.path().join("file").display()));
    assert!(message.contains("Give a folder that this user may write"), "{message}");
}

/// What a shell does before it becomes the server.
fn shell(before: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{before} && exec \"$@\""), "sh", env!("CARGO_BIN_EXE_wane")]);
    command
}

/// The same with mounts of its own, which end with the process; `None` where the system does not allow them.
fn shell_with_mounts(before: &str) -> Option<Command> {
    const OWN: [&str; 3] = ["--user", "--map-root-user", "--mount"];
    let folder = tempfile::tempdir().unwrap();
    let tried =
        Command::new("unshare").args(OWN).args(["mount", "-t", "tmpfs", "tmpfs"]).arg(folder.path()).output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        eprintln!("skipped: `unshare --user --mount` is not allowed here");
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(OWN).args([
        "sh",
        "-c",
        &format!("{before} && exec \"$@\""),
        "sh",
        env!("CARGO_BIN_EXE_wane"),
    ]);
    Some(command)
}

/// Writes until it is refused, and looks whether everything else is as it must be; gives the refusal and how many events are kept.
fn fill(server: &Server) -> (String, usize) {
    let mut kept = 0;
    loop {
        let batch: Vec<Value> = (0..200)
            .map(|n| json!({"user_id": "u1", "item_id": "i1", "event_id": format!("{kept}-{n}-{}", "x".repeat(200))}))
            .collect();
        let (status, answer) = server.ask("POST", "/v1/events", &json!(batch));
        if status != 202 {
            assert_eq!((status, &answer["error"]["code"]), (503, &json!("state")), "{answer}");
            assert_eq!(server.kept("u1"), kept, "a refused request leaves nothing");
            // It may be refused again and again, and answers questions meanwhile.
            assert_eq!(server.ask("POST", "/v1/events", &json!(batch)).0, 503);
            assert_eq!(
                server.ask("POST", "/v1/recommend", &json!({"user_id": "u1", "explain": true})).0,
                200
            );
            assert_eq!((server.kept("u1"), server.ask("GET", "/health/live", &Value::Null).0), (kept, 200));
            return (answer["error"]["message"].as_str().unwrap().to_owned(), kept);
        }
        kept += batch.len();
        assert!(kept < 100_000, "the disk is never full");
    }
}

/// What did not fit fits now, and is kept.
fn goes_on(server: &Server, kept: usize) {
    let (status, answer) = server.ask("POST", "/v1/events", &json!({"user_id": "u1", "item_id": "i1"}));
    assert_eq!((status, server.kept("u1")), (202, kept + 1), "{answer}");
    let erased = server.ask("DELETE", "/v1/users/u1", &Value::Null);
    assert_eq!((erased.0, server.kept("u1")), (200, 0), "{}", erased.1);
}

#[test]
fn a_full_disk_refuses_events_and_nothing_else_until_there_is_room() {
    let (model, folder) = (shop().join("model"), tempfile::tempdir().unwrap());
    let disk = folder.path().display();
    let before =
        format!("mount -t tmpfs -o size=6m tmpfs {disk} && head -c 3500000 /dev/zero > {disk}/other");
    let Some(command) = shell_with_mounts(&before) else { return };
    let server = Server::started_by(command, &model, &folder.path().join("state"), &[]);
    let (message, kept) = fill(&server);
    assert!(message.contains("full") && message.contains("Make room on the disk"), "{message}");
    // The disk as the server sees it.
    fs::remove_file(format!("/proc/{}/root{disk}/other", server.child.id())).unwrap();
    goes_on(&server, kept);
}

#[test]
fn a_file_at_its_limit_refuses_events_and_does_not_end_the_server() {
    let (model, state) = (shop().join("model"), tempfile::tempdir().unwrap());
    // Blocks of 512 bytes or of 1,024, as the shell has it.
    let server = Server::started_by(shell("ulimit -S -f 2000"), &model, state.path(), &[]);
    let (message, kept) = fill(&server);
    assert!(message.contains("over a quota or a limit"), "{message}");
    let raised =
        Command::new("prlimit").args(["--fsize=unlimited", "--pid", &server.child.id().to_string()]).status();
    if !raised.is_ok_and(|status| status.success()) {
        eprintln!("skipped: `prlimit` is not there to raise the limit again");
        return;
    }
    goes_on(&server, kept);
    let more: Vec<Value> =
        (0..100).map(|n| json!({"user_id": "u2", "item_id": "i1", "event_id": n})).collect();
    assert_eq!(server.ask("POST", "/v1/events", &json!(more)).0, 202);
    server.kill();
    let again = Server::start(&model, state.path());
    assert_eq!((again.kept("u1"), again.kept("u2")), (0, 100));
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_at_the_start() {
    let (model, folder) = (shop().join("model"), tempfile::tempdir().unwrap());
    Server::start(&model, &folder.path().join("state")).kill();
    let disk = folder.path().display();
    let before = format!("mount --bind {disk} {disk} && mount -o remount,bind,ro {disk}");
    let Some(command) = shell_with_mounts(&before) else { return };
    let message = refusal(command, &model, &folder.path().join("state"));
    assert!(message.contains("Give a folder that this user may write"), "{message}");
}

/// Why a server does not start; one that does is ended.
fn refusal(mut command: Command, model: &Path, state: &Path) -> String {
    command.args(["serve", "--listen", "127.0.0.1:0", "--state"]).arg(state).arg(model);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let said: Vec<String> = lines.take_while(|line| !line.contains("listens on")).collect();
    let _ = child.kill();
    assert_ne!(child.wait().unwrap().code(), Some(0));
    said.join("\n")
}

#[test]
fn a_folder_has_one_server_and_a_killed_one_leaves_it_free() {
    let (model, state) = (shop().join("model"), tempfile::tempdir().unwrap());
    let server = Server::start(&model, state.path());
    let message = refusal(Command::new(env!("CARGO_BIN_EXE_wane")), &model, state.path());
    assert!(message.contains("another server uses this folder. Stop it first"), "{message}");
    server.kill();
    Server::start(&model, state.path());
}

#[test]
fn what_is_too_old_leaves_at_the_start() {
    let (model, state) = (shop().join("model"), tempfile::tempdir().unwrap());
    let kept = |server: &Server| {
        let (_, found) = server.ask("GET", "/v1/users/new/events", &Value::Null);
        found["events"].as_array().unwrap().len()
    };
    let server = Server::start(&model, state.path());
    let events = json!([{"user_id": "new", "item_id": "i1", "time": "2020-01-01"}, {"user_id": "new", "item_id": "i1"}]);
    assert_eq!(server.ask("POST", "/v1/events", &events).1["accepted"], 2);
    assert_eq!(kept(&server), 2);
    server.kill();
    let server = Server::with(&model, state.path(), &["--retain", "400d"]);
    let gone = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        kept(&server) == 1
    });
    assert!(gone);
    let message = failure(
        shop(),
        &format!("serve model --state {} --retain 400", state.path().join("other").display()),
    );
    assert!(message.contains("--retain"), "{message}");
}
