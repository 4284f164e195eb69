//! Who reads what is written of new items while a server runs: the encoder that made the vectors of its model.
//!
//! - The built-in encoder is found without a word: it counts again in the model's catalogue what it weighs words by.
//! - A pretrained one is named in the settings, and it has to be the very one. Vectors say by whom they are, and of some items the text is
//!   encoded again and compared: another template than at the time gives other vectors, and so does another encoder.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use wane::events::ItemId;
use wane::interest::{Catalogue, CatalogueRow, Vectors};
use wane_encode::{
    HashedEncoder, HashedSettings, Journal, Pretrained, PretrainedSettings, Template, item_texts, row_text,
};
use wane_serve::{Encoders, FoundEncoder, TextEncoder};

/// Items, at most, whose texts are encoded again to see whether their vectors come of it.
const COMPARED: usize = 32;
/// What half of these have in common with their vectors at least (cosine). Of the built-in encoder weights of words may differ a little.
const SAME: f32 = 0.98;
const SAME_BUILT_IN: f32 = 0.9;
/// What is kept of texts, in the state's folder.
const JOURNAL: &str = "texts.journal";

/// What may be said of the encoder.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct TextSettings {
    /// A pretrained one; where there is none, the built-in encoder.
    pub(crate) path: Option<PathBuf>,
    pub(crate) template: Option<Template>,
    pub(crate) pretrained: PretrainedSettings,
}

/// Finds the encoder of a model's vectors, as the settings say. `state` is the server's folder.
pub(crate) fn encoders(settings: &TextSettings, state: PathBuf) -> Result<Encoders> {
    let template = settings.template.clone();
    let Some(path) = &settings.path else {
        return Ok(Encoders::new(move |catalogue| Ok(built_in(catalogue, template.as_ref()))));
    };
    let named = Arc::new(Named {
        encoder: Pretrained::open(path, &settings.pretrained).context("[encoder]")?,
        path: path.clone(),
        template,
        state,
        journal: Mutex::default(),
    });
    Ok(Encoders::new(move |catalogue| pretrained(catalogue, &named)))
}

/// The pretrained encoder of the settings.
struct Named {
    encoder: Pretrained,
    path: PathBuf,
    template: Option<Template>,
    state: PathBuf,
    /// Opened when it is needed first: by then the state's folder is this server's.
    journal: Mutex<Option<Journal>>,
}

impl Named {
    fn encode(&self, texts: &[String]) -> wane_encode::Result<Vec<f32>> {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open = match journal.take() {
            Some(open) => open,
            None => Journal::open(&self.state.join(JOURNAL), &self.encoder)?,
        };
        let encoded = open.encode(&self.encoder, texts, |_| ())?;
        *journal = Some(open);
        Ok(encoded.vectors)
    }
}

fn pretrained(catalogue: &Catalogue, named: &Arc<Named>) -> FoundEncoder {
    let Some(vectors) = &catalogue.vectors else { return Ok(None) };
    let (encoder, path) = (&named.encoder, named.path.display());
    let refuse = |reason: String| {
        let mend = "Name the encoder that made them in [encoder], with the template and the settings of that time, or leave it out";
        Err(format!("{path}: {reason}. {mend}"))
    };
    let (space, length) = space(catalogue.encoder().unwrap_or(encoder.fingerprint()), encoder.dim());
    if space != encoder.fingerprint() || length != vectors.dim || length > encoder.dim() {
        let own = encoder.fingerprint();
        let by = catalogue.encoder().unwrap_or("someone");
        return refuse(format!("it is {own}, and the model's vectors have {} numbers by {by}", vectors.dim));
    }
    let found = Found {
        name: encoder.fingerprint().to_owned(),
        length,
        template: named.template.clone(),
        reader: Reader::Pretrained(Arc::clone(named)),
    };
    match found.likeness(catalogue, vectors) {
        Some(likeness) if likeness < SAME => refuse(format!(
            "the model's vectors are not those of its items' texts: half of them have a cosine of {likeness:.2} or less"
        )),
        _ => Ok(Some(Box::new(found))),
    }
}

fn built_in(catalogue: &Catalogue, template: Option<&Template>) -> Option<Box<dyn TextEncoder>> {
    let (vectors, name) = (catalogue.vectors.as_ref()?, catalogue.encoder()?);
    let dim = name.strip_prefix("hashed-")?.split_once('-')?.0.parse().ok()?;
    let texts = item_texts(catalogue, template).ok()?;
    let encoder = HashedEncoder::fit(&texts, &HashedSettings { dim, ..HashedSettings::default() }).ok()?;
    let own = encoder.fingerprint();
    let (space, length) = space(name, dim);
    if length != vectors.dim || length > dim || space != self::space(&own, dim).0 {
        return None;
    }
    let found = Found { name: own, length, template: template.cloned(), reader: Reader::BuiltIn(encoder) };
    let is_own = found.likeness(catalogue, vectors).is_none_or(|likeness| likeness >= SAME_BUILT_IN);
    is_own.then(|| Box::new(found) as Box<dyn TextEncoder>)
}

/// By whom vectors are that have this name, and how long they are: all that an encoder gives, or the first of it.
fn space(name: &str, dim: usize) -> (&str, usize) {
    let space = name.split_once('+').map_or(name, |(space, _)| space);
    match space.split_once("/first-") {
        Some((whole, first)) => (whole, first.parse().unwrap_or(dim)),
        None => (space, dim),
    }
}

