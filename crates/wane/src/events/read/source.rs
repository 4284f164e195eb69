//! Opening a file: what it is and how it is compressed.
//!
//! The name says which text format a file has; compression and Parquet are told by their first bytes, because
//! files are renamed more often than they are converted. A name that promises a container which the bytes do not
//! show is an error: guessing on would end in thousands of senseless rejects.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Result};

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const PARQUET_MAGIC: &[u8] = b"PAR1";

/// Largest text that is read into memory as a whole; its places are kept in 32 bits.
const MOST_TABLE_BYTES: u64 = 2 << 30;

/// The format of a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Text with one record a line and fields between delimiters (CSV, TSV and relatives).
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Zstd,
}

/// A file whose format is known.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) format: Format,
    /// The delimiter that the name promises, if it promises one.
    pub(super) delimiter: Option<u8>,
    compression: Compression,
}

/// What a file's name says: format and delimiter, and the compression around them.
struct Name {
    format: Option<(Format, Option<u8>)>,
    compression: Compression,
}

impl Name {
    fn parse(path: &Path) -> Self {
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        let mut parts: Vec<&str> = name.split('.').skip(1).collect();
        let compression = match parts.last() {
            Some(&"gz") => Compression::Gzip,
            Some(&"zst" | &"zstd") => Compression::Zstd,
            _ => Compression::None,
        };
        if compression != Compression::None {
            parts.pop();
        }
        let format = match parts.last().copied() {
            Some("csv" | "txt" | "dat" | "inter" | "user" | "item") => Some((Format::Csv, None)),
            Some("tsv" | "tab") => Some((Format::Csv, Some(b'\t'))),
            Some("jsonl" | "ndjson" | "json") => Some((Format::Jsonl, None)),
            Some("parquet" | "pq" | "parq") => Some((Format::Parquet, None)),
            _ => None,
        };
        Self { format, compression }
    }
}

/// Whether a file in a folder is meant to be read: its name ends like one of the known formats.
pub(super) fn is_known_name(path: &Path) -> bool {
    Name::parse(path).format.is_some()
}

impl Source {
    /// Looks at a file's name and first bytes.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be opened; [`Error::Malformed`] when it is empty or its bytes contradict its
    /// name.
    pub(super) fn open(path: &Path) -> Result<Self> {
        if path.is_dir() {
            let reason = "is a folder where a file is needed".into();
            return Err(malformed(path, reason, "Give the file in it"));
        }
        let name = Name::parse(path);
        let start = first_bytes(path)?;
        if start.is_empty() {
            return Err(malformed(path, "the file is empty".into(), "Give a file with a header and rows"));
        }
        let compression = if start.starts_with(GZIP_MAGIC) {
            Compression::Gzip
        } else if start.starts_with(ZSTD_MAGIC) {
            Compression::Zstd
        } else {
            Compression::None
        };
        if name.compression != Compression::None && compression == Compression::None {
            let reason = "its name says that it is compressed, its first bytes do not".into();
            return Err(malformed(path, reason, "Rename it, or fetch it again"));
        }
        let (format, delimiter) = if start.starts_with(PARQUET_MAGIC) {
            (Format::Parquet, None)
        } else {
            text_format(path, &name)?
        };
        Ok(Self { path: path.to_path_buf(), format, delimiter, compression })
    }

    /// The content as a stream of bytes, decompressed.
    pub(super) fn reader(&self) -> Result<Box<dyn Read + Send>> {
        let file = self.file()?;
        Ok(match self.compression {
            Compression::None => Box::new(file),
            Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(file))),
            Compression::Zstd => {
                Box::new(zstd::stream::read::Decoder::new(file).map_err(|e| Error::io(&self.path, e))?)
            }
        })
    }

    /// The file itself, for formats that need to seek.
    pub(super) fn file(&self) -> Result<File> {
        File::open(&self.path).map_err(|e| Error::io(&self.path, e))
    }

    /// An error of the stream: broken compression is the file's fault, the rest is the operating system's.
    pub(super) fn read_error(&self, error: std::io::Error) -> Error {
        if self.compression == Compression::None {
            return Error::io(&self.path, error);
        }
        let reason = format!("the compressed stream is damaged or cut short ({error})");
        malformed(&self.path, reason, "Fetch or compress the file again")
    }

    /// The whole content, decompressed.
    ///
    /// # Errors
    /// [`Error::Limit`] when it is larger than a table may be.
    pub(super) fn read_all(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader()?.take(MOST_TABLE_BYTES + 1).read_to_end(&mut bytes).map_err(|e| self.read_error(e))?;
        let got = bytes.len() as u64;
        if got > MOST_TABLE_BYTES {
            let remedy = "Keep only the columns and rows that are needed, or write the table as Parquet";
            return Err(Error::Limit { what: "bytes of a table", limit: MOST_TABLE_BYTES, got, remedy });
        }
        Ok(bytes)
    }
}

/// A [`Error::Malformed`] of a file.
pub(super) fn malformed(path: &Path, reason: String, remedy: &str) -> Error {
    Error::Malformed { path: path.to_path_buf(), reason, remedy: remedy.to_owned() }
}

/// A damaged Parquet file, with what the decoder said.
pub(super) fn damaged_parquet(source: &Source, error: &dyn std::fmt::Display) -> Error {
    malformed(&source.path, format!("the Parquet file is damaged ({error})"), "Write or fetch it again")
}

/// Runs a Parquet decoder, which on some damaged files panics where it should return an error: the panic becomes
/// that error. Nothing that the decoder touched is used afterwards.
pub(super) fn decode_parquet<T>(source: &Source, decode: impl FnOnce() -> Result<T>) -> Result<T> {
    let decoded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(decode));
    decoded.unwrap_or_else(|_| Err(damaged_parquet(source, &"the decoder gave up")))
}

fn text_format(path: &Path, name: &Name) -> Result<(Format, Option<u8>)> {
    match name.format {
        Some((Format::Parquet, _)) => {
            let reason = "its name says Parquet, but it does not begin with PAR1".into();
            Err(malformed(path, reason, "Rename it to .csv or .jsonl if it is one, or fetch it again"))
        }
        Some(format) => Ok(format),
        None => {
            let reason = "its name ends like none of .csv .tsv .txt .inter .jsonl .json .parquet".into();
            Err(malformed(
                path,
                reason,
                "Rename it so that the name says what it is (.gz and .zst may follow)",
            ))
        }
    }
}

fn first_bytes(path: &Path) -> Result<Vec<u8>> {
    let mut file = File::open(path).map_err(|e| Error::io(path, e))?;
    let mut start = Vec::new();
    file.by_ref().take(4).read_to_end(&mut start).map_err(|e| Error::io(path, e))?;
    Ok(start)
}
