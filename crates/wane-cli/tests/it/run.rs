//! Runs `wane` in a folder and hands back what came of it.

use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;

/// What a run printed and how it ended.
pub(crate) struct Run {
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
    /// Exit status.
    pub(crate) status: Option<i32>,
}

/// Runs a command line, written as in a shell: words apart by blanks, quotes around words with blanks in them.
pub(crate) fn wane(folder: &Path, line: &str) -> Run {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_wane")).current_dir(folder).args(words(line)).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { out: text(stdout), err: text(stderr), status: status.code() }
}

/// Runs a command line that must succeed, and returns what it printed.
pub(crate) fn done(folder: &Path, line: &str) -> String {
    let run = wane(folder, line);
    assert_eq!(run.status, Some(0), "wane {line}\n{}", run.err);
    run.out
}

/// Runs a command line that must succeed and print JSON.
pub(crate) fn json(folder: &Path, line: &str) -> Value {
    serde_json::from_str(&done(folder, line)).unwrap()
}

/// Runs a command line that must fail with status 1, and returns its message.
pub(crate) fn failure(folder: &Path, line: &str) -> String {
    let run = wane(folder, line);
    assert_eq!(run.status, Some(1), "wane {line}\n{}{}", run.out, run.err);
    let message = run.err.trim().lines().last().unwrap_or_default();
    message.strip_prefix("error: ").unwrap_or(message).to_owned()
}

/// The keys of a JSON object, in order.
pub(crate) fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Splits a line as a shell does, as far as these tests and the README need it: blanks, single and double quotes.
pub(crate) fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[test]
fn words_are_split_as_a_shell_splits_them() {
    assert_eq!(
        words("a  --filter 'price < 20 and b = \"C D\"' ''"),
        ["a", "--filter", "price < 20 and b = \"C D\"", ""]
    );
}
