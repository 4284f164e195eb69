//! Feeds damaged files to every reader for a while: none may panic, whatever the bytes.
//!
//! `cargo run --release -p wane --example fuzz_readers -- [SECONDS PER READER] [SEED]`
//!
//! A valid file is damaged in a few places (bytes changed, removed, doubled, cut, or swapped for telling ones such
//! as quotes, digits and NUL), written to a temporary folder, and read as a log and as a table. Compressed readers
//! get both damaged streams and sound streams of damaged text. A panic prints the reader, the round and the seed.

// A program for developers: it prints, and stops at what it did not expect.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use wane::events::read::{ReadOptions, Table, read_events};

const TELLING: &[u8] = b"\"\",\n\r\t;{}[]:0e-.\x00\xff\xef\\";

/// Compresses a text.
type Pack = fn(&[u8]) -> Vec<u8>;

/// A reader to be tried: a file name and how its content is made.
struct Target {
    name: &'static str,
    text: Vec<u8>,
    pack: Option<Pack>,
}

fn main() {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>().unwrap());
    let (seconds, seed) = (args.next().unwrap_or(60), args.next().unwrap_or(1));
    let folder = tempfile::tempdir().unwrap();
    for target in targets() {
        let rounds = try_reader(&target, folder.path(), Duration::from_secs(seconds), seed);
        println!("{:14} {rounds:8} files, no panic", target.name);
    }
}

fn targets() -> Vec<Target> {
    let (csv, jsonl) = (csv(), jsonl());
    vec![
        Target { name: "log.csv", text: csv.clone(), pack: None },
        Target { name: "log.tsv", text: replaced(&csv, b',', b'\t'), pack: None },
        Target { name: "log.jsonl", text: jsonl.clone(), pack: None },
        Target { name: "log.parquet", text: parquet(), pack: None },
        Target { name: "log.csv.gz", text: csv, pack: Some(gzip) },
        Target { name: "log.jsonl.zst", text: jsonl, pack: Some(zstd) },
    ]
}

/// Damages and reads until the time is over; the number of files read.
fn try_reader(target: &Target, folder: &Path, time: Duration, seed: u64) -> u64 {
    let mut rng = StdRng::seed_from_u64(seed);
    let path = folder.join(target.name);
    let options = ReadOptions { max_reject: 1.0, ..ReadOptions::default() };
    let start = Instant::now();
    let mut rounds = 0;
    while start.elapsed() < time {
        let mut bytes = target.text.clone();
        let inside = rng.random_range(0..2) == 0;
        match target.pack {
            Some(pack) if inside => bytes = pack(&damaged(bytes, &mut rng)),
            Some(pack) => bytes = damaged(pack(&bytes), &mut rng),
            None => bytes = damaged(bytes, &mut rng),
        }
        std::fs::write(&path, &bytes).unwrap();
        let read = catch_unwind(AssertUnwindSafe(|| {
            let _log = read_events(std::slice::from_ref(&path), &options);
            let _table = Table::open(&path);
        }));
        if read.is_err() {
            let kept = std::env::temp_dir().join(format!("panic-{rounds}-{}", target.name));
            std::fs::write(&kept, &bytes).unwrap();
            println!(
                "{} panics in round {rounds} of seed {seed}; the file is {}",
                target.name,
                kept.display()
            );
            std::process::exit(1);
        }
        rounds += 1;
    }
    rounds
}

fn damaged(mut bytes: Vec<u8>, rng: &mut StdRng) -> Vec<u8> {
    for _ in 0..rng.random_range(1..8) {
        if bytes.is_empty() {
            break;
        }
        let place = rng.random_range(0..bytes.len());
        let end = (place + rng.random_range(1..64)).min(bytes.len());
        match rng.random_range(0..7) {
            0 => bytes[place] = rng.random_range(0..=255),
            1 => bytes[place] = TELLING[rng.random_range(0..TELLING.len())],
            2 => bytes.insert(place, TELLING[rng.random_range(0..TELLING.len())]),
            3 => bytes[place] ^= 1 << rng.random_range(0..8),
            4 => drop(bytes.drain(place..end)),
            5 => {
                let piece = bytes[place..end].to_vec();
                bytes.splice(place..place, piece);
            }
            _ if rng.random_range(0..4) == 0 => bytes.truncate(place),
            _ => bytes[place] = 0xff,
        }
    }
    bytes
}

fn csv() -> Vec<u8> {
    let row =
        |n: usize| format!("u{},\"item {}\",{},view,{}.5,s{}\n", n % 7, n % 5, 1_600_000_000 + n, n, n / 4);
    let rows: String = (0..40).map(row).collect();
    format!("user_id,item_id,timestamp,event_type,value,session_id\n{rows}").into_bytes()
}

fn jsonl() -> Vec<u8> {
    let row = |n: usize| {
        format!(
            "{{\"user\":\"u{}\",\"item\":{},\"ts\":\"2020-01-02T03:04:{:02}Z\",\"tags\":[\"a\",{{\"b\":null}}]}}\n",
            n % 7,
            n % 5,
            n
        )
    };
    (0..40).map(row).collect::<String>().into_bytes()
}

fn parquet() -> Vec<u8> {
    let text = |prefix: &str, of: usize| {
        Arc::new(StringArray::from_iter_values((0..200).map(|n| format!("{prefix}{}", n % of)))) as ArrayRef
    };
    let columns: [(&str, ArrayRef); 4] = [
        ("user_id", Arc::new(Int64Array::from_iter_values((0..200).map(|n| n % 7)))),
        ("item_id", text("i", 30)),
        ("timestamp", Arc::new(Int64Array::from_iter_values((0..200).map(|n| 1_600_000_000 + n)))),
        ("value", Arc::new(Float64Array::from_iter_values((0..200).map(f64::from)))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn replaced(bytes: &[u8], from: u8, to: u8) -> Vec<u8> {
    bytes.iter().map(|&byte| if byte == from { to } else { byte }).collect()
}
