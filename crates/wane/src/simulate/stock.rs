//! The items: what is on sale when, how popular it is, and the catalogue that describes it.
//!
//! Within a category the weight of the item of rank `r` is `r^-skew * exp(growth * months)` while it is on sale.
//! Popularity is constant within a week, so an item that is new in a week sells from the next one on.

use std::sync::Arc;

use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use rand_distr::StandardNormal;

use super::ShopSettings;
use super::dynamics::{Shares, complement};
use super::words::LEAVES;
use crate::events::{ItemId, Vocab};
use crate::interest::{Catalogue, Relation};

/// Days for which popularity is held constant.
const PERIOD_DAYS: f64 = 7.0;
/// Substitutes listed per item.
const SUBSTITUTES: usize = 4;
/// Complements listed per item.
const COMPLEMENTS: usize = 3;
/// Days over which the first assortment was built up, before the log starts.
const HISTORY_DAYS: f64 = 700.0;
/// Tries to draw an item of the favourite brand before any item will do.
const BRAND_TRIES: usize = 8;

/// One item.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) category: usize,
    /// Place in the brands of the category.
    pub(super) brand: usize,
    pub(super) price: f64,
    kind: usize,
    quality: usize,
    /// Day on which it came into the shop; negative: before the log.
    created: f64,
    /// Day on which it left the shop; infinite: never.
    retired: f64,
    weight: f64,
    /// Growth of the log-weight per 30 days.
    growth: f64,
}

impl Item {
    fn on_sale(&self, from: f64, to: f64) -> bool {
        self.created <= from && to <= self.retired
    }
}

/// Items with their popularity by category and week.
#[derive(Debug, Clone)]
pub(super) struct Stock {
    pub(super) items: Vec<Item>,
    members: Vec<Vec<u32>>,
    /// By category, then week; places are places in `members`.
    popularity: Vec<Vec<Shares>>,
    substitutes: Vec<Vec<u32>>,
    complements: Vec<Vec<u32>>,
}

impl Stock {
    /// Draws the assortment.
    pub(super) fn draw(settings: &ShopSettings, rng: &mut Xoshiro256PlusPlus) -> Self {
        let mut items: Vec<Item> = (0..settings.items).map(|place| draw_item(settings, place, rng)).collect();
        let mut members = vec![Vec::new(); settings.categories];
        for (place, item) in items.iter().enumerate() {
            members[item.category].push(place as u32);
        }
        for category in &members {
            rank_items(settings, &mut items, category, rng);
        }
        let popularity = members.iter().map(|category| weekly(settings, &items, category)).collect();
        let substitutes = substitutes(&items, &members);
        let mut stock = Self { items, members, popularity, substitutes, complements: Vec::new() };
        stock.complements =
            (0..settings.items).map(|item| stock.draw_complements(settings, item, rng)).collect();
        stock
    }

    /// An item of a category by popularity, leaning towards a brand.
    pub(super) fn draw_item(
        &self,
        category: usize,
        day: f64,
        favourite: usize,
        loyalty: f64,
        rng: &mut Xoshiro256PlusPlus,
    ) -> u32 {
        let mut item = self.draw_popular(category, day, rng);
        for _ in 0..BRAND_TRIES {
            if self.items[item as usize].brand == favourite || rng.random::<f64>() * loyalty < 1.0 {
                break;
            }
            item = self.draw_popular(category, day, rng);
        }
        item
    }

    /// The item itself, if it is still to be had.
    pub(super) fn again(&self, item: u32, day: f64) -> Option<u32> {
        self.items[item as usize].on_sale(day, day).then_some(item)
    }

    /// A substitute that is to be had.
    pub(super) fn draw_substitute(&self, item: u32, day: f64, rng: &mut Xoshiro256PlusPlus) -> Option<u32> {
        self.draw_linked(&self.substitutes, item, day, rng)
    }

    /// A complement that is to be had.
    pub(super) fn draw_complement(&self, item: u32, day: f64, rng: &mut Xoshiro256PlusPlus) -> Option<u32> {
        self.draw_linked(&self.complements, item, day, rng)
    }

