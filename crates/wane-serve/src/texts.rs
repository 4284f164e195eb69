//! What is written of items, as vectors: the seam to whoever can read texts.
//!
//! A model's vectors are by some encoder; what is written of an item that came after the fit says something to the model by that encoder
//! only. Who opens the engine knows encoders and finds the one of a model's catalogue. An item's text is encoded once for each model, when
//! the model is told of it first: nothing is encoded for a list.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use wane::interest::{Catalogue, CatalogueRow};

use crate::error::{Error, Result};
use crate::items::Said;

/// Reads what is written of items.
pub trait TextEncoder: Send + Sync {
    /// What tells it from encoders that give other vectors.
    fn name(&self) -> &str;

    /// What is written of an item; empty where nothing is.
    fn text(&self, item: &str, row: &CatalogueRow) -> String;

    /// A vector for each text, comparable with those of the catalogue that this encoder was found for; none for a text that it cannot read,
    /// or that says nothing to it.
    fn encode(&self, texts: &[String]) -> Vec<Option<Vec<f32>>>;
}

/// What looking for an encoder comes to: none where a catalogue has no vectors or nobody knows whose they are; an error where they are of
/// another encoder than the one that should read new items.
pub type FoundEncoder = std::result::Result<Option<Box<dyn TextEncoder>>, String>;

/// Finds the encoder of a catalogue's vectors. The default finds none.
#[derive(Clone, Default)]
pub struct Encoders(Option<Arc<Find>>);

type Find = dyn Fn(&Catalogue) -> FoundEncoder + Send + Sync;

impl Encoders {
    /// Encoders as a function finds them.
    pub fn new(find: impl Fn(&Catalogue) -> FoundEncoder + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(find)))
    }

    /// What reads texts for a catalogue.
    pub(crate) fn of(&self, catalogue: Option<&Catalogue>) -> Result<Option<Texts>> {
        let (Some(find), Some(catalogue)) = (&self.0, catalogue) else { return Ok(None) };
        let found = find(catalogue).map_err(Error::Encoder)?;
        Ok(found.map(|encoder| Texts { encoder, known: Mutex::default() }))
    }
}

/// An encoder, and what it made of the items that it was asked for.
pub(crate) struct Texts {
    encoder: Box<dyn TextEncoder>,
    /// By item.
    known: Mutex<HashMap<String, Read>>,
}

/// A text and its vector.
type Read = (String, Option<Vec<f32>>);

/// An item of which something was said.
pub(crate) struct Described<'a> {
    pub(crate) item: &'a str,
    /// Nothing: it was taken out.
    pub(crate) said: Option<&'a Said>,
    /// What the model's catalogue knows of it.
    pub(crate) fitted: CatalogueRow,
    /// What is known of it now.
    pub(crate) row: CatalogueRow,
}

impl Texts {
    /// The encoder's name.
    pub(crate) fn name(&self) -> &str {
        self.encoder.name()
    }

    /// Gives items the vectors of their texts: those whose text is another than at the fit, and of whose vector nothing was said.
    pub(crate) fn read(&self, items: &mut [Described<'_>]) {
        let written: Vec<(usize, String)> =
            (0..items.len()).filter_map(|place| Some((place, self.new_text(&items[place])?))).collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = |(place, text): &&(usize, String)| {
            known.get(items[*place].item).is_some_and(|(former, _)| former == text)
        };
        let (places, texts): (Vec<usize>, Vec<String>) =
            written.iter().filter(|written| !is_known(written)).cloned().unzip();
        if !texts.is_empty() {
            let vectors = self.encoder.encode(&texts);
            let read = places.into_iter().zip(texts.into_iter().zip(vectors));
            known.extend(read.map(|(place, read)| (items[place].item.to_owned(), read)));
        }
        for (place, _) in written {
            let Described { item, row, .. } = &mut items[place];
            row.vector = known.get(*item).and_then(|(_, vector)| vector.clone());
        }
    }

    /// The text of an item that should be read.
    fn new_text(&self, described: &Described<'_>) -> Option<String> {
        let Described { item, said, fitted, row } = described;
        if said.is_none_or(|said| said.vector.is_some()) {
            return None;
        }
        let text = self.encoder.text(item, row);
        (!text.trim().is_empty() && text != self.encoder.text(item, fitted)).then_some(text)
    }
}
