//! Parameters as safetensors: one flat tensor per named array.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView, View, serialize};

use super::folder::NewFolder;
use super::manifest::damaged;
use crate::error::{Error, Result};
use crate::recommend::{Array, Parameters};

/// Writes all arrays into one file.
pub(super) fn write(folder: &mut NewFolder, name: &str, parameters: &Parameters) -> Result<()> {
    let tensors = parameters.0.iter().map(|(name, array)| (name, Tensor::of(array)));
    let bytes = serialize(tensors, None).map_err(io::Error::other);
    folder.write(name, |file| file.write_all(&bytes?))
}

/// Reads all arrays of a file.
pub(super) fn read(path: &Path) -> Result<Parameters> {
    let bytes = fs::read(path).map_err(|error| Error::io(path, error))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| damaged(path, &error))?;
    let arrays = tensors.iter().map(|(name, view)| {
        let array = array(&view).ok_or_else(|| {
            damaged(path, &format!("array `{name}` has the type {:?}, which no model has", view.dtype()))
        })?;
        Ok((name.to_owned(), array))
    });
    Ok(Parameters(arrays.collect::<Result<_>>()?))
}

/// Bytes of an array, little-endian, as the format wants them.
struct Tensor {
    dtype: Dtype,
    shape: [usize; 1],
    bytes: Vec<u8>,
}

impl Tensor {
    fn of(array: &Array) -> Self {
        let (dtype, len, bytes) = match array {
            Array::F32(values) => (Dtype::F32, values.len(), flat(values, |v| v.to_le_bytes())),
            Array::U32(values) => (Dtype::U32, values.len(), flat(values, |v| v.to_le_bytes())),
            Array::U64(values) => (Dtype::U64, values.len(), flat(values, |v| v.to_le_bytes())),
            Array::I64(values) => (Dtype::I64, values.len(), flat(values, |v| v.to_le_bytes())),
        };
        Self { dtype, shape: [len], bytes }
    }
}

impl View for Tensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

fn flat<T: Copy, const N: usize>(values: &[T], bytes: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&value| bytes(value)).collect()
}

fn array(view: &TensorView<'_>) -> Option<Array> {
    let data = view.data();
    Some(match view.dtype() {
        Dtype::F32 => Array::F32(values(data, f32::from_le_bytes)),
        Dtype::U32 => Array::U32(values(data, u32::from_le_bytes)),
        Dtype::U64 => Array::U64(values(data, u64::from_le_bytes)),
        Dtype::I64 => Array::I64(values(data, i64::from_le_bytes)),
        _ => return None,
    })
}

fn values<T, const N: usize>(data: &[u8], value: impl Fn([u8; N]) -> T) -> Vec<T> {
    data.as_chunks::<N>().0.iter().map(|&bytes| value(bytes)).collect()
}