    fn draw_linked(
        &self,
        links: &[Vec<u32>],
        item: u32,
        day: f64,
        rng: &mut Xoshiro256PlusPlus,
    ) -> Option<u32> {
        let links = links.get(item as usize).filter(|links| !links.is_empty())?;
        self.again(links[rng.random_range(0..links.len())], day)
    }

    fn draw_popular(&self, category: usize, day: f64, rng: &mut Xoshiro256PlusPlus) -> u32 {
        let weeks = &self.popularity[category];
        let week = ((day / PERIOD_DAYS) as usize).min(weeks.len() - 1);
        // The first item of a category is always on sale, so there is always something to draw.
        self.members[category][weeks[week].draw(rng).unwrap_or(0)]
    }

    fn draw_complements(
        &self,
        settings: &ShopSettings,
        item: usize,
        rng: &mut Xoshiro256PlusPlus,
    ) -> Vec<u32> {
        let Some(other) = complement(settings, self.items[item].category) else { return Vec::new() };
        let mut linked: Vec<u32> = (0..COMPLEMENTS).map(|_| self.draw_popular(other, 0.0, rng)).collect();
        linked.sort_unstable();
        linked.dedup();
        linked
    }

    /// What the shop tells of its items; items are numbered as in the stock.
    pub(super) fn catalogue(&self, settings: &ShopSettings, items: Arc<Vocab>) -> Catalogue {
        let (category_names, paths) = category_paths(settings);
        let leaf = |item: &Item| &LEAVES[item.category];
        let relation = |name: &str, links: &[Vec<u32>]| {
            let link = |(from, to): (usize, &Vec<u32>)| {
                to.iter().map(move |&to| (ItemId(from as u32), ItemId(to), 1.0)).collect::<Vec<_>>()
            };
            Relation::from_links(name, self.items.len(), links.iter().enumerate().flat_map(link))
        };
        Catalogue {
            items,
            listed: vec![true; self.items.len()],
            title: self.items.iter().map(|item| Some(title(item))).collect(),
            description: self.items.iter().map(|item| Some(description(item))).collect(),
            categories: self.items.iter().map(|item| paths[item.category].clone()).collect(),
            category_names,
            brand: self.items.iter().map(|item| Some(leaf(item).brands[item.brand].to_owned())).collect(),
            price: self.items.iter().map(|item| Some(item.price as f32)).collect(),
            available: self.items.iter().map(|item| Some(item.retired >= settings.days)).collect(),
            created: self.items.iter().map(|item| Some(settings.start.plus_days(item.created))).collect(),
            relations: vec![
                relation("complement", &self.complements),
                relation("substitute", &self.substitutes),
            ],
            ..Catalogue::default()
        }
    }
}

fn draw_item(settings: &ShopSettings, place: usize, rng: &mut Xoshiro256PlusPlus) -> Item {
    let first = place < settings.categories;
    let category = if first { place } else { rng.random_range(0..settings.categories) };
    let leaf = &LEAVES[category];
    let is_new = rng.random_bool(settings.new_items) && !first;
    let leaves = rng.random_bool(settings.retired_items) && !first;
    let created = if is_new { settings.days } else { -HISTORY_DAYS } * rng.random::<f64>();
    let leaving_day = created.max(0.0) + (settings.days - created.max(0.0)) * rng.random::<f64>();
    let position: f64 = rng.random();
    Item {
        category,
        brand: rng.random_range(0..leaf.brands.len()),
        price: (leaf.price.0 * (leaf.price.1 / leaf.price.0).powf(position) * 20.0).round() / 20.0,
        kind: rng.random_range(0..leaf.kinds.len()),
        quality: rng.random_range(0..leaf.qualities.len()),
        created,
        retired: if leaves { leaving_day } else { f64::INFINITY },
        weight: 0.0,
        growth: rng.sample::<f64, _>(StandardNormal) * settings.trend,
    }
}

