//! Tokens per second of a language model, in process: read many at once, and one after the other.
//!
//!     cargo bench -p wane-encode --bench decode -- MODEL.gguf
//!
//! The text has some 512 tokens; then 64 tokens follow, each chosen between two. Medians of [`ROUNDS`]. `decode.py` does the same with
//! llama.cpp. Without a model it says so and ends.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use wane_encode::Decoder;

const ROUNDS: usize = 5;
const TEXT: &str = "Interest in tea is rising, with 9 days in the last month after 2 in the month before. ";
const TIMES: usize = 20;
const STEPS: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let Some(model) = std::env::args().skip(1).find(|arg| !arg.starts_with("--")) else {
        println!("skipped: name a model, MODEL.gguf");
        return Ok(());
    };
    let decoder = Decoder::open(Path::new(&model))?;
    let text = TEXT.repeat(TIMES);
    let n = decoder.tokens(&text)?.len();
    let slots = vec![vec![" tea".to_owned(), " coffee".to_owned()]; STEPS];
    let (mut read, mut written) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let reading = decoder.read(&text)?;
        read.push(n as f64 / start.elapsed().as_secs_f64());
        let start = Instant::now();
        reading.choose(&slots)?;
        written.push(STEPS as f64 / start.elapsed().as_secs_f64());
    }
    for (name, speeds) in [("read at once", &mut read), ("one by one", &mut written)] {
        speeds.sort_by(f64::total_cmp);
        println!("{name:12} {:7.1} tokens/s", speeds[ROUNDS / 2]);
    }
    println!("{n} tokens read, {STEPS} written, medians of {ROUNDS}");
    Ok(())
}
