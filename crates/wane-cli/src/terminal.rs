//! What people see: standard output, progress bars, tables.
//!
//! Output goes through `write!`, not `println!`, because `wane … | head` closes the pipe early and must end
//! quietly; `main` turns that error into a normal end.

use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Result;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table};
use indicatif::{ProgressBar, ProgressStyle};
use wane::eval::Monitor;

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
        BarMonitor { terminal: *self, start: Instant::now(), bar: Mutex::new(ProgressBar::hidden()) }
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
    bar: Mutex<ProgressBar>,
}

impl Monitor for BarMonitor {
    fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    fn advance(&self, steps: u64) {
        if let Ok(bar) = self.bar.lock() {
            bar.inc(steps);
        }
    }

    fn begin(&self, what: &str, steps: u64) {
        if let Ok(mut bar) = self.bar.lock() {
            bar.finish_and_clear();
            *bar = if steps == 0 { self.terminal.spinner(what) } else { self.terminal.bar(what, steps) };
        }
    }
}

impl Drop for BarMonitor {
    fn drop(&mut self) {
        if let Ok(bar) = self.bar.lock() {
            bar.finish_and_clear();
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
        let is_words = *head == "because";
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
