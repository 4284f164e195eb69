//! The README's command lines are understood as they stand there.

use std::fs;
use std::path::Path;

use super::run::wane;

/// The lines of the fenced `sh` blocks that begin with `wane `, continued lines joined, comments and redirections cut.
fn command_lines(markdown: &str) -> Vec<String> {
    let (mut lines, mut is_inside) = (Vec::new(), false);
    for line in markdown.replace("\\\n", " ").lines() {
        match line.trim() {
            "```sh" => is_inside = true,
            "```" => is_inside = false,
            commands if is_inside => lines.extend(commands.split(" && ").filter_map(arguments)),
            _ => {}
        }
    }
    lines
}

/// What is given to `wane`; nothing where another program is called.
fn arguments(command: &str) -> Option<String> {
    let arguments = command.strip_prefix("wane ")?;
    let end = [" #", " | ", " > "].iter().filter_map(|mark| arguments.find(mark)).min();
    Some(arguments[..end.unwrap_or(arguments.len())].trim().to_owned())
}

#[test]
fn lines_are_found_joined_and_cut() {
    let text = "wane no\n```sh\nls\nwane fit a \\\n --out m && wane inspect c # why\nwane inspect b | head\n```\nwane neither\n";
    assert_eq!(command_lines(text), ["fit a   --out m", "inspect c", "inspect b"]);
}

/// Files are not there, so a line that is understood ends with 1, not 2.
#[test]
fn every_line_of_the_readme_is_understood() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let text = fs::read_to_string(path).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let runs_at_length = |line: &&String| !line.starts_with("demo") && !line.starts_with("simulate");
    for line in command_lines(&text).iter().filter(runs_at_length) {
        let run = wane(folder.path(), line);
        assert_ne!(run.status, Some(2), "wane {line}\n{}", run.err);
    }
}
