//! Which row of a chunk becomes an event, and why not: one judgement for all formats.

use super::chunk::{Cells, Chunk, RawChunk, Rejected, SAMPLES};
use super::columns::Layout;
use super::ids::{Ids, trim};
use super::intern::Interner;
use super::options::{CheckedOptions, Guests};
use super::reason::{Fate, Reason};
use super::rules::RuleResult;
use super::time::{EpochNumber, TimeReader};
use super::types::{TypeNames, number_type};
use crate::error::Result;

/// Longest text of an id that is believed, in bytes.
const LONGEST_FIELD: u32 = 1 << 20;

/// Longest piece of a rejected row that is kept, in characters.
const RAW_CHARS: usize = 2000;

/// What all chunks of a file are judged by.
pub(super) struct Judge<'a> {
    pub(super) options: &'a CheckedOptions,
    pub(super) layout: &'a Layout,
    pub(super) time: TimeReader,
    pub(super) users: &'a Interner,
    pub(super) items: &'a Interner,
    pub(super) sessions: &'a Interner,
}

impl Judge<'_> {
    /// Decides every row of a chunk and numbers the ids of the accepted ones. `raw` gives the text of a row.
    pub(super) fn chunk(&self, raw_chunk: RawChunk<'_>, raw: &dyn Fn(usize) -> String) -> Result<Chunk> {
        let mut chunk = Chunk { rows: raw_chunk.rows as u64, ..Chunk::default() };
        let mut fates = vec![Fate::Accept; raw_chunk.rows];
        for &(row, reason) in &raw_chunk.faults {
            fates[row] = Fate::Reject(reason);
        }
        let slots = &raw_chunk.slots;
        let by_rule = self.apply_rules(slots, &mut fates, &mut chunk);
        let sessions = self.layout.session.map(|slot| Ids::of(&slots[slot]));
        let users = self.user_ids(slots, sessions.as_ref(), &mut fates);
        let items = Ids::of(&slots[self.layout.item]);
        refuse_missing(&items, Reason::NoItem, &mut fates);
        let times = self.times(&slots[self.layout.time], &mut fates);
        self.types(slots, &by_rule, &mut fates, &mut chunk)?;
        self.collect_rejected(&fates, &mut chunk, raw);

        let accepted: Vec<usize> = (0..raw_chunk.rows).filter(|&row| fates[row] == Fate::Accept).collect();
        let float_id = |row: &&usize| users.is_float(**row) || items.is_float(**row);
        chunk.float_ids = accepted.iter().filter(float_id).count() as u64;
        let pick = |numbers: Vec<u32>| accepted.iter().map(|&row| numbers[row]).collect();
        chunk.types = accepted.iter().map(|&row| chunk.types[row]).collect();
        chunk.times = accepted.iter().map(|&row| times[row]).collect();
        chunk.users = pick(users.intern(self.users, &fates));
        chunk.items = pick(items.intern(self.items, &fates));
        chunk.sessions = sessions.map_or_else(Vec::new, |ids| pick(ids.intern(self.sessions, &fates)));
        if let Some(slot) = self.layout.value {
            chunk.values =
                accepted.iter().map(|&row| value(&slots[slot], row, &mut chunk.bad_values)).collect();
        }
        Ok(chunk)
    }

    /// The event type that a rule gives to each row, if any; rows that rules send away get their fate.
    fn apply_rules(&self, slots: &[Cells<'_>], fates: &mut [Fate], chunk: &mut Chunk) -> Vec<Option<u8>> {
        let rules = &self.options.given.type_rules;
        chunk.rule_hits = vec![0; rules.len()];
        if rules.is_empty() {
            return Vec::new();
        }
        let mut given = vec![None; fates.len()];
        for (row, fate) in fates.iter_mut().enumerate().filter(|(_, fate)| **fate == Fate::Accept) {
            let holds = |&number: &usize| rules[number].holds(&slots[self.layout.rules[number]].text(row));
            let Some(number) = (0..rules.len()).find(holds) else { continue };
            chunk.rule_hits[number] += 1;
            // At most 200 rules are allowed.
            let number = number as u8;
            match rules[usize::from(number)].result() {
                RuleResult::Type(_) => given[row] = Some(number),
                RuleResult::Reject => *fate = Fate::Reject(Reason::Rule(number)),
                RuleResult::Drop => *fate = Fate::DropByRule(number),
            }
        }
        given
    }

    fn user_ids<'s>(
        &self,
        slots: &'s [Cells<'_>],
        sessions: Option<&Ids<'_>>,
        fates: &mut [Fate],
    ) -> Ids<'s> {
        let mut users = Ids::of(&slots[self.layout.user]);
        match (self.options.given.guests, sessions) {
            (Guests::Skip, _) => {
                let guests = fates.iter_mut().enumerate().filter(|(row, _)| users.is_missing(*row));
                guests
                    .filter(|(_, fate)| **fate == Fate::Accept)
                    .for_each(|(_, fate)| *fate = Fate::DropGuest);
            }
            (Guests::Session, Some(sessions)) => users.fill_missing(sessions),
            _ => {}
        }
        refuse_missing(&users, Reason::NoUser, fates);
        users
    }

    fn times(&self, cells: &Cells<'_>, fates: &mut [Fate]) -> Vec<i64> {
        let time = |(row, fate): (usize, &mut Fate)| {
            self.time_of(cells, row).unwrap_or_else(|reason| {
                reject(fate, reason);
                0
            })
        };
        fates.iter_mut().enumerate().map(time).collect()
    }

    fn time_of(&self, cells: &Cells<'_>, row: usize) -> Result<i64, Reason> {
        match cells {
            Cells::Text { bytes, spans } => match trim(bytes, spans[row]).of(bytes) {
                [] => Err(Reason::NoTime),
                cell => self.time.text(cell),
            },
            Cells::Ints(values) => {
                let whole = values[row].ok_or(Reason::NoTime)?;
                self.time.number(EpochNumber { whole, thousandths: 0 })
            }
            Cells::Times(values) => self.time.in_range(values[row].ok_or(Reason::NoTime)?),
        }
    }

    /// The type of every row, and the names of the types.
    fn types(
        &self,
        slots: &[Cells<'_>],
        by_rule: &[Option<u8>],
        fates: &mut [Fate],
        chunk: &mut Chunk,
    ) -> Result<()> {
        let mut types = TypeNames::default();
        for (row, fate) in fates.iter_mut().enumerate() {
            let accepted = *fate == Fate::Accept;
            let number = if accepted { self.type_of(row, slots, by_rule, &mut types)? } else { Some(0) };
            if number.is_none() {
                reject(fate, Reason::NoType);
            }
            chunk.types.push(number.unwrap_or(0));
        }
        chunk.type_names = types.names;
        Ok(())
    }

    /// The type of a row: by the rule that holds, else by its cell; `event` where the log has no types.
    fn type_of(
        &self,
        row: usize,
        slots: &[Cells<'_>],
        by_rule: &[Option<u8>],
        types: &mut TypeNames,
    ) -> Result<Option<u8>> {
        let options = &self.options.given;
        let rule = by_rule.get(row).copied().flatten();
        if let Some(RuleResult::Type(name)) =
            rule.map(|number| options.type_rules[usize::from(number)].result())
        {
            return number_type(&mut types.names, name).map(Some);
        }
        match self.layout.event_type.map(|slot| &slots[slot]) {
            None => types.of(b"event", options),
            Some(Cells::Text { bytes, spans }) => types.of(trim(bytes, spans[row]).of(bytes), options),
            Some(cells) => types.of(cells.text(row).as_bytes(), options),
        }
    }

    fn collect_rejected(&self, fates: &[Fate], chunk: &mut Chunk, raw: &dyn Fn(usize) -> String) {
        let all = self.options.given.rejects.is_some();
        let mut seen: Vec<(Reason, usize)> = Vec::new();
        for (row, fate) in fates.iter().enumerate() {
            match *fate {
                Fate::Accept | Fate::DropByRule(_) => {}
                Fate::DropGuest => chunk.guests += 1,
                Fate::Reject(reason) => {
                    let place = seen.iter().position(|(known, _)| *known == reason).unwrap_or_else(|| {
                        seen.push((reason, 0));
                        seen.len() - 1
                    });
                    seen[place].1 += 1;
                    let raw =
                        (all || seen[place].1 <= SAMPLES).then(|| raw(row).chars().take(RAW_CHARS).collect());
                    chunk.rejected.push(Rejected { row: row as u64, reason, raw });
                }
            }
        }
    }
}

fn reject(fate: &mut Fate, reason: Reason) {
    if *fate == Fate::Accept {
        *fate = Fate::Reject(reason);
    }
}

fn refuse_missing(ids: &Ids<'_>, reason: Reason, fates: &mut [Fate]) {
    for (row, fate) in fates.iter_mut().enumerate() {
        if ids.is_missing(row) {
            reject(fate, reason);
        } else if ids.len(row) > LONGEST_FIELD {
            reject(fate, Reason::FieldTooLong);
        }
    }
}

/// The value of a cell; NaN if it is empty or, counted, no finite number.
fn value(cells: &Cells<'_>, row: usize, bad: &mut u64) -> f32 {
    let value = match cells {
        Cells::Text { bytes, spans } => {
            let cell = trim(bytes, spans[row]).of(bytes);
            if cell.is_empty() {
                return f32::NAN;
            }
            std::str::from_utf8(cell).ok().and_then(|text| text.parse().ok()).unwrap_or(f32::NAN)
        }
        Cells::Ints(values) | Cells::Times(values) => match values[row] {
            Some(value) => value as f32,
            None => return f32::NAN,
        },
    };
    if value.is_finite() {
        return value;
    }
    *bad += 1;
    f32::NAN
}
