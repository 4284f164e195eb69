//! The way from files to an [`EventLog`]: find files, read each with the cells of its format, judge, sort.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::blocks::Blocks;
use super::chunk::Chunk;
use super::columnar::Columnar;
use super::columns::{Columns, Layout};
use super::delimited::{self, Delimited};
use super::inspection::{FileInspection, Inspection};
use super::intern::Interner;
use super::jsonl;
use super::judge::Judge;
use super::ledger::Ledger;
use super::options::{CheckedOptions, Guests, ReadOptions};
use super::source::{Format, Source, is_known_name};
use super::table::refuse_duplicates;
use super::time::{TimeForm, TimeReader};
use super::types::number_type;
use super::workers::in_order;
use crate::error::{Error, Result};
use crate::events::clean::{bot_like_users, count_duplicates, dedupe};
use crate::events::log::NO_SESSION;
use crate::events::profile::LogProfile;
use crate::events::{EventColumns, EventLog, EventTypeId, Timestamp};

/// Reads behaviour logs from files, folders and glob patterns into one log.
///
/// The result does not depend on the number of threads, nor (but for the order of events of one user at one moment)
/// on the order of rows.
///
/// # Errors
/// [`Error::Io`] and [`Error::Malformed`] for files that cannot be read at all, [`Error::Column`] when a needed
/// column is missing or ambiguous, [`Error::TooManyRejects`] when more rows than `max_reject` are not understood,
/// [`Error::Empty`] when no event is left, [`Error::Limit`] and [`Error::Setting`] for what their names say.
pub fn read_events(paths: &[PathBuf], options: &ReadOptions) -> Result<(EventLog, Inspection)> {
    let options = CheckedOptions::try_from(options)?;
    let mut reading = Reading::new(&options)?;
    for path in find_files(paths)? {
        reading.file(&Source::open(&path)?)?;
    }
    reading.finish()
}

/// The files that paths stand for: a file itself, a folder's files of known formats, a pattern's matches.
fn find_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(files_in(path)?);
        } else if path.exists() {
            files.push(path.clone());
        } else {
            files.extend(matches_of(path)?);
        }
    }
    if files.is_empty() {
        let remedy = "Name a file, a folder or a pattern".to_owned();
        return Err(Error::Empty { what: "no file was given".to_owned(), remedy });
    }
    Ok(files)
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))?;
    let paths = entries.map(|entry| Ok(entry.map_err(|e| Error::io(folder, e))?.path()));
    let mut files = paths.collect::<Result<Vec<_>>>()?;
    files.retain(|path| path.is_file() && is_known_name(path));
    files.sort();
    if files.is_empty() {
        let what = format!("{}: no log in this folder", folder.display());
        let remedy =
            "It needs files named .csv .tsv .txt .inter .jsonl .json or .parquet (.gz or .zst may follow)";
        return Err(Error::Empty { what, remedy: remedy.to_owned() });
    }
    Ok(files)
}

fn matches_of(path: &Path) -> Result<Vec<PathBuf>> {
    let Some(text) = path.to_str().filter(|text| text.contains(['*', '?', '['])) else {
        return path.metadata().map(|_| Vec::new()).map_err(|e| Error::io(path, e));
    };
    let matches =
        glob::glob(text).map_err(|e| Error::setting("path", format!("a glob pattern ({e})"), text))?;
    let files: Vec<PathBuf> = matches.flatten().filter(|path| path.is_file()).collect();
    if files.is_empty() {
        let remedy = "Quote the pattern and check the folder".to_owned();
        return Err(Error::Empty { what: format!("{text}: no file matches this pattern"), remedy });
    }
    Ok(files)
}

/// A log while it is being read.
struct Reading<'a> {
    options: &'a CheckedOptions,
    users: Interner,
    items: Interner,
    sessions: Interner,
    columns: EventColumns,
    ledger: Ledger<'a>,
    files: Vec<FileInspection>,
}

/// What the first rows of a file say about the rest.
struct Plan {
    layout: Layout,
    time: TimeReader,
    inspection: FileInspection,
}

impl<'a> Reading<'a> {
    fn new(options: &'a CheckedOptions) -> Result<Self> {
        Ok(Self {
            options,
            users: Interner::new(),
            items: Interner::new(),
            sessions: Interner::new(),
            columns: EventColumns::default(),
            ledger: Ledger::open(options)?,
            files: Vec::new(),
        })
    }

    fn file(&mut self, source: &Source) -> Result<()> {
        match source.format {
            Format::Csv => self.delimited(source),
            Format::Jsonl => self.jsonl(source),
            Format::Parquet => self.parquet(source),
        }
    }

