//! Weights of a model folder: the safetensors file, read once, given out tensor by tensor as `f32`.
//!
//! Nothing is believed of the file: its header is checked against its length, each tensor against the shape that the model
//! needs, each number for being finite. Other formats of weights are pickles, which run code when they are read; they are
//! refused.

use std::fs;
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata, SafeTensors};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Bytes of the header's length, with which a safetensors file begins.
const PREFIX: usize = 8;

/// The tensors of a file.
#[derive(Debug)]
pub(super) struct Tensors {
    path: PathBuf,
    bytes: Vec<u8>,
    metadata: Metadata,
    /// Where the numbers begin.
    start: usize,
}

impl Tensors {
    /// Reads a file and proves its header.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(|error| Error::model(path, error, COPY_AGAIN))?;
        let whole = SafeTensors::deserialize(&bytes).and_then(|_| SafeTensors::read_metadata(&bytes));
        let (header, metadata) = whole.map_err(|error| {
            Error::model(path, format!("not a whole safetensors file ({error})"), COPY_AGAIN)
        })?;
        Ok(Self { path: path.to_owned(), bytes, metadata, start: PREFIX + header })
    }

    /// SHA-256 of the file.
    pub(super) fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.bytes).into()
    }

    /// The first of some names that the file has.
    pub(super) fn find<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        names.into_iter().find(|name| self.metadata.info(name).is_some())
    }

    /// Shape of a tensor.
    pub(super) fn shape(&self, name: &str) -> Result<&[usize]> {
        let info = self.metadata.info(name);
        info.map(|info| info.shape.as_slice()).ok_or_else(|| {
            Error::model(&self.path, format!("no tensor `{name}`"), "Is config.json that of these weights?")
        })
    }

    /// The numbers of a tensor, row by row.
    pub(super) fn take(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let found = self.shape(name)?;
        if found != shape {
            let reason = format!("tensor `{name}` has the shape {found:?}, not {shape:?}");
            return Err(Error::model(&self.path, reason, "Is config.json that of these weights?"));
        }
        let numbers = self.numbers(name)?;
        if let Some(at) = numbers.iter().position(|x| !x.is_finite()) {
            let reason = format!("tensor `{name}`, number {at}: {} is not finite", numbers[at]);
            return Err(Error::model(&self.path, reason, COPY_AGAIN));
        }
        Ok(numbers)
    }

    fn numbers(&self, name: &str) -> Result<Vec<f32>> {
        let Some(info) = self.metadata.info(name) else { return Ok(Vec::new()) };
        let (from, to) = info.data_offsets;
        let bytes = self.bytes.get(self.start + from..self.start + to).unwrap_or_default();
        match info.dtype {
            Dtype::F32 => Ok(each(bytes, f32::from_le_bytes)),
            Dtype::F16 => Ok(each(bytes, |two| f16::from_le_bytes(two).to_f32())),
            Dtype::BF16 => Ok(each(bytes, |two| bf16::from_le_bytes(two).to_f32())),
            Dtype::F64 => Ok(each(bytes, |eight| f64::from_le_bytes(eight) as f32)),
            other => {
                let reason = format!("tensor `{name}` is of {other:?}, not of F32, F16, BF16 or F64");
                Err(Error::model(&self.path, reason, "Take the model's weights that are not quantised"))
            }
        }
    }
}

const COPY_AGAIN: &str = "Copy the model's folder again";

fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|own| number(*own)).collect()
}
