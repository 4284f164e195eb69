//! Forecasts by category know nothing of what comes later.

use wane::decay::forecast::{ForecastAsked, Forecaster};
use wane::events::{EventLog, Timestamp};
use wane::pipeline::{HalfLifeBy, ProfileAsked, Tag, TagsAsked, profiles, tags};
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

#[test]
fn tags_are_those_of_the_moment_that_is_asked_about() {
    let shop = simulate(&ShopSettings { users: 150, ..ShopSettings::default() }, 3).unwrap();
    let end = Timestamp::from_millis(shop.log.span().unwrap().1.millis() + 1);
    let at = |as_of: Option<Timestamp>| -> wane::Result<Vec<Tag>> {
        let asked =
            TagsAsked { kinds: &[HalfLifeBy::Category], as_of, horizon: 10.0, most: usize::MAX, least: 0.0 };
        let mut found = tags(&shop.log, Some(&shop.catalogue), asked)?.tags;
        found.sort_by(|a, b| (&a.interest.user, &a.interest.key).cmp(&(&b.interest.user, &b.interest.key)));
        Ok(found)
    };
    // A day later everything was seen a day longer ago, though no event tells of that day.
    let (now, later) = (at(None).unwrap(), at(Some(end.plus_days(1.0))).unwrap());
    assert_eq!(now.len(), later.len());
    for (now, later) in now.iter().zip(&later) {
        assert_eq!(now.interest.last_seen_days + 1.0, later.interest.last_seen_days);
    }
    let said = at(Some(end.plus_days(1.5))).unwrap_err().to_string();
    assert!(said.contains("`as_of`") && said.contains("where the log ends"), "{said}");
    // And a user's tags are that user's interests.
    let as_of = Some(end.plus_days(-7.3));
    let (found, user) = (at(as_of).unwrap(), shop.log.users().name(4));
    let asked = ProfileAsked { by: HalfLifeBy::Category, as_of, horizon: 10.0, users: &[user.to_owned()] };
    let mut own = profiles(&shop.log, Some(&shop.catalogue), asked).unwrap().remove(0).interests;
    own.sort_by(|a, b| a.forecast.key.cmp(&b.forecast.key));
    let tagged = found.iter().filter(|tag| tag.interest.user == user).map(|tag| &tag.interest);
    assert!(!own.is_empty() && tagged.eq(own.iter().map(|interest| &interest.forecast)));
}
