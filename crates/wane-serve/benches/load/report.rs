//! Figures as they are printed.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::options::{Arrivals, Options};
use crate::tally::{Counts, Tally};
use crate::traffic::Traffic;

const SHARES: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

/// What is measured, and on what.
pub(crate) fn protocol(options: &Options, traffic: &Traffic) -> String {
    let Options { seconds, warm_up, connections, seed, .. } = options;
    let gaps = if options.arrivals == Arrivals::Poisson { "Poisson" } else { "constant" };
    let rate = if options.find_maximum {
        format!(
            "from {:.0}/s by {} until p99 > {} ms or < 98 %",
            options.rate, options.step, options.limit_ms
        )
    } else {
        format!("{:.0}/s", options.rate)
    };
    format!(
        "{}\n{rate}, {gaps}, {seconds} s after {warm_up} s, {connections} connections, seed {seed}; milliseconds from when a request was due\n{}, server and load together\n",
        traffic.describe(options),
        hardware()
    )
}

/// The processor's name and how many there are.
fn hardware() -> String {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = about.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    format!("{processors} processors ({})", name.unwrap_or("unknown"))
}

/// One line per kind, and what else there is to say.
pub(crate) fn table(tally: &Tally) -> String {
    let mut text = String::from("kind           count   failed  achieved/s");
    SHARES.iter().for_each(|(name, _)| text += &format!("{name:>9}"));
    text += "  bytes\n";
    for (name, counts) in kinds(tally) {
        let (count, failed) = (counts.total(), counts.failed());
        let _ =
            write!(text, "{name:<10}{count:>10}{failed:>9}{:>12.1}", counts.arrived as f64 / tally.seconds());
        SHARES.iter().for_each(|(_, share)| text += &format!("{:>9.3}", counts.within_ms(*share)));
        let _ = writeln!(text, "{:>7.0}", bytes(&counts));
    }
    for (failure, count) in &tally.all().failures {
        let _ = writeln!(text, "failed: {count} {failure}");
    }
    let waited = |share| tally.waited.value_at_quantile(share) as f64 / 1e6;
    let _ = writeln!(
        text,
        "waited p50 {:.3}, p99 {:.3}, max {:.3}; processor {:.2}; connections made anew {}",
        waited(0.5),
        waited(0.99),
        waited(1.0),
        tally.processor,
        tally.reopened
    );
    text
}

/// A step towards the maximum, in one line.
pub(crate) fn step(tally: &Tally, holds: bool) -> String {
    let all = tally.all();
    format!(
        "{:>8.0}/s: achieved {:.0}, failed {}, p50 {:.3}, p99 {:.3}{}",
        tally.rate,
        tally.achieved(),
        all.failed(),
        all.within_ms(0.5),
        all.within_ms(0.99),
        if holds { "" } else { ": too much" }
    )
}

/// All of it, for programs; of a search for the maximum the steps that held.
pub(crate) fn json(options: &Options, traffic: &Traffic, tallies: &[&Tally]) -> Value {
    let runs: Vec<Value> = tallies.iter().map(|tally| run(tally)).collect();
    json!({
        "load": traffic.describe(options), "hardware": hardware(), "arrivals": format!("{:?}", options.arrivals).to_lowercase(),
        "seconds": options.seconds, "warm_up": options.warm_up, "connections": options.connections,
        "seed": options.seed, "limit_ms": options.limit_ms, "find_maximum": options.find_maximum, "runs": runs,
    })
}

fn run(tally: &Tally) -> Value {
    let kind = |(name, counts): (&str, Counts)| {
        let mut own = json!({
            "count": counts.total(), "failed": counts.failed(), "achieved": counts.arrived as f64 / tally.seconds(),
            "failures": counts.failures.iter().map(|(failure, n)| (failure.to_string(), json!(n))).collect::<serde_json::Map<_, _>>(),
            "bytes": bytes(&counts),
        });
        SHARES.iter().for_each(|(share, at)| own[format!("{share}_ms")] = json!(counts.within_ms(*at)));
        (name.to_owned(), own)
    };
    let mut all: serde_json::Map<String, Value> = kinds(tally).into_iter().map(kind).collect();
    all.insert("rate".into(), json!(tally.rate));
    all.insert("waited_p99_ms".into(), json!(tally.waited.value_at_quantile(0.99) as f64 / 1e6));
    all.insert("processor".into(), json!(tally.processor));
    all.insert("reopened".into(), json!(tally.reopened));
    Value::Object(all)
}

/// Those that were asked, and all.
fn kinds(tally: &Tally) -> Vec<(&'static str, Counts)> {
    let all =
        [("recommend", tally.recommend.clone()), ("events", tally.events.clone()), ("all", tally.all())];
    all.into_iter().filter(|(_, counts)| counts.total() > 0).collect()
}

/// Of a body, on average.
fn bytes(counts: &Counts) -> f64 {
    counts.bytes as f64 / counts.latencies.len().max(1) as f64
}
