//! Reading a large log: seconds and peak memory, beside Polars doing the same work on the same files.
//!
//! `cargo bench -p wane --bench ingest -- 20000000 [--repeat 3] [--python PYTHON]`
//!
//! - The log: N events of N/20 users on 100,000 Zipf-distributed items, four event types, in order of time, with
//!   ids such as `u123456`; written once as Parquet and as CSV into a temporary folder.
//! - The work: read, drop what is not understood, encode users, items and types, sort by user and time. Wane also
//!   counts gaps, days, duplicates and machines, because its reader always does.
//! - Each run is a process of its own, Wane and Polars by turns; the medians of wall time (inside the process, without its start) and
//!   of peak resident memory (`VmHWM`) are shown. The files are in the page cache.
//! - Polars is taken from PYTHON if it is given, else installed into a temporary environment with `python3 -m venv`
//!   and pip; where that fails, only Wane is shown, and it is said.

// A benchmark is a program: it prints, and stops at what it did not expect.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Zipf};
use wane::events::read::{ReadOptions, read_events};

const ITEMS: f64 = 100_000.0;
const TYPES: [&str; 4] = ["view", "view", "cart", "purchase"];
const BATCH: usize = 250_000;
const FORMATS: [&str; 2] = ["parquet", "csv"];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let [mode, path] = args.as_slice()
        && mode == "--child"
    {
        return child(Path::new(path));
    }
    let option = |name: &str| args.iter().position(|arg| arg == name).and_then(|place| args.get(place + 1));
    let n = args.first().and_then(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    let repeat: usize = option("--repeat").and_then(|text| text.parse().ok()).unwrap_or(3);
    let folder = tempfile::tempdir().unwrap();
    write_log(folder.path(), n);
    let python = option("--python").map(PathBuf::from).or_else(|| install_polars(folder.path()));
    println!("{n} events, medians of {repeat} runs");
    println!("format   program  seconds  M events/s  peak MiB");
    for format in FORMATS {
        let path = folder.path().join(format!("log.{format}"));
        let (mut wane, mut polars) = (Vec::new(), Vec::new());
        for _ in 0..repeat {
            let own = std::env::current_exe().unwrap();
            wane.push(run(Command::new(own).arg("--child").arg(&path)));
            if let Some(python) = &python {
                let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/ingest_polars.py");
                polars.push(run(Command::new(python).arg(script).arg(format).arg(&path)));
            }
        }
        report(format, n, wane, polars);
    }
}

/// Reads one file and prints seconds, peak MiB and events.
fn child(path: &Path) {
    let start = Instant::now();
    let (log, _) = read_events(&[path.to_path_buf()], &ReadOptions::default()).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let kib: f64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    println!("{seconds} {} {}", kib / 1024.0, log.len());
}

fn run(command: &mut Command) -> (f64, f64) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<f64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
    (numbers[0], numbers[1])
}

fn report(format: &str, n: usize, wane: Vec<(f64, f64)>, polars: Vec<(f64, f64)>) {
    let line = |program: &str, (seconds, peak): (f64, f64)| {
        println!("{format:8} {program:8} {seconds:7.2}  {:10.2}  {peak:8.0}", n as f64 / seconds / 1e6);
    };
    let ours = medians(wane);
    line("wane", ours);
    if !polars.is_empty() {
        let theirs = medians(polars);
        line("polars", theirs);
        println!("{format:8} ratio    {:7.2}  {:10}  {:8.2}", ours.0 / theirs.0, "", ours.1 / theirs.1);
    }
}

fn medians(runs: Vec<(f64, f64)>) -> (f64, f64) {
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    (median(runs.iter().map(|run| run.0).collect()), median(runs.iter().map(|run| run.1).collect()))
}

fn install_polars(folder: &Path) -> Option<PathBuf> {
    let venv = folder.join("venv");
    let python = venv.join("bin/python");
    let ok = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    let installed = ok(Command::new("python3").args(["-m", "venv"]).arg(&venv))
        && ok(Command::new(&python).args(["-m", "pip", "install", "polars"]));
    if !installed {
        println!("Polars could not be installed: only Wane is measured");
    }
    installed.then_some(python)
}

/// Writes the log in both formats, a batch at a time.
fn write_log(folder: &Path, n: usize) {
    let mut rng = StdRng::seed_from_u64(7);
    let users = (n / 20).max(1);
    let items = Zipf::new(ITEMS, 1.0).unwrap();
    let mut csv = BufWriter::new(File::create(folder.join("log.csv")).unwrap());
    writeln!(csv, "user_id,item_id,event_type,timestamp").unwrap();
    let mut parquet: Option<ArrowWriter<File>> = None;
    let mut time = 1_600_000_000_000i64;
    for start in (0..n).step_by(BATCH) {
        let rows = BATCH.min(n - start);
        let user: Vec<String> = (0..rows).map(|_| format!("u{}", rng.random_range(0..users))).collect();
        let item: Vec<String> = (0..rows).map(|_| format!("i{}", items.sample(&mut rng) as u64)).collect();
        let kind: Vec<&str> = (0..rows).map(|_| TYPES[rng.random_range(0..TYPES.len())]).collect();
        let times = (0..rows).map(|_| {
            time += rng.random_range(0..1000);
            time
        });
        let times: Vec<i64> = times.collect();
        for row in 0..rows {
            writeln!(csv, "{},{},{},{}", user[row], item[row], kind[row], times[row]).unwrap();
        }
        let columns: [(&str, ArrayRef); 4] = [
            ("user_id", Arc::new(StringArray::from(user))),
            ("item_id", Arc::new(StringArray::from(item))),
            ("event_type", Arc::new(StringArray::from(kind))),
            ("timestamp", Arc::new(Int64Array::from(times))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let writer = parquet.get_or_insert_with(|| {
            let file = File::create(folder.join("log.parquet")).unwrap();
            ArrowWriter::try_new(file, batch.schema(), None).unwrap()
        });
        writer.write(&batch).unwrap();
    }
    parquet.map(|writer| writer.close().unwrap());
    csv.flush().unwrap();
}