/// Gives the items of a category their popularity, by a random order.
fn rank_items(settings: &ShopSettings, items: &mut [Item], category: &[u32], rng: &mut Xoshiro256PlusPlus) {
    let mut order = category.to_vec();
    order.shuffle(rng);
    for (rank, &item) in order.iter().enumerate() {
        items[item as usize].weight = ((rank + 1) as f64).powf(-settings.popularity_skew);
    }
}

fn weekly(settings: &ShopSettings, items: &[Item], category: &[u32]) -> Vec<Shares> {
    let weeks = (settings.days / PERIOD_DAYS).ceil().max(1.0) as usize;
    let shares = |week: usize| {
        let (from, to) = (week as f64 * PERIOD_DAYS, (week + 1) as f64 * PERIOD_DAYS);
        let share = move |&place: &u32| {
            let item = &items[place as usize];
            let weight = item.weight * (item.growth * from / 30.0).exp();
            if item.on_sale(from, to) { weight } else { 0.0 }
        };
        Shares::new(category.iter().map(share))
    };
    (0..weeks).map(shares).collect()
}

/// Substitutes are the neighbours in price within a category.
fn substitutes(items: &[Item], members: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let mut linked = vec![Vec::new(); items.len()];
    for category in members {
        let mut by_price = category.clone();
        by_price
            .sort_by(|&a, &b| items[a as usize].price.total_cmp(&items[b as usize].price).then(a.cmp(&b)));
        for (place, &item) in by_price.iter().enumerate() {
            let first = place.saturating_sub(SUBSTITUTES / 2);
            let last = (first + SUBSTITUTES).min(by_price.len() - 1);
            linked[item as usize] =
                by_price[first..=last].iter().copied().filter(|&other| other != item).collect();
        }
    }
    linked
}

/// Names of all categories, and for each special one its path in them.
fn category_paths(settings: &ShopSettings) -> (Vec<String>, Vec<Vec<u32>>) {
    let leaves = &LEAVES[..settings.categories];
    let names = leaves.iter().flat_map(|leaf| [leaf.department, leaf.name]);
    let vocab = Vocab::from_names(names);
    let path = |leaf: &super::words::Leaf| {
        [leaf.department, leaf.name].iter().filter_map(|name| vocab.position(name)).collect()
    };
    (vocab.iter().map(str::to_owned).collect(), leaves.iter().map(path).collect())
}

fn title(item: &Item) -> String {
    let leaf = &LEAVES[item.category];
    format!("{} {} {}", leaf.brands[item.brand], leaf.qualities[item.quality], leaf.kinds[item.kind])
}

fn description(item: &Item) -> String {
    let leaf = &LEAVES[item.category];
    let (quality, kind) = (leaf.qualities[item.quality], leaf.kinds[item.kind]);
    let purpose = leaf.uses[(item.kind + item.quality) % leaf.uses.len()];
    format!("{quality} {kind} by {} for {purpose}, from our {} shelf", leaf.brands[item.brand], leaf.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn nothing_sells_before_it_is_new_or_after_it_is_gone() {
        let settings = ShopSettings { new_items: 0.8, retired_items: 0.5, ..ShopSettings::default() };
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
        let stock = Stock::draw(&settings, &mut rng);
        for step in 0..20_000 {
            let day = settings.days * f64::from(step) / 20_000.0;
            let item = stock.draw_item(step as usize % settings.categories, day, 0, 3.0, &mut rng);
            assert!(stock.again(item, day).is_some());
        }
    }

    #[test]
    fn relations_stay_in_the_category_or_go_to_its_complement() {
        let settings = ShopSettings::default();
        let stock = Stock::draw(&settings, &mut Xoshiro256PlusPlus::seed_from_u64(4));
        let category = |item: u32| stock.items[item as usize].category;
        for item in 0..settings.items as u32 {
            assert!(stock.substitutes[item as usize].iter().all(|&other| category(other) == category(item)));
            assert!(
                stock.complements[item as usize].iter().all(|&other| category(other) == category(item) ^ 1)
            );
        }
    }
}
