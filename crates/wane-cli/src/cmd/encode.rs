//! `wane encode`: vectors of what is written of items.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, ensure};
use wane::events::Vocab;
use wane::interest::{
    Catalogue, CatalogueFile, CatalogueMap, ENCODER, Reduction, Texts, Vectors, write_catalogue,
};
use wane_encode::{
    HashedEncoder, HashedSettings, Journal, Pretrained, PretrainedSettings, Template, TextHash, item_texts,
};

use crate::args::Encode;
use crate::terminal::{Terminal, count};

/// Texts that are shown, so that a template can be judged.
const SHOWN: usize = 3;
/// The column of the table by which a text is known again.
const TEXT_HASH: &str = "text_hash";

/// Vectors, and what is to be said of them.
struct Done {
    vectors: Vectors,
    encoder: String,
    told: Option<String>,
    journal: Option<Journal>,
}

/// Items and what is written of them.
struct Written {
    items: Arc<Vocab>,
    texts: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(args: &Encode, terminal: Terminal) -> Result<()> {
    let template = args.template.as_deref().map(Template::parse).transpose()?;
    let map = CatalogueMap::parse(&args.catalogue_map.join(","))?;
    let written = read(&args.catalogue, &map, template.as_ref())?;
    let done = match &args.encoder {
        None => {
            let spinner = terminal.spinner("encoding items");
            let done = built_in(&written.texts, &HashedSettings { dim: args.dim, seed: args.seed })?;
            spinner.finish_and_clear();
            done
        }
        Some(path) => pretrained(path, args, &written.texts, terminal)?,
    };
    let done = shortened(done, args)?;
    let (n_items, dim) = (written.items.len(), done.vectors.dim);
    let encoded = write(&written, &done, &args.out)?;
    // A table of fewer numbers cannot tell another time what a text's vector was.
    let is_whole = args.first.or(args.pca).is_none();
    done.journal.filter(|_| is_whole).map_or(Ok(()), Journal::finish)?;
    let mut words = vec![format!(
        "{}: {} items, {dim} numbers each, by {}",
        args.out.display(),
        count(encoded as u64),
        done.encoder
    )];
    words.extend(done.told);
    if encoded < n_items {
        words.push(format!("{} items have no text and no vector", count((n_items - encoded) as u64)));
    }
    let shown = written.texts.iter().enumerate().filter(|(_, text)| !text.is_empty()).take(SHOWN);
    words.extend(shown.map(|(item, text)| format!("  {}: {text}", written.items.name(item))));
    terminal.line(words.join("\n"))
}

/// Encodes a catalogue as it is by the built-in encoder.
pub(crate) fn by_built_in(catalogue: &Path, out: &Path) -> Result<()> {
    let written = read(catalogue, &CatalogueMap::default(), None)?;
    let done = built_in(&written.texts, &HashedSettings::default())?;
    write(&written, &done, out)?;
    Ok(())
}

fn read(catalogue: &Path, map: &CatalogueMap, template: Option<&Template>) -> Result<Written> {
    let file = CatalogueFile::open(catalogue, map)?;
    let items = Arc::new(Vocab::from_names(file.item_names()));
    let (catalogue, _) = file.align(&items)?;
    Ok(Written { items, texts: item_texts(&catalogue, template)? })
}

/// Writes the table; returns how many items have a vector.
fn write(written: &Written, done: &Done, out: &Path) -> Result<usize> {
    let Written { items, texts } = written;
    let rows = done.vectors.data.chunks_exact(done.vectors.dim);
    let says: Vec<bool> = rows.map(|row| row.iter().any(|x| *x != 0.0)).collect();
    let encoded = says.iter().filter(|says| **says).count();
    let hashes = texts.iter().map(|text| Some(TextHash::of(text).to_hex())).collect();
    let encoders = vec![Some(done.encoder.clone()); items.len()];
    let table = Catalogue {
        items: Arc::clone(items),
        listed: says,
        extra: [(ENCODER.to_owned(), encoders), (TEXT_HASH.to_owned(), hashes)].into(),
        vectors: Some(done.vectors.clone()),
        ..Catalogue::default()
    };
    write_catalogue(&table, out)?;
    Ok(encoded)
}

fn built_in(texts: &[String], settings: &HashedSettings) -> Result<Done> {
    let encoder = HashedEncoder::fit(texts, settings)?;
    let vectors = Vectors { dim: encoder.dim(), data: encoder.encode(texts) };
    Ok(Done { vectors, encoder: encoder.fingerprint(), told: None, journal: None })
}

fn pretrained(path: &Path, args: &Encode, texts: &[String], terminal: Terminal) -> Result<Done> {
    let settings = PretrainedSettings {
        int8: args.int8,
        layers: args.layers,
        prefix: args.prefix.clone(),
        max_tokens: args.max_tokens,
    };
    let encoder = Pretrained::open(path, &settings)?;
    let mut beside = args.out.clone().into_os_string();
    beside.push(".journal");
    let mut journal = Journal::open(&PathBuf::from(beside), &encoder)?;
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

/// Fewer numbers of each vector, where that is asked for. They cannot be compared with the whole ones, nor by axes of another catalogue, so
/// what they are stands before the `+` of the encoder's name.
fn shortened(done: Done, args: &Encode) -> Result<Done> {
    let (Done { vectors, encoder, told, journal }, n) =
        (done, args.first.or(args.pca).map(NonZeroUsize::get));
    let named = |how: String| match encoder.split_once('+') {
        Some((space, counts)) => format!("{space}/{how}+{counts}"),
        None => format!("{encoder}/{how}"),
    };
    let (vectors, encoder) = match n {
        Some(n) if args.first.is_some() => {
            let vectors = vectors.first(n);
            let encoder = named(format!("first-{}", vectors.dim));
            (vectors, encoder)
        }
        Some(n) => {
            let short = Texts::of(&vectors, Reduction::to(&vectors, n));
            ensure!(short.dim > 0, "all texts have the same vector: leave --pca out");
            // The axes are this catalogue's.
            let axes = TextHash::of(&format!("{:?}", short.reduction.axes)).to_hex();
            let encoder = named(format!("pca-{}-{}", short.dim, &axes[..8]));
            (Vectors { dim: short.dim, data: short.rows().to_vec() }, encoder)
        }
        None => (vectors, encoder),
    };
    Ok(Done { vectors, encoder, told, journal })
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
