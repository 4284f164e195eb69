//! What a model learned, as named arrays: the bridge between models and the files of an artifact.

use std::collections::BTreeMap;

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
