//! `wane encode`: vectors of what is written of items.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use wane::events::Vocab;
use wane::interest::{Catalogue, CatalogueFile, CatalogueMap, Vectors, write_catalogue};
use wane_encode::{
    HashedEncoder, HashedSettings, Journal, Pretrained, PretrainedSettings, Template, TextHash, item_texts,
};

use crate::args::Encode;
use crate::terminal::{Terminal, count};

/// Texts that are shown, so that a template can be judged.
const SHOWN: usize = 3;
/// Columns of the table beside items and vectors.
const ENCODER: &str = "encoder";
const TEXT_HASH: &str = "text_hash";

/// Vectors, and what is to be said of them.
struct Done {
    vectors: Vectors,
    encoder: String,
    told: Option<String>,
    journal: Option<Journal>,
}

/// Runs the command.
pub(crate) fn run(args: &Encode, terminal: Terminal) -> Result<()> {
    let template = args.template.as_deref().map(Template::parse).transpose()?;
    let file = CatalogueFile::open(&args.catalogue, &CatalogueMap::parse(&args.catalogue_map.join(","))?)?;
    let items = Arc::new(Vocab::from_names(file.item_names()));
    let (catalogue, _) = file.align(&items)?;
    let texts = item_texts(&catalogue, template.as_ref())?;
    let done = match &args.encoder {
        None => built_in(args, &texts, terminal)?,
        Some(folder) => pretrained(folder, args, &texts, terminal)?,
    };
    let Done { vectors, encoder, told, journal } = done;
    let dim = vectors.dim;
    let says: Vec<bool> = vectors.data.chunks_exact(dim).map(|row| row.iter().any(|x| *x != 0.0)).collect();
    let hashes = texts.iter().map(|text| Some(TextHash::of(text).to_hex())).collect();
    let table = Catalogue {
        items: Arc::clone(&items),
        listed: says.clone(),
        extra: [
            (ENCODER.to_owned(), vec![Some(encoder.clone()); items.len()]),
            (TEXT_HASH.to_owned(), hashes),
        ]
        .into(),
        vectors: Some(vectors),
        ..Catalogue::default()
    };
    write_catalogue(&table, &args.out)?;
    journal.map_or(Ok(()), Journal::finish)?;
    let encoded = says.iter().filter(|says| **says).count();
    let mut words = vec![format!(
        "{}: {} items, {dim} numbers each, by {encoder}",
        args.out.display(),
        count(encoded as u64),
    )];
    words.extend(told);
    if encoded < items.len() {
        words.push(format!("{} items have no text and no vector", count((items.len() - encoded) as u64)));
    }
    let shown = texts.iter().enumerate().filter(|(_, text)| !text.is_empty()).take(SHOWN);
    words.extend(shown.map(|(item, text)| format!("  {}: {text}", items.name(item))));
    terminal.line(words.join("\n"))
}

fn built_in(args: &Encode, texts: &[String], terminal: Terminal) -> Result<Done> {
    let spinner = terminal.spinner("encoding items");
    let encoder = HashedEncoder::fit(texts, &HashedSettings { dim: args.dim, seed: args.seed })?;
    let vectors = Vectors { dim: encoder.dim(), data: encoder.encode(texts) };
    spinner.finish_and_clear();
    Ok(Done { vectors, encoder: encoder.fingerprint(), told: None, journal: None })
}

fn pretrained(folder: &Path, args: &Encode, texts: &[String], terminal: Terminal) -> Result<Done> {
    let settings = PretrainedSettings {
        int8: args.int8,
        layers: args.layers,
        prefix: args.prefix.clone(),
        max_tokens: args.max_tokens,
    };
    let encoder = Pretrained::open(folder, &settings)?;
    let mut path = args.out.clone().into_os_string();
    path.push(".journal");
    let mut journal = Journal::open(&PathBuf::from(path), &encoder)?;
    recall(&args.out, &encoder, &mut journal);
    let bar = terminal.bar("encoding texts", texts.len() as u64);
    let encoded = journal.encode(&encoder, texts, |n| bar.inc(n))?;
    bar.finish_and_clear();
    let told = format!(
        "{} different texts; {} of them known, {} encoded",
        count(encoded.texts as u64),
        count(encoded.known as u64),
        count((encoded.texts - encoded.known) as u64)
    );
    Ok(Done {
        vectors: Vectors { dim: encoder.dim(), data: encoded.vectors },
        encoder: encoder.fingerprint().to_owned(),
        told: Some(told),
        journal: Some(journal),
    })
}

/// Makes the vectors of a former table known, where it is of the same encoder. Whatever else lies there is nothing to go on from.
fn recall(table: &Path, encoder: &Pretrained, journal: &mut Journal) {
    let Ok(file) = CatalogueFile::open(table, &CatalogueMap::default()) else { return };
    let items = Arc::new(Vocab::from_names(file.item_names()));
    let Ok((former, _)) = file.align(&items) else { return };
    let (Some(vectors), Some(encoders), Some(hashes)) =
        (&former.vectors, former.extra.get(ENCODER), former.extra.get(TEXT_HASH))
    else {
        return;
    };
    for ((row, own), hash) in vectors.data.chunks_exact(vectors.dim.max(1)).zip(encoders).zip(hashes) {
        let hash = hash.as_deref().and_then(TextHash::from_hex);
        if let Some(hash) = hash.filter(|_| own.as_deref() == Some(encoder.fingerprint())) {
            journal.know(hash, row);
        }
    }
}