    fn delimited(&mut self, source: &Source) -> Result<()> {
        let mut blocks = Blocks::open(source)?;
        let Some(file) = Delimited::open(&mut blocks, &self.options.given)? else { return no_rows(source) };
        let layout = self.layout(source, &file.names, file.has_header)?;
        let time = TimeForm::detect(file.sample(layout.columns[layout.time]).iter().map(Vec::as_slice));
        let plan = self.plan(source, &file.names, layout, time, None, file.has_header);
        let Delimited { names, delimiter, first, has_header } = file;
        let first_row = 1 + u64::from(has_header);
        self.run(plan, first_row, hand_blocks(first, blocks), |block, judge| {
            delimited::parse(block, delimiter, names.len(), judge).map(|chunk| vec![chunk])
        })
    }

    fn jsonl(&mut self, source: &Source) -> Result<()> {
        let mut blocks = Blocks::open(source)?;
        let Some(first) = blocks.next()? else { return no_rows(source) };
        let names = jsonl::keys(&first, source)?;
        let layout = self.layout(source, &names, true)?;
        let sample = jsonl::sample(&first, &names[layout.columns[layout.time]]);
        let time = TimeForm::detect(sample.iter().map(Vec::as_slice));
        let plan = self.plan(source, &names, layout, time, None, true);
        self.run(plan, 1, hand_blocks(first, blocks), |block, judge| {
            jsonl::parse(&block, &names, judge).map(|chunk| vec![chunk])
        })
    }

    fn parquet(&mut self, source: &Source) -> Result<()> {
        let file = Columnar::open(source)?;
        let names = file.names();
        let layout = self.layout(source, &names, true)?;
        file.check_types(&layout)?;
        let column = layout.columns[layout.time];
        let by_type = file.time_type(column);
        let sample = if by_type.is_some() { Vec::new() } else { file.sample(column)? };
        let time = TimeForm::detect(sample.iter().map(Vec::as_slice));
        let plan = self.plan(source, &names, layout, time, by_type, true);
        let groups = file.n_row_groups();
        let produce = |hand: &mut dyn FnMut(usize) -> bool| {
            let _all_taken = (0..groups).all(hand);
            Ok(())
        };
        self.run(plan, 1, produce, |group, judge| file.row_group(group, judge))
    }

    fn layout(&self, source: &Source, names: &[String], has_header: bool) -> Result<Layout> {
        refuse_duplicates(&source.path, names)?;
        let layout = Columns { path: &source.path, names, has_header }.layout(&self.options.given)?;
        if self.options.given.guests == Guests::Session && layout.session.is_none() {
            return Err(Error::Column {
                path: source.path.clone(),
                reason: "guests are to be known by their session, and there is no session column".to_owned(),
                found: names.join(", "),
                remedy: "Name it: --map session=COLUMN".to_owned(),
            });
        }
        Ok(layout)
    }

    fn plan(
        &self,
        source: &Source,
        names: &[String],
        layout: Layout,
        detected: TimeForm,
        by_type: Option<&str>,
        header: bool,
    ) -> Plan {
        let unit = self.options.given.time_unit;
        let form = unit.map_or(detected, TimeForm::Epoch);
        let not_after = self.options.given.not_after.map_or(i64::MAX, Timestamp::millis);
        let used = |column: usize| layout.columns.contains(&column);
        let inspection = FileInspection {
            path: source.path.display().to_string(),
            format: source.format,
            header,
            columns: roles(&layout, names),
            unused: (0..names.len()).filter(|&c| !used(c)).map(|c| names[c].clone()).collect(),
            time: by_type.unwrap_or(form.name()).to_owned(),
            rows: 0,
        };
        Plan { layout, time: TimeReader { form, unit_is_given: unit.is_some(), not_after }, inspection }
    }

