//! What an event is worth by its type and age: a decay law with a half-life and a weight per event type.
//!
//! Settings are what is written (a half-life may be `auto`, types go by name); a [`Kernel`] is what was checked against
//! a log's event types and is what models use.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Decay, HalfLife, Law};
use crate::error::{Error, Result};
use crate::events::{EventTypeId, parse_days};

/// A half-life as it is written: `"auto"`, `"14d"`, or a number of days.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "WrittenHalfLife", into = "WrittenHalfLife")]
pub enum HalfLifeSetting {
    /// Found from the training log.
    #[default]
    Auto,
    /// Given.
    Fixed(HalfLife),
}

impl HalfLifeSetting {
    /// The given half-life, or `auto` where none was given.
    pub fn or(self, auto: HalfLife) -> HalfLife {
        match self {
            Self::Auto => auto,
            Self::Fixed(half_life) => half_life,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WrittenHalfLife {
    Days(f64),
    Text(String),
}

impl TryFrom<WrittenHalfLife> for HalfLifeSetting {
    type Error = Error;

    fn try_from(written: WrittenHalfLife) -> Result<Self> {
        match written {
            WrittenHalfLife::Text(text) if text == "auto" => Ok(Self::Auto),
            WrittenHalfLife::Text(text) => {
                HalfLife::from_days(parse_days("half_life", &text)?).map(Self::Fixed)
            }
            WrittenHalfLife::Days(days) => HalfLife::from_days(days).map(Self::Fixed),
        }
    }
}

impl From<HalfLifeSetting> for WrittenHalfLife {
    fn from(setting: HalfLifeSetting) -> Self {
        match setting {
            HalfLifeSetting::Auto => Self::Text("auto".to_owned()),
            HalfLifeSetting::Fixed(half_life) => Self::Days(half_life.days()),
        }
    }
}

/// How events lose weight, as it is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecaySettings {
    /// The form of the law.
    pub law: Law,
    /// The half-life: `"auto"`, a duration, or days. Other names: `scale`.
    #[serde(alias = "scale")]
    pub half_life: HalfLifeSetting,
    /// Shape of the power, Weibull and log-logistic laws (0.01 to 20).
    pub shape: f64,
    /// Days of full weight before the law begins.
    pub offset: f64,
    /// The weight that is never lost (0 to below 1).
    pub floor: f64,
    /// Event types that differ: their weight and their half-life.
    pub types: BTreeMap<String, TypeDecay>,
}

impl Default for DecaySettings {
    fn default() -> Self {
        Self {
            law: Law::Exponential,
            half_life: HalfLifeSetting::Auto,
            shape: 1.0,
            offset: 0.0,
            floor: 0.0,
            types: BTreeMap::new(),
        }
    }
}

/// What differs for one event type.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TypeDecay {
    /// Weight of a fresh event; unset: 1, or 0 for types that take something back (see [`WITHDRAWALS`]).
    pub weight: Option<f32>,
    /// Its own half-life; unset: the common one.
    pub half_life: Option<HalfLifeSetting>,
}

/// Event types that say nothing about wanting an item more; they weigh 0 unless a setting says otherwise.
pub const WITHDRAWALS: [&str; 4] = ["return", "cancellation", "refund", "remove-from-cart"];

impl DecaySettings {
    /// Settings that never forget: the same model without decay.
    pub fn without_decay() -> Self {
        Self { law: Law::None, ..Self::default() }
    }

    /// Whether a half-life has to be found from the log.
    pub fn is_auto(&self) -> bool {
        self.law != Law::None && self.half_life == HalfLifeSetting::Auto
    }

