//! The accounts of a reading: what became of every row, and examples of what was refused.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::chunk::{Chunk, Rejected, SAMPLES};
use super::inspection::RejectedReason;
use super::options::CheckedOptions;
use super::reason::Reason;
use super::rules::RuleResult;
use crate::error::{Error, Result};

#[derive(Default)]
struct ReasonTally {
    count: u64,
    first: String,
    samples: Vec<String>,
}

/// Counts over all files.
pub(super) struct Ledger<'a> {
    options: &'a CheckedOptions,
    pub(super) rows: u64,
    rejected: BTreeMap<Reason, ReasonTally>,
    guests: u64,
    rule_hits: Vec<u64>,
    pub(super) excluded_items: u64,
    pub(super) duplicates_dropped: u64,
    bad_values: u64,
    float_ids: u64,
    writer: Option<(PathBuf, BufWriter<File>)>,
}

impl<'a> Ledger<'a> {
    /// Opens the accounts, and the file of rejected rows if one is wanted.
    pub(super) fn open(options: &'a CheckedOptions) -> Result<Self> {
        let writer = options.given.rejects.as_ref().map(|path| {
            let mut file = BufWriter::new(File::create(path).map_err(|e| Error::io(path, e))?);
            writeln!(file, "file,row,reason,raw").map_err(|e| Error::io(path, e))?;
            Ok((path.clone(), file))
        });
        Ok(Self {
            options,
            rows: 0,
            rejected: BTreeMap::new(),
            guests: 0,
            rule_hits: vec![0; options.given.type_rules.len()],
            excluded_items: 0,
            duplicates_dropped: 0,
            bad_values: 0,
            float_ids: 0,
            writer: writer.transpose()?,
        })
    }

    /// Adds a chunk of a file whose first row has the number `first_row`.
    pub(super) fn add(&mut self, chunk: &Chunk, path: &Path, first_row: u64) -> Result<()> {
        self.rows += chunk.rows;
        self.guests += chunk.guests;
        self.bad_values += chunk.bad_values;
        self.float_ids += chunk.float_ids;
        self.rule_hits.iter_mut().zip(&chunk.rule_hits).for_each(|(sum, hits)| *sum += hits);
        for rejected in &chunk.rejected {
            self.add_rejected(rejected, path, first_row + rejected.row)?;
        }
        Ok(())
    }

    fn add_rejected(&mut self, rejected: &Rejected, path: &Path, row: u64) -> Result<()> {
        let tally = self.rejected.entry(rejected.reason).or_default();
        if tally.count == 0 {
            tally.first = format!("{} row {row}", path.display());
        }
        tally.count += 1;
        let Some(raw) = &rejected.raw else { return Ok(()) };
        if tally.samples.len() < SAMPLES {
            tally.samples.push(raw.chars().take(200).collect());
        }
        let reason = self.reason_text(rejected.reason);
        if let Some((rejects, file)) = &mut self.writer {
            let fields = [quoted(&path.display().to_string()), row.to_string(), quoted(&reason), quoted(raw)];
            writeln!(file, "{}", fields.join(",")).map_err(|e| Error::io(rejects.as_path(), e))?;
        }
        Ok(())
    }

    /// Closes the file of rejected rows, and refuses a log of which too much was rejected.
    pub(super) fn close(&mut self) -> Result<()> {
        if let Some((path, mut file)) = self.writer.take() {
            file.flush().map_err(|e| Error::io(path, e))?;
        }
        let rejected: u64 = self.rejected.values().map(|tally| tally.count).sum();
        let share = rejected as f64 / self.rows.max(1) as f64;
        if share <= self.options.given.max_reject {
            return Ok(());
        }
        let describe = |(reason, tally): (&Reason, &ReasonTally)| {
            let mend = match reason {
                Reason::NoUser => {
                    "; guests? leave them out with --guests skip, or take each session for a user with --guests session"
                }
                _ => "",
            };
            format!("{} {} (first: {}{mend})", tally.count, self.reason_text(*reason), tally.first)
        };
        Err(Error::TooManyRejects {
            rejected,
            rows: self.rows,
            share: share * 100.0,
            limit: self.options.given.max_reject * 100.0,
            summary: self.rejected.iter().map(describe).collect::<Vec<_>>().join(", "),
        })
    }

    pub(super) fn rejected(&self) -> Vec<RejectedReason> {
        let reason = |(reason, tally): (&Reason, &ReasonTally)| RejectedReason {
            reason: self.reason_text(*reason),
            count: tally.count,
            first: tally.first.clone(),
            samples: tally.samples.clone(),
        };
        self.rejected.iter().map(reason).collect()
    }

    /// Rows set aside on request, by cause.
    pub(super) fn dropped(&self) -> BTreeMap<String, u64> {
        let rules = self.options.given.type_rules.iter().zip(&self.rule_hits);
        let by_rule = rules.filter(|(rule, _)| *rule.result() == RuleResult::Drop);
        let mut dropped: BTreeMap<String, u64> =
            by_rule.map(|(rule, &hits)| (format!("rule {rule}"), hits)).collect();
        dropped.insert("guest".into(), self.guests);
        dropped.insert("excluded item".into(), self.excluded_items);
        dropped.insert("duplicate".into(), self.duplicates_dropped);
        dropped.retain(|_, count| *count > 0);
        dropped
    }

    /// Rows kept although something in them had to be mended.
    pub(super) fn repaired(&self) -> BTreeMap<String, u64> {
        let counts = [("bad value", self.bad_values), ("id written as a float", self.float_ids)];
        counts
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(what, count)| (what.to_owned(), count))
            .collect()
    }

    /// Rows that each rule held for.
    pub(super) fn rules(&self) -> BTreeMap<String, u64> {
        self.options
            .given
            .type_rules
            .iter()
            .map(ToString::to_string)
            .zip(self.rule_hits.iter().copied())
            .collect()
    }

    fn reason_text(&self, reason: Reason) -> String {
        let rule = |number: u8| {
            self.options
                .given
                .type_rules
                .get(usize::from(number))
                .map(ToString::to_string)
                .unwrap_or_default()
        };
        reason.text(rule)
    }
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.into()
    }
}
