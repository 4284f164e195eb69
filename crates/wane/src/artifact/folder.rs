//! Writing a folder whole or not at all.
//!
//! Files go into a hidden folder beside the target and are flushed to the disk; then the folder is renamed over the
//! target. A former model is first renamed to `.<name>.former` and removed last, so that a crash between the two
//! renames loses nothing.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::manifest::FileRecord;
use crate::error::{Error, Result};

/// A folder being written; removed again unless it replaces its target.
#[derive(Debug)]
pub(super) struct NewFolder {
    path: PathBuf,
    records: Vec<FileRecord>,
}

impl NewFolder {
    /// An empty folder beside `target`, whose parent is made if need be.
    pub(super) fn beside(target: &Path) -> Result<Self> {
        let path = sibling(target, &format!("saving-{}", std::process::id()))?;
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| Error::io(parent, error))?;
        }
        fs::create_dir(&path).map_err(|error| Error::io(&path, error))?;
        Ok(Self { path, records: Vec::new() })
    }

    /// Writes one file through to the disk and records its size and checksum.
    pub(super) fn write(
        &mut self,
        name: &str,
        fill: impl FnOnce(&mut HashingFile) -> io::Result<()>,
    ) -> Result<()> {
        let path = self.path.join(name);
        let file = File::create_new(&path).map_err(|error| Error::io(&path, error))?;
        let mut file = HashingFile { file: BufWriter::new(file), hash: Sha256::new(), bytes: 0 };
        let filled = fill(&mut file).and_then(|()| file.finish());
        let (sha256, bytes) = filled.map_err(|error| Error::io(&path, error))?;
        self.records.push(FileRecord { name: name.to_owned(), bytes, sha256 });
        Ok(())
    }

    /// What was written so far.
    pub(super) fn records(&self) -> Vec<FileRecord> {
        self.records.clone()
    }

    /// Puts the folder in the place of `target`.
    pub(super) fn replace(self, target: &Path) -> Result<()> {
        sync_folder(&self.path)?;
        let former = former_place(target)?;
        let has_former = target.exists();
        if has_former {
            remove_if_there(&former)?;
            fs::rename(target, &former).map_err(|error| Error::io(target, error))?;
        }
        fs::rename(&self.path, target).map_err(|error| Error::io(target, error))?;
        sync_folder(self.path.parent().unwrap_or(Path::new(".")))?;
        if has_former { remove_if_there(&former) } else { Ok(()) }
    }
}

impl Drop for NewFolder {
    /// After a move there is nothing left to remove, and an error cannot be reported from here.
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Where the former model waits while it is being replaced.
pub(super) fn former_place(target: &Path) -> Result<PathBuf> {
    sibling(target, "former")
}

fn sibling(target: &Path, suffix: &str) -> Result<PathBuf> {
    let name = target.file_name().ok_or_else(|| Error::Artifact {
        path: target.to_path_buf(),
        reason: "has no name of its own".to_owned(),
        remedy: "Give the model folder a name, like `model`".to_owned(),
    })?;
    Ok(target.with_file_name(format!(".{}.{suffix}", name.to_string_lossy())))
}

fn remove_if_there(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io(folder, error)),
        _ => Ok(()),
    }
}

/// Makes renames and new files in a folder durable. Only Unix can open a folder for that.
pub(super) fn sync_folder(folder: &Path) -> Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    if cfg!(unix) {
        File::open(folder).and_then(|file| file.sync_all()).map_err(|error| Error::io(folder, error))?;
    }
    Ok(())
}

/// A file that counts and hashes what goes through it.
#[derive(Debug)]
pub(super) struct HashingFile {
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl HashingFile {
    fn finish(self) -> io::Result<(String, u64)> {
        self.file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        Ok((hex(&self.hash.finalize()), self.bytes))
    }
}

impl Write for HashingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.hash.update(bytes.get(..n).unwrap_or_default());
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// SHA-256 and size of a file, read in pieces.
pub(super) fn digest_file(path: &Path) -> io::Result<(String, u64)> {
    let (mut file, mut hash, mut bytes) = (File::open(path)?, Sha256::new(), 0);
    let mut piece = vec![0; 1 << 16];
    loop {
        let n = file.read(&mut piece)?;
        if n == 0 {
            return Ok((hex(&hash.finalize()), bytes));
        }
        hash.update(piece.get(..n).unwrap_or_default());
        bytes += n as u64;
    }
}

/// SHA-256 of bytes, in hexadecimal.
pub(super) fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
