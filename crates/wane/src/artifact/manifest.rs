//! The manifest: what a model folder is, and how to tell that it is whole.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Artifact;
use super::folder::{NewFolder, digest, digest_file, former_place};
use crate::error::{Error, Result};
use crate::events::Timestamp;
use crate::recommend::ModelSettings;

/// Version of the folder's layout. A folder of a newer version is refused, since a program cannot know what it does
/// not know; a folder of an older version must load for ever, or this program breaks what people rely on. So: raise
/// it when a file's meaning changes, keep the old reader, and add a folder of the old version to the tests.
pub const FORMAT_VERSION: u32 = 1;

const FORMAT: &str = "wane-model";
const MANIFEST: &str = "manifest.json";
const CHECKSUM: &str = "manifest.sha256";

/// What a model folder says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always `wane-model`.
    pub format: String,
    /// Layout of the folder, see [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Version of the program that wrote it.
    pub wane_version: String,
    /// The model's name and settings.
    pub model: ModelSettings,
    /// Seed that the model was fitted with.
    pub seed: u64,
    /// Sizes of the log that it learned from.
    pub counts: Counts,
    /// First and last moment of that log, in milliseconds since the epoch.
    pub span: Option<(Timestamp, Timestamp)>,
    /// The log's event types, in order.
    pub event_types: Vec<String>,
    /// Names of the catalogue's relations, in order.
    pub relations: Vec<String>,
    /// Every other file of the folder.
    pub files: Vec<FileRecord>,
}

/// Sizes of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Users in the vocabulary.
    pub users: usize,
    /// Items in the vocabulary.
    pub items: usize,
    /// Events.
    pub events: usize,
}

/// A file's name, size and checksum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// Name within the folder.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the contents, in hexadecimal.
    pub sha256: String,
}

/// SHA-256 of a model folder's manifest, in hexadecimal: what the folder contains in one name, for the manifest has the checksums of
/// all else.
///
/// # Errors
/// [`Error::Io`] where there is no manifest.
pub fn fingerprint(folder: &Path) -> Result<String> {
    let path = folder.join(MANIFEST);
    let (digest, _) = digest_file(&path).map_err(|error| Error::io(&path, error))?;
    Ok(digest)
}

/// The part of a manifest that every version has.
#[derive(Deserialize)]
struct Header {
    format: String,
    format_version: u32,
}

impl Manifest {
    pub(super) fn describe(artifact: &Artifact, files: Vec<FileRecord>) -> Result<Self> {
        let log = &artifact.log;
        Ok(Self {
            format: FORMAT.to_owned(),
            format_version: FORMAT_VERSION,
            wane_version: env!("CARGO_PKG_VERSION").to_owned(),
            model: artifact.settings.clone(),
            seed: artifact.seed,
            counts: Counts { users: log.n_users(), items: log.n_items(), events: log.len() },
            span: log.span(),
            event_types: log.event_types().to_vec(),
            relations: artifact.catalogue.iter().flat_map(super::catalogue::relation_names).collect(),
            files,
        })
    }

    pub(super) fn write(&self, folder: &mut NewFolder) -> Result<()> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Error::setting("model", "settings that can be written as JSON", error))?;
        folder.write(MANIFEST, |file| file.write_all(text.as_bytes()))?;
        folder.write(CHECKSUM, |file| file.write_all(checksum_line(text.as_bytes()).as_bytes()))
    }

    /// Reads and checks a folder's manifest, not yet its other files.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        let text = fs::read(&path).map_err(|error| no_manifest(folder, error))?;
        let header = header(folder, &text)?;
        if header.format_version > FORMAT_VERSION {
            let versions = format!("{} (this program reads up to {FORMAT_VERSION})", header.format_version);
            return Err(artifact_error(
                &path,
                format!("the model folder has the newer format version {versions}"),
                "Update wane, or fit the model again with this version",
            ));
        }
        let said =
            fs::read_to_string(folder.join(CHECKSUM)).map_err(|error| missing(folder, CHECKSUM, &error))?;
        if said != checksum_line(&text) {
            return Err(damaged(&path, &format!("its checksum is not the one in {CHECKSUM}")));
        }
        serde_json::from_slice(&text).map_err(|error| damaged(&path, &error))
    }

    /// Whether the folder has a file.
    pub(super) fn has(&self, name: &str) -> bool {
        self.files.iter().any(|file| file.name == name)
    }

    /// Compares every file's size and checksum with what was written.
    pub(super) fn check_files(&self, folder: &Path) -> Result<()> {
        self.files.iter().try_for_each(|record| {
            let path = folder.join(&record.name);
            if Path::new(&record.name).file_name() != Some(record.name.as_ref()) {
                return Err(damaged(&path, &"the manifest names a file outside the folder"));
            }
            let (sha256, bytes) =
                digest_file(&path).map_err(|error| missing(folder, &record.name, &error))?;
            if bytes != record.bytes {
                return Err(damaged(&path, &format!("expected {} bytes, got {bytes}", record.bytes)));
            }
            if sha256 != record.sha256 {
                return Err(damaged(&path, &format!("expected SHA-256 {}, got {sha256}", record.sha256)));
            }
            Ok(())
        })
    }
}

