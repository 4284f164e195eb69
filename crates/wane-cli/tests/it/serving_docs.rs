//! What the documentation shows of the server is what it does: each line of `curl` is asked of a running one, and so is each example of its
//! OpenAPI document, which its page shows.
//!
//! The shop of these tests knows the user `42` and the items `a10` to `a25`, and has the model folders `model`, which can know new items, and
//! `next-model`; lines that are added need nothing else. What is being made ready is asked for again. An answer that stands below a line has
//! the keys that it really has and, where it is the same every time, the values.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::http::Request;
use super::run::done;
use super::serve::Server;

/// Where the documentation has the server listen.
const SHOWN: &str = "localhost:7700";
/// What is another with another model or at another moment.
const VARIES: [&str; 10] = [
    "recommendation_id",
    "model",
    "as_of",
    "took_us",
    "folder",
    "time",
    "score",
    "reason",
    "key",
    "half_life_days",
];

/// A line of a block of code and what stands below it.
#[derive(Debug, PartialEq)]
struct Shown {
    line: String,
    answer: String,
}

/// The commands of each block, indented or fenced, with their answers.
fn blocks(markdown: &str) -> Vec<Vec<Shown>> {
    let (mut blocks, mut block, mut is_fenced) = (Vec::new(), Vec::<Shown>::new(), false);
    for line in markdown.replace("\\\n", " ").lines().chain([""]) {
        let is_fence = line.starts_with("```");
        is_fenced ^= is_fence;
        let code = if is_fenced { Some(line) } else { line.strip_prefix("    ") };
        match code.filter(|_| !is_fence) {
            Some(command) if command.starts_with("curl ") || command.starts_with("wane ") => {
                block.push(Shown { line: command.to_owned(), answer: String::new() });
            }
            Some(more) => {
                if let Some(last) = block.last_mut() {
                    last.answer += more;
                }
            }
            None => blocks.push(std::mem::take(&mut block)),
        }
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}

/// Whether an answer is as it is shown. `…` at the end of a list or an object stands for more of it.
fn agrees(shown: &Value, got: &Value) -> Result<(), String> {
    let differ = || Err(format!("{shown} is shown, {got} is answered"));
    match (shown, got) {
        (Value::Object(own), Value::Object(others)) => {
            let named = own.keys().filter(|&key| key != "…");
            let is_whole = own.contains_key("…") || own.len() == others.len();
            if !is_whole || !named.clone().all(|key| others.contains_key(key)) {
                return differ();
            }
            let mut fixed = named.filter(|key| !VARIES.contains(&key.as_str()));
            fixed.try_for_each(|key| agrees(&own[key], &others[key]))
        }
        (Value::Array(own), Value::Array(others)) => {
            let (first, more) = match own.split_last() {
                Some((Value::String(last), first)) if last == "…" => (first, true),
                _ => (&own[..], false),
            };
            let fits = first.len() == others.len() || more && first.len() < others.len();
            if fits {
                first.iter().zip(others).try_for_each(|(own, other)| agrees(own, other))
            } else {
                differ()
            }
        }
        (Value::Number(own), Value::Number(_)) if own.is_f64() => Ok(()),
        (own, other) if own == other => Ok(()),
        _ => differ(),
    }
}

/// What is shown below a line, as a value.
fn value(answer: &str) -> Value {
    let whole = answer.replace("…]", "\"…\"]").replace("…}", "\"…\": 0}");
    serde_json::from_str(&whole).unwrap_or_else(|error| panic!("{answer}: {error}"))
}

/// The shop that all examples are asked of.
fn shop() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut log = "user,item,type,time\n".to_owned();
    for (user, n) in (36..50).flat_map(|user| (0..8).map(move |n| (user, n))) {
        let (item, kind) = (10 + (user + n * n) % 16, ["view", "purchase"][n % 2]);
        writeln!(log, "{user},a{item},{kind},2026-0{}-{:02}", 1 + n % 3, 1 + user % 28).unwrap();
    }
    fs::write(folder.path().join("log.csv"), log).unwrap();
    let mut items = "item,title,category,brand,price\n".to_owned();
    for item in 10..26 {
        let category = ["Snacks", "Drinks"][item % 2];
        writeln!(items, "a{item},Thing {item},{category},Brand {},{item}.5", item % 3).unwrap();
    }
    fs::write(folder.path().join("items.csv"), items).unwrap();
    for (model, out) in [("trace", "model"), ("popularity", "next-model")] {
        done(folder.path(), &format!("fit log.csv --catalogue items.csv --model {model} --out {out}"));
    }
    folder
}

/// A server that runs in the shop's folder.
fn server(folder: &Path, state: &str, more: &[&str]) -> Server {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wane"));
    command.current_dir(folder);
    Server::started_by(command, Path::new("model"), Path::new(state), more)
}

