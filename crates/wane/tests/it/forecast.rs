//! Forecasts by category know nothing of what comes later.

use wane::decay::forecast::{ForecastAsked, Forecaster};
use wane::events::{EventLog, Timestamp};
use wane::simulate::{ShopSettings, simulate};

fn forecasts(log: &EventLog, keys: &[Option<u32>], at: Timestamp) -> Vec<(u32, u32, f64)> {
    let asked = ForecastAsked { keys, at, horizon: 10.0 };
    let found = Forecaster::fit(log, asked).unwrap().forecasts();
    found.iter().map(|own| (own.pair.user.0, own.pair.key, own.probability)).collect()
}

#[test]
fn what_comes_later_is_not_known() {
    let shop = simulate(&ShopSettings { users: 150, ..ShopSettings::default() }, 2).unwrap();
    let keys: Vec<Option<u32>> = shop.catalogue.categories.iter().map(|path| path.last().copied()).collect();
    let at = shop.log.span().unwrap().1.plus_days(-40.0);
    let found = forecasts(&shop.log, &keys, at);
    assert!(found.len() > 200);
    assert_eq!(found, forecasts(&shop.log.before(at), &keys, at));
}
