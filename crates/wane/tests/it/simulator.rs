//! The simulated shop keeps its promises: known gaps, drift, bots, and the same bits for the same seed.

use wane::events::read::{ReadOptions, read_events};
use wane::events::{EventLog, Timestamp, write_events};
use wane::interest::{CatalogueFile, CatalogueMap, write_catalogue};
use wane::simulate::{Shop, ShopSettings, TypeSettings, simulate};

/// One event type, one category, visits so rare that clusters do not overlap.
fn lonely_clusters(follow_ups: f64) -> ShopSettings {
    let kind = TypeSettings {
        name: "event".to_owned(),
        start_share: 1.0,
        half_life_days: 2.0,
        follow_ups,
        next: vec![1.0],
        bought: false,
    };
    ShopSettings {
        users: 300_000,
        items: 20,
        categories: 1,
        days: 400.0,
        events_per_user: 0.1,
        types: vec![kind],
        half_life_drift: 0.0,
        bots: 0.0,
        ..ShopSettings::default()
    }
}

/// Time from each user's first event within `from..to` to the second, where it comes within `window` days.
fn first_gaps(log: &EventLog, from: Timestamp, to: Timestamp, window: f64) -> Vec<f64> {
    let firsts = log.histories().filter_map(|(_, history)| Some((history.get(0)?, history.get(1)?)));
    let mut gaps: Vec<f64> = firsts
        .filter(|(first, _)| (from..to).contains(&first.time))
        .map(|(first, second)| second.time.days_since(first.time))
        .filter(|&gap| gap < window)
        .collect();
    gaps.sort_by(f64::total_cmp);
    gaps
}

/// Median of the first return, given that there is one within `window`: the hazard is `a * rate * exp(-rate * t)`,
/// so `P(return by t) = 1 - exp(-a * (1 - exp(-rate * t)))`.
fn true_median(follow_ups: f64, half_life: f64, window: f64) -> f64 {
    let rate = std::f64::consts::LN_2 / half_life;
    let returned = |t: f64| 1.0 - (-follow_ups * (1.0 - (-rate * t).exp())).exp();
    -(1.0 + (1.0 - returned(window) / 2.0).ln() / follow_ups).ln() / rate
}

#[test]
fn the_median_return_gap_is_the_one_of_the_law() {
    let settings = lonely_clusters(0.6);
    let Shop { log, truth, .. } = simulate(&settings, 11).unwrap();
    let half_life = truth.half_lives[0].half_life_days.days();
    let window = 8.0 * half_life;
    let (start, end) = (settings.start, settings.start.plus_days(settings.days - window));
    let gaps = first_gaps(&log, start, end, window);
    let (found, expected) = (gaps[gaps.len() / 2], true_median(0.6, half_life, window));
    assert!((found / expected - 1.0).abs() < 0.05, "{} gaps: median {found}, truth {expected}", gaps.len());
}

#[test]
fn drift_changes_the_return_gap_at_its_moment() {
    let settings = ShopSettings { half_life_drift: 1.0, users: 200_000, ..lonely_clusters(0.6) };
    let Shop { log, truth, .. } = simulate(&settings, 12).unwrap();
    let drift = truth.half_lives[0].drift.unwrap();
    let longest = truth.half_lives[0].half_life_days.days().max(drift.half_life_days.days());
    let end = settings.start.plus_days(settings.days - 8.0 * longest);
    let median = |from, to| {
        let gaps = first_gaps(&log, from, to, 8.0 * longest);
        gaps[gaps.len() / 2]
    };
    let found = median(drift.at, end) / median(settings.start, drift.at);
    let planted = drift.half_life_days.days() / truth.half_lives[0].half_life_days.days();
    assert!((found / planted - 1.0).abs() < 0.25, "found a factor of {found}, planted {planted}");
}

#[test]
fn the_same_seed_gives_the_same_shop_on_any_number_of_threads() {
    let settings = ShopSettings { users: 400, ..ShopSettings::default() };
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| simulate(&settings, 5)).unwrap()
    };
    let (one, three) = (on(1), on(3));
    assert_eq!(one.log.events().items(), three.log.events().items());
    assert_eq!(one.log.events().times(), three.log.events().times());
    assert_eq!((&one.catalogue, &one.truth), (&three.catalogue, &three.truth));
    assert_ne!(one.log.events().times(), simulate(&settings, 6).unwrap().log.events().times());
}

#[test]
fn the_default_shop_has_what_was_planted() {
    let Shop { log, catalogue, truth } = simulate(&ShopSettings::default(), 7).unwrap();
    assert!((100_000..220_000).contains(&log.len()), "{} events", log.len());
    assert_eq!((truth.bots.len(), truth.half_lives.len()), (3, 48));
    for bot in &truth.bots {
        let bot = wane::events::UserId(log.users().position(bot).unwrap());
        assert!(log.history(bot).len() > 1_500);
    }
    let (first, last) = log.span().unwrap();
    assert!(first >= truth.settings.start && last <= truth.settings.start.plus_days(180.0));
    for event in log.events().iter() {
        assert!(catalogue.created[event.item.index()].unwrap() <= event.time);
        assert_eq!(event.value.is_some(), log.event_types()[event.event_type.index()] == "purchase");
    }
}

#[test]
fn consumables_are_bought_again_after_their_cycle() {
    let settings = ShopSettings { categories: 1, items: 40, bots: 0.0, ..ShopSettings::default() };
    let Shop { log, truth, .. } = simulate(&settings, 8).unwrap();
    let purchase = log.event_types().iter().position(|name| name == "purchase").unwrap();
    let mut gaps = Vec::new();
    for (_, history) in log.histories() {
        let bought: Vec<_> = history.iter().filter(|event| event.event_type.index() == purchase).collect();
        for (place, event) in bought.iter().enumerate() {
            let again = bought[place + 1..].iter().find(|later| later.item == event.item);
            gaps.extend(again.map(|later| later.time.days_since(event.time)));
        }
    }
    let cycle = truth.repeat_cycles[0].cycle_days;
    let near = gaps.iter().filter(|&&gap| (0.6 * cycle..1.6 * cycle).contains(&gap)).count();
    assert!(near * 2 > gaps.len(), "{near} of {} gaps are near the cycle", gaps.len());
}

#[test]
fn a_written_shop_reads_back_as_it_was() {
    let shop = simulate(&ShopSettings { users: 300, ..ShopSettings::default() }, 9).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for ending in ["csv", "parquet"] {
        let at = |name: &str| folder.path().join(format!("{name}.{ending}"));
        write_events(&shop.log, &at("events")).unwrap();
        write_catalogue(&shop.catalogue, &at("items")).unwrap();
        let items = CatalogueFile::open(&at("items"), &CatalogueMap::default()).unwrap();
        let (log, _) = read_events(&[at("events")], &ReadOptions::default()).unwrap();
        let log = log.with_items(items.item_names());
        assert_eq!((log.users(), log.items()), (shop.log.users(), shop.log.items()));
        let rows = |log: &EventLog| -> Vec<_> {
            let kind = |event: &wane::events::Event| log.event_types()[event.event_type.index()].clone();
            log.events().iter().map(|event| (event.item, event.time, event.value, kind(&event))).collect()
        };
        assert_eq!(rows(&log), rows(&shop.log), "{ending}");
        assert_eq!(items.align(log.items()).unwrap().0, shop.catalogue, "{ending}");
    }
}
