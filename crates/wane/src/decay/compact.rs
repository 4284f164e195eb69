//! A trace as bytes, half as long as its numbers: what is kept of a user between two events.
//!
//! Layout 1, little endian, `14 + 2 M + 2 M d + 4` bytes for M scales of d numbers (798 for 6 of 64):
//!
//! | byte | what |
//! |---|---|
//! | 0 | 1: the layout |
//! | 1 | 1 if there was an event, else 0 |
//! | 2, 4 | M, d (u16 each) |
//! | 6 | time of the last event (i64, milliseconds since the epoch; 0 without one) |
//! | 14 | power of two `e_m` of each scale (i16) |
//! | 14 + 2 M | the numbers, scale by scale (f16): the state is `2^e_m` times each |
//! | the last 4 | CRC-32 of all bytes before |
//!
//! Half precision ends at 65,504 and loses bits below 6e-5; sums over long histories pass the one, and what has decayed
//! for a year the other. So each scale has the power of two that puts its greatest number between 2^14 and 2^15. A number
//! `v` then comes back within `2^-11 |v|`, or within `2^-39` of the greatest of its scale, whichever is more.

use half::f16;

use super::Trace;
use crate::error::{Error, Result};
use crate::events::Timestamp;

/// Written first. Other layouts are refused: a state is quickly made anew from its events.
const LAYOUT: u8 = 1;
const HEADER: usize = 14;
const CHECKSUM: usize = 4;
/// The greatest number of a scale is kept between 2 to this and twice that.
const TOP: i32 = 14;

impl Trace {
    /// The state as bytes; their layout stands on top of `decay/compact.rs`.
    ///
    /// # Errors
    /// [`Error::Limit`] above 65,535 scales or numbers per scale.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let scales: Vec<&[f32]> = self.values.chunks_exact(self.dim.max(1)).collect();
        let mut bytes = Vec::with_capacity(length(scales.len(), self.dim));
        bytes.extend([LAYOUT, u8::from(self.last.is_some())]);
        bytes.extend(small("scales of a trace", scales.len())?.to_le_bytes());
        bytes.extend(small("numbers per scale of a trace", self.dim)?.to_le_bytes());
        bytes.extend(self.last.map_or(0, Timestamp::millis).to_le_bytes());
        let powers: Vec<i16> = scales.iter().map(|scale| power(scale)).collect();
        bytes.extend(powers.iter().flat_map(|power| power.to_le_bytes()));
        for (scale, &power) in scales.iter().zip(&powers) {
            let unit = 2f64.powi(-i32::from(power));
            bytes
                .extend(scale.iter().flat_map(|&value| f16::from_f64(f64::from(value) * unit).to_le_bytes()));
        }
        bytes.extend(checksum(&bytes).to_le_bytes());
        Ok(bytes)
    }

    /// The state that [`Self::to_bytes`] wrote, for a model with `scales` vectors of length `dim`.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the bytes are of another layout or shape, or not as they were written.
    pub fn from_bytes(bytes: &[u8], scales: usize, dim: usize) -> Result<Self> {
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(damaged(format!("at least {HEADER} bytes"), bytes.len()));
        };
        let [layout, is_begun, s0, s1, d0, d1, last @ ..] = *header;
        if layout != LAYOUT {
            return Err(damaged(format!("layout {LAYOUT}"), format!("layout {layout}")));
        }
        let shape = (usize::from(u16::from_le_bytes([s0, s1])), usize::from(u16::from_le_bytes([d0, d1])));
        if shape != (scales, dim) {
            let in_words = |(scales, dim)| format!("{scales} scales of {dim} numbers");
            return Err(damaged(in_words((scales, dim)), in_words(shape)));
        }
        if bytes.len() != length(scales, dim) {
            return Err(damaged(format!("{} bytes", length(scales, dim)), bytes.len()));
        }
        if bytes.last_chunk().copied().map(u32::from_le_bytes)
            != Some(checksum(&bytes[..bytes.len() - CHECKSUM]))
        {
            return Err(damaged("bytes as they were written".to_owned(), "others: the checksum differs"));
        }
        let (powers, values) = rest[..rest.len() - CHECKSUM].split_at(2 * scales);
        let units = powers.as_chunks().0.iter().map(|&power| 2f64.powi(i16::from_le_bytes(power).into()));
        let values = units
            .zip(values.as_chunks().0.chunks_exact(dim.max(1)))
            .flat_map(|(unit, scale)| scale.iter().map(move |&value| full(f16::from_le_bytes(value), unit)))
            .collect();
        let last = (is_begun != 0).then(|| Timestamp::from_millis(i64::from_le_bytes(last)));
        Ok(Self { values, dim, last })
    }
}

fn length(scales: usize, dim: usize) -> usize {
    HEADER + 2 * scales + 2 * scales * dim + CHECKSUM
}

/// The power of two that a scale is divided by; 0 where nothing in it is a number above 0.
fn power(scale: &[f32]) -> i16 {
    let finite = scale.iter().map(|value| f64::from(value.abs())).filter(|value| value.is_finite());
    let greatest = finite.fold(0.0, f64::max);
    // Between -163 and 113 for any f32.
    if greatest > 0.0 { (exponent(greatest) - TOP) as i16 } else { 0 }
}

