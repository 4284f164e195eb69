//! How fast half-lives are counted and fitted, how that grows with the log, and beside lifelines.
//!
//! `cargo bench -p wane --bench survival [-- MILLIONS_OF_EVENTS...] [--python PYTHON]`
//!
//! - A simulated shop (one user per twenty events, 2,000 items): `half_lives` of every event type and category, drift
//!   included, from the log in memory to fitted laws; seconds and the most memory that the program had.
//! - BG/NBD and Pareto/NBD on a million simulated users: from the array of rhythms to parameters.
//! - A Weibull law with censoring, fitted to a million gaps: from the array of lengths to parameters and standard errors, by turns
//!   with `WeibullFitter` of lifelines, three times each. lifelines is taken from PYTHON if it is given, else installed
//!   into a temporary environment; its import and the reading of the gaps are not in its time.

// A benchmark is a program: it prints, and stops at what it did not expect.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use wane::decay::activity::{Activity, ActivityLaw, Visit, Visits};
use wane::decay::survival::{Gaps, ReturnLaw, fit_law};
use wane::events::MILLIS_PER_DAY;
use wane::pipeline::{HalfLifeBy, HalfLivesAsked, half_lives};
use wane::simulate::{ShopSettings, simulate};

const GAPS: usize = 1_000_000;
const TURNS: usize = 3;
const USERS: usize = 1_000_000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let sizes: Vec<usize> = words.iter().filter_map(|text| text.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![1, 5, 20] } else { sizes };
    let python = words.iter().position(|word| word == "--python").and_then(|place| words.get(place + 1));
    customers();
    weibull(python.map(PathBuf::from));
    sizes.into_iter().for_each(shop);
}

fn shop(millions: usize) {
    let users = millions * 1_000_000 / 20;
    let settings = ShopSettings { users, items: 2_000, events_per_user: 20.0, ..ShopSettings::default() };
    let shop = simulate(&settings, 1).expect("a shop");
    for drift in [false, true] {
        let start = Instant::now();
        let asked = HalfLivesAsked { by: HalfLifeBy::Category, law: None, drift, engagement: false };
        let found = half_lives(&shop.log, Some(&shop.catalogue), asked, &|_, _| ()).unwrap();
        println!(
            "{} events, {} cells{}: {:.2} s; {:.1} GiB at most, the log included",
            shop.log.len(),
            found.cells.len(),
            if drift { ", drift" } else { "" },
            start.elapsed().as_secs_f64(),
            most_memory()
        );
    }
}

fn customers() {
    let mut random = StdRng::seed_from_u64(9);
    let mut exponential = |scale: f64| -(1.0 - random.random::<f64>()).ln() * scale;
    let user = |_| {
        // Rates spread over users; one visit in five is the last.
        let (mean_gap, age_days) = (5.0 + exponential(20.0), (700.0 - exponential(200.0)).max(30.0).floor());
        let mut visit = Visit { repeats: 0, recency_days: 0.0, age_days };
        loop {
            let next = visit.recency_days + exponential(mean_gap).ceil();
            if next > age_days || exponential(1.0) < 0.22 {
                return visit;
            }
            visit = Visit { repeats: visit.repeats + 1, recency_days: next, ..visit };
        }
    };
    let visits: Vec<Visit> = (0..USERS).map(user).collect();
    for law in ActivityLaw::ALL {
        let start = Instant::now();
        let fitted = Activity::fit(&Visits::new(visits.iter().copied()), law).unwrap();
        println!(
            "{USERS} users: {law} in {:.2} s, {:?}",
            start.elapsed().as_secs_f64(),
            numbers(fitted.parameters())
        );
    }
}

fn weibull(python: Option<PathBuf>) {
    let mut random = StdRng::seed_from_u64(5);
    let gap = |_| {
        let age = 9.0 * (-(1.0 - random.random::<f64>()).ln()).powf(1.0 / 1.4);
        let end = random.random_range(6.0..30.0);
        ((age.min(end) * MILLIS_PER_DAY as f64) as i64, age <= end)
    };
    let gaps: Vec<(i64, bool)> = (0..GAPS).map(gap).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gaps.bin");
    let bytes = gaps.iter().flat_map(|(millis, seen)| [*millis, i64::from(*seen)]).flat_map(i64::to_le_bytes);
    fs::write(&file, bytes.collect::<Vec<u8>>()).unwrap();
    let python = python.or_else(|| install_lifelines(folder.path()));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let start = Instant::now();
        let fitted = fit_law(&Gaps::new(gaps.iter().copied()), ReturnLaw::Weibull, false).unwrap();
        ours.push(start.elapsed().as_secs_f64());
        println!("wane      {:8.4} s  {:?}", ours[ours.len() - 1], numbers(&fitted.parameters));
        if let Some(python) = &python {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/survival_lifelines.py");
            let output = Command::new(python).arg(script).arg(&file).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let said = String::from_utf8(output.stdout).unwrap();
            theirs.push(said.split_whitespace().next().unwrap().parse::<f64>().unwrap());
            println!("lifelines {}", said.trim());
        }
    }
    if !theirs.is_empty() {
        println!("{GAPS} gaps: {:.0} times as fast (medians)", median(theirs) / median(ours));
    }
}

fn numbers(parameters: &[wane::decay::survival::Parameter]) -> Vec<(f64, f64)> {
    parameters.iter().map(|parameter| (parameter.value, parameter.standard_error)).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn install_lifelines(folder: &Path) -> Option<PathBuf> {
    let venv = folder.join("venv");
    let python = venv.join("bin/python");
    let ok = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    let installed = ok(Command::new("python3").args(["-m", "venv"]).arg(&venv))
        && ok(Command::new(&python).args(["-m", "pip", "install", "lifelines"]));
    if !installed {
        println!("lifelines could not be installed: only Wane is measured");
    }
    installed.then_some(python)
}

/// The most memory that the program had so far, in GiB (where the system tells).
fn most_memory() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    let kib: f64 = line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or_default();
    kib / (1 << 20) as f64
}
