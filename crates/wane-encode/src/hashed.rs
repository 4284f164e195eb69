//! The encoder that needs no download: hashed words and letters, weighed by rarity, projected at random.
//!
//! - Features of a text: words, pairs of neighbouring words, and runs of 3 to 5 letters of each word with its ends marked (scripts
//!   without spaces: single letters and pairs). So a plural or a slip of the pen still meets its word.
//! - A feature's weight is `(1 + ln tf) idf`, `idf = ln((1 + n) / (1 + df)) + 1` over the `n` texts it was fitted on (Salton and
//!   Buckley 1988); the letter runs of one word weigh together as much as the word. `df` is counted by bucket of the feature's hash.
//! - Each feature is a vector with [`SIGNS`] entries of +-1 at places that its hash says, so inner products are kept up to chance
//!   of about `1 / sqrt(dim)` (Kane and Nelson 2014). The sum is scaled to length 1; a text without a letter is all zeros.
//!
//! Useful for: a demo, a baseline, short texts of one language. Not useful for: meaning. "Sofa" and "couch" share nothing, nor do two
//! languages; that is what pretrained encoders are for.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Buckets in which texts with a feature are counted.
const BUCKETS: usize = 1 << 18;
/// Entries of a feature's vector that are not 0.
const SIGNS: u64 = 4;
/// Lengths of the runs of letters.
const RUNS: RangeInclusive<usize> = 3..=5;
/// Weight of a pair of words beside that of a word.
const PAIR: f32 = 0.5;
/// Texts per piece of work.
const PIECE: usize = 1_024;
/// The version of all this: another one gives other vectors.
const VERSION: u64 = 1;

/// What may be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashedSettings {
    /// Length of a vector (8 to 4,096).
    pub dim: usize,
    /// Seed of the projection.
    pub seed: u64,
}

impl Default for HashedSettings {
    fn default() -> Self {
        Self { dim: 256, seed: 42 }
    }
}

/// An encoder that knows how rare features are.
#[derive(Debug, Clone)]
pub struct HashedEncoder {
    settings: HashedSettings,
    /// By bucket.
    idf: Vec<f32>,
}

impl HashedEncoder {
    /// Counts how rare features are.
    ///
    /// # Errors
    /// [`Error::Setting`] for a length out of range.
    pub fn fit(texts: &[String], settings: &HashedSettings) -> Result<Self> {
        if !(8..=4_096).contains(&settings.dim) {
            return Err(Error::Setting { name: "dim", expected: "8 to 4096", got: settings.dim.to_string() });
        }
        // The buckets of each text are found by all cores, and counted in one order.
        let buckets = |text: &String| {
            let features = features(text, settings.seed);
            let mut buckets: Vec<u32> = features.iter().map(|own| bucket(own.hash) as u32).collect();
            buckets.sort_unstable();
            buckets.dedup();
            buckets
        };
        let mut counts = vec![0u32; BUCKETS];
        for piece in texts.chunks(PIECE * 16) {
            let found: Vec<Vec<u32>> = piece.par_iter().map(buckets).collect();
            found.iter().flatten().for_each(|&bucket| counts[bucket as usize] += 1);
        }
        let n = texts.len() as f32;
        let idf = counts.iter().map(|&df| ((1.0 + n) / (1.0 + df as f32)).ln() + 1.0).collect();
        Ok(Self { settings: *settings, idf })
    }

    /// Length of a vector.
    pub fn dim(&self) -> usize {
        self.settings.dim
    }

    /// What tells this encoder from all that would give other vectors: a hash of its settings, and behind a `+` one of what it
    /// counted. Encoders that differ in counts alone weigh words a little otherwise, and their vectors can still be compared.
    pub fn fingerprint(&self) -> String {
        let hex = |hash: Sha256, bytes: usize| {
            hash.finalize().iter().take(bytes).fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            })
        };
        let (mut settings, mut counts) = (Sha256::new(), Sha256::new());
        for own in [VERSION, self.settings.dim as u64, self.settings.seed] {
            settings.update(own.to_le_bytes());
        }
        self.idf.iter().for_each(|idf| counts.update(idf.to_le_bytes()));
        format!("hashed-{}-{}+{}", self.settings.dim, hex(settings, 4), hex(counts, 8))
    }

    /// Vectors of texts, row by row, each of length 1; zeros for a text without a letter or digit.
    pub fn encode(&self, texts: &[String]) -> Vec<f32> {
        let mut vectors = vec![0.0; texts.len() * self.settings.dim];
        vectors.par_chunks_mut(self.settings.dim * PIECE).zip(texts.par_chunks(PIECE)).for_each(
            |(rows, texts)| {
                let rows = rows.chunks_exact_mut(self.settings.dim);
                rows.zip(texts).for_each(|(row, text)| self.encode_one(text, row));
            },
        );
        vectors
    }

    fn encode_one(&self, text: &str, row: &mut [f32]) {
        let mut features = features(text, self.settings.seed);
        features.sort_by_key(|own| own.hash);
        for same in features.chunk_by(|a, b| a.hash == b.hash) {
            let Some(own) = same.first() else { continue };
            let idf = self.idf.get(bucket(own.hash)).copied().unwrap_or(1.0);
            let weight = own.weight * (1.0 + (same.len() as f32).ln()) * idf;
            for sign in 1..=SIGNS {
                let drawn = mixed(own.hash.wrapping_add(sign));
                let place = (drawn >> 1) as usize % self.settings.dim;
                row[place] += if drawn & 1 == 0 { weight } else { -weight };
            }
        }
        let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        if length > 0.0 {
            row.iter_mut().for_each(|x| *x /= length);
        }
    }
}

/// A feature at one place of a text.
struct Feature {
    hash: u64,
    weight: f32,
}

