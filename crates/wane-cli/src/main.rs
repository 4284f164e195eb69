//! The command line of Wane: parse, run one verb, and end with 0 (done), 1 (failed) or 2 (bad use).

mod args;
mod cmd;
mod config;
mod log;
mod serve_config;
mod terminal;
mod texts;

use std::io::ErrorKind;
use std::process::ExitCode;

use anyhow::{Context, Result};
use args::{Cli, Command};
use clap::Parser;
use terminal::Terminal;

/// A server makes and drops many small texts at once, which the system's allocator does slower.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let terminal = Terminal::new(cli.quiet);
    match run(cli, terminal) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            terminal.remark(format!("error: {}", in_words(&error)));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli, terminal: Terminal) -> Result<()> {
    if let Some(threads) = cli.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(usize::from(threads))
            .build_global()
            .context("could not start the worker threads")?;
    }
    match cli.command {
        Command::Demo(args) => cmd::demo::run(&args, terminal),
        Command::Simulate(args) => cmd::simulate::run(&args, terminal),
        Command::Inspect(args) => cmd::inspect::run(&args, terminal),
        Command::Features(args) => cmd::features::run(&args, terminal),
        Command::Halflife(args) => cmd::halflife::run(&args, terminal),
        Command::Forecast(args) => cmd::forecast::run(&args, terminal),
        Command::Profile(args) => cmd::profile::run(&args, terminal),
        Command::Fit(args) => cmd::fit::run(&args, terminal),
        Command::Evaluate(args) => cmd::evaluate::run(&args, terminal),
        Command::Recommend(args) => cmd::recommend::run(&args, terminal),
        Command::Explain(args) => cmd::explain::run(&args, terminal),
        Command::Encode(args) => cmd::encode::run(&args, terminal),
        Command::Serve(args) => cmd::serve::run(&args, terminal),
        Command::Key(args) => cmd::key::run(&args, terminal),
    }
}

/// An error and its causes, each said once: many messages end with their cause already.
fn in_words(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| match said.as_str() {
        "" => cause,
        said if said.ends_with(&cause) => said.to_owned(),
        said => format!("{said}: {cause}"),
    })
}

/// Whether the reader of our output has gone away (`wane … | head`), which is no failure.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
    })
}