/// An error unless `path` is free, an empty folder, or a model folder with nothing else in it.
pub(super) fn refuse_foreign(path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let refuse =
        |reason: String| artifact_error(path, reason, "Choose another folder, or remove this one first");
    if !path.is_dir() {
        return Err(refuse("is not a folder and is not overwritten".to_owned()));
    }
    let names = file_names(path)?;
    if names.is_empty() {
        return Ok(());
    }
    let text = fs::read(path.join(MANIFEST)).unwrap_or_default();
    if header(path, &text).is_err() {
        return Err(refuse("is not a Wane model folder and is not overwritten".to_owned()));
    }
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|_| refuse("is damaged or of another version".to_owned()))?;
    match names.iter().find(|name| ![MANIFEST, CHECKSUM].contains(&name.as_str()) && !manifest.has(name)) {
        Some(name) => Err(refuse(format!("holds `{name}`, which is not of the model and would be lost"))),
        None => Ok(()),
    }
}

/// Names in a folder, sorted.
fn file_names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).map_err(|error| Error::io(folder, error))?;
    let mut names = entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<Vec<_>>>()
        .map_err(|error| Error::io(folder, error))?;
    names.sort();
    Ok(names)
}

fn header(folder: &Path, text: &[u8]) -> Result<Header> {
    serde_json::from_slice(text).ok().filter(|header: &Header| header.format == FORMAT).ok_or_else(|| {
        let reason = format!("is not a Wane model folder: its {MANIFEST} is damaged or of another program");
        artifact_error(folder, reason, "Give the folder that `wane fit --out` wrote")
    })
}

fn checksum_line(manifest: &[u8]) -> String {
    format!("{}  {MANIFEST}\n", digest(manifest))
}

fn artifact_error(path: &Path, reason: impl Into<String>, remedy: &str) -> Error {
    Error::Artifact { path: path.to_path_buf(), reason: reason.into(), remedy: remedy.to_owned() }
}

fn no_manifest(folder: &Path, error: std::io::Error) -> Error {
    if error.kind() != std::io::ErrorKind::NotFound && folder.is_dir() {
        return Error::io(folder.join(MANIFEST), error);
    }
    let former = former_place(folder).ok().filter(|former| former.is_dir() && !folder.exists());
    match former {
        Some(former) => artifact_error(
            folder,
            "is not there, because saving over it was interrupted",
            &format!("The former model is whole: rename {} to this name", former.display()),
        ),
        None => artifact_error(
            folder,
            format!("is not a Wane model folder: there is no {MANIFEST} in it"),
            "Give the folder that `wane fit --out` wrote",
        ),
    }
}

fn missing(folder: &Path, name: &str, error: &std::io::Error) -> Error {
    let reason = match error.kind() {
        std::io::ErrorKind::NotFound => "is missing".to_owned(),
        _ => format!("cannot be read: {error}"),
    };
    artifact_error(&folder.join(name), reason, AGAIN)
}

/// A file that is not what was written.
pub(super) fn damaged(path: &Path, reason: &impl ToString) -> Error {
    artifact_error(path, format!("is damaged: {}", reason.to_string()), AGAIN)
}

const AGAIN: &str = "Copy the model folder again from where it was made, or fit the model again";