fn features(text: &str, seed: u64) -> Vec<Feature> {
    let lower = text.to_lowercase();
    let (mut found, mut last) = (Vec::new(), None);
    for word in lower.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()) {
        if word.chars().any(is_unspaced) {
            // What stands between two spaces is a sentence; its letters and their pairs are the words.
            add_runs(word, 1..=2, |_| 1.0, seed, &mut found);
            last = None;
            continue;
        }
        let own = hashed(seed, word.bytes());
        found.push(Feature { hash: own, weight: 1.0 });
        if let Some(last) = last.replace(own) {
            found.push(Feature { hash: mixed(own ^ mixed(last)), weight: PAIR });
        }
        add_runs(&format!("<{word}>"), RUNS, |runs| (runs as f32).sqrt().recip(), seed, &mut found);
    }
    found
}

/// Adds runs of letters; `weight` is that of each by their number.
fn add_runs(
    word: &str,
    lengths: RangeInclusive<usize>,
    weight: impl Fn(usize) -> f32,
    seed: u64,
    found: &mut Vec<Feature>,
) {
    let ends: Vec<usize> = word.char_indices().map(|at| at.0).chain([word.len()]).collect();
    let first = found.len();
    for length in lengths {
        for ends in ends.windows(length + 1) {
            let run = ends.first().zip(ends.last()).and_then(|(from, to)| word.get(*from..*to));
            // A run is another feature than the word that is written alike.
            let hash = hashed(mixed(seed), run.unwrap_or_default().bytes());
            found.push(Feature { hash, weight: 0.0 });
        }
    }
    let weight = weight(found.len() - first);
    found.iter_mut().skip(first).for_each(|own| own.weight = weight);
}

/// Scripts that leave no spaces between words: Chinese, Japanese, Thai, Lao, Khmer, Burmese.
fn is_unspaced(letter: char) -> bool {
    matches!(u32::from(letter), 0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x2e80..=0x9fff | 0x20000..=0x3ffff)
}

fn bucket(hash: u64) -> usize {
    (hash >> 40) as usize % BUCKETS
}

/// The FNV-1a hash of bytes, mixed.
fn hashed(seed: u64, bytes: impl Iterator<Item = u8>) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ mixed(seed);
    mixed(bytes.fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
}

/// The output function of splitmix64 (Steele, Lea and Flood 2014).
fn mixed(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(texts: &[&str], dim: usize) -> (Vec<Vec<f32>>, HashedEncoder) {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let encoder = HashedEncoder::fit(&texts, &HashedSettings { dim, seed: 1 }).unwrap();
        (encoder.encode(&texts).chunks(dim).map(<[f32]>::to_vec).collect(), encoder)
    }

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn what_shares_rare_words_is_alike() {
        let texts =
            ["red scarf of wool", "blue scarf of wool", "box of screws", "红色围巾", "红围巾", "scarfs"];
        let (rows, _) = encode(&texts, 4_096);
        assert!(cosine(&rows[0], &rows[1]) > cosine(&rows[0], &rows[2]) + 0.2);
        assert!(cosine(&rows[0], &rows[2]) < 0.2);
        assert!(cosine(&rows[3], &rows[4]) > 0.3 && cosine(&rows[3], &rows[0]).abs() < 0.1);
        assert!(cosine(&rows[0], &rows[5]) > cosine(&rows[2], &rows[5]) + 0.05);
    }

    #[test]
    fn projections_keep_inner_products() {
        // Over many seeds the mean is that of the features themselves.
        let texts = ["one two three four", "three four five six"].map(String::from);
        let exact = {
            let known = HashedEncoder::fit(&texts, &HashedSettings { dim: 8, seed: 0 }).unwrap();
            let weights = |text: &str| {
                let mut all = std::collections::BTreeMap::new();
                for own in features(text, 0) {
                    let weight = own.weight * known.idf[bucket(own.hash)];
                    all.insert(own.hash, weight);
                }
                all
            };
            let (a, b) = (weights(&texts[0]), weights(&texts[1]));
            let dot: f32 = a.iter().filter_map(|(hash, weight)| Some(weight * b.get(hash)?)).sum();
            let length =
                |all: &std::collections::BTreeMap<u64, f32>| all.values().map(|w| w * w).sum::<f32>().sqrt();
            dot / (length(&a) * length(&b))
        };
        let drawn = |seed| {
            let encoder = HashedEncoder::fit(&texts, &HashedSettings { dim: 256, seed }).unwrap();
            let rows = encoder.encode(&texts);
            cosine(&rows[..256], &rows[256..])
        };
        let mean = (0..200).map(drawn).sum::<f32>() / 200.0;
        assert!((mean - exact).abs() < 0.02, "{mean} is not {exact}");
    }

    #[test]
    fn an_encoder_is_known_by_its_fingerprint() {
        let one = encode(&["a b", "b c"], 64).1;
        assert_eq!(one.fingerprint(), encode(&["a b", "b c"], 64).1.fingerprint());
        assert_ne!(one.fingerprint(), encode(&["a b", "b d"], 64).1.fingerprint());
        assert_ne!(one.fingerprint(), encode(&["a b", "b c"], 65).1.fingerprint());
        assert!(HashedEncoder::fit(&[], &HashedSettings { dim: 7, seed: 0 }).is_err());
    }

    proptest! {
        #[test]
        fn rows_have_length_one_or_none(texts in proptest::collection::vec(".{0,40}", 1..6)) {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            for (row, text) in encode(&texts, 32).0.iter().zip(&texts) {
                let length = cosine(row, row).sqrt();
                let says = text.to_lowercase().chars().any(char::is_alphanumeric);
                let is_whole = (length - 1.0).abs() < 1e-4;
                prop_assert!(length == 0.0 || (says && is_whole));
            }
        }
    }
}
