//! Every model by name: how it is written in a configuration or a manifest, fitted, loaded and tuned.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    BprSettings, ContentSettings, DecayedPopularity, DecayedPopularitySettings, EaseSettings,
    ItemKnnSettings, Parameters, PersonalCountSettings, PersonalFrequencySettings, Popularity,
    PopularitySettings, Range, Recommender, RelatedSettings, SlimSettings, TifuKnnSettings, TraceSettings,
    Training, VmisKnnSettings,
};
use crate::error::{Error, Result};
use crate::interest::Catalogue;

/// A model and its settings; written with the key `model` beside the settings' own keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "model", rename_all = "kebab-case")]
pub enum ModelSettings {
    /// See [`PopularitySettings`].
    Popularity(PopularitySettings),
    /// See [`DecayedPopularitySettings`].
    DecayedPopularity(DecayedPopularitySettings),
    /// Personal frequency without decay: how often, no matter when. See [`PersonalFrequencySettings`].
    PersonalCount(PersonalCountSettings),
    /// See [`PersonalFrequencySettings`].
    PersonalFrequency(PersonalFrequencySettings),
    /// See [`RelatedSettings`].
    Related(RelatedSettings),
    /// See [`ContentSettings`].
    Content(ContentSettings),
    /// See [`ItemKnnSettings`].
    ItemKnn(ItemKnnSettings),
    /// See [`VmisKnnSettings`].
    VmisKnn(VmisKnnSettings),
    /// See [`TifuKnnSettings`].
    TifuKnn(TifuKnnSettings),
    /// See [`EaseSettings`].
    Ease(EaseSettings),
    /// See [`SlimSettings`].
    Slim(SlimSettings),
    /// See [`BprSettings`].
    Bpr(BprSettings),
    /// See [`TraceSettings`].
    Trace(TraceSettings),
}

impl ModelSettings {
    /// Every model with its default settings, in the order of tables.
    pub fn all() -> Vec<Self> {
        vec![
            Self::Popularity(PopularitySettings::default()),
            Self::DecayedPopularity(DecayedPopularitySettings::default()),
            Self::PersonalCount(PersonalCountSettings::default()),
            Self::PersonalFrequency(PersonalFrequencySettings::default()),
            Self::Related(RelatedSettings::default()),
            Self::Content(ContentSettings::default()),
            Self::ItemKnn(ItemKnnSettings::default()),
            Self::VmisKnn(VmisKnnSettings::default()),
            Self::TifuKnn(TifuKnnSettings::default()),
            Self::Ease(EaseSettings::default()),
            Self::Slim(SlimSettings::default()),
            Self::Bpr(BprSettings::default()),
            Self::Trace(TraceSettings::default()),
        ]
    }

