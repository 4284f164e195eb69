//! A file of JSON lines that grows while long work goes on: the trial log of a search.
//!
//! Each line is written at once and whole. A process that is killed in the middle of a line leaves an unfinished one at
//! the end; it is cut off when the file is next opened, so that the work it stood for is done again.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// An open file of JSON lines, at its end.
#[derive(Debug)]
pub struct JsonLines {
    path: PathBuf,
    file: File,
}

impl JsonLines {
    /// Opens the file, creates it where there is none, and returns what is in it.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read or written; [`Error::Malformed`] for a finished line of another form.
    pub fn open<T: DeserializeOwned>(path: &Path) -> Result<(Self, Vec<T>)> {
        let io = |error| Error::io(path, error);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;
        let finished = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |place| place + 1);
        bytes.truncate(finished);
        let records = parse(path, &bytes)?;
        file.set_len(finished as u64).map_err(io)?;
        file.seek(SeekFrom::End(0)).map_err(io)?;
        Ok((Self { path: path.to_owned(), file }, records))
    }

    /// Adds a line.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be written.
    pub fn append(&mut self, record: &impl Serialize) -> Result<()> {
        let io = |error| Error::io(&self.path, error);
        let mut line = serde_json::to_vec(record).map_err(|error| io(error.into()))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(io)
    }
}

fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<Vec<T>> {
    let lines = bytes.split(|&byte| byte == b'\n').enumerate();
    lines
        .filter(|(_, line)| !line.trim_ascii().is_empty())
        .map(|(number, line)| {
            serde_json::from_slice(line).map_err(|error| Error::Malformed {
                path: path.to_owned(),
                reason: format!("line {}: {error}", number + 1),
                remedy: "Remove the line, or give a file that this program wrote".to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfinished_line_is_cut_off_and_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trials.jsonl");
        std::fs::write(&path, "[1,0.5]\n[2,0.2").unwrap();
        let (mut lines, records) = JsonLines::open::<(u32, f64)>(&path).unwrap();
        assert_eq!(records, [(1, 0.5)]);
        lines.append(&(2, 0.25)).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "[1,0.5]\n[2,0.25]\n");
    }

    #[test]
    fn a_foreign_file_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trials.jsonl");
        std::fs::write(&path, "[1,0.5]\nuser,item\nunfinished").unwrap();
        let message = JsonLines::open::<(u32, f64)>(&path).unwrap_err().to_string();
        assert!(message.contains("trials.jsonl: line 2: "), "{message}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "[1,0.5]\nuser,item\nunfinished");
    }

    #[test]
    fn a_new_file_is_created_empty() {
        let folder = tempfile::tempdir().unwrap();
        let (_, records) = JsonLines::open::<u32>(&folder.path().join("new.jsonl")).unwrap();
        assert!(records.is_empty());
    }
}
