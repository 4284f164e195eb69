//! From settings and a seed to a log, a catalogue and the truth.

use rayon::prelude::*;

use super::dynamics::complement;
use super::shopper::{Diary, World, simulate_user};
use super::words::LEAVES;
use super::{ShopSettings, TasteDrift, Truth};
use crate::error::Result;
use crate::events::{EventColumns, EventLog, EventTypeId};
use crate::interest::Catalogue;

/// Users that are simulated at once, which bounds the memory for their diaries.
const BLOCK: usize = 16_384;

/// A simulated shop.
#[derive(Debug, Clone, PartialEq)]
pub struct Shop {
    /// What users did. Users who did nothing are not in it; items without events are.
    pub log: EventLog,
    /// What the shop tells of its items; rows are the log's items.
    pub catalogue: Catalogue,
    /// What was planted.
    pub truth: Truth,
}

/// Simulates a shop: the same settings and seed give the same shop, whatever the number of threads.
///
/// # Errors
/// [`crate::Error::Setting`] when a setting is out of its range.
pub fn simulate(settings: &ShopSettings, seed: u64) -> Result<Shop> {
    settings.check()?;
    let world = World::draw(settings, seed)?;
    let mut sheet = Sheet::new(settings);
    for first in (0..settings.users).step_by(BLOCK) {
        let block = first..settings.users.min(first + BLOCK);
        let diaries: Vec<Diary> =
            block.clone().into_par_iter().map(|user| simulate_user(&world, user)).collect();
        block.zip(diaries).for_each(|(user, diary)| sheet.add(&world, user, diary));
    }
    let log = EventLog::from_columns(sheet.columns)?;
    let catalogue = world.stock.catalogue(settings, log.items().clone());
    let truth = truth(&world, sheet.taste_drifts)?;
    Ok(Shop { log, catalogue, truth })
}

/// Events as they are collected, user by user.
struct Sheet {
    columns: EventColumns,
    taste_drifts: Vec<TasteDrift>,
}

impl Sheet {
    fn new(settings: &ShopSettings) -> Self {
        let columns = EventColumns {
            item_names: (0..settings.items).map(|item| name('i', item, settings.items)).collect(),
            event_types: settings.types.iter().map(|kind| kind.name.clone()).collect(),
            ..EventColumns::default()
        };
        Self { columns, taste_drifts: Vec::new() }
    }

    fn add(&mut self, world: &World, user: usize, diary: Diary) {
        if diary.events.is_empty() {
            return;
        }
        let settings = &world.settings;
        let id = name('u', user, settings.users);
        if let Some(day) = diary.taste_drift {
            self.taste_drifts.push(TasteDrift { user: id.clone(), at: settings.start.plus_days(day) });
        }
        let columns = &mut self.columns;
        let place = columns.user_names.len() as u32;
        columns.user_names.push(id);
        for event in diary.events {
            let price = world.stock.items[event.item as usize].price as f32;
            columns.users.push(place);
            columns.items.push(event.item);
            columns.times.push(settings.start.plus_days(event.day));
            columns.types.push(EventTypeId(event.kind as u8));
            columns.values.push(if settings.types[event.kind].bought { price } else { f32::NAN });
        }
    }
}

/// An id with leading zeros, so that the order of names is the order of numbers.
fn name(letter: char, number: usize, of: usize) -> String {
    let width = of.saturating_sub(1).max(1).ilog10() as usize + 1;
    format!("{letter}{number:0width$}")
}

fn truth(world: &World, taste_drifts: Vec<TasteDrift>) -> Result<Truth> {
    let settings = &world.settings;
    let pair = |from: usize| {
        let to = complement(settings, from)?;
        Some((LEAVES[from].name.to_owned(), LEAVES[to].name.to_owned()))
    };
    Ok(Truth {
        seed: world.seed,
        settings: settings.clone(),
        half_lives: world.dynamics.true_half_lives(settings)?,
        repeat_cycles: world.cycles.iter().flatten().cloned().collect(),
        complements: (0..settings.categories).filter_map(pair).collect(),
        taste_drifts,
        bots: world.bots.iter().map(|&user| name('u', user, settings.users)).collect(),
    })
}
