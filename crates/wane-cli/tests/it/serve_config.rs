//! The settings file of the server: its reference says what the defaults are, and what is wrong in a file is named with the file and the key.

use std::fs;
use std::path::{Path, PathBuf};

use super::run::{failure, wane};
use super::serve::Server;
use super::shop::shop;

fn reference() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "config", "serve.toml"].iter().collect()
}

/// The settings that a server says it has.
fn said(more: &[&str]) -> String {
    let state = tempfile::tempdir().unwrap();
    let server = Server::with(&shop().join("model"), state.path(), more);
    let line = server.said().into_iter().find(|line| line.contains(" settings ")).unwrap();
    line.split_once(" settings ").unwrap().1.to_owned()
}

#[test]
fn the_reference_is_the_default() {
    let with = said(&["--config", reference().to_str().unwrap()]);
    assert_eq!(with, said(&[]));
    assert!(with.contains("body=4194304") && with.contains("k=1000"), "{with}");
}

/// The reference with its comments that are settings made settings.
fn uncommented() -> String {
    let text = fs::read_to_string(reference()).unwrap();
    let uncomment = |line: &str| {
        let bare = line.trim_start_matches("# ");
        let key = bare.split_once(" = ").map(|(key, _)| key);
        let is_setting =
            key.is_some_and(|key| key.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()));
        let is_table = bare.starts_with('[') && bare.ends_with(']');
        if is_setting || is_table { bare.to_owned() } else { line.to_owned() }
    };
    text.lines().map(uncomment).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_is_commented_out_in_the_reference_is_well_formed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("serve.toml");
    fs::write(&file, uncommented()).unwrap();
    // All of it was understood, up to the certificate, which is not there.
    let message = refused(&file);
    assert!(message.contains("certificate.pem") && message.contains("this user may read"), "{message}");
}

fn refused(file: &Path) -> String {
    let state = file.with_file_name("state");
    failure(shop(), &format!("serve model --state {} --config {}", state.display(), file.display()))
}

#[test]
fn what_is_wrong_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.toml");
    let key =
        |more: &str| format!("[[keys]]\nname = 'a'\nroles = ['read']\nsha256 = '{}'\n{more}", "0".repeat(64));
    for (text, named) in [
        ("listne = '127.0.0.1:1'".to_owned(), "unknown field `listne`"),
        ("listen = 'here'".into(), "listen here: expected an address and a port"),
        ("durability = 'never'".into(), "unknown variant `never`"),
        ("[limits]\nbody = '4MB'".into(), "limits.body: expected 1024 to 1073741824 bytes"),
        ("[limits]\nbody = 3".into(), "limits.body: expected 1024"),
        ("[limits]\nheader = '1KiB'".into(), "limits.header: expected 8192"),
        ("[limits]\nbatch = 0".into(), "limits.batch: expected 1 to 100000, got 0"),
        ("[interests]\nat_start = 'yes'".into(), "at_start"),
        ("[limits]\nk = -3".into(), "limits.k: expected 1 to 1000, got -3"),
        ("[limits]\nconnections = 0".into(), "limits.connections: expected 1 to"),
        ("[limits]\ntimeout = '10'".into(), "limits.timeout"),
        ("[limits]\nidle = '2h'".into(), "limits.idle: expected 0.1s to 1h, got `2h`"),
        ("[limits]\nrate = 0.0".into(), "limits.rate: expected requests per second, above 0"),
        ("[limits]\nrate = nan".into(), "limits.rate"),
        ("[log]\nlevel = 'loud'".into(), "unknown variant `loud`"),
        ("[tls]\ncertificate = 'a'".into(), "missing field `key`"),
        (key("rates = 3.0"), "unknown field `rates`"),
        (key("rate = -1.0"), "keys[0].rate: expected requests per second"),
        (
            key("").replace("'read'", "'root'"),
            "keys[0].roles: expected one or more of read, write, admin, got `root`",
        ),
        (
            key("").replace("'read'", ""),
            "keys[0].roles: expected one or more of read, write, admin, got none",
        ),
        (key("").replace("'a'", "'a b'"), "keys[0].name: expected 1 to 64 letters"),
        (key("").replace("00000'", "'"), "keys[0].sha256: expected the 64 hexadecimal digits"),
        (key("") + &key(""), "keys[1].name: there are two keys `a`"),
        (key("") + &key("").replace("'a'", "'b'"), "keys[1].sha256: another key has it too"),
    ] {
        fs::write(&file, &text).unwrap();
        let run = wane(
            shop(),
            &format!(
                "serve model --state {} --config {}",
                folder.path().join("state").display(),
                file.display()
            ),
        );
        assert_eq!(run.status, Some(1), "{text}");
        assert!(run.err.contains("own.toml") && run.err.contains(named), "{text}\n{}", run.err);
    }
    let message = refused(&folder.path().join("none.toml"));
    assert!(message.contains("none.toml"), "{message}");
}

