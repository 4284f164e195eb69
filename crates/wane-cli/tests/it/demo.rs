//! `wane demo`: its story on a small shop, and the server that it ends with.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::http::Request;
use super::run::{failure, wane, words};

/// A shop of seconds.
const SMALL: &str = "demo --users 60 --items 24 --days 40 --out demo";

/// A process that ends with its test, however that ends.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_demo_that_serves_can_be_asked_with_the_lines_that_it_prints() {
    let folder = tempfile::tempdir().unwrap();
    let server = Command::new(env!("CARGO_BIN_EXE_wane"))
        .current_dir(folder.path())
        .args(words(&format!("{SMALL} --serve --listen 127.0.0.1:0")))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut server = Ended(server);
    let lines = BufReader::new(server.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let (mut told, mut lines) =
        (Vec::new(), lines.skip_while(|line| !line.starts_with("6. The server: http://")));
    let first = lines.next().unwrap();
    let address = first.split("http://").nth(1).unwrap().split(',').next().unwrap().to_owned();
    assert!(first.contains(&format!("http://{address}/docs")), "{first}");
    for line in lines.by_ref().take(2) {
        told.push(line.split_once("curl ").unwrap().1.to_owned());
    }
    let asked: Vec<Request> =
        told.iter().map(|line| Request::of_curl(&format!("curl {line}"), &address, Path::new(""))).collect();
    let ask = |asked: &Request| {
        let (status, body) = asked.sent_to(&address);
        (status, serde_json::from_str::<Value>(&body).unwrap())
    };
    let (status, before) = ask(&asked[0]);
    assert_eq!((status, before["items"].as_array().unwrap().len()), (200, 5), "{before}");
    assert!(before["items"][0]["title"].is_string() && before["items"][0]["reasons"].is_array(), "{before}");
    let (status, kept) = ask(&asked[1]);
    assert_eq!((status, &kept["accepted"]), (202, &1.into()), "{kept}");
    assert_ne!(ask(&asked[0]).1["items"], before["items"]);
    let id = server.0.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let mut said = String::new();
    server.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(server.0.wait().unwrap().code(), Some(0), "{said}");
    assert!(said.contains("stopped: all that was acknowledged is kept"), "{said}");
    for made in ["report.html", "model/manifest.json", "state/state.sqlite"] {
        assert!(folder.path().join("demo").join(made).exists(), "{made}");
    }
}

#[test]
fn an_address_that_cannot_be_is_found_out_before_the_story() {
    let folder = tempfile::tempdir().unwrap();
    for (listen, said) in
        [("here", "expected an address and a port"), ("0.0.0.0:0", "without keys only this machine")]
    {
        let message = failure(folder.path(), &format!("{SMALL} --serve --listen {listen}"));
        assert!(message.contains(said), "{message}");
    }
    assert!(!folder.path().join("demo").exists());
    assert_eq!(
        wane(folder.path(), &format!("{SMALL} --listen 127.0.0.1:0")).status,
        Some(2),
        "without --serve"
    );
}
