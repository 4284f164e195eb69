//! Texts per second of pretrained encoders, in process.
//!
//!     cargo bench -p wane-encode --bench encode -- TRANSFORMER_FOLDER TABLE_FOLDER TEXTS
//!
//! TEXTS has one text in each line. Each encoder goes over them three times, by turns; medians are printed, and beside each variant of the
//! transformer the mean and the smallest cosine to its full one. Without folders it says so and ends.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Instant;

use wane_encode::{Pretrained, PretrainedSettings};

const ROUNDS: usize = 3;
/// Times that the table goes over the texts in a round, for it is quick.
const TABLE_TIMES: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let [transformer, table, texts] = &args[..] else {
        println!("skipped: name the folders of a transformer and a table, and a file of texts");
        return Ok(());
    };
    let texts = fs::read_to_string(texts)?;
    let texts: Vec<&str> = texts.lines().filter(|line| !line.trim().is_empty()).collect();
    let open = |folder: &str, int8, layers| {
        Pretrained::open(Path::new(folder), &PretrainedSettings { int8, layers, ..Default::default() })
    };
    let encoders = [
        ("all layers", open(transformer, false, None)?, 1),
        ("all layers, int8", open(transformer, true, None)?, 1),
        ("3 layers", open(transformer, false, Some(3))?, 1),
        ("3 layers, int8", open(transformer, true, Some(3))?, 1),
        ("static table", open(table, false, None)?, TABLE_TIMES),
    ];
    let mut speeds = vec![Vec::new(); encoders.len()];
    let mut vectors = vec![Vec::new(); encoders.len()];
    for _ in 0..ROUNDS {
        for (((_, encoder, times), speeds), vectors) in encoders.iter().zip(&mut speeds).zip(&mut vectors) {
            let start = Instant::now();
            for _ in 0..*times {
                *vectors = encoder.encode(&texts)?;
            }
            speeds.push((times * texts.len()) as f64 / start.elapsed().as_secs_f64());
        }
    }
    println!("{} texts, medians of {ROUNDS}", texts.len());
    let dim = encoders[0].1.dim();
    for (place, (name, encoder, _)) in encoders.iter().enumerate() {
        speeds[place].sort_by(f64::total_cmp);
        let likeness =
            if encoder.dim() == dim { likeness(&vectors[place], &vectors[0], dim) } else { String::new() };
        println!("{name:18} {:9.0} texts/s  {likeness}", speeds[place][ROUNDS / 2]);
    }
    Ok(())
}

fn likeness(vectors: &[f32], full: &[f32], dim: usize) -> String {
    let cosine = |(a, b): (&[f32], &[f32])| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let cosines: Vec<f32> = vectors.chunks_exact(dim).zip(full.chunks_exact(dim)).map(cosine).collect();
    let mean = cosines.iter().sum::<f32>() / cosines.len().max(1) as f32;
    format!("cosine {mean:.4}, at least {:.4}", cosines.iter().fold(1.0f32, |least, own| least.min(*own)))
}