/// The answer, once what it needs was made ready: interests are fitted when they are first asked for.
fn when_ready<T: ToString>(ask: impl Fn() -> (u16, T)) -> (u16, T) {
    let answers = std::iter::repeat_with(ask).enumerate().map(|(number, answer)| {
        let is_early = answer.0 == 409 && answer.1.to_string().contains("\"fitting\"") && number < 600;
        if is_early {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        (!is_early).then_some(answer)
    });
    answers.flatten().next().unwrap()
}

/// Does what a block shows, and returns how many lines were asked.
fn follow(block: &[Shown], folder: &Path, open: &Server) -> usize {
    let mut guarded = None;
    let mut asked = 0;
    for Shown { line, answer } in block {
        if line.starts_with("wane key ") {
            let line = line.replacen("wane", env!("CARGO_BIN_EXE_wane"), 1);
            assert!(Command::new("sh").args(["-c", &line]).current_dir(folder).status().unwrap().success());
            guarded = Some(server(folder, "guarded", &["--config", "serve.toml"]));
        } else if line.starts_with("curl ") {
            let request = Request::of_curl(line, SHOWN, folder);
            let address = guarded.as_ref().unwrap_or(open).address();
            let (status, got) = when_ready(|| request.sent_to(address));
            assert!((200..300).contains(&status), "{line}: {status} {got}");
            if !answer.is_empty() {
                let got = serde_json::from_str(&got).unwrap();
                agrees(&value(answer), &got).unwrap_or_else(|how| panic!("{line}\n{how}"));
            }
            asked += 1;
        }
    }
    asked
}

#[test]
fn every_line_of_curl_does_what_the_documentation_says() {
    let folder = shop();
    for (document, least) in [("README.md", 1), ("docs/serving.md", 6)] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(document);
        let open = server(folder.path(), document, &[]);
        let text = fs::read_to_string(path).unwrap();
        let asked: usize = blocks(&text).iter().map(|block| follow(block, folder.path(), &open)).sum();
        let written = text.lines().filter(|line| line.trim_start().starts_with("curl ")).count();
        assert_eq!(asked, written, "{document}: a line of curl stands in no block of code");
        assert!(asked >= least, "{document}: {asked}");
    }
}

#[test]
fn every_example_of_the_openapi_document_is_answered() {
    let folder = shop();
    let server = server(folder.path(), "state", &[]);
    let (_, document) = server.ask("GET", "/openapi.json", &Value::Null);
    let (mut asked, mut examples) = (0, 0);
    // What is taken away by one is asked for by others.
    for is_last in [false, true] {
        let operations = document["paths"].as_object().unwrap().iter().flat_map(|(path, operations)| {
            let path = path.replace("/items/{id}", "/items/a17").replace("/users/{id}", "/users/42");
            operations
                .as_object()
                .unwrap()
                .iter()
                .map(move |(method, operation)| (path.clone(), method, operation))
        });
        for (path, method, operation) in operations.filter(|(_, method, _)| (*method == "delete") == is_last)
        {
            let example = &operation["requestBody"]["content"]["application/json"]["example"];
            assert_eq!(
                example.is_null(),
                operation["requestBody"].is_null(),
                "{method} {path} has no example"
            );
            let (status, got) = when_ready(|| server.ask(&method.to_uppercase(), &path, example));
            assert!((200..300).contains(&status), "{method} {path} {example}: {status} {got}");
            let answer = &operation["responses"][status.to_string()];
            assert!(answer.is_object(), "{method} {path}: {status} is not in the document");
            let shown = &answer["content"]["application/json"]["example"];
            if !shown.is_null() {
                agrees(shown, &got).unwrap_or_else(|how| panic!("{method} {path}: {how}"));
                examples += 1;
            }
            asked += 1;
        }
    }
    assert!(asked >= 15 && examples >= 1, "{asked} {examples}");
}

#[test]
fn lines_are_found_with_their_answers() {
    let text = "curl no\n\n    wane serve m\n    curl a \\\n      b\n    {\"k\":\n     1}\n\n- x\n```sh\ncurl c\n```\ncurl no\n";
    let shown = |line: &str, answer: &str| Shown { line: line.into(), answer: answer.into() };
    let first = vec![shown("wane serve m", ""), shown("curl a        b", "{\"k\": 1}")];
    assert_eq!(blocks(text), [first, vec![shown("curl c", "")]]);
}

#[test]
fn what_is_shown_must_be_so() {
    let got = value(
        r#"{"accepted": 1, "took_us": 7, "rejected": [], "items": [{"item_id": "a", "score": 0.5}, {}]}"#,
    );
    for shown in [
        r#"{"accepted": 1, "took_us": 9, "rejected": [], "items": [{"item_id": "a", "score": 3.5}, {}]}"#,
        r#"{"accepted": 1, …}"#,
        r#"{"items": [{"item_id": "a", "score": 3}, …], …}"#,
    ] {
        assert_eq!(agrees(&value(shown), &got), Ok(()), "{shown}");
    }
    for shown in [
        r#"{"accepted": 2, …}"#,
        r#"{"accepted": 1}"#,
        r#"{"other": 1, …}"#,
        r#"{"items": [{"item_id": "b", "score": 0.5}, …], …}"#,
        r#"{"items": [{"item_id": "a", "score": 0.5}], …}"#,
        r#"{"rejected": [1, …], …}"#,
    ] {
        assert!(agrees(&value(shown), &got).is_err(), "{shown}");
    }
}
