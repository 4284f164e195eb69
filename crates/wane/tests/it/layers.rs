//! Modules import only from their left, as ARCHITECTURE.md promises.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms in order; those in one group may import each other's left neighbours, not each other.
const ORDER: &[&[&str]] = &[
    &["error", "wide"],
    &["events"],
    &["interest"],
    &["decay"],
    &["train"],
    &["recommend"],
    &["eval", "artifact", "simulate"],
    &["pipeline"],
];

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn level(room: &str) -> Option<usize> {
    ORDER.iter().position(|group| group.contains(&room))
}

#[test]
fn modules_import_only_from_their_left() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let mut broken = Vec::new();
    for file in files {
        let inner = file.strip_prefix(&src).unwrap();
        let room = inner.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        if room == "lib" {
            continue;
        }
        let own =
            level(room).unwrap_or_else(|| panic!("{} is in no room of ARCHITECTURE.md", inner.display()));
        for (number, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            for import in line.split("crate::").skip(1) {
                let other: String = import.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let allowed = other == room || level(&other).is_none_or(|other| other < own);
                if !allowed {
                    broken.push(format!("{}:{}: {room} imports {other}", inner.display(), number + 1));
                }
            }
        }
    }
    assert!(broken.is_empty(), "imports from the right:\n{}", broken.join("\n"));
}
