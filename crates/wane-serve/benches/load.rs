//! How many requests per second a server holds, and how long each of them waits.
//!
//! `cargo bench -p wane-serve --bench load -- --model MODEL [options] 127.0.0.1:7700` (`--help` has the options)
//!
//! - Open loop: requests are due at moments that do not depend on the answers, and a latency is counted from when its request was due. A
//!   server that stands still for a second is charged with all that was due in it. Latencies are of answers with 2xx; everything
//!   else is a failure and counted by what it was.
//! - Connections are few and kept alive, one request on each at a time. What is due while all of them are taken waits; what is due while
//!   two seconds' worth waits is given up, and is a failure.
//! - `achieved` counts the answers that came within the measured time, whenever they were due: it falls behind the rate where the server does.
//! - `--model`: lists for users of a fitted model and a few strangers, and events one by one. `--sessions`: lists for sessions of a log, each
//!   growing by one event per request, 256 of them by turns, begun again from the first when all are over; with `--serenade` the same sequence
//!   as that server wants it.
//! - `--find-maximum`: the rate grows by steps until p99 of a kind is beyond the limit or less than 98 % is achieved. A step that does not hold
//!   is tried once more, for others may have had the processor.
//! - One thread with non-blocking sockets and `ppoll`: the server has the other processors. `processor` is the share of one that this program
//!   took, `waited` the time that requests were due and not yet sent, by its own slowness or for want of a free connection.

// A benchmark is a program: it prints.
#![allow(clippy::print_stdout, missing_docs)]

#[path = "load/connection.rs"]
mod connection;
#[path = "load/options.rs"]
mod options;
#[path = "load/report.rs"]
mod report;
#[path = "load/run.rs"]
mod run;
#[path = "load/tally.rs"]
mod tally;
#[path = "load/traffic.rs"]
mod traffic;

use anyhow::{Result, bail};
use clap::Parser;

use options::Options;
use tally::Tally;
use traffic::Traffic;

fn main() -> Result<()> {
    // Cargo runs all benches so.
    if std::env::args().skip(1).all(|argument| argument == "--bench") {
        println!("usage: cargo bench -p wane-serve --bench load -- --model MODEL 127.0.0.1:7700 (or --help)");
        return Ok(());
    }
    let options = Options::parse();
    let mut traffic = Traffic::new(&options)?;
    if !options.json {
        print!("{}", report::protocol(&options, &traffic));
    }
    if options.find_maximum {
        return find_maximum(&options, &mut traffic);
    }
    let tally = run::run(&options, options.rate, &mut traffic)?;
    if options.json {
        println!("{}", report::json(&options, &traffic, &[&tally]));
    } else {
        print!("{}", report::table(&tally));
    }
    Ok(())
}

/// Raises the rate until it is too much, and tells the highest that was not.
fn find_maximum(options: &Options, traffic: &mut Traffic) -> Result<()> {
    let mut steps = Vec::new();
    let mut rate = options.rate;
    loop {
        let tally = tried(options, rate, traffic)?;
        let holds = tally.holds(options.limit_ms);
        if !options.json {
            println!("{}", report::step(&tally, holds));
        }
        steps.push(tally);
        rate *= options.step;
        if !holds || rate > options::MOST {
            break;
        }
    }
    let held: Vec<&Tally> = steps.iter().filter(|tally| tally.holds(options.limit_ms)).collect();
    match held.last() {
        _ if options.json => println!("{}", report::json(options, traffic, &held)),
        None => bail!("{} a second do not hold; begin lower: --rate", options.rate),
        Some(highest) => {
            print!("\nhighest that held: {:.0}/s\n{}", highest.rate, report::table(highest));
        }
    }
    Ok(())
}

/// What a rate gives, and what it gives the second time if it does not hold the first.
fn tried(options: &Options, rate: f64, traffic: &mut Traffic) -> Result<Tally> {
    let first = run::run(options, rate, traffic)?;
    if first.holds(options.limit_ms) { Ok(first) } else { run::run(options, rate, traffic) }
}