/// `floor(log2 x)` of a normal x above 0, from its bits: a logarithm may round up to the next whole number.
fn exponent(x: f64) -> i32 {
    (x.to_bits() >> 52) as i32 - 1023
}

/// A number as it was, but for rounding: the greatest floats must not round up to infinity.
fn full(value: f16, unit: f64) -> f32 {
    let value = value.to_f64() * unit;
    if value.is_finite() { value.clamp(f32::MIN.into(), f32::MAX.into()) as f32 } else { value as f32 }
}

fn small(what: &'static str, n: usize) -> Result<u16> {
    let limit = u64::from(u16::MAX);
    let remedy = "Fit a model with fewer";
    u16::try_from(n).map_err(|_| Error::Limit { what, limit, got: n as u64, remedy })
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn damaged(expected: String, got: impl ToString) -> Error {
    let remedy = "Make the state anew from the user's events";
    Error::Damaged { what: "kept state of a user", expected, got: got.to_string(), remedy }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SCALES: usize = 3;
    const DIM: usize = 5;

    /// Usual numbers, and the whole range of finite ones.
    fn value() -> impl Strategy<Value = f32> {
        prop_oneof![
            4 => -10.0f32..10.0,
            2 => (-1.0f32..1.0, -149i32..127).prop_map(|(value, power)| (f64::from(value) * 2f64.powi(power)) as f32),
            1 => proptest::sample::select(vec![
                0.0, -0.0, 1e-45, -3e-45, f32::MIN_POSITIVE, 65_504.0, 65_520.0, -1e9, f32::MAX, f32::MIN,
            ]),
        ]
    }

    fn trace() -> impl Strategy<Value = Trace> {
        let last = proptest::option::of(any::<i64>().prop_map(Timestamp::from_millis));
        (proptest::collection::vec(value(), SCALES * DIM), last).prop_map(|(values, last)| Trace {
            values,
            dim: DIM,
            last,
        })
    }

    proptest! {
        #[test]
        fn any_finite_state_comes_back(trace in trace()) {
            let bytes = trace.to_bytes().unwrap();
            let back = Trace::from_bytes(&bytes, SCALES, DIM).unwrap();
            prop_assert_eq!(back.last, trace.last);
            for (scale, back) in trace.values.chunks(DIM).zip(back.values.chunks(DIM)) {
                let greatest = scale.iter().fold(0.0f64, |greatest, value| greatest.max(f64::from(value.abs())));
                for (&value, &back) in scale.iter().zip(back) {
                    let (value, back) = (f64::from(value), f64::from(back));
                    // The last summand: numbers this small have no half between them.
                    let most = (value.abs() * 2f64.powi(-11)).max(greatest * 2f64.powi(-39)) + 2f64.powi(-150);
                    prop_assert!((back - value).abs() <= most, "{value} came back as {back} beside {greatest}");
                }
            }
        }

        #[test]
        fn one_damaged_byte_is_found(trace in trace(), place in any::<prop::sample::Index>(), by in 1u8..) {
            let mut bytes = trace.to_bytes().unwrap();
            let place = place.index(bytes.len());
            bytes[place] ^= by;
            prop_assert!(Trace::from_bytes(&bytes, SCALES, DIM).is_err());
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(Trace::from_bytes(&bytes, SCALES, DIM).is_err());
        }
    }

    #[test]
    fn what_came_back_comes_back_the_same() {
        let values = (0..SCALES * DIM).map(|place| (place as f32 * 0.37).sin() * 1e3).collect();
        let trace = Trace { values, dim: DIM, last: Some(Timestamp::from_millis(-5)) };
        let back = Trace::from_bytes(&trace.to_bytes().unwrap(), SCALES, DIM).unwrap();
        assert_eq!(Trace::from_bytes(&back.to_bytes().unwrap(), SCALES, DIM).unwrap(), back);
    }

    #[test]
    fn what_is_no_number_stays_none() {
        let values = vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.5, 0.0];
        let trace = Trace { values, dim: DIM, last: None };
        let back = Trace::from_bytes(&trace.to_bytes().unwrap(), 1, DIM).unwrap();
        assert!(back.values[0].is_nan());
        assert_eq!(back.values[1..], trace.values[1..]);
    }

    #[test]
    fn the_usual_state_is_short() {
        assert_eq!(Trace::new(6, 64).to_bytes().unwrap().len(), 798);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let bytes = Trace::new(6, 64).to_bytes().unwrap();
        let message = |bytes: &[u8]| Trace::from_bytes(bytes, 6, 64).unwrap_err().to_string();
        let newer = [&[2], &bytes[1..]].concat();
        let smaller = Trace::new(4, 32).to_bytes().unwrap();
        let remedy = "Make the state anew from the user's events";
        let expected = [
            (&newer[..], "layout 1, got layout 2"),
            (&smaller, "6 scales of 64 numbers, got 4 scales of 32 numbers"),
            (&bytes[..700], "798 bytes, got 700"),
            (&[], "at least 14 bytes, got 0"),
        ];
        for (bytes, what) in expected {
            assert_eq!(message(bytes), format!("kept state of a user: expected {what}. {remedy}"));
        }
        assert!(Trace::new(70_000, 1).to_bytes().is_err());
    }
}
