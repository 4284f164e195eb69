//! What of a model's settings may be tuned, and within which bounds.

use rand::rngs::StdRng;
use rand::{Rng, RngExt};
use serde_json::{Value, json};

/// One tunable setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// Name of the setting; `a.b` is field `b` of table `a`.
    pub name: &'static str,
    /// Its values.
    pub values: Values,
}

/// The values of a tunable setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Values {
    /// From a to b, evenly.
    Linear(f64, f64),
    /// From a to b, evenly in the logarithm.
    Log(f64, f64),
    /// Whole numbers from a to b, evenly in the logarithm.
    Count(u32, u32),
    /// One of these words.
    Choice(&'static [&'static str]),
}

impl Range {
    /// A seeded draw.
    pub fn draw(&self, random: &mut StdRng) -> Value {
        self.values.at(random)
    }
}

impl Values {
    fn at(&self, random: &mut impl Rng) -> Value {
        match *self {
            Self::Linear(low, high) => json!(low + (high - low) * random.random::<f64>()),
            Self::Log(low, high) => json!(low * (high / low).powf(random.random::<f64>())),
            Self::Count(low, high) => {
                let (low, high) = (f64::from(low.max(1)), f64::from(high));
                json!((low * (high / low).powf(random.random::<f64>())).round() as u32)
            }
            Self::Choice(words) => json!(words[random.random_range(0..words.len())]),
        }
    }
}
