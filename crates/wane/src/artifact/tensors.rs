//! Parameters as safetensors: one flat tensor per named array.

use std::borrow::Cow;
use std::collections::HashMap;
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
    let bytes = bytes(parameters, None);
    folder.write(name, |file| file.write_all(&bytes?))
}

/// All arrays as one file, with words beside them.
pub(super) fn bytes(parameters: &Parameters, words: Option<HashMap<String, String>>) -> io::Result<Vec<u8>> {
    let tensors = parameters.0.iter().map(|(name, array)| (name, Tensor::of(array)));
    serialize(tensors, words).map_err(io::Error::other)
}

/// Reads all arrays of a file.
pub(super) fn read(path: &Path) -> Result<Parameters> {
    let bytes = fs::read(path).map_err(|error| Error::io(path, error))?;
    arrays(path, &bytes)
}

/// The arrays of a file's bytes.
pub(super) fn arrays(path: &Path, bytes: &[u8]) -> Result<Parameters> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| damaged(path, &error))?;
    let arrays = tensors.iter().map(|(name, view)| {
        let array = array(&view).ok_or_else(|| {
            damaged(path, &format!("array `{name}` has the type {:?}, which no model has", view.dtype()))
        })?;
        Ok((name.to_owned(), array))
    });
    Ok(Parameters(arrays.collect::<Result<_>>()?))
}

/// The words beside the arrays of a file's bytes; none where it is no such file.
pub(super) fn words(bytes: &[u8]) -> Option<HashMap<String, String>> {
    SafeTensors::read_metadata(bytes).ok()?.1.metadata().clone()
}

/// An array whose bytes, little-endian as the format wants them, are made when they are written.
struct Tensor<'a> {
    array: &'a Array,
    shape: [usize; 1],
}

impl<'a> Tensor<'a> {
    fn of(array: &'a Array) -> Self {
        let len = match array {
            Array::F32(values) => values.len(),
            Array::U32(values) => values.len(),
            Array::U64(values) => values.len(),
            Array::I64(values) => values.len(),
        };
        Self { array, shape: [len] }
    }
}

impl View for Tensor<'_> {
    fn dtype(&self) -> Dtype {
        match self.array {
            Array::F32(_) => Dtype::F32,
            Array::U32(_) => Dtype::U32,
            Array::U64(_) => Dtype::U64,
            Array::I64(_) => Dtype::I64,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(match self.array {
            Array::F32(values) => flat(values, |v| v.to_le_bytes()),
            Array::U32(values) => flat(values, |v| v.to_le_bytes()),
            Array::U64(values) => flat(values, |v| v.to_le_bytes()),
            Array::I64(values) => flat(values, |v| v.to_le_bytes()),
        })
    }

    fn data_len(&self) -> usize {
        self.shape[0] * self.dtype().bitsize() / 8
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
