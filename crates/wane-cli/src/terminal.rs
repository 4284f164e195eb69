//! What people see: standard output, progress bars, tables.
//!
//! Output goes through `write!`, not `println!`, because `wane … | head` closes the pipe early and must end
//! quietly; `main` turns that error into a normal end.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table};
use indicatif::{ProgressBar, ProgressStyle};
use wane::artifact::EventFile;
use wane::eval::Monitor;
use wane::train::Progress;

/// The terminal, or what stands in for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal {
    quiet: bool,
}

impl Terminal {
    /// A terminal; a quiet one shows no progress.
    pub(crate) fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    /// Writes a line to standard output.
    pub(crate) fn line(&self, text: impl AsRef<str>) -> Result<()> {
        Ok(writeln!(std::io::stdout().lock(), "{}", text.as_ref())?)
    }

    /// Writes a value as JSON to standard output.
    pub(crate) fn json(&self, value: &impl serde::Serialize) -> Result<()> {
        let mut out = std::io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, value).map_err(std::io::Error::from)?;
        Ok(writeln!(out)?)
    }

    /// Writes a remark to standard error: what was assumed, skipped or found.
    pub(crate) fn remark(&self, text: impl AsRef<str>) {
        // A closed standard error must not end the work.
        let _ = writeln!(std::io::stderr().lock(), "{}", text.as_ref());
    }

    /// A clock and a bar for the library's long work.
    pub(crate) fn monitor(&self) -> BarMonitor {
        BarMonitor { terminal: *self, start: Instant::now(), work: Mutex::new(Work::new(None)) }
    }

    /// The same; curves of trainings are also written below a folder, where one is given.
    pub(crate) fn logging_monitor(&self, folder: Option<&Path>) -> Result<BarMonitor> {
        if let Some(folder) = folder {
            // Hours of training later would be a bad time to find out.
            std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        Ok(BarMonitor { work: Mutex::new(Work::new(folder.map(Path::to_owned))), ..self.monitor() })
    }

    /// A bar over `steps` steps; invisible when quiet or when standard error is no terminal.
    pub(crate) fn bar(&self, what: &str, steps: u64) -> ProgressBar {
        if self.quiet {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(steps);
        if let Ok(style) = ProgressStyle::with_template("{msg:28} {wide_bar} {pos}/{len} {eta}") {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar
    }

    /// A spinner for work whose length is unknown.
    pub(crate) fn spinner(&self, what: &str) -> ProgressBar {
        if self.quiet {
            return ProgressBar::hidden();
        }
        let spinner = ProgressBar::new_spinner().with_message(what.to_owned());
        spinner.enable_steady_tick(Duration::from_millis(120));
        spinner
    }
}

/// Shows the library's progress; its clock is the machine's.
#[derive(Debug)]
pub(crate) struct BarMonitor {
    terminal: Terminal,
    start: Instant,
    work: Mutex<Work>,
}

/// The work that is going on.
#[derive(Debug)]
struct Work {
    bar: ProgressBar,
    began: Instant,
    /// When the last step was done: questions after an epoch are not part of its speed.
    advanced: Instant,
    /// What the last epoch of this training came to.
    told: String,
    /// Where curves go.
    folder: Option<PathBuf>,
    /// The curves of this training.
    curves: Option<EventFile>,
}

impl Work {
    fn new(folder: Option<PathBuf>) -> Self {
        let now = Instant::now();
        let (bar, told) = (ProgressBar::hidden(), String::new());
        Self { bar, began: now, advanced: now, told, folder, curves: None }
    }

    fn begin(&mut self, bar: ProgressBar) {
        self.bar.finish_and_clear();
        self.bar = bar;
        self.began = Instant::now();
        self.advanced = self.began;
    }

    /// Begins the curves of a training.
    fn begin_training(&mut self) -> wane::Result<()> {
        self.told.clear();
        self.curves = match &self.folder {
            Some(folder) => Some(EventFile::next_run(folder, seconds_since_1970())?),
            None => None,
        };
        Ok(())
    }

    /// Shows and writes what an epoch came to.
    fn tell(&mut self, progress: &Progress) -> wane::Result<()> {
        let seconds = self.advanced.duration_since(self.began).as_secs_f64();
        let speed = progress.examples as f64 / seconds.max(1e-9);
        let gain = progress.gain.map_or_else(String::new, |gain| format!(", gain {gain:.4}"));
        self.told = format!(", loss {:.3}{gain}, {} examples/s", progress.loss, count(speed as u64));
        self.bar.set_message(format!("epoch {}/{}{}", progress.epoch, progress.epochs, self.told));
        let Some(curves) = &mut self.curves else { return Ok(()) };
        let mut scalars = vec![
            ("loss", progress.loss as f32),
            ("rate", progress.rate as f32),
            ("examples_per_second", speed as f32),
        ];
        scalars.extend(progress.gain.map(|gain| ("gain", gain as f32)));
        curves.scalars(seconds_since_1970(), u64::from(progress.epoch), &scalars)
    }

    /// A training goes on when its curves cannot be written any longer, but not in silence.
    fn keep_on(&mut self, written: wane::Result<()>, terminal: Terminal) {
        if let Err(error) = written {
            self.curves = None;
            self.folder = None;
            terminal.remark(format!("no more curves are written: {error}"));
        }
    }
}

fn seconds_since_1970() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

impl Monitor for BarMonitor {
    fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    fn advance(&self, steps: u64) {
        if let Ok(mut work) = self.work.lock() {
            work.advanced = Instant::now();
            work.bar.inc(steps);
        }
    }

    fn begin(&self, what: &str, steps: u64) {
        if let Ok(mut work) = self.work.lock() {
            work.begin(if steps == 0 { self.terminal.spinner(what) } else { self.terminal.bar(what, steps) });
        }
    }

    fn begin_epoch(&self, epoch: u32, epochs: u32, examples: u64) {
        if let Ok(mut work) = self.work.lock() {
            // A training that goes on after an interruption begins later.
            if epoch == 1 || (work.folder.is_some() && work.curves.is_none()) {
                let written = work.begin_training();
                work.keep_on(written, self.terminal);
            }
            let what = format!("epoch {epoch}/{epochs}{}", work.told);
            work.begin(self.terminal.bar(&what, examples));
        }
    }

    fn epoch(&self, progress: &Progress) {
        if let Ok(mut work) = self.work.lock() {
            let written = work.tell(progress);
            work.keep_on(written, self.terminal);
        }
    }
}

impl Drop for BarMonitor {
    fn drop(&mut self) {
        if let Ok(work) = self.work.lock() {
            work.bar.finish_and_clear();
        }
    }
}

/// A table whose first column is left-aligned and whose others are right-aligned.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(NOTHING.header_separator(LineStyle::none().fill('─').junction('─')))
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    // Numbers are right-aligned under their heads; words, as in reasons, are not.
    for (column, head) in table.column_iter_mut().zip(header).skip(1) {
        let is_words = ["because", "event", "relation", "compared with", "in words"].contains(head);
        column.set_cell_alignment(if is_words { CellAlignment::Left } else { CellAlignment::Right });
    }
    table.to_string()
}

/// A number with thin groups of three digits: `1 234 567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}
