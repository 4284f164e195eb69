//! Each text is encoded once, whatever ends the work: vectors are kept in a journal beside their table until it is whole.
//!
//! The file: a line with the format's name, the encoder's fingerprint and the length of a vector, then for each text the hash of its
//! letters (16 bytes), its vector (little-endian `f32`) and a checksum of both (4 bytes). A record that was cut off or garbled by
//! what ended the work ends the file; what stands before it is true. A static table encodes quicker than a file is written, and has none.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::pretrained::Pretrained;

const HASH: usize = 16;
const CHECKSUM: usize = 4;

/// What tells a text from others: the first half of its SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TextHash([u8; HASH]);

impl TextHash {
    /// The hash of a text.
    pub fn of(text: &str) -> Self {
        let (whole, mut half) = (Sha256::digest(text), [0; HASH]);
        half.iter_mut().zip(whole).for_each(|(own, byte)| *own = byte);
        Self(half)
    }

    /// As 32 hexadecimal digits.
    pub fn to_hex(self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }

    /// From 32 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        (text.len() == 2 * HASH)
            .then(|| u128::from_str_radix(text, 16).ok())
            .flatten()
            .map(|n| Self(n.to_be_bytes()))
    }
}

/// Vectors that are known already, and the file where more are kept.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Option<File>,
    dim: usize,
    known: HashMap<TextHash, Vec<f32>>,
}

/// What came of texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Encoded {
    /// One vector for each text, row by row.
    pub vectors: Vec<f32>,
    /// Different texts.
    pub texts: usize,
    /// Texts that were known already.
    pub known: usize,
}

impl Journal {
    /// Opens the journal of an encoder; one of another encoder is begun anew.
    ///
    /// # Errors
    /// [`Error::Journal`] where it cannot be read or written.
    pub fn open(path: &Path, encoder: &Pretrained) -> Result<Self> {
        let failed = |error| Error::journal(path, error);
        let dim = encoder.dim();
        if encoder.is_table() {
            return Ok(Self { path: path.to_owned(), file: None, dim, known: HashMap::new() });
        }
        let head = format!("wane vectors 1 {} {dim}\n", encoder.fingerprint());
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            read => read.map_err(failed)?,
        };
        let mut known = HashMap::new();
        let mut whole = 0;
        if let Some(records) = bytes.strip_prefix(head.as_bytes()) {
            let size = HASH + 4 * dim + CHECKSUM;
            known.extend(records.chunks_exact(size).map_while(read_record));
            whole = head.len() + known.len() * size;
        }
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
        file.set_len(whole as u64).map_err(failed)?;
        let mut journal = Self { path: path.to_owned(), file: Some(file), dim, known };
        if whole == 0 {
            journal.write(head.as_bytes())?;
        }
        Ok(journal)
    }

    /// Makes a vector known, as one that a finished table has.
    pub fn know(&mut self, text: TextHash, vector: &[f32]) {
        if vector.len() == self.dim {
            self.known.insert(text, vector.to_vec());
        }
    }

    /// Vectors of texts, those that are not known by the encoder; `advance` hears of each text that is done. An empty text has no
    /// vector: a row of zeros.
    ///
    /// # Errors
    /// [`Error::Text`] where the model cannot read one, [`Error::Journal`] where the journal cannot be written.
    pub fn encode(
        &mut self,
        encoder: &Pretrained,
        texts: &[String],
        advance: impl Fn(u64),
    ) -> Result<Encoded> {
        let hashes: Vec<TextHash> = texts.iter().map(|text| TextHash::of(text)).collect();
        let mut different: HashMap<TextHash, &String> =
            hashes.iter().copied().zip(texts).filter(|(_, text)| !text.trim().is_empty()).collect();
        let n_texts = different.len();
        different.retain(|hash, _| !self.known.contains_key(hash));
        let n_known = n_texts - different.len();
        advance(n_known as u64);
        // Long ones first, so that texts of one length meet and the end is not waited for; then by hash, for one order on any machine.
        let mut rest: Vec<(TextHash, &String)> = different.into_iter().collect();
        rest.sort_unstable_by_key(|(hash, text)| (std::cmp::Reverse(text.len()), hash.0));
        for part in rest.chunks(encoder.texts_together()) {
            let own: Vec<&str> = part.iter().map(|(_, text)| text.as_str()).collect();
            let vectors = encoder.encode(&own)?;
            let records = part.iter().map(|(hash, _)| *hash).zip(vectors.chunks_exact(self.dim));
            self.keep(records)?;
            advance(part.len() as u64);
        }
        let mut vectors = Vec::with_capacity(texts.len() * self.dim);
        for hash in &hashes {
            match self.known.get(hash) {
                Some(vector) => vectors.extend_from_slice(vector),
                None => vectors.resize(vectors.len() + self.dim, 0.0),
            }
        }
        Ok(Encoded { vectors, texts: n_texts, known: n_known })
    }

    /// Removes the file: the table is whole.
    ///
    /// # Errors
    /// [`Error::Journal`] where that fails.
    pub fn finish(self) -> Result<()> {
        let Some(file) = self.file else { return Ok(()) };
        drop(file);
        fs::remove_file(&self.path).map_err(|error| Error::journal(&self.path, error))
    }

    fn keep<'a>(&mut self, records: impl Iterator<Item = (TextHash, &'a [f32])>) -> Result<()> {
        let mut bytes = Vec::new();
        for (hash, vector) in records {
            if self.file.is_some() {
                write_record(hash, vector, &mut bytes);
            }
            self.known.insert(hash, vector.to_vec());
        }
        self.write(&bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(bytes).map_err(|error| Error::journal(&self.path, error))
    }
}

fn write_record(hash: TextHash, vector: &[f32], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend(hash.0);
    vector.iter().for_each(|x| out.extend(x.to_le_bytes()));
    let checksum = Sha256::digest(&out[start..]);
    out.extend(checksum.iter().take(CHECKSUM));
}

fn read_record(record: &[u8]) -> Option<(TextHash, Vec<f32>)> {
    let (body, checksum) = record.split_at(record.len().checked_sub(CHECKSUM)?);
    if !Sha256::digest(body).starts_with(checksum) {
        return None;
    }
    let (hash, vector) = body.split_first_chunk::<HASH>()?;
    Some((TextHash(*hash), vector.as_chunks().0.iter().map(|x| f32::from_le_bytes(*x)).collect()))
}