    /// Checks the settings against a log's event types; `auto` stands in for a half-life that was not given.
    ///
    /// # Errors
    /// [`Error::Setting`] for a number out of its range; [`Error::Unknown`] for settings of a type that the log lacks.
    pub fn resolve(&self, event_types: &[String], auto: HalfLife) -> Result<Kernel> {
        if let Some(unknown) = self.types.keys().find(|name| !event_types.contains(name)) {
            return Err(Error::Unknown {
                what: "event type in the decay settings",
                name: unknown.clone(),
                remedy: format!("Event types of this log: {}", event_types.join(", ")),
            });
        }
        let common = self.half_life.or(auto);
        let of_type = |name: &String| {
            let own = self.types.get(name).copied().unwrap_or_default();
            let default_weight = if WITHDRAWALS.contains(&name.as_str()) { 0.0 } else { 1.0 };
            let weight = own.weight.unwrap_or(default_weight);
            if !weight.is_finite() {
                return Err(Error::setting(format!("types.{name}.weight"), "a finite number", weight));
            }
            let half_life = own.half_life.map_or(common, |setting| setting.or(common));
            let decay =
                Decay::new(self.law, half_life).shape(self.shape)?.offset(self.offset)?.floor(self.floor)?;
            Ok(TypeKernel { weight, decay })
        };
        Ok(Kernel { types: event_types.iter().map(of_type).collect::<Result<_>>()?, common })
    }
}

/// Weight by event type and age, checked against one log's event types.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    types: Vec<TypeKernel>,
    common: HalfLife,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct TypeKernel {
    weight: f32,
    decay: Decay,
}

impl Kernel {
    /// The weight of an event of a type at an age in days; 0 for a type that the log does not have.
    pub fn weight(&self, event_type: EventTypeId, age_days: f64) -> f32 {
        self.of(event_type).map_or(0.0, |own| own.weight * own.decay.weight(age_days) as f32)
    }

    /// The weight of a fresh event of a type.
    pub fn fresh_weight(&self, event_type: EventTypeId) -> f32 {
        self.of(event_type).map_or(0.0, |own| own.weight)
    }

    /// The share of a fresh event's weight that is left at an age in days.
    pub fn decay(&self, event_type: EventTypeId, age_days: f64) -> f64 {
        self.of(event_type).map_or(0.0, |own| own.decay.weight(age_days))
    }

    /// The law of a type, for drawing.
    pub fn law(&self, event_type: EventTypeId) -> Option<Decay> {
        self.of(event_type).map(|own| own.decay)
    }

    /// The half-life of types that have none of their own: the given one, or the one that was found.
    pub const fn common_half_life(&self) -> HalfLife {
        self.common
    }

    /// Whether all types wane alike (their weights may differ): only then can a sum over types be kept as one state.
    pub fn is_uniform(&self) -> bool {
        self.types.windows(2).all(|pair| pair[0].decay == pair[1].decay)
    }

    fn of(&self, event_type: EventTypeId) -> Option<&TypeKernel> {
        self.types.get(event_type.index())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_their_own_weight_and_half_life() {
        let settings: DecaySettings = serde_json::from_str(
            r#"{"half_life": "14d", "types": {"purchase": {"weight": 3, "half_life": "8w"}, "view": {"weight": 0.5}}}"#,
        )
        .unwrap();
        let types = ["view", "purchase", "return"].map(str::to_owned);
        let kernel = settings.resolve(&types, HalfLife::from_days(1.0).unwrap()).unwrap();
        assert_eq!(kernel.weight(EventTypeId(0), 14.0), 0.25);
        assert_eq!(kernel.weight(EventTypeId(1), 56.0), 1.5);
        assert_eq!(kernel.weight(EventTypeId(2), 0.0), 0.0);
        assert_eq!(kernel.weight(EventTypeId(9), 0.0), 0.0);
    }

    #[test]
    fn settings_are_written_as_they_are_read() {
        let settings = DecaySettings { half_life: HalfLifeSetting::Auto, ..DecaySettings::default() };
        let written = serde_json::to_value(&settings).unwrap();
        assert_eq!(written["half_life"], "auto");
        assert_eq!(serde_json::from_value::<DecaySettings>(written).unwrap(), settings);
    }

    #[test]
    fn unknown_keys_and_bad_numbers_are_named() {
        let unknown = serde_json::from_str::<DecaySettings>(r#"{"halflife": 3}"#).unwrap_err().to_string();
        assert!(unknown.contains("unknown field `halflife`"), "{unknown}");
        let settings = DecaySettings { floor: 1.5, ..DecaySettings::default() };
        let bad =
            settings.resolve(&["view".into()], HalfLife::from_days(1.0).unwrap()).unwrap_err().to_string();
        assert_eq!(bad, "setting `floor`: expected a weight from 0 to below 1, got 1.5");
    }
}
