//! A client as small as the tests need it, and lines of curl as the requests that they make.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use super::run::words;

/// A request of HTTP/1.1.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Whole lines.
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

impl Request {
    /// Status and body of the answer of an address.
    pub(crate) fn sent_to(&self, address: &str) -> (u16, String) {
        let Self { method, path, headers, body } = self;
        let mut stream = TcpStream::connect(address).unwrap();
        let more: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let head =
            format!("host: localhost\r\nconnection: close\r\ncontent-length: {}\r\n{more}", body.len());
        write!(stream, "{method} {path} HTTP/1.1\r\n{head}\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// What a line of curl asks of `server`; `$(cat FILE)` is a file of the folder. What curl can do and no documentation has needed yet is
    /// not understood, and then the test says so.
    pub(crate) fn of_curl(line: &str, server: &str, folder: &Path) -> Self {
        let mut words = words(line).into_iter().skip(1);
        let (mut asked, mut method) = (Self::default(), None);
        while let Some(word) = words.next() {
            let mut value = || with_files(&words.next().unwrap(), folder);
            match word.as_str() {
                "-s" => {}
                "-X" => method = Some(value()),
                "-H" => asked.headers.push(value()),
                "-d" => asked.body = value(),
                // What follows is the shell's, not curl's.
                "|" | ">" | "#" => break,
                place if asked.path.is_empty() && !place.starts_with('-') => {
                    let path = place.strip_prefix("http://").unwrap_or(place).strip_prefix(server);
                    path.unwrap_or_else(|| panic!("{line}: asks another than {server}"))
                        .clone_into(&mut asked.path);
                }
                other => panic!("{line}: say in tests/it/http.rs what `{other}` means"),
            }
        }
        if !asked.body.is_empty()
            && !asked.headers.iter().any(|own| own.to_lowercase().starts_with("content-type"))
        {
            asked.headers.push("content-type: application/x-www-form-urlencoded".to_owned());
        }
        let usual = if asked.body.is_empty() { "GET" } else { "POST" };
        asked.method = method.unwrap_or_else(|| usual.to_owned());
        asked
    }
}

fn with_files(word: &str, folder: &Path) -> String {
    let Some((before, rest)) = word.split_once("$(cat ") else { return word.to_owned() };
    let (file, after) = rest.split_once(')').unwrap();
    format!("{before}{}{after}", fs::read_to_string(folder.join(file)).unwrap().trim_end())
}

#[test]
fn a_line_of_curl_is_the_request_that_curl_makes() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.key"), "secret\n").unwrap();
    let of = |line| Request::of_curl(line, "localhost:7700", folder.path());
    let line =
        r#"curl -H "Authorization: Bearer $(cat a.key)" -d '{"k": 3}' http://localhost:7700/v1/x?y=1 | jq ."#;
    let form = "content-type: application/x-www-form-urlencoded";
    let expected = Request {
        method: "POST".into(),
        path: "/v1/x?y=1".into(),
        headers: vec!["Authorization: Bearer secret".into(), form.into()],
        body: r#"{"k": 3}"#.into(),
    };
    assert_eq!(of(line), expected);
    let expected = Request { method: "DELETE".into(), path: "/v1/users/42".into(), ..Request::default() };
    assert_eq!(of("curl -s -X DELETE localhost:7700/v1/users/42"), expected);
    assert_eq!(of("curl localhost:7700/metrics").method, "GET");
}
