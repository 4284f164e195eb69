//! Does the server's state survive `kill -9`? Round after round it is started, written to under load, killed at a random moment, and what
//! it then has is held against all that was acknowledged.
//!
//! `cargo bench -p wane-serve --bench crash -- --wane PATH/TO/wane --model FOLDER [--rounds 1000] [--seed N] [--durability fsync|os]`
//! `cargo bench -p wane-serve --bench crash -- --wane PATH/TO/wane --model FOLDER --users 1000000 [--rounds 5]`
//!
//! - A round: `wane serve` is started on a state folder; what it has of all users touched before, and of some others, is read; then
//!   four connections write single events, lists and lines, send requests again, ask for lists, tell of items and erase users, until the
//!   process is killed. A round in seven kills it while it starts, and a round in seven does little but erase. Every hundred rounds all users are
//!   read once more and a new folder begins, so that first starts are killed too.
//! - What must hold: an event that was acknowledged is there once, with what was said in it; one that was sent and not acknowledged is there
//!   once or not; an id that two connections sent at once is there once; a user whose erasure was acknowledged is empty, and one whose
//!   erasure was not is as before or empty; events of one moment stand in the order of arrival; a request counts as `known` what was there;
//!   an item is as it was said last and acknowledged, or as it was said after that.
//!   Names of users who were erased for good stand in no file of the folder.
//! - State equals replay: every fifty rounds the kept events are streamed into a fresh server, which must give the same lists with
//!   their reasons, byte for byte except the time that they took.
//! - `--users N`: a folder with three events of each of so many users, and the time from a start after `kill -9` to `/health/ready`;
//!   beside it what `PRAGMA quick_check` takes, which a start therefore does not do.
//! - Random choices come from the seed; moments do not, for threads run as they run. The first violation is told with all that is known of
//!   the user, its folder is kept, and the exit status is 1.
//!
//! A kill leaves what the operating system has, so it tests the code and not the disk: for a power cut there are the `fsync`s, and
//! tests that tear the log's end off.

// A benchmark is a program: it prints, and stops at what it did not expect.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod http;
mod ledger;
mod load;
mod many;
mod random;
mod replay;
mod rounds;
mod server;

use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "crash: --wane PATH/TO/wane --model FOLDER [--rounds 1000] [--seed N] [--durability fsync|os] [--users N]";

/// What was asked for.
#[derive(Debug, Clone)]
struct Settings {
    wane: PathBuf,
    model: PathBuf,
    rounds: Option<usize>,
    seed: u64,
    durability: String,
    users: Option<usize>,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if args.is_empty() {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let Some(settings) = settings(&args) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match settings.users {
        Some(users) => many::run(&settings, users),
        None => rounds::run(&settings),
    }
}

fn settings(args: &[String]) -> Option<Settings> {
    let value = |name: &str| {
        let place = args.iter().position(|arg| arg == name)?;
        args.get(place + 1).map(String::as_str)
    };
    let number = |name: &str| value(name).map(|text| text.replace('_', "").parse::<usize>());
    let durability = value("--durability").unwrap_or("fsync").to_owned();
    Some(Settings {
        wane: value("--wane")?.into(),
        model: value("--model")?.into(),
        rounds: number("--rounds").transpose().ok()?,
        seed: number("--seed").transpose().ok()?.unwrap_or(1) as u64,
        durability: ["fsync", "os"].contains(&&*durability).then_some(durability)?,
        users: number("--users").transpose().ok()?,
    })
}
