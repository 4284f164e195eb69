//! How long it took until a user came back: counted times with their number, exact for few and coarse for many.
//!
//! - A gap is the time from one event to the user's next one in the same cell; where there is none, the gap is
//!   *censored* at the end of the log: all that is known is that it is longer.
//! - Counts are integers per time, so tables of any split of the users add up to the table of all, to the bit.
//! - Up to [`EXACT`] different times are kept as they are. With more of them, all are kept with [`BITS`] binary digits, each
//!   standing for the middle of its bin (at most 0.2 % off): the size of a table is bounded, whatever the log. The coarse
//!   table of a whole is the sum of its parts' coarse tables, so the order of merging does not matter.

use rayon::prelude::*;

use crate::events::MILLIS_PER_DAY;

/// Different times that are kept as they are.
const EXACT: usize = 8_192;
/// Leading binary digits of a coarse time.
const BITS: u32 = 9;

/// Gaps of one length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GapRow {
    /// The length in milliseconds.
    pub millis: i64,
    /// Gaps that ended with an event.
    pub returned: u64,
    /// Gaps of which the end was not seen.
    pub censored: u64,
}

impl GapRow {
    /// The length in days.
    pub fn days(&self) -> f64 {
        self.millis as f64 / MILLIS_PER_DAY as f64
    }
}

/// Counted gaps, shortest first; see the module's documentation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gaps {
    rows: Vec<GapRow>,
    pub(super) is_coarse: bool,
}

impl Gaps {
    /// From lengths in milliseconds, each with whether an event ended it. Lengths below 1 count as 1.
    pub fn new(lengths: impl IntoIterator<Item = (i64, bool)>) -> Self {
        // One number holds both, so that a sort moves little.
        let pack = |(millis, is_return): (i64, bool)| (millis.max(1) as u64) << 1 | u64::from(is_return);
        let mut packed: Vec<u64> = lengths.into_iter().map(pack).collect();
        packed.par_sort_unstable();
        let row = |own: &[u64]| {
            let censored = own.partition_point(|packed| packed & 1 == 0) as u64;
            GapRow { millis: (own[0] >> 1) as i64, returned: own.len() as u64 - censored, censored }
        };
        Self::of_rows(packed.chunk_by(|a, b| a >> 1 == b >> 1).map(row).collect(), false)
    }

    fn of_rows(mut rows: Vec<GapRow>, is_coarse: bool) -> Self {
        // Stable, because that finds the sorted runs of tables that are added up.
        rows.sort_by_key(|row| row.millis);
        rows.dedup_by(|later, first| {
            let is_same = later.millis == first.millis;
            if is_same {
                first.returned += later.returned;
                first.censored += later.censored;
            }
            is_same
        });
        let mut gaps = Self { rows, is_coarse };
        if !is_coarse && gaps.rows.len() > EXACT {
            gaps = gaps.coarse();
        }
        gaps
    }

    /// The gaps of both.
    #[must_use]
    pub fn merge(&self, other: &Self) -> Self {
        Self::sum([self, other])
    }

    /// The gaps of all.
    pub fn sum<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Self {
        let parts: Vec<&Self> = parts.into_iter().collect();
        let is_coarse = parts.iter().any(|gaps| gaps.is_coarse);
        let rows = |gaps: &&Self| if is_coarse { gaps.coarse().rows } else { gaps.rows.clone() };
        Self::of_rows(parts.iter().flat_map(rows).collect(), is_coarse)
    }

    /// The same with times of a few digits.
    #[must_use]
    pub(super) fn coarse(&self) -> Self {
        if self.is_coarse {
            return self.clone();
        }
        Self::of_rows(self.rows_with_digits(BITS), true)
    }

    /// The rows with lengths of so many binary digits, in order; some may be of the same length.
    pub(super) fn rows_with_digits(&self, bits: u32) -> Vec<GapRow> {
        self.rows.iter().map(|row| GapRow { millis: middle(row.millis, bits), ..*row }).collect()
    }

    /// Lengths with their counts, shortest first.
    pub fn rows(&self) -> &[GapRow] {
        &self.rows
    }

    /// How many gaps.
    pub fn count(&self) -> u64 {
        self.rows.iter().map(|row| row.returned + row.censored).sum()
    }

    /// How many of them ended with an event.
    pub fn returned(&self) -> u64 {
        self.rows.iter().map(|row| row.returned).sum()
    }
}

/// The middle of a length's bin, of so many binary digits.
fn middle(millis: i64, bits: u32) -> i64 {
    let digits = i64::BITS - millis.leading_zeros();
    let Some(dropped) = digits.checked_sub(bits).filter(|&dropped| dropped > 0) else { return millis };
    ((millis >> dropped) << dropped) + (1 << (dropped - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_bin_is_narrow_and_its_middle_stays_in_it() {
        for millis in [1, 511, 512, 513, 86_400_000, 123_456_789_012, i64::MAX / 2] {
            let middle = middle(millis, BITS);
            assert!((middle - millis).abs() as f64 <= 0.002 * millis as f64 + 1.0, "{millis} {middle}");
            assert_eq!(super::middle(middle, BITS), middle);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn parts_add_up_to_the_whole(
            lengths in proptest::collection::vec((1..5_000_000_000i64, any::<bool>()), 0..20_000),
            cut in 0.0..1.0f64,
        ) {
            let cut = (lengths.len() as f64 * cut) as usize;
            let of = |lengths: &[(i64, bool)]| Gaps::new(lengths.iter().copied());
            let (whole, parts) = (of(&lengths), of(&lengths[..cut]).merge(&of(&lengths[cut..])));
            prop_assert_eq!(whole.count(), lengths.len() as u64);
            prop_assert!(whole.rows().len() <= EXACT + 1);
            prop_assert_eq!(whole, parts);
        }
    }
}