    /// Parses the tasks of one file on all threads and takes in their chunks in order.
    fn run<T: Send>(
        &mut self,
        plan: Plan,
        first_row: u64,
        produce: impl FnOnce(&mut dyn FnMut(T) -> bool) -> Result<()> + Send,
        parse: impl Fn(T, &Judge<'_>) -> Result<Vec<Chunk>> + Sync,
    ) -> Result<()> {
        let Plan { layout, time, mut inspection } = plan;
        let Self { options, users, items, sessions, columns, ledger, .. } = self;
        let judge = Judge { options, layout: &layout, time, users, items, sessions };
        let path = PathBuf::from(&inspection.path);
        let mut rows = 0;
        in_order(
            produce,
            |task| parse(task, &judge),
            |chunks| {
                for chunk in chunks {
                    ledger.add(&chunk, &path, first_row + rows)?;
                    rows += chunk.rows;
                    append(columns, chunk)?;
                }
                Ok(())
            },
        )?;
        inspection.rows = rows;
        self.files.push(inspection);
        Ok(())
    }

    fn finish(mut self) -> Result<(EventLog, Inspection)> {
        self.ledger.close()?;
        let mut columns = self.columns;
        pad(&mut columns.values, columns.items.len(), f32::NAN);
        pad(&mut columns.sessions, columns.items.len(), NO_SESSION);
        columns.user_names = self.users.into_names();
        columns.item_names = self.items.into_names();
        drop(self.sessions);
        self.ledger.excluded_items = exclude_items(&mut columns, &self.options.exclude);
        columns.drop_unused_names();
        columns.sort_event_types();
        let mut log = EventLog::from_columns(columns)?.with_dense_sessions();
        if self.options.given.dedupe {
            (log, self.ledger.duplicates_dropped) = dedupe(&log);
        }
        if log.is_empty() {
            let what = format!("no event among the {} rows", self.ledger.rows);
            return Err(Error::Empty {
                what,
                remedy: "Give a log with rows, and look at them with inspect".into(),
            });
        }
        let inspection = inspect(&log, &self.ledger, self.files);
        Ok((log, inspection))
    }
}

fn no_rows(source: &Source) -> Result<()> {
    let what = format!("{}: the file has no rows", source.path.display());
    Err(Error::Empty { what, remedy: "Give a file with a header and rows".to_owned() })
}

/// Hands out the first block, which was read to find the columns, and then the rest.
fn hand_blocks(
    first: Vec<u8>,
    mut blocks: Blocks<'_>,
) -> impl FnOnce(&mut dyn FnMut(Vec<u8>) -> bool) -> Result<()> {
    move |hand| {
        let mut next = Some(first);
        while let Some(block) = next {
            if !hand(block) {
                break;
            }
            next = blocks.next()?;
        }
        Ok(())
    }
}

fn roles(layout: &Layout, names: &[String]) -> BTreeMap<String, String> {
    let parts = [
        ("user", Some(layout.user)),
        ("item", Some(layout.item)),
        ("time", Some(layout.time)),
        ("type", layout.event_type),
        ("value", layout.value),
        ("session", layout.session),
    ];
    let name = |slot: usize| names[layout.columns[slot]].clone();
    parts.into_iter().filter_map(|(part, slot)| Some((part.to_owned(), name(slot?)))).collect()
}

/// Appends a chunk's events to those before.
fn append(columns: &mut EventColumns, chunk: Chunk) -> Result<()> {
    let before = columns.items.len();
    let numbers = chunk.type_names.iter().map(|name| number_type(&mut columns.event_types, name));
    let numbers = numbers.collect::<Result<Vec<u8>>>()?;
    columns.types.extend(chunk.types.iter().map(|&place| EventTypeId(numbers[usize::from(place)])));
    columns.users.extend_from_slice(&chunk.users);
    columns.items.extend_from_slice(&chunk.items);
    columns.times.extend(chunk.times.into_iter().map(Timestamp::from_millis));
    if !chunk.values.is_empty() {
        columns.values.resize(before, f32::NAN);
        columns.values.extend_from_slice(&chunk.values);
    }
    if !chunk.sessions.is_empty() {
        columns.sessions.resize(before, NO_SESSION);
        columns.sessions.extend_from_slice(&chunk.sessions);
    }
    Ok(())
}

/// Files without a column leave its place to be filled where other files have it.
fn pad<T: Clone>(column: &mut Vec<T>, len: usize, none: T) {
    if !column.is_empty() {
        column.resize(len, none);
    }
}

/// Drops the events of items whose id matches a pattern.
fn exclude_items(columns: &mut EventColumns, patterns: &[glob::Pattern]) -> u64 {
    if patterns.is_empty() {
        return 0;
    }
    let excluded = |name: &String| patterns.iter().any(|pattern| pattern.matches(name));
    let excluded: Vec<bool> = columns.item_names.iter().map(excluded).collect();
    let before = columns.items.len();
    let keep: Vec<bool> = columns.items.iter().map(|&item| !excluded[item as usize]).collect();
    columns.retain(&keep);
    (before - columns.items.len()) as u64
}

fn inspect(log: &EventLog, ledger: &Ledger<'_>, files: Vec<FileInspection>) -> Inspection {
    let mut counts = vec![0u64; log.event_types().len()];
    log.events().event_types().iter().for_each(|event_type| counts[event_type.index()] += 1);
    let rejected_rows = ledger.rejected();
    let span = log.span();
    Inspection {
        rows: ledger.rows,
        accepted: log.len() as u64,
        rejected: rejected_rows.iter().map(|row| (row.reason.clone(), row.count)).collect(),
        dropped: ledger.dropped(),
        repaired: ledger.repaired(),
        rules: ledger.rules(),
        users: log.n_users() as u64,
        items: log.n_items() as u64,
        event_types: log.event_types().iter().cloned().zip(counts).collect(),
        first: span.map(|(first, _)| first.to_string()),
        last: span.map(|(_, last)| last.to_string()),
        duplicates: count_duplicates(log),
        bot_like_users: bot_like_users(log)
            .iter()
            .map(|user| log.users().name(user.index()).to_owned())
            .collect(),
        profile: LogProfile::of(log),
        files,
        rejected_rows,
    }
}