#[test]
fn flags_win_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("serve.toml");
    fs::write(&file, "listen = '10.0.0.1:1'\ndurability = 'os'\n[log]\nlevel = 'warn'\n").unwrap();
    let said = said(&["--config", file.to_str().unwrap(), "--durability", "fsync", "--log", "debug"]);
    assert!(said.contains("durability=Fsync") && said.contains("level=Debug"), "{said}");
}

#[test]
fn a_key_opens_what_its_lines_say_and_a_hangup_has_them_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("serve.toml");
    let made = |name: &str, roles: &str| {
        let run = wane(folder.path(), &format!("key --name {name} --roles {roles}"));
        assert_eq!(run.status, Some(0), "{}", run.err);
        assert!(run.out.starts_with("wane_") && run.out.len() == 70 && !run.err.contains(run.out.trim()));
        (run.out.trim().to_owned(), run.err)
    };
    let (reader, lines) = made("reader", "read");
    fs::write(&file, &lines).unwrap();
    let server = Server::with(
        &shop().join("model"),
        &folder.path().join("state"),
        &["--config", file.to_str().unwrap()],
    );
    let ask = |key: &str| server.ask_as(key, "POST", "/v1/recommend", &serde_json::json!({"user_id": "a"})).0;
    let (other, more) = made("other", "read,write");
    assert_eq!((ask(""), ask(&reader), ask(&other)), (401, 200, 401));
    // What is wrong changes nothing, and says so.
    fs::write(&file, format!("{lines}{more}rates = 3.0\n")).unwrap();
    server.hang_up();
    assert!(server.says("the settings stay as they were").contains("serve.toml"));
    assert_eq!((ask(&reader), ask(&other)), (200, 401));
    // A setting that needs a new start is named, and the others count.
    fs::write(&file, format!("{more}rate = 1000.0\n[limits]\nconnections = 7\n[interests]\nat_start = true\n[encoder]\ntemplate = '{{brand}}'\n[log]\nlevel = 'debug'\n"))
        .unwrap();
    server.hang_up();
    let fixed = server.says("before the server starts again");
    for setting in ["limits.connections", "interests.at_start", "encoder"] {
        assert!(fixed.contains(setting), "{fixed}");
    }
    assert_eq!((ask(&reader), ask(&other)), (401, 200));
    let line = server.says("status=200");
    assert!(line.contains("/v1/recommend") && line.contains("key=\"other\""), "{line}");
    assert!(server.said().iter().all(|line| !line.contains(&other)), "{:?}", server.said());
}

#[test]
fn the_log_of_programs_is_json_and_names_nobody() {
    let state = tempfile::tempdir().unwrap();
    let server =
        Server::with(&shop().join("model"), state.path(), &["--log", "debug", "--log-format", "json"]);
    server.ask("GET", "/v1/users/somebody/events", &serde_json::Value::Null);
    let line: serde_json::Value = serde_json::from_str(&server.says("answered")).unwrap();
    assert_eq!((&line["route"], &line["status"]), (&"/v1/users/{id}/events".into(), &200.into()), "{line}");
    assert!(line["micros"].is_u64() && line["method"] == "GET", "{line}");
    for line in server.said() {
        assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok(), "{line}");
        assert!(!line.contains("somebody"), "{line}");
    }
}

#[test]
fn interests_are_fitted_before_anyone_asks_where_that_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("serve.toml");
    fs::write(&file, "[interests]\nat_start = true\n").unwrap();
    let config = ["--config", file.to_str().unwrap()];
    let server = Server::with(&shop().join("model"), &folder.path().join("state"), &config);
    assert!(server.says("interests are being fitted").contains("model="));
}

#[test]
fn the_log_names_users_where_it_is_told_to() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("serve.toml");
    fs::write(&file, "[log]\nlevel = 'debug'\nusers = true\n").unwrap();
    let config = ["--config", file.to_str().unwrap()];
    let server = Server::with(&shop().join("model"), &folder.path().join("state"), &config);
    server.ask("DELETE", "/v1/users/somebody", &serde_json::Value::Null);
    assert!(server.says("answered").contains("/v1/users/somebody"));
}
