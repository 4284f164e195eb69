//! What a model or its training consists of, as named arrays: the bridge between numbers and the files of an artifact.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// One array of numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum Array {
    /// 32-bit floats.
    F32(Vec<f32>),
    /// 32-bit unsigned integers: item numbers, counts.
    U32(Vec<u32>),
    /// 64-bit unsigned integers: offsets.
    U64(Vec<u64>),
    /// 64-bit signed integers: times in milliseconds.
    I64(Vec<i64>),
}

/// Named arrays.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parameters(pub BTreeMap<String, Array>);

macro_rules! take {
    ($(#[$doc:meta])* $take:ident, $variant:ident, $number:ty) => {
        $(#[$doc])*
        ///
        /// # Errors
        /// [`Error::Unknown`] when there is no such array or it has another type.
        pub fn $take(&mut self, name: &str) -> Result<Vec<$number>> {
            match self.0.remove(name) {
                Some(Array::$variant(values)) => Ok(values),
                _ => Err(Error::Unknown {
                    what: concat!(stringify!($number), " array of the model"),
                    name: name.to_owned(),
                    remedy: "The model folder is damaged or of another model; fit it again".to_owned(),
                }),
            }
        }
    };
}

impl Parameters {
    /// SHA-256 of all names and numbers, in hexadecimal: the same only for the same arrays.
    pub fn digest(&self) -> String {
        let mut digest = Digest::default();
        for (name, array) in &self.0 {
            digest.text(name);
            match array {
                Array::F32(values) => digest.numbers(values.iter().map(|value| value.to_le_bytes())),
                Array::U32(values) => digest.numbers(values.iter().map(|value| value.to_le_bytes())),
                Array::U64(values) => digest.numbers(values.iter().map(|value| value.to_le_bytes())),
                Array::I64(values) => digest.numbers(values.iter().map(|value| value.to_le_bytes())),
            }
        }
        digest.finish()
    }

    /// Adds an array.
    #[must_use]
    pub fn with(mut self, name: &str, array: Array) -> Self {
        self.0.insert(name.to_owned(), array);
        self
    }

    take! {
        /// Takes out an array of floats.
        take_f32, F32, f32
    }
    take! {
        /// Takes out an array of item numbers or counts.
        take_u32, U32, u32
    }
    take! {
        /// Takes out an array of offsets.
        take_u64, U64, u64
    }
    take! {
        /// Takes out an array of times.
        take_i64, I64, i64
    }
}

/// SHA-256 of numbers and texts, one after another.
#[derive(Debug, Default)]
pub(crate) struct Digest(Sha256);

impl Digest {
    /// Adds a text.
    pub(crate) fn text(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text);
    }

    /// Adds numbers of one width, and how many there were: what follows cannot be taken for more of them.
    pub(crate) fn numbers<const N: usize>(&mut self, numbers: impl Iterator<Item = [u8; N]>) {
        let mut count = 0u64;
        for number in numbers {
            self.0.update(number);
            count += 1;
        }
        self.0.update(count.to_le_bytes());
    }

    /// The digest in hexadecimal.
    pub(crate) fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_tell_arrays_apart() {
        let of = |name: &str, array| Parameters::default().with(name, array).digest();
        let digests = [
            of("a", Array::U32(vec![1, 2])),
            of("b", Array::U32(vec![1, 2])),
            of("a", Array::U32(vec![2, 1])),
            of("a", Array::U32(vec![1])),
            of("a", Array::F32(vec![-0.0])),
            of("a", Array::F32(vec![0.0])),
            Parameters::default().digest(),
        ];
        assert!((0..digests.len()).all(|place| !digests[..place].contains(&digests[place])));
        assert_eq!(digests[0], of("a", Array::U32(vec![1, 2])));
    }
}