    /// The default settings of the model of a name.
    ///
    /// # Errors
    /// [`Error::Unknown`] that lists the models.
    pub fn named(name: &str) -> Result<Self> {
        Self::all().into_iter().find(|settings| settings.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::all().iter().map(Self::name).collect();
            let remedy = format!("Models: {}", names.join(", "));
            Error::Unknown { what: "model", name: name.to_owned(), remedy }
        })
    }

    /// The model's name, as it is written.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Popularity(_) => "popularity",
            Self::DecayedPopularity(_) => "decayed-popularity",
            Self::PersonalCount(_) => "personal-count",
            Self::PersonalFrequency(_) => "personal-frequency",
            Self::Related(_) => "related",
            Self::Content(_) => "content",
            Self::ItemKnn(_) => "item-knn",
            Self::VmisKnn(_) => "vmis-knn",
            Self::TifuKnn(_) => "tifu-knn",
            Self::Ease(_) => "ease",
            Self::Slim(_) => "slim",
            Self::Bpr(_) => "bpr",
            Self::Trace(_) => "trace",
        }
    }

    /// What may be tuned.
    pub const fn ranges(&self) -> &'static [Range] {
        match self {
            Self::Popularity(_) | Self::PersonalCount(_) => &[],
            Self::DecayedPopularity(_) => DecayedPopularitySettings::RANGES,
            Self::PersonalFrequency(_) => PersonalFrequencySettings::RANGES,
            Self::Related(_) => RelatedSettings::RANGES,
            Self::VmisKnn(_) => VmisKnnSettings::RANGES,
            Self::TifuKnn(_) => TifuKnnSettings::RANGES,
            Self::Content(_) => ContentSettings::RANGES,
            Self::ItemKnn(_) => ItemKnnSettings::RANGES,
            Self::Ease(_) => EaseSettings::RANGES,
            Self::Slim(_) => SlimSettings::RANGES,
            Self::Bpr(_) => BprSettings::RANGES,
            Self::Trace(_) => TraceSettings::RANGES,
        }
    }

    /// Whether the model reads relations of the catalogue, and cannot do without.
    pub const fn needs_relations(&self) -> bool {
        matches!(self, Self::Related(_))
    }

    /// Whether the model can work with what a catalogue has: relations or vectors.
    pub fn can_use(&self, catalogue: Option<&Catalogue>) -> bool {
        match self {
            Self::Related(_) => catalogue.is_some_and(|catalogue| !catalogue.relations.is_empty()),
            Self::Content(_) => catalogue.is_some_and(|catalogue| catalogue.vectors.is_some()),
            _ => true,
        }
    }

    /// The same settings with one changed; `a.b` is field `b` of table `a`.
    ///
    /// # Errors
    /// [`Error::Setting`] when there is no such setting or the value is not of its form.
    pub fn with(&self, name: &str, value: Value) -> Result<Self> {
        let unfit = |reason: &dyn ToString| {
            Error::setting(name, format!("a setting of {} ({})", self.name(), reason.to_string()), &value)
        };
        let mut written = serde_json::to_value(self).map_err(|error| unfit(&error))?;
        let place = name.split('.').try_fold(&mut written, |table, key| table.get_mut(key));
        *place.ok_or_else(|| unfit(&"there is none of this name"))? = value.clone();
        serde_json::from_value(written).map_err(|error| unfit(&error))
    }

    /// Fits the model.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting out of its range.
    pub fn fit(&self, training: &Training<'_>) -> Result<Box<dyn Recommender>> {
        Ok(match self {
            Self::Popularity(settings) => Box::new(settings.fit(training)),
            Self::DecayedPopularity(settings) => Box::new(settings.fit(training)?),
            Self::PersonalCount(settings) => Box::new(settings.fit(training)?),
            Self::PersonalFrequency(settings) => Box::new(settings.fit(training)?),
            Self::Related(settings) => Box::new(settings.fit(training)?),
            Self::Content(settings) => Box::new(settings.fit(training)?),
            Self::ItemKnn(settings) => Box::new(settings.fit(training)?),
            Self::VmisKnn(settings) => Box::new(settings.fit(training)?),
            Self::TifuKnn(settings) => Box::new(settings.fit(training)?),
            Self::Ease(settings) => Box::new(settings.fit(training)?),
            Self::Slim(settings) => Box::new(settings.fit(training)?),
            Self::Bpr(settings) => Box::new(settings.fit(training)?),
            Self::Trace(settings) => Box::new(settings.fit(training)?),
        })
    }

    /// Restores a fitted model from its saved parameters, for a log with so many items and these event types.
    ///
    /// # Errors
    /// When the parameters are not those of this model.
    pub fn load(
        &self,
        parameters: Parameters,
        n_items: usize,
        event_types: &[String],
    ) -> Result<Box<dyn Recommender>> {
        let model: Box<dyn Recommender> = match self {
            Self::Popularity(_) => Box::new(Popularity::from_parameters(parameters)?),
            Self::DecayedPopularity(settings) => {
                Box::new(DecayedPopularity::from_parameters(settings, event_types, parameters)?)
            }
            Self::PersonalCount(settings) => Box::new(settings.load(parameters, event_types, n_items)?),
            Self::PersonalFrequency(settings) => Box::new(settings.load(parameters, event_types, n_items)?),
            Self::Related(settings) => Box::new(settings.load(parameters, n_items, event_types)?),
            Self::Content(settings) => Box::new(settings.load(parameters, event_types, n_items)?),
            Self::ItemKnn(settings) => Box::new(settings.load(parameters, n_items, event_types)?),
            Self::VmisKnn(settings) => Box::new(settings.load(parameters, n_items)?),
            Self::TifuKnn(settings) => Box::new(settings.load(parameters, event_types, n_items)?),
            Self::Ease(settings) => Box::new(settings.load(parameters, n_items, event_types)?),
            Self::Slim(settings) => Box::new(settings.load(parameters, n_items, event_types)?),
            Self::Bpr(settings) => Box::new(settings.load(parameters, n_items)?),
            Self::Trace(settings) => Box::new(settings.load(parameters, n_items, event_types)?),
        };
        if model.n_items() == n_items {
            Ok(model)
        } else {
            Err(Error::setting("parameters", format!("{n_items} items"), model.n_items()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recommend::linear::two_tastes;
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use serde_json::json;

    #[test]
    fn every_model_is_written_read_fitted_and_loaded_by_its_name() {
        let log = two_tastes();
        let training = Training::new(&log, None, 1);
        for settings in ModelSettings::all() {
            let written = serde_json::to_value(&settings).unwrap();
            assert_eq!(written["model"], settings.name());
            assert_eq!(serde_json::from_value::<ModelSettings>(written).unwrap(), settings);
            assert_eq!(ModelSettings::named(settings.name()).unwrap(), settings);
            if !settings.can_use(None) {
                assert!(settings.fit(&training).is_err(), "{}", settings.name());
                continue;
            }
            let parameters = settings.fit(&training).unwrap().parameters();
            let load = |n_items| settings.load(parameters.clone(), n_items, log.event_types());
            assert_eq!(load(log.n_items()).unwrap().parameters(), parameters, "{}", settings.name());
            assert!(load(log.n_items() + 1).is_err(), "{}", settings.name());
            assert!(
                settings.load(Parameters::default(), 12, log.event_types()).is_err(),
                "{}",
                settings.name()
            );
        }
    }

    #[test]
    fn every_range_is_of_a_setting_and_its_draws_fit() {
        let mut random = StdRng::seed_from_u64(1);
        for settings in ModelSettings::all() {
            for range in settings.ranges() {
                let mut draws = (0..20).map(|_| settings.with(range.name, range.draw(&mut random)).unwrap());
                assert!(draws.any(|drawn| drawn != settings), "{} {}", settings.name(), range.name);
            }
        }
    }

    #[test]
    fn unknown_models_and_settings_are_named() {
        let message = ModelSettings::named("svd").unwrap_err().to_string();
        assert!(message.starts_with("unknown model `svd`. Models: popularity, "), "{message}");
        let ease = ModelSettings::named("ease").unwrap();
        let message = ease.with("lambda", json!(3)).unwrap_err().to_string();
        assert_eq!(
            message,
            "setting `lambda`: expected a setting of ease (there is none of this name), got 3"
        );
        assert!(ease.with("ridge", json!("much")).is_err());
        assert!(serde_json::from_str::<ModelSettings>(r#"{"model": "ease", "rigde": 3}"#).is_err());
    }
}
