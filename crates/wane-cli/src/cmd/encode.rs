//! `wane encode`: vectors of what is written of items.

use std::sync::Arc;

use anyhow::Result;
use wane::events::Vocab;
use wane::interest::{Catalogue, CatalogueFile, CatalogueMap, Vectors, write_catalogue};
use wane_encode::{HashedEncoder, HashedSettings, Template, item_texts};

use crate::args::Encode;
use crate::terminal::{Terminal, count};

/// Texts that are shown, so that a template can be judged.
const SHOWN: usize = 3;

/// Runs the command.
pub(crate) fn run(args: &Encode, terminal: Terminal) -> Result<()> {
    let template = args.template.as_deref().map(Template::parse).transpose()?;
    let spinner = terminal.spinner("encoding items");
    let file = CatalogueFile::open(&args.catalogue, &CatalogueMap::parse(&args.catalogue_map.join(","))?)?;
    let items = Arc::new(Vocab::from_names(file.item_names()));
    let (catalogue, _) = file.align(&items)?;
    let texts = item_texts(&catalogue, template.as_ref())?;
    let encoder = HashedEncoder::fit(&texts, &HashedSettings { dim: args.dim, seed: args.seed })?;
    let vectors = Vectors { dim: encoder.dim(), data: encoder.encode(&texts) };
    let says: Vec<bool> =
        vectors.data.chunks_exact(vectors.dim).map(|row| row.iter().any(|x| *x != 0.0)).collect();
    let name = encoder.fingerprint();
    let table = Catalogue {
        items: Arc::clone(&items),
        listed: says.clone(),
        extra: [("encoder".to_owned(), vec![Some(name.clone()); items.len()])].into(),
        vectors: Some(vectors),
        ..Catalogue::default()
    };
    write_catalogue(&table, &args.out)?;
    spinner.finish_and_clear();
    let encoded = says.iter().filter(|says| **says).count();
    let mut words = vec![format!(
        "{}: {} items, {} numbers each, by {name}",
        args.out.display(),
        count(encoded as u64),
        args.dim
    )];
    if encoded < items.len() {
        words.push(format!("{} items have no text and no vector", count((items.len() - encoded) as u64)));
    }
    let shown = texts.iter().enumerate().filter(|(_, text)| !text.is_empty()).take(SHOWN);
    words.extend(shown.map(|(item, text)| format!("  {}: {text}", items.name(item))));
    terminal.line(words.join("\n"))
}