/// The encoder of a catalogue's vectors.
struct Found {
    name: String,
    /// Of each vector so many numbers are kept.
    length: usize,
    template: Option<Template>,
    reader: Reader,
}

enum Reader {
    BuiltIn(HashedEncoder),
    Pretrained(Arc<Named>),
}

impl Found {
    /// What half of some items' vectors have in common with what comes of their texts, at least; nothing where no item has both.
    fn likeness(&self, catalogue: &Catalogue, vectors: &Vectors) -> Option<f32> {
        let of_item = |item: usize| {
            let vector = vectors.data.get(item * vectors.dim..(item + 1) * vectors.dim)?;
            let text = self.text(catalogue.items.name(item), &catalogue.row(ItemId(item as u32)));
            (vector.iter().any(|x| *x != 0.0) && !text.is_empty()).then_some((vector, text))
        };
        let n = catalogue.items.len();
        let items = (0..n).step_by(n.div_ceil(COMPARED).max(1));
        let (own, texts): (Vec<&[f32]>, Vec<String>) = items.filter_map(of_item).unzip();
        let anew = self.encode(&texts);
        // All texts have much in common by some encoders: what tells them apart is compared.
        let mean: Vec<f32> = (0..vectors.dim)
            .map(|place| own.iter().map(|own| own[place]).sum::<f32>() / own.len() as f32)
            .collect();
        let pairs = own.into_iter().zip(anew);
        let mut likeness: Vec<f32> =
            pairs.map(|(own, anew)| anew.map_or(0.0, |anew| cosine(own, &anew, &mean))).collect();
        likeness.sort_by(f32::total_cmp);
        likeness.get(likeness.len() / 2).copied()
    }
}

/// The cosine of two vectors as they are seen from a third; 1 where both lie there.
fn cosine(a: &[f32], b: &[f32], from: &[f32]) -> f32 {
    let [mut ab, mut aa, mut bb] = [0.0; 3];
    for ((a, b), from) in a.iter().zip(b).zip(from) {
        let (a, b) = (a - from, b - from);
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    if aa + bb < 1e-9 { 1.0 } else { ab / (aa * bb).sqrt().max(f32::MIN_POSITIVE) }
}

impl TextEncoder for Found {
    fn name(&self) -> &str {
        &self.name
    }

    fn text(&self, item: &str, row: &CatalogueRow) -> String {
        row_text(item, row, self.template.as_ref())
    }

    fn encode(&self, texts: &[String]) -> Vec<Option<Vec<f32>>> {
        let says = |row: &[f32]| row.iter().any(|x| *x != 0.0).then(|| row[..self.length].to_vec());
        let whole = |rows: &[f32], dim| rows.chunks_exact(dim).map(says).collect();
        match &self.reader {
            Reader::BuiltIn(encoder) => whole(&encoder.encode(texts), encoder.dim()),
            Reader::Pretrained(named) => match named.encode(texts) {
                Ok(rows) => whole(&rows, named.encoder.dim()),
                Err(error) => {
                    tracing::warn!(%error, "texts of items are read one by one, and again at the next start");
                    let one = |text: &String| says(&named.encoder.encode(&[text]).ok()?);
                    texts.iter().map(one).collect()
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wane::events::Vocab;
    use wane::interest::ENCODER;

    /// Titles with vectors that are said to be by some encoder.
    fn catalogue(by: &str, vectors: Vectors) -> Catalogue {
        let titles = ["red scarf", "garden hose", "blue scarf"].map(|title| Some(title.to_owned()));
        Catalogue {
            items: Vocab::from_names(["a", "b", "c"]).shared(),
            listed: vec![true; 3],
            title: titles.to_vec(),
            extra: [(ENCODER.to_owned(), vec![Some(by.to_owned()); 3])].into(),
            vectors: Some(vectors),
            ..Catalogue::default()
        }
    }

    #[test]
    fn the_built_in_encoder_gives_what_it_gave() {
        let texts = ["red scarf", "garden hose", "blue scarf"].map(String::from);
        let encoder = HashedEncoder::fit(&texts, &HashedSettings { dim: 64, seed: 42 }).unwrap();
        let (name, whole) = (encoder.fingerprint(), Vectors { dim: 64, data: encoder.encode(&texts) });
        let found = built_in(&catalogue(&name, whole.clone()), None).unwrap();
        assert_eq!((found.name(), found.encode(&texts)[1].as_deref()), (&*name, Some(&whole.data[64..128])));
        assert_eq!(found.encode(&[" ".to_owned()]), [None]);
        let (space, counts) = name.split_once('+').unwrap();
        let short = catalogue(&format!("{space}/first-16+{counts}"), whole.first(16));
        let found = built_in(&short, None).unwrap();
        assert_eq!(found.encode(&texts)[1].as_deref(), Some(&whole.data[64..80]));
        // Others' vectors, and names that promise more than there is.
        let others = Vectors { dim: 64, data: (0..192).map(|place| (place as f32).sin()).collect() };
        assert!(built_in(&catalogue(&name, others), None).is_none());
        let long = Vectors { dim: 128, data: vec![1.0; 384] };
        for by in [format!("{space}/first-128"), "hashed-128".to_owned(), "hashed-9999999-1".to_owned()] {
            assert!(built_in(&catalogue(&by, long.clone()), None).is_none(), "{by}");
        }
    }
}
