//! Whole numbers as JSON has them: `3.0` is one too, for JSON does not tell integers and others apart.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// 2⁵³: above it neighbouring whole numbers are one float, and which one was written cannot be told any more.
const LARGEST: f64 = 9_007_199_254_740_992.0;

/// A whole number from 0 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Whole(pub(crate) usize);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(Digits)
    }
}

struct Digits;

impl Visitor<'_> for Digits {
    type Value = Whole;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a whole number from 0 on")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Whole, E> {
        let whole = usize::try_from(number).map(Whole);
        whole.map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Whole, E> {
        let whole = usize::try_from(number).map(Whole);
        whole.map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Whole, E> {
        match of_float(number) {
            Some(whole) => self.visit_i64(whole),
            None => Err(E::invalid_value(Unexpected::Float(number), &self)),
        }
    }

    /// Of the query of an address, where all is text.
    fn visit_str<E: Error>(self, text: &str) -> Result<Whole, E> {
        match (text.parse(), text.parse()) {
            (Ok(number), _) => self.visit_u64(number),
            (_, Ok(number)) => self.visit_f64(number),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }
}

/// The whole number that a float is.
pub(crate) fn of_float(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() <= LARGEST).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_floats_are_whole_numbers() {
        let read = |text: &str| serde_json::from_str::<Whole>(text).ok().map(|whole| whole.0);
        for (text, expected) in [
            ("377", Some(377)),
            ("377.0", Some(377)),
            ("3.77e2", Some(377)),
            ("-0.0", Some(0)),
            ("18446744073709551615", usize::try_from(u64::MAX).ok()),
            ("377.5", None),
            ("-1", None),
            ("-1.0", None),
            ("9007199254740992.0", Some(9_007_199_254_740_992)),
            ("1e16", None),
            ("1e300", None),
            ("true", None),
            ("null", None),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
