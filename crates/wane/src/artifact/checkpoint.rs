//! The checkpoint folder: the states of the trainings of one `wane fit`, so that it goes on after an interruption.
//!
//! One safetensors file per training, with what the training is of and the arrays' SHA-256 as words in its head. A file is
//! written beside its place, flushed to the disk and renamed into it, which is one step: whenever the process ends, the
//! last whole state is there. On a full disk the unfinished file is removed, so that it does not keep the disk full.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::folder::sync_folder;
use super::tensors;
use crate::error::{Error, Result};
use crate::recommend::{Checkpoint, Identity, Parameters};

/// The trainings of a fit, each with a state of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// That of the model which is judged on the hold-out.
    HoldOut,
    /// That of the model which is saved.
    Model,
}

impl Stage {
    const ALL: [Self; 2] = [Self::HoldOut, Self::Model];

    const fn file(self) -> &'static str {
        match self {
            Self::HoldOut => "hold-out.safetensors",
            Self::Model => "model.safetensors",
        }
    }
}

/// A folder for the states of a fit.
#[derive(Debug, Clone)]
pub struct CheckpointFolder {
    path: PathBuf,
}

impl CheckpointFolder {
    /// Opens a folder, which is created where there is none, and proves that it can be written.
    ///
    /// # Errors
    /// [`Error::Artifact`] when it cannot.
    pub fn open(path: &Path) -> Result<Self> {
        let folder = Self { path: path.to_owned() };
        let probe = path.join("probe.saving");
        // Hours of training later would be a bad time to find out.
        fs::create_dir_all(path)
            .and_then(|()| File::create(&probe))
            .and_then(|_| fs::remove_file(&probe))
            .map_err(|error| Error::Artifact {
                path: path.to_owned(),
                reason: format!("no checkpoint can be written there: {error}"),
                remedy: "Name a folder that can be written with --checkpoint".to_owned(),
            })?;
        Ok(folder)
    }

    /// Whether an interrupted fit has left a state.
    pub fn is_begun(&self) -> bool {
        Stage::ALL.into_iter().any(|stage| self.path.join(stage.file()).exists())
    }

    /// The place of one training's state.
    pub fn stage(&self, stage: Stage) -> CheckpointFile {
        CheckpointFile { path: self.path.join(stage.file()) }
    }

    /// Removes the states, as the fit is done, and the folder unless something else is in it.
    ///
    /// # Errors
    /// [`Error::Io`] when they cannot be removed.
    pub fn remove(self) -> Result<()> {
        for stage in Stage::ALL {
            let path = self.path.join(stage.file());
            for path in [unfinished(&path), path] {
                match fs::remove_file(&path) {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(Error::io(path, error)),
                    _ => {}
                }
            }
        }
        // What is left then is not ours.
        let _ = fs::remove_dir(&self.path);
        Ok(())
    }
}

/// The file of one training's state.
#[derive(Debug, Clone)]
pub struct CheckpointFile {
    path: PathBuf,
}

/// Words in the head of a file beside those of the identity.
const FORMAT: (&str, &str) = ("format", "wane-checkpoint");
const DIGEST: &str = "sha256 of the arrays";

impl Checkpoint for CheckpointFile {
    fn load(&self, of: &Identity) -> Result<Option<Parameters>> {
        let bytes = match fs::read(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(|error| Error::io(&self.path, error))?,
        };
        let mut words = tensors::words(&bytes).unwrap_or_default();
        if words.remove(FORMAT.0).as_deref() != Some(FORMAT.1) {
            return Err(self.refuse("is damaged, or no checkpoint of this program", ANEW));
        }
        let digest = words.remove(DIGEST);
        let differences = of.differences(&Identity(words.into_iter().collect()));
        if !differences.is_empty() {
            let reason = format!("is the checkpoint of another training: {} there", differences.join(", "));
            return Err(self.refuse(&reason, OTHER));
        }
        let state = tensors::arrays(&self.path, &bytes).ok().filter(|state| Some(state.digest()) == digest);
        state.map(Some).ok_or_else(|| self.refuse("is damaged: its checksum is another", ANEW))
    }

    fn save(&self, of: &Identity, state: &Parameters) -> Result<()> {
        let mut words: HashMap<String, String> = of.0.clone().into_iter().collect();
        words.insert(FORMAT.0.to_owned(), FORMAT.1.to_owned());
        words.insert(DIGEST.to_owned(), state.digest());
        tensors::bytes(state, Some(words)).and_then(|bytes| replace(&self.path, &bytes)).map_err(|error| {
            let reason = format!("the state of training cannot be written: {error}");
            self.refuse(&reason, "Mend that and run the same command again: it goes on from the last state")
        })
    }
}

const ANEW: &str = "Delete it to begin anew";
const OTHER: &str =
    "Run the command that it is of, delete the folder to begin anew, or name another one with --checkpoint";

impl CheckpointFile {
    fn refuse(&self, reason: &str, remedy: &str) -> Error {
        Error::Artifact { path: self.path.clone(), reason: reason.to_owned(), remedy: remedy.to_owned() }
    }
}

/// Writes a file whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = unfinished(path);
    let written = File::create(&beside)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // What went wrong is told; a remainder that stays is overwritten the next time.
        let _ = fs::remove_file(&beside);
        return written;
    }
    sync_folder(path.parent().unwrap_or(Path::new("."))).map_err(io::Error::other)
}

fn unfinished(path: &Path) -> PathBuf {
    path.with_extension("saving")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recommend::Array;

    fn state(epoch: u32) -> Parameters {
        Parameters::default()
            .with("weights", Array::F32(vec![0.5, -1.0]))
            .with("epoch", Array::U32(vec![epoch]))
    }

    fn identity(dim: u32) -> Identity {
        Identity::default().with("dim", dim).with_digest("events", "ab")
    }

    #[test]
    fn a_state_comes_back_and_is_replaced_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er");
        let checkpoint = CheckpointFolder::open(&path).unwrap();
        let model = checkpoint.stage(Stage::Model);
        assert_eq!(model.load(&identity(8)).unwrap(), None);
        assert!(!checkpoint.is_begun());
        for epoch in 1..3 {
            model.save(&identity(8), &state(epoch)).unwrap();
            assert_eq!(model.load(&identity(8)).unwrap(), Some(state(epoch)));
        }
        assert!(checkpoint.is_begun());
        assert_eq!(checkpoint.stage(Stage::HoldOut).load(&identity(8)).unwrap(), None);
        fs::write(path.join("notes.txt"), "mine").unwrap();
        checkpoint.clone().remove().unwrap();
        assert_eq!(fs::read_to_string(path.join("notes.txt")).unwrap(), "mine");
        fs::remove_file(path.join("notes.txt")).unwrap();
        checkpoint.remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn the_state_of_another_training_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let model = CheckpointFolder::open(folder.path()).unwrap().stage(Stage::Model);
        model.save(&identity(8), &state(1)).unwrap();
        let message = model.load(&identity(4)).unwrap_err().to_string();
        let expected = "model.safetensors: is the checkpoint of another training: dim is 8, not 4 there. Run the command \
                        that it is of, delete the folder to begin anew, or name another one with --checkpoint";
        assert!(message.ends_with(expected), "{message}");
        let message = model.load(&Identity::default().with("dim", 8)).unwrap_err().to_string();
        assert!(message.contains("another training: the events there"), "{message}");
        assert!(model.load(&identity(8)).unwrap().is_some());
    }

    #[test]
    fn a_damaged_state_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let model = CheckpointFolder::open(folder.path()).unwrap().stage(Stage::Model);
        model.save(&identity(8), &state(1)).unwrap();
        let path = folder.path().join("model.safetensors");
        let bytes = fs::read(&path).unwrap();
        for place in 0..bytes.len() {
            let mut wrong = bytes.clone();
            wrong[place] ^= 1 << (place % 8);
            fs::write(&path, wrong).unwrap();
            assert!(model.load(&identity(8)).is_err(), "byte {place}");
            fs::write(&path, &bytes[..place]).unwrap();
            assert!(model.load(&identity(8)).is_err(), "cut to {place}");
        }
    }

    #[test]
    fn what_cannot_be_written_leaves_the_former_state() {
        let folder = tempfile::tempdir().unwrap();
        let model = CheckpointFolder::open(folder.path()).unwrap().stage(Stage::Model);
        model.save(&identity(8), &state(1)).unwrap();
        // Something stands where the new file would be written.
        fs::create_dir(folder.path().join("model.saving")).unwrap();
        let message = model.save(&identity(8), &state(2)).unwrap_err().to_string();
        assert!(
            message.contains("model.safetensors: the state of training cannot be written: "),
            "{message}"
        );
        assert_eq!(model.load(&identity(8)).unwrap(), Some(state(1)));
        let file = folder.path().join("file");
        fs::write(&file, "mine").unwrap();
        let message = CheckpointFolder::open(&file).unwrap_err().to_string();
        assert!(message.contains("no checkpoint can be written there: "), "{message}");
    }
}
